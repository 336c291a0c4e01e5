"""An installation of the distributed mode: Kafka, Redis and the six programs."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from harness import REPOSITORY, Failure, Server, Skip, check, eventually, run_command

SERVICES = ("gateway", "intake", "classification", "response", "notification", "audit")
KEY = "0123456789abcdef0123456789abcdef-scenario"
PARTITIONS = 4
NOT_COORDINATOR = 16  # the error code of Kafka for a group that does not exist


class Backends:
    """A Kafka and a Redis without topics, groups and timers, which a scenario may kill and stall. Uses the servers of
    tools/with-outside.sh, or else starts two servers. Topics have fixed names, so only one scenario at a time may use a Kafka."""

    def __init__(self, scratch):
        if not os.environ.get("TOCSIN_TEST_KAFKA_BROKERS"):
            raise Skip("no Kafka runs (tools/with-outside.sh starts one)")
        shared = os.environ.get("TOCSIN_TEST_OUTSIDE")
        self.directory = pathlib.Path(shared or tempfile.mkdtemp(prefix="outside-", dir=scratch.directory))
        if shared:
            self._lock(scratch)
        else:
            scratch.closers.append(self.close)
        self.redis_url = f"redis://{self.do('start', 'redis')}/0"
        self.brokers = self.do("start", "kafka")
        _clear(scratch, self.brokers, self.redis_url)

    def _lock(self, scratch):
        """Fails if another scenario uses the same Kafka: each would delete the other's topics. has_kafka in run.py prevents
        this."""
        lock = open(self.directory / "taken", "w")
        scratch.closers.append(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("another scenario uses this Kafka: has_kafka in run.py must return True for both") from None

    def do(self, action, name, retry=True):
        done = subprocess.run([REPOSITORY / "tools/outside.sh", action, name, self.directory], capture_output=True, text=True, timeout=90)
        if done.returncode and action == "start" and retry:
            return self.do(action, name, retry=False)  # another process may have taken the chosen port
        if done.returncode:
            raise Failure(f"outside.sh {action} {name}: {done.stderr}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def stalled(self, name):
        """Suspends the server by SIGSTOP during the context: its connections stay open, but get no answers."""
        process = int((self.directory / name / "pid").read_text())
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def close(self):
        for name in ("kafka", "redis"):
            self.do("kill", name)
        shutil.rmtree(self.directory, ignore_errors=True)


class Site:
    """The settings of the programs on one Kafka and Redis. Each program is a Server."""

    def __init__(self, scratch, partitions=PARTITIONS, topics=True, **settings):
        self.scratch, self.backends = scratch, Backends(scratch)
        self.settings = {"TOCSIN_KAFKA_BROKERS": self.backends.brokers, "TOCSIN_REDIS_URL": self.backends.redis_url,
                         "TOCSIN_KAFKA_PARTITIONS": partitions, "TOCSIN_KAFKA_REPLICAS": 1, "TOCSIN_ADMIN_KEY": KEY, **settings}
        if topics:
            self.tocsin("topics", "apply").check_returncode()

    def tocsin(self, *arguments):
        """Runs a tocsin command with the settings of this site."""
        return self.scratch.server(start=False, **self.settings).command(*arguments)

    def program(self, service, start=True, home="home", **settings):
        server = program(self.scratch, service, home, **(self.settings | settings))
        return server.start() if start else server

    def programs(self, **settings):
        """{service: server} of all six, started together in one home and ready."""
        servers = {service: self.program(service, start=False, **settings) for service in SERVICES}
        began = {service: server.launch() for service, server in servers.items()}
        for service, server in servers.items():
            server.await_ready(began[service])
        return servers


def program(scratch, service, home="home", kind=Server, **settings):
    """The Server of a program, not started."""
    binary = str(pathlib.Path(scratch.binary).parent / f"tocsin-{service}")
    _instance_note(settings.get("TOCSIN_INSTANCE", socket.gethostname()))
    server = kind(binary, scratch.path(home), scratch.path(f"log-{len(scratch.servers)}.jsonl"), settings, arguments=())
    scratch.servers.append(server)
    return server


class Together(Server):
    """Six programs with the interface of one server. The object itself is the gateway. together() sets two attributes:
    others, the Servers of the other five programs, and tocsin, the path of the tocsin command."""

    def launch(self):
        self.began = [other.launch() for other in self.others]
        return super().launch()

    def await_ready(self, began):
        super().await_ready(began)
        for other, began in zip(self.others, self.began):
            other.await_ready(began)
        return self

    def end(self, number):
        """The gateway ends first, so that no event is accepted after the other programs have ended."""
        code = super().end(number)
        codes = [other.end(number) for other in self.others]
        check(all(each == code for each in codes), f"exit codes {[code, *codes]}")
        return code

    def log_lines(self):
        return super().log_lines() + [line for other in self.others for line in other.log_lines()]

    def command(self, *arguments, **settings):
        """Runs a tocsin command; adds --kafka to `check ledger`."""
        kafka = ("--kafka",) if arguments == ("check", "ledger") else ()
        return run_command(self, self.tocsin, *arguments, *kafka, **settings)


def together(scratch, home, settings):
    """Clears the shared Kafka and Redis; returns a Together that uses them and is not started."""
    backends_clear(scratch)
    settings = {"TOCSIN_KAFKA_BROKERS": os.environ["TOCSIN_TEST_KAFKA_BROKERS"], "TOCSIN_REDIS_URL": os.environ["TOCSIN_TEST_REDIS_URL"],
                "TOCSIN_KAFKA_PARTITIONS": PARTITIONS, "TOCSIN_KAFKA_REPLICAS": 1, "TOCSIN_ADMIN_KEY": KEY, **settings}
    server = program(scratch, "gateway", home, Together, **settings)
    server.others = [program(scratch, service, home, **settings) for service in SERVICES[1:]]
    server.tocsin = scratch.binary
    topics = server.command("topics", "apply")
    check(topics.returncode == 0, f"topics apply: {topics.stdout}{topics.stderr}")
    return server


def backends_clear(scratch):
    """Removes topics, group members and timers from the shared Kafka and Redis."""
    brokers, redis = os.environ.get("TOCSIN_TEST_KAFKA_BROKERS"), os.environ.get("TOCSIN_TEST_REDIS_URL")
    if not brokers or not redis:
        raise Skip("no Kafka runs (tools/with-outside.sh starts one)")
    _clear(scratch, brokers, redis)


def _clear(scratch, brokers, redis):
    _topics_delete(scratch, brokers)
    for service in SERVICES[1:] if _instances() else ():
        eventually(lambda group=f"tocsin-{service}": _members_remove(brokers, group), f"members of {service} are removed")
    subprocess.run(["redis-cli", "-u", redis, "flushall"], check=True, capture_output=True, timeout=10)


def _instances_file():
    return pathlib.Path(os.environ.get("TOCSIN_TEST_OUTSIDE", os.devnull), "instances")


def _instance_note(name):
    """Records the instance name of a group member, for all processes that run scenarios."""
    if os.environ.get("TOCSIN_TEST_OUTSIDE"):
        with open(_instances_file(), "a") as file:
            file.write(f"{name}\n")


def _instances():
    file = _instances_file()
    return set(file.read_text().split()) if file.exists() else set()


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def _members_remove(brokers, group):
    """Removes the members of earlier scenarios, whose sessions would keep partitions assigned. Returns False if the caller must
    try again."""
    return _leave_group(brokers, group) in (0, NOT_COORDINATOR)


def _leave_group(brokers, group):
    """Sends a LeaveGroup request of version 3, with which Kafka's admin client removes members. Returns the error code."""
    members = [_text("") + _text(instance) for instance in _instances()]
    request = struct.pack(">hhi", 13, 3, 0) + _text("scenario") + _text(group) + struct.pack(">i", len(members)) + b"".join(members)
    host, port = brokers.split(",")[0].split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(4 + 4 + 4 + 2)
    return struct.unpack(">h", answer[-2:])[0]


def _topics_delete(scratch, brokers, *topic):
    clear = pathlib.Path(scratch.binary).parents[1] / "tests/support/kafka/clear_kafka"
    subprocess.run([clear, brokers, *topic], check=True, timeout=60)


def topics_clear(site, *topic):
    """Deletes and creates the topics of a site, or one of them, as before a restore. Redis and the homes keep their contents."""
    _topics_delete(site.scratch, site.backends.brokers, *topic)
    site.tocsin("topics", "apply").check_returncode()
