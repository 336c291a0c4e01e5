#!/bin/bash
# Runs each target on its corpus; the targets `event` and `document` also run on the examples of proto/.
set -uo pipefail
failed=0
for target in "$BUILD"/tests/fuzz/*_fuzz; do
	name=$(basename "$target" _fuzz)
	directories=("tests/fuzz/corpus/$name")
	[[ $name == event || $name == document ]] && directories+=(proto/examples/valid proto/examples/invalid)
	if ! "$target" "${directories[@]}" 2>"$BUILD/tests/fuzz/$name.log"; then
		echo "$name: failed on the last of these files:"
		tail -n 20 "$BUILD/tests/fuzz/$name.log"
		failed=1
	fi
done
exit $failed
