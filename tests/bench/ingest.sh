#!/usr/bin/env bash
# Compares durable POSTs with bare ulfius (default mode, jansson parse, nothing stored), alternately in one run; medians of
# five. Compare the ratios, not the absolute figures, because machines are noisy. MODE=kafka: tocsin-gateway on a Kafka of
# this run; all its replicas acknowledge the record before the 202. The broker is loaded before the measurement until its
# throughput stops rising, because a broker whose Java is not compiled yet reaches a quarter of it. Settings: BENCH_SECONDS
# (3), BENCH_CONNECTIONS (16 64 256), BENCH_WARM (at most so many seconds of warm-up on Kafka, 120).
. "$(dirname "$0")/tools/lib.sh"
with_kafka
need wrk wrk
tool fsync_time
# shellcheck disable=SC2046 # flags, a word each
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
load() { # PORT CONNECTIONS: "requests/s p99_us errors"
	wrk -t2 -c"$2" -d"${BENCH_SECONDS:-3}s" --latency -s tests/bench/post.lua "http://127.0.0.1:$1" | sed -n 's/^RESULT //p'
}
warm_up() { # in slices, until three in a row exceed the best rate by at most 2 %
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
