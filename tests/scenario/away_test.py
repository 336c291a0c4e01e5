"""Outages: Kafka or Redis is down or stalls, and comes back."""

import datetime
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
    """A program that appends nothing must detect the stall too: its connections to Kafka stay open, but get no answers."""
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


def _levels(*seconds):
    rows = "".join(f'      - {{after_seconds: {after}, notify: ["channel:webhook"]}}\n' for after in seconds)
    return f"""
policies:
  - id: levels
    when: {{kinds: [incident]}}
    team: soc
    levels:
{rows}"""


class _Escalation:
    """Six programs whose escalation policy has a webhook level after each number of seconds."""

    def __init__(self, scratch, *seconds):
        self.seconds, self.hook = seconds, scratch.receiver()
        self.site = Site(scratch, TOCSIN_POLICY=scratch.pack(escalation=_levels(*seconds)), TOCSIN_WEBHOOK_URL=self.hook.url,
                         TOCSIN_WEBHOOK_SECRET=SECRET, TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
        servers = self.site.programs()
        self.gateway, self.notification = servers["gateway"], servers["notification"]

    def open(self, asset):
        return self.gateway.incident_of(self.gateway.event(title="Ransomware", asset=asset), seconds=10)["id"]

    def notices(self):
        """[(incident, level)] of all requests that the receiver got, repeats included."""
        data = [json.loads(request["body"])["data"] for request in list(self.hook.requests)]
        return sorted((one["incident"]["id"], one["escalation_level"]) for one in data)

    def lateness(self, id):
        """{level: seconds from the due time of the level to its request}"""
        now, opened = time.time() - time.monotonic(), self.gateway.incident(id)["opened_at"]
        opened = datetime.datetime.fromisoformat(opened.replace("Z", "+00:00")).timestamp()
        data = [(request["at"], json.loads(request["body"])["data"]) for request in list(self.hook.requests)]
        return {one["escalation_level"]: at + now - opened - self.seconds[one["escalation_level"] - 1]
                for at, one in data if one["incident"]["id"] == id}

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\d+)$", self.notification.get("/metrics", key=None).body.decode(), re.M)
        return int(found[1]) if found else 0

    def lines(self, event):
        return [line for line in self.notification.log_lines() if line["event"] == event]


def levels_are_notified_on_time_while_redis_is_down_for_a_minute_and_nobody_twice(scratch):
    escalation = _Escalation(scratch, 0, 20, 40)
    gateway, notification = escalation.gateway, escalation.notification
    before = escalation.open("before")
    eventually(lambda: escalation.notices() == [(before, 1)], "the first notice", seconds=10)
    check_equal(escalation.metric("tocsin_redis_up"), 1, "tocsin_redis_up")
    escalation.site.backends.do("kill", "redis")
    killed = time.monotonic()
    eventually(lambda: "[-]redis " in notification.readyz()[1], "/readyz?verbose=1 names Redis", seconds=10)
    check_equal((notification.readyz()[0], gateway.readyz()[0]), (200, 200), "/readyz of notification and of the gateway")
    check_equal(escalation.metric("tocsin_redis_up"), 0, "tocsin_redis_up")
    meanwhile = escalation.open("meanwhile")
    gateway.do(meanwhile, "note", {"text": "seen"}).expect(200)
    wanted = sorted((id, level) for id in (before, meanwhile) for level in (1, 2, 3))
    eventually(lambda: escalation.notices() == wanted, "every level is notified", seconds=60,
               explain=lambda: f"sent {escalation.notices()}")
    late = [seconds for id in (before, meanwhile) for seconds in escalation.lateness(id).values()]
    scratch.note(f"levels were late by {max(late):.2f} s at most")
    check(max(late) < 2, f"late: {late}")
    check(escalation.metric('tocsin_timers_fired_total{source="state"}') >= 5, "tocsin_timers_fired_total counts those fired from state")
    check_equal(notification.readyz()[0], 200, "/readyz of notification")
    time.sleep(max(0, killed + 60 - time.monotonic()))  # Redis is away for a minute, as an operator's upgrade of it may take
    escalation.site.backends.do("start", "redis")
    eventually(lambda: "[+]redis ok" in notification.readyz()[1], "/readyz?verbose=1 shows Redis", seconds=10)
    eventually(lambda: escalation.lines("timers-reachable"), "the end is logged", seconds=20)
    check_equal(escalation.metric("tocsin_redis_up"), 1, "tocsin_redis_up")
    marker, reported = escalation.open("marker"), escalation.metric('tocsin_timers_fired_total{source="store"}')
    eventually(lambda: (marker, 1) in escalation.notices(), "the notice of a later incident is sent", seconds=10)
    eventually(lambda: escalation.metric('tocsin_timers_fired_total{source="store"}') > reported, "Redis reports timers again", seconds=30)
    check_equal([notice for notice in escalation.notices() if notice[0] != marker], wanted, "notices of the earlier incidents")
    check_equal((len(escalation.lines("redis-unreachable")), len(escalation.lines("redis-reachable"))), (1, 1), "lines of the outage")
    partitions = {line["partition"] for line in escalation.lines("timers-unreachable")}
    check_equal(len(escalation.lines("timers-unreachable")), len(partitions), "one warning of a partition")
    check(all("timers were fired from state" in line["detail"] for line in escalation.lines("timers-reachable")), "the lines state how many")


def a_level_is_notified_on_time_while_redis_is_stalled(scratch):
    """The connections to Redis stay open, but get no answers."""
    escalation = _Escalation(scratch, 0, 6)
    incident = escalation.open("stalled")
    eventually(lambda: escalation.notices() == [(incident, 1)], "the first notice", seconds=10)
    with escalation.site.backends.stalled("redis"):
        eventually(lambda: (incident, 2) in escalation.notices(), "the second notice", seconds=20)
        late = escalation.lateness(incident)[2]
        check(late < 2, f"late by {late:.2f} s")
        check_equal(escalation.notification.readyz()[0], 200, "/readyz of notification")
    scratch.note(f"late by {late:.2f} s")
    eventually(lambda: "[+]redis ok" in escalation.notification.readyz()[1], "/readyz?verbose=1 shows Redis", seconds=10)
    marker = escalation.open("marker")
    eventually(lambda: (marker, 2) in escalation.notices(), "the levels of a later incident are notified", seconds=20)
    check_equal(escalation.notices(), sorted((id, level) for id in (incident, marker) for level in (1, 2)), "notices")


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
