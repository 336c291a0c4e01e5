"""The pages for integrators and operators: their commands and examples are run unchanged, and both languages show the same ones."""

import datetime
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys

from harness import REPOSITORY, check, check_equal, eventually, free_port, not_in_a_container
from installation import SERVICES, Site

DOCS = REPOSITORY / "docs"


def _fences(page):
    """(language, text) of each block of code."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(), re.S | re.M)


def _blocks(page, language):
    return [text for name, text in _fences(page) if name == language]


def _shell(script, directory, **environment):
    return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=directory, env=os.environ | environment, capture_output=True, text=True,
                          timeout=120)


@not_in_a_container("it compares files only")
def both_languages_show_the_same_commands(scratch):
    del scratch
    for page in ("integrators", "operators"):
        check_equal(_fences(f"{page}.zh-CN.md"), _fences(f"{page}.md"), f"code of {page}")


def the_curl_example_sends_an_event_that_counts_once(scratch):
    server = scratch.server()
    script = _blocks("integrators.md", "sh")[0].replace("http://127.0.0.1:8080", server.url).replace("var/admin.key", str(server.home / "admin.key"))
    done = _shell(script, scratch.directory)
    check_equal(done.returncode, 0, f"exit code of {script}: {done.stderr}")
    keys = re.findall(r'"correlation_key": ?"([^"]+)"', done.stdout)
    check(len(keys) == 2 and keys[0] == keys[1], f"two answers with one correlation key are expected: {done.stdout}")
    incident = server.incident_of({"id": "alert-4711", "correlation_key": keys[0]})
    check_equal(incident["event_count"], 1, "events")


def the_python_example_sends_an_event(scratch):
    server = scratch.server()
    sender = scratch.path("send.py")
    sender.write_text(_blocks("integrators.md", "python")[0])
    environment = os.environ | {"TOCSIN_URL": server.url, "TOCSIN_KEY": server.key}
    done = subprocess.run([sys.executable, sender], env=environment, capture_output=True, text=True, timeout=60)
    check_equal(done.returncode, 0, f"exit code: {done.stderr}")
    check("evt_" in done.stdout, done.stdout)


def the_example_receiver_accepts_a_webhook_and_refuses_a_forged_one(scratch):
    port = free_port()
    secret = "whsec_YW4gZXhhbXBsZSwgbWFrZSB5b3VyIG93biBvbmU="
    program, output = scratch.path("receive.py"), scratch.path("output")
    program.write_text(_blocks("integrators.md", "python")[1])
    receiver = subprocess.Popen([sys.executable, program], env=os.environ | {"WEBHOOK_SECRET": secret, "PORT": str(port)}, stdout=open(output, "w"),
                                stderr=subprocess.DEVNULL)
    scratch.closers.append(lambda: (receiver.send_signal(signal.SIGKILL), receiver.wait()))
    server = scratch.server(TOCSIN_WEBHOOK_URL=f"http://127.0.0.1:{port}/", TOCSIN_WEBHOOK_SECRET=secret, TOCSIN_EGRESS_ALLOW="127.0.0.0/8")
    title = "Ransomware encrypts files on FS1"
    server.event(source="edr", title=title, type="ransomware", severity="critical", asset="fs1")
    eventually(lambda: title in output.read_text(), "the example receiver prints the message", 20)
    check(output.read_text().startswith("incident.opened INC-"), output.read_text())
    forged = _shell(f"curl -s -o /dev/null -w '%{{http_code}}' -H 'webhook-id: a' -H 'webhook-timestamp: 1' -H 'webhook-signature: v1,AAAA' -d '{{}}' "
                    f"http://127.0.0.1:{port}/", scratch.directory)
    check_equal(forged.stdout, "401", "status of the answer to a forged message")


def the_backup_commands_make_and_restore_a_backup(scratch):
    server = scratch.server()
    incident = server.incident_of(server.event(title="kept"))
    server.stop()
    programs = server.programs()
    for script in _blocks("operators.md", "sh"):
        done = _shell(script, scratch.directory, TOCSIN_HOME=str(server.home), PATH=f"{programs}:{os.environ['PATH']}")
        check_equal(done.returncode, 0, f"exit code of {script}: {done.stdout}{done.stderr}")
    restored = scratch.server(home="restored")
    check_equal(restored.incident(incident["id"])["number"], incident["number"], "the number after the restore")


# ---- the metrics of the operators' page: the scenario causes what each metric counts

LEVELS = """
policies:
  - id: once
    when: {kinds: [incident]}
    levels:
      - {after_seconds: 0, notify: ["channel:webhook"]}
"""
EVERY = {"operators.md": "every", "operators.zh-CN.md": "每个"}
# Metrics that a mode does not count, with the reason or the test that covers them.
NO_READER = "the reader of stdout would have to stop: tests/edge/log_test.c"
NOT_EMBEDDED = {"tocsin_log_lines_dropped_total": NO_READER,
                "tocsin_bus_producers_replaced_total": "a home has no connection to Kafka: tests/edge/bus_kafka_test.c",
                "tocsin_ledger_deposed_total": "a home has one server, so that no owner changes: the scenario with six programs"}
NOT_DISTRIBUTED = {"tocsin_log_lines_dropped_total": NO_READER,
                   "tocsin_bus_producers_replaced_total": "Kafka would have to lose appends in progress: tests/edge/bus_kafka_test.c",
                   "tocsin_dead_letters_total": "only an external writer causes it: the scenario with one server"}


def _metrics_table(page):
    """{name: (labels, programs that count the metric, or None for every program)}."""
    rows = re.findall(r"^\| `(tocsin_[a-z_]+)` \|([^|]*)\|([^|]*)\|[^|]*\|$", (DOCS / page).read_text(), re.M)
    return {name: (tuple(re.findall(r"`(\w+)`", labels)), None if programs.strip() == EVERY[page] else re.findall(r"`tocsin-(\w+)`", programs))
            for name, labels, programs in rows}


def _samples(server, name):
    """[(labels, value)] of a metric; the value of a histogram is its count."""
    shown = server.get("/metrics", key=None).body.decode()
    found = re.findall(rf"^{name}(?:_count)?(?:{{(.*)}})? (\d+)$", shown, re.M)
    return [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(value)) for labels, value in found]


def _sum(server, name, **labels):
    return sum(value for found, value in _samples(server, name) if labels.items() <= found.items())


class _Lock:
    """A write lock on the state of a service, which stops its batches until release()."""

    def __init__(self, home, service):
        self.files = [sqlite3.connect(path, isolation_level=None) for path in sorted((home / service).glob("*.db"))]
        check(self.files, f"{service} keeps no state in {home}")
        for file in self.files:
            file.execute("BEGIN IMMEDIATE")

    def release(self):
        for file in self.files:
            file.close()


def _append_invalid_event(server):
    """Writes an event that cannot be decoded into the log of a stopped server."""
    file = sqlite3.connect(server.home / "bus.db", isolation_level=None)
    file.execute('INSERT INTO "events.0" SELECT coalesce(max(offset) + 1, 0), 0, x\'\', x\'\', x\'2a\' FROM "events.0"')
    file.close()


def _open_and_notify(servers, receiver):
    gateway = servers["gateway"]
    gateway.incident_of(gateway.event(source="edr", title="Ransom note on FS1", severity="critical", asset="fs1"), seconds=15)
    eventually(lambda: receiver.requests, "the webhook is called", 20)
    eventually(lambda: _sum(servers["notification"], "tocsin_notifications_total", channel="webhook", result="sent") == 1, "the delivery is counted", 10)
    eventually(lambda: _sum(servers["response"], "tocsin_incidents_opened_total", kind="incident") == 1, "the incident is counted", 10)
    eventually(lambda: _sum(servers["audit"], "tocsin_audit_records_total") > 0, "the lines of the audit log are counted", 10)


def _reload(gateway, pack):
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: _sum(gateway, "tocsin_policy_reloads_total", result="done") == 1, "the reload is counted")
    rules = (pack / "rules.yaml").read_text()
    (pack / "rules.yaml").write_text("rules: [{id: a, wenn: []}]\n")
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: _sum(gateway, "tocsin_policy_reloads_total", result="refused") == 1, "the refusal is counted")
    (pack / "rules.yaml").write_text(rules)


def _lag(servers, service, topic):
    server = servers[service]
    lock = _Lock(server.home, service)
    servers["gateway"].event(source="edr", title="one more", severity="critical", asset=f"of {service}")
    eventually(lambda: _sum(server, "tocsin_bus_lag_records", service=service, topic=topic) > 0, f"{service} has a lag in {topic}", 20)
    lock.release()


def _await_no_lag(servers):
    def lags():
        return {name: late for name, server in servers.items() if (late := [s for s in _samples(server, "tocsin_bus_lag_records") if s[1]])}
    eventually(lambda: not lags(), "no program has a lag", 30, pause=0.5, explain=lambda: f"{lags()}")


def _check_counted(servers, excluded):
    """Checks that each metric of the page, unless excluded, has its labels and is counted only by the programs of its row."""
    check_equal(_metrics_table("operators.zh-CN.md"), _metrics_table("operators.md"), "the metrics of the two pages")
    table = _metrics_table("operators.md")
    check(len(table) > 5 and excluded.keys() <= table.keys(), f"rows: {list(table)}")
    for name, (labels, programs) in table.items():
        shown = {service: _samples(server, name) for service, server in servers.items()}
        for service, samples in shown.items():
            check(all(tuple(found) == labels for found, _ in samples), f"{name} of {service} has other labels than {labels}: {samples}")
        counted = {service for service, samples in shown.items() if any(value for _, value in samples)}
        if programs and len(set(servers.values())) > 1:
            check(counted <= set(programs), f"{counted} count {name}, not only {programs}")
        if name not in excluded and name != "tocsin_bus_lag_records":  # the lag has returned to 0
            check(counted, f"no program counts {name}: {shown}")


@not_in_a_container("it locks and writes the files of the server")
def serve_counts_every_metric_of_the_operators_page(scratch):
    receiver, pack = scratch.receiver(), scratch.pack(escalation=LEVELS)
    server = scratch.server(TOCSIN_POLICY=pack, TOCSIN_WEBHOOK_URL=receiver.url, TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    servers = dict.fromkeys(SERVICES, server)
    server.stop()
    _append_invalid_event(server)
    server.start()
    eventually(lambda: _sum(server, "tocsin_dead_letters_total", service="intake") == 1, "the dead letter is counted", 10)
    _open_and_notify(servers, receiver)
    _reload(server, pack)
    for service, topic in (("response", "assessments"), ("gateway", "journal")):
        _lag(servers, service, topic)
    _await_no_lag(servers)
    _check_counted(servers, NOT_EMBEDDED)
    opened, written = (_sum(server, f"tocsin_{metric}_total") for metric in ("incidents_opened", "audit_records"))
    check(opened == 3 and written >= 6, f"{opened} incidents, {written} lines of the audit log")
    server.kill()
    server.start()
    for metric in ("incidents_opened", "notifications", "dead_letters"):
        check_equal(_sum(server, f"tocsin_{metric}_total"), 0, f"{metric} after a start that read all records again")


@not_in_a_container("six programs")
def the_programs_count_the_metrics_that_the_operators_page_assigns_to_them(scratch):
    receiver, pack = scratch.receiver(), scratch.pack(escalation=LEVELS)
    site = Site(scratch, TOCSIN_POLICY=pack, TOCSIN_WEBHOOK_URL=receiver.url, TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    servers = site.programs()
    _open_and_notify(servers, receiver)
    _reload(servers["gateway"], pack)
    for service, topic in (("response", "assessments"), ("gateway", "journal")):
        _lag(servers, service, topic)
    _await_no_lag(servers)
    for service, server in servers.items():
        check(_sum(server, "tocsin_bus_commit_seconds") > 0, f"{service} does not measure its appends")
        check(_samples(server, "tocsin_bus_lag_records"), f"{service} does not report its lag")
    site.program("response", home="other", TOCSIN_INSTANCE="other")
    eventually(lambda: _sum(servers["response"], "tocsin_ledger_deposed_total", service="response") > 0, "the former owner is superseded", 40)
    _check_counted(servers, NOT_DISTRIBUTED)


def the_dead_letter_query_of_the_operators_page_works(scratch):
    server = scratch.server()
    server.stop()
    _append_invalid_event(server)
    for path in server.home.glob("bus.db*"):
        shutil.chown(path, server.home.stat().st_uid)
    server.start()
    [question] = _blocks("operators.md", "sql")

    def dead_letters():
        reading = sqlite3.connect(f"file:{server.home}/bus.db?mode=ro", uri=True)
        try:
            return reading.execute(question).fetchall()
        finally:
            reading.close()
    [(at, letter)] = eventually(dead_letters, "a dead letter is recorded")
    letter = json.loads(letter)
    check_equal((letter["service"], letter["topic"], letter["partition"]), ("intake", "tocsin.events", 0), "service, topic and partition of the dead letter")
    check(letter["reason"] and at.startswith(str(datetime.date.today().year)), f"{at} {letter}")
    server.incident_of(server.event(title="after the dead letter"))
    check([line for line in server.log_lines() if line["event"] == "dead-letter"], "the dead letter is not logged")
    topics = (REPOSITORY / "shared/domain/topics.c").read_text()
    for page in ("operators.md", "operators.zh-CN.md"):
        for name in re.findall(r"--topic (\S+)", (DOCS / page).read_text()):
            check(f'"{name}"' in topics, f"{page}: no topic is named {name}")
