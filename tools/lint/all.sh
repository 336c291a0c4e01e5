#!/bin/bash
# Runs all static checks, even after one has failed. Prints a line for each check, and the output of failed ones. The last line
# holds the totals.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
: "${PYTHON:=python3}"
export BUILD=${BUILD:-build}
passed=0 failed=0 skipped=0
SKIPPED=77 # exit code of a check that cannot run here; its output is the reason
log=$(mktemp)
trap 'rm -f "$log"' EXIT

files() { find "${@:2}" -name "$1"; }

check() { # NAME COMMAND…
	local name=$1 code word=ok start=$SECONDS
	shift
	"$@" >"$log" 2>&1
	code=$?
	case $code in
	0) passed=$((passed + 1)) ;;
	"$SKIPPED") skipped=$((skipped + 1)) word=skipped ;;
	*) failed=$((failed + 1)) word=FAILED ;;
	esac
	printf '%-7s %-12s %3d s\n' $word "$name" $((SECONDS - start))
	[[ $code -eq 0 ]] || cat "$log"
}

clang_tidy() { files '*.c' shared services tools | xargs -P "$(nproc)" -n 8 clang-tidy --quiet --extra-arg=-Wno-error; }

check layers tools/layers.sh
check sizes tools/sizes.sh
check layout xargs -a <(files '*.[ch]' shared services tests tools) "$PYTHON" tools/format.py
check clang-tidy clang_tidy
check cppcheck cppcheck -q --error-exitcode=1 --enable=warning,performance,portability --std=c11 -I. --include=tools/cppcheck/macros.h \
	--suppressions-list=tools/cppcheck/suppressions -D__linux__ '-DTOCSIN_VERSION=""' shared services tools
check shellcheck xargs -a <(echo .ci/run && files '*.sh' tools tests) shellcheck --severity=warning
check pyflakes xargs -a <(files '*.py' tests tools) "$PYTHON" -m pyflakes
check yamllint yamllint --strict docker-compose.yml k8s proto shared/policy tests/scenario/pack tests/simulation/pack tools
check words "$PYTHON" tools/lint/words.py
check api tools/lint/api.sh
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
