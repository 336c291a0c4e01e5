"""The distributed mode under attack: programs are killed and paused at random, disks lost, Redis emptied, the broker killed,
while a recorder that knows nothing of the system's inside keeps every request and answer. Then it is judged. The broker is killed
twice: once it is back at once, once it is away for longer than a member's session and than an append is tried.

Senders also repeat ids that they sent before, as old as the run, some of them with another asset. In the end every acknowledged
event is counted exactly once, in the incident of its correlation key.

CHAOS_TURNS says how many programs are killed or paused (20; `make test-chaos`: 60), CHAOS_SEED which ones, CHAOS_STANDBY is the
programs' TOCSIN_STANDBY (all, none).
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
APPEND_SECONDS = 30  # message.timeout.ms of our producers
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
    """Replicas with homes and ports of their own, which come back however they went."""

    def __init__(self, scratch, site):
        self.scratch, self.site, self.dice = scratch, site, random.Random(SEED)
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
        threading.Thread(target=self.listen, args=(server, server.process), daemon=True).start()

    @staticmethod
    def listen(server, process):
        for line in process.stderr:
            server.said += line

    def unready(self):
        return [name for name, server in self.members.items() if not _answers(server, "/readyz")]

    def strike(self):
        name, server = self.dice.choice(list(self.members.items()))
        check(server.process.poll() is None, f"{name} ended by itself with {server.process.poll()}: {server.said[-500:]}")
        if self.dice.random() < 0.5:
            self.pause(server)
        else:
            self.kill(name, server)

    def kill(self, name, server):
        server.process.kill()
        server.process.wait()
        self.counts["kills"] += 1
        # What audit wrote is of record; every other disk holds views.
        if not name.startswith("audit") and self.dice.random() < 0.4:
            shutil.rmtree(server.home, ignore_errors=True)
            self.counts["disks lost"] += 1
        self.launch(server)

    def pause(self, server):
        process = server.process
        process.send_signal(signal.SIGSTOP)
        self.counts["pauses"] += 1
        threading.Timer(self.dice.uniform(0.2, SESSION_SECONDS * 1.5), lambda: process.poll() is None and process.send_signal(signal.SIGCONT)).start()


class Recorder:
    """Senders that repeat what got no 202 under the same id, and people who write notes; every request and answer is kept."""

    def __init__(self, gateway, path):
        self.gateway, self.stop, self.lock = gateway, threading.Event(), threading.Lock()
        self.log, self.answers = open(path, "w"), collections.Counter()
        self.accepted, self.noted, self.repeated = set(), {}, 0  # (id, asset) of each acknowledged event
        self.threads = [threading.Thread(target=self.send, args=(n,), daemon=True) for n in range(SENDERS)]
        self.threads.append(threading.Thread(target=self.note, daemon=True))
        for thread in self.threads:
            thread.start()

    def ask(self, path, body, **more):
        try:
            answer = self.gateway.post(path, body, timeout=12, **more)
            status, said = answer.status, answer.body.decode()
        except (OSError, http.client.HTTPException) as problem:
            status, said = 0, repr(problem)
        with self.lock:
            self.answers[status] += 1
            self.log.write(json.dumps({"at": time.time(), "path": path, "body": body, "status": status, "said": said}) + "\n")
        return status, said

    def send(self, sender):
        """Ends with nothing in doubt: the last event is sent until it is acknowledged."""
        number, dice, sent = 0, random.Random(f"{SEED}-{sender}"), []
        while not self.stop.is_set():
            event = (f"{sender}-{number}", f"host{number % KEYS}")
            number += 1
            self.send_until_accepted(*event)
            sent.append(event)
            if dice.random() < 0.3:
                id, asset = dice.choice(sent)
                if dice.random() < 0.2:
                    asset = f"host{dice.randrange(KEYS)}"
                self.send_until_accepted(id, asset)
                self.repeated += 1

    def send_until_accepted(self, id, asset):
        status = None
        while status != 202:
            status, _ = self.ask("/v1/events", {"source": "load", "title": "hit", "id": id, "asset": asset, "severity": "high"})
            time.sleep(0.002 if status == 202 else 0.05)
        self.accepted.add((id, asset))

    def note(self):
        number = 0
        while not self.stop.is_set():
            time.sleep(0.1)
            try:
                incidents = self.gateway.incidents()
            except Exception:  # whatever it is, the gateway is away just now
                continue
            if not incidents:
                continue
            id = incidents[number % len(incidents)]["id"]
            status, said = self.ask(f"/v1/incidents/{id}/note", {"text": f"note {number}"}, headers={"Idempotency-Key": f"note-{number}"})
            if status == 200:
                self.noted[f"note {number}"] = (id, json.loads(said)["version"])
                number += 1

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        check(not any(thread.is_alive() for thread in self.threads), "a sender is stuck")
        self.log.close()


def _answers(server, path):
    try:
        return server.get(path, key=None, timeout=2).status == 200
    except (OSError, http.client.HTTPException):
        return False


def _flush(site):
    subprocess.run(["redis-cli", "-u", site.outside.redis_url, "flushall"], check=True, capture_output=True)


def _broker_dies(site, seconds):
    site.outside.do("kill", "kafka")
    time.sleep(seconds)
    site.outside.do("start", "kafka")


def _broker_stays_away(site, fleet, recorder):
    """Nothing is accepted meanwhile, and nobody ends."""
    site.outside.do("kill", "kafka")
    time.sleep(1)
    before = len(recorder.accepted)
    time.sleep(max(SESSION_SECONDS, APPEND_SECONDS) + 10)
    check_equal(len(recorder.accepted), before, "events accepted when there is no broker")
    check("gateway-0" in fleet.unready(), "the gateway says that it is ready without a broker")
    site.outside.do("start", "kafka")
    fleet.counts["outages"] += 1


def _differences(recorder, incidents):
    """Asset → its acknowledged events less those counted; empty where every one is counted, once."""
    balance = collections.Counter(asset for _, asset in recorder.accepted)
    balance.subtract({incident["asset"]: incident["event_count"] for incident in incidents})
    return {asset: count for asset, count in balance.items() if count}


def _judge_counts(recorder, incidents):
    check_equal(_differences(recorder, incidents), {}, "acknowledged events less counted ones, by asset")
    check_equal(len(incidents), KEYS, "incidents, one a key")


def _judge_timelines(recorder, gateway, incidents):
    notes = {}
    for incident in incidents:
        entries = [entry for entry in gateway.timeline(incident["id"]) if entry["type"] != "delivery"]
        check_equal([entry["version"] for entry in entries], list(range(1, incident["version"] + 1)), f"versions of {incident['id']}")
        for entry in entries:
            if entry["type"] == "noted":
                notes.setdefault(entry["data"]["text"], []).append((incident["id"], entry["version"]))
    for text, (id, version) in recorder.noted.items():
        stands = notes.get(text, [])
        # The answer shows the incident as it was then: with the note, and perhaps with what came behind it.
        check(len(stands) == 1 and stands[0][0] == id and stands[0][1] <= version, f"{text!r}, answered with version {version}, stands at {stands}")
    check(all(len(places) == 1 for places in notes.values()), "a note stands twice")


def _told(receiver):
    """Message id → the incidents and levels it spoke of, as the receiver read them."""
    told = collections.defaultdict(set)
    for request in list(receiver.requests):
        headers = {name.lower(): value for name, value in request["headers"].items()}
        data = json.loads(request["body"])["data"]
        told[headers["webhook-id"]].add((data["incident"]["id"], data["escalation_level"]))
    return told


def _judge_messages(receiver, incidents):
    wanted = {(incident["id"], level) for incident in incidents for level in (1, 2)}
    eventually(lambda: {said for all in _told(receiver).values() for said in all} >= wanted, "every level of every incident is told", 60, 0.5)
    told = _told(receiver)
    check(all(len(said) == 1 for said in told.values()), "a message id speaks of two things")
    spoken = collections.Counter(next(iter(said)) for said in told.values())
    check(all(count == 1 for count in spoken.values()), f"told under two message ids: {[said for said, count in spoken.items() if count > 1]}")


def _judge_audit(home, versions):
    """The audit log has every version of every incident, each once, in order."""
    written = collections.defaultdict(list)
    for line in (home / "audit" / "ledger.jsonl").read_text().splitlines():
        line = json.loads(line)
        if line["topic"] == "tocsin.journal":
            data = line["record"]["data"]
            written[data["incident_id"]] += [entry["version"] for entry in data["entries"] or []]
    check_equal(dict(written), versions, "versions in the audit log and in the journal")


def nothing_is_lost_or_doubled_when_programs_brokers_and_timers_die(scratch):
    receiver = scratch.receiver()
    site = Site(scratch, partitions=12, TOCSIN_POLICY=scratch.pack(rules=RULES, escalation=LEVELS), TOCSIN_WEBHOOK_URL=receiver.url,
                TOCSIN_WEBHOOK_SECRET=SECRET, TOCSIN_EGRESS_ALLOW="127.0.0.1/32", TOCSIN_STANDBY=STANDBY)
    fleet = Fleet(scratch, site)
    eventually(lambda: not fleet.unready(), "all are ready", 60, 0.2)
    recorder = Recorder(fleet.gateway, scratch.path("recorder.jsonl"))
    for turn in range(TURNS):
        time.sleep(fleet.dice.uniform(0.5, 1.5))
        if turn == TURNS // 3:
            _flush(site)
        if turn == TURNS // 2:
            _broker_dies(site, seconds=1)
        if turn == TURNS * 3 // 4:
            eventually(lambda: not fleet.unready(), "all are ready before the broker goes away for long", 60, 0.2)
            _broker_stays_away(site, fleet, recorder)
        fleet.strike()
    began = time.monotonic()
    within = SESSION_SECONDS * 1.5 + SESSION_SECONDS + 30
    eventually(lambda: not fleet.unready(), "all are ready again", within, 0.2)
    took = time.monotonic() - began
    check(took < within, f"all are ready {took:.1f} s after the last blow")
    scratch.note(f"ready {took:.1f} s after the last blow")
    recorder.end()
    gateway = fleet.gateway
    eventually(lambda: not _differences(recorder, gateway.incidents()), f"{len(recorder.accepted)} events are counted", 45, 0.3,
               lambda: f"differences {_differences(recorder, gateway.incidents())}, not ready: {fleet.unready()}")
    time.sleep(2)
    incidents = gateway.incidents()
    _judge_counts(recorder, incidents)
    _judge_messages(receiver, incidents)
    _judge_timelines(recorder, gateway, gateway.incidents())
    scratch.note(f"{len(recorder.accepted)} events, {recorder.repeated} repeats, {len(recorder.noted)} notes, {dict(fleet.counts)}, answers {dict(recorder.answers)}")
    versions = {incident["id"]: list(range(1, incident["version"] + 1)) for incident in gateway.incidents()}
    for server in fleet.members.values():
        server.process.send_signal(signal.SIGTERM)
    for name, server in fleet.members.items():
        check_equal(server.process.wait(30), 0, f"exit code of {name}")
    _judge_audit(fleet.members["audit-8"].home, versions)
    log = scratch.server(home=fleet.members["audit-8"].home.name, start=False).command("verify", "log")
    check_equal(log.returncode, 0, f"exit code of verify log\n{log.stdout}{log.stderr}")
    ledgers = site.tocsin("check", "ledger", "--kafka")
    check_equal(ledgers.returncode, 0, f"exit code of check ledger --kafka\n{ledgers.stdout}{ledgers.stderr}")
