#!/bin/bash
# Runs one measurement: bench.sh NAME runs tests/bench/NAME.sh, or the program of tests/bench/NAME.c with a Kafka and a Redis. A Kafka
# that is started for it uses all of Java's compilers, as a broker in production does.
set -euo pipefail
export KAFKA_JAVA=${KAFKA_JAVA-}
name=$1
if [[ -f tests/bench/$name.sh ]]; then
	exec bash "tests/bench/$name.sh"
elif [[ -x ${BUILD:-build}/tests/bench/$name ]]; then
	exec tools/with-outside.sh "${BUILD:-build}/tests/bench/$name"
fi
echo "bench: no measurement is named '$name': use one of $(cd tests/bench && ls | sed 's/\.[a-z]*$//' | sort -u | tr '\n' ' ')" >&2
exit 2
