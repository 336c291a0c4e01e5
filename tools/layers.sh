#!/bin/bash
# Checks each #include in shared and services against the rules of ARCHITECTURE.md, "Directories": the project's headers that a directory
# may include, and the one directory that may include an external library.
set -uo pipefail

# Files -> the headers of the project that they may include. The first rule that matches a file applies. SELF is the name of its service.
rules=(
	'^shared/base/ -> ^shared/base/'
	'^shared/domain/ -> ^shared/(base|domain)/'
	'^shared/io/[a-z]+\.h -> ^shared/base/'
	'^shared/io/kafka/ -> ^shared/(base/|io/(kafka|system)/|io/[a-z]+\.h)'
	'^shared/io/sqlite/ -> ^shared/(base/|io/(sqlite|system)/|io/[a-z]+\.h)'
	'^shared/io/redis/ -> ^shared/(base/|io/(redis|system)/|io/[a-z]+\.h)'
	'^shared/io/http/ -> ^shared/(base/|io/(http|system)/)'
	'^shared/io/outbound/ -> ^shared/(base/|io/(outbound|system)/)'
	'^shared/io/system/ -> ^shared/(base/|io/system/)'
	'^shared/runtime/ -> ^shared/(base|domain|io|runtime)/'
	'^shared/archive/ -> ^shared/(base|domain|io|runtime|archive)/'
	'^shared/program/ -> ^shared/(base|domain|io|runtime|archive|program)/'
	'^services/[a-z]+/core/ -> ^(shared/(base|domain)/|services/SELF/core/)'
	'^services/cli/ -> ^(shared|services)/'
	'^services/[a-z]+/ -> ^(shared/|services/SELF/)'
)
# Header of an external library -> the directory that may include it.
libraries=(
	'^sqlite3 -> ^shared/io/sqlite/'
	'^(microhttpd|ulfius) -> ^shared/io/http/'
	'^curl/ -> ^shared/io/(outbound|http)/'
	'^librdkafka -> ^shared/io/kafka/'
	'^hiredis -> ^shared/io/redis/'
)

passed=0 failed=0
refuse() {
	echo "$1 includes $2: $3"
	failed=$((failed + 1))
}

for file in $(find shared services -name '*.[ch]' | sort); do
	before=$failed
	self=$(sed -n 's|^services/\([a-z]*\)/.*|\1|p' <<<"$file")
	allowed=
	for rule in "${rules[@]}"; do
		[[ -z $allowed && $file =~ ${rule%% -> *} ]] && allowed=${rule##* -> }
	done
	[[ $allowed ]] || refuse "$file" headers "no rule covers this file"
	while read -r header; do
		[[ $header =~ ${allowed//SELF/$self} ]] || refuse "$file" "$header" "no rule allows it"
	done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
	while read -r header; do
		for library in "${libraries[@]}"; do
			[[ $header =~ ${library%% -> *} && ! $file =~ ${library##* -> } ]] && refuse "$file" "<$header>" "only ${library##* -> } may"
		done
	done < <(sed -n 's/^#include <\(.*\)>$/\1/p' "$file")
	[[ $failed -eq $before ]] && passed=$((passed + 1))
done
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
