"""Take-over by another intake replica: ids that the former owner counted do not count again."""

import collections
import re

from harness import check, check_equal, eventually
from installation import Site

PARTITIONS, KEYS, EVENTS, ROUNDS, SESSION_SECONDS = 12, 12, 240, 3, 6


def _owned(server):
    """Number of partitions of the report ledger that this replica owns."""
    figures = server.get("/metrics", key=None).expect(200).body.decode()
    return sum(int(value) for value in re.findall(r'^tocsin_ledger_owner\{[^}]*service="intake"[^}]*\} (\d+)', figures, re.M))


def _post(gateway, numbers):
    return {number: gateway.event(source="load", title="hit", id=f"e{number}", asset=f"host{number % KEYS}") for number in numbers}


def _counted(gateway):
    return {incident["asset"]: incident["event_count"] for incident in gateway.incidents()}


def _await_counts(gateway, sent, seconds):
    """Waits until all sent events are counted, and compares: an event that counts twice makes a count too high."""
    wanted = collections.Counter(f"host{number % KEYS}" for number in sent)
    eventually(lambda: all(_counted(gateway).get(asset, 0) >= count for asset, count in wanted.items()), f"{len(sent)} events are counted", seconds, 0.1,
               lambda: f"counted {_counted(gateway)}")
    check_equal(_counted(gateway), dict(wanted), "events counted, by asset")


def ids_counted_before_a_replica_is_killed_do_not_count_again_afterwards(scratch):
    site = Site(scratch, partitions=PARTITIONS, TOCSIN_KAFKA_OPTIONS=f"session.timeout.ms={SESSION_SECONDS}000")
    gateway = site.programs()["gateway"]
    replicas = [next(server for server in scratch.servers if server.binary.endswith("tocsin-intake"))]
    replicas.append(site.program("intake", home="other", TOCSIN_INSTANCE="other"))
    eventually(lambda: all(_owned(replica) for replica in replicas), "both replicas own partitions", 60, 0.2)
    sent, answers = [], {}
    for turn in range(ROUNDS):
        fresh = range(turn * EVENTS, (turn + 1) * EVENTS)
        answers |= _post(gateway, fresh)
        sent += fresh
        _await_counts(gateway, sent, 30)
        killed, survivor = replicas[turn % 2], replicas[1 - turn % 2]
        killed.kill()
        eventually(lambda: _owned(survivor) == PARTITIONS, "the other replica owns all partitions", 60, 0.2, lambda: f"{_owned(survivor)}")
        check_equal(_post(gateway, sent), answers, "answers to the same ids")
        # One marker for each key is sent after the repeats: once the marker is counted, the repeats of its key have been processed.
        markers = range(-(turn + 1) * KEYS, -turn * KEYS)
        answers |= _post(gateway, markers)
        sent += markers
        _await_counts(gateway, sent, 30)
        killed.start()
        eventually(lambda: _owned(killed) > 0, "the killed replica owns partitions again", 60, 0.2)
    ledgers = site.tocsin("check", "ledger", "--kafka")
    check_equal(ledgers.returncode, 0, f"exit code of check ledger --kafka\n{ledgers.stdout}{ledgers.stderr}")
    check("reports" in ledgers.stdout, ledgers.stdout)
    scratch.note(f"{ROUNDS} take-overs, {len(sent)} ids, each repeated up to {ROUNDS} times")
