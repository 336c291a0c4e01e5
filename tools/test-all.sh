#!/bin/bash
# Every part of the tests, plain and then with sanitizers. PARTS="unit edge" plays those alone, FLAVOURS=plain (or sanitized) that
# flavour alone, MORE="lint image fresh" other targets before them. Says at its end what was skipped, and why; the last line holds the
# totals. Fails when anything failed, and, with STRICT=1, when anything was skipped that is not in a part of MAY_SKIP.
set -uo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL
export -n PARTS FLAVOURS MORE # for this script, not for a part that calls it
base=$BUILD
sanitizers=address,undefined
passed=0 failed=0 skipped=0 unwanted=0
whys=()

# part FLAVOUR-BUILD-DIRECTORY NAME MAKE-VARIABLES…
part() {
	local directory=$1 name=$2 target=test-$2 began=$SECONDS ok bad skip
	shift 2
	[[ $name == lint ]] && target=lint
	rm -f "$directory/results/$name" "$directory/results/$name.skipped"
	make --no-print-directory WERROR=1 BUILD="$base" "$@" "$target"
	if ! read -r ok bad skip <"$directory/results/$name"; then
		echo "FAILED  $name did not come to its tests"
		ok=0 bad=1 skip=0
	fi 2>/dev/null
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	if [[ $skip -gt 0 ]]; then
		whys+=("$(cat "$directory/results/$name.skipped" 2>/dev/null || echo "$name: no reason was given")")
		[[ " ${MAY_SKIP:-} " == *" $name "* ]] || unwanted=$((unwanted + skip))
	fi
	echo "---- $name: $((SECONDS - began)) s"
}

asked() { [[ " ${PARTS:-$1} " == *" $1 "* ]]; }
flavour() { [[ " ${FLAVOURS:-plain sanitized} " == *" $1 "* ]]; }

for name in ${MORE:-}; do
	part "$base" "$name"
done
if flavour plain; then
	for name in checks model unit fuzz contract edge simulation bugs scenario scenario-distributed; do
		asked $name && part "$base" $name
	done
fi
if flavour sanitized; then
	echo "---- again, with -fsanitize=$sanitizers"
	export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1} UBSAN_OPTIONS=print_stacktrace=1
	for name in unit fuzz contract edge simulation scenario; do
		asked $name && part "$base-${sanitizers//,/-}" $name SAN=$sanitizers
	done
fi

echo
if [[ $skipped -gt 0 ]]; then
	echo "SKIPPED, $skipped in all:"
	printf '%s\n' "${whys[@]}" | sed 's/^/  /'
fi
[[ ${STRICT:-} == 1 && $unwanted -gt 0 ]] && echo "STRICT=1: $unwanted skipped tests count as failures"
mkdir -p "$base/results"
echo "$passed passed, $failed failed, $skipped skipped" | tee "$base/results/totals"
((passed + failed + skipped > 0)) || echo "no test was played: PARTS='${PARTS:-}' FLAVOURS='${FLAVOURS:-}' MORE='${MORE:-}'"
[[ $failed -eq 0 && $((passed + skipped)) -gt 0 && ! (${STRICT:-} == 1 && $unwanted -gt 0) ]]
