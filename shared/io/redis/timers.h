/*
 * Timers in Redis, for services of which several processes run. Everything stands in shared/io/timers.h; here is what
 * is Redis' alone.
 *
 * What is kept: three keys an owner, all with one hash tag.
 *
 *     {tocsin}:CLUSTER:OWNER:show    sorted set: id -> when it is shown next: its due time, or the end of its lease
 *     {tocsin}:CLUSTER:OWNER:data    hash: id -> its due time
 *     {tocsin}:CLUSTER:OWNER:state   hash: term, process (random, drawn at open), call (number of the last one)
 *
 * They are changed by one script only, a call of which carries the term, the process and a number that grows by one
 * with each call of this process, and what it has seen answered. So a call first finds out whether it is
 *
 *     deposed   a greater term is there: changes nothing, shows nothing, unless it begins over it (`take` in timers.h:
 *               the term is of another log on the same cluster)
 *     late      a later call of this process came first (this one lay in a connection we had given up): changes nothing
 *     lost      term, process or the call seen answered are not there: FLUSHALL, a restart without data or with old
 *               data, a failover to a replica that lacks some writes, an eviction. Changes nothing
 *
 * A new term, and an owner whose timers were lost, begins with a call that drops what was there, and arms everything
 * anew. No late call can therefore bring back or take away what a newer one did, for which tombstones would be needed
 * otherwise, and which these could not prevent after a FLUSHALL. There is one remedy for all doubt: what became of a
 * call is not known, `due` answers ERROR_NOT_FOUND, everything is armed anew.
 *
 * Redis' own clock decides what is due. One thread a process owns the one connection, sends together what has come
 * together, and looks at all owners of the process four times a second: whether what they have is still there, as many
 * times as ids, and when each is due next. Callers hand over and read; only `due` waits, where something is due, and
 * `arm` where too much was handed over, and both for a few seconds at most.
 *
 * Neither persistence nor replication of Redis is needed. maxmemory-policy must be noeviction: what is evicted is
 * noticed, but armed anew each time.
 */
#ifndef TOCSIN_IO_REDIS_TIMERS_H
#define TOCSIN_IO_REDIS_TIMERS_H

#include "shared/io/redis/client.h"
#include "shared/io/timers.h"

typedef struct {
	const char *url;     /* as redis_url_check takes it */
	const char *name;    /* "tocsin-notification": for CLIENT LIST and log lines */
	const char *cluster; /* Bus.cluster: timers of another log are another's, and so are its terms; NULL: none */
} TimersRedisOptions;

/*
 * Connects; tries for at most wait_ms (0: once), and calls `stop` (may be NULL) now and then: true gives up at once.
 * ERROR_AGAIN with the reason when it could not; ERROR_INPUT: no such URL. Once open it connects again for ever, with
 * pauses that grow to two seconds; `health` says why it is not connected.
 */
Result timers_redis_open(const TimersRedisOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
			 Timers **out);

#endif
