#!/bin/bash
# Checks the descriptions of the API and of the bus with tools that their readers use. proto/openapi*.yaml and
# proto/asyncapi*.yaml are checked by spectral (spectral.yaml lists the disabled rules with the reasons), proto/asyncapi*.yaml
# also by AsyncAPI's parser.
#
#   tools/lint/api.sh need   downloads both tools by npm in the versions of package-lock.json, unless they are downloaded already;
#                            exits with 0 if the download fails, but with 1 if npm refuses package.json or package-lock.json
#   tools/lint/api.sh        checks; if the tools are not downloaded, prints the reason and exits with 77
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
	echo 'lint: downloading spectral and the AsyncAPI parser by npm, once'
	if timeout 300 npm ci --prefix "$directory" --ignore-scripts --no-audit --no-fund --fetch-retries 3 >"$directory/log" 2>&1; then
		touch "$complete"
	elif grep -Eq 'EUSAGE|ETARGET|EINTEGRITY' "$directory/log"; then
		echo "lint: npm refuses tools/lint/package.json or package-lock.json: correct them as $directory/log says" >&2
		return 1
	else
		sed -n 's/^npm err[or!]* //ip' "$directory/log" | grep -v '^code \|^errno \|^syscall ' | head -n 1 >"$directory/missing"
		[[ -s $directory/missing ]] || echo 'npm did not end within 300 s' >"$directory/missing"
	fi
}

# ---- checks
if [[ ${1:-} == need ]]; then
	need
	exit
elif [[ ! -e $complete ]]; then
	echo "spectral and the AsyncAPI parser are skipped: $(cat "$directory/missing" 2>/dev/null || echo 'make lint-deps has not downloaded them')"
	exit 77
fi
node "$directory/node_modules/@stoplight/spectral-cli/dist/index.js" lint --quiet --fail-severity hint --ruleset tools/lint/spectral.yaml \
	proto/openapi*.yaml proto/asyncapi*.yaml
NODE_PATH=$directory/node_modules node tools/lint/asyncapi.js proto/asyncapi*.yaml
