"""What README tells people to type works as it stands there, and its tables say what the program says."""

import pathlib
import re
import subprocess

from harness import REPOSITORY, check, check_equal

PLAIN = ("README.md", "README.zh-CN.md")


def _blocks(name):
    """Shell blocks that talk to a running server: those with curl."""
    text = (REPOSITORY / name).read_text()
    return [block for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "curl" in block]


def the_commands_of_the_readme_work(scratch):
    server = scratch.server()
    for name in PLAIN:
        blocks = _blocks(name)
        check(blocks, f"{name} shows no curl")
        # The addresses and paths a fresh checkout has, turned into this scenario's.
        script = "set -euo pipefail\n" + "\n".join(blocks).replace("http://127.0.0.1:8080", server.url).replace("var/admin.key", str(server.home / "admin.key"))
        done = subprocess.run(["bash", "-c", script.replace("curl ", "curl --silent --show-error --fail-with-body ")], capture_output=True,
                              text=True, timeout=60)
        check_equal(done.returncode, 0, f"exit code of the commands of {name}\n{script}\n{done.stdout}{done.stderr}")
        check('"grade"' in done.stdout and '"status": "assessing"' in done.stdout.replace('":"', '": "'), f"{name}: {done.stdout}")


def the_settings_of_the_readme_are_those_of_the_programs(scratch):
    programs = sorted(pathlib.Path(scratch.binary).parent.glob("tocsin*"))
    manuals = [subprocess.run([program, "--settings"], capture_output=True, text=True, check=True).stdout for program in programs]
    check_equal(len(manuals), 7, "programs")
    names = set(re.findall(r"^TOCSIN_\w+", "".join(manuals), re.M))
    for name in PLAIN:
        table = set(re.findall(r"^\| `(TOCSIN_\w+)`", (REPOSITORY / name).read_text(), re.M))
        check_equal(table, names, f"settings in {name}")


def the_services_of_the_readme_are_those_there_are(scratch):
    del scratch
    services = {path.parent.name for path in REPOSITORY.glob("services/*/*.h") if path.stem == path.parent.name} - {"cli"}
    for name in PLAIN:
        table = set(re.findall(r"^\| `?([a-z]+)`? \|", (REPOSITORY / name).read_text(), re.M))
        check(services <= table, f"{name} lacks {services - table}")


def the_commands_of_the_program_are_in_the_readme(scratch):
    shown = subprocess.run([scratch.binary, "help"], capture_output=True, text=True, check=True).stdout
    names = {name.strip() for name in re.findall(r"^  tocsin ((?:[a-z]+ )+)", shown, re.M)}
    check(len(names) > 10, f"commands in tocsin help: {names}")
    for option in ("--help", "-h"):
        check_equal(subprocess.run([scratch.binary, option], capture_output=True, text=True).stdout, shown, f"what tocsin {option} says")
    for name in PLAIN:
        text = (REPOSITORY / name).read_text()
        missing = [command for command in names if f"`tocsin {command}" not in text]
        check(not missing, f"{name} does not name the commands {missing}")
