#!/bin/bash
# Runs the distributed mode on one machine until Ctrl-C: Kafka, Redis and the six programs.
#
#   TOCSIN_KAFKA_BROKERS, TOCSIN_REDIS_URL   servers that run already; without them, servers with their files in TOCSIN_HOME/distributed
#                                            are started, and stopped at the end
#   KAFKA=mock                               a broker in memory, which needs no Java; its records are lost at the end
#   TOCSIN_LISTEN (127.0.0.1:8080)           the gateway's address; the other programs listen on 127.0.0.1 at the next five ports
#   TOCSIN_HOME (./var)
#   TOCSIN_ADMIN_KEY                         without it, TOCSIN_HOME/admin.key, which is created if it is missing
#
# A program that ends is not restarted: all other programs are ended, and the exit code is that of the program that ended first,
# or 1 if that is 0. Exit code 3: a package or a server is missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
: "${BUILD:=build}" "${KAFKA:=}"
export BUILD
programs=(audit notification response classification intake gateway)
declare -A port_offsets=([intake]=1 [classification]=2 [response]=3 [notification]=4 [audit]=5) # added to the gateway's port
base=${TOCSIN_HOME:-./var}
home=$base/distributed
declare -A pids=()
own_kafka="" own_redis="" mock="" ending=""

say() { echo "run-distributed: $*" >&2; }

fail() { # EXIT-CODE MESSAGE
	say "$2"
	exit "$1"
}

# ---- the end: the programs end before Kafka and Redis, which they need to finish
signal_programs() {
	local pid
	for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
}

end() {
	local code=$? name ended
	trap - EXIT
	ending=yes
	trap signal_programs INT TERM HUP # a second signal makes the programs end at once
	[[ ${#pids[@]} -gt 0 ]] && say 'ending: the programs finish the requests in progress'
	signal_programs
	for name in "${!pids[@]}"; do
		while kill -0 "${pids[$name]}" 2>/dev/null; do wait "${pids[$name]}"; done
		wait "${pids[$name]}"
		ended=$?
		[[ $ended -ne 0 ]] && say "tocsin-$name ended with exit code $ended"
		[[ $code -eq 0 ]] && code=$ended
	done
	trap '' INT TERM HUP
	[[ -n $mock ]] && kill -TERM "$mock" 2>/dev/null
	[[ -n $own_redis ]] && tools/outside.sh stop redis "$home"
	[[ -n $own_kafka ]] && tools/outside.sh stop kafka "$home"
	[[ -n $mock ]] && rm -rf "$home"
	rm -f "$home"/*.ready
	say 'ended'
	exit "$code"
}

# ---- Kafka and Redis
start_mock() {
	local address=$home/mock-address
	[[ -x $BUILD/tests/support/kafka/mock_kafka ]] ||
		fail 3 'the mock broker is not built: run make run-distributed KAFKA=mock'
	exec 7> >(exec setsid "$BUILD/tests/support/kafka/mock_kafka" "$address" >/dev/null)
	mock=$!
	until [[ -s $address ]]; do
		kill -0 "$mock" 2>/dev/null || fail 3 'the mock broker ended during its start'
		sleep 0.05
	done
	export TOCSIN_KAFKA_BROKERS TOCSIN_KAFKA_REPLICAS=1
	TOCSIN_KAFKA_BROKERS=$(<"$address")
	# The mock broker does not answer a waiting fetch when a record arrives, and is slow to detect that a member of a group is gone.
	local options=fetch.wait.max.ms=10,session.timeout.ms=6000,heartbeat.interval.ms=1000
	export TOCSIN_KAFKA_OPTIONS=${TOCSIN_KAFKA_OPTIONS:-$options}
}

start_kafka() {
	local address
	say "starting Kafka with its files in $home/kafka"
	address=$(KAFKA_JAVA=${KAFKA_JAVA-} tools/outside.sh start kafka "$home" 8>&-) || exit $?
	own_kafka=yes
	export TOCSIN_KAFKA_BROKERS=$address TOCSIN_KAFKA_REPLICAS=1
	say "Kafka listens on $address"
}

start_redis() {
	local address
	address=$(tools/outside.sh start redis "$home" 8>&-) || exit $?
	own_redis=yes
	export TOCSIN_REDIS_URL=redis://$address/0
	say "Redis listens on $address"
}

# Reports missing packages before anything is started.
check_needs() {
	if [[ -z ${TOCSIN_REDIS_URL:-} ]]; then
		INSTEAD=TOCSIN_REDIS_URL tools/outside.sh need redis || exit 3
	fi
	if [[ -z ${TOCSIN_KAFKA_BROKERS:-} && $KAFKA != mock ]]; then
		INSTEAD='TOCSIN_KAFKA_BROKERS or KAFKA=mock' tools/outside.sh need kafka || exit 3
	fi
}

start_outside() {
	[[ -z ${TOCSIN_REDIS_URL:-} ]] && start_redis
	if [[ $KAFKA == mock ]]; then
		start_mock
	else
		[[ -z ${TOCSIN_KAFKA_BROKERS:-} ]] && start_kafka
		"$BUILD/bin/tocsin" topics apply >"$home/topics.log" || exit $?
		say "$(tail -n 1 "$home/topics.log")"
	fi
}

# ---- the programs
prepare_key() {
	[[ -n ${TOCSIN_ADMIN_KEY:-} || -n ${TOCSIN_ADMIN_KEY_FILE:-} ]] && return
	export TOCSIN_ADMIN_KEY_FILE=$base/admin.key
	[[ -s $base/admin.key ]] && return
	(umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$base/admin.key" && echo >>"$base/admin.key")
}

# Prints a program's messages with its name, and writes the address of its ready line to a file. Leaves out the gateway's greeting,
# because the path of the admin key in it is not the one used here.
relay() { # NAME
	local line quiet=
	trap '' INT TERM HUP
	while IFS= read -r line; do
		[[ $line == 'Report '*: ]] && quiet=yes
		[[ $line == tocsin* ]] && quiet=
		[[ -n $line && -z $quiet ]] && printf '%-14s %s\n' "$1" "$line" >&2
		[[ $line == *': ready on '* ]] && echo "${line##* }" >"$home/$1.ready"
	done
}

name_lines() { # NAME
	trap '' INT TERM HUP
	exec sed -u "s/^/$(printf '%-14s ' "$1")/"
}

# If the gateway's port is 0, every program listens on a free port.
launch() { # NAME
	local listen=() port=${TOCSIN_LISTEN:-127.0.0.1:8080}
	port=${port##*:}
	if [[ $1 != gateway ]]; then
		[[ $port =~ ^[1-9][0-9]{0,4}$ ]] && ((port += port_offsets[$1]))
		listen=(-u TOCSIN_OPS_LISTEN TOCSIN_LISTEN="127.0.0.1:$port")
	fi
	# In a separate session: Ctrl-C ends this script, which stops the programs in order. The programs also end when this script
	# is killed.
	setpriv --pdeathsig TERM setsid env "${listen[@]}" TOCSIN_HOME="$home" "$BUILD/bin/tocsin-$1" \
		</dev/null > >(name_lines "$1") 2> >(relay "$1") 7>&- 8>&- &
	pids[$1]=$!
}

# Called for a program that has ended. Unless this script is already ending, ends it and with it all programs.
ended_alone() { # NAME
	local code
	wait "${pids[$1]}"
	code=$?
	unset "pids[$1]"
	[[ -n $ending ]] && return
	say "tocsin-$1 ended with exit code $code: all programs end"
	exit $((code == 0 ? 1 : code))
}

check_alive() {
	local name
	for name in "${!pids[@]}"; do
		kill -0 "${pids[$name]}" 2>/dev/null || ended_alone "$name"
	done
}

not_ready() {
	local name
	for name in "${programs[@]}"; do
		[[ -s $home/$name.ready ]] || printf ' %s' "$name"
	done
}

await_ready() {
	local tenths=0
	while [[ -n $(not_ready) ]]; do
		check_alive
		sleep 0.1
		((++tenths % 50 == 0)) && say "waiting until these are ready:$(not_ready)"
	done
}

greet() {
	local key="\$(cat '$base/admin.key')" url
	url=$(<"$home/gateway.ready")
	[[ -n ${TOCSIN_ADMIN_KEY:-} ]] && key='$TOCSIN_ADMIN_KEY'
	[[ -n ${TOCSIN_ADMIN_KEY_FILE:-} ]] && key="\$(cat '$TOCSIN_ADMIN_KEY_FILE')"
	cat >&2 <<-END

		Six programs on Kafka at $TOCSIN_KAFKA_BROKERS. State in $home. Ctrl-C ends everything.

		Report an event:
		  curl -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
		    -d '{"source":"hand","title":"Ransom note on the file server","severity":"critical"}' $url/v1/events
		Show the incident:
		  curl -H "Authorization: Bearer $key" '$url/v1/incidents?limit=1'

		run-distributed: ready on $url
	END
}

# The ports of the other programs, and the links in messages, follow from the gateway's port.
check_listen() {
	local port=${TOCSIN_LISTEN##*:}
	[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || return
	((port + ${#port_offsets[@]} < 65536)) || fail 2 "TOCSIN_LISTEN has port $port, and the five ports after $port are needed too: use a port up to 65530"
	export TOCSIN_PUBLIC_URL=${TOCSIN_PUBLIC_URL:-http://127.0.0.1:$port}
}

# ---- the run
[[ $KAFKA == '' || $KAFKA == mock ]] || fail 2 "KAFKA is '$KAFKA': leave it unset or set it to mock; TOCSIN_KAFKA_BROKERS names brokers"
[[ -n ${TOCSIN_LISTEN:-} ]] && check_listen
[[ $KAFKA == mock ]] && home=$base/distributed-mock
check_needs
(umask 077 && mkdir -p "$home")
exec 8>"$home/run.lock"
flock -n 8 || fail 3 "another make run-distributed uses $home: stop it, or set TOCSIN_HOME to another directory"
trap end EXIT
trap 'exit 0' INT TERM HUP

rm -f "$home"/*.ready
prepare_key
start_outside
say 'starting the six programs'
for name in "${programs[@]}"; do launch "$name"; done
await_ready
greet
while true; do
	wait -n "${pids[@]}" 2>/dev/null
	check_alive
done
