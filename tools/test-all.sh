#!/bin/bash
# Every part of the tests, plain and then with sanitizers; PARTS="unit edge" plays those alone. The last line holds the totals;
# fails when anything failed, and, with STRICT=1, when anything was skipped.
set -uo pipefail
unset MAKEFLAGS MFLAGS MAKELEVEL
base=$BUILD
sanitizers=address,undefined
passed=0 failed=0 skipped=0

# part FLAVOUR-BUILD-DIRECTORY NAME MAKE-VARIABLES…
part() {
	local directory=$1 name=$2 ok bad skip
	shift 2
	[[ " ${PARTS:-$name} " == *" $name "* ]] || return
	rm -f "$directory/results/$name"
	make --no-print-directory WERROR=1 BUILD="$base" "$@" "test-$name"
	if ! read -r ok bad skip <"$directory/results/$name"; then
		echo "FAILED  $name did not come to its tests"
		ok=0 bad=1 skip=0
	fi 2>/dev/null
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
}

for name in checks model unit fuzz contract edge simulation bugs scenario scenario-distributed; do
	part "$base" $name
done
echo "---- again, with -fsanitize=$sanitizers"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1} UBSAN_OPTIONS=print_stacktrace=1
for name in unit fuzz contract edge simulation scenario; do
	part "$base-${sanitizers//,/-}" $name SAN=$sanitizers
done

echo
[[ ${STRICT:-} == 1 && $skipped -gt 0 ]] && echo "STRICT=1: $skipped skipped tests count as failures"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 && ! (${STRICT:-} == 1 && $skipped -gt 0) ]]
