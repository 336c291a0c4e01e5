"""The distributed mode under faults: programs are killed and paused at random, disks lost, Redis emptied and the broker killed, while a
recorder keeps every request and its answer. The broker is killed twice: the first time it starts again at once, the second time it stays
down for longer than both the session timeout of a group member and the timeout of an append.

Senders also repeat earlier ids, some of them with another asset. At the end every acknowledged event must be counted exactly once, in
the incident of its correlation key, and every level of every incident must be notified under one message id.

CHAOS_TURNS is the number of kills and pauses (20; `make test-chaos`: 60), CHAOS_SEED (1) selects the programs, CHAOS_STANDBY (all, none)
sets TOCSIN_STANDBY of the programs.
"""

import collections
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time

from harness import check, check_equal, eventually, free_port
from installation import Site

TURNS, SEED = int(os.environ.get("CHAOS_TURNS", "20")), int(os.environ.get("CHAOS_SEED", "1"))
FLEET = ("gateway", "intake", "intake", "classification", "response", "response", "notification", "notification", "audit")
STANDBY = os.environ.get("CHAOS_STANDBY", "all")
KEYS, SENDERS, SESSION_SECONDS = 24, 3, 6
APPEND_SECONDS = 30  # message.timeout.ms of the producers
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
RULES = 'rules: [{id: all, when: [], then: {kind: incident, category: "01007", importance: essential, loss: grave}}]\n'
LEVELS = """
policies:
  - id: two-levels
    when: {kinds: [incident]}
    team: soc
    levels:
      - {after_seconds: 0, notify: ["channel:webhook"]}
      - {after_seconds: 15, notify: ["channel:webhook"]}
"""


class Fleet:
    """Replicas with separate homes and ports, which are started again after every kill."""

    def __init__(self, scratch, site):
        self.scratch, self.site, self.random = scratch, site, random.Random(SEED)
        self.members, self.counts = {}, collections.Counter()
        for number, service in enumerate(FLEET):
            name = f"{service}-{number}"
            self.members[name] = site.program(service, start=False, home=name, TOCSIN_INSTANCE=name, TOCSIN_LISTEN=f"127.0.0.1:{free_port()}",
                                              TOCSIN_KAFKA_OPTIONS=f"session.timeout.ms={SESSION_SECONDS}000")
        for server in self.members.values():
            self.launch(server)
        self.gateway = self.members["gateway-0"]

    def launch(self, server):
        server.launch()
        server.url = f"http://{server.settings['TOCSIN_LISTEN']}"
        threading.Thread(target=self.read_errors, args=(server, server.process), daemon=True).start()

    @staticmethod
    def read_errors(server, process):
        for line in process.stderr:
            server.stderr_text += line

    def unready(self):
        return [name for name, server in self.members.items() if not _answers(server, "/readyz")]

    def strike(self):
        name, server = self.random.choice(list(self.members.items()))
        check(server.process.poll() is None, f"{name} ended by itself with exit code {server.process.poll()}: {server.stderr_text[-500:]}")
        if self.random.random() < 0.5:
            self.pause(server)
        else:
            self.kill(name, server)

    def kill(self, name, server):
        server.process.kill()
        server.process.wait()
        self.counts["kills"] += 1
        # The audit log cannot be rebuilt. Every other disk holds only views, and may be lost.
        if not name.startswith("audit") and self.random.random() < 0.4:
            shutil.rmtree(server.home, ignore_errors=True)
            self.counts["disks lost"] += 1
        self.launch(server)

    def pause(self, server):
        process = server.process
        process.send_signal(signal.SIGSTOP)
        self.counts["pauses"] += 1
        threading.Timer(self.random.uniform(0.2, SESSION_SECONDS * 1.5), lambda: process.poll() is None and process.send_signal(signal.SIGCONT)).start()


class Recorder:
    """Threads that send events, repeat those without a 202 under the same id, and write notes. Keeps every request and answer."""

    def __init__(self, gateway, path):
        self.gateway, self.stop, self.lock = gateway, threading.Event(), threading.Lock()
        self.log, self.answers = open(path, "w"), collections.Counter()
        self.accepted, self.noted, self.repeated = set(), {}, 0  # accepted: (id, asset) of each acknowledged event
        self.threads = [threading.Thread(target=self.send, args=(n,), daemon=True) for n in range(SENDERS)]
        self.threads.append(threading.Thread(target=self.note, daemon=True))
        for thread in self.threads:
            thread.start()

    def ask(self, path, body, **more):
        try:
            answer = self.gateway.post(path, body, timeout=12, **more)
            status, text = answer.status, answer.body.decode()
        except (OSError, http.client.HTTPException) as problem:
            status, text = 0, repr(problem)
        with self.lock:
            self.answers[status] += 1
            self.log.write(json.dumps({"at": time.time(), "path": path, "body": body, "status": status, "answer": text}) + "\n")
        return status, text

    def send(self, sender):
        """Repeats each event until it is acknowledged, even after end(), so that the number of accepted events is exact."""
        number, generator, sent = 0, random.Random(f"{SEED}-{sender}"), []
        while not self.stop.is_set():
            event = (f"{sender}-{number}", f"host{number % KEYS}")
            number += 1
            self.send_until_accepted(*event)
            sent.append(event)
            if generator.random() < 0.3:
                id, asset = generator.choice(sent)
                if generator.random() < 0.2:
                    asset = f"host{generator.randrange(KEYS)}"
                self.send_until_accepted(id, asset)
                self.repeated += 1

    def send_until_accepted(self, id, asset):
        status = None
        while status != 202:
            status, _ = self.ask("/v1/events", {"source": "load", "title": "hit", "id": id, "asset": asset, "severity": "high"})
            time.sleep(0.002 if status == 202 else 0.05)
        self.accepted.add((id, asset))

    def note(self):
        """Repeats each note on its incident until it is answered, so that every note has exactly one entry."""
        number, id = 0, None
        while not self.stop.is_set():
            time.sleep(0.1)
            id = id or self.incident_for(number)
            if not id:
                continue
            status, text = self.ask(f"/v1/incidents/{id}/note", {"text": f"note {number}"}, headers={"Idempotency-Key": f"note-{number}"})
            if status == 200:
                self.noted[f"note {number}"] = (id, json.loads(text)["version"])
                number, id = number + 1, None

    def incident_for(self, number):
        try:
            incidents = self.gateway.incidents()
        except Exception:  # the gateway does not run at the moment
            return None
        return incidents[number % len(incidents)]["id"] if incidents else None

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        check(not any(thread.is_alive() for thread in self.threads), "a sender is stuck")
        for number in range(KEYS):  # sent after the repeats of its key, which have been processed once the marker is counted
            self.send_until_accepted(f"marker-{number}", f"host{number}")
        self.log.close()


def _answers(server, path):
    try:
        return server.get(path, key=None, timeout=2).status == 200
    except (OSError, http.client.HTTPException):
        return False


def _flush(site):
    subprocess.run(["redis-cli", "-u", site.backends.redis_url, "flushall"], check=True, capture_output=True)


def _broker_dies(site, seconds):
    site.backends.do("kill", "kafka")
    time.sleep(seconds)
    site.backends.do("start", "kafka")


def _broker_stays_away(site, fleet, recorder):
    """During the outage no event is accepted and no program ends."""
    site.backends.do("kill", "kafka")
    time.sleep(1)
    before = len(recorder.accepted)
    time.sleep(max(SESSION_SECONDS, APPEND_SECONDS) + 10)
    check_equal(len(recorder.accepted), before, "events accepted without a broker")
    check("gateway-0" in fleet.unready(), "the gateway is ready without a broker")
    site.backends.do("start", "kafka")
    fleet.counts["outages"] += 1


def _differences(recorder, incidents):
    """{asset: acknowledged events minus counted ones}, without assets whose difference is 0."""
    balance = collections.Counter(asset for _, asset in recorder.accepted)
    balance.subtract({incident["asset"]: incident["event_count"] for incident in incidents})
    return {asset: count for asset, count in balance.items() if count}


def _judge_counts(recorder, incidents):
    check_equal(_differences(recorder, incidents), {}, "acknowledged events minus counted ones, by asset")
    check_equal(len(incidents), KEYS, "incidents, one for each key")


def _judge_timelines(recorder, gateway, incidents):
    notes = {}
    for incident in incidents:
        entries = [entry for entry in gateway.timeline(incident["id"]) if entry["type"] != "delivery"]
        check_equal([entry["version"] for entry in entries], list(range(1, incident["version"] + 1)), f"versions of {incident['id']}")
        for entry in entries:
            if entry["type"] == "noted":
                notes.setdefault(entry["data"]["text"], []).append((incident["id"], entry["version"]))
    for text, (id, version) in recorder.noted.items():
        entries = notes.get(text, [])
        # The answer shows the incident with the note and perhaps with later changes.
        check(len(entries) == 1 and entries[0][0] == id and entries[0][1] <= version, f"{text!r}, answered with version {version}, has the entries {entries}")
    check(all(len(entries) == 1 for entries in notes.values()), "a note has two entries")


def _messages(receiver):
    """{message id: {(incident, level)}} of all received messages."""
    messages = collections.defaultdict(set)
    for request in list(receiver.requests):
        headers = {name.lower(): value for name, value in request["headers"].items()}
        data = json.loads(request["body"])["data"]
        messages[headers["webhook-id"]].add((data["incident"]["id"], data["escalation_level"]))
    return messages


def _judge_messages(receiver, incidents):
    wanted = {(incident["id"], level) for incident in incidents for level in (1, 2)}
    eventually(lambda: {level for levels in _messages(receiver).values() for level in levels} >= wanted, "every level of every incident is notified",
               60, 0.5)
    messages = _messages(receiver)
    check(all(len(levels) == 1 for levels in messages.values()), "a message id was used for two levels")
    ids = collections.Counter(next(iter(levels)) for levels in messages.values())
    check(all(count == 1 for count in ids.values()), f"levels with two message ids: {[level for level, count in ids.items() if count > 1]}")


def _audit_differences(home, versions):
    """{incident: (versions missing, versions too many or out of order)} of the audit log, which has each version once and in order."""
    written = collections.defaultdict(list)
    for line in (home / "audit" / "ledger.jsonl").read_text().splitlines(keepends=True):
        if not line.endswith("\n"):  # is being written
            continue
        line = json.loads(line)
        if line["topic"] == "tocsin.journal":
            data = line["record"]["data"]
            written[data["incident_id"]] += [entry["version"] for entry in data["entries"] or []]
    return {id: (sorted(set(versions.get(id, [])) - set(written[id])), written[id][-20:])
            for id in set(versions) | set(written) if written[id] != versions.get(id)}


def no_event_or_message_is_lost_or_doubled_when_programs_brokers_and_timers_fail(scratch):
    receiver = scratch.receiver()
    site = Site(scratch, partitions=12, TOCSIN_POLICY=scratch.pack(rules=RULES, escalation=LEVELS), TOCSIN_WEBHOOK_URL=receiver.url,
                TOCSIN_WEBHOOK_SECRET=SECRET, TOCSIN_EGRESS_ALLOW="127.0.0.1/32", TOCSIN_STANDBY=STANDBY)
    fleet = Fleet(scratch, site)
    eventually(lambda: not fleet.unready(), "all programs are ready", 60, 0.2)
    recorder = Recorder(fleet.gateway, scratch.path("recorder.jsonl"))
    for turn in range(TURNS):
        time.sleep(fleet.random.uniform(0.5, 1.5))
        if turn == TURNS // 3:
            _flush(site)
        if turn == TURNS // 2:
            _broker_dies(site, seconds=1)
        if turn == TURNS * 3 // 4:
            eventually(lambda: not fleet.unready(), "all programs are ready before the long outage of the broker", 60, 0.2)
            _broker_stays_away(site, fleet, recorder)
        fleet.strike()
    began = time.monotonic()
    within = SESSION_SECONDS * 1.5 + SESSION_SECONDS + 30
    eventually(lambda: not fleet.unready(), "all programs are ready again", within, 0.2)
    took = time.monotonic() - began
    check(took < within, f"all programs are ready only {took:.1f} s after the last fault")
    scratch.note(f"ready {took:.1f} s after the last fault")
    recorder.end()
    gateway = fleet.gateway
    eventually(lambda: not _differences(recorder, gateway.incidents()), f"{len(recorder.accepted)} events are counted", 45, 0.3,
               lambda: f"differences {_differences(recorder, gateway.incidents())}, not ready: {fleet.unready()}")
    incidents = gateway.incidents()
    _judge_counts(recorder, incidents)
    _judge_messages(receiver, incidents)
    _judge_timelines(recorder, gateway, gateway.incidents())
    scratch.note(f"{len(recorder.accepted)} events, {recorder.repeated} repeats, {len(recorder.noted)} notes, {dict(fleet.counts)}, answers {dict(recorder.answers)}")
    versions = {incident["id"]: list(range(1, incident["version"] + 1)) for incident in gateway.incidents()}
    audit = fleet.members["audit-8"].home
    eventually(lambda: not any(missing for missing, _ in _audit_differences(audit, versions).values()), "the audit log has caught up", 60, 1)
    for server in fleet.members.values():
        server.process.send_signal(signal.SIGTERM)
    for name, server in fleet.members.items():
        check_equal(server.process.wait(30), 0, f"exit code of {name}")
    check_equal(_audit_differences(audit, versions), {}, "versions in the audit log that are not those of the journal")
    log = scratch.server(home=audit.name, start=False).command("verify", "log")
    check_equal(log.returncode, 0, f"exit code of verify log\n{log.stdout}{log.stderr}")
    ledgers = site.tocsin("check", "ledger", "--kafka")
    check_equal(ledgers.returncode, 0, f"exit code of check ledger --kafka\n{ledgers.stdout}{ledgers.stderr}")
