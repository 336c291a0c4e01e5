#!/bin/bash
# Runs the programs of one part of the tests and prints a line for each: run-tests.sh PART PROGRAMS…. Writes "passed failed skipped" to
# $BUILD/results/PART and the reasons of skipped tests to $BUILD/results/PART.skipped. Reads cmocka's summary and lines "N passed, N
# failed, N skipped". A program that exits with an error but reports no failure, or that reports no test, counts as one failure. With
# STRICT=1 a skipped test fails the part, unless MAY_SKIP names the part: "image fresh" for a machine that can run no containers. The
# last line holds the counts and the wall time, without compilation.
set -uo pipefail
# Tests that run make must not inherit these variables: they pass variables themselves, and their targets are already built.
unset MAKEFLAGS MFLAGS MAKELEVEL SAN STEPS
began=$(date +%s%N)
part=$1
shift
results=$BUILD/results
mkdir -p "$results/logs"
rm -f "$results/$part" "$results/$part.skipped"
passed=0 failed=0 skipped=0
: "${TEST_TIMEOUT_SECONDS:=900}"
[[ $part == scenario* || $part == lint ]] && shown=yes || shown= # shows the output while the program runs: each line takes seconds

# Sums the number that the pattern captures on each matching line: cmocka prints one line for each group of tests, a script only
# one line.
count() { sed -n "$1" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

# The lines of a log that name a skipped test, with the reason if there is one.
skipped_of() { sed -nE '/^[0-9]+ passed, /d; /(^| )skipped[,:] /p; s/^\[  SKIPPED \] ([a-z].*)/\1/p' "$1" | awk '!seen[$0]++'; }

run() {
	case $1 in
	*.py) "$PYTHON" "$1" ;;
	*) "./$1" ;;
	esac
}
export -f run
export PYTHON BUILD

# True for a program that may run in parallel with others, one on each core: all programs of the part unit, and those of edge that
# neither measure short times nor kill a shared server.
is_parallel() { # PROGRAM
	[[ $part == unit || $part/$(basename "$1") =~ ^edge/(bus_(crash|kafka|keep|sqlite|)_?|export_)test$ ]]
}

# Runs one program, prints its line and writes its counts to FILE.
run_and_count() { # PROGRAM FILE
	local name log start code ok bad skip word=ok
	name=$(basename "$1")
	log=$results/logs/$part-$name.log
	start=$(date +%s%N)
	if [[ $shown ]]; then
		timeout -k 10 "$TEST_TIMEOUT_SECONDS" bash -c 'run "$1"' bash "$1" 2>&1 | tee "$log"
	else
		timeout -k 10 "$TEST_TIMEOUT_SECONDS" bash -c 'run "$1"' bash "$1" >"$log" 2>&1
	fi
	code=$?
	ok=$(($(count 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^\([0-9]*\) passed, .*/\1/p' "$log")))
	bad=$(($(count 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^.* passed, \([0-9]*\) failed.*/\1/p' "$log")))
	skip=$(($(count 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$log") + $(count 's/^.* failed, \([0-9]*\) skipped.*/\1/p' "$log")))
	[[ $bad -eq 0 && ($code -ne 0 || $((ok + skip)) -eq 0) ]] && bad=1
	[[ $bad -gt 0 ]] && word=FAILED
	printf '%-7s %-40s %4d passed %3d failed %3d skipped %6d ms\n' $word "$part/$name" $ok $bad $skip $((($(date +%s%N) - start) / 1000000))
	[[ $skip -gt 0 ]] && skipped_of "$log" | sed "s|^|$part/$name: |" >"$2.skipped"
	if [[ $bad -gt 0 && -z $shown ]]; then
		echo "        exit code $code; the last lines of $log:"
		tail -n 40 "$log" | sed 's/^/        /'
	fi
	echo "$ok $bad $skip" >"$2"
}

counts=$(mktemp -d)
trap 'rm -rf "$counts"' EXIT
number=0
alone=()
for program in "$@"; do
	if ! is_parallel "$program"; then
		alone+=("$program")
		continue
	fi
	file=$counts/$((++number))
	[[ $number -gt $(nproc) ]] && wait -n
	(run_and_count "$program" "$file" >"$file.output" && cat "$file.output") &
done
wait
for program in "${alone[@]}"; do
	run_and_count "$program" "$counts/$((++number))"
done

for ((i = 1; i <= number; i++)); do
	read -r ok bad skip <"$counts/$i" || ok=0 bad=1 skip=0
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	[[ -e $counts/$i.skipped ]] && cat "$counts/$i.skipped" >>"$results/$part.skipped"
done
echo "$passed $failed $skipped" >"$results/$part"
[[ -e $results/$part.skipped ]] && cat "$results/$part.skipped"
tenths=$((($(date +%s%N) - began) / 100000000))
echo "$part: $passed passed, $failed failed, $skipped skipped in $((tenths / 10)).$((tenths % 10)) s"
[[ $failed -eq 0 ]] || exit 1
if [[ ${STRICT:-} == 1 && $skipped -gt 0 && " ${MAY_SKIP:-} " != *" $part "* ]]; then
	echo "$part: STRICT=1: $skipped skipped tests count as failures"
	exit 1
fi
