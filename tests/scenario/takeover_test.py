"""Another intake replica takes partitions over: ids that were counted before do not count again, though it decides on them now."""

import collections
import re

from harness import check, check_equal, eventually
from installation import Site

PARTITIONS, KEYS, EVENTS, ROUNDS, SESSION_SECONDS = 12, 12, 240, 3, 6


def _owned(server):
    """Partitions of the report ledger whose owner this replica is."""
    figures = server.get("/metrics", key=None).expect(200).body.decode()
    return sum(int(value) for value in re.findall(r'^tocsin_ledger_owner\{[^}]*service="intake"[^}]*\} (\d+)', figures, re.M))


def _post(gateway, numbers):
    return {number: gateway.event(source="load", title="hit", id=f"e{number}", asset=f"host{number % KEYS}") for number in numbers}


def _counted(gateway):
    return {incident["asset"]: incident["event_count"] for incident in gateway.incidents()}


def _await_counts(gateway, sent, seconds):
    """Counts of all assets, once they reach what was sent: an event that counts twice shows then, or never comes to rest there."""
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
        # One more event a key comes behind the repeats: once it is counted, so are they.
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
