"""What a process keeps on its disk, and what Redis keeps, is a view of the ledgers: lost, it is made again as it was."""

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
    """As senders do: where it was not taken, or is not known to be, again under the same id."""
    document = {"source": "siem", "title": "something happened", **event}
    eventually(lambda: gateway.post("/v1/events", document).status == 202, f"{event['id']} is taken", seconds=40, pause=1)


def _load(gateway):
    """A third of the incidents stays open, a third is acknowledged, a third closed; the ids of each third."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: _send(gateway, id=f"e{n}", asset=f"host{n}", severity="high"), range(INCIDENTS)))
        eventually(lambda: len(gateway.incidents()) == INCIDENTS, f"{INCIDENTS} incidents", seconds=20, pause=0.1)
        ids = sorted(incident["id"] for incident in gateway.incidents())
        eventually(lambda: _all_sent(gateway, ids), "everybody is told", seconds=20, pause=0.2)
        waiting, taken, over = ids[0::3], ids[1::3], ids[2::3]
        list(pool.map(lambda id: gateway.do(id, "acknowledge", {"note": "mine"}).expect(200), taken))
        list(pool.map(lambda id: gateway.do(id, "close", {"resolution": "resolved", "reason": "done"}).expect(200), over))
    return waiting, taken, over


def _told(receiver):
    """(incident, level) of every message, each message id once."""
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
    """Killed, its files gone; the seconds until it is ready again."""
    service = server.binary.rpartition("-")[2]
    server.kill()
    check((server.home / service).is_dir(), f"{service} keeps no files")
    shutil.rmtree(server.home / service)
    began = time.monotonic()
    server.start()
    return time.monotonic() - began


def what_is_lost_is_made_again_as_it_was(scratch):
    receiver = scratch.receiver()
    site = Site(scratch, TOCSIN_POLICY=scratch.pack(rules=RULES, escalation=LEVELS), TOCSIN_WEBHOOK_URL=receiver.url,
                TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    servers = site.programs()
    gateway = servers["gateway"]
    began = time.monotonic()
    waiting, taken, over = _load(gateway)
    late = time.monotonic() - began >= LEVEL_SECONDS
    before = _dump(gateway, taken + over)
    for service in ("gateway", "response", "intake", "notification"):
        took = _lose_and_start(servers[service])
        eventually(lambda: len(gateway.incidents()) == INCIDENTS, f"{INCIDENTS} incidents after {service} lost its files", seconds=20)
        found = _dump(gateway, before)
        check_equal([id for id in before if found[id] != before[id]], [], f"incidents that changed when {service} lost its files")
        scratch.note(f"{service} {took:.1f} s")
    # Each knows again what it knew: response the versions, intake the ids.
    gateway.do(taken[0], "note", {"text": "late"}, headers={"If-Match": '"1"'}).expect(412)
    again = gateway.event(id="e0", asset="host0", severity="high")
    time.sleep(1.5)
    check_equal([i["event_count"] for i in gateway.incidents(correlation_key=again["correlation_key"])], [1], "an event sent again")
    subprocess.run(["redis-cli", "-u", site.outside.redis_url, "flushall"], check=True, capture_output=True)
    wanted = [(id, level) for id in waiting for level in (1, 2)]
    # One level, unless it took so long that the second was due before it was acknowledged or closed; none after that.
    wanted += [(id, level) for id, (incident, _) in before.items() for level in range(1, (incident["escalation_level"] if late else 1) + 1)]
    check(len(wanted) >= len(waiting) * 2 + len(before), "somebody was told of every incident")
    eventually(lambda: len(_told(receiver)) >= len(wanted), "the second level is told without what Redis knew", seconds=LEVEL_SECONDS + 20, pause=0.2)
    time.sleep(1)
    check_equal(_told(receiver), sorted(wanted), "who was told of what, each once")


# ---- a gateway that has not read everything yet

LOST = 12  # incidents


@contextlib.contextmanager
def _view_held(home):
    """The gateway's view as a start without its file makes it, before anything was read. While the context lasts no batch can be stored,
    as on a full disk: the trigger makes a value that SQLite refuses as too large."""
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
    """The requests, each with a check of an answer other than 503: it must know everything."""
    def is_whole(answer):
        return answer.status == 200 and len(answer.json["items"]) >= LOST

    def is_there(answer):
        return answer.status == 200 and answer.json["id"] in (incident, command)
    return {
        "incident": (("GET", f"/v1/incidents/{incident}"), is_there),
        "list": (("GET", "/v1/incidents?limit=200"), is_whole),
        "search": (("GET", "/v1/incidents?limit=200&q=broken"), is_whole),
        "timeline": (("GET", f"/v1/incidents/{incident}/timeline"), lambda a: a.status == 200 and len(a.json["items"]) >= 2),
        "command": (("GET", f"/v1/commands/{command}"), lambda a: is_there(a) and a.json["status"] == "done"),
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
    """The ids of an incident and of a command that was done to it, among LOST of them."""
    for number in range(LOST):
        _send(gateway, id=f"e{number}", title="broken disk", asset=f"host{number}")
    incidents = eventually(lambda: [all for all in [gateway.incidents()] if len(all) == LOST], f"{LOST} incidents", seconds=20)[0]
    incident = incidents[0]["id"]
    command = gateway.do(incident, "note", {"text": "seen"}).expect(202).json["id"]
    eventually(lambda: gateway.get(f"/v1/commands/{command}").expect(200).json["status"] == "done", "the note is taken", seconds=20)
    return incident, command


def _asked_from_the_first_moment_on(gateway):
    """A gateway without its view answers 503 from its first answer on until the view is there again, and takes events all along."""
    incident, command = _filled(gateway)
    questions = _questions(incident, command)
    gateway.stop()
    gateway.settings["TOCSIN_LISTEN"] = f"127.0.0.1:{free_port()}"
    with _view_held(gateway.home):
        began = gateway.launch()
        gateway.url = f"http://{gateway.settings['TOCSIN_LISTEN']}"
        eventually(lambda: _listens(gateway), "it listens", seconds=20, pause=0.001)
        accepted = eventually(lambda: _asked_once(gateway, questions), "an event is taken", seconds=20)
        eventually(lambda: "waiting" in {line["event"] for line in gateway.log_lines()}, "the rebuild is held", seconds=20)
        check(_asked_once(gateway, questions), "events are taken while the rebuild is held")
        check(not _is_ready(gateway), "/readyz says yes while the rebuild is held")
    while not _is_ready(gateway):
        for name in questions:
            _asked(gateway, name, questions)
        check(time.monotonic() - began < 60, "it is not ready within 60 s")
    gateway.await_ready(began)
    for name in questions:
        check(not _asked(gateway, name, questions), f"{name} is answered when /readyz says 200")
    check(gateway.incident_of(accepted, seconds=20)["title"] == "meanwhile", "the event that came meanwhile")


def _asked(gateway, name, questions):
    """True: refused with 503. An answer that does not know everything is a failure."""
    request, is_whole = questions[name]
    answer = gateway.request(*request)
    refused = _is_refused(answer)
    check(refused or is_whole(answer), f"{name}: {answer.status} {answer.body[:300]!r}")
    return refused


def _asked_once(gateway, questions):
    """Asks everything, which must be refused, and posts an event. The answer to the event, or None where no policy is in force yet."""
    for name in questions:
        check(_asked(gateway, name, questions), f"{name} was not refused")
    answer = gateway.post("/v1/events", {"source": "siem", "title": "meanwhile", "asset": "late", "id": "meanwhile"})
    check(answer.status in (202, 503), f"an event: {answer.status} {answer.body[:300]!r}")
    return answer.json if answer.status == 202 else None


def a_gateway_that_builds_its_view_again_says_so_instead_of_404(scratch):
    _asked_from_the_first_moment_on(scratch.server(TOCSIN_COMMAND_WAIT_MS=0))


def a_gateway_that_builds_its_view_again_from_kafka_says_so_instead_of_404(scratch):
    _asked_from_the_first_moment_on(Site(scratch, TOCSIN_COMMAND_WAIT_MS=0).programs()["gateway"])


# ---- the audit log, of which there is no copy: the page for operators says what then


def _checks(command, *flags):
    for words in (("verify", "log"), ("check", "ledger", *flags)):
        done = command(*words)
        check_equal(done.returncode, 0, f"exit code of {' '.join(words)}: {done.stdout}{done.stderr}")


def _lines(home):
    log = home / "audit/ledger.jsonl"
    return log.read_text().splitlines() if log.exists() else []


def an_audit_log_that_is_lost_begins_anew(scratch):
    server = scratch.server()
    kept = server.incident_of(server.event(title="before"))
    eventually(lambda: len(_lines(server.home)) >= 2, "lines in the audit log")
    server.stop()
    shutil.rmtree(server.home / "audit")
    server.launch()
    _, said = server.process.communicate(timeout=30)
    check_equal(server.process.returncode, 3, f"exit code without the log ({said})")
    check("audit" in said and "operators" in said, said)
    shutil.rmtree(server.home / "audit")
    bus = sqlite3.connect(server.home / "bus.db", isolation_level=None)
    bus.execute('DELETE FROM "checkpoints.0"')
    bus.close()
    server.start()
    server.incident_of(server.event(title="after"))
    eventually(lambda: any(kept["id"] in line for line in _lines(server.home)), "what the ledgers hold is in the new log", 10)
    server.stop()
    server.start()
    _checks(server.command)


def an_audit_log_that_is_lost_begins_anew_on_kafka(scratch):
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
    eventually(lambda: any(kept["id"] in line for line in _lines(home)), "what the ledgers hold is in the new log", 20)
    for program in programs.values():
        program.stop()
    _checks(site.tocsin, "--kafka")
