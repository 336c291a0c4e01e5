"""Stop by signals: everything accepted is kept."""

import signal
import threading
import time

from harness import check, check_equal, eventually


def _check_kept_after(scratch, number):
    server = scratch.server()
    event = server.incident_of(server.event(title="Ransomware on FS1", severity="critical"))
    report = server.incident_of(server.report())
    server.do(report["id"], "note", {"text": "seen"}).expect(200)
    before = {i["id"]: server.incident(i["id"]) for i in (event, report)}
    timelines = {id: [e for e in server.timeline(id) if e["type"] != "delivery"] for id in before}
    began = time.monotonic()
    check_equal(server.end(number), 0, "exit code")
    scratch.note(f"stopped in {(time.monotonic() - began) * 1000:.0f} ms")
    server.start()
    for id, incident in before.items():
        after = server.incident(id)
        check(after["version"] >= incident["version"], "a version fell")
        check_equal([e for e in server.timeline(id) if e["type"] != "delivery"][:len(timelines[id])], timelines[id], "the timeline")
    server.do(report["id"], "close", {"resolution": "resolved", "reason": "found"}).expect(200)
    check_equal(server.command("check", "ledger").returncode, 0, "exit code of check ledger")


def everything_accepted_survives_sigterm(scratch):
    _check_kept_after(scratch, signal.SIGTERM)


def everything_accepted_survives_sigint(scratch):
    _check_kept_after(scratch, signal.SIGINT)


def a_deleted_view_is_rebuilt(scratch):
    server = scratch.server()
    incident = server.incident_of(server.report())
    server.do(incident["id"], "note", {"text": "seen"}).expect(200)
    server.stop()
    removed = [path for path in server.home.glob("*/*.db*")]
    check(removed, "no state file exists")
    for path in removed:
        path.unlink()
    server.start()
    found = server.incident_where(incident["id"], lambda i: i["version"] >= incident["version"] + 1, "the incident is shown again")
    check_equal(found["number"], incident["number"], "number")
    check("noted" in [e["type"] for e in server.timeline(incident["id"])], "the note is lost")
    server.do(incident["id"], "close", {"resolution": "resolved", "reason": "found"}).expect(200)


def readyz_answers_503_during_the_drain_delay(scratch):
    server = scratch.server(TOCSIN_DRAIN_DELAY_MS=1500)
    server.get("/readyz", key=None).expect(200)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/readyz", key=None).status == 503, "/readyz answers 503", seconds=1)
    server.get("/livez", key=None).expect(200)
    server.event(title="accepted during the drain delay")
    check_equal(server.process.wait(15), 0, "exit code")


def a_second_signal_ends_the_server_at_once(scratch):
    server = scratch.server(TOCSIN_DRAIN_DELAY_MS=60000)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: server.get("/readyz", key=None).status == 503, "/readyz answers 503", seconds=2)
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    check_equal(server.process.wait(30), -signal.SIGTERM, "exit code")
    check(time.monotonic() - began < 20, "the server waited for the drain delay of 60 s")


def events_accepted_during_a_stop_are_counted(scratch):
    server = scratch.server()
    accepted, stopping = [], threading.Event()

    def send():
        while True:
            try:
                answer = server.post("/v1/events", {"source": "load", "title": "repeat"}, timeout=5)
            except OSError:
                return
            if answer.status == 202:
                accepted.append(answer.json["id"])
            elif stopping.is_set():
                return

    server.key  # reads the key from its file before the threads start
    address = server.url
    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)  # lets the load run
    stopping.set()
    server.stop()
    for thread in threads:
        thread.join()
    check(address and accepted, "nothing was accepted")
    server.start()
    # A connection may end after the commit and before its 202: one more event may be counted for each sender.
    eventually(lambda: len(accepted) <= sum(i["event_count"] for i in server.incidents()) <= len(accepted) + len(threads),
               f"{len(accepted)} events are counted")
    scratch.note(f"{len(accepted)} events")
