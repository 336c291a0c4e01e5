"""Upgrade from a version whose event ids do not contain the correlation key, as the operators' page describes it under "Upgrade"."""

import collections
import json
import lzma
import shutil
import time

from harness import check_equal, check_record_ids, eventually
from installation import Site
from upgrade_fixture import DATA, KEPT, SENT, UNCORRELATED, send_all, settings

GIVEN = json.loads((DATA / "given.json").read_text())
MARKED = ("a-1", "b-1", "d-1", "k-1")  # one event of each correlation key that is not derived from an id


def _kept(incident):
    return {member: incident.get(member) for member in KEPT}


def _check_kept(server):
    """Checks that ids, numbers, keys, counts and links of all incidents are unchanged."""
    eventually(lambda: len(server.incidents()) == len(GIVEN["incidents"]), "all incidents are shown", 20)
    check_equal([_kept(incident) for incident in server.incidents()], GIVEN["incidents"], "incidents after the upgrade")


def _check_identities(answers):
    """Checks that every event id is new, and every correlation key that is derived from an event id."""
    check_equal([name for name in SENT if answers[name]["id"] == GIVEN["answers"][name]["id"]], [], "events with an unchanged id")
    changed = [name for name in SENT if answers[name]["correlation_key"] != GIVEN["answers"][name]["correlation_key"]]
    check_equal(tuple(changed), UNCORRELATED, "events with a new correlation key")


def _counts(server, answers):
    """{name of an answer: event counts of the incidents with its correlation key, the newest incident first}."""
    counts = collections.defaultdict(list)
    for incident in server.incidents():
        counts[incident["correlation_key"]].append(incident["event_count"])
    return {name: counts[answers[name]["correlation_key"]] for name in SENT}


def _await_counts(server, answers, expected, name):
    eventually(lambda: _counts(server, answers) == expected, name, 20, 0.1, lambda: f"{_counts(server, answers)} instead of {expected}")


def _open_window(server):
    """The time windows of the stored incidents have ended. Closes and reopens one incident: its window is then open, as after a
    quick upgrade."""
    id = server.incident_of(GIVEN["answers"]["a-1"])["id"]
    server.do(id, "close", {"resolution": "other", "reason": "for its window"}).expect(200)
    server.do(id, "reopen", {"reason": "for its window"}).expect(200)
    time.sleep(1)  # until intake has read the reopening; nothing outside the program shows this


def _send_markers(server):
    """Sends a new event for each correlation key of MARKED: once the new event is counted, all earlier events of its key have been
    processed."""
    for name in MARKED:
        kind, _, document = SENT[name]
        server.event(**document | {"id": f"marker-{name}"})


def _check_repeats_count_once_more(server):
    """Sends all documents of SENT twice: the first repeat counts, because ids are new, the second does not."""
    _open_window(server)
    answers = send_all(server)
    _check_identities(answers)
    once_more = {name: [8] if name.startswith("a-") else [1] if name in UNCORRELATED else [1, 1] for name in SENT}
    _await_counts(server, answers, once_more, "each event is counted once more")
    check_equal(send_all(server), answers, "the answers to repeats")
    _send_markers(server)
    marked = once_more | {name: [9] if name.startswith("a-") else [2, 1] for name in SENT if name not in UNCORRELATED}
    _await_counts(server, answers, marked, "the markers are counted, and nothing else")
    # No marker can have a key of UNCORRELATED, because these keys are derived from event ids. So wait for a second: within this
    # time intake reports every repeat that it has counted.
    time.sleep(1)
    check_equal(_counts(server, answers), marked, "counts at the end")
    then = {incident["id"]: incident for incident in GIVEN["incidents"]}
    now = {incident["id"]: _kept(incident) for incident in server.incidents()}
    check_equal(len(now), len(then) + len(SENT) - 4, "incidents: one more for each event, except those of the open window")
    for id, incident in then.items():
        counted = incident["correlation_key"] == answers["a-1"]["correlation_key"]
        check_equal(now[id], incident | ({"event_count": 9, "status": "triaging"} if counted else {}), "an incident from before the upgrade")


def _check_sound(command, home, *flags):
    for words in (("check", "ledger", *flags), ("verify", "log")):
        done = command(*words)
        check_equal(done.returncode, 0, f"exit code of tocsin {' '.join(words)}: {done.stdout}{done.stderr}")
    check_record_ids(home)


def an_old_home_is_opened_and_events_sent_again_count_exactly_once_more(scratch):
    server = scratch.server(start=False, **settings(scratch))
    shutil.unpack_archive(DATA / "home.tar.xz", scratch.directory)
    server.start()
    _check_kept(server)
    _check_repeats_count_once_more(server)
    server.stop()
    _check_sound(server.command, server.home)
    server.start()
    check_equal(len(server.incidents()), len(GIVEN["incidents"]) + len(SENT) - 4, "incidents after a restart")


def an_old_export_is_imported_and_events_sent_again_count_exactly_once_more(scratch):
    site, export = Site(scratch, **settings(scratch)), scratch.path("export.jsonl")
    export.write_bytes(lzma.decompress((DATA / "export.jsonl.xz").read_bytes()))
    done = site.tocsin("import", "--kafka", str(export))
    check_equal(done.returncode, 0, f"exit code of import: {done.stderr}")
    programs = site.programs()
    gateway = programs["gateway"]
    _check_kept(gateway)
    _check_repeats_count_once_more(gateway)
    for program in programs.values():
        program.stop()
    _check_sound(site.tocsin, gateway.home, "--kafka")
