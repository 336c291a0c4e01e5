#!/bin/bash
# Runs every part of the tests, plain and then with sanitizers. PARTS="unit edge" restricts the run to these parts, FLAVOURS=plain (or
# sanitized) to one flavour; MORE="lint image fresh" runs other targets first. Prints the time of each part beside its limit in
# tests/budget; at the end the parts over their limits, the skipped tests with their reasons and, in the last line, the totals. Fails
# when a test failed. With STRICT=1 also fails when a test was skipped, unless MAY_SKIP names its part, and when the run exceeds the
# total of tests/budget. INSTALL_SECONDS is the time that the caller took to install packages; it counts towards the total.
set -uo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL
export -n PARTS FLAVOURS MORE INSTALL_SECONDS # a part that runs this script again must not inherit these variables
base=$BUILD
sanitizers=address,undefined
passed=0 failed=0 skipped=0 unwanted=0 late=0
reasons=() warnings=()

declare -A limits=() # seconds, by part
while read -r name seconds; do
	limits[$name]=$seconds
done < <(awk '/^[a-z]/ { printf "%s %d\n", $1, $2 * 60 }' tests/budget)

# Prints a measured time beside its limit. Returns 1 if the time exceeds the limit.
timed() { # NAME SECONDS
	local limit=${limits[$1]:-}
	echo "---- $1: $2 s${limit:+ of $limit s}"
	if [[ -z $limit ]]; then
		warnings+=("budget: $1 took $2 s and has no line in tests/budget")
	elif [[ $2 -gt $limit ]]; then
		warnings+=("budget: $1 took $2 s, $(($2 - limit)) s more than tests/budget allows")
		return 1
	fi
}

# Compiles the programs. If this fails, the parts that need the programs fail, and report it.
build() { # FLAVOUR-SUFFIX MAKE-VARIABLES…
	local suffix=$1 began=$SECONDS
	shift
	make --no-print-directory WERROR=1 BUILD="$base" "$@" build && timed "build$suffix" $((SECONDS - began))
}

part() { # BUILD-DIRECTORY NAME FLAVOUR-SUFFIX MAKE-VARIABLES…
	local directory=$1 name=$2 suffix=$3 target=test-$2 began=$SECONDS ok bad skip
	shift 3
	[[ $name == lint ]] && target=lint
	rm -f "$directory/results/$name" "$directory/results/$name.skipped"
	make --no-print-directory WERROR=1 BUILD="$base" "$@" "$target"
	if ! read -r ok bad skip <"$directory/results/$name"; then
		echo "FAILED  $name ended before its tests"
		ok=0 bad=1 skip=0
	fi 2>/dev/null
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [[ $skip -gt 0 ]]; then
		reasons+=("$(cat "$directory/results/$name.skipped" 2>/dev/null || echo "$name: no reason given")")
		[[ " ${MAY_SKIP:-} " == *" $name "* ]] || unwanted=$((unwanted + skip))
	fi
	timed "$name$suffix" $((SECONDS - began))
}

selected() { [[ " ${PARTS:-$1} " == *" $1 "* ]]; }
flavour() { [[ " ${FLAVOURS:-plain sanitized} " == *" $1 "* ]]; }

[[ -n ${INSTALL_SECONDS:-} ]] && timed install "$INSTALL_SECONDS"
if flavour plain || [[ -n ${MORE:-} ]]; then
	build ''
fi
for name in ${MORE:-}; do
	part "$base" "$name" ''
done
if flavour plain; then
	for name in checks model unit fuzz contract edge simulation bugs scenario scenario-distributed; do
		selected $name && part "$base" $name ''
	done
fi
if flavour sanitized; then
	echo "---- again, with -fsanitize=$sanitizers"
	export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1} UBSAN_OPTIONS=print_stacktrace=1
	# These scenarios run the code of every service, in both modes: `programs` starts the six programs on Kafka.
	export SCENARIO_FILES=${SCENARIO_FILES-start flow input stop webhook mail kill programs}
	build /sanitized SAN=$sanitizers
	for name in unit fuzz contract edge simulation scenario; do
		selected $name && part "$base-${sanitizers//,/-}" $name /sanitized SAN=$sanitizers
	done
fi

echo
timed total $((SECONDS + ${INSTALL_SECONDS:-0})) || late=1
[[ ${#warnings[@]} -eq 0 ]] || printf '%s\n' "${warnings[@]}"
if [[ $skipped -gt 0 ]]; then
	echo "SKIPPED, $skipped in all:"
	printf '%s\n' "${reasons[@]}" | sed 's/^/  /'
fi
if [[ ${STRICT:-} == 1 ]]; then
	[[ $unwanted -gt 0 ]] && echo "STRICT=1: $unwanted skipped tests count as failures"
	[[ $late -gt 0 ]] && echo "STRICT=1: a run over the total of tests/budget counts as a failure"
else
	unwanted=0 late=0
fi
mkdir -p "$base/results"
echo "$passed passed, $failed failed, $skipped skipped" | tee "$base/results/totals"
((passed + failed + skipped > 0)) || echo "no test ran: PARTS='${PARTS:-}' FLAVOURS='${FLAVOURS:-}' MORE='${MORE:-}' name no part"
[[ $failed -eq 0 && $((passed + skipped)) -gt 0 && $unwanted -eq 0 && $late -eq 0 ]]
