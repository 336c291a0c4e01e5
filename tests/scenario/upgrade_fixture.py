#!/usr/bin/env python3
"""Makes the data of upgrade_test.py: upgrade_fixture.py BINARY, where BINARY is a `tocsin` whose event ids do not contain the correlation key
(the last such version is commit 3175a9d). Writes the server's home after a stop, its export, its answers and its incidents
to data/before-correlated-ids. No file contains the admin key.
"""

import json
import lzma
import pathlib
import shutil
import sys
import tarfile

from harness import Scratch, check_equal, eventually
from installation import KEY

DATA = pathlib.Path(__file__).parent / "data/before-correlated-ids"
SOURCES = """sources:
  - {id: probe, correlate: [asset], window_seconds: %(window)d, cap_seconds: 86400}
  - {id: "*", correlate: [source, rule, asset, actor], window_seconds: %(window)d, cap_seconds: 86400}
"""
JOINS = """joins:
  - {by: asset, window_seconds: 3600}
"""
PATHS = {"event": "/v1/events", "report": "/v1/reports"}


def _event(key=None, **members):
    return "event", key, {"title": "odd", **members}


# {name: (kind of document, Idempotency-Key, document)} of all events and reports. The source "probe" sends no member to
# correlate by.
SENT = {
    **{f"a-{n}": _event(source="siem", rule="r1", asset="fs1", id=f"a-{n}") for n in range(1, 5)},
    "b-1": _event(source="edr", title="Ransom note on FS1", severity="critical", asset="fs1", id="b-1"),
    **{f"c-{n}": _event(source="probe", id=f"c-{n}") for n in range(1, 4)},
    "d-1": _event(source="siem", rule="r1", asset="fs3", id="d-1"),
    "k-1": _event(key="k-1", source="siem", rule="r1", asset="fs2"),
    "k-2": _event(key="k-2", source="probe"),
    "r-1": ("report", "r-1", {"kind": "incident", "description": "A laptop was stolen"}),
}
UNCORRELATED = ("c-1", "c-2", "c-3", "k-2", "r-1")
CLOSED = "d-1"
KEPT = ("id", "number", "title", "kind", "status", "correlation_key", "event_count", "opened_at", "links")


def settings(scratch, window=900, joins=""):
    return {"TOCSIN_POLICY": scratch.pack(sources=SOURCES % {"window": window} + joins), "TOCSIN_ADMIN_KEY": KEY}


def send_all(server):
    """Sends all documents of SENT; returns {name: answer}."""
    return {name: server.post(PATHS[kind], document, headers={"Idempotency-Key": key} if key else {}).expect(202).json
            for name, (kind, key, document) in SENT.items()}


def _story(server):
    answers = send_all(server)
    check_equal(send_all(server), answers, "the answers to repeats")
    eventually(lambda: sum(i["event_count"] for i in server.incidents()) == len(SENT), "each document is counted once")
    server.do(server.incident_of(answers[CLOSED])["id"], "close", {"resolution": "resolved", "reason": "done"}).expect(200)
    linked = [server.incident_of(answers[name])["id"] for name in ("a-1", "b-1")]
    eventually(lambda: all("links" in server.incident(id) for id in linked), "the incidents are linked")
    return {"answers": answers, "incidents": [{member: incident.get(member) for member in KEPT} for incident in server.incidents()]}


def _anonymous(member):
    """A filter of tarfile: removes the owner; returns None, which omits the member, for the lock and the admin key."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if pathlib.Path(member.name).name in ("lock", "admin.key") else member


def make(binary):
    scratch = Scratch(binary)
    try:
        server = scratch.server(**settings(scratch, window=5, joins=JOINS))  # windows of 5 s are over when the tests run
        given = _story(server)
        server.stop()
        shutil.rmtree(DATA, ignore_errors=True)
        DATA.mkdir(parents=True)
        (DATA / "given.json").write_text(json.dumps(given, indent=1) + "\n")
        with tarfile.open(DATA / "home.tar.xz", "w:xz") as archive:
            archive.add(server.home, "home", filter=_anonymous)
        export = scratch.path("export.jsonl")
        check_equal(server.command("export", str(export)).returncode, 0, "exit code of export")
        (DATA / "export.jsonl.xz").write_bytes(lzma.compress(export.read_bytes()))
    finally:
        scratch.dispose()


if __name__ == "__main__":
    make(sys.argv[1])
