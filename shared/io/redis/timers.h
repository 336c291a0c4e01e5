/*
 * Timers in Redis, for services with several replicas; an implementation of shared/io/timers.h.
 *
 * Each owner has three keys, with one hash tag:
 *
 *     {tocsin}:CLUSTER:OWNER:show    sorted set: id -> when it is shown next: its due time, or the end of its lease
 *     {tocsin}:CLUSTER:OWNER:data    hash: id -> its due time
 *     {tocsin}:CLUSTER:OWNER:state   hash: term, process (random, drawn at open), call (number of the last call)
 *
 * One script changes them. Each of its calls carries the term, the process, a number that grows by one with each call of this
 * process, and the number of the last answered call. The script therefore detects that a call is
 *
 *     fenced    a greater term is known: changes nothing, shows nothing, unless the call overrides that term (`take` in
 *               timers.h: the greater term is of another log on the same cluster)
 *     late      a later call of this process came first (this one was on an abandoned connection): changes nothing
 *     lost      the term, the process or the last answered call is missing: FLUSHALL, a restart without data or with old
 *               data, a failover to a replica that lacks some writes, an eviction. Changes nothing
 *
 * The first call of a new term, or after a loss, drops all timers of the owner, which then arms them again. Therefore a late call
 * can neither restore nor remove what a newer one did; tombstones would be needed otherwise, and would not survive a FLUSHALL.
 * If the result of a call is unknown, the remedy is always the same: `due` answers ERROR_NOT_FOUND, and all timers are armed
 * again.
 *
 * Redis' clock decides which timers are due. One thread a process owns the one connection, sends the calls of all owners together,
 * and four times a second checks every owner of the process: that its data exists, with as many due times as ids, and when the
 * next timer is due. Callers queue changes and read results. `due` waits only where a timer is due, `arm` and `disarm` only
 * where the queue is full, each for a few seconds at most.
 *
 * Neither persistence nor replication of Redis is needed. maxmemory-policy must be noeviction: an eviction is detected, but all
 * timers are armed again each time.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_H
#define TOCSIN_IO_REDIS_TIMERS_H

#include "shared/io/redis/client.h"
#include "shared/io/timers.h"

typedef struct {
	const char *url;     /* valid for redis_url_check */
	const char *name;    /* "tocsin-notification": for CLIENT LIST and log lines */
	const char *cluster; /* Bus.cluster, at most 64 bytes: separates the timers and terms of different logs; NULL: none */
} TimersRedisOptions;

/*
 * Connects; tries for at most wait_ms (0: once), and calls `stop` (may be NULL) every 50 ms: true gives up at once.
 * ERROR_AGAIN: not connected, with the reason; ERROR_INPUT: an invalid URL, or a cluster id that is too long. Once open, it
 * reconnects without end, with pauses that grow to two seconds; `health` reports why it is not connected.
 */
Result timers_redis_open(const TimersRedisOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
			 Timers **out);

#endif
