#!/bin/bash
# Runs Apache Kafka (one KRaft broker) and Redis on 127.0.0.1, with all their files in one directory:
#
#   tools/outside.sh start kafka|redis DIRECTORY   starts the server if it does not run, waits until it answers, prints HOST:PORT
#   tools/outside.sh stop kafka|redis DIRECTORY    stops the server with SIGTERM
#   tools/outside.sh kill kafka|redis DIRECTORY    kills the server with SIGKILL, like a crash; start uses the same port again
#   tools/outside.sh need kafka|redis              prepares start (downloads Kafka's jars by Maven, once)
#
# DIRECTORY/NAME/pid holds the process id, DIRECTORY/NAME/port the port, DIRECTORY/NAME/log the output. Exit code 3: a package is not
# installed; the message names the settings in INSTEAD, which name servers that run already. KAFKA_VERSION selects another version
# of Kafka, KAFKA_JAVA other options of its Java. By default Java uses only its fast compiler, because tests end before the
# optimising compiler pays off. For longer use (measurements, make run-distributed) KAFKA_JAVA is empty.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${BUILD:=build}" "${KAFKA_VERSION:=4.1.1}" "${KAFKA_JAVA=-XX:TieredStopAtLevel=1}" "${START_SECONDS:=60}"
: "${INSTEAD:=TOCSIN_TEST_KAFKA_BROKERS and TOCSIN_TEST_REDIS_URL}"
jars=$(realpath -m "$BUILD/kafka/$KAFKA_VERSION")

fail() { # EXIT-CODE MESSAGE
	echo "outside: $2" >&2
	exit "$1"
}

installed() { # COMMAND PACKAGE
	command -v "$1" >/dev/null || fail 3 "$1 is not installed: apt-get install $2, or set $INSTEAD"
}

# ---- packages --------------------------------------------------------------------------------------------------------
need_redis() { installed redis-server redis-server; }

# If there are several concurrent callers, one of them downloads Kafka and the others wait.
need_kafka() {
	installed java openjdk-17-jre-headless
	[[ -e $jars/complete ]] && return
	installed mvn maven
	mkdir -p "$jars"
	(
		flock 9
		[[ -e $jars/complete ]] && exit
		echo "outside: downloading Apache Kafka $KAFKA_VERSION by Maven, once" >&2
		mvn -q -B -f tests/support/kafka/pom.xml -Dkafka.version="$KAFKA_VERSION" dependency:copy-dependencies \
			-DoutputDirectory="$jars" >"$jars/log" 2>&1 && touch "$jars/complete"
	) 9>"$jars/lock" || fail 3 "Maven could not download Apache Kafka $KAFKA_VERSION: see $jars/log"
}

# ---- processes and ports --------------------------------------------------------------------------------------------
# The working directory identifies the process: a process that has ended has none, even before its parent collects it, and a new
# process with the same id has another directory.
alive() { [[ $(readlink "/proc/$1/cwd") == "$home" ]]; }

running() { [[ -s $home/pid ]] && alive "$(<"$home/pid")"; }

taken() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a free port below the range of ephemeral ports, from which the system assigns ports to clients.
free_port() {
	local port
	for port in $(shuf -i 20000-29999 -n 50); do
		taken "$port" || { echo "$port" && return; }
	done
	fail 1 'no free port found on 127.0.0.1'
}

# Keeps the port of the previous start, unless another process uses it.
choose_port() { # FILE
	if [[ ! -s $1 ]] || taken "$(<"$1")"; then
		free_port >"$1"
	fi
}

# Starts a server in a separate session: Ctrl-C then ends only the caller, which may need the server for a clean stop.
launch() {
	cd "$home"
	setsid "$@" </dev/null >>log 2>&1 &
	echo $! >"$home/pid"
}

await() { # NAME
	local deadline=$((SECONDS + START_SECONDS))
	until answers_"$1" "$(<"$home/port")"; do
		running || fail 1 "$1 ended during its start; the last lines of $home/log: $(tail -n 3 "$home/log" | tr '\n' ' ')"
		((SECONDS < deadline)) || fail 1 "$1 does not answer after $START_SECONDS s: see $home/log"
		sleep 0.1
	done
}

end() { # SIGNAL
	running || return 0
	local pid deadline=$((SECONDS + 30))
	pid=$(<"$home/pid")
	kill -"$1" "$pid" 2>/dev/null || true
	while alive "$pid"; do
		((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
		sleep 0.05
	done
	rm -f "$home/pid"
}

# ---- Redis -----------------------------------------------------------------------------------------------------------
launch_redis() {
	launch redis-server --port "$(<"$home/port")" --bind 127.0.0.1 --dir "$home" --appendonly yes --save '' \
		--maxmemory-policy noeviction --daemonize no
}

answers_redis() { [[ $(ask "$1" 'PING\r\n' 7 2>/dev/null) == *50' '4f* ]]; } # "PO" of "+PONG"

# ---- Kafka -----------------------------------------------------------------------------------------------------------
# Prints settings for a small broker. The short session timeout lets a killed broker start again at once instead of after 15 s.
kafka_settings() {
	cat <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.voters=1@127.0.0.1:$(<"$home/controller-port")
		listeners=PLAINTEXT://127.0.0.1:$(<"$home/port"),CONTROLLER://127.0.0.1:$(<"$home/controller-port")
		advertised.listeners=PLAINTEXT://127.0.0.1:$(<"$home/port")
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		controller.listener.names=CONTROLLER
		log.dirs=$home/data
		broker.session.timeout.ms=2000
		broker.heartbeat.interval.ms=500
		auto.create.topics.enable=false
		default.replication.factor=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=4
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=1
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		group.initial.rebalance.delay.ms=0
		group.min.session.timeout.ms=1000
		log.cleaner.threads=1
		log.cleaner.dedupe.buffer.size=8388608
		log.cleaner.io.buffer.size=131072
		num.network.threads=2
		num.io.threads=4
		num.partitions=1
	END
}

kafka() { # HEAP CLASS ARGUMENT…
	local heap=$1
	shift
	# Java's statistics and unpacked libraries stay in the server's directory, which may be in memory: writing them to a slow disk would
	# block all of its threads.
	# shellcheck disable=SC2086 # each word is an option
	exec java -XX:+PerfDisableSharedMem -Xms64m -Xmx"$heap" -XX:+UseSerialGC $KAFKA_JAVA -Djava.awt.headless=true \
		-Djava.io.tmpdir="$home" \
		-Dorg.slf4j.simpleLogger.defaultLogLevel="${KAFKA_LOG_LEVEL:-warn}" \
		-Dorg.slf4j.simpleLogger.showDateTime=true '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS' \
		-cp "$jars/*" "$@"
}

launch_kafka() {
	choose_port "$home/controller-port"
	kafka_settings >"$home/settings"
	if [[ ! -e $home/data/meta.properties ]]; then
		(kafka 64m kafka.tools.StorageTool format -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | tr -d =)" \
			-c "$home/settings") >"$home/log" 2>&1 || fail 1 "Kafka's storage cannot be formatted: see $home/log"
	fi
	export -f kafka
	export home jars KAFKA_JAVA
	launch bash -c 'kafka 256m kafka.Kafka "$1"' bash "$home/settings"
}

# Sends a metadata request (version 1, no topics). If the answer lists one broker, the broker is registered with the controller
# and serves.
answers_kafka() {
	[[ $(ask "$1" '\0\0\0\x10\0\x03\0\x01\0\0\0\x01\0\x02up\0\0\0\0' 12 2>/dev/null) == *' 00 00 00 01 00 00 00 01' ]]
}

# Sends BYTES and prints the first COUNT bytes of the answer in hexadecimal.
ask() { # PORT BYTES COUNT
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return
	printf "$2" >&3
	timeout 2 head -c "$3" <&3 | od -An -v -tx1
}

# ---------------------------------------------------------------------------------------------------------------------
action=${1:-} name=${2:-}
[[ $name == kafka || $name == redis ]] || fail 2 'usage: tools/outside.sh start|stop|kill|need kafka|redis [DIRECTORY]'
[[ $action == need || -n ${3:-} ]] || fail 2 "DIRECTORY is missing: name the directory for the files of $name"
mkdir -p "${3:-$BUILD}"
home=$(cd "${3:-$BUILD}" && pwd)/$name

case $action in
need) need_"$name" ;;
start)
	need_"$name"
	mkdir -p "$home"
	if ! running; then
		choose_port "$home/port"
		launch_"$name"
	fi
	await "$name"
	echo "127.0.0.1:$(<"$home/port")"
	;;
stop) end TERM ;;
kill) end KILL ;;
*) fail 2 'usage: tools/outside.sh start|stop|kill|need kafka|redis [DIRECTORY]' ;;
esac
