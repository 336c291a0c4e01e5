/*
 * Timers in Redis, for services with several replicas; an implementation of shared/io/timers.h.
 *
 * Each owner has three keys with the same hash tag:
 *
 *     {tocsin}:CLUSTER:OWNER:show    sorted set: id -> when it is shown next: its due time, or the end of its lease
 *     {tocsin}:CLUSTER:OWNER:data    hash: id -> its due time
 *     {tocsin}:CLUSTER:OWNER:state   hash: term, process (random, drawn at open), call (number of the last call)
 *
 * One script changes the keys. Each call of the script carries the term, the process, the number of the call (which grows by one
 * with each call of this process) and the number of the last answered call. From these the script detects a call that is
 *
 *     fenced    A greater term is known, and the call does not override it. `take` in timers.h overrides a greater term that an
 *               earlier ledger has left behind. The call changes nothing and shows nothing.
 *     late      A later call of this process came first; the late call was sent on an abandoned connection. It changes nothing.
 *     lost      The term, the process or the last answered call is missing from the state: FLUSHALL, a restart without data or with
 *               old data, a failover to a replica that lacks some writes, an eviction. The call changes nothing. Exception: if a
 *               due timer has no data, the script reports the loss after it has applied the changes of the call.
 *
 * The first call of a new term, or after a loss, drops all timers of the owner; the owner then arms its timers again. Every call
 * records its number, so a late call can neither restore nor remove a timer of a newer call. The alternative, tombstones for
 * removed timers, would not survive a FLUSHALL. If the result of a call is unknown, `due` answers ERROR_NOT_FOUND, and the owner
 * arms all timers again.
 *
 * Redis' clock decides which timers are due. Each process has one connection, which belongs to one thread. The thread sends the
 * calls of all owners together. Four times a second it checks for every owner of the process that the owner's keys exist, with as
 * many due times as ids, and reads when the next timer is due. Callers queue changes and read results. `due` waits only if a timer
 * is due, `arm` and `disarm` only if the queue is full, each for 400 ms at most: the owner then fires the timer from its state.
 *
 * Neither persistence nor replication of Redis is needed. maxmemory-policy must be noeviction: evictions are detected, but after
 * each of them all timers have to be armed again.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_H
#define TOCSIN_IO_REDIS_TIMERS_H

#include "shared/io/redis/client.h"
#include "shared/io/timers.h"

typedef struct {
	const char *url;     /* as for redis_url_check */
	const char *name;    /* "tocsin-notification": shown by CLIENT LIST and in log lines; NULL: "tocsin" */
	const char *cluster; /* Bus.cluster, at most 64 bytes: separates the timers and terms of different logs; NULL: none */
} TimersRedisOptions;

/*
 * Connects: tries until wait_ms have passed, but at least once; each step of an attempt may take a second, and name resolution
 * longer. Calls `stop` (may be NULL) about every 50 ms, and gives up when `stop` returns true, after the attempt that is running.
 * ERROR_AGAIN: not connected, with the reason; ERROR_INPUT: an invalid URL, or a cluster id that is too long. An open store
 * reconnects as often as necessary, with pauses that grow to two seconds; `health` reports why it is not connected.
 */
Result timers_redis_open(const TimersRedisOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
			 Timers **out);

#endif
