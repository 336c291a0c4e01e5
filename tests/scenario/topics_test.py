"""The commands `tocsin topics` and `make run-distributed`."""

import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from harness import REPOSITORY, Server, Skip, check, check_equal, free_port
from installation import SERVICES, Site

TOPICS = 11
START_SECONDS = 120


def _no_broker(scratch, *arguments, **settings):
    """Runs a topics command without a broker; returns its result and its duration in seconds."""
    began = time.monotonic()
    done = scratch.server(start=False, **settings).command("topics", *arguments)
    return done, time.monotonic() - began


def topics_commands_wait_for_kafka_for_the_start_timeout(scratch):
    for command in ("plan", "apply", "check"):
        done, seconds = _no_broker(scratch, command, TOCSIN_KAFKA_BROKERS="127.0.0.1:1", TOCSIN_START_TIMEOUT_MS=1500)
        check_equal(done.returncode, 3, f"exit code of topics {command}")
        check(1.4 < seconds < 10, f"topics {command} took {seconds:.1f} s")
        check_equal(len(done.stderr.splitlines()), 1, f"lines of {done.stderr!r}")
        check(re.match(r"tocsin: Kafka does not answer: .*127\.0\.0\.1:1.*Connection refused", done.stderr), done.stderr)
        check_equal(done.stdout, "", "stdout")


def topics_commands_name_an_invalid_kafka_option(scratch):
    done, _ = _no_broker(scratch, "plan", TOCSIN_KAFKA_OPTIONS="no.such.option=1")
    check_equal(done.returncode, 2, "exit code")
    check_equal(done.stderr, 'tocsin: TOCSIN_KAFKA_OPTIONS is invalid: librdkafka has no option "no.such.option": remove it\n', "stderr")


def topics_are_planned_applied_and_checked(scratch):
    site = Site(scratch, topics=False)
    plan = site.tocsin("topics", "plan")
    check_equal(plan.returncode, 1, "exit code of a plan with something to do")
    lines = plan.stdout.splitlines()
    check_equal(len(lines), TOPICS, "lines of the plan")
    events = next(line for line in lines if "tocsin.events" in line)
    check("partitions=4 replicas=1 cleanup.policy=delete retention.ms=604800000" in events, events)
    missing = site.tocsin("topics", "check")
    check_equal((missing.returncode, len(missing.stderr.splitlines())), (1, TOPICS), "check before: exit code and lines")
    check("tocsin: tocsin.journal is missing: tocsin topics apply creates it\n" in missing.stderr, missing.stderr)
    applied = site.tocsin("topics", "apply")
    check_equal((applied.returncode, applied.stderr), (0, ""), "apply: exit code and stderr")
    check_equal(applied.stdout.splitlines(), [f"done: {line}" for line in lines] + [f"{TOPICS} topics are as required"], "apply")
    for command in ("apply", "plan", "check"):
        again = site.tocsin("topics", command)
        check_equal((again.returncode, again.stdout, again.stderr), (0, f"{TOPICS} topics are as required\n", ""), f"{command} after")
    _partitions_cannot_be_changed(site)
    _replicas_need_brokers(site)


def _partitions_cannot_be_changed(site):
    site.settings["TOCSIN_KAFKA_PARTITIONS"] = 6
    for command in ("plan", "apply", "check"):
        done = site.tocsin("topics", command)
        check_equal((done.returncode, done.stdout), (1, ""), f"{command} with other partitions")
        check("tocsin: tocsin.events has 4 partitions, not 6, and that cannot be changed" in done.stderr, done.stderr)
        check("tocsin.policies" not in done.stderr, "a topic that always has one partition is reported")
    site.settings["TOCSIN_KAFKA_PARTITIONS"] = 4
    check_equal(site.tocsin("topics", "check").returncode, 0, "exit code of check with the former partitions")


def _replicas_need_brokers(site):
    site.settings["TOCSIN_KAFKA_REPLICAS"] = 3
    done = site.tocsin("topics", "check")
    check_equal(done.returncode, 1, "exit code")
    check("tocsin: tocsin.events has 1 copies of a partition, not 3: set TOCSIN_KAFKA_REPLICAS" in done.stderr, done.stderr)
    check("tocsin: tocsin.events has min.insync.replicas=1, not 2\n" in done.stderr, done.stderr)


def more_replicas_than_brokers_are_refused_with_the_remedy(scratch):
    site = Site(scratch, topics=False, TOCSIN_START_TIMEOUT_MS=1000)
    site.settings["TOCSIN_KAFKA_REPLICAS"] = 3
    done = site.tocsin("topics", "apply")
    check_equal((done.returncode, done.stdout), (2, ""), "exit code and stdout")
    reason = "3 copies of each partition are asked for, and Kafka has 1 broker: set TOCSIN_KAFKA_REPLICAS=1, or start more brokers"
    check_equal(done.stderr.splitlines()[-1], f"tocsin: {reason}", "the last line of stderr")
    check(re.match(r"tocsin: waiting 1 s: 3 copies", done.stderr), done.stderr)
    check_equal(site.tocsin("topics", "plan").returncode, 2, "exit code of the plan")


def concurrent_topics_apply_commands_create_each_topic_once(scratch):
    site = Site(scratch, topics=False)
    results = []
    threads = [threading.Thread(target=lambda: results.append(site.tocsin("topics", "apply"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_equal([(result.returncode, result.stderr) for result in results], [(0, "")] * 5, "exit codes and stderr")
    created = [line for result in results for line in result.stdout.splitlines() if line.startswith("done: create")]
    check_equal(len(created), TOPICS, "created topics in all")
    check_equal(site.tocsin("topics", "check").returncode, 0, "check")


# ---- make run-distributed


SCRIPT = (str(REPOSITORY / "tools/run-distributed.sh"),)
MAKE = ("make", "run-distributed")


class _Run:
    """A run in its own process group, to which a signal can be sent like Ctrl-C."""

    def __init__(self, scratch, command=SCRIPT, **settings):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("TOCSIN_") and name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SAN", "STEPS")}
        environment |= {"TOCSIN_HOME": str(scratch.path("var")), "TOCSIN_LISTEN": "127.0.0.1:0",
                        "BUILD": str(pathlib.Path(scratch.binary).parents[1]), **settings}
        self.log = scratch.path("run.log")
        self.log.unlink(missing_ok=True)
        self.process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL, stdout=open(self.log, "wb"),
                                        stderr=subprocess.STDOUT, start_new_session=True)
        scratch.closers.append(self.dispose)
        self.gateway = Server(scratch.binary, scratch.path("var"), self.log, {})

    def messages(self):
        """The output without the log lines of the programs."""
        return [line for line in self.log.read_text().splitlines() if not re.match(r"[a-z]+ +\{", line)]

    def await_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while self.gateway.url is None:
            ready = re.search(r"^run-distributed: ready on (\S+)$", self.log.read_text(), re.M)
            check(self.process.poll() is None and time.monotonic() < deadline, "run-distributed does not start: " + "\n".join(self.messages()[-20:]))
            self.gateway.url = ready and ready.group(1)
            time.sleep(0.05)
        return self

    def programs(self):
        """{name: process id} of the programs."""
        shown = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,comm="], capture_output=True, text=True).stdout
        processes = [(int(pid), int(parent), name) for pid, parent, name in (line.split(None, 2) for line in shown.splitlines())]
        ours = {self.process.pid} | {pid for pid, parent, _ in processes if parent == self.process.pid}  # make, and the script it runs
        return {name: pid for pid, parent, name in processes if parent in ours and name.startswith("tocsin-")}

    def end(self, number, whole_group=False):
        if whole_group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(90)

    def dispose(self):
        if self.process.poll() is None:
            self.end(signal.SIGTERM)


def _left_over(scratch):
    """The ids of processes whose working directory is in the scenario's directory."""
    left = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            directory = os.readlink(process / "cwd")
        except OSError:  # a process of another user, or one that has ended
            continue
        if directory.startswith(str(scratch.directory)):
            left.append(process.name)
    return left


def make_run_distributed_starts_six_programs_and_ctrl_c_ends_them(scratch):
    if not os.environ.get("TOCSIN_TEST_KAFKA_BROKERS"):
        raise Skip("no Kafka runs (tools/with-outside.sh starts one)")
    run = _Run(scratch, MAKE, TOCSIN_KAFKA_PARTITIONS="4").await_ready()
    check_equal(len(run.programs()), 6, "programs")
    check_equal(scratch.path("var/admin.key").stat().st_mode & 0o777, 0o600, "mode of the key's file")
    accepted = run.gateway.event(title="Ransom note on the file server", severity="critical")
    incident = run.gateway.incident_of(accepted, seconds=20)
    curls = [line for line in run.messages() if "curl -H" in line]
    check_equal(len(curls), 2, "curls in the greeting")
    answer = subprocess.run(["bash", "-c", curls[1].strip() + " -s"], capture_output=True, text=True, timeout=30)
    check(incident["id"] in answer.stdout, f"output of the second curl of the greeting: {answer.stdout} {answer.stderr}")
    check_equal(run.end(signal.SIGINT, whole_group=True), -signal.SIGINT, "exit code of make after Ctrl-C")
    check("run-distributed: ended" in run.messages(), "\n".join(run.messages()[-20:]))
    check_equal(_left_over(scratch), [], "processes left over")
    check(re.search(r'^audit +\{.*"event":"stopped"', run.log.read_text(), re.M), "audit has not logged its stop")

    began = time.monotonic()
    again = _Run(scratch, TOCSIN_KAFKA_PARTITIONS="4").await_ready()
    scratch.note(f"restart with the same files: {time.monotonic() - began:.1f} s")
    check_equal(again.gateway.incident_of(accepted, seconds=20)["id"], incident["id"], "the incident after a restart")
    second = subprocess.run([REPOSITORY / "tools/run-distributed.sh"], capture_output=True, text=True, timeout=30,
                            env=os.environ | {"TOCSIN_HOME": str(scratch.path("var"))})
    check_equal(second.returncode, 3, "exit code of a second run")
    check("another make run-distributed uses" in second.stderr, second.stderr)
    os.kill(again.programs()["tocsin-intake"], signal.SIGKILL)
    check_equal(again.process.wait(90), 137, "exit code after a program was killed")
    check("run-distributed: tocsin-intake ended with exit code 137: all programs end" in again.messages(), "\n".join(again.messages()))
    check_equal(_left_over(scratch), [], "processes left over")


def run_distributed_needs_no_java_with_the_mock_broker(scratch):
    port = free_port(6)
    run = _Run(scratch, KAFKA="mock", TOCSIN_LISTEN=f"127.0.0.1:{port}").await_ready()
    ready = set(re.findall(r"^(\w+) +tocsin: ready on http://127.0.0.1:(\d+)$", run.log.read_text(), re.M))
    check_equal(ready, {(service, str(port + number)) for number, service in enumerate(SERVICES)}, "ports of the programs")
    notification = next(pid for name, pid in run.programs().items() if name.startswith("tocsin-noti"))  # ps shortens names
    environment = pathlib.Path(f"/proc/{notification}/environ").read_text().split("\0")
    check(f"TOCSIN_PUBLIC_URL=http://127.0.0.1:{port}" in environment, "links in messages have another address")
    check(re.search("^mock_kafka: .*keeps nothing past its end", run.log.read_text(), re.M), "the mock broker does not report that it keeps no records")
    run.gateway.incident_of(run.gateway.event(), seconds=20)
    check_equal(run.end(signal.SIGTERM), 0, "exit code after SIGTERM")
    check_equal(_left_over(scratch), [], "processes left over")
    check(not scratch.path("var/distributed-mock").exists(), "the files of the mock broker were not removed")


def run_distributed_without_java_and_brokers_reports_the_remedy(scratch):
    path = scratch.path("bin")
    path.mkdir()
    for command in ("bash", "dirname", "realpath", "mkdir"):
        (path / command).symlink_to(subprocess.run(["which", command], capture_output=True, text=True, check=True).stdout.strip())
    environment = {"PATH": str(path), "TOCSIN_HOME": str(scratch.path("var")), "TOCSIN_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run([REPOSITORY / "tools/run-distributed.sh"], env=environment, capture_output=True, text=True, timeout=30)
    check_equal(done.returncode, 3, "exit code")
    check_equal(done.stderr, "outside: java is not installed: apt-get install openjdk-17-jre-headless, or set "
                             "TOCSIN_KAFKA_BROKERS or KAFKA=mock\n", "stderr")
    done = subprocess.run([REPOSITORY / "tools/run-distributed.sh"], env=environment | {"TOCSIN_LISTEN": "127.0.0.1:65533"}, capture_output=True,
                          text=True, timeout=30)
    check_equal((done.returncode, "five ports after 65533" in done.stderr), (2, True), f"a port without five ports after it: {done.stderr}")
    check(not scratch.path("var").exists(), "a refused run created TOCSIN_HOME")
