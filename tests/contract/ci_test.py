#!/usr/bin/env python3
"""run-tests.sh, test-all.sh and .ci/run, with a fake make: a skipped test is never counted as passed."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "whole": "echo '3 passed, 0 failed, 0 skipped'",
    "skips": "echo 'image: skipped, there is no podman'; echo '1 passed, 0 failed, 1 skipped'",
    "cmocka": "echo '[  SKIPPED ] kafka_is_asked'; echo '[  PASSED  ] 2 test(s).'; echo '[  SKIPPED ] 1 test(s), listed below:'; echo '[  SKIPPED ] kafka_is_asked'",
    "breaks": "echo '0 passed, 1 failed, 0 skipped'; exit 1",
    "silent": "true",
}
# The fake make. Each part gets its counts from $RESULTS ("PART=passed failed skipped;…"), by default one passed test. `make test`
# runs the real test-all.sh.
MAKE = """#!/bin/bash
for word in "$@"; do [[ $word == *=* ]] && export "$word"; done
for word in "$@"; do
	case $word in
	test) exec env BUILD=build tools/test-all.sh || exit ;;
	test-deps | deps) echo "$word" >>calls ;;
	test-* | lint)
		name=${word#test-}
		directory=$BUILD${SAN:+-${SAN//,/-}}/results
		mkdir -p "$directory"
		echo "$word STRICT=${STRICT:-} SAN=${SAN:-} PARTS=${PARTS-unset} MORE=${MORE-unset}" >>calls
		[[ ";$RESULTS" == *";$name="* ]] && counts=${RESULTS##*"$name="} || counts='1 0 0'
		[[ $counts == none* ]] && exit 2
		echo "${counts%%;*}" >"$directory/$name"
		[[ $counts == *' 0' ]] || echo "$name/run.sh: skipped, it cannot be had" >"$directory/$name.skipped"
		;;
	esac
done
"""


def environment(**more):
    kept = {name: value for name, value in os.environ.items()
            if name not in ("BUILD", "STRICT", "MAY_SKIP", "PARTS", "FLAVOURS", "MORE", "MAKEFLAGS", "MAKELEVEL", "SAN", "STEPS", "INSTALL_SECONDS")}
    return kept | more


def run_tests(*programs, part="edge", **settings):
    """run-tests.sh with fake programs: exit code, output, totals and reasons of skipped tests."""
    with tempfile.TemporaryDirectory() as directory:
        for name in programs:
            path = Path(directory, name)
            path.write_text(f"#!/bin/bash\n{PROGRAMS[name]}\n")
            path.chmod(0o755)
        done = subprocess.run([ROOT / "tools/run-tests.sh", part, *programs], cwd=directory, capture_output=True, text=True, timeout=60,
                              env=environment(BUILD="built", PYTHON=sys.executable, **settings))
        reasons = Path(directory, "built/results", f"{part}.skipped")
        return done.returncode, done.stdout, Path(directory, "built/results", part).read_text().strip(), reasons.read_text() if reasons.exists() else ""


@case
def a_skipped_test_fails_only_in_strict_mode():
    assert run_tests("whole", "skips")[0::2] == (0, "4 0 1")
    assert run_tests("whole", STRICT="1")[0] == 0
    code, output, counts, _ = run_tests("whole", "skips", STRICT="1")
    assert (code, counts) == (1, "4 0 1") and "STRICT=1" in output.splitlines()[-1], output
    assert run_tests("cmocka", STRICT="1")[0] == 1
    assert run_tests("skips", STRICT="1", MAY_SKIP="fresh edge")[0] == 0
    assert run_tests("skips", STRICT="1", MAY_SKIP="fresh")[0] == 1
    assert run_tests("breaks", STRICT="1", MAY_SKIP="edge")[0] == 1


@case
def skipped_tests_are_listed_with_their_reasons():
    _, output, _, reasons = run_tests("skips", "cmocka", "whole")
    assert reasons.splitlines() == ["edge/skips: image: skipped, there is no podman", "edge/cmocka: kafka_is_asked"], reasons
    assert reasons in output


@case
def a_program_without_tests_fails():
    assert run_tests("silent")[0::2] == (1, "0 1 0")


def fake_run(budget=None, **settings):
    """Runs .ci/run with the fake make in a separate tree: exit code, lines of output, calls of make."""
    with tempfile.TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in (".ci/run", "tools/test-all.sh", "tests/budget"):
            (tree / name).parent.mkdir()
            shutil.copy(ROOT / name, tree / name)
        if budget:
            (tree / "tests/budget").write_text(budget)
        (tree / "bin").mkdir()
        (tree / "bin/make").write_text(MAKE)
        (tree / "bin/make").chmod(0o755)
        done = subprocess.run([tree / ".ci/run"], cwd="/", capture_output=True, text=True, timeout=60,
                              env=environment(**{"PATH": f"{tree}/bin:{os.environ['PATH']}", "RESULTS": "", **settings}))
        return done.returncode, done.stdout.splitlines(), (tree / "calls").read_text().splitlines()


def parts(calls):
    return [call for call in calls if call.split()[0] not in ("deps", "test-deps")]


@case
def continuous_integration_runs_everything_and_only_containers_may_be_missing():
    code, output, calls = fake_run()
    assert code == 0, output
    assert {call.split()[0] for call in parts(calls)} >= {"lint", "test-image", "test-fresh", "test-unit", "test-scenario-distributed"}, calls
    assert all(" STRICT=1 " in call and call.endswith("PARTS=unset MORE=unset") for call in parts(calls)), calls
    assert [call for call in parts(calls) if call.startswith("test-unit ")] != [] and any("SAN=address,undefined" in call for call in calls), calls
    assert output[-1] == f"{len(parts(calls))} passed, 0 failed, 0 skipped", output[-1]


@case
def the_last_line_has_the_totals_and_the_lines_before_it_list_skipped_tests():
    for results, settings, wanted in (("image=0 0 1", {}, 0), ("image=0 0 1", {"MAY_SKIP": ""}, 1), ("fresh=5 0 1", {"MAY_SKIP": ""}, 1), ("lint=8 0 1", {}, 1), ("edge=4 0 2", {}, 1),
                                      ("edge=4 0 2", {"MAY_SKIP": "image fresh"}, 1),
                                      ("lint=8 1 0", {}, 1), ("image=none", {}, 1), ("unit=9 1 0", {}, 1)):
        code, output, calls = fake_run(RESULTS=results, **settings)
        assert code == wanted or (wanted and code), (results, settings, code)
        assert re.fullmatch(r"\d+ passed, \d+ failed, \d+ skipped", output[-1]), output[-3:]
        name, _, counts = results.partition("=")
        asked = [call for call in parts(calls) if call.split()[0] in (name, f"test-{name}")]
        one = [0, 1, 0] if counts == "none" else [int(count) for count in counts.split()]
        total = [len(parts(calls)) - len(asked) + one[0] * len(asked), one[1] * len(asked), one[2] * len(asked)]
        assert output[-1] == "{} passed, {} failed, {} skipped".format(*total), (results, output[-1], total)
        assert not one[2] or f"  {name}/run.sh: skipped, it cannot be had" in output[-5:], output[-6:]


def budget_minutes():
    """{part: minutes} of tests/budget."""
    return {name: float(minutes) for name, minutes in re.findall(r"^([a-z][a-z/-]*) +([0-9.]+)$", (ROOT / "tests/budget").read_text(), re.M)}


@case
def the_budget_has_one_line_for_each_part_and_no_other_line():
    _, said, _ = fake_run()
    limits = budget_minutes()
    printed = [re.fullmatch(r"---- ([a-z/-]+): \d+ s of (\d+) s", line) for line in said if line.startswith("---- ") and "again" not in line]
    assert all(printed), said
    assert {line[1]: int(line[2]) for line in printed} == {name: int(minutes * 60) for name, minutes in limits.items()}, (printed, limits)
    assert sum(limits.values()) - limits["total"] <= limits["total"] <= 50, limits
    assert not [line for line in said if line.startswith("budget:")], said


@case
def a_part_over_its_limit_is_a_warning_and_a_run_over_the_total_a_failure():
    lines = "".join(f"{name} 5\n" for name in budget_minutes())
    code, said, _ = fake_run(budget=lines.replace("unit 5\n", "unit -1\n", 1))
    assert code == 0 and [line for line in said if line.startswith("budget: unit took ")], said
    code, said, _ = fake_run(budget=lines.replace("total 5\n", "total -1\n"))
    assert code and [line for line in said if line.startswith("budget: total took ")] and said[-1].endswith(" passed, 0 failed, 0 skipped"), said
    code, said, _ = fake_run(budget=lines.replace("model 5\n", ""))
    assert code == 0 and [line for line in said if line.startswith("budget: model ") and "has no line" in line], said


sys.exit(main())
