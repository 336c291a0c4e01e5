#!/usr/bin/env python3
"""Runs the scenarios: run.py [--binary PATH] [--mode MODE] [--jobs N] [--keep] [WORDS…]. WORDS select the scenarios whose file or name
contains one of them.

MODE is embedded (one `tocsin serve`), distributed (six programs in its place) or container (`tocsin serve` in a container of the image,
tests/image/run.sh). Scenarios about the distributed mode run in MODE embedded and start their own programs. The files in ALONE measure
time and run first, one after the other. Of the other files, N scenarios run at a time, each with a separate process,
directory and ports, but only one of the scenarios that use the shared Kafka. SCENARIO_FILES="flow stop"
restricts the run to these files.
"""

import argparse
import importlib
import inspect
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import signal
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import TIMEOUT_FACTOR, REPOSITORY, Failure, Scratch, Skip
from contained import contained
from installation import together

LIMIT_SECONDS = 180 * TIMEOUT_FACTOR
FILES = ["start", "flow", "input", "stop", "webhook", "mail", "kill", "readme", "pages", "export", "programs", "away", "topics", "rebuild", "table",
         "takeover", "upgrade", "ledger"]
ON_REQUEST = ["chaos"]  # takes minutes: runs only if it is named (make test-chaos)
# These files must pass alike against one server, six programs, and a server in a container. The other files start six programs
# themselves, or concern peculiarities of a container (rights, a read-only root, another user, signals to process 1).
BOTH_WAYS = ["flow", "input", "stop", "webhook", "mail", "kill"]
PLAYED = {"embedded": FILES, "distributed": BOTH_WAYS, "container": BOTH_WAYS + ["start", "readme", "pages", "export"]}
EXCLUDED_BY = {"embedded": None, "distributed": "embedded_only", "container": "not_in_a_container"}  # marks of scenarios, with reasons
ALONE = ["start", "kill", "stop", "programs", "away", "chaos"]
SERVERS = {"embedded": None, "distributed": together, "container": contained}


def scenarios(words, mode):
    """(file, name, function) of the mode's scenarios."""
    selected = os.environ.get("SCENARIO_FILES", "").split()
    for file in [file for file in PLAYED[mode] if not selected or file in selected] + [file for file in ON_REQUEST if file in words and mode == "embedded"]:
        module = importlib.import_module(f"{file}_test")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_"):
                if "scratch" in function.__code__.co_varnames[:1] and not (EXCLUDED_BY[mode] and hasattr(function, EXCLUDED_BY[mode])):
                    yield file, name, function


def too_long(*_):
    raise Failure(f"took longer than {LIMIT_SECONDS} s")


def run(function, binary, keep, server):
    """Runs one scenario; returns (None or the text of the failure, notes)."""
    scratch = Scratch(binary, server)
    signal.alarm(LIMIT_SECONDS)
    try:
        function(scratch)
        scratch.end_servers()
        return None, scratch.notes
    except Skip:
        raise
    except Exception as problem:  # any exception is a failure of this scenario only
        text = "" if isinstance(problem, Failure) else traceback.format_exc() + "\n"
        frame = traceback.extract_tb(problem.__traceback__)
        position = next((f"{f.filename}:{f.lineno}" for f in reversed(frame) if f.filename.endswith("_test.py")), "")
        return f"{position}: {problem}\n{text}{scratch.logs()}", scratch.notes
    finally:
        signal.alarm(0)
        scratch.dispose(keep)


def played(function, arguments):
    """(failure or reason of the skip, was skipped, notes, seconds)."""
    began = time.monotonic()
    try:
        problem, notes = run(function, arguments.binary, arguments.keep, SERVERS[arguments.mode])
        return problem, False, notes, time.monotonic() - began
    except Skip as skip:
        return str(skip), True, [], time.monotonic() - began


class Played:
    """A scenario that runs in its own process."""

    def __init__(self, file, name, function, arguments):
        self.file, self.name, self.function = file, name, function
        self.ours, theirs = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=lambda: theirs.send(played(function, arguments)))
        self.process.start()
        theirs.close()

    def outcome(self):
        try:
            outcome = self.ours.recv()
        except EOFError:
            outcome = "the process of the scenario ended without an outcome", False, [], 0
        self.process.join()
        return outcome


def has_kafka(file, function):
    """True if the scenario uses the shared Kafka or starts one."""
    return file == "topics" or "Site(" in inspect.getsource(function)


def next_of(waiting, running):
    """A waiting scenario that may run beside the running ones, or None. Scenarios on Kafka come first, because they take
    longest."""
    taken = any(has_kafka(one.file, one.function) for one in running)
    fitting = [each for each in waiting if not (taken and has_kafka(each[0], each[2]))]
    return min(fitting, key=lambda each: not has_kafka(each[0], each[2]), default=None)


def outcomes(chosen, arguments):
    """((file, name), outcome) of each scenario, in the order in which they end."""
    alone = [each for each in chosen if arguments.jobs == 1 or each[0] in ALONE]
    waiting = [each for each in chosen if each not in alone]
    for file, name, function in alone:
        yield (file, name), played(function, arguments)
    running = {}
    while waiting or running:
        while len(running) < arguments.jobs and (following := next_of(waiting, running.values())):
            waiting.remove(following)
            one = Played(*following, arguments)
            running[one.ours] = one
        for end in multiprocessing.connection.wait(running):
            one = running.pop(end)
            yield (one.file, one.name), one.outcome()


def jobs_of(mode):
    """The number of scenarios that run at a time; 1 in the distributed mode, because all scenarios share one Kafka."""
    return 1 if mode == "distributed" else int(os.environ.get("SCENARIO_JOBS") or 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPOSITORY / os.environ.get("BUILD", "build") / "bin/tocsin"))
    parser.add_argument("--mode", choices=SERVERS, default=os.environ.get("MODE") or "embedded")
    parser.add_argument("--jobs", type=int, help="number of scenarios at a time (SCENARIO_JOBS, else 2; 1 in the distributed mode)")
    parser.add_argument("--keep", action="store_true", help="keep the scratch directories")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    arguments.jobs = arguments.jobs or jobs_of(arguments.mode)
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts a background job with SIGINT ignored
    chosen = [s for s in scenarios(arguments.words, arguments.mode) if not arguments.words or any(word in f"{s[0]} {s[1]}" for word in arguments.words)]
    passed = skipped = 0
    failed = []
    for index, ((file, name), (problem, was_skipped, notes, seconds)) in enumerate(outcomes(chosen, arguments), 1):
        title = f"[{index}/{len(chosen)}] {file}: {name.replace('_', ' ')}"
        if was_skipped:
            print(f"{title}: skipped, {problem}", flush=True)
            skipped += 1
            continue
        print(f"{title}: {'FAILED' if problem else 'ok'} ({seconds:.1f} s{''.join('; ' + note for note in notes)})", flush=True)
        if problem:
            failed.append(f"{title}: {problem.splitlines()[0][:400]}")
            print("    " + problem.replace("\n", "\n    "), flush=True)
        else:
            passed += 1
    for title in failed:
        print(f"failed: {title}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
