"""See tests/bench/latency.sh."""

import concurrent.futures
import json
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/scenario"))
from harness import Scratch, eventually  # noqa: E402
from installation import Site  # noqa: E402

SECONDS, RATE = float(os.environ.get("BENCH_SECONDS", "20")), int(os.environ.get("BENCH_RATE", "100"))
WARM = 1500  # events before the measurement: a new Kafka is slow for ten seconds and still gets faster for a minute
RULES = 'rules: [{id: all, when: [], then: {kind: incident, category: "01007", importance: essential, loss: grave}}]\n'
LEVELS = 'policies: [{id: one, when: {kinds: [incident]}, team: soc, levels: [{after_seconds: 0, notify: ["channel:webhook"]}]}]\n'
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def received(receiver):
    return {json.loads(request["body"])["data"]["incident"]["asset"]: request["at"] for request in list(receiver.requests)}


def send(gateway, name, count, rate, pool):
    """Sends each event at its scheduled time, without waiting for earlier ones; returns {asset: time of sending}."""
    sent, began = {}, time.monotonic()

    def one(number):
        asset = f"{name}-{number}"
        sent[asset] = time.monotonic()
        gateway.event(id=asset, asset=asset, severity="high")
    waiting = []
    for number in range(count):
        time.sleep(max(0, began + number / rate - time.monotonic()))
        waiting.append(pool.submit(one, number))
    for each in waiting:
        each.result()
    return sent


def measure(mode, scratch):
    receiver = scratch.receiver()
    settings = {"TOCSIN_POLICY": scratch.pack(rules=RULES, escalation=LEVELS), "TOCSIN_WEBHOOK_URL": receiver.url,
                "TOCSIN_EGRESS_ALLOW": "127.0.0.1/32", "TOCSIN_LOG_LEVEL": "error"}
    servers = {"tocsin": scratch.server(**settings)} if mode == "embedded" else Site(scratch, partitions=12, **settings).programs()
    gateway = servers.get("gateway") or servers["tocsin"]
    idle = {name: server.rss_kib() for name, server in servers.items()}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        warm = send(gateway, "warm", WARM, RATE, pool)
        eventually(lambda: len(received(receiver)) == len(warm), "the webhooks of the warm-up", 30, 0.1)
        before = sum(cpu_seconds(server) for server in servers.values())
        sent = send(gateway, "event", int(SECONDS * RATE), RATE, pool)
    eventually(lambda: len(received(receiver)) == len(warm) + len(sent), "all webhooks", 30, 0.1)
    at = received(receiver)
    took = sorted((at[asset] - when) * 1000 for asset, when in sent.items())
    resident = ", ".join(f"{name} {idle[name] / 1024:.0f}/{server.rss_kib() / 1024:.0f}" for name, server in servers.items())
    print(f"resident in MiB, idle/loaded: {resident}; together {sum(idle.values()) / 1024:.0f}/"
          f"{sum(server.rss_kib() for server in servers.values()) / 1024:.0f}")
    spent = sum(cpu_seconds(server) for server in servers.values()) - before
    return {"p50": took[len(took) // 2], "p95": took[len(took) * 95 // 100], "p99": took[len(took) * 99 // 100], "max": took[-1],
            "cpu": spent / len(sent) * 1000, "count": len(took)}


def main():
    binary, found = ROOT / os.environ.get("BUILD", "build") / "bin/tocsin", {}
    for mode in ("embedded", "distributed"):
        scratch = Scratch(binary)
        try:
            found[mode] = measure(mode, scratch)
        finally:
            scratch.dispose()
    print(f"{'POST to webhook, ms':<20} {'events':>7} {'p50':>8} {'p95':>8} {'p99':>8} {'max':>8} {'CPU ms/event':>13}")
    for mode, row in found.items():
        print(f"{mode:<20} {row['count']:>7} {row['p50']:>8.1f} {row['p95']:>8.1f} {row['p99']:>8.1f} {row['max']:>8.1f} {row['cpu']:>13.2f}")
    print(f"{'ratio':<20} {'':>7} " + " ".join(f"{found['distributed'][part] / found['embedded'][part]:>8.2f}" for part in ("p50", "p95", "p99", "max")))


main()
