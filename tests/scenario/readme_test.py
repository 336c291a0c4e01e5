"""The commands of README work unchanged, and its tables agree with the programs."""

import pathlib
import re
import subprocess

from harness import REPOSITORY, check, check_equal, not_in_a_container

PLAIN = ("README.md", "README.zh-CN.md")


def _blocks(name):
    """The shell blocks with curl, which need a running server."""
    text = (REPOSITORY / name).read_text()
    return [block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "curl" in block]


def the_commands_of_the_readme_work(scratch):
    server = scratch.server()
    for name in PLAIN:
        blocks = _blocks(name)
        check(blocks, f"{name} shows no curl")
        # The address and the path of the key are those of this scenario.
        script = "set -euo pipefail\n" + "\n".join(blocks).replace("http://127.0.0.1:8080", server.url).replace("var/admin.key", str(server.home / "admin.key"))
        done = subprocess.run(["bash", "-c", script.replace("curl ", "curl --silent --show-error --fail-with-body ")], capture_output=True,
                              text=True, timeout=60)
        check_equal(done.returncode, 0, f"exit code of the commands of {name}\n{script}\n{done.stdout}{done.stderr}")
        check('"grade"' in done.stdout and '"status": "assessing"' in done.stdout.replace('":"', '": "'), f"{name}: {done.stdout}")


SERVERS = ("gateway", "intake", "classification", "response", "notification", "audit")
# Defaults of programs that differ from the table; the text below the table states them: {setting: {program: default}}.
OF_A_PROGRAM = {"TOCSIN_LISTEN": {name: f"127.0.0.1:{8080 + number}" for number, name in enumerate(SERVERS)},
                "TOCSIN_PUBLIC_URL": {"notification": "http://127.0.0.1:8080"}}
CREATED = {"TOCSIN_ADMIN_KEY": ("made at the first start", "serve generates one at its first start")}  # the words of README and of the program


def _manuals(scratch):
    """{program: {setting: (default, sentence)}} of `--settings`; the default is None if it is unset."""
    manuals = {}
    for program in sorted(pathlib.Path(scratch.binary).parent.glob("tocsin*")):
        output = subprocess.run([program, "--settings"], capture_output=True, text=True, check=True).stdout
        rows = re.findall(r"^(TOCSIN_\w+) +(.*) \(([^()]*)\)$", output, re.M)
        manuals[program.name.removeprefix("tocsin-")] = {name: (None if default == "unset" else default, sentence) for name, sentence, default in rows}
        check_equal(len(rows), len(re.findall("^TOCSIN_", output, re.M)), f"parsed settings of {program.name}")
    check_equal(len(manuals), 7, "programs")
    return manuals


def _table(name):
    """{setting: default} of a README; the default is a value, or (words,) if it is described in words."""
    rows = re.findall(r"^\| `(TOCSIN_\w+)` \| *([^|]*?) *\|", (REPOSITORY / name).read_text(), re.M)
    check_equal(len(rows), len(dict(rows)), f"settings in {name}, each once")
    return {setting: shown.strip("`") if re.fullmatch(r"`[^`]+`|\d+|", shown) else (shown.replace("`", ""),) for setting, shown in rows}


@not_in_a_container("it compares the page with the programs of the build directory")
def the_readme_lists_exactly_the_settings_of_the_programs(scratch):
    manuals = _manuals(scratch)
    names = {name for manual in manuals.values() for name in manual}
    for name in PLAIN:
        check_equal(set(_table(name)), names, f"settings in {name}")


@not_in_a_container("it compares the page with the programs of the build directory")
def the_readme_states_the_defaults_of_the_programs(scratch):
    table, chinese = (_table(name) for name in PLAIN)
    for program, manual in _manuals(scratch).items():
        for setting, (default, sentence) in manual.items():
            name, shown = f"the default of {setting} of {program}", table[setting]
            if program in OF_A_PROGRAM.get(setting, {}):
                check_equal(default, OF_A_PROGRAM[setting][program], name)
            elif setting in CREATED:
                check(shown == (CREATED[setting][0],) and CREATED[setting][1] in sentence and default is None, f"{name}: {shown}, {sentence}")
            elif default is None and shown:  # a computed default: the program prints "unset: …" with README's words
                words = shown[0] if isinstance(shown, tuple) else shown
                check(re.search(f"unset: {re.escape(words)}", sentence), f"{name}: {words!r} is not in {sentence!r}")
            else:
                check_equal(shown, default or "", name)
    for setting, shown in table.items():
        check_equal(type(chinese[setting]), type(shown), f"the kind of {setting}'s default in Chinese: {chinese[setting]}")
        if isinstance(shown, str):
            check_equal(chinese[setting], shown, f"the default of {setting} in Chinese")
    for name, words in zip(PLAIN, ("8080 for the gateway, 8081 to 8085 for intake, classification, response, notification and audit",
                                   "gateway 为 8080，intake、classification、response、notification、audit 依次为 8081 至 8085")):
        text = re.sub(r"\s+", " ", (REPOSITORY / name).read_text())
        check(words in text, f"{name} does not state the ports of the programs")
        check(re.search(rf"`TOCSIN_PUBLIC_URL` [^`]{{1,9}} ?`{OF_A_PROGRAM['TOCSIN_PUBLIC_URL']['notification']}`", text), f"{name} does not state the default address of links")


@not_in_a_container("it compares the page with the programs of the build directory")
def the_readme_lists_every_service(scratch):
    del scratch
    services = {path.parent.name for path in REPOSITORY.glob("services/*/*.h") if path.stem == path.parent.name} - {"cli"}
    for name in PLAIN:
        table = set(re.findall(r"^\| `?([a-z]+)`? \|", (REPOSITORY / name).read_text(), re.M))
        check(services <= table, f"{name} does not list {services - table}")


@not_in_a_container("it compares the page with the programs of the build directory")
def the_readme_names_every_command(scratch):
    shown = subprocess.run([scratch.binary, "help"], capture_output=True, text=True, check=True).stdout
    names = {name.strip() for name in re.findall(r"^  tocsin ((?:[a-z]+ )+)", shown, re.M)}
    check(len(names) > 10, f"commands in tocsin help: {names}")
    for option in ("--help", "-h"):
        check_equal(subprocess.run([scratch.binary, option], capture_output=True, text=True).stdout, shown, f"output of tocsin {option}")
    for name in PLAIN:
        text = (REPOSITORY / name).read_text()
        missing = [command for command in names if f"`tocsin {command}" not in text]
        check(not missing, f"{name} does not name the commands {missing}")
