#!/bin/bash
# A fresh clone in an empty container: README's two commands and what it says to type while the first one runs, as they stand
# there, on a Debian that has make, curl and nothing else of ours. `make test` plays the parts of PARTS in the flavours of FLAVOURS,
# since the rest of it is what continuous integration runs anyway; PARTS= FLAVOURS= plays them all, as README types it: what the
# container cannot reach or do is skipped then, and counted. Where no container can be run, this is skipped, with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/container.sh
container_need
parts=${PARTS-checks unit} flavours=${FLAVOURS-plain}
container=tocsin-fresh-$$
scratch=$(mktemp -d)
clear_away() {
	podman rm --force --time 0 "$container" >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap clear_away EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# What git would bring, with what is changed and not committed yet.
tree=$scratch/tocsin
git clone -q --no-hardlinks . "$tree"
git diff --binary HEAD | git -C "$tree" apply --allow-empty
git ls-files -z --others --exclude-standard | xargs -0r cp --parents -t "$tree"

# README's first block without a language names the two commands; those with curl are for another shell.
commands() { awk '/^```$/ { block++; next } block == 1 { print $1, $2 }' README.md; }
shell_blocks() { awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md; }
[[ $(commands) == $'make run\nmake test' ]] || {
	say "README's two commands are no longer 'make run' and 'make test': $(commands | tr '\n' ';')"
	exit 1
}
{
	echo 'set -euo pipefail'
	shell_blocks
} >"$scratch/typed.sh"

inside() { podman exec "$container" "$@"; }
podman run -d --name "$container" --network host --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
	--volume "$scratch:$scratch" --workdir "$tree" --env DEBIAN_FRONTEND=noninteractive "$base" sleep infinity >/dev/null
inside bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends make curl ca-certificates' >"$BUILD/fresh-empty.log" 2>&1 ||
	skip "the container reaches no packages: $(tail -n 1 "$BUILD/fresh-empty.log")"

passed=0 failed=0
verdict() { # WHAT EXIT-CODE LOG
	if (($2 == 0)); then
		passed=$((passed + 1))
		say "$1: ok, $((SECONDS - began)) s"
	else
		failed=$((failed + 1))
		say "$1: FAILED, $((SECONDS - began)) s; the end of what it said:"
		tail -n 40 "$3" | sed 's/^/        /'
	fi
	began=$SECONDS
}
address() { sed -n 's/^tocsin: ready on //p' "$scratch/run.log"; }

began=$SECONDS
inside env TOCSIN_LISTEN=127.0.0.1:0 make run >"$scratch/run.log" 2>&1 &
run=$!
until [[ $(address) ]] || ! kill -0 $run 2>/dev/null || ((SECONDS - began > 300)); do sleep 0.2; done
[[ $(address) ]] && code=0 || code=1
verdict 'make run is ready' $code "$scratch/run.log"

# Only the address differs from what stands there.
sed -i "s|http://127.0.0.1:8080|$(address)|g" "$scratch/typed.sh"
code=0
inside bash "$scratch/typed.sh" >"$scratch/typed.log" 2>&1 && grep -q '"status": *"assessing"' "$scratch/typed.log" || code=1
verdict 'what README says to type meanwhile' $code "$scratch/typed.log"

# As Ctrl-C does: the program is told, make hands on how it ended.
inside bash -c 'for p in /proc/[0-9]*; do [[ $(readlink "$p/exe") == */build/bin/tocsin ]] && kill -INT "${p#/proc/}"; done' || true
code=0
wait $run || code=$?
verdict 'make run ends with 0' $code "$scratch/run.log"

code=0
inside make test ${parts:+STRICT=1 PARTS="$parts"} ${flavours:+FLAVOURS="$flavours"} >"$BUILD/fresh-test.log" 2>&1 || code=$?
verdict "make test ($(tail -n 1 "$BUILD/fresh-test.log"))" $code "$BUILD/fresh-test.log"

echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
