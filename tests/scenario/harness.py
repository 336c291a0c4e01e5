"""The tools of the scenarios: a server in a scratch directory, requests to it, and receivers of its messages.

A scenario is a function whose name is a sentence. It gets a Scratch and fails by raising. The tools treat the server as a black box:
they start it, send it requests and signals, and read its files with the program's own commands.
"""

import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
START_SECONDS = 30
STOP_SECONDS = 30


class Failure(AssertionError):
    """A check of a scenario failed."""


class Skip(Exception):
    """The machine lacks something that the scenario needs."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def check_equal(found, expected, name):
    if found != expected:
        raise Failure(f"{name}: expected {expected!r}, found {found!r}")


# All waiting times are multiplied by this factor, because a shared machine and the broker on it may stall for ten seconds.
TIMEOUT_FACTOR = 3


def eventually(condition, name, seconds=5.0, pause=0.02, explain=None):
    """Calls condition until its value is true and returns the value. Fails after TIMEOUT_FACTOR * seconds; a scenario that requires a
    shorter time measures it. explain returns more text for the failure."""
    seconds *= TIMEOUT_FACTOR
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except TimeoutError as error:  # the machine stalls
            value = None
            explain = explain or (lambda error=error: str(error))
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{name}: not within {seconds:.0f} s (last value: {value!r}){' ' + explain() if explain else ''}")
        time.sleep(pause)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def expect(self, status):
        check(self.status == status, f"expected status {status}, found {self.status}: {self.body[:500]!r}")
        return self


class Server:
    """One `tocsin serve` or one program of a service, and its API. It can be started again on the same directory after its end."""

    def __init__(self, binary, home, log, settings, arguments=("serve",)):
        self.binary, self.home, self.log, self.settings, self.arguments = binary, home, log, settings, arguments
        self.process = self.reader = None
        self.url = self.greeting = None
        self.start_ms = None
        self.stderr_text = ""  # the output on stderr after the ready line; complete when the process has ended

    def environment(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
        environment.update({"TOCSIN_HOME": str(self.home), "TOCSIN_LISTEN": "127.0.0.1:0"})
        environment.update({name: str(value) for name, value in self.settings.items()})
        return environment

    def command_line(self):
        return [self.binary, *self.arguments]

    def launch(self):
        began = time.monotonic()
        self.process = subprocess.Popen(self.command_line(), env=self.environment(), stdout=open(self.log, "ab"),
                                        stderr=subprocess.PIPE, text=True)
        return began

    def start(self):
        return self.await_ready(self.launch())

    def await_ready(self, began):
        lines = []
        watchdog = threading.Timer(START_SECONDS, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stderr:
                lines.append(line)
                ready = re.match(r"tocsin: ready on (http://\S+)$", line)
                if ready:
                    self.url = ready.group(1)
                    break
        finally:
            watchdog.cancel()
        self.start_ms = (time.monotonic() - began) * 1000
        self.greeting = "".join(lines)
        if self.url is None or self.process.poll() is not None:
            raise Failure(f"the server did not start: exit code {self.process.wait()}, stderr:\n{self.greeting}")
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        return self

    def read(self, stream):
        self.stderr_text = stream.read()

    def end(self, number):
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS)
        self.url = None
        return code

    def stop(self):
        code = self.end(signal.SIGTERM)
        check_equal(code, 0, "exit code after SIGTERM")

    def kill(self):
        self.end(signal.SIGKILL)

    def dispose(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        if self.reader:
            self.reader.join(STOP_SECONDS)

    @property
    def key(self):
        return self.settings.get("TOCSIN_ADMIN_KEY") or (self.home / "admin.key").read_text().strip()

    @property
    def address(self):
        return urllib.parse.urlsplit(self.url).netloc

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def log_lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def command(self, *arguments, **settings):
        """Runs a tocsin command with this server's settings."""
        return run_command(self, self.binary, *arguments, **settings)

    def programs(self):
        """The directory of the `tocsin` command, for PATH."""
        return pathlib.Path(self.binary).parent

    # ---- HTTP

    def request(self, method, path, body=None, headers=None, key="", timeout=30):
        """body: bytes are sent unchanged, other values as JSON. key: None sends no key, "" the admin key."""
        headers = dict(headers or {})
        if key is not None:
            headers.setdefault("Authorization", f"Bearer {key or self.key}")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        url = self.url
        if url is None:
            raise ConnectionError("the server does not run")
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.request("POST", path, {} if body is None else body, **more)

    def readyz(self):
        answer = self.get("/readyz?verbose=1", key=None, timeout=5)
        return answer.status, answer.body.decode()

    def event(self, source="siem", title="something happened", **members):
        return self.post("/v1/events", {"source": source, "title": title, **members}).expect(202).json

    def report(self, kind="incident", description="A laptop was stolen", **members):
        return self.post("/v1/reports", {"kind": kind, "description": description, **members}).expect(202).json

    def incidents(self, **filters):
        """The incidents of all pages."""
        items, cursor = [], None
        while True:
            query = urllib.parse.urlencode(filters | ({"cursor": cursor} if cursor else {}))
            page = self.get(f"/v1/incidents?{query}").expect(200).json
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items

    def incident_of(self, accepted, seconds=5.0):
        """Waits until an accepted event or report has an incident; returns the newest one."""
        key = accepted["correlation_key"]
        return eventually(lambda: self.incidents(correlation_key=key), f"no incident for {accepted['id']}", seconds)[0]

    def incident(self, id):
        return self.get(f"/v1/incidents/{id}").expect(200).json

    def incident_where(self, id, condition, name, seconds=5.0):
        """Waits until the condition is true for the incident; returns the incident."""
        def read():
            incident = self.incident(id)
            return incident if condition(incident) else None
        return eventually(read, name, seconds)

    def timeline(self, id):
        items, cursor = [], None
        while True:
            page = self.get(f"/v1/incidents/{id}/timeline?limit=200" + (f"&cursor={cursor}" if cursor else "")).expect(200).json
            items += page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return items

    def do(self, id, command, body=None, **more):
        return self.post(f"/v1/incidents/{id}/{command}", body, **more)


def free_port(count=1):
    """The first of count consecutive free ports, below the range of ephemeral ports, so that the system does not assign them."""
    for port in random.sample(range(10000, 20000), 50):
        try:
            with contextlib.ExitStack() as sockets:
                for each in range(port, port + count):
                    sockets.enter_context(socket.create_server(("127.0.0.1", each)))
                return port
        except OSError:
            continue
    raise Failure("no free port found on 127.0.0.1")


def run_command(server, binary, *arguments, **settings):
    """Runs a command with a server's settings and, if the server runs, its address."""
    environment = server.environment() | settings
    if server.url:
        environment["TOCSIN_URL"] = server.url
    return subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True, timeout=120)


def embedded_only(reason):
    """Marks a scenario that does not apply to six programs."""
    def mark(function):
        function.embedded_only = reason
        return function
    return mark


def not_in_a_container(reason):
    """Marks a scenario that does not apply to `tocsin serve` in a container."""
    def mark(function):
        function.not_in_a_container = reason
        return function
    return mark


def audit_records(home):
    """The records of the complete lines of the audit log."""
    lines = (home / "audit/ledger.jsonl").read_text().splitlines()
    return [json.loads(line)["record"] for line in lines if line.endswith("}")]


def check_record_ids(home):
    """Checks that no two records of the audit log have the same id."""
    ids = collections.Counter(record["id"] for record in audit_records(home))
    check_equal([id for id, count in ids.items() if count > 1], [], "ids of several records of the audit log")


class Scratch:
    """The directory, servers and receivers of one scenario; dispose() stops them and removes the directory. server: a function of
    (scratch, home, settings) that makes another kind of Server."""

    def __init__(self, binary, server=None):
        self.binary, self.other_server = str(pathlib.Path(binary).resolve()), server
        # In the directory of the shared Kafka, which is in memory if it fits (tools/with-outside.sh): a shared disk may stall for half a minute.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tocsin-scenario-", dir=os.environ.get("TOCSIN_TEST_OUTSIDE")))
        self.slow_start = bool(server) or "address" in self.binary or "thread" in self.binary  # containers and sanitizers are slow
        self.visible_seconds = 10 if server else 2  # from a 202 until the incident is shown
        self.servers, self.closers, self.notes = [], [], []

    def path(self, name):
        return self.directory / name

    def server(self, home="home", start=True, **settings):
        if self.other_server:
            server = self.other_server(self, home, settings)
            return server.start() if start else server
        server = Server(self.binary, self.directory / home, self.directory / f"log-{len(self.servers)}.jsonl", settings)
        self.servers.append(server)
        return server.start() if start else server

    def pack(self, name="pack", **files):
        """The default policy pack with the scenarios' rules, people and channels. files: contents of further files, by name."""
        target = self.directory / name
        shutil.copytree(REPOSITORY / "shared/policy/default", target)
        shutil.copytree(pathlib.Path(__file__).parent / "pack", target, dirs_exist_ok=True)
        for file, text in files.items():
            (target / f"{file}.yaml").write_text(text)
        return target

    def receiver(self, answers=()):
        receiver = Receiver(list(answers))
        self.closers.append(receiver.close)
        return receiver

    def note(self, text):
        """Prints a measured figure beside the scenario's name."""
        self.notes.append(text)

    def end_servers(self):
        """Stops the servers. A report of a sanitizer is a failure."""
        for server in self.servers:
            server.dispose()
            check("Sanitizer" not in server.stderr_text, f"{server.log.name}: {server.stderr_text}")

    def dispose(self, keep=False):
        """Stops everything, because the next scenario may use the same Kafka. keep: the directory stays."""
        for server in self.servers:
            server.dispose()
        for close in self.closers:
            close()
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def logs(self):
        """The last lines of the servers' logs, for a failed scenario."""
        return "\n".join(f"--- {server.log.name}, exit code {server.process and server.process.poll()}\n"
                         + server.log.read_text(errors="replace")[-2500:] + server.stderr_text[-4000:]
                         for server in self.servers if server.log.exists())


class Receiver:
    """A webhook receiver: answers with the given statuses, then with 204, and keeps the requests."""

    def __init__(self, answers):
        self.answers, self.requests = answers, []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status = receiver.answers.pop(0) if receiver.answers else 204
                receiver.requests.append({"at": time.monotonic(), "headers": dict(self.headers), "body": body, "status": status})
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
