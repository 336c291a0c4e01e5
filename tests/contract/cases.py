"""Contract tests: each is a function marked `@case` whose name is a sentence. main() runs all and prints the totals."""
import traceback

CASES = []


class Skip(Exception):
    """A tool that the test needs is missing."""


def case(function):
    CASES.append(function)
    return function


def main():
    """Runs all cases; returns the exit code."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for test in CASES:
        name, verdict = test.__name__.replace("_", " "), "passed"
        try:
            test()
        except Skip as skip:
            verdict = "skipped"
            print(f"{name}: skipped, {skip}")
        except Exception:  # an invalid document may raise anything
            verdict = "failed"
            print(f"{name}: FAILED\n{traceback.format_exc(limit=4)}")
        counts[verdict] += 1
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return 1 if counts["failed"] else 0
