#!/bin/bash
# Prints compile_commands.json, which editors read: compile-commands.sh COMPILER-CALL SOURCES….
set -euo pipefail
call=${1//\\/\\\\}
call=${call//\"/\\\"}
shift
separator='['
for source in "$@"; do
	printf '%s\n{"directory": "%s", "file": "%s", "command": "%s -c %s"}' "$separator" "$PWD" "$source" "$call" "$source"
	separator=','
done
printf '\n]\n'
