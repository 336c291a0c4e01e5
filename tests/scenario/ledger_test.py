"""tocsin check ledger recounts the kept events and finds a ledger with a higher count.

The forged record is one that an owner with an incomplete duplicate filter would write: one more report of the incident, in the owner's
epoch and with the next sequence number, so that every reader accepts it; its count is one too high.
"""

import contextlib
import itertools
import json
import re
import sqlite3
import threading

from harness import check, check_equal
from installation import Site
from table_test import Kcat

OWNERSHIP_HEADERS = ("ce_epoch", "ce_owner", "ce_positions", "ce_derived")


def _story(server):
    """Makes an incident of four events, one of which is sent three times, and a second incident. Returns the id of the first."""
    for number in (1, 2, 1, 3, 1, 4):
        accepted = server.event(source="edr", title="Ransom note", asset="fs1", severity="high", id=f"fs1-{number}")
    server.incident_of(server.event(source="edr", title="Ransom note", asset="fs2", severity="high", id="fs2-1"), seconds=20)
    incident = server.incident_of(accepted, seconds=20)["id"]
    server.incident_where(incident, lambda each: each["event_count"] == 4, "four events are counted", seconds=20)
    return incident


def _forged(records, incident):
    """The next accepted record of a ledger: the incident's last one, with one more event. records: (key, headers, body) of all."""
    key, headers, body = next(record for record in reversed(records) if record[1].get("ce_subject") == incident)
    last = next(record for _, record, _ in reversed(records) if int(record["ce_seq"]) > 0)
    window = re.sub(r"\b(version|count)=(\d+)", lambda found: f"{found[1]}={int(found[2]) + 1}", headers["window"])
    document = json.loads(body)
    document |= {"event_count": document["event_count"] + 1, "report_version": document["report_version"] + 1,
                 "number": None, "form": None, "document": None, "clock_offset_ms": None}
    forged = {"ce_id": "rep_" + "0" * 26, "ce_type": "tocsin.report.repeated.v1", "ce_time": headers["ce_time"], "ce_subject": incident}
    forged |= {name: last[name] for name in OWNERSHIP_HEADERS} | {"ce_seq": str(int(last["ce_seq"]) + 1), "window": window}
    return key, forged, json.dumps(document)


def _found(done, partition, incident):
    """Checks that the command fails, names the incident and has no other finding."""
    errors = [line for line in done.stderr.splitlines() if not line.endswith("so far")]
    check_equal((done.returncode, len(errors)), (1, 1), f"exit code and lines of check ledger\n{done.stdout}{done.stderr}")
    check(re.fullmatch(rf"tocsin: reports\.{partition} offset \d+: incident {incident}: the ledger counts 5 events in "
                       r"\[\d+, \d+\), the log holds 4 different ones", errors[0]), errors[0])
    check("the ledgers are NOT consistent" in done.stdout, done.stdout)


def _sound(done, incidents, events):
    check_equal((done.returncode, done.stderr), (0, ""), f"check ledger\n{done.stdout}")
    counts = re.findall(r"^reports\.\d+ +(\d+) incidents recounted from (\d+) kept events  0 findings$", done.stdout, re.M)
    check_equal([sum(map(int, column)) for column in zip(*counts)], [incidents, events], f"incidents and events recounted\n{done.stdout}")


@contextlib.contextmanager
def _load(server):
    """Sends events during the context, each of them twice."""
    ended = threading.Event()

    def send():
        for number in itertools.count():
            if ended.is_set():
                return
            server.event(source="load", title="A scan", asset=f"host-{number // 2 % 7}", severity="low", id=f"load-{number // 2}")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _sound_under_load(server, command, *flags):
    with _load(server):
        for _ in range(4):
            done = command("check", "ledger", *flags)
            check_equal((done.returncode, done.stderr), (0, ""), f"check ledger with running programs\n{done.stdout}")


class _File:
    """The ledger of reports in bus.db."""

    def __init__(self, home):
        self.database = sqlite3.connect(home / "bus.db")

    def records(self):
        rows = self.database.execute('SELECT CAST(key AS TEXT), headers, CAST(body AS TEXT) FROM "reports.0" ORDER BY offset').fetchall()
        texts = [(key, bytes(headers).decode().split("\0"), body) for key, headers, body in rows]
        return [(key, dict(zip(text[0::2], text[1::2])), body) for key, text, body in texts]

    def append(self, record):
        key, headers, body = record
        packed = "".join(f"{name}\0{value}\0" for name, value in headers.items())
        self.database.execute('INSERT INTO "reports.0" SELECT max(offset) + 1, max(at), ?, ?, ? FROM "reports.0"',
                              (key.encode(), packed.encode(), body.encode()))
        self.database.commit()

    def drop_last(self):
        self.database.execute('DELETE FROM "reports.0" WHERE offset = (SELECT max(offset) FROM "reports.0")')
        self.database.commit()


def check_ledger_finds_an_event_too_many_in_a_home(scratch):
    server = scratch.server()
    incident = _story(server)
    _sound(server.command("check", "ledger"), 2, 7)
    _sound_under_load(server, server.command)
    server.stop()
    ledger = _File(server.home)
    ledger.append(_forged(ledger.records(), incident))
    _found(server.command("check", "ledger"), 0, incident)
    ledger.drop_last()
    check_equal(server.command("check", "ledger").returncode, 0, "exit code of check ledger without the forgery")
    ledger.database.execute('DELETE FROM "events.0" WHERE offset < 3')  # as retention does; kept events may repeat deleted ones
    ledger.database.commit()
    done = server.command("check", "ledger")
    check_equal((done.returncode, done.stderr), (0, ""), f"check ledger of a log without its oldest events\n{done.stdout}")
    check(re.search(r"from \d+ kept events, of which \d+ may repeat events that are not kept any more, 1 not compared report\(s\), from an import "
                    r"or of events that are not kept  0 findings$", done.stdout, re.M), done.stdout)


def check_ledger_finds_a_count_above_the_events_of_the_log_on_kafka(scratch):
    site = Site(scratch)
    kcat = Kcat(site)
    programs = site.programs()
    incident = _story(programs["gateway"])
    _sound(site.tocsin("check", "ledger", "--kafka"), 2, 7)
    _sound_under_load(programs["gateway"], site.tocsin, "--kafka")
    for program in programs.values():
        program.stop()
    check_equal(site.tocsin("check", "ledger", "--kafka").returncode, 0, "exit code of check ledger without the forgery")
    lines = kcat.run("-C", "-t", "tocsin.reports", "-o", "beginning", "-e", "-f", "%p\t%o\t%k\t%h\t%s\n").splitlines()
    logs = {}
    for partition, offset, key, headers, body in sorted((line.split("\t", 4) for line in lines), key=lambda line: int(line[1])):
        logs.setdefault(int(partition), []).append((key, dict(pair.split("=", 1) for pair in headers.split(",")), body))
    partition = next(number for number, records in logs.items() if any(record[1].get("ce_subject") == incident for record in records))
    key, headers, body = _forged(logs[partition], incident)
    flags = [word for name, value in headers.items() for word in ("-H", f"{name}={value}")]
    kcat.run("-P", "-t", "tocsin.reports", "-p", str(partition), "-k", key, *flags, stdin=body)
    _found(site.tocsin("check", "ledger", "--kafka"), partition, incident)
