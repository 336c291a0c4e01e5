#!/usr/bin/env bash
# Measures durable POSTs and bare ulfius (default mode, parses with jansson, stores nothing) in turn, five times each, and prints
# the medians. Compare the ratios, not the absolute figures, because machines are noisy.
#
# MODE=kafka measures tocsin-gateway on a Kafka that is started for this run; all replicas of Kafka acknowledge the record before
# the 202. Before the measurement, the broker is loaded until its throughput stops rising: a broker whose Java code is not compiled
# yet reaches only a quarter of its full throughput.
#
# Settings: BENCH_SECONDS (3), BENCH_CONNECTIONS (16 64 256), BENCH_WARM (120, the longest warm-up on Kafka in seconds).
. "$(dirname "$0")/tools/lib.sh"
with_kafka
need wrk wrk
tool fsync_time
# shellcheck disable=SC2046 # each word is a flag
tool bare_ulfius $(pkg-config --cflags --libs libulfius jansson) -lpthread
"$scratch/fsync_time" "$scratch"
server_start
sleep 1
echo "resident, idle: $(rss_kib "$server") KiB"
reference_port=$((port > 60000 ? port - 1000 : port + 1000))
"$scratch/bare_ulfius" "$reference_port" >"$scratch/reference.log" &
reference=$!
trap 'kill $reference 2>/dev/null; finish' EXIT
until grep -q ready "$scratch/reference.log"; do sleep 0.02; done
BENCH_KEY=$(cat "$scratch/home/admin.key")
export BENCH_KEY
load() { # PORT CONNECTIONS: prints "requests/s p99_us errors"
	wrk -t2 -c"$2" -d"${BENCH_SECONDS:-3}s" --latency -s tests/bench/post.lua "http://127.0.0.1:$1" | sed -n 's/^RESULT //p'
}
warm_up() { # loads the server in slices, until three slices in a row have not raised the best rate by more than 2 %
	local slice=5 most=0 rate steady=0 began=$SECONDS
	while ((steady < 3 && SECONDS - began + slice <= ${BENCH_WARM:-120})); do
		rate=$(BENCH_SECONDS=$slice load "$port" 64 | cut -d' ' -f1)
		if ((rate > most + most / 50)); then
			most=$rate steady=0
		else
			steady=$((steady + 1))
		fi
	done
	echo "warmed the broker up for $((SECONDS - began)) s, to $most requests/s"
}
if [[ ${MODE:-embedded} == kafka ]]; then warm_up; fi
printf '%-12s %12s %12s %7s %10s %8s\n' connections ulfius/s tocsin/s ratio p99_ms refused
for connections in ${BENCH_CONNECTIONS:-16 64 256}; do
	: >"$scratch/a"; : >"$scratch/b"
	for _ in 1 2 3 4 5; do
		load "$reference_port" "$connections" >>"$scratch/a"
		load "$port" "$connections" >>"$scratch/b"
	done
	a=$(cut -d' ' -f1 "$scratch/a" | median)
	b=$(cut -d' ' -f1 "$scratch/b" | median)
	p99=$(cut -d' ' -f2 "$scratch/b" | median)
	errors=$(awk '{n+=$3} END{print n}' "$scratch/b")
	printf '%-12s %12s %12s %7s %10s %8s\n' "$connections" "$a" "$b" "$(awk "BEGIN{printf \"%.2f\", $b/$a}")" \
		"$(awk "BEGIN{printf \"%.1f\", $p99/1000}")" "$errors"
done
echo "resident after the load: $(rss_kib "$server") KiB, peak $(peak_kib "$server") KiB"
