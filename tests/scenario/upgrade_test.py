"""The program takes over from one whose event ids did not hold the correlation key, as the operators' page says under "Upgrade"."""

import collections
import json
import lzma
import shutil
import time

from harness import check_equal, check_record_ids, eventually
from installation import Site
from upgrade_fixture import DATA, KEPT, SENT, UNCORRELATED, send_all, settings

GIVEN = json.loads((DATA / "given.json").read_text())
MARKED = ("a-1", "b-1", "d-1", "k-1")  # one of each correlation key that others may have


def _kept(incident):
    return {member: incident.get(member) for member in KEPT}


def _check_kept(server):
    """Ids, numbers, keys, counts and links of all incidents are those of before."""
    eventually(lambda: len(server.incidents()) == len(GIVEN["incidents"]), "all incidents are there", 20)
    check_equal([_kept(incident) for incident in server.incidents()], GIVEN["incidents"], "incidents after the upgrade")


def _check_identities(answers):
    """Every id is another one; the correlation key is another one where it is derived from the id."""
    check_equal([name for name in SENT if answers[name]["id"] == GIVEN["answers"][name]["id"]], [], "events whose id is the one of before")
    changed = [name for name in SENT if answers[name]["correlation_key"] != GIVEN["answers"][name]["correlation_key"]]
    check_equal(tuple(changed), UNCORRELATED, "events whose correlation key changed")


def _counts(server, answers):
    """How many events each incident of a correlation key has, the newest incident first."""
    counts = collections.defaultdict(list)
    for incident in server.incidents():
        counts[incident["correlation_key"]].append(incident["event_count"])
    return {name: counts[answers[name]["correlation_key"]] for name in SENT}


def _await_counts(server, answers, expected, what):
    eventually(lambda: _counts(server, answers) == expected, what, 20, 0.1, lambda: f"{_counts(server, answers)} instead of {expected}")


def _window_opened(server):
    """The windows of what was stored are over; reopened, one is open, as all are where an upgrade takes less than a window."""
    id = server.incident_of(GIVEN["answers"]["a-1"])["id"]
    server.do(id, "close", {"resolution": "other", "reason": "for its window"}).expect(200)
    server.do(id, "reopen", {"reason": "for its window"}).expect(200)
    time.sleep(1)  # until intake knows it


def _mark(server):
    """An event that is new, of each of MARKED's keys: what was sent before it to the key is counted when it is."""
    for name in MARKED:
        kind, _, document = SENT[name]
        server.event(**document | {"id": f"mark-of-{name}"})


def _check_counted_once_more_and_once(server):
    """All that was sent before the upgrade is sent again, twice."""
    _window_opened(server)
    answers = send_all(server)
    _check_identities(answers)
    once_more = {name: [8] if name.startswith("a-") else [1] if name in UNCORRELATED else [1, 1] for name in SENT}
    _await_counts(server, answers, once_more, "each is counted once more")
    check_equal(send_all(server), answers, "the answers to the same again")
    _mark(server)
    marked = once_more | {name: [9] if name.startswith("a-") else [2, 1] for name in SENT if name not in UNCORRELATED}
    _await_counts(server, answers, marked, "each is counted once more, and only the marks after it")
    time.sleep(1)  # until a repeat under a key that no mark can have would be counted
    check_equal(_counts(server, answers), marked, "counts at the end")
    then = {incident["id"]: incident for incident in GIVEN["incidents"]}
    now = {incident["id"]: _kept(incident) for incident in server.incidents()}
    check_equal(len(now), len(then) + len(SENT) - 4, "incidents: one more for each event but for those of the open window")
    for id, incident in then.items():
        counted = incident["correlation_key"] == answers["a-1"]["correlation_key"]
        check_equal(now[id], incident | ({"event_count": 9, "status": "triaging"} if counted else {}), "an incident of before the upgrade")


def _check_sound(command, home, *flags):
    for words in (("check", "ledger", *flags), ("verify", "log")):
        done = command(*words)
        check_equal(done.returncode, 0, f"exit code of tocsin {' '.join(words)}: {done.stdout}{done.stderr}")
    check_record_ids(home)


def a_home_of_before_is_opened_and_what_was_sent_counts_once_more_and_once(scratch):
    server = scratch.server(start=False, **settings(scratch))
    shutil.unpack_archive(DATA / "home.tar.xz", scratch.directory)
    server.start()
    _check_kept(server)
    _check_counted_once_more_and_once(server)
    server.stop()
    _check_sound(server.command, server.home)
    server.start()
    check_equal(len(server.incidents()), len(GIVEN["incidents"]) + len(SENT) - 4, "incidents after another start")


def an_export_of_before_is_imported_and_what_was_sent_counts_once_more_and_once(scratch):
    site, export = Site(scratch, **settings(scratch)), scratch.path("export.jsonl")
    export.write_bytes(lzma.decompress((DATA / "export.jsonl.xz").read_bytes()))
    done = site.tocsin("import", "--kafka", str(export))
    check_equal(done.returncode, 0, f"exit code of import: {done.stderr}")
    programs = site.programs()
    gateway = programs["gateway"]
    _check_kept(gateway)
    _check_counted_once_more_and_once(gateway)
    for program in programs.values():
        program.stop()
    _check_sound(site.tocsin, gateway.home, "--kafka")
