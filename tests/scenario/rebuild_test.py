"""State files and the contents of Redis are views of the ledgers: after a loss they are rebuilt unchanged."""

import concurrent.futures
import contextlib
import http.client
import json
import shutil
import sqlite3
import subprocess
import time

from harness import check, check_equal, eventually, free_port
from installation import Site, topics_clear

INCIDENTS, LEVEL_SECONDS = 240, 30
RULES = 'rules: [{id: all, when: [], then: {kind: incident, category: "01007", importance: essential, loss: grave}}]\n'
LEVELS = f"""
policies:
  - id: two-levels
    when: {{kinds: [incident]}}
    team: soc
    levels:
      - {{after_seconds: 0, notify: ["channel:webhook"]}}
      - {{after_seconds: {LEVEL_SECONDS}, notify: ["channel:webhook"]}}
"""


def _send(gateway, **event):
    """Posts an event, again under the same id, until it is acknowledged."""
    document = {"source": "siem", "title": "something happened", **event}
    eventually(lambda: gateway.post("/v1/events", document).status == 202, f"{event['id']} is accepted", seconds=40, pause=1)


def _load(gateway):
    """Opens INCIDENTS incidents and returns the ids of three thirds: open, acknowledged, closed."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: _send(gateway, id=f"e{n}", asset=f"host{n}", severity="high"), range(INCIDENTS)))
        eventually(lambda: len(gateway.incidents()) == INCIDENTS, f"{INCIDENTS} incidents", seconds=20, pause=0.1)
        ids = sorted(incident["id"] for incident in gateway.incidents())
        eventually(lambda: _all_sent(gateway, ids), "every incident is notified", seconds=20, pause=0.2)
        waiting, acknowledged, closed = ids[0::3], ids[1::3], ids[2::3]
        list(pool.map(lambda id: gateway.do(id, "acknowledge", {"note": "mine"}).expect(200), acknowledged))
        list(pool.map(lambda id: gateway.do(id, "close", {"resolution": "resolved", "reason": "done"}).expect(200), closed))
    return waiting, acknowledged, closed


def _notices(receiver):
    """The sorted (incident, level) of all messages; messages with the same id count once."""
    messages = {}
    for request in list(receiver.requests):
        headers = {name.lower(): value for name, value in request["headers"].items()}
        data = json.loads(request["body"])["data"]
        messages[headers["webhook-id"]] = (data["incident"]["id"], data["escalation_level"])
    return sorted(messages.values())


def _all_sent(gateway, ids):
    return all(any(entry["type"] == "delivery" and entry["data"]["state"] == "sent" for entry in gateway.timeline(id)) for id in ids)


def _dump(gateway, ids):
    return {id: (gateway.incident(id), gateway.timeline(id)) for id in ids}


def _lose_and_start(server):
    """Kills a program, deletes its state files and starts it; returns the seconds until it is ready."""
    service = server.binary.rpartition("-")[2]
    server.kill()
    check((server.home / service).is_dir(), f"{service} keeps no files")
    shutil.rmtree(server.home / service)
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def lost_state_is_rebuilt_unchanged(scratch):
    receiver = scratch.receiver()
    site = Site(scratch, TOCSIN_POLICY=scratch.pack(rules=RULES, escalation=LEVELS), TOCSIN_WEBHOOK_URL=receiver.url,
                TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    servers = site.programs()
    gateway = servers["gateway"]
    began = time.monotonic()
    waiting, acknowledged, closed = _load(gateway)
    late = time.monotonic() - began >= LEVEL_SECONDS
    before = _dump(gateway, acknowledged + closed)
    for service in ("gateway", "response", "intake", "notification"):
        took = _lose_and_start(servers[service])
        eventually(lambda: len(gateway.incidents()) == INCIDENTS, f"{INCIDENTS} incidents after {service} lost its files", seconds=20)
        found = _dump(gateway, before)
        check_equal([id for id in before if found[id] != before[id]], [], f"incidents that changed when {service} lost its files")
        scratch.note(f"{service} {took:.1f} s")
    # Response's rebuilt state must contain the versions of incidents, and intake's the ids of events.
    gateway.do(acknowledged[0], "note", {"text": "late"}, headers={"If-Match": '"1"'}).expect(412)
    asset = gateway.incident(waiting[0])["asset"]
    gateway.event(id=asset.replace("host", "e"), asset=asset, severity="high")
    gateway.event(id="marker", asset=asset, severity="high")  # once the marker is counted, the repeat has been processed
    counted = gateway.incident_where(waiting[0], lambda i: i["event_count"] >= 2, "the marker is counted", seconds=20)
    check_equal(counted["event_count"], 2, "event_count after a repeat and a new event")
    subprocess.run(["redis-cli", "-u", site.backends.redis_url, "flushall"], check=True, capture_output=True)
    wanted = [(id, level) for id in waiting for level in (1, 2)]
    # One level, or two if the second was due before the incident was acknowledged or closed.
    wanted += [(id, level) for id, (incident, _) in before.items() for level in range(1, (incident["escalation_level"] if late else 1) + 1)]
    check(len(wanted) >= len(waiting) * 2 + len(before), "every incident was notified")
    eventually(lambda: len(_notices(receiver)) >= len(wanted), "the second level is notified after the loss in Redis", seconds=LEVEL_SECONDS + 20,
               pause=0.2)
    later = gateway.incident_of(gateway.event(id="later", asset="later", severity="high"), seconds=20)["id"]
    eventually(lambda: (later, 1) in _notices(receiver), "a later incident is notified", seconds=20)
    check_equal(_notices(receiver), sorted([*wanted, (later, 1)]), "notices, each once")


# ---- a gateway that has not read all records

LOST = 12  # number of incidents


@contextlib.contextmanager
def _view_held(home):
    """Empties the gateway's view. During the context every batch that writes an incident fails, as on a full disk: a trigger makes
    a value that is too large for SQLite."""
    view = sqlite3.connect(home / "gateway/0.db", isolation_level=None, timeout=30)
    for (table,) in view.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'store_meta'").fetchall():
        view.execute(f'DELETE FROM "{table}"')
    view.execute("CREATE TABLE held (why TEXT)")
    view.execute("INSERT INTO held VALUES ('a test')")
    view.execute("CREATE TRIGGER hold BEFORE INSERT ON incidents WHEN EXISTS (SELECT 1 FROM held)"
                 " BEGIN SELECT zeroblob(2000000000); END")
    try:
        yield
        view.execute("DELETE FROM held")
    finally:
        view.close()


def _questions(incident, command):
    """{name: (request, function that returns True if an answer other than 503 is complete)}."""
    def is_complete(answer):
        return answer.status == 200 and len(answer.json["items"]) >= LOST

    def is_found(answer):
        return answer.status == 200 and answer.json["id"] in (incident, command)
    return {
        "incident": (("GET", f"/v1/incidents/{incident}"), is_found),
        "list": (("GET", "/v1/incidents?limit=200"), is_complete),
        "search": (("GET", "/v1/incidents?limit=200&q=broken"), is_complete),
        "timeline": (("GET", f"/v1/incidents/{incident}/timeline"), lambda a: a.status == 200 and len(a.json["items"]) >= 2),
        "command": (("GET", f"/v1/commands/{command}"), lambda a: is_found(a) and a.json["status"] == "done"),
        "new command": (("POST", f"/v1/incidents/{incident}/note", {"text": "late"}), lambda a: a.status == 202),
    }


def _is_refused(answer):
    return (answer.status == 503 and int(answer.headers["Retry-After"]) > 0 and answer.json["code"] == "unavailable"
            and "still loading its incidents" in answer.json["detail"])


def _listens(server):
    try:
        return server.get("/livez", key=None).status == 200
    except (OSError, http.client.HTTPException):
        return False


def _is_ready(gateway):
    return gateway.get("/readyz", key=None).status == 200


def _filled(gateway):
    """Opens LOST incidents; returns the ids of one of them and of a command that changed it."""
    for number in range(LOST):
        _send(gateway, id=f"e{number}", title="broken disk", asset=f"host{number}")
    incidents = eventually(lambda: [all for all in [gateway.incidents()] if len(all) == LOST], f"{LOST} incidents", seconds=20)[0]
    incident = incidents[0]["id"]
    command = gateway.do(incident, "note", {"text": "seen"}).expect(202).json["id"]
    eventually(lambda: gateway.get(f"/v1/commands/{command}").expect(200).json["status"] == "done", "the note is written", seconds=20)
    return incident, command


def _check_answers_during_rebuild(gateway):
    """A gateway without its view answers 503 from its first answer until the view is complete, and accepts events meanwhile."""
    incident, command = _filled(gateway)
    questions = _questions(incident, command)
    gateway.stop()
    gateway.settings["TOCSIN_LISTEN"] = f"127.0.0.1:{free_port()}"
    with _view_held(gateway.home):
        began = gateway.launch()
        gateway.url = f"http://{gateway.settings['TOCSIN_LISTEN']}"
        eventually(lambda: _listens(gateway), "the gateway listens", seconds=20, pause=0.001)
        accepted = eventually(lambda: _ask_all(gateway, questions), "an event is accepted", seconds=20)
        eventually(lambda: "waiting" in {line["event"] for line in gateway.log_lines()}, "the rebuild waits", seconds=20)
        check(_ask_all(gateway, questions), "no event is accepted during the rebuild")
        check(not _is_ready(gateway), "/readyz answers 200 during the rebuild")
    while not _is_ready(gateway):
        for name in questions:
            _ask(gateway, name, questions)
        check(time.monotonic() - began < 60, "the gateway is not ready within 60 s")
    gateway.await_ready(began)
    for name in questions:
        check(not _ask(gateway, name, questions), f"{name} is refused although /readyz answers 200")
    check(gateway.incident_of(accepted, seconds=20)["title"] == "meanwhile", "title of the event accepted during the rebuild")


def _ask(gateway, name, questions):
    """True if the request is refused with 503. An incomplete answer is a failure."""
    request, is_complete = questions[name]
    answer = gateway.request(*request)
    refused = _is_refused(answer)
    check(refused or is_complete(answer), f"{name}: {answer.status} {answer.body[:300]!r}")
    return refused


def _ask_all(gateway, questions):
    """Sends all requests, which must be refused, and an event. Returns the answer to the event, or None if the gateway has no policy yet."""
    for name in questions:
        check(_ask(gateway, name, questions), f"{name} was not refused")
    answer = gateway.post("/v1/events", {"source": "siem", "title": "meanwhile", "asset": "late", "id": "meanwhile"})
    check(answer.status in (202, 503), f"an event: {answer.status} {answer.body[:300]!r}")
    return answer.json if answer.status == 202 else None


def a_gateway_without_its_view_answers_503_instead_of_404(scratch):
    _check_answers_during_rebuild(scratch.server(TOCSIN_COMMAND_WAIT_MS=0))


def a_gateway_without_its_view_answers_503_instead_of_404_on_kafka(scratch):
    _check_answers_during_rebuild(Site(scratch, TOCSIN_COMMAND_WAIT_MS=0).programs()["gateway"])


# ---- the audit log, which has no copy: the operators' page describes the recovery


def _checks(command, *flags):
    for words in (("verify", "log"), ("check", "ledger", *flags)):
        done = command(*words)
        check_equal(done.returncode, 0, f"exit code of {' '.join(words)}: {done.stdout}{done.stderr}")


def _lines(home):
    log = home / "audit/ledger.jsonl"
    return log.read_text().splitlines() if log.exists() else []


def a_lost_audit_log_is_written_again_from_the_ledgers(scratch):
    server = scratch.server()
    kept = server.incident_of(server.event(title="before"))
    eventually(lambda: len(_lines(server.home)) >= 2, "lines in the audit log")
    server.stop()
    shutil.rmtree(server.home / "audit")
    server.launch()
    _, errors = server.process.communicate(timeout=30)
    check_equal(server.process.returncode, 3, f"exit code without the log ({errors})")
    check("audit" in errors and "operators" in errors, errors)
    shutil.rmtree(server.home / "audit")
    bus = sqlite3.connect(server.home / "bus.db", isolation_level=None)
    bus.execute('DELETE FROM "checkpoints.0"')
    bus.close()
    server.start()
    server.incident_of(server.event(title="after"))
    eventually(lambda: any(kept["id"] in line for line in _lines(server.home)), "the records of the ledgers are in the new log", 10)
    server.stop()
    server.start()
    _checks(server.command)


def a_lost_audit_log_is_written_again_from_the_ledgers_on_kafka(scratch):
    site = Site(scratch)
    programs = site.programs()
    kept = programs["gateway"].incident_of(programs["gateway"].event(title="before"), seconds=20)
    home = programs["audit"].home
    eventually(lambda: len(_lines(home)) >= 2, "lines in the audit log", 20)
    for program in programs.values():
        program.stop()
    shutil.rmtree(home / "audit")
    topics_clear(site, "tocsin.checkpoints")
    programs = site.programs()
    programs["gateway"].incident_of(programs["gateway"].event(title="after"), seconds=20)
    eventually(lambda: any(kept["id"] in line for line in _lines(home)), "the records of the ledgers are in the new log", 20)
    for program in programs.values():
        program.stop()
    _checks(site.tocsin, "--kafka")
