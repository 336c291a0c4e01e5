#!/bin/bash
# The simulation must find each bug that can be built into the runtime (shared/base/bugs.h) within a minute, by a broken invariant
# or a service that stops. tests/simulation/flow_test, the same program without a bug, must find nothing.
set -uo pipefail
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in $(printf '%s\n' "$BUILD"/bugs/flow-* | sort -V); do
	start=$(date +%s%N)
	BROKEN=1 SEEDS=${SEEDS:-20000} timeout 60 "$program" >"$log" 2>&1
	code=$?
	finding=$(grep -m 1 '^seed\|assert\|must' "$log" | cut -c1-150)
	if [[ $code -ne 0 && $code -ne 124 && -n $finding ]]; then
		passed=$((passed + 1)) word=ok
	else
		failed=$((failed + 1)) word=FAILED
	fi
	printf '%-7s bug %2d found in %6d ms: %s\n' $word "${program##*-}" $((($(date +%s%N) - start) / 1000000)) "$finding"
done
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 && $passed -gt 0 ]]
