"""Outages: Kafka or Redis is down or stalls, and comes back."""

import http.client
import json
import re
import signal
import threading
import time

from harness import check, check_equal, eventually
from installation import Site

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DRAIN_SECONDS, STOP_SECONDS = 3, 5  # TOCSIN_DRAIN_TIMEOUT_MS, and the further time that a stop may take (program.h)
SILENT_SECONDS = 15  # time without any answer after which Kafka counts as stalled (kafka/probe.c)


def the_gateway_answers_503_with_retry_after_while_kafka_is_down(scratch):
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
    eventually(lambda: len(answers) > 20, "events are accepted", seconds=10)
    site.backends.do("kill", "kafka")
    eventually(lambda: gateway.readyz()[0] == 503 and "[-]kafka " in gateway.readyz()[1], "/readyz answers 503", seconds=20)
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
        eventually(lambda server=server: server.readyz()[0] == 503, f"/readyz of {service} answers 503", seconds=20)
        server.get("/livez", key=None).expect(200)
    site.backends.do("start", "kafka")
    for service, server in servers.items():
        eventually(lambda server=server: server.readyz()[0] == 200, f"/readyz of {service} answers 200 again", seconds=60, pause=0.2)
    eventually(lambda: answers[-1][2].status == 202, "events are accepted again", seconds=20)
    stop.set()
    sender.join(40)
    check(not sender.is_alive(), "a sender is stuck")
    check({answer.status for _, _, answer, _ in answers} == {202, 503}, "statuses")
    scratch.note(f"the longest answer took {max(took for _, took, _, _ in answers):.1f} s")
    accepted = {id for _, _, answer, id in answers if answer.status == 202}
    sent = {id for _, _, _, id in answers}
    counted = eventually(lambda: [c for c in [sum(i["event_count"] for i in gateway.incidents(source="load"))] if c >= len(accepted)],
                         f"{len(accepted)} events are counted", seconds=30)[0]
    check(counted <= len(sent), f"{counted} counted, {len(sent)} sent")
    gateway.do(incident["id"], "note", {"text": "y"}, timeout=20).expect(200)
    for server in servers.values():
        server.stop()


def every_program_detects_a_stalled_kafka(scratch):
    """A program that appends nothing must detect it too: its connections stay open, but get no answers."""
    site = Site(scratch)
    servers = site.programs()
    servers["gateway"].event(title="before the stall")
    eventually(lambda: re.search(rb"^tocsin_audit_records_total [1-9]", servers["audit"].get("/metrics", key=None).body, re.M), "audit has a record")
    time.sleep(2)  # until audit's checkpoint is acknowledged and no append is in progress; no metric shows this
    with site.backends.stalled("kafka"):
        began = time.monotonic()
        for service, server in servers.items():
            eventually(lambda server=server: server.readyz()[0] == 503 and "[-]kafka Kafka at " in server.readyz()[1],
                       f"/readyz of {service} answers 503 with the reason", seconds=10 + SILENT_SECONDS)
            server.get("/livez", key=None).expect(200)
        took = time.monotonic() - began
        scratch.note(f"detected by all after {took:.1f} s")
        check(took < SILENT_SECONDS + 10, f"it took {took:.1f} s")
        check("has answered nothing for" in servers["audit"].readyz()[1], servers["audit"].readyz()[1])
    for service, server in servers.items():
        eventually(lambda server=server: server.readyz()[0] == 200, f"/readyz of {service} answers 200 again", seconds=20)
    servers["gateway"].incident_of(servers["gateway"].event(title="after the stall"), seconds=20)


def events_are_accepted_while_redis_is_down_and_due_notices_are_sent_when_it_returns(scratch):
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

    def notices():
        data = [json.loads(request["body"])["data"] for request in list(hook.requests)]
        return sorted((one["incident"]["id"], one["escalation_level"]) for one in data)
    before = gateway.incident_of(gateway.event(title="Ransomware", asset="before"), seconds=10)["id"]
    eventually(lambda: notices() == [(before, 1)], "the first notice", seconds=10)
    site.backends.do("kill", "redis")
    eventually(lambda: notification.readyz()[0] == 503 and "[-]redis " in notification.readyz()[1], "/readyz answers 503 with the reason", seconds=10)
    notification.get("/livez", key=None).expect(200)
    meanwhile = gateway.incident_of(gateway.event(title="Ransomware", asset="meanwhile"), seconds=10)["id"]
    gateway.do(meanwhile, "note", {"text": "seen"}).expect(200)
    check_equal(gateway.readyz()[0], 200, "/readyz of the gateway")
    time.sleep(6)  # until the second level is due: nothing shows this but the elapsed time
    check((before, 2) not in notices(), "the second notice was sent while Redis was down")
    check_equal(notification.readyz()[0], 503, "/readyz of notification")
    site.backends.do("start", "redis")
    began = time.monotonic()
    wanted = sorted((id, level) for id in (before, meanwhile) for level in (1, 2))
    eventually(lambda: notices() == wanted, "every notice is sent", seconds=20, explain=lambda: f"sent {notices()}")
    scratch.note(f"due notices were sent {time.monotonic() - began:.1f} s after Redis was back")
    eventually(lambda: notification.readyz()[0] == 200, "/readyz answers 200 again", seconds=10)
    marker = gateway.incident_of(gateway.event(title="Ransomware", asset="marker"), seconds=10)["id"]
    eventually(lambda: (marker, 1) in notices(), "the notice of a later incident is sent", seconds=10)
    check_equal([notice for notice in notices() if notice[0] != marker], wanted, "notices of the earlier incidents")


def _stop_together(scratch, servers):
    """Signals all programs at once; each must end within its drain timeout and STOP_SECONDS."""
    began, took = time.monotonic(), {}
    for server in servers.values():
        server.process.send_signal(signal.SIGTERM)
    def ended():
        for service, server in servers.items():
            if server.process.poll() is not None:
                took.setdefault(service, time.monotonic() - began)
        return len(took) == len(servers)
    eventually(ended, "all programs end", seconds=60)
    for service, server in servers.items():
        check_equal(server.process.returncode, 0, f"exit code of {service}")
        server.url = None
    scratch.note("after " + ", ".join(f"{seconds:.1f} s {service}" for service, seconds in took.items()))
    check(max(took.values()) < DRAIN_SECONDS + STOP_SECONDS, f"it took {took}")


def programs_stop_within_the_drain_timeout_while_kafka_is_down(scratch):
    site = Site(scratch, TOCSIN_DRAIN_TIMEOUT_MS=DRAIN_SECONDS * 1000)
    servers = site.programs()
    servers["gateway"].event(title="last event")
    site.backends.do("kill", "kafka")
    _stop_together(scratch, servers)


def _counted(gateway):
    return sum(incident["event_count"] for incident in gateway.incidents(source="load"))


class _Senders:
    """Threads that post events until end() or until the gateway ends. sent: all ids; accepted: those answered with 202."""

    def __init__(self, gateway, count=8):
        self.gateway, self.sent, self.accepted, self.stop = gateway, set(), set(), threading.Event()
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
                self.accepted.add(id)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join(30)
        check(not any(thread.is_alive() for thread in self.threads), "a sender is stuck")


def programs_stop_within_the_drain_timeout_while_kafka_and_redis_stall_and_lose_nothing(scratch):
    site = Site(scratch, TOCSIN_DRAIN_TIMEOUT_MS=DRAIN_SECONDS * 1000)
    servers = site.programs()
    senders = _Senders(servers["gateway"])
    eventually(lambda: _counted(servers["gateway"]) > 500, "500 events are counted", seconds=30, pause=0.2)
    with site.backends.stalled("kafka"), site.backends.stalled("redis"):
        time.sleep(0.5)  # until requests are in progress
        _stop_together(scratch, servers)
        senders.end()
    gateway = site.programs()["gateway"]
    eventually(lambda: _counted(gateway) >= len(senders.accepted), f"{len(senders.accepted)} events are counted", seconds=30, pause=0.2,
               explain=lambda: f"counted {_counted(gateway)}")
    counted = _counted(gateway)
    check(counted <= len(senders.sent), f"{counted} counted, {len(senders.sent)} sent")
    scratch.note(f"{len(senders.accepted)} accepted, {counted} counted, {len(senders.sent)} sent")
