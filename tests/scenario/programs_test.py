"""The six programs of the distributed mode on a real Kafka and a real Redis: how each lives, and how they live together."""

import http.client
import json
import re
import signal
import socket
import threading
import time

from harness import check, check_equal, eventually
from installation import KEY, PARTITIONS, SERVICES, Site, program

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
DRAIN_SECONDS, BEYOND_SECONDS = 3, 5  # TOCSIN_DRAIN_TIMEOUT_MS, and what a stop may take beyond it (program.h)
SESSION_SECONDS = 10  # session.timeout.ms of a member
PORTS = {service: 8080 + number for number, service in enumerate(SERVICES)}


def _closed_port():
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def _said(server, code, seconds=30):
    """What it said on stderr before it ended with that exit code."""
    _, said = server.process.communicate(timeout=seconds)
    check_equal(server.process.returncode, code, f"exit code ({said})")
    return said.splitlines()


def _readyz(server):
    answer = server.get("/readyz?verbose=1", key=None, timeout=5)
    return answer.status, answer.body.decode()


# ---- without a Kafka


def every_program_explains_itself(scratch):
    for service in SERVICES:
        server = program(scratch, service, TOCSIN_ADMIN_KEY=KEY)
        for option, words in (("--help", f"tocsin-{service}: "), ("--version", f"tocsin-{service} 0."), ("--settings", "TOCSIN_KAFKA_BROKERS"),
                              ("--check", " right")):
            done = server.command(option)
            check_equal((done.returncode, done.stderr), (0, ""), f"tocsin-{service} {option}")
            check(words in done.stdout, f"{words!r} is not in what tocsin-{service} {option} says: {done.stdout}")
        manual = server.command("--settings").stdout
        check(f"127.0.0.1:{PORTS[service]})" in manual, f"the port of {service}: {manual}")
        check_equal("TOCSIN_REDIS_URL" in manual, service == "notification", f"Redis among the settings of {service}")
        check_equal("TOCSIN_ADMIN_KEY" in manual, service == "gateway", f"the key among the settings of {service}")
        check_equal(server.command("--fly").returncode, 2, f"exit code of tocsin-{service} --fly")


def all_wrong_settings_of_a_program_are_said_at_once(scratch):
    wrong = {"TOCSIN_LISTEN": "here", "TOCSIN_KAFKA_PARTITIONS": "65", "TOCSIN_INSTANCE": "a b", "TOCSIN_STANDBY": "some",
             "TOCSIN_START_TIMEOUT_MS": "soon", "TOCSIN_BODY_MAX": "none", "TOCSIN_UNKNOWN": "x"}
    server = program(scratch, "intake", **wrong)
    server.launch()
    lines = _said(server, 2)
    for name in ("LISTEN", "KAFKA_PARTITIONS", "INSTANCE", "STANDBY", "START_TIMEOUT_MS"):
        check(any(line.startswith(f"tocsin: TOCSIN_{name} ") for line in lines), f"TOCSIN_{name} is not said: {lines}")
    check_equal([line for line in lines if "BODY_MAX" in line], [], "what is said of another program's setting")
    check_equal(len([line for line in lines if line.startswith("tocsin: warning: TOCSIN_UNKNOWN ")]), 1, "warnings")
    check_equal(server.command("--check").returncode, 1, "exit code of --check")


def a_gateway_without_a_key_is_refused(scratch):
    server = program(scratch, "gateway")
    server.launch()
    lines = _said(server, 2)
    check_equal(len(lines), 1, f"lines: {lines}")
    check(lines[0].startswith("tocsin: TOCSIN_ADMIN_KEY "), lines[0])


def a_gateway_with_a_broken_pack_is_refused(scratch):
    pack = scratch.pack(rules="rules: [{id: a, wenn: []}]\n")
    server = program(scratch, "gateway", TOCSIN_ADMIN_KEY=KEY, TOCSIN_POLICY=pack)
    server.launch()
    check(any("rules.yaml:1:" in line for line in _said(server, 2)), "the place is not said")
    check_equal(server.command("--check").returncode, 1, "exit code of --check")


def without_kafka_it_gives_up_in_time(scratch):
    server = program(scratch, "intake", TOCSIN_KAFKA_BROKERS=f"127.0.0.1:{_closed_port()}", TOCSIN_START_TIMEOUT_MS=1500)
    began = server.launch()
    lines = _said(server, 3)
    took = time.monotonic() - began
    check(1 < took < 5, f"it took {took:.1f} s")
    check_equal(len(lines), 1, f"lines: {lines}")
    check(lines[0].startswith("tocsin: ") and "127.0.0.1" in lines[0], lines[0])


def a_signal_ends_the_waiting_for_kafka_at_once(scratch):
    server = program(scratch, "intake", TOCSIN_KAFKA_BROKERS=f"127.0.0.1:{_closed_port()}", TOCSIN_START_TIMEOUT_MS=60000)
    server.launch()
    time.sleep(0.7)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    _said(server, 0, seconds=10)
    check(time.monotonic() - began < 2, f"it took {time.monotonic() - began:.1f} s")


# ---- with one


def without_redis_notification_gives_up_in_time(scratch):
    site = Site(scratch)
    server = site.program("notification", start=False, TOCSIN_REDIS_URL=f"redis://127.0.0.1:{_closed_port()}/0", TOCSIN_START_TIMEOUT_MS=1500)
    server.launch()
    lines = _said(server, 3)
    check_equal(len(lines), 1, f"lines: {lines}")


def topics_that_are_missing_or_different_are_said(scratch):
    site = Site(scratch, topics=False)
    server = site.program("intake", start=False, TOCSIN_START_TIMEOUT_MS=2000)
    server.launch()
    lines = _said(server, 3)
    check(any("tocsin topics apply" in line for line in lines), f"what to do is not said: {lines}")
    site.tocsin("topics", "apply").check_returncode()
    server = site.program("intake", start=False, TOCSIN_START_TIMEOUT_MS=2000, TOCSIN_KAFKA_PARTITIONS=3)
    server.launch()
    lines = _said(server, 2)
    check(any("partitions" in line and "4" in line and "3" in line for line in lines), f"the difference is not said: {lines}")


def six_programs_carry_an_event_from_its_sender_to_the_audit_log(scratch):
    hook = scratch.receiver()
    site = Site(scratch, TOCSIN_POLICY=scratch.pack(), TOCSIN_WEBHOOK_URL=hook.url, TOCSIN_WEBHOOK_SECRET=SECRET,
                TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    began = time.monotonic()
    servers = site.programs()
    gateway = servers["gateway"]
    scratch.note(f"all ready after {time.monotonic() - began:.1f} s")
    if not scratch.slow_start:
        scratch.note(f"{sum(server.rss_kib() for server in servers.values()) / 1024:.0f} MiB resident together")
    accepted = gateway.event(title="Ransomware on FS1", severity="critical", asset="fs1")
    incident = gateway.incident_of(accepted, seconds=10)
    check(incident["grade"] in ("I", "II", "III", "IV"), f"grade {incident['grade']}")
    eventually(lambda: hook.requests, "the webhook is called", seconds=10)
    more = [gateway.incident_of(gateway.event(title="Ransomware", asset=f"host{n}"), seconds=10)["id"] for n in range(12)]
    check_equal(len(set(more)), 12, "incidents")
    for id in (incident["id"], *more):
        eventually(lambda id=id: [e for e in gateway.timeline(id) if e["type"] == "delivery" and e["data"]["state"] == "sent"],
                   "the delivery is recorded", seconds=10)
    check_equal(len(hook.requests), 13, "calls of the webhook")
    began = time.monotonic()
    done = gateway.do(incident["id"], "acknowledge", {"note": "mine"}).expect(200).json
    scratch.note(f"a command took {(time.monotonic() - began) * 1000:.0f} ms")
    check_equal(done["status"], "assessing", "status")
    gateway.do(incident["id"], "close", {"resolution": "resolved", "reason": "restored"}).expect(200)
    types = [entry["type"] for entry in gateway.timeline(incident["id"])]
    check("opened" in types and "acknowledged" in types and "closed" in types, f"{types}")
    path = gateway.home / "audit" / "ledger.jsonl"
    eventually(lambda: path.exists() and incident["id"] in path.read_text(), "it is in the audit log", seconds=10)
    for service, server in servers.items():
        status, lines = _readyz(server)
        check_equal(status, 200, f"/readyz of {service}: {lines}")
        check("[+]kafka ok" in lines and f"[+]{service}/" in lines and len(lines.splitlines()) < 12, f"/readyz of {service}: {lines}")
        check(b"tocsin_build_info" in server.get("/metrics", key=None).body, f"/metrics of {service}")
        server.get("/livez", key=None).expect(200)
        if service != "gateway":
            check_equal(server.get("/v1/incidents", key=None).expect(404).json["code"], "not-found", "code")
    for server in reversed(servers.values()):
        began = time.monotonic()
        server.stop()
        check(time.monotonic() - began < 10, "stopping took too long")
    check_equal(site.tocsin("verify", "log").returncode, 0, "exit code of verify log")


def everything_is_there_after_all_were_killed_and_lost_their_files(scratch):
    site = Site(scratch)
    servers = site.programs()
    gateway = servers["gateway"]
    accepted = [gateway.event(title="hit", id=f"e{n}", asset=f"host{n % 6}") for n in range(60)]
    eventually(lambda: sum(i["event_count"] for i in gateway.incidents()) == 60, "60 events are counted", seconds=15)
    before = {i["id"]: i["number"] for i in gateway.incidents()}
    for server in servers.values():
        server.kill()
    for path in gateway.home.glob("*/*.db*"):
        path.unlink()
    servers = site.programs()
    gateway = servers["gateway"]
    eventually(lambda: {i["id"]: i["number"] for i in gateway.incidents()} == before, "the same incidents", seconds=15)
    check_equal(gateway.event(title="hit", id="e0", asset="host0")["id"], accepted[0]["id"], "the id of an event sent again")
    time.sleep(1)
    check_equal(sum(i["event_count"] for i in gateway.incidents()), 60, "events counted")


def a_service_waits_for_the_policy_and_says_so(scratch):
    site = Site(scratch)
    server = site.program("classification", start=False, TOCSIN_LISTEN=f"127.0.0.1:{_closed_port()}")
    began = server.launch()
    server.url = f"http://{server.settings['TOCSIN_LISTEN']}"
    def waits():
        try:
            return "waiting for a policy: start the gateway" in _readyz(server)[1]
        except OSError:
            return False
    eventually(waits, "/readyz says what it waits for", seconds=15)
    check_equal(server.get("/readyz", key=None).status, 503, "/readyz")
    server.url = None
    site.program("gateway")
    server.await_ready(began)


def one_home_is_for_one_of_each_program(scratch):
    site = Site(scratch)
    site.program("gateway")
    second = site.program("gateway", start=False)
    second.launch()
    lines = _said(second, 3)
    check_equal(len(lines), 1, f"lines: {lines}")
    check("TOCSIN_HOME" in lines[0], lines[0])
    embedded = scratch.server(start=False, **site.settings)
    embedded.launch()
    check("gateway" in _said(embedded, 3)[0], "tocsin serve on the home of a program")
    site.program("gateway", home="other", TOCSIN_INSTANCE="other")


def two_replicas_of_one_name_are_said_in_the_log(scratch):
    site = Site(scratch)
    site.program("gateway")
    replicas = [site.program("intake", home=f"home{n}", TOCSIN_INSTANCE="same") for n in range(2)]

    def said():
        return [line for replica in replicas for line in replica.log_lines() if line["event"].startswith("member-") and line.get("instance") == "same"]
    line = eventually(said, "the log says that a name is used twice", seconds=30)[0]
    check(line["level"] in ("warn", "error"), f"{line}")


def an_audit_replica_without_the_log_leaves_it_to_the_one_that_has_it(scratch):
    site = Site(scratch)
    gateway, *_, audit = site.programs().values()
    log = gateway.home / "audit" / "ledger.jsonl"

    def logged(title):
        incident = gateway.incident_of(gateway.event(title=title, asset=title), seconds=15)
        eventually(lambda: log.exists() and incident["id"] in log.read_text(), f"{title} is in the audit log", seconds=30)
    logged("one")
    audit.kill()
    other = site.program("audit", start=False, home="other", TOCSIN_INSTANCE="other", TOCSIN_LISTEN=f"127.0.0.1:{_closed_port()}")
    other.launch()
    other.url = f"http://{other.settings['TOCSIN_LISTEN']}"
    eventually(lambda: [line for line in other.log_lines() if line["event"] == "waiting" and "copy the log here" in line["detail"]],
               "what to do is said", seconds=40)
    check_equal(_readyz(other)[0], 503, "/readyz of the one without the log")
    check(other.process.poll() is None, "the one without the log ended")
    other.stop()
    audit.start()
    logged("two")
    check_equal(site.tocsin("verify", "log").returncode, 0, "exit code of verify log")


def a_policy_published_by_one_gateway_is_everybodys(scratch):
    packs = [scratch.pack(f"pack{n}") for n in range(2)]
    site = Site(scratch)
    servers = site.programs(TOCSIN_POLICY=packs[0])
    first, second = servers["gateway"], site.program("gateway", home="other", TOCSIN_INSTANCE="other", TOCSIN_POLICY=packs[1])
    before = first.incident_of(first.event(title="ransom one", asset="a"), seconds=10)
    pack = packs[0]
    (pack / "pack.yaml").write_text(re.sub(r"^version: .*$", "version: 7", (pack / "pack.yaml").read_text(), flags=re.M))
    (pack / "rules.yaml").write_text((pack / "rules.yaml").read_text().replace("loss: grave", "loss: minor"))
    first.process.send_signal(signal.SIGHUP)
    eventually(lambda: [line for line in first.log_lines() if line["event"] == "policy-reloaded"], "the reload is logged")

    def regraded(server):
        regraded.count += 1
        incident = server.incident_of(server.event(title="ransom two", asset=f"b{regraded.count}"), seconds=10)
        return incident if incident["policy_version"] != before["policy_version"] else None
    regraded.count = 0
    after = eventually(lambda: regraded(second), "the new policy decides", seconds=10, pause=0.1)
    check(after["grade"] != before["grade"], "the grade is the same")
    second.stop()
    second.start()
    check([line for line in second.log_lines() if line["event"] == "older-policy-not-published"], "an older pack is not mentioned")
    check_equal(regraded(second)["policy_version"], after["policy_version"], "the policy after a replica with an older pack came back")


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
    eventually(lambda: _readyz(gateway)[0] == 503 and "[-]kafka " in _readyz(gateway)[1], "/readyz says no", seconds=20)
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
        eventually(lambda server=server: _readyz(server)[0] == 503, f"/readyz of {service} says no", seconds=20)
        server.get("/livez", key=None).expect(200)
    site.outside.do("start", "kafka")
    for service, server in servers.items():
        eventually(lambda server=server: _readyz(server)[0] == 200, f"/readyz of {service} says yes again", seconds=60, pause=0.2)
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


def _partition(id):
    """Of an incident: the slot stands in its id (shared/base/id.h)."""
    number = 0
    for letter in id.removeprefix("inc_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return (number >> 68) % 4096 % PARTITIONS


def _incident_of_each_partition(gateway):
    accepted = [gateway.event(title="hit", asset=f"host{n}") for n in range(10 * PARTITIONS)]
    eventually(lambda: len(gateway.incidents()) == len(accepted), "all incidents are there", seconds=20, pause=0.2)
    found = {_partition(incident["id"]): incident for incident in gateway.incidents()}
    check_equal(sorted(found), list(range(PARTITIONS)), "partitions that have an incident")
    return found


def _assigned(server):
    shares = [line["partitions"] for line in server.log_lines() if line["event"] == "assigned"]
    return shares[-1] if shares else 0


def when_a_replica_is_killed_its_partitions_are_served_again_within_a_session_and_five_seconds(scratch):
    within = SESSION_SECONDS + 5
    site = Site(scratch, TOCSIN_COMMAND_WAIT_MS=1000)
    first = site.programs()
    gateway = first["gateway"]
    second = {service: site.program(service, home="other", TOCSIN_INSTANCE="other") for service in ("intake", "response")}
    for service, other in second.items():
        eventually(lambda service=service, other=other: (_assigned(first[service]), _assigned(other)) == (PARTITIONS / 2, PARTITIONS / 2),
                   f"the replicas of {service} share the partitions", seconds=30)
    incidents, took = _incident_of_each_partition(gateway), {}
    for service in second:
        first[service].process.kill()
    began = time.monotonic()

    def command(partition, id):
        while gateway.do(id, "note", {"text": "are you there"}, timeout=30).status != 200:
            check(time.monotonic() - began < 60, f"no command is done in partition {partition}")
        took[partition, "response"] = time.monotonic() - began

    def event(partition, before):
        gateway.event(title="hit", asset=before["asset"])
        gateway.incident_where(before["id"], lambda incident: incident["event_count"] > before["event_count"], "the event is counted", seconds=60)
        took[partition, "intake"] = time.monotonic() - began
    threads = [threading.Thread(target=command, args=(partition, incident["id"])) for partition, incident in incidents.items()]
    threads += [threading.Thread(target=event, args=item) for item in incidents.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal(len(took), 2 * PARTITIONS, f"answers ({took})")
    for service in second:
        times = sorted(seconds for (_, of), seconds in took.items() if of == service)
        scratch.note(f"{service} {', '.join(f'{seconds:.1f}' for seconds in times)} s after the kill")
        check(times[PARTITIONS // 2] > 2, f"none of its partitions was with the killed replica of {service}")
    check(max(took.values()) < within, f"it took {max(took.values()):.1f} s")


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
    eventually(lambda: _readyz(notification)[0] == 503 and "[-]redis " in _readyz(notification)[1], "/readyz says no, and why", seconds=10)
    notification.get("/livez", key=None).expect(200)
    meanwhile = gateway.incident_of(gateway.event(title="Ransomware", asset="meanwhile"), seconds=10)["id"]
    gateway.do(meanwhile, "note", {"text": "seen"}).expect(200)
    check_equal(_readyz(gateway)[0], 200, "/readyz of the gateway")
    time.sleep(6)
    check((before, 2) not in told(), "the second notice was sent without a timer: nothing waits for Redis")
    check_equal(_readyz(notification)[0], 503, "/readyz of notification")
    site.outside.do("start", "redis")
    began = time.monotonic()
    wanted = sorted((id, level) for id in (before, meanwhile) for level in (1, 2))
    eventually(lambda: told() == wanted, "every notice is sent", seconds=20, explain=lambda: f"told {told()}")
    scratch.note(f"what was due was told {time.monotonic() - began:.1f} s after Redis was back")
    eventually(lambda: _readyz(notification)[0] == 200, "/readyz says yes again", seconds=10)
    time.sleep(1)
    check_equal(told(), wanted, "notices")


def a_second_signal_ends_a_program_at_once(scratch):
    site = Site(scratch, TOCSIN_DRAIN_DELAY_MS=60000)
    gateway = site.program("gateway")
    gateway.process.send_signal(signal.SIGTERM)
    eventually(lambda: gateway.get("/readyz", key=None).status == 503, "readyz says no", seconds=2)
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    check_equal(gateway.process.wait(5), -signal.SIGTERM, "exit code")
    check(time.monotonic() - began < 2, "it took its time")


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
