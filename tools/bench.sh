#!/bin/bash
# Runs one measurement: tests/bench/NAME.sh, else the program made of tests/bench/NAME.c, beside a Kafka and a Redis. A Kafka
# that is started for it has Java's thorough compiler, as a broker at work has.
set -euo pipefail
export KAFKA_JAVA=${KAFKA_JAVA-}
name=$1
if [[ -f tests/bench/$name.sh ]]; then
	exec bash "tests/bench/$name.sh"
elif [[ -x ${BUILD:-build}/tests/bench/$name ]]; then
	exec tools/with-outside.sh "${BUILD:-build}/tests/bench/$name"
fi
echo "tocsin: there is no measurement '$name'; there are: $(cd tests/bench && ls | sed 's/\.[a-z]*$//' | sort -u | tr '\n' ' ')" >&2
exit 2
