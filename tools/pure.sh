#!/bin/bash
# Checks that base, domain and cores call no impure function: nm lists the undefined symbols of their objects.
set -uo pipefail
: "${BUILD:=build}"

impure='time|gettimeofday|clock_gettime|clock|nanosleep|usleep|sleep|localtime|localtime_r'
impure+='|open|openat|read|write|pread|pwrite|close|fopen|fopen64|open64|fread|fwrite|fdopen|unlink|rename|stat|opendir|mkdir'
impure+='|socket|connect|bind|send|recv|poll|select|epoll_wait'
impure+='|rand|random|srand|rand_r|getrandom|arc4random|RAND_bytes'
impure+='|getenv|secure_getenv|setenv|system|popen|fork|execve|signal|sigaction|syslog'
impure+='|printf|puts|putchar|pthread_create|pthread_mutex_lock|pthread_cond_wait'

passed=0 failed=0
check() {
	local found
	found=$(nm -u "$1" | awk '{ print $NF }' | sed 's/@.*//; s/^__//; s/_chk$//' | grep -xE "$impure" | sort -u | tr '\n' ' ')
	if [[ $found ]]; then
		echo "${1#"$BUILD"/obj/} calls $found"
		failed=$((failed + 1))
	else
		passed=$((passed + 1))
	fi
}

for source in shared/base/*.c shared/domain/*.c services/*/core/*.c; do
	[[ -f $source ]] || continue
	object=$BUILD/obj/${source%.c}.o
	if [[ ! -f $object ]]; then
		echo "$object is missing: run make build"
		failed=$((failed + 1))
		continue
	fi
	check "$object"
done
echo "$passed passed, $failed failed, 0 skipped"
[[ $failed -eq 0 ]]
