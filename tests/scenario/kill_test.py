"""kill -9 under load, again and again: every 202 is counted exactly once, and every record proves it."""

import http.client
import random
import threading
import time

from harness import check, check_equal, embedded_only, eventually

KILLS, KEYS, SENDERS = 20, 5, 3


def _load(server, accepted, lock, stop, sender):
    """Sends with ids of its own; an event without an answer is sent again under the same id, and now and then an old one, as senders do."""
    number, dice = 0, random.Random(sender)
    while not stop.is_set():
        repeat = number > 0 and dice.random() < 0.2
        number, former = (dice.randrange(number), number) if repeat else (number, number)
        id = f"{sender}-{number}"
        try:
            answer = server.post("/v1/events", {"source": "load", "title": "hit", "id": id, "asset": f"host{number % KEYS}"}, timeout=5)
        except (OSError, http.client.HTTPException):
            number = former
            time.sleep(0.005)
            continue
        if answer.status == 202:
            with lock:
                accepted.add(id)
        number = former + (answer.status == 202 and not repeat)


@embedded_only("six programs are killed one by one in chaos_test")
def twenty_kills_lose_nothing_and_count_nothing_twice(scratch):
    server = scratch.server()
    server.key
    accepted, lock, stop = set(), threading.Lock(), threading.Event()
    senders = [threading.Thread(target=_load, args=(server, accepted, lock, stop, n), daemon=True) for n in range(SENDERS)]
    for sender in senders:
        sender.start()
    commanded = {}
    for turn in range(KILLS):
        time.sleep(0.12 + 0.03 * (turn % 5))
        incidents = server.incidents()
        if incidents and turn % 3 == 0:
            id = incidents[0]["id"]
            commanded[id] = server.do(id, "note", {"text": f"turn {turn}"}, headers={"Idempotency-Key": f"turn-{turn}"}).expect(200).json["version"]
        server.kill()
        server.start()
    time.sleep(0.2)
    stop.set()
    for sender in senders:
        sender.join(10)
    eventually(lambda: sum(i["event_count"] for i in server.incidents()) >= len(accepted), f"{len(accepted)} events are counted", 20)
    time.sleep(1)
    incidents = server.incidents()
    # A sender stopped in the middle may have had an event accepted whose answer it never read: at most one a sender.
    counted = sum(i["event_count"] for i in incidents)
    check(len(accepted) <= counted <= len(accepted) + SENDERS, f"{len(accepted)} accepted, {counted} counted")
    check_equal(len(incidents), KEYS, "incidents")
    check(all(not sender.is_alive() for sender in senders), "a sender is stuck")
    check(len(accepted) >= KILLS * SENDERS, f"only {len(accepted)} events were accepted: that is no load")
    for id, version in commanded.items():
        check(server.incident(id)["version"] >= version, "an answered command is gone")
        texts = [e["data"]["text"] for e in server.timeline(id) if e["type"] == "noted"]
        check_equal(len(texts), len(set(texts)), "notes, each once")
    scratch.note(f"{len(accepted)} events, {KILLS} kills")
    running = server.command("check", "ledger")
    check_equal(running.returncode, 0, f"exit code of check ledger while it runs\n{running.stdout}{running.stderr}")
    server.stop()
    ledger = server.command("check", "ledger")
    check_equal(ledger.returncode, 0, f"exit code of check ledger\n{ledger.stdout}{ledger.stderr}")
    log = server.command("verify", "log")
    check_equal(log.returncode, 0, f"exit code of verify log\n{log.stdout}{log.stderr}")


def a_changed_byte_in_the_audit_log_is_found(scratch):
    server = scratch.server()
    path = server.home / "audit" / "ledger.jsonl"
    server.incident_of(server.report())
    eventually(lambda: path.read_bytes().count(b"\n") >= 2, "two lines in the audit log")
    server.stop()
    check_equal(server.command("verify", "log").returncode, 0, "exit code of verify log")
    whole = path.read_bytes()
    for place in (whole.index(b'"record"') + 12, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1:])
        found = server.command("verify", "log")
        check_equal(found.returncode, 1, f"exit code with byte {place} changed\n{found.stdout}{found.stderr}")
        check(found.stderr.startswith("tocsin: ") and "ledger.jsonl:" in found.stderr, found.stderr)
    path.write_bytes(whole)
    check_equal(server.command("verify", "log").returncode, 0, "exit code of verify log")
