/*
 * Timers are hints: firing makes the owner look again at its state, which decides. A timer lost is armed again from state
 * (the runtime does so when it opens a partition, and every half minute for what is overdue), a timer late or fired twice
 * changes nothing.
 *
 * owner: "notification/0", the partition whose timer it is; id: unique within it, at most 128 bytes.
 */
#ifndef TOCSIN_EDGE_TIMERS_H
#define TOCSIN_EDGE_TIMERS_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

typedef struct Timers Timers;

/* Called for each due timer, at most max, earliest first. */
typedef void (*TimersVisit)(void *context, Slice id, Instant due_at);

typedef struct {
	/* Arms, or moves an armed one. */
	Result (*arm)(Timers *timers, const char *owner, Slice id, Instant due_at);
	/* Takes it out, whatever its state; unknown is fine. */
	Result (*disarm)(Timers *timers, const char *owner, Slice id);
	/* What is due at now is shown and leased until now + lease_ms: not shown again before, unless armed anew. */
	Result (*due)(Timers *timers, const char *owner, Instant now, int64_t lease_ms, size_t max, TimersVisit visit, void *context);
	/* When the next one is due (or its lease ends), INSTANT_NONE when there is none. */
	Instant (*next)(Timers *timers, const char *owner);
	void (*close)(Timers *timers);
} TimersOperations;

struct Timers {
	const TimersOperations *operations;
};

/* Timers in a SQLite file (no fsync: they are re-creatable). Thread-safe. */
Result timers_sqlite_open(const char *path, Timers **out);

#endif
