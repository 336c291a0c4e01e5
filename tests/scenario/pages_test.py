"""The pages for integrators and operators: what they show is run as it stands there, in both languages."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from harness import REPOSITORY, check, check_equal, eventually

DOCS = REPOSITORY / "docs"


def _fences(page):
    """(language, text) of each block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.S | re.M)


def _blocks(page, language):
    return [text for name, text in _fences(page) if name == language]


def _shell(script, directory, **environment):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=directory, env=os.environ | environment, capture_output=True, text=True,
                          timeout=120)


def both_languages_show_the_same_commands(scratch):
    del scratch
    for page in ("integrators", "operators"):
        check_equal(_fences(f"{page}.zh-CN.md"), _fences(f"{page}.md"), f"code of {page}")


def an_event_is_sent_with_curl_and_counts_once(scratch):
    server = scratch.server()
    script = _blocks("integrators.md", "sh")[0].replace("http://127.0.0.1:8080", server.url).replace("var/admin.key", str(server.home / "admin.key"))
    done = _shell(script, scratch.directory)
    check_equal(done.returncode, 0, f"exit code of {script}: {done.stderr}")
    keys = re.findall(r'"correlation_key": ?"([^"]+)"', done.stdout)
    check(len(keys) == 2 and keys[0] == keys[1], f"two answers with one key: {done.stdout}")
    incident = server.incident_of({"id": "alert-4711", "correlation_key": keys[0]})
    check_equal(incident["event_count"], 1, "events")


def an_event_is_sent_with_python(scratch):
    server = scratch.server()
    sender = scratch.path("send.py")
    sender.write_text(_blocks("integrators.md", "python")[0])
    environment = os.environ | {"TOCSIN_URL": server.url, "TOCSIN_KEY": server.key}
    done = subprocess.run([sys.executable, sender], env=environment, capture_output=True, text=True, timeout=60)
    check_equal(done.returncode, 0, f"exit code: {done.stderr}")
    check("evt_" in done.stdout, done.stdout)


def a_webhook_is_received_and_a_forged_one_refused(scratch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = "whsec_YW4gZXhhbXBsZSwgbWFrZSB5b3VyIG93biBvbmU="
    program, heard = scratch.path("receive.py"), scratch.path("heard")
    program.write_text(_blocks("integrators.md", "python")[1])
    receiver = subprocess.Popen([sys.executable, program], env=os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}, stdout=open(heard, "w"),
                                stderr=subprocess.DEVNULL)
    scratch.closers.append(lambda: (receiver.send_signal(signal.SIGKILL), receiver.wait()))
    server = scratch.server(TOCSIN_WEBHOOK_URL=f"http://127.0.0.1:{port}/", TOCSIN_WEBHOOK_SECRET=secret, TOCSIN_EGRESS_ALLOW="127.0.0.0/8")
    title = "Ransomware encrypts files on FS1"
    server.event(source="edr", title=title, type="ransomware", severity="critical", asset="fs1")
    eventually(lambda: title in heard.read_text(), "the receiver of the page heard of it", 20)
    check(heard.read_text().startswith("incident.opened INC-"), heard.read_text())
    forged = _shell(f"curl -s -o /dev/null -w '%{{http_code}}' -H 'webhook-id: a' -H 'webhook-timestamp: 1' -H 'webhook-signature: v1,AAAA' -d '{{}}' "
                    f"http://127.0.0.1:{port}/", scratch.directory)
    check_equal(forged.stdout, "401", "the answer to a forged one")


def a_backup_is_made_and_restored(scratch):
    server = scratch.server()
    incident = server.incident_of(server.event(title="kept"))
    server.stop()
    programs = str(pathlib.Path(scratch.binary).parent)
    for script in _blocks("operators.md", "sh"):
        done = _shell(script, scratch.directory, TOCSIN_HOME=str(server.home), PATH=f"{programs}:{os.environ['PATH']}")
        check_equal(done.returncode, 0, f"exit code of {script}: {done.stdout}{done.stderr}")
    restored = scratch.server(home="restored")
    check_equal(restored.incident(incident["id"])["number"], incident["number"], "the number after the restore")


def the_metrics_of_the_operators_page_are_there(scratch):
    shown = scratch.server().get("/metrics").body.decode()
    for page in ("operators.md", "operators.zh-CN.md"):
        for name in re.findall(r"^\| `(tocsin_[a-z_]+)`", (DOCS / page).read_text(), re.M):
            check(f"# TYPE {name} " in shown, f"{page} names {name}, which is no metric")
