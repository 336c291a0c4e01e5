"""kill -9 under load: every event with a 202 is counted exactly once, and the audit log detects changes."""

import collections
import http.client
import itertools
import random
import threading
import time

from harness import check, check_equal, embedded_only, eventually

KILLS, KEYS, SENDERS = 20, 5, 3


def _send_until_accepted(server, id):
    """Posts an event, again under the same id after an error, until it is acknowledged."""
    event = {"source": "load", "title": "hit", "id": id, "asset": f"host{int(id.split('-')[1]) % KEYS}"}
    while True:
        try:
            if server.post("/v1/events", event, timeout=5).status == 202:
                return id
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.005)


def _load(server, accepted, stop, sender):
    """Sends events with new ids and repeats a fifth of them."""
    generator = random.Random(sender)
    for number in itertools.count():
        if stop.is_set():
            return
        accepted.add(_send_until_accepted(server, f"{sender}-{number}"))
        if generator.random() < 0.25:
            _send_until_accepted(server, f"{sender}-{generator.randrange(number + 1)}")


def _counts(server):
    return {incident["asset"]: incident["event_count"] for incident in server.incidents()}


@embedded_only("chaos_test kills the six programs")
def twenty_kills_lose_no_event_and_count_none_twice(scratch):
    server = scratch.server()
    server.key  # reads the key from its file before the threads start
    accepted, stop = [set() for _ in range(SENDERS)], threading.Event()
    senders = [threading.Thread(target=_load, args=(server, accepted[n], stop, n), daemon=True) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    commanded = {}
    for turn in range(KILLS):
        time.sleep(0.12 + 0.03 * (turn % 5))
        incidents = server.incidents()
        if incidents and turn % 3 == 0:
            id = incidents[0]["id"]
            note = server.do(id, "note", {"text": f"turn {turn}"}, headers={"Idempotency-Key": f"turn-{turn}"})
            commanded[id] = note.expect(200).json["version"]
        server.kill()
        server.start()
    stop.set()
    for sender in senders:
        sender.join(30)
    check(all(not sender.is_alive() for sender in senders), "a sender is stuck")
    # Each marker is sent after the repeats of its key: once the marker is counted, these repeats have been processed.
    sent = set().union(*accepted) | {_send_until_accepted(server, f"marker-{number}") for number in range(KEYS)}
    expected = dict(collections.Counter(f"host{int(id.split('-')[1]) % KEYS}" for id in sent))
    eventually(lambda: all(_counts(server).get(asset, 0) >= count for asset, count in expected.items()), f"{len(sent)} events are counted", 20, 0.1,
               lambda: f"{_counts(server)} instead of {expected}")
    check_equal(_counts(server), expected, "events counted, by asset")
    check_equal(len(server.incidents()), KEYS, "incidents")
    check(len(sent) >= KILLS * SENDERS, f"only {len(sent)} events were accepted, which is no load")
    for id, version in commanded.items():
        check(server.incident(id)["version"] >= version, "an acknowledged command is lost")
        texts = [e["data"]["text"] for e in server.timeline(id) if e["type"] == "noted"]
        check_equal(len(texts), len(set(texts)), "notes, each once")
    scratch.note(f"{len(sent)} events, {KILLS} kills")
    running = server.command("check", "ledger")
    check_equal(running.returncode, 0, f"exit code of check ledger with a running server\n{running.stdout}{running.stderr}")
    server.stop()
    ledger = server.command("check", "ledger")
    check_equal(ledger.returncode, 0, f"exit code of check ledger\n{ledger.stdout}{ledger.stderr}")
    log = server.command("verify", "log")
    check_equal(log.returncode, 0, f"exit code of verify log\n{log.stdout}{log.stderr}")


def a_changed_byte_in_the_audit_log_is_detected(scratch):
    server = scratch.server()
    path = server.home / "audit" / "ledger.jsonl"
    server.incident_of(server.report())
    eventually(lambda: path.read_bytes().count(b"\n") >= 2, "two lines in the audit log")
    server.stop()
    check_equal(server.command("verify", "log").returncode, 0, "exit code of verify log")
    whole = path.read_bytes()
    for position in (whole.index(b'"record"') + 12, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1:])
        found = server.command("verify", "log")
        check_equal(found.returncode, 1, f"exit code with byte {position} changed\n{found.stdout}{found.stderr}")
        check(found.stderr.startswith("tocsin: ") and "ledger.jsonl:" in found.stderr, found.stderr)
    path.write_bytes(whole)
    check_equal(server.command("verify", "log").returncode, 0, "exit code of verify log")
