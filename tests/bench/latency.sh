#!/usr/bin/env bash
# Measures the time from the POST of an event to its webhook, at 100 events/s; each event opens an incident. Measures
# `tocsin serve`, then six programs on a Kafka and a Redis that are started for this run, and prints the ratios.
# Settings: BENCH_SECONDS (20), BENCH_RATE (100).
set -euo pipefail
cd "$(dirname "$0")/../.."
exec tools/with-outside.sh "${PYTHON:-python3}" tests/bench/tools/latency.py
