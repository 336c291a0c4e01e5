#!/bin/bash
# Starts a Kafka and a Redis, runs a command with them, and stops both when the command ends for any reason:
#
#   tools/with-outside.sh [--optional] COMMAND…
#
# Sets TOCSIN_TEST_KAFKA_BROKERS, TOCSIN_TEST_REDIS_URL and TOCSIN_TEST_OUTSIDE, the directory for `tools/outside.sh kill|start
# kafka|redis`. If the first two are set already, this script starts no server and sets no variable: without TOCSIN_TEST_OUTSIDE no
# test kills a server. The exit code is that of the command; 1 if a server does not start; 3 if a package is not installed. With
# --optional, a missing package is no error: the command runs without the variables.
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
		echo 'with-outside: Kafka and Redis cannot be started: tests that need them are skipped' >&2
		exec "$@"
	fi
done

# The servers' files are in memory if a gigabyte is free. A disk may stall for half a minute, for example after an image build; the
# servers must stall only when a test stalls them.
base=${TMPDIR:-/tmp}
[[ -w /dev/shm && $(df --output=avail -k /dev/shm | tail -n 1) -gt 1048576 ]] && base=/dev/shm
outside=$(mktemp -d "$base/tocsin-outside.XXXXXX")
clean_up() {
	trap '' INT TERM HUP
	"$tools/outside.sh" kill kafka "$outside"
	"$tools/outside.sh" kill redis "$outside"
	rm -rf "$outside"
}

# Cleans up even after this script is killed by SIGKILL.
(
	trap '' INT TERM HUP
	while kill -0 $$ 2>/dev/null; do sleep 1; done
	[[ -d $outside ]] && clean_up
) </dev/null >/dev/null 2>&1 &
trap clean_up EXIT
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
echo "with-outside: Kafka listens on $kafka, Redis on $redis, after $((($(date +%s%N) - started) / 1000000)) ms" >&2
export TOCSIN_TEST_KAFKA_BROKERS=$kafka TOCSIN_TEST_REDIS_URL=redis://$redis/0 TOCSIN_TEST_OUTSIDE=$outside

# Runs the command in the background: bash runs a trap during `wait`, but not during a command in the foreground.
"$@" <&0 &
command=$!
trap 'kill -TERM $command 2>/dev/null; wait $command; exit 130' INT
trap 'kill -TERM $command 2>/dev/null; wait $command; exit 143' TERM HUP
wait $command
