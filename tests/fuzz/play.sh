#!/bin/bash
# Each target is given its corpus; those that read what senders post also get the examples of proto/.
set -uo pipefail
failed=0
for target in "$BUILD"/tests/fuzz/*_fuzz; do
	name=$(basename "$target" _fuzz)
	directories=("tests/fuzz/corpus/$name")
	[[ $name == event || $name == document ]] && directories+=(proto/examples/valid proto/examples/invalid)
	if ! "$target" "${directories[@]}" 2>"$BUILD/tests/fuzz/$name.log"; then
		echo "$name: broken by the last of these:"
		tail -n 20 "$BUILD/tests/fuzz/$name.log"
		failed=1
	fi
done
exit $failed
