#!/usr/bin/env python3
"""Runs the scenarios: run.py [--binary PATH] [--mode MODE] [--keep] [WORDS…]; words choose those whose name holds one of them.

MODE is embedded (one `tocsin serve`); distributed: the same scenarios with six programs in its place; or container: with
`tocsin serve` in a container of the image (tests/image/run.sh). Those about one mode only are played in embedded, or start what
they need themselves.
"""

import argparse
import importlib
import inspect
import os
import pathlib
import signal
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import REPOSITORY, Failure, Scratch, Skip
from contained import contained
from installation import together

LIMIT_SECONDS = 180
FILES = ["start", "flow", "input", "stop", "webhook", "mail", "kill", "readme", "pages", "export", "programs", "topics", "rebuild", "table"]
ASKED_FOR = ["chaos"]  # takes minutes: only when it is named (make test-chaos)
BOTH_WAYS = ["flow", "input", "stop", "webhook", "mail", "kill"]  # what one server does, six programs do
SERVERS = {"embedded": None, "distributed": together, "container": contained}


def scenarios(words, mode):
    for file in BOTH_WAYS if mode != "embedded" else FILES + [file for file in ASKED_FOR if file in words]:
        module = importlib.import_module(f"{file}_test")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and getattr(function, "__module__", "") == module.__name__ and not name.startswith("_"):
                if "scratch" in function.__code__.co_varnames[:1] and not (mode == "distributed" and hasattr(function, "embedded_only")):
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
        if not keep:
            scratch.dispose()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", default=str(REPOSITORY / os.environ.get("BUILD", "build") / "bin/tocsin"))
    parser.add_argument("--mode", choices=SERVERS, default=os.environ.get("MODE") or "embedded")
    parser.add_argument("--keep", action="store_true", help="leave scratch directories and servers behind")
    parser.add_argument("words", nargs="*")
    arguments = parser.parse_args()
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would hand on that it is ignored
    chosen = [s for s in scenarios(arguments.words, arguments.mode) if not arguments.words or any(word in f"{s[0]} {s[1]}" for word in arguments.words)]
    passed = skipped = 0
    failed = []
    for index, (file, name, function) in enumerate(chosen, 1):
        began = time.monotonic()
        title = f"[{index}/{len(chosen)}] {file}: {name.replace('_', ' ')}"
        try:
            problem, notes = run(function, arguments.binary, arguments.keep, SERVERS[arguments.mode])
        except Skip as skip:
            print(f"{title}: skipped, {skip}", flush=True)
            skipped += 1
            continue
        seconds = time.monotonic() - began
        print(f"{title}: {'FAILED' if problem else 'ok'} ({seconds:.1f} s{''.join('; ' + note for note in notes)})", flush=True)
        if problem:
            failed.append(title)
            print("    " + problem.replace("\n", "\n    "), flush=True)
        else:
            passed += 1
    for title in failed:
        print(f"failed: {title}")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
    return 1 if failed else 0


sys.exit(main())
