#!/usr/bin/env bash
# From an event's POST to the webhook at its receiver, 100 events a second, each an incident of its own: embedded, then six
# programs on a Kafka and a Redis of this run; the ratios of both. Settings: BENCH_SECONDS (20), BENCH_RATE (100).
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/with-outside.sh "${PYTHON:-python3}" tests/bench/tools/latency.py
