#!/bin/bash
# Installs those of the named Debian packages that are missing, and prints their names: deps.sh PACKAGES…. "A|B" is satisfied by A
# or B; if both are missing, A is installed. Exit code 3: packages are missing, the user is not root, and sudo is not installed.
# Without dpkg, this script installs nothing and exits with 0.
set -euo pipefail

if ! command -v dpkg-query >/dev/null; then
	echo "deps: dpkg is not here, so no package is installed: if compilation fails, install the equivalents of $*" >&2
	exit 0
fi

# One call of dpkg-query for all names is fast; every build runs this script.
# shellcheck disable=SC2046 # each word is the name of a package
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
		echo "deps: packages are missing and sudo is not installed: as root, run apt-get install ${missing[*]}" >&2
		exit 3
	fi
	root=(sudo)
fi
echo "installing: ${missing[*]}"
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
