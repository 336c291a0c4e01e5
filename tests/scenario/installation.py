"""An installation of the distributed mode: a Kafka and a Redis, and the six programs beside them."""

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
NOT_COORDINATOR = 16  # an error code of Kafka's


class Outbound:
    """The Kafka and the Redis that were started for the scenarios, as good as new; a scenario may kill and stall them. Topics have
    fixed names, so there is one such scenario at a time. Where they are somebody else's, a pair in a directory of its own."""

    def __init__(self, scratch):
        if not os.environ.get("TOCSIN_TEST_KAFKA_BROKERS"):
            raise Skip("there is no Kafka (tools/with-outside.sh)")
        shared = os.environ.get("TOCSIN_TEST_OUTSIDE")
        self.directory = pathlib.Path(shared or tempfile.mkdtemp(prefix="outside-", dir=scratch.directory))
        if shared:
            self._take(scratch)
        else:
            scratch.closers.append(self.close)
        self.redis_url = f"redis://{self.do('start', 'redis')}/0"
        self.brokers = self.do("start", "kafka")
        _clear(scratch, self.brokers, self.redis_url)

    def _take(self, scratch):
        """Two that clear each other's topics would not be seen otherwise (has_kafka in run.py)."""
        lock = open(self.directory / "taken", "w")
        scratch.closers.append(lock.close)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure("another scenario is on this Kafka: it is not known of one of them that it makes a Site") from None

    def do(self, action, name, again=True):
        done = subprocess.run([REPOSITORY / "tools/outside.sh", action, name, self.directory], capture_output=True, text=True, timeout=90)
        if done.returncode and action == "start" and again:
            return self.do(action, name, again=False)  # another may have taken its port just before it was used
        if done.returncode:
            raise Failure(f"outside.sh {action} {name}: {done.stderr}")
        return done.stdout.strip()

    @contextlib.contextmanager
    def stalled(self, name):
        """Stopped, not ended: its connections stay, and nothing is answered."""
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
    """What all its programs share; each may be started, stopped and asked like any server."""

    def __init__(self, scratch, partitions=PARTITIONS, topics=True, **settings):
        self.scratch, self.outside = scratch, Outbound(scratch)
        self.settings = {"TOCSIN_KAFKA_BROKERS": self.outside.brokers, "TOCSIN_REDIS_URL": self.outside.redis_url,
                         "TOCSIN_KAFKA_PARTITIONS": partitions, "TOCSIN_KAFKA_REPLICAS": 1, "TOCSIN_ADMIN_KEY": KEY, **settings}
        if topics:
            self.tocsin("topics", "apply").check_returncode()

    def tocsin(self, *arguments):
        """The tocsin command in this site's environment."""
        return self.scratch.server(start=False, **self.settings).command(*arguments)

    def program(self, service, start=True, home="home", **settings):
        server = program(self.scratch, service, home, **(self.settings | settings))
        return server.start() if start else server

    def programs(self, **settings):
        """All six, started together and ready, by name; in one home, as on one machine."""
        servers = {service: self.program(service, start=False, **settings) for service in SERVICES}
        began = {service: server.launch() for service, server in servers.items()}
        for service, server in servers.items():
            server.await_ready(began[service])
        return servers


def program(scratch, service, home="home", kind=Server, **settings):
    """A program that is not started yet."""
    binary = str(pathlib.Path(scratch.binary).parent / f"tocsin-{service}")
    _instance_note(settings.get("TOCSIN_INSTANCE", socket.gethostname()))
    server = kind(binary, scratch.path(home), scratch.path(f"log-{len(scratch.servers)}.jsonl"), settings, arguments=())
    scratch.servers.append(server)
    return server


class Together(Server):
    """Six programs that are started, asked, stopped and killed like one server: the gateway, and the five beside it.

    others, tocsin: the five, and the path of the tocsin command; given by `together`.
    """

    def launch(self):
        self.began = [other.launch() for other in self.others]
        return super().launch()

    def await_ready(self, began):
        super().await_ready(began)
        for other, began in zip(self.others, self.began):
            other.await_ready(began)
        return self

    def end(self, number):
        """The gateway first: who sends is refused before anybody stops who would do the work."""
        code = super().end(number)
        codes = [other.end(number) for other in self.others]
        check(all(each == code for each in codes), f"exit codes {[code, *codes]}")
        return code

    def log_lines(self):
        return super().log_lines() + [line for other in self.others for line in other.log_lines()]

    def command(self, *arguments, **settings):
        """Of the tocsin command, which is told where the ledgers are."""
        kafka = ("--kafka",) if arguments == ("check", "ledger") else ()
        return run_command(self, self.tocsin, *arguments, *kafka, **settings)


def together(scratch, home, settings):
    """Not started yet. Its Kafka and Redis served the scenarios before, and are empty."""
    outside_clear(scratch)
    settings = {"TOCSIN_KAFKA_BROKERS": os.environ["TOCSIN_TEST_KAFKA_BROKERS"], "TOCSIN_REDIS_URL": os.environ["TOCSIN_TEST_REDIS_URL"],
                "TOCSIN_KAFKA_PARTITIONS": PARTITIONS, "TOCSIN_KAFKA_REPLICAS": 1, "TOCSIN_ADMIN_KEY": KEY, **settings}
    server = program(scratch, "gateway", home, Together, **settings)
    server.others = [program(scratch, service, home, **settings) for service in SERVICES[1:]]
    server.tocsin = scratch.binary
    topics = server.command("topics", "apply")
    check(topics.returncode == 0, f"topics apply: {topics.stdout}{topics.stderr}")
    return server


def outside_clear(scratch):
    """No topic of ours and no timer is left in the Kafka and the Redis that scenarios share."""
    brokers, redis = os.environ.get("TOCSIN_TEST_KAFKA_BROKERS"), os.environ.get("TOCSIN_TEST_REDIS_URL")
    if not brokers or not redis:
        raise Skip("there is no Kafka (tools/with-outside.sh)")
    _clear(scratch, brokers, redis)


def _clear(scratch, brokers, redis):
    _topics_delete(scratch, brokers)
    for service in SERVICES[1:] if _instances() else ():
        eventually(lambda group=f"tocsin-{service}": _members_remove(brokers, group), f"members of {service} are removed")
    subprocess.run(["redis-cli", "-u", redis, "flushall"], check=True, capture_output=True, timeout=10)


def _instances_file():
    return pathlib.Path(os.environ.get("TOCSIN_TEST_OUTSIDE", os.devnull), "instances")


def _instance_note(name):
    """Under which names groups were joined so far, by scenarios in whatever process."""
    if os.environ.get("TOCSIN_TEST_OUTSIDE"):
        with open(_instances_file(), "a") as file:
            file.write(f"{name}\n")


def _instances():
    file = _instances_file()
    return set(file.read_text().split()) if file.exists() else set()


def _text(value):
    return struct.pack(">h", len(value)) + value.encode()


def _members_remove(brokers, group):
    """Those of scenarios before keep their partitions until their sessions end, unless they are removed by their names. False: not
    possible yet."""
    return _leave_group(brokers, group) in (0, NOT_COORDINATOR)  # that one: there has been no group yet


def _leave_group(brokers, group):
    """The request, in version 3, by which Kafka's own admin client removes members; its error code."""
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
    """The site's topics made anew (or one of them), as before a restore; its Redis and its homes are as they were."""
    _topics_delete(site.scratch, site.outside.brokers, *topic)
    site.tocsin("topics", "apply").check_returncode()
