#!/bin/bash
# Who may include whom (ARCHITECTURE.md, "Layers"). A row a rule: the files it is about, and what they may include of ours.
# Outside libraries are known only to the edge.
set -uo pipefail

# files -> the headers of ours they may include; the first row that fits counts. SELF: the service's own name.
rules=(
	'^shared/base/ -> ^shared/base/'
	'^shared/domain/ -> ^shared/(base|domain)/'
	'^shared/edge/ -> ^shared/(base|edge)/'
	'^shared/service/ -> ^shared/(base|domain|edge|service)/'
	'^services/[a-z]+/core/ -> ^(shared/(base|domain)/|services/SELF/core/)'
	'^services/cli/ -> ^(shared|services)/'
	'^services/[a-z]+/ -> ^(shared/|services/SELF/)'
)
outside='^(sqlite3|microhttpd|ulfius|curl/|librdkafka|hiredis)'

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
	[[ $allowed ]] || refuse "$file" "something" "it lies in no layer"
	while read -r header; do
		[[ $header =~ ${allowed//SELF/$self} ]] || refuse "$file" "$header" "its layer must not know it"
	done < <(sed -n 's/^#include "\(.*\)"$/\1/p' "$file")
	while read -r header; do
		[[ $header =~ $outside && $file != shared/edge/* ]] &&
			refuse "$file" "<$header>" "only the edge knows outside libraries"
	done < <(sed -n 's/^#include <\(.*\)>$/\1/p' "$file")
	[[ $failed -eq $before ]] && passed=$((passed + 1))
done
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
