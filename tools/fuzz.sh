#!/bin/bash
# Searches for inputs that break a parser: fuzz.sh TARGETS…, which are programs with libFuzzer. Inputs that reach new code are kept in
# $BUILD/fuzz/NAME, inputs that break the parser in $BUILD/fuzz/NAME.broken-*. FUZZ_SECONDS (60) is the search time of each target.
set -euo pipefail
for target in "$@"; do
	name=$(basename "$target")
	found=$BUILD/fuzz/$name seeds=("tests/fuzz/corpus/$name")
	[[ $name == event || $name == document ]] && seeds+=(proto/examples/valid proto/examples/invalid)
	mkdir -p "$found"
	echo "fuzz: $name, ${FUZZ_SECONDS:=60} s"
	"$target" -max_total_time="$FUZZ_SECONDS" -timeout=5 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 \
		-artifact_prefix="$found.broken-" "$found" "${seeds[@]}" 2>&1 | grep -E '^(SUMMARY|stat::(number_of_exec|average|new_units|peak)|==|Test unit|artifact)|DONE' || true
	if compgen -G "$found.broken-*" >/dev/null; then
		echo "fuzz: an input breaks $name: $(compgen -G "$found.broken-*" | head -n 1)" >&2
		exit 1
	fi
done
