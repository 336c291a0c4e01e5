#!/usr/bin/env python3
"""Commands of make in README, CONTRIBUTING and the pages: every target exists, and every command is run here or by continuous
integration (.ci/run). The exceptions are listed with their reasons."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from cases import case, main

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("BUILD", "build")
PAGES = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "ARCHITECTURE.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md"))]

# {short command that is run here: a text that its output must contain}.
RUN_HERE = {
    "make help": "make run-distributed",
    "make build": "",
    "make map": "gateway",
    "make layers": "",
    "make pure": "",
    "make sizes": "",
    "make demo": "incident",
    "make contracts": "",
    "make fuzz": "cursor",
}
COPY = tempfile.TemporaryDirectory()
shutil.copytree(ROOT / "proto", Path(COPY.name) / "proto")
WITH = {"make contracts": [f"PROTO={COPY.name}/proto"], "make fuzz": ["FUZZ=cursor", "FUZZ_SECONDS=1"], "make demo": ["TOCSIN_URL="]}

# {command that .ci/run or a part of `make test` runs: (the script, the text in the script that runs it)}.
RUN_ELSEWHERE = {
    "make run": ("tests/fresh/run.sh", "TOCSIN_LISTEN=127.0.0.1:0 make run >"),
    "make test": (".ci/run", "make test STRICT=1"),
    "make lint": (".ci/run", "MORE='lint "),
    "make format": ("tools/lint/all.sh", "check layout "),
    "make test-image": (".ci/run", " image "),
    "make test-fresh": (".ci/run", " fresh'"),
    "make images": ("tests/image/run.sh", 'tools/images.sh "$image"'),
    "make run-distributed": ("tests/scenario/topics_test.py", '"make", "run-distributed"'),
}
ONLY_BY_HAND = {
    "make test-chaos": "takes minutes and needs an idle machine",
    "make test-tsan": "takes a quarter of an hour",
    "make bench-ingest": "figures are for people to read",
    "make bench-storm": "figures are for people to read",
    "make bench-latency": "figures are for people to read",
}


def parts():
    return set(re.findall(r"[a-z-]+", re.search(r"^\s*for name in (checks .*); do$", (ROOT / "tools/test-all.sh").read_text(), re.M).group(1)))


def typed():
    """(page, command) of every `make` in code, without variables (SAN=…, MODE=…)."""
    for page in PAGES:
        text = (ROOT / page).read_text()
        code = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M))
        for block in re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M):
            code += [line.split("#")[0] for line in block.splitlines()]
        for line in code:
            words = line.split()
            if words[:1] == ["make"]:
                targets = [word for word in words[1:] if "=" not in word]
                assert len(targets) == 1, f"{page}: {line.strip()}: one target is expected"
                yield page, f"make {targets[0]}"


def code(text):
    """A shell, make or Python script without its comments."""
    return re.sub(r"(^|\s)#.*$", "", re.sub(r'""".*?"""', "", text, flags=re.S), flags=re.M)


def make(*words):
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SAN", "STEPS", "WERROR")}
    return subprocess.run(["make", f"BUILD={BUILD.split('-')[0]}", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


@case
def every_command_of_the_pages_is_run():
    commands = {command for _, command in typed()}
    assert len(commands) > 12, commands
    for page, command in typed():
        part = command.removeprefix("make test-")
        assert command in RUN_HERE or command in RUN_ELSEWHERE or command in ONLY_BY_HAND or part in parts(), f"{page}: {command} is not run by any test"
    for command, (place, words) in RUN_ELSEWHERE.items():
        assert words in code((ROOT / place).read_text()), f"{command}: {words!r} is not in {place}"


@case
def a_comment_does_not_count_as_running():
    text = '# make lint\necho a # make lint\n\t# make lint\n"""make lint\n# make lint"""\nrun "a#b"\n    make test # and so on\n'
    assert "make lint" not in code(text) and "make test" in code(text) and 'run "a#b"' in code(text), code(text)


@case
def every_target_of_the_pages_exists():
    for command in sorted({command for _, command in typed()}):
        done = make("-n", command.split()[1])
        assert done.returncode == 0, f"{command}: {done.stderr[-300:]}"


@case
def every_part_of_the_tests_in_the_list_of_contributing_exists():
    """CONTRIBUTING lists the parts as `make test-unit  # or -fuzz, -contract, …`."""
    line = re.search(r"^make test-unit +# or (.*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.M).group(1)
    named = {"unit", *re.findall(r"-([a-z][a-z-]*)", line)}
    assert parts() - {"checks"} <= named, f"CONTRIBUTING does not name {parts() - named}"
    for name in named:
        assert make("-n", f"test-{name}").returncode == 0, name


@case
def short_commands_succeed():
    for command, words in RUN_HERE.items():
        done = make(command.split()[1], *WITH.get(command, []))
        assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-500:]}"
        assert words in done.stdout + done.stderr, f"{command}: {words!r} is not in {done.stdout[-500:]}"


@case
def scripts_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    for path in re.findall(r"`(?:python3 )?((?:tests|tools)/(?!PART)[\w./-]+)", text):
        assert (ROOT / path).exists() or "NAME" in path, path
    for path in re.findall(r"`build/(tests/[\w/]+)", text):
        assert (ROOT / f"{path}.c").exists(), path


sys.exit(main())
