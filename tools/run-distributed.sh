#!/bin/bash
# The distributed mode on one machine: Kafka, Redis and the six programs, until Ctrl-C.
#
#   TOCSIN_KAFKA_BROKERS, TOCSIN_REDIS_URL   servers that run already; else real ones are started, their files below
#                                            TOCSIN_HOME/distributed, and stopped at the end
#   KAFKA=mock                               a broker in memory, for a machine without Java: all is gone at the end
#   TOCSIN_LISTEN (127.0.0.1:8080)           the gateway's; the others' are on 127.0.0.1 at the five ports after it
#   TOCSIN_HOME (./var), TOCSIN_ADMIN_KEY (else TOCSIN_HOME/admin.key, made if missing)
#
# A program that dies ends them all, with its exit code: here it is better seen than restarted. Exit code 3: something
# that is needed is not here.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
: "${BUILD:=build}" "${KAFKA:=}"
export BUILD
programs=(audit notification response classification intake gateway)
declare -A ports_on=([intake]=1 [classification]=2 [response]=3 [notification]=4 [audit]=5) # from the gateway's, as by default
base=${TOCSIN_HOME:-./var}
home=$base/distributed
declare -A pids=()
own_kafka="" own_redis="" mock="" ending=""

say() { echo "run-distributed: $*" >&2; }

fail() { # CODE SENTENCE
	say "$2"
	exit "$1"
}

# ---- the end, whatever the reason: programs first, since they drain into Kafka and Redis
signal_programs() {
	local pid
	for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null; done
}

end() {
	local code=$? name ended
	trap - EXIT
	ending=yes
	trap signal_programs INT TERM HUP # a second time: they end at once
	[[ ${#pids[@]} -gt 0 ]] && say 'ending: the programs finish what they have begun'
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
		fail 3 'the mock broker is not built: make run-distributed KAFKA=mock'
	exec 7> >(exec setsid "$BUILD/tests/support/kafka/mock_kafka" "$address" >/dev/null)
	mock=$!
	until [[ -s $address ]]; do
		kill -0 "$mock" 2>/dev/null || fail 3 'the mock broker does not start'
		sleep 0.05
	done
	export TOCSIN_KAFKA_BROKERS TOCSIN_KAFKA_REPLICAS=1
	TOCSIN_KAFKA_BROKERS=$(<"$address")
	# It wakes nobody who waits for a record, and is slow to notice that a member of a group is gone.
	local patience=fetch.wait.max.ms=10,session.timeout.ms=6000,heartbeat.interval.ms=1000
	export TOCSIN_KAFKA_OPTIONS=${TOCSIN_KAFKA_OPTIONS:-$patience}
}

start_kafka() {
	local address
	say "starting Kafka, its files in $home/kafka"
	address=$(KAFKA_JAVA=${KAFKA_JAVA-} tools/outside.sh start kafka "$home" 8>&-) || exit $?
	own_kafka=yes
	export TOCSIN_KAFKA_BROKERS=$address TOCSIN_KAFKA_REPLICAS=1
	say "Kafka is at $address"
}

start_redis() {
	local address
	address=$(tools/outside.sh start redis "$home" 8>&-) || exit $?
	own_redis=yes
	export TOCSIN_REDIS_URL=redis://$address/0
	say "Redis is at $address"
}

# What is missing is said before anything is started.
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

# What it says to people, with its name; the address of its ready line goes into a file. Its greeting would name the key
# otherwise than this script does.
listen() { # NAME
	local line quiet=
	trap '' INT TERM HUP
	while IFS= read -r line; do
		[[ $line == 'Report something:' ]] && quiet=yes
		[[ $line == tocsin* ]] && quiet=
		[[ -n $line && -z $quiet ]] && printf '%-14s %s\n' "$1" "$line" >&2
		[[ $line == *': ready on '* ]] && echo "${line##* }" >"$home/$1.ready"
	done
}

name_lines() { # NAME
	trap '' INT TERM HUP
	exec sed -u "s/^/$(printf '%-14s ' "$1")/"
}

# Where the gateway's port is any that is free, so are the others'.
launch() { # NAME
	local listen=() port=${TOCSIN_LISTEN:-127.0.0.1:8080}
	port=${port##*:}
	if [[ $1 != gateway ]]; then
		[[ $port =~ ^[1-9][0-9]{0,4}$ ]] && ((port += ports_on[$1]))
		listen=(-u TOCSIN_OPS_LISTEN TOCSIN_LISTEN="127.0.0.1:$port")
	fi
	# In a session of its own: a Ctrl-C is for this script, which ends them in order. They end too where it is killed.
	setpriv --pdeathsig TERM setsid env "${listen[@]}" TOCSIN_HOME="$home" "$BUILD/bin/tocsin-$1" \
		</dev/null > >(name_lines "$1") 2> >(listen "$1") 7>&- 8>&- &
	pids[$1]=$!
}

# The first program that ended by itself ends all.
gone() { # NAME
	local code
	wait "${pids[$1]}"
	code=$?
	unset "pids[$1]"
	[[ -n $ending ]] && return
	say "tocsin-$1 ended with exit code $code, so all end"
	exit $((code == 0 ? 1 : code))
}

check_alive() {
	local name
	for name in "${!pids[@]}"; do
		kill -0 "${pids[$name]}" 2>/dev/null || gone "$name"
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
		((++tenths % 50 == 0)) && say "waiting for:$(not_ready)"
	done
}

greet() {
	local key="\$(cat '$base/admin.key')" url
	url=$(<"$home/gateway.ready")
	[[ -n ${TOCSIN_ADMIN_KEY:-} ]] && key='$TOCSIN_ADMIN_KEY'
	[[ -n ${TOCSIN_ADMIN_KEY_FILE:-} ]] && key="\$(cat '$TOCSIN_ADMIN_KEY_FILE')"
	cat >&2 <<-END

		Six programs on Kafka at $TOCSIN_KAFKA_BROKERS. State in $home. Ctrl-C ends everything.

		Report something:
		  curl -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \\
		    -d '{"source":"hand","title":"Ransom note on the file server","severity":"critical"}' $url/v1/events
		See what became of it:
		  curl -H "Authorization: Bearer $key" '$url/v1/incidents?limit=1'

		run-distributed: ready on $url
	END
}

# The others' ports follow the gateway's, and so do the links in what people are sent.
check_listen() {
	local port=${TOCSIN_LISTEN##*:}
	[[ $port =~ ^[1-9][0-9]{0,4}$ ]] || return
	((port + ${#ports_on[@]} < 65536)) || fail 2 "TOCSIN_LISTEN: the five ports after $port are needed too; take one up to 65530"
	export TOCSIN_PUBLIC_URL=${TOCSIN_PUBLIC_URL:-http://127.0.0.1:$port}
}

# ---- all of it, in turn
[[ $KAFKA == '' || $KAFKA == mock ]] || fail 2 'KAFKA is unset or mock; brokers are named by TOCSIN_KAFKA_BROKERS'
[[ -n ${TOCSIN_LISTEN:-} ]] && check_listen
[[ $KAFKA == mock ]] && home=$base/distributed-mock
check_needs
(umask 077 && mkdir -p "$home")
exec 8>"$home/run.lock"
flock -n 8 || fail 3 "another make run-distributed uses $home: end it, or set TOCSIN_HOME"
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
