"""tocsin.incidents: what readers outside see who know Kafka and nothing of Tocsin (here kcat)."""

import json
import shutil
import subprocess

from harness import Skip, check_equal, eventually
from installation import Site, topics_clear


class Outsider:
    def __init__(self, site):
        self.program = shutil.which("kcat") or shutil.which("kafkacat")
        if not self.program:
            raise Skip("there is no kcat")
        self.brokers = site.outside.brokers

    def run(self, *arguments, said=""):
        done = subprocess.run([self.program, "-q", "-b", self.brokers, *arguments], input=said, capture_output=True, text=True, timeout=60)
        check_equal((done.returncode, done.stderr), (0, ""), f"kcat {arguments}")
        return done.stdout

    def table(self):
        """Key → the last record's document."""
        lines = self.run("-C", "-t", "tocsin.incidents", "-o", "beginning", "-e", "-f", "%k\t%s\n").splitlines()
        return {key: json.loads(document) for key, document in (line.split("\t", 1) for line in lines)}

    def overwrite(self, document, partition):
        """As one would that was deposed and does not know it yet."""
        version = f"ce_version={document['version']}"
        self.run("-P", "-t", "tocsin.incidents", "-p", str(partition), "-k", document["id"], "-H", version, said=json.dumps(document))


def _as_shown(gateway):
    return {incident["id"]: incident for incident in gateway.incidents(limit=200)}


def the_table_of_incidents_is_what_the_api_shows(scratch):
    site = Site(scratch)
    outsider = Outsider(site)
    programs = site.programs()
    gateway = programs["gateway"]
    for number in range(20):
        gateway.event(source="ids", title=f"扫描 {number}", asset=f"host-{number % 10}", severity="high")
    eventually(lambda: sum(incident["event_count"] for incident in gateway.incidents()) == 20, "all events are counted", 20)
    early = gateway.incidents()[0]
    gateway.do(early["id"], "note", {"text": "looked at"}).expect(200)
    gateway.do(early["id"], "close", {"resolution": "resolved", "reason": "a scan of ours"}).expect(200)
    eventually(lambda: outsider.table() == _as_shown(gateway), "the table is what the API shows", 20, 0.5)
    # What a deposed owner writes late is put right, and so is what was written while nobody was there.
    partition = _partition_of(outsider, early["id"])
    outsider.overwrite(early, partition)
    eventually(lambda: outsider.table() == _as_shown(gateway), "an older version is put right", 20, 0.5)
    programs["response"].stop()
    outsider.overwrite(early, partition)
    shutil.rmtree(programs["response"].home / "response")
    programs["response"].start()
    eventually(lambda: outsider.table() == _as_shown(gateway), "and by one who made its state anew", 20, 0.5)
    programs["response"].stop()
    topics_clear(site, "tocsin.incidents")
    programs["response"].start()
    eventually(lambda: outsider.table() == _as_shown(gateway), "a topic made anew is filled again", 20, 0.5)


def _partition_of(outsider, id):
    lines = outsider.run("-C", "-t", "tocsin.incidents", "-o", "beginning", "-e", "-f", "%k %p\n").splitlines()
    return next(int(partition) for key, partition in map(str.split, lines) if key == id)
