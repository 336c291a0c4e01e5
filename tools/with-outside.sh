#!/bin/bash
# Runs a command beside a real Kafka and a real Redis of its own, and stops both however it ends:
#
#   tools/with-outside.sh [--optional] COMMAND…
#
# The command finds TOCSIN_TEST_KAFKA_BROKERS, TOCSIN_TEST_REDIS_URL and TOCSIN_TEST_OUTSIDE: the directory for
# `tools/outside.sh kill|start kafka|redis`. Where the first two are given already those servers are used and left
# alone, and there is no TOCSIN_TEST_OUTSIDE, so that nobody kills them. Exit code: the command's; 3 where something is
# not installed. With --optional the command then runs without the variables.
set -uo pipefail
optional=
[[ ${1:-} == --optional ]] && optional=yes && shift
[[ $# -gt 0 ]] || { echo 'usage: tools/with-outside.sh [--optional] COMMAND…' >&2 && exit 2; }
[[ -n ${TOCSIN_TEST_KAFKA_BROKERS:-} && -n ${TOCSIN_TEST_REDIS_URL:-} ]] && exec "$@"
tools=$(cd "$(dirname "$0")" && pwd)
unset TOCSIN_TEST_KAFKA_BROKERS TOCSIN_TEST_REDIS_URL TOCSIN_TEST_OUTSIDE

for name in kafka redis; do
	if ! "$tools/outside.sh" need "$name"; then
		[[ -n $optional ]] || exit 3
		echo 'with-outside: without Kafka and Redis: tests that need them are skipped' >&2
		exec "$@"
	fi
done

# In memory where there is a gigabyte of it: what is tested is what becomes of a broker that ends or stands still when a test says
# so, and a disk that stands still for half a minute because images were built just before is not that.
base=${TMPDIR:-/tmp}
[[ -w /dev/shm && $(df --output=avail -k /dev/shm | tail -n 1) -gt 1048576 ]] && base=/dev/shm
outside=$(mktemp -d "$base/tocsin-outside.XXXXXX")
clear_away() {
	trap '' INT TERM HUP
	"$tools/outside.sh" kill kafka "$outside"
	"$tools/outside.sh" kill redis "$outside"
	rm -rf "$outside"
}

# Outlives a SIGKILL for this script, so that not even then anything stays behind.
(
	trap '' INT TERM HUP
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	[[ -d $outside ]] && clear_away
) </dev/null >/dev/null 2>&1 &
trap clear_away EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

started=$(date +%s%N)
for name in redis kafka; do
	if ! address=$("$tools/outside.sh" start "$name" "$outside"); then
		tail -n 30 "$outside/$name/log" | sed 's/^/        /' >&2
		exit 1
	fi
	printf -v "$name" '%s' "$address"
done
echo "with-outside: Kafka at $kafka, Redis at $redis after $((($(date +%s%N) - started) / 1000000)) ms" >&2
export TOCSIN_TEST_KAFKA_BROKERS=$kafka TOCSIN_TEST_REDIS_URL=redis://$redis/0 TOCSIN_TEST_OUTSIDE=$outside

# In the background and waited for, since only so a signal is acted upon before the command ends.
"$@" <&0 &
command=$!
trap 'kill -TERM $command 2>/dev/null; wait $command; exit 130' INT
trap 'kill -TERM $command 2>/dev/null; wait $command; exit 143' TERM HUP
wait $command
