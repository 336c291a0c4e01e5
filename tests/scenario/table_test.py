"""tocsin.incidents, the table for readers outside Tocsin, read by kcat."""

import json
import shutil
import subprocess

from harness import Skip, check_equal, eventually
from installation import Site, topics_clear


class Kcat:
    def __init__(self, site):
        self.program = shutil.which("kcat") or shutil.which("kafkacat")
        if not self.program:
            raise Skip("kcat is not installed")
        self.brokers = site.backends.brokers

    def run(self, *arguments, stdin=""):
        done = subprocess.run([self.program, "-q", "-b", self.brokers, *arguments], input=stdin, capture_output=True, text=True, timeout=60)
        check_equal((done.returncode, done.stderr), (0, ""), f"kcat {arguments}")
        return done.stdout

    def table(self):
        """{key: document of the last record}."""
        lines = self.run("-C", "-t", "tocsin.incidents", "-o", "beginning", "-e", "-f", "%k\t%s\n").splitlines()
        return {key: json.loads(document) for key, document in (line.split("\t", 1) for line in lines)}

    def overwrite(self, document, partition):
        """Writes a record, like a former owner that has not yet detected the take-over."""
        version = f"ce_version={document['version']}"
        self.run("-P", "-t", "tocsin.incidents", "-p", str(partition), "-k", document["id"], "-H", version, stdin=json.dumps(document))


def _api_view(gateway):
    return {incident["id"]: incident for incident in gateway.incidents(limit=200)}


def the_incidents_table_shows_what_the_api_shows(scratch):
    site = Site(scratch)
    kcat = Kcat(site)
    programs = site.programs()
    gateway = programs["gateway"]
    for number in range(20):
        gateway.event(source="ids", title=f"扫描 {number}", asset=f"host-{number % 10}", severity="high")
    eventually(lambda: sum(incident["event_count"] for incident in gateway.incidents()) == 20, "all events are counted", 20)
    early = gateway.incidents()[0]
    gateway.do(early["id"], "note", {"text": "looked at"}).expect(200)
    gateway.do(early["id"], "close", {"resolution": "resolved", "reason": "a scan of ours"}).expect(200)
    eventually(lambda: kcat.table() == _api_view(gateway), "the table equals the API's view", 20, 0.5)
    # The owner corrects a late record of a former owner. When it starts, it also corrects a record that was written while no
    # owner ran.
    partition = _partition_of(kcat, early["id"])
    kcat.overwrite(early, partition)
    eventually(lambda: kcat.table() == _api_view(gateway), "an older version is corrected", 20, 0.5)
    programs["response"].stop()
    kcat.overwrite(early, partition)
    shutil.rmtree(programs["response"].home / "response")
    programs["response"].start()
    eventually(lambda: kcat.table() == _api_view(gateway), "an owner with rebuilt state corrects it too", 20, 0.5)
    programs["response"].stop()
    topics_clear(site, "tocsin.incidents")
    programs["response"].start()
    eventually(lambda: kcat.table() == _api_view(gateway), "a new topic is filled again", 20, 0.5)


def _partition_of(kcat, id):
    lines = kcat.run("-C", "-t", "tocsin.incidents", "-o", "beginning", "-e", "-f", "%k %p\n").splitlines()
    return next(int(partition) for key, partition in map(str.split, lines) if key == id)
