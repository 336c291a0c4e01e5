#!/bin/bash
# Runs the programs of one part of the tests, a line each, and leaves "passed failed skipped" in $BUILD/results/PART, and why
# something was skipped in $BUILD/results/PART.skipped. Understands cmocka's summary and lines "N passed, N failed, N skipped". A
# program that fails without saying so, or that reports no test at all, counts as a failure. With STRICT=1 a skipped test fails the
# part, unless MAY_SKIP names it: "image fresh" where the machine is known to run no containers.
set -uo pipefail
# A script that calls make of itself names what it wants, and finds it built.
unset MAKEFLAGS MFLAGS MAKELEVEL SAN STEPS
part=$1
shift
results=$BUILD/results
mkdir -p "$results/logs"
rm -f "$results/$part" "$results/$part.skipped"
passed=0 failed=0 skipped=0
: "${TEST_TIMEOUT_SECONDS:=900}"
[[ $part == scenario* || $part == lint ]] && shown=yes || shown= # as it goes, since each of its lines takes a while

# Sums the last number on each line that fits a pattern: one line a group in cmocka, one a script.
count() { sed -n "$1" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# The lines of a log that say what was skipped, and why where that is said.
skipped_of() { sed -nE '/^[0-9]+ passed, /d; /(^| )skipped[,:] /p; s/^\[  SKIPPED \] ([a-z].*)/\1/p' "$1" | awk '!seen[$0]++'; }

run() {
	case $1 in
	*.py) "$PYTHON" "$1" ;;
	*) "./$1" ;;
	esac
}
export -f run
export PYTHON BUILD

for program in "$@"; do
	name=$(basename "$program")
	log=$results/logs/$part-$name.log
	start=$(date +%s%N)
	if [[ $shown ]]; then
		timeout -k 10 "$TEST_TIMEOUT_SECONDS" bash -c 'run "$1"' bash "$program" 2>&1 | tee "$log"
	else
		timeout -k 10 "$TEST_TIMEOUT_SECONDS" bash -c 'run "$1"' bash "$program" >"$log" 2>&1
	fi
	code=$?
	ok=$(($(count 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^\([0-9]*\) passed, .*/\1/p' "$log")))
	bad=$(($(count 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^.* passed, \([0-9]*\) failed.*/\1/p' "$log")))
	skip=$(($(count 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^.* failed, \([0-9]*\) skipped.*/\1/p' "$log")))
	[[ $bad -eq 0 && ($code -ne 0 || $((ok + skip)) -eq 0) ]] && bad=1
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	word=ok
	[[ $bad -gt 0 ]] && word=FAILED
	printf '%-7s %-40s %4d passed %3d failed %3d skipped %6d ms\n' $word "$part/$name" $ok $bad $skip $((($(date +%s%N) - start) / 1000000))
	[[ $skip -gt 0 ]] && skipped_of "$log" | sed "s|^|$part/$name: |" >>"$results/$part.skipped"
	if [[ $bad -gt 0 && -z $shown ]]; then
		echo "        exit code $code; the end of $log:"
		tail -n 40 "$log" | sed 's/^/        /'
	fi
done

echo "$passed $failed $skipped" >"$results/$part"
[[ -e $results/$part.skipped ]] && cat "$results/$part.skipped"
echo "$part: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]] || exit 1
if [[ ${STRICT:-} == 1 && $skipped -gt 0 && " ${MAY_SKIP:-} " != *" $part "* ]]; then
	echo "$part: with STRICT=1 nothing may be skipped"
	exit 1
fi
