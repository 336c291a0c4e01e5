#!/bin/bash
# Reads the descriptions of the API and of the bus with what their readers read them with: proto/openapi*.yaml and
# proto/asyncapi*.yaml with spectral (spectral.yaml has the rules left out, and the reasons), the latter with AsyncAPI's parser too.
#
#   tools/lint/api.sh need   fetches both by npm, in the versions of package-lock.json, once for each lock file
#   tools/lint/api.sh        reads; where they could not be fetched, says why, and its exit code is 77
set -euo pipefail
cd "$(dirname "$0")/../.."
directory=${BUILD:-build}/lint
complete=$directory/complete-$(sha256sum <tools/lint/package-lock.json | cut -c 1-16)

need() {
	[[ -e $complete ]] && return
	rm -rf "$directory"
	mkdir -p "$directory"
	if ! command -v npm >/dev/null && ! tools/deps.sh npm >"$directory/log" 2>&1; then
		echo 'npm is not installed' >"$directory/missing"
		return
	fi
	cp tools/lint/package.json tools/lint/package-lock.json "$directory"
	echo 'lint: fetching spectral and the AsyncAPI parser by npm, once'
	if timeout 300 npm ci --prefix "$directory" --ignore-scripts --no-audit --no-fund --fetch-retries 3 >"$directory/log" 2>&1; then
		touch "$complete"
	elif grep -Eq 'EUSAGE|ETARGET|EINTEGRITY' "$directory/log"; then
		echo "lint: tools/lint/package.json, package-lock.json and what npm has do not agree: see $directory/log" >&2
		return 1
	else
		sed -n 's/^npm err[or!]* //ip' "$directory/log" | grep -v '^code \|^errno \|^syscall ' | head -n 1 >"$directory/missing"
		[[ -s $directory/missing ]] || echo 'npm was stopped after 300 s' >"$directory/missing"
	fi
}

# ---- reading
if [[ ${1:-} == need ]]; then
	need
	exit
elif [[ ! -e $complete ]]; then
	echo "spectral and the AsyncAPI parser are skipped: $(cat "$directory/missing" 2>/dev/null || echo 'make lint-deps did not fetch them')"
	exit 77
fi
node "$directory/node_modules/@stoplight/spectral-cli/dist/index.js" lint --quiet --fail-severity hint --ruleset tools/lint/spectral.yaml \
	proto/openapi*.yaml proto/asyncapi*.yaml
NODE_PATH=$directory/node_modules node tools/lint/asyncapi.js proto/asyncapi*.yaml
