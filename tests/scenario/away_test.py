"""What becomes of the six programs while Kafka or Redis is away or stands still, and when it is back."""

import http.client
import json
import re
import signal
import threading
import time

from harness import check, check_equal, eventually
from installation import Site

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DRAIN_SECONDS, BEYOND_SECONDS = 3, 5  # TOCSIN_DRAIN_TIMEOUT_MS, and what a stop may take beyond it (program.h)
SILENT_SECONDS = 15  # without an answer of Kafka's to anything (kafka/probe.c)


def while_kafka_is_away_the_gateway_says_when_to_come_again(scratch):
    site = Site(scratch, TOCSIN_COMMAND_WAIT_MS=2000)
    servers = site.programs()
    gateway = servers["gateway"]
    incident = gateway.incident_of(gateway.report(), seconds=10)
    answers, stop = [], threading.Event()

    def send():
        number = 0
        while not stop.is_set():
            number += 1
            began = time.monotonic()
            answer = gateway.post("/v1/events", {"source": "load", "title": "t", "id": f"e{number}"}, timeout=30)
            answers.append((began, time.monotonic() - began, answer, f"e{number}"))
    sender = threading.Thread(target=send)
    sender.start()
    eventually(lambda: len(answers) > 20, "events are taken", seconds=10)
    site.outside.do("kill", "kafka")
    eventually(lambda: gateway.readyz()[0] == 503 and "[-]kafka " in gateway.readyz()[1], "/readyz says no", seconds=20)
    eventually(lambda: answers[-1][2].status == 503, "events are refused", seconds=20)
    began = time.monotonic()
    refused = gateway.post("/v1/events", {"source": "s", "title": "t"}, timeout=10)
    check(time.monotonic() - began < 1, f"a refusal took {time.monotonic() - began:.1f} s")
    check_equal((refused.status, refused.json["code"]), (503, "unavailable"), "answer")
    check(int(refused.headers["Retry-After"]) > 0, "Retry-After")
    began = time.monotonic()
    check(gateway.do(incident["id"], "note", {"text": "x"}, timeout=20).status in (202, 503), "status of a command")
    check(time.monotonic() - began < 4, f"a command took {time.monotonic() - began:.1f} s")
    gateway.incident(incident["id"])
    for service, server in servers.items():
        eventually(lambda server=server: server.readyz()[0] == 503, f"/readyz of {service} says no", seconds=20)
        server.get("/livez", key=None).expect(200)
    site.outside.do("start", "kafka")
    for service, server in servers.items():
        eventually(lambda server=server: server.readyz()[0] == 200, f"/readyz of {service} says yes again", seconds=60, pause=0.2)
    eventually(lambda: answers[-1][2].status == 202, "events are taken again", seconds=20)
    stop.set()
    sender.join(40)
    check(not sender.is_alive(), "a sender is stuck")
    check({answer.status for _, _, answer, _ in answers} == {202, 503}, "statuses")
    scratch.note(f"the longest answer took {max(took for _, took, _, _ in answers):.1f} s")
    taken = {id for _, _, answer, id in answers if answer.status == 202}
    sent = {id for _, _, _, id in answers}
    counted = eventually(lambda: [c for c in [sum(i["event_count"] for i in gateway.incidents(source="load"))] if c >= len(taken)],
                         f"{len(taken)} events are counted", seconds=30)[0]
    check(counted <= len(sent), f"{counted} counted, {len(sent)} sent")
    gateway.do(incident["id"], "note", {"text": "y"}, timeout=20).expect(200)
    for server in servers.values():
        server.stop()


def a_kafka_that_stands_still_is_noticed_by_everybody(scratch):
    """Even by who has nothing to append: its connections stay, nothing is answered."""
    site = Site(scratch)
    servers = site.programs()
    servers["gateway"].event(title="the one before")
    eventually(lambda: re.search(rb"^tocsin_audit_records_total [1-9]", servers["audit"].get("/metrics", key=None).body, re.M), "audit has it")
    time.sleep(2)  # and its checkpoint is acknowledged, so that it has nothing under way
    with site.outside.stalled("kafka"):
        began = time.monotonic()
        for service, server in servers.items():
            eventually(lambda server=server: server.readyz()[0] == 503 and "[-]kafka Kafka at " in server.readyz()[1],
                       f"/readyz of {service} says no, and why", seconds=10 + SILENT_SECONDS)
            server.get("/livez", key=None).expect(200)
        took = time.monotonic() - began
        scratch.note(f"all said so after {took:.1f} s")
        check(took < SILENT_SECONDS + 10, f"it took {took:.1f} s")
        check("has answered nothing for" in servers["audit"].readyz()[1], servers["audit"].readyz()[1])
    for service, server in servers.items():
        eventually(lambda server=server: server.readyz()[0] == 200, f"/readyz of {service} says yes again", seconds=20)
    servers["gateway"].incident_of(servers["gateway"].event(title="the one after"), seconds=20)


def while_redis_is_away_events_are_taken_and_what_is_due_is_told_when_it_is_back(scratch):
    hook = scratch.receiver()
    levels = """
policies:
  - id: two-levels
    when: {kinds: [incident]}
    team: soc
    levels:
      - {after_seconds: 0, notify: ["channel:webhook"]}
      - {after_seconds: 4, notify: ["channel:webhook"]}
"""
    site = Site(scratch, TOCSIN_POLICY=scratch.pack(escalation=levels), TOCSIN_WEBHOOK_URL=hook.url, TOCSIN_WEBHOOK_SECRET=SECRET,
                TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    servers = site.programs()
    gateway, notification = servers["gateway"], servers["notification"]

    def told():
        said = [json.loads(request["body"])["data"] for request in list(hook.requests)]
        return sorted((one["incident"]["id"], one["escalation_level"]) for one in said)
    before = gateway.incident_of(gateway.event(title="Ransomware", asset="before"), seconds=10)["id"]
    eventually(lambda: told() == [(before, 1)], "the first notice", seconds=10)
    site.outside.do("kill", "redis")
    eventually(lambda: notification.readyz()[0] == 503 and "[-]redis " in notification.readyz()[1], "/readyz says no, and why", seconds=10)
    notification.get("/livez", key=None).expect(200)
    meanwhile = gateway.incident_of(gateway.event(title="Ransomware", asset="meanwhile"), seconds=10)["id"]
    gateway.do(meanwhile, "note", {"text": "seen"}).expect(200)
    check_equal(gateway.readyz()[0], 200, "/readyz of the gateway")
    time.sleep(6)
    check((before, 2) not in told(), "the second notice was sent without a timer: nothing waits for Redis")
    check_equal(notification.readyz()[0], 503, "/readyz of notification")
    site.outside.do("start", "redis")
    began = time.monotonic()
    wanted = sorted((id, level) for id in (before, meanwhile) for level in (1, 2))
    eventually(lambda: told() == wanted, "every notice is sent", seconds=20, explain=lambda: f"told {told()}")
    scratch.note(f"what was due was told {time.monotonic() - began:.1f} s after Redis was back")
    eventually(lambda: notification.readyz()[0] == 200, "/readyz says yes again", seconds=10)
    time.sleep(1)
    check_equal(told(), wanted, "notices")


def _stop_together(scratch, servers):
    """All are told at once; each ends within its drain timeout and what program.h adds to it."""
    began, took = time.monotonic(), {}
    for server in servers.values():
        server.process.send_signal(signal.SIGTERM)
    def ended():
        for service, server in servers.items():
            if server.process.poll() is not None:
                took.setdefault(service, time.monotonic() - began)
        return len(took) == len(servers)
    eventually(ended, "all have ended", seconds=60)
    for service, server in servers.items():
        check_equal(server.process.returncode, 0, f"exit code of {service}")
        server.url = None
    scratch.note("after " + ", ".join(f"{seconds:.1f} s {service}" for service, seconds in took.items()))
    check(max(took.values()) < DRAIN_SECONDS + BEYOND_SECONDS, f"it took {took}")


def stopping_while_kafka_is_away_takes_no_longer_than_it_may(scratch):
    site = Site(scratch, TOCSIN_DRAIN_TIMEOUT_MS=DRAIN_SECONDS * 1000)
    servers = site.programs()
    servers["gateway"].event(title="the last one")
    site.outside.do("kill", "kafka")
    _stop_together(scratch, servers)


def _counted(gateway):
    return sum(incident["event_count"] for incident in gateway.incidents(source="load"))


class _Senders:
    """Threads that post events until they are ended or the gateway is; what was sent, and what was answered with 202."""

    def __init__(self, gateway, count=8):
        self.gateway, self.sent, self.taken, self.stop = gateway, set(), set(), threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def send(self, sender):
        number = 0
        while not self.stop.is_set():
            number += 1
            id = f"{sender}-{number}"
            self.sent.add(id)
            try:
                answer = self.gateway.post("/v1/events", {"source": "load", "title": "hit", "id": id, "asset": f"host{number % 50}"},
                                           timeout=20)
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 202:
                self.taken.add(id)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        check(not any(thread.is_alive() for thread in self.threads), "a sender is stuck")


def stopping_while_kafka_and_redis_stall_takes_no_longer_than_it_may_and_loses_nothing(scratch):
    site = Site(scratch, TOCSIN_DRAIN_TIMEOUT_MS=DRAIN_SECONDS * 1000)
    servers = site.programs()
    senders = _Senders(servers["gateway"])
    eventually(lambda: _counted(servers["gateway"]) > 500, "the six are at work", seconds=30, pause=0.2)
    with site.outside.stalled("kafka"), site.outside.stalled("redis"):
        time.sleep(0.5)
        _stop_together(scratch, servers)
        senders.end()
    gateway = site.programs()["gateway"]
    eventually(lambda: _counted(gateway) >= len(senders.taken), f"{len(senders.taken)} events are counted", seconds=30, pause=0.2,
               explain=lambda: f"counted {_counted(gateway)}")
    counted = _counted(gateway)
    check(counted <= len(senders.sent), f"{counted} counted, {len(senders.sent)} sent")
    scratch.note(f"{len(senders.taken)} taken, {counted} counted, {len(senders.sent)} sent")
