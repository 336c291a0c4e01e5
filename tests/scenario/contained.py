"""`tocsin serve` in a container of the image, with the rights that k8s/ gives it and the interface of a Server.

The scenario's directory is mounted at the same path in the container. Signals go to the process in the container, whose id podman knows.
"""

import itertools
import os
import shlex
import signal
import subprocess

from harness import REPOSITORY, Server, eventually

PODMAN = shlex.split(os.environ.get("PODMAN", "podman"))
IMAGE = os.environ.get("TOCSIN_IMAGE", "tocsin:0.1.0")
USER = 10001
RIGHTS = ("--network", "host", "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--no-healthcheck", "--pull", "never",
          "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1024:1024")
numbers = itertools.count(1)


class Contained(Server):
    scratch = None
    container = None

    def run(self, environment, *arguments, name=None):
        """The command line of tocsin with these arguments in a container."""
        variables = [word for key in environment if key.startswith("TOCSIN_") for word in ("--env", key)]
        return [*self.container_of(name), *variables, IMAGE, "tocsin", *arguments]

    def container_of(self, name=None):
        """The command line up to the image. The scenario's directory and the policy packs have the same paths in the container."""
        directory, packs = self.scratch.directory, REPOSITORY / "shared/policy"
        return [*PODMAN, "run", "--rm", *RIGHTS, *(("--name", name) if name else ()), "--volume", f"{directory}:{directory}",
                "--volume", f"{packs}:{packs}:ro", "--workdir", str(directory)]

    def command_line(self):
        self.container = f"tocsin-scenario-{os.getpid()}-{next(numbers)}"
        return self.run(self.environment(), *self.arguments, name=self.container)

    def await_ready(self, began):
        super().await_ready(began)
        self.process = Inner(self.process, self.container)
        return self

    def dispose(self):
        super().dispose()
        if self.container:
            subprocess.run([*PODMAN, "rm", "--force", "--time", "0", self.container], capture_output=True, timeout=30)

    def command(self, *arguments, **settings):
        environment = self.environment() | settings
        if self.url:
            environment["TOCSIN_URL"] = self.url
        return subprocess.run(self.run(environment, *arguments), env=environment, capture_output=True, text=True, timeout=120)

    def programs(self):
        """The directory of a `tocsin` command that runs in a container with the TOCSIN_ variables of its caller."""
        directory = self.scratch.path("bin")
        directory.mkdir(exist_ok=True)
        program = directory / "tocsin"
        settings = """$(env | sed -n 's/^\\(TOCSIN_[A-Z_]*\\)=.*/--env \\1/p')"""
        program.write_text(f'#!/bin/bash\nexec {shlex.join(self.container_of())} {settings} {IMAGE} tocsin "$@"\n')
        program.chmod(0o755)
        return directory


class Inner:
    """The process in the container: pid is its id on the host. wait(), poll() and returncode are those of podman's process."""

    def __init__(self, outer, container):
        self.outer, self.stderr = outer, outer.stderr
        inspect = [*PODMAN, "inspect", "--format", "{{.State.Pid}}", container]
        self.pid = eventually(lambda: int(subprocess.run(inspect, capture_output=True, text=True, timeout=30).stdout.strip() or 0), "the container has a process")

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def poll(self):
        return self.code(self.outer.poll())

    def wait(self, seconds=None):
        return self.code(self.outer.wait(seconds))

    @property
    def returncode(self):
        return self.code(self.outer.returncode)

    @staticmethod
    def code(code):
        """The exit code as subprocess reports it: if signal N ended the process, podman reports 128 + N, subprocess -N."""
        return 128 - code if code is not None and code > 128 else code


def contained(scratch, home, settings):
    """Returns a Contained that is not started. Gives the scenario's directory to the user of the container, like a volume."""
    os.chown(scratch.directory, USER, USER)
    server = Contained(scratch.binary, scratch.path(home), scratch.path(f"log-{len(scratch.servers)}.jsonl"), settings)
    server.scratch = scratch
    scratch.servers.append(server)
    return server
