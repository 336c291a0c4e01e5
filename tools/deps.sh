#!/bin/bash
# Installs the Debian packages named, where they are missing; says which. "one|other" is satisfied by either.
set -euo pipefail

if ! command -v dpkg-query >/dev/null; then
	echo "tocsin: this is no Debian or Ubuntu; if compiling fails, install the equivalents of: $*" >&2
	exit 0
fi

# One call for all names: this runs before every build.
# shellcheck disable=SC2046 # names of packages, a word each
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $(tr '|' ' ' <<<"$*") 2>/dev/null | sed -n 's/^ii *//p' || true)
missing=()
for wanted in "$@"; do
	found=
	for package in ${wanted//|/ }; do
		[[ $'\n'$installed$'\n' == *$'\n'$package$'\n'* ]] && found=yes
	done
	[[ $found ]] || missing+=("${wanted%%|*}")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0

root=()
if [[ $(id -u) -ne 0 ]]; then
	if ! command -v sudo >/dev/null; then
		echo "tocsin: packages are missing and there is no sudo; as root: apt-get install ${missing[*]}" >&2
		exit 3
	fi
	root=(sudo)
fi
echo "installing: ${missing[*]}"
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
