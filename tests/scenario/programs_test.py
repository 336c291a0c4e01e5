"""The six programs of the distributed mode on Kafka and Redis: start, stop, and take-over between replicas."""

import re
import shutil
import signal
import threading
import time

from harness import check, check_equal, eventually, free_port
from installation import KEY, PARTITIONS, SERVICES, Site, program

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SESSION_SECONDS = 10  # session.timeout.ms of a group member
PORTS = {service: 8080 + number for number, service in enumerate(SERVICES)}


def _await_exit(server, code, seconds=30):
    """Waits until the program ends with this exit code; returns its lines on stderr."""
    _, errors = server.process.communicate(timeout=seconds)
    check_equal(server.process.returncode, code, f"exit code ({errors})")
    return errors.splitlines()


# ---- without Kafka


def every_program_prints_its_help_version_and_settings(scratch):
    for service in SERVICES:
        server = program(scratch, service, TOCSIN_ADMIN_KEY=KEY)
        for option, words in (("--help", f"tocsin-{service}: "), ("--version", f"tocsin-{service} 0."), ("--settings", "TOCSIN_KAFKA_BROKERS"),
                              ("--check", " valid")):
            done = server.command(option)
            check_equal((done.returncode, done.stderr), (0, ""), f"tocsin-{service} {option}")
            check(words in done.stdout, f"{words!r} is not in the output of tocsin-{service} {option}: {done.stdout}")
        manual = server.command("--settings").stdout
        check(f"127.0.0.1:{PORTS[service]})" in manual, f"the port of {service}: {manual}")
        check_equal("TOCSIN_REDIS_URL" in manual, service == "notification", f"Redis among the settings of {service}")
        check_equal("TOCSIN_ADMIN_KEY" in manual, service == "gateway", f"the key among the settings of {service}")
        check_equal(server.command("--fly").returncode, 2, f"exit code of tocsin-{service} --fly")


def all_invalid_settings_of_a_program_are_reported_at_once(scratch):
    invalid = {"TOCSIN_LISTEN": "here", "TOCSIN_KAFKA_PARTITIONS": "65", "TOCSIN_INSTANCE": "a b", "TOCSIN_STANDBY": "some",
             "TOCSIN_START_TIMEOUT_MS": "soon", "TOCSIN_BODY_MAX": "none", "TOCSIN_UNKNOWN": "x"}
    server = program(scratch, "intake", **invalid)
    server.launch()
    lines = _await_exit(server, 2)
    for name in ("LISTEN", "KAFKA_PARTITIONS", "INSTANCE", "STANDBY", "START_TIMEOUT_MS"):
        check(any(line.startswith(f"tocsin: TOCSIN_{name} ") for line in lines), f"TOCSIN_{name} is not reported: {lines}")
    check_equal([line for line in lines if "BODY_MAX" in line], [], "lines about a setting of another program")
    check_equal(len([line for line in lines if line.startswith("tocsin: warning: TOCSIN_UNKNOWN ")]), 1, "warnings")
    check_equal(server.command("--check").returncode, 1, "exit code of --check")


def a_gateway_without_a_key_does_not_start(scratch):
    server = program(scratch, "gateway")
    server.launch()
    lines = _await_exit(server, 2)
    check_equal(len(lines), 1, f"lines: {lines}")
    check(lines[0].startswith("tocsin: TOCSIN_ADMIN_KEY "), lines[0])


def a_gateway_with_an_invalid_pack_does_not_start(scratch):
    pack = scratch.pack(rules="rules: [{id: a, wenn: []}]\n")
    server = program(scratch, "gateway", TOCSIN_ADMIN_KEY=KEY, TOCSIN_POLICY=pack)
    server.launch()
    check(any("rules.yaml:1:" in line for line in _await_exit(server, 2)), "the position is not reported")
    check_equal(server.command("--check").returncode, 1, "exit code of --check")


def a_program_without_kafka_ends_after_the_start_timeout(scratch):
    server = program(scratch, "intake", TOCSIN_KAFKA_BROKERS=f"127.0.0.1:{free_port()}", TOCSIN_START_TIMEOUT_MS=1500)
    began = server.launch()
    lines = _await_exit(server, 3)
    took = time.monotonic() - began
    check(1 < took < 5, f"it took {took:.1f} s")
    check_equal(len(lines), 1, f"lines: {lines}")
    check(lines[0].startswith("tocsin: ") and "127.0.0.1" in lines[0], lines[0])


def a_signal_ends_the_wait_for_kafka_at_once(scratch):
    server = program(scratch, "intake", TOCSIN_KAFKA_BROKERS=f"127.0.0.1:{free_port()}", TOCSIN_START_TIMEOUT_MS=60000)
    server.launch()
    time.sleep(0.7)  # until the program waits for Kafka
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    _await_exit(server, 0)
    check(time.monotonic() - began < 20, f"it took {time.monotonic() - began:.1f} s")


# ---- with Kafka


def notification_without_redis_ends_after_the_start_timeout(scratch):
    site = Site(scratch)
    server = site.program("notification", start=False, TOCSIN_REDIS_URL=f"redis://127.0.0.1:{free_port()}/0", TOCSIN_START_TIMEOUT_MS=4000)
    server.launch()
    lines = _await_exit(server, 3)
    check_equal(len(lines), 1, f"lines: {lines}")
    check_equal([line for line in server.log_lines() if line["event"] == "assigned"], [], "log lines about assigned partitions")


def missing_and_different_topics_are_reported(scratch):
    site = Site(scratch, topics=False)
    server = site.program("intake", start=False, TOCSIN_START_TIMEOUT_MS=5000)
    server.launch()
    lines = _await_exit(server, 3)
    check(any("tocsin topics apply" in line for line in lines), f"the remedy is not reported: {lines}")
    site.tocsin("topics", "apply").check_returncode()
    server = site.program("intake", start=False, TOCSIN_KAFKA_PARTITIONS=3)
    server.launch()
    lines = _await_exit(server, 2)
    check(any("partitions" in line and "4" in line and "3" in line for line in lines), f"the difference is not reported: {lines}")


def six_programs_process_an_event_from_its_sender_to_the_audit_log(scratch):
    hook = scratch.receiver()
    site = Site(scratch, TOCSIN_POLICY=scratch.pack(), TOCSIN_WEBHOOK_URL=hook.url, TOCSIN_WEBHOOK_SECRET=SECRET,
                TOCSIN_EGRESS_ALLOW="127.0.0.1/32")
    began = time.monotonic()
    servers = site.programs()
    gateway = servers["gateway"]
    scratch.note(f"all programs ready after {time.monotonic() - began:.1f} s")
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
    eventually(lambda: path.exists() and incident["id"] in path.read_text(), "the incident is in the audit log", seconds=10)
    for service, server in servers.items():
        status, lines = server.readyz()
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


def all_incidents_survive_the_kill_of_every_program_and_the_loss_of_its_files(scratch):
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
    gateway.event(title="hit", id="marker", asset="host0")  # once the marker is counted, the repeat has been processed
    eventually(lambda: sum(i["event_count"] for i in gateway.incidents()) >= 61, "the marker is counted", seconds=15)
    check_equal(sum(i["event_count"] for i in gateway.incidents()), 61, "events counted")


def a_service_without_a_policy_reports_that_it_waits(scratch):
    site = Site(scratch)
    server = site.program("classification", start=False, TOCSIN_LISTEN=f"127.0.0.1:{free_port()}")
    began = server.launch()
    server.url = f"http://{server.settings['TOCSIN_LISTEN']}"
    def waits():
        try:
            return "waiting for a policy: start the gateway" in server.readyz()[1]
        except OSError:
            return False
    eventually(waits, "/readyz reports that it waits for a policy", seconds=15)
    check_equal(server.get("/readyz", key=None).status, 503, "/readyz")
    server.url = None
    site.program("gateway")
    server.await_ready(began)


def a_home_serves_one_process_of_each_program(scratch):
    site = Site(scratch)
    site.program("gateway")
    second = site.program("gateway", start=False)
    second.launch()
    lines = _await_exit(second, 3)
    check_equal(len(lines), 1, f"lines: {lines}")
    check("TOCSIN_HOME" in lines[0], lines[0])
    embedded = scratch.server(start=False, **site.settings)
    embedded.launch()
    check("gateway" in _await_exit(embedded, 3)[0], "tocsin serve does not name the program that uses the home")
    site.program("gateway", home="other", TOCSIN_INSTANCE="other")


def two_replicas_with_one_name_are_logged(scratch):
    site = Site(scratch)
    site.program("gateway")
    replicas = [site.program("intake", home=f"home{n}", TOCSIN_INSTANCE="same") for n in range(2)]

    def warnings():
        return [line for replica in replicas for line in replica.log_lines() if line["event"].startswith("member-") and line.get("instance") == "same"]
    line = eventually(warnings, "the log reports that two replicas have one name", seconds=30)[0]
    check(line["level"] in ("warn", "error"), f"{line}")


def an_audit_replica_without_the_log_leaves_the_ledger_to_the_one_that_has_it(scratch):
    site = Site(scratch, TOCSIN_KAFKA_OPTIONS="session.timeout.ms=3000")
    gateway, *_, audit = site.programs().values()
    log = gateway.home / "audit" / "ledger.jsonl"

    def logged(title):
        incident = gateway.incident_of(gateway.event(title=title, asset=title), seconds=15)
        eventually(lambda: log.exists() and incident["id"] in log.read_text(), f"{title} is in the audit log", seconds=30)
    logged("one")
    audit.kill()
    other = site.program("audit", start=False, home="other", TOCSIN_INSTANCE="other", TOCSIN_LISTEN=f"127.0.0.1:{free_port()}")
    other.launch()
    other.url = f"http://{other.settings['TOCSIN_LISTEN']}"
    eventually(lambda: [line for line in other.log_lines() if line["event"] == "waiting" and "copy the log here" in line["detail"]],
               "the remedy is logged", seconds=40)
    check_equal(other.readyz()[0], 503, "/readyz of the replica without the log")
    check(other.process.poll() is None, "the replica without the log ended")
    other.stop()
    audit.start()
    logged("two")
    check_equal(site.tocsin("verify", "log").returncode, 0, "exit code of verify log")


def a_waiting_audit_replica_resumes_when_the_log_is_copied_to_it(scratch):
    """Nothing is appended after the copy, so the replica cannot learn the ends of the ledgers from new records."""
    site = Site(scratch, partitions=12, TOCSIN_KAFKA_OPTIONS="session.timeout.ms=3000")
    gateway, *_, first = site.programs().values()
    log, other_home = first.home / "audit" / "ledger.jsonl", scratch.path("other")

    def logged(title, file):
        incident = gateway.incident_of(gateway.event(title=title, asset=title), seconds=15)
        eventually(lambda: incident["id"] in file.read_text(), f"{title} is in the audit log", seconds=30)
    eventually(log.exists, "the audit log exists")
    logged("one", log)
    time.sleep(1.5)  # until all records of the incident are in the log; its number of records is not fixed
    other_home.mkdir(0o700)
    shutil.copytree(log.parent, other_home / "audit")
    second = site.program("audit", start=False, home="other", TOCSIN_INSTANCE="0", TOCSIN_LISTEN="127.0.0.1:0")
    second.start()
    for number in range(600):
        gateway.event(title="more", asset=f"host{number % 300}")
    logged("more", other_home / "audit" / "ledger.jsonl")
    second.kill()
    eventually(lambda: "copy the log here" in first.readyz()[1] or _waits(first, "copy the log here"), "the remedy is reported", seconds=40)
    shutil.copy(other_home / "audit" / "ledger.jsonl", log)
    began = time.monotonic()
    eventually(lambda: first.readyz()[0] == 200, "the replica is ready", seconds=10, explain=lambda: first.readyz()[1])
    took = time.monotonic() - began
    scratch.note(f"ready after {took:.1f} s")
    check(took < 6, f"ready only after {took:.1f} s")  # waiting for the ledgers one after another would take 18 s
    logged("two", log)
    check_equal(site.tocsin("verify", "log").returncode, 0, "exit code of verify log")


def _waits(server, words):
    return any(line["event"] == "waiting" and words in line["detail"] for line in server.log_lines())


def a_policy_published_by_one_gateway_applies_to_all_programs(scratch):
    packs = [scratch.pack(f"pack{n}") for n in range(2)]
    site = Site(scratch)
    servers = site.programs(TOCSIN_POLICY=packs[0])
    first, second = servers["gateway"], site.program("gateway", home="other", TOCSIN_INSTANCE="other", TOCSIN_POLICY=packs[1])
    before = first.incident_of(first.event(title="ransom one", asset="a"), seconds=10)
    pack = packs[0]
    (pack / "pack.yaml").write_text(re.sub(r"^version: .*$", "version: 7", (pack / "pack.yaml").read_text(), flags=re.M))
    (pack / "rules.yaml").write_text((pack / "rules.yaml").read_text().replace("loss: grave", "loss: minor"))
    first.process.send_signal(signal.SIGHUP)
    reloads = eventually(lambda: [line for line in first.log_lines() if line["event"] == "policy-reloaded"], "the reload is logged")
    check_equal(reloads[0]["service"], "gateway", "the service that logs the reload")

    def regraded(server):
        regraded.count += 1
        incident = server.incident_of(server.event(title="ransom two", asset=f"b{regraded.count}"), seconds=10)
        return incident if incident["policy_version"] != before["policy_version"] else None
    regraded.count = 0
    after = eventually(lambda: regraded(second), "the new policy decides", seconds=10, pause=0.1)
    check(after["grade"] != before["grade"], "the grade is the same")
    second.stop()
    second.start()
    check([line for line in second.log_lines() if line["event"] == "older-policy-not-published"], "the older pack is not logged")
    check_equal(regraded(second)["policy_version"], after["policy_version"], "the policy after the restart of a replica with an older pack")


def _partition(id):
    """The partition of an incident; its id contains the slot (shared/base/id.h)."""
    number = 0
    for letter in id.removeprefix("inc_"):
        number = number * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(letter)
    return (number >> 68) % 4096 % PARTITIONS


def _incident_of_each_partition(gateway):
    accepted = [gateway.event(title="hit", asset=f"host{n}") for n in range(10 * PARTITIONS)]
    eventually(lambda: len(gateway.incidents()) == len(accepted), "all incidents are shown", seconds=20, pause=0.2)
    found = {_partition(incident["id"]): incident for incident in gateway.incidents()}
    check_equal(sorted(found), list(range(PARTITIONS)), "partitions with an incident")
    return found


def _assigned(server):
    shares = [line["partitions"] for line in server.log_lines() if line["event"] == "assigned"]
    return shares[-1] if shares else 0


def the_partitions_of_a_killed_replica_are_taken_over_within_a_session_and_five_seconds(scratch):
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
            check(time.monotonic() - began < 60, f"no command is executed in partition {partition}")
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
        check(times[PARTITIONS // 2] > 2, f"the killed replica of {service} owned no partition")
    check(max(took.values()) < within, f"it took {max(took.values()):.1f} s")


def a_second_signal_ends_a_program_at_once(scratch):
    site = Site(scratch, TOCSIN_DRAIN_DELAY_MS=60000)
    gateway = site.program("gateway")
    gateway.process.send_signal(signal.SIGTERM)
    eventually(lambda: gateway.get("/readyz", key=None).status == 503, "/readyz answers 503", seconds=2)
    began = time.monotonic()
    gateway.process.send_signal(signal.SIGTERM)
    check_equal(gateway.process.wait(30), -signal.SIGTERM, "exit code")
    check(time.monotonic() - began < 20, "the program waited for the drain delay of 60 s")
