# shellcheck shell=bash disable=SC2034 # read by the scripts that source it
# Shared by the measurements: a scratch directory, a server on a free port, and the compilation of helper programs. To be sourced.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
BUILD=${BUILD:-build}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/tocsin-bench.XXXXXX")
server=
finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait 2>/dev/null || true
	rm -rf "$scratch"
}
trap finish EXIT

need() { command -v "$1" >/dev/null || { echo "bench: $1 is missing (Debian package: $2)" >&2; exit 3; }; }

tool() { # NAME [LIBRARIES …]: compiles tests/bench/tools/NAME.c
	local name=$1
	shift
	"${CC:-cc}" -O2 -std=c11 -D_GNU_SOURCE "tests/bench/tools/$name.c" -o "$scratch/$name" "$@"
}

# With MODE=kafka, starts a Kafka and a Redis and restarts the calling script with them; server_start then runs tocsin-gateway in
# place of `tocsin serve`.
with_kafka() {
	[[ ${MODE:-embedded} == kafka && -z ${TOCSIN_TEST_KAFKA_BROKERS:-} ]] || return 0
	exec tools/with-outside.sh bash "$0"
}

kafka_prepare() {
	export TOCSIN_KAFKA_BROKERS=$TOCSIN_TEST_KAFKA_BROKERS TOCSIN_KAFKA_REPLICAS=1
	unset "${!TOCSIN_TEST_@}" # the programs would warn about these variables, because they are not settings
	TOCSIN_ADMIN_KEY=$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
	export TOCSIN_ADMIN_KEY
	echo "$TOCSIN_ADMIN_KEY" >"$scratch/home/admin.key"
	"$BUILD/bin/tocsin" topics apply >/dev/null
}

server_start() { # starts tocsin in $scratch/home; sets server, port
	local began ready command=("$BUILD/bin/tocsin" serve)
	mkdir -p "$scratch/home"
	if [[ ${MODE:-embedded} == kafka ]]; then
		kafka_prepare
		command=("$BUILD/bin/tocsin-gateway")
	fi
	began=$(date +%s%N)
	TOCSIN_HOME=$scratch/home TOCSIN_LISTEN=127.0.0.1:0 TOCSIN_LOG_LEVEL=error "${command[@]}" \
		>"$scratch/server.log" 2>"$scratch/server.err" &
	server=$!
	until ready=$(grep -o 'ready on http://.*' "$scratch/server.err"); do
		kill -0 "$server" || { cat "$scratch/server.err" >&2; exit 1; }
		sleep 0.005
	done
	echo "start-up to ready, empty home: $((($(date +%s%N) - began) / 1000000)) ms"
	port=${ready##*:}
}

rss_kib() { awk '/^VmRSS/{print $2}' "/proc/$1/status"; }
peak_kib() { awk '/^VmHWM/{print $2}' "/proc/$1/status"; }

median() { sort -n | awk '{a[NR]=$1} END{print a[int((NR+1)/2)]}'; }
