#!/usr/bin/env python3
"""Runs the scenarios: run.py [--binary PATH] [--mode MODE] [--jobs N] [--keep] [WORDS…]; words choose those whose name holds one of them.

MODE is embedded (one `tocsin serve`); distributed: the same scenarios with six programs in its place; or container: with
`tocsin serve` in a container of the image (tests/image/run.sh). Those about one mode only are played in embedded, or start what
they need themselves. Scenarios mostly wait: N of them are played at a time, each in a process, a directory and at ports of its own; of those
that have a Kafka one at a time, since they share it. First, one after the other, the files with some that measure (ALONE).
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
from harness import PATIENCE, REPOSITORY, Failure, Scratch, Skip
from contained import contained
from installation import together

LIMIT_SECONDS = 180 * PATIENCE
FILES = ["start", "flow", "input", "stop", "webhook", "mail", "kill", "readme", "pages", "export", "programs", "away", "topics", "rebuild", "table", "takeover", "upgrade", "ledger"]
ASKED_FOR = ["chaos"]  # takes minutes: only when it is named (make test-chaos)
# What one server does, six programs do, and one in a container. The others are about six programs on a Kafka for them alone, and what a
# container changes (rights, a read-only root, another user, signals to process 1) is one for all programs of the image.
BOTH_WAYS = ["flow", "input", "stop", "webhook", "mail", "kill"]
PLAYED = {"embedded": FILES, "distributed": BOTH_WAYS, "container": BOTH_WAYS + ["start", "readme", "pages", "export"]}
LEFT_OUT = {"embedded": None, "distributed": "embedded_only", "container": "not_in_a_container"}  # marks of scenarios, each with its reason
ALONE = ["start", "kill", "stop", "programs", "away", "chaos"]
SERVERS = {"embedded": None, "distributed": together, "container": contained}


def scenarios(words, mode):
    for file in PLAYED[mode] + [file for file in ASKED_FOR if file in words and mode == "embedded"]:
        module = importlib.import_module(f"{file}_test")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_"):
                if "scratch" in function.__code__.co_varnames[:1] and not (LEFT_OUT[mode] and hasattr(function, LEFT_OUT[mode])):
                    yield file, name, function


def too_long(*_):
    raise Failure(f"took longer than {LIMIT_SECONDS} s")


def run(function, binary, keep, server):
    """None when it went well, else what did not."""
    scratch = Scratch(binary, server)
    signal.alarm(LIMIT_SECONDS)
    try:
        function(scratch)
        scratch.end_servers()
        return None, scratch.notes
    except Skip:
        raise
    except Exception as problem:  # whatever it is, it is this scenario's failure and no other's
        text = "" if isinstance(problem, Failure) else traceback.format_exc() + "\n"
        frame = traceback.extract_tb(problem.__traceback__)
        place = next((f"{f.filename}:{f.lineno}" for f in reversed(frame) if f.filename.endswith("_test.py")), "")
        return f"{place}: {problem}\n{text}{scratch.logs()}", scratch.notes
    finally:
        signal.alarm(0)
        scratch.dispose(keep)


def played(function, arguments):
    """(what did not go well, whether it was skipped, notes, seconds)"""
    began = time.monotonic()
    try:
        problem, notes = run(function, arguments.binary, arguments.keep, SERVERS[arguments.mode])
        return problem, False, notes, time.monotonic() - began
    except Skip as skip:
        return str(skip), True, [], time.monotonic() - began


class Played:
    """A scenario under way in a process of its own."""

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
            outcome = "it ended without a word", False, [], 0
        self.process.join()
        return outcome


def has_kafka(file, function):
    """The one that all share, or one that it starts."""
    return file == "topics" or "Site(" in inspect.getsource(function)


def following_of(waiting, running):
    """What can be played beside what is running: those on Kafka first, which take longest; None: nothing."""
    taken = any(has_kafka(one.file, one.function) for one in running)
    fitting = [each for each in waiting if not (taken and has_kafka(each[0], each[2]))]
    return min(fitting, key=lambda each: not has_kafka(each[0], each[2]), default=None)


def outcomes(chosen, arguments):
    """((file, name), outcome) of each, as they come."""
    alone = [each for each in chosen if arguments.jobs == 1 or each[0] in ALONE]
    waiting = [each for each in chosen if each not in alone]
    for file, name, function in alone:
        yield (file, name), played(function, arguments)
    running = {}
    while waiting or running:
        while len(running) < arguments.jobs and (following := following_of(waiting, running.values())):
            waiting.remove(following)
            one = Played(*following, arguments)
            running[one.ours] = one
        for end in multiprocessing.connection.wait(running):
            one = running.pop(end)
            yield (one.file, one.name), one.outcome()


def jobs_of(mode):
    """Six programs share one Kafka with the scenario before."""
    return 1 if mode == "distributed" else int(os.environ.get("SCENARIO_JOBS") or 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPOSITORY / os.environ.get("BUILD", "build") / "bin/tocsin"))
    parser.add_argument("--mode", choices=SERVERS, default=os.environ.get("MODE") or "embedded")
    parser.add_argument("--jobs", type=int, help="how many at a time (SCENARIO_JOBS, 2; 1 with six programs, whose Kafka all share)")
    parser.add_argument("--keep", action="store_true", help="leave scratch directories behind")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    arguments.jobs = arguments.jobs or jobs_of(arguments.mode)
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would hand on that it is ignored
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
