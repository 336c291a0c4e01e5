"""Export and import: another installation continues with the same ids, numbers and timelines, and sends no message twice."""

import base64
import json
import pathlib
import shutil
import time

from harness import check, check_equal, eventually, not_in_a_container
from installation import KEY, Site, topics_clear

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
ESCALATION = """
policies:
  - id: two-levels
    when: {kinds: [incident]}
    team: soc
    levels:
      - {after_seconds: 0, notify: ["channel:webhook"]}
      - {after_seconds: %d, notify: ["channel:webhook"]}
"""
NOTE = {"Idempotency-Key": '"note-of-the-morning"'}
CHANGED_BY_ESCALATION = ("version", "updated_at", "escalation_level")


def _settings(scratch, receiver, second_level):
    return {"TOCSIN_POLICY": scratch.pack(escalation=ESCALATION % second_level), "TOCSIN_EGRESS_ALLOW": "127.0.0.1/32",
            "TOCSIN_WEBHOOK_SECRET": SECRET, "TOCSIN_WEBHOOK_URL": receiver.url, "TOCSIN_ADMIN_KEY": KEY}


def _alarm(server, number, asset):
    return server.event(source="edr", title=f"Ransom note on {asset}", asset=asset, severity="critical", id=f"{asset}-{number}")


def _counted(server, id, count):
    server.incident_where(id, lambda incident: incident["event_count"] == count, f"{count} events are counted", seconds=20)


def _story(server, receiver):
    """Makes three incidents and returns their ids: one waits for its second level, one is closed, one is acknowledged and has a note."""
    waiting, closed, noted = (server.incident_of(_alarm(server, 0, asset), seconds=20)["id"] for asset in ("fs1", "fs2", "fs3"))
    for number in (1, 2, 1):
        _alarm(server, number, "fs1")
    _counted(server, waiting, 3)
    server.do(closed, "close", {"resolution": "resolved", "reason": "it was a drill"}).expect(200)
    server.do(noted, "acknowledge").expect(200)
    server.do(noted, "note", {"text": "the disk is in the safe"}, headers=NOTE).expect(200)
    server.do(noted, "note", {"text": "never written"}, headers={"If-Match": '"1"'}).expect(412)
    eventually(lambda: len(receiver.requests) == 3, "the first level of each is notified", seconds=20)
    eventually(lambda: all(_delivered(server, id) == 1 for id in (waiting, closed, noted)), "the deliveries are recorded", seconds=20)
    return waiting, closed, noted


def _delivered(server, id):
    return len([e for e in server.timeline(id) if e["type"] == "delivery" and e["data"]["state"] == "sent"])


def _snapshot(server):
    """{id: (incident, timeline)} of all incidents."""
    return {i["id"]: (i, server.timeline(i["id"])) for i in server.incidents()}


def _check_same(before, server, waiting):
    eventually(lambda: len(server.incidents()) == len(before), "all incidents are shown", seconds=30)
    after = _snapshot(server)
    check_equal(sorted(after), sorted(before), "ids")
    for id, (incident, timeline) in before.items():
        now, entries = after[id]
        changing = CHANGED_BY_ESCALATION if id == waiting else ()
        check_equal({k: v for k, v in now.items() if k not in changing}, {k: v for k, v in incident.items() if k not in changing},
                    f"incident {id}")
        check_equal(entries[:len(timeline)] if id == waiting else entries, timeline, f"timeline of {id}")


def _check_continues(server, ids, events):
    """Checks that repeats of earlier events and notes are recognized, and that new events continue the counts."""
    waiting, _, noted = ids
    version = server.incident(waiting)["version"]
    _alarm(server, 1, "fs1")
    _alarm(server, events, "fs1")
    _counted(server, waiting, events)
    check_equal(len([i for i in server.incidents() if i["asset"] == "fs1"]), 1, "incidents of fs1")
    check(server.incident(waiting)["version"] > version, "the version did not rise")
    server.do(noted, "note", {"text": "the disk is in the safe"}, headers=NOTE).expect(200)
    check_equal(len([e for e in server.timeline(noted) if e["type"] == "noted"]), 1, "notes")


def _check_messages(receiver, server, waiting):
    """Checks that each level of each incident is notified once: when a later incident is notified, no other message is due."""
    eventually(lambda: len(receiver.requests) == 4, "the second level is notified", seconds=90)
    eventually(lambda: server.incident(waiting)["escalation_level"] == 2, "the second level is recorded", seconds=20)
    marker = server.incident_of(_alarm(server, 0, "marker"), seconds=20)["id"]
    eventually(lambda: len(receiver.requests) >= 5, "the later incident is notified", seconds=20)
    ids = [request["headers"].get("webhook-id") or request["headers"]["Webhook-Id"] for request in receiver.requests]
    check_equal((len(ids), len(set(ids))), (5, 5), f"messages and message ids: {ids}")
    last = [json.loads(request["body"]) for request in receiver.requests[-2:]]
    check_equal([(message["type"], message["data"]["incident"]["id"]) for message in last],
                [("incident.escalated", waiting), ("incident.opened", marker)], "the last two messages")


def _check_sound(command, *flags):
    """Checks the ledgers and the audit log and returns the number of its lines. command runs tocsin with the installation's settings."""
    ledger = command("check", "ledger", *flags)
    errors = [line for line in ledger.stderr.splitlines() if not line.endswith("so far")]
    check_equal((ledger.returncode, errors), (0, []), f"check ledger {flags}: {ledger.stdout}")
    log = command("verify", "log")
    check_equal(log.returncode, 0, f"verify log: {log.stderr}")
    return int(log.stdout.split()[0])


def _done(completed, code=0):
    check_equal(completed.returncode, code, f"exit code; output: {completed.stdout}{completed.stderr}")
    return completed.stderr


def _refused(completed, *words, code=3):
    errors = _done(completed, code)
    check(all(word in errors for word in words), f"{words} are not in: {errors}")


def a_home_moves_into_another_home_without_losses_or_duplicate_messages(scratch):
    receiver = scratch.receiver()
    settings = _settings(scratch, receiver, 15)
    one, two = scratch.server("one", **settings), scratch.server("two", start=False, **settings)
    ids, file = _story(one, receiver), str(scratch.path("moved.jsonl"))
    before = _snapshot(one)
    _refused(one.command("export", file), "another tocsin serves from")
    one.stop()
    errors = _done(one.command("export", file))
    check("exported" in errors and not scratch.path("moved.jsonl.part").exists(), f"stderr: {errors}")
    check_equal(pathlib.Path(file).stat().st_mode & 0o777, 0o600, "mode of the file")
    _done(two.command("import", file))
    lines = [_check_sound(server.command) for server in (one, two)]
    check_equal(lines[0], lines[1], "lines of the audit logs")
    two.start()
    _check_same(before, two, ids[0])
    _check_continues(two, ids, 4)
    _check_messages(receiver, two, ids[0])
    two.stop()
    check(_check_sound(two.command) > lines[1], "the audit log has no new lines")


def import_accepts_only_a_complete_unchanged_file_and_an_empty_home(scratch):
    one, two = scratch.server("one"), scratch.server("two", start=False)
    one.incident_of(_alarm(one, 0, "fs1"))
    one.stop()
    file, bad = str(scratch.path("good")), scratch.path("bad")
    _done(one.command("export", file))
    good = pathlib.Path(file).read_bytes()
    for bytes_, words in ((good[:len(good) // 2], "cut off"), (good[:-1], "cut off"), (good.replace(b"fs1", b"fs2", 1), "digest"),
                          (good.replace(b'"format":1', b'"format":2', 1), "newer"), (good + b"{}\n", "bytes after the end"),
                          (b"hello\n", "not an export of Tocsin"), (b"", "not an export of Tocsin")):
        bad.write_bytes(bytes_)
        _refused(two.command("import", str(bad)), words, code=1)
    check(not (two.home / "bus.db").exists(), "an invalid file was imported")
    _refused(two.command("import", str(scratch.path("nowhere"))), "No such file")
    _refused(one.command("import", file), "is not empty")
    _refused(two.command("export", str(bad)), "nothing was ever served")
    for wrong in (("export",), ("export", "--fly", "x"), ("export", "a", "b"), ("import",)):
        check_equal(two.command(*wrong).returncode, 2, f"exit code of tocsin {' '.join(wrong)}")
    whole = one.command("export", "-")
    check_equal((whole.returncode, whole.stdout.splitlines()[0][:30]), (0, '{"tocsin":"export","format":1,'), "export to stdout")
    _done(two.command("import", file))
    _refused(two.command("import", file), "is not empty")


@not_in_a_container("podman reports the id of the process too late")
def a_home_with_an_interrupted_import_does_not_start(scratch):
    """The import is killed at many moments: the home is then empty, complete, or reports the interrupted import."""
    one = scratch.server("one")
    for number in range(300):
        _alarm(one, number, f"host-{number}")
    eventually(lambda: len(one.incidents(limit=200)) == 300, "all incidents are shown", seconds=60)
    one.stop()
    file = str(scratch.path("good"))
    _done(one.command("export", file))
    took = []
    for number in range(2):  # twice, because the machine may stall during one import; the shorter time is used
        began = time.monotonic()
        _done(scratch.server(f"whole-{number}", start=False).command("import", file))
        took.append(time.monotonic() - began)
    outcomes = set()
    for attempt in range(12):
        two = scratch.server(f"two-{attempt}", start=False)
        two.arguments = ("import", file)
        two.launch()
        if attempt == 11:
            two.process.wait(120)  # the last import is not killed
        time.sleep(min(took) * attempt / 8)
        two.kill()
        two.arguments = ("serve",)
        outcomes.add(_outcome(two, file))
    scratch.note(f"outcomes: {', '.join(sorted(outcomes))}")
    check(outcomes >= {"unfinished", "complete"}, f"only {outcomes}")


def _outcome(server, file):
    again = server.command("import", file)
    if again.returncode == 0:
        return "empty"
    if "was not completed" not in again.stderr:
        server.start()
        check_equal(len(server.incidents(limit=200)), 300, "incidents")
        server.stop()
        return "complete"
    server.launch()
    _, errors = server.process.communicate(timeout=30)
    check_equal(server.process.returncode, 3, f"exit code of serve after an interrupted import, with stderr: {errors}")
    check("was not completed" in errors, errors)
    return "unfinished"


def _check_assessed_once(file):
    """Checks that classification continued at the committed offset: it did not assess the imported reports again."""
    ids = [dict(record["headers"])["ce_id"] for record in map(json.loads, open(file)) if record.get("topic") == "assessments"]
    check(len(ids) >= 3, f"only {len(ids)} assessments were exported")
    check_equal(len(ids), len(set(ids)), "assessments, each once")


@not_in_a_container("six programs")
def a_home_moves_to_kafka_and_back(scratch):
    receiver = scratch.receiver()
    settings = _settings(scratch, receiver, 45)
    site = Site(scratch, **settings)
    one, back = scratch.server("one", **settings), scratch.server("back", start=False, **settings)
    there, again = str(scratch.path("there.jsonl")), str(scratch.path("back.jsonl"))
    ids = _story(one, receiver)
    before = _snapshot(one)
    one.stop()
    _done(one.command("export", there))
    _done(site.tocsin("import", "--kafka", there))
    _refused(site.tocsin("import", "--kafka", there), "is not empty")
    programs = site.programs()
    gateway = programs["gateway"]
    _check_same(before, gateway, ids[0])
    _check_continues(gateway, ids, 4)
    lines = _check_sound(site.tocsin, "--kafka")
    _refused(site.tocsin("export", "--kafka", again), "another process runs")
    between = _snapshot(gateway)
    for program in programs.values():
        program.stop()
    _done(site.tocsin("export", "--kafka", again))
    _check_assessed_once(again)
    _done(back.command("import", again))
    check(_check_sound(back.command) >= lines, "the audit log is shorter than before")
    back.start()
    _check_same(between, back, ids[0])
    _check_continues(back, ids, 5)
    _check_messages(receiver, back, ids[0])


@not_in_a_container("six programs")
def a_backup_is_restored_into_new_topics_beside_old_state_files(scratch):
    """On the same Kafka and Redis: state files and timers with higher epochs are detected, and new incidents are notified."""
    receiver, early, backup = scratch.receiver(), scratch.path("early"), str(scratch.path("backup"))
    settings = _settings(scratch, receiver, 600)
    site = Site(scratch, **settings)
    programs = site.programs()
    for number in range(3):  # raises the epoch above that of the restored log
        programs["notification"].kill()
        programs["notification"].start()
    first = programs["gateway"].incident_of(_alarm(programs["gateway"], 0, "fs1"), seconds=20)["id"]
    for program in programs.values():
        program.stop()
    home = programs["gateway"].home
    shutil.copytree(home, early)
    programs = site.programs()
    for number in range(40):
        _alarm(programs["gateway"], 0, f"host-{number}")
    eventually(lambda: len(programs["gateway"].incidents(limit=200)) == 41, "all incidents are shown", 30)
    eventually(lambda: len(receiver.requests) == 41, "all incidents are notified", 30)
    before = _snapshot(programs["gateway"])
    for program in programs.values():
        program.stop()
    _done(site.tocsin("export", "--kafka", backup))
    topics_clear(site)
    home.rename(scratch.path("before"))
    _done(site.tocsin("import", "--kafka", backup))
    # Some state files have read fewer records than the restored ledgers hold (early), the others more (before).
    for service, kept in (("gateway", "before"), ("intake", "early"), ("response", "before"), ("notification", "early")):
        shutil.copytree(scratch.path(kept) / service, home / service, dirs_exist_ok=True)
    programs = site.programs()
    began = time.monotonic()
    gateway = programs["gateway"]
    eventually(lambda: len(gateway.incidents(limit=200)) == 41, "all incidents are shown again", 30)
    check_equal(_snapshot(gateway)[first][1], before[first][1], "the first timeline")
    for number in range(8):
        gateway.incident_of(_alarm(gateway, 0, f"new-{number}"), seconds=20)
    eventually(lambda: len(receiver.requests) == 49, "the new incidents are notified", 30, 0.2, lambda: f"{len(receiver.requests) - 41} of 8")
    scratch.note(f"notified {time.monotonic() - began:.1f} s after the restore")
    events = {line["event"] for program in programs.values() for line in program.log_lines()}
    check({"state-dropped", "timers-of-another-log"} <= events, f"log events: {events}")
    _check_sound(site.tocsin, "--kafka")


@not_in_a_container("six programs")
def an_export_beside_running_programs_is_refused(scratch):
    """The export has another home, so that the ledgers, not a lock, show the running programs."""
    site = Site(scratch, partitions=2)
    programs = site.programs()
    programs["gateway"].incident_of(_alarm(programs["gateway"], 0, "fs1"), seconds=20)
    elsewhere = scratch.server("elsewhere", start=False, **site.settings)
    done = elsewhere.command("export", "--kafka", str(scratch.path("x")))
    # Two refusals are possible: the programs claim their ledgers first, or the export finds no audit log in this home.
    _refused(done, "stop every program" if "stop every program" in done.stderr else "were accepted")
    check(not scratch.path("x").exists(), "the export left a file")
    programs["gateway"].incident_of(_alarm(programs["gateway"], 0, "fs2"), seconds=30)
    _check_sound(site.tocsin, "--kafka")
