#!/bin/bash
# Searches the model: the protocol without a bug must keep every invariant, and each seeded bug must be found. Prints a line for
# each search, with the number of states. Needs spin and cc.
set -uo pipefail
cd "$(dirname "$0")" || exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export work

# search NAME EXPECT MODEL "FLAGS OF SPIN" "FLAGS OF CC" "FLAGS OF THE SEARCH"; EXPECT: right if no invariant may
# be broken, wrong if the search must find an error
search() {
	local name=$1 expect=$2 model=$3 directory=$work/$1 start errors states found=right
	start=$(date +%s%N)
	mkdir -p "$directory"
	cp "$model" "$directory" && cd "$directory" || return 1
	{ spin $4 -a "$model" && cc -w $5 -o pan pan.c && timeout 300 ./pan -m20000 $6; } >log 2>&1
	errors=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' log)
	states=$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' log)
	# If the search left out states, its result proves nothing.
	grep -q 'max search depth too small\|out of memory' log && errors=
	[[ ${errors:-0} -gt 0 ]] && found=wrong
	if [[ -n $errors && $found == "$expect" ]]; then
		echo ok >verdict
	else
		echo FAILED >verdict
		tail -n 15 log
	fi
	printf '%-7s %-34s %10s states %6d ms   %s\n' "$(cat verdict)" "$name" "${states:-no}" \
		$((($(date +%s%N) - start) / 1000000)) "$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' log)"
}
export -f search

thorough='-O2 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048'
quick='-O0 -DSAFETY -DVECTORSZ=2048'
cycles='-O2 -DNP -DNOFAIR -DCOLLAPSE -DVECTORSZ=2048'
searches() {
	local bug
	printf '%s|' ownership-one-of-each right ownership.pml '' "$thorough" -w23
	printf '%s|' ownership-comes-to-rest right ownership.pml '-DCRASHES=0' "$cycles" '-l -w20'
	printf '%s|' ownership-two-moves right ownership.pml '-DMOVES=2 -DCRASHES=0' "$thorough" -w22
	printf '%s|' ownership-unwanted-claim right ownership.pml '-DROGUES=1 -DFAULTS=0' "$thorough" -w22
	for bug in {1..12}; do
		printf '%s|' ownership-bug-$bug wrong ownership.pml "-DBUG=$bug" "$quick" -w20
	done
}
searches | xargs -d '|' -n 6 -P 2 bash -c 'search "$@"' bash
passed=$(grep -lx ok "$work"/*/verdict | wc -l)
all=$(find "$work" -mindepth 1 -maxdepth 1 -type d | wc -l)
echo "$passed passed, $((all - passed)) failed, 0 skipped"
[[ $passed -eq $all && $all -gt 0 ]]
