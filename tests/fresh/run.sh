#!/bin/bash
# Runs README's two commands, `make run` and `make test`, unchanged in a fresh clone, in a container of Debian that has only make
# and curl. README's curl commands run against the server of `make run`. `make test` runs only the parts in PARTS ("checks unit")
# and the flavours in FLAVOURS (plain), because continuous integration runs the others anyway. With PARTS= FLAVOURS= it runs all
# of them, as README does; tests that the container cannot run are then skipped and counted. If no container can run, this script
# is skipped with the reason.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/container.sh
container_need
parts=${PARTS-checks unit} flavours=${FLAVOURS-plain}
container=tocsin-fresh-$$
scratch=$(mktemp -d)
clean_up() {
	podman rm --force --time 0 "$container" >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A clone of the checkout, including its uncommitted changes.
tree=$scratch/tocsin
git clone -q --no-hardlinks . "$tree"
git diff --binary HEAD | git -C "$tree" apply --allow-empty
git ls-files -z --others --exclude-standard | xargs -0r cp --parents -t "$tree"

# README's first block without a language contains the two commands; its blocks in sh are for a second shell.
commands() { awk '/^```$/ { block++; next } block == 1 { print $1, $2 }' README.md; }
shell_blocks() { awk '/^```sh$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md; }
[[ $(commands) == $'make run\nmake test' ]] || {
	say "README's commands are not 'make run' and 'make test': $(commands | tr '\n' ';')"
	exit 1
}
{
	echo 'set -euo pipefail'
	shell_blocks
} >"$scratch/commands.sh"

inside() { podman exec "$container" "$@"; }
podman run -d --name "$container" --network host --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
	--volume "$scratch:$scratch" --workdir "$tree" --env DEBIAN_FRONTEND=noninteractive "$base" sleep infinity >/dev/null
inside bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends make curl ca-certificates' >"$BUILD/fresh-empty.log" 2>&1 ||
	skip "the container cannot install packages: $(tail -n 1 "$BUILD/fresh-empty.log")"

passed=0 failed=0
verdict() { # NAME EXIT-CODE LOG
	if (($2 == 0)); then
		passed=$((passed + 1))
		say "$1: ok, $((SECONDS - began)) s"
	else
		failed=$((failed + 1))
		say "$1: FAILED, $((SECONDS - began)) s; the last lines of its output:"
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

# In the commands of README, replaces the address by that of the server that runs.
sed -i "s|http://127.0.0.1:8080|$(address)|g" "$scratch/commands.sh"
code=0
inside bash "$scratch/commands.sh" >"$scratch/commands.log" 2>&1 && grep -q '"status": *"assessing"' "$scratch/commands.log" || code=1
verdict "README's curl commands" $code "$scratch/commands.log"

# SIGINT to the program, like Ctrl-C; make exits with the code of the program.
inside bash -c 'for p in /proc/[0-9]*; do [[ $(readlink "$p/exe") == */build/bin/tocsin ]] && kill -INT "${p#/proc/}"; done' || true
code=0
wait $run || code=$?
verdict 'make run ends with 0' $code "$scratch/run.log"

code=0
inside make test ${parts:+STRICT=1 PARTS="$parts"} ${flavours:+FLAVOURS="$flavours"} >"$BUILD/fresh-test.log" 2>&1 || code=$?
verdict "make test ($(tail -n 1 "$BUILD/fresh-test.log"))" $code "$BUILD/fresh-test.log"

echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
