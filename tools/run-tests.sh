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

# As many at once as there are cores: units, and of edges those that neither measure time closely nor kill what they share.
is_beside() { # PROGRAM
	[[ $part == unit || $part/$(basename "$1") =~ ^edge/(bus_(crash|kafka|keep|sqlite|)_?|export_)test$ ]]
}

# One program: its line, and its counts in FILE for the sum.
play() { # PROGRAM FILE
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
		echo "        exit code $code; the end of $log:"
		tail -n 40 "$log" | sed 's/^/        /'
	fi
	echo "$ok $bad $skip" >"$2"
}

counts=$(mktemp -d)
trap 'rm -rf "$counts"' EXIT
number=0
alone=()
for program in "$@"; do
	if ! is_beside "$program"; then
		alone+=("$program")
		continue
	fi
	file=$counts/$((++number))
	[[ $number -gt $(nproc) ]] && wait -n
	(play "$program" "$file" >"$file.said" && cat "$file.said") &
done
wait
for program in "${alone[@]}"; do
	play "$program" "$counts/$((++number))"
done

for ((i = 1; i <= number; i++)); do
	read -r ok bad skip <"$counts/$i" || ok=0 bad=1 skip=0
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	[[ -e $counts/$i.skipped ]] && cat "$counts/$i.skipped" >>"$results/$part.skipped"
done
echo "$passed $failed $skipped" >"$results/$part"
[[ -e $results/$part.skipped ]] && cat "$results/$part.skipped"
echo "$part: $passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]] || exit 1
if [[ ${STRICT:-} == 1 && $skipped -gt 0 && " ${MAY_SKIP:-} " != *" $part "* ]]; then
	echo "$part: with STRICT=1 nothing may be skipped"
	exit 1
fi
