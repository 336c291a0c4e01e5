/*
 * Timers are hints: when one fires, the owner looks at its state again, which decides. A lost timer is armed again from state (the
 * runtime does so when it opens a partition, and every half minute for overdue ones); a timer that is late or fires twice
 * changes nothing.
 *
 * owner: "notification/0", the partition that the timer belongs to, at most 63 bytes; id: unique within the owner, 1 to 128 bytes.
 *
 * term: the ledger epoch in which the caller owns that partition, a fencing token where several processes share the timers. Calls
 * with a smaller term than the last one known change nothing and show nothing: the owner was superseded, and its
 * successor has armed all timers again. A greater term may also remain from before the ledger's topic was deleted and created
 * again, when epochs began again. Only the ledger decides: a caller whose record was accepted after it learned of that term is
 * the owner, and takes the timers over (`take`).
 */
#ifndef TOCSIN_IO_TIMERS_H
#define TOCSIN_IO_TIMERS_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

typedef struct Timers Timers;

/* Called for each due timer, at most max, earliest first. */
typedef void (*TimersVisit)(void *context, Slice id, Instant due_at);

typedef struct {
	/*
	 * Arms a timer, or moves an armed one. An external store may do so later, in order, at the latest before the owner's next
	 * `due`; if it could not, that `due` fails.
	 */
	Result (*arm)(Timers *timers, const char *owner, uint64_t term, Slice id, Instant due_at);
	/* Removes a timer in any state; an unknown id is not an error. May be done later, as with `arm`. */
	Result (*disarm)(Timers *timers, const char *owner, uint64_t term, Slice id);
	/*
	 * Reports that all timers in state were armed since the term began, or since `due` answered ERROR_NOT_FOUND. Until then
	 * `due` answers ERROR_NOT_FOUND. NULL: this store does not lose timers unnoticed, and needs no such call.
	 */
	void (*armed)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * Shows due timers and leases them for lease_ms: they are not shown again before, unless armed again. A timer is due when
	 * its time is not after `now`, or in an external store not after the clock of that store. ERROR_NOT_FOUND: the store has
	 * lost timers, or may have: arm all timers in state again, then call `armed`; ERROR_CONFLICT: the store knows a greater
	 * term; ERROR_AGAIN: it cannot be reached. Waits a few seconds at most, and not at all where no timer is due.
	 */
	Result (*due)(Timers *timers, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
		      TimersVisit visit, void *context);
	/*
	 * After ERROR_CONFLICT, by a caller that its ledger has confirmed as the owner since: overrides greater terms, and `due`
	 * answers ERROR_NOT_FOUND. If the caller is not the owner, the owner has to arm its timers again. NULL: this store does not
	 * compare terms.
	 */
	void (*take)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * The time of the next due timer or end of a lease, by the caller's clock; INSTANT_NONE: none. Cheap, no I/O. After a loss,
	 * or once a greater term is known, a time in the past, so that `due` is called. Never a time in the past while the store
	 * cannot be reached, so that no caller loops without a pause.
	 */
	Instant (*next)(Timers *timers, const char *owner);
	/* ERROR_AGAIN: the store cannot be reached, with a reason for operators. Cheap. NULL: always OK. */
	Result (*health)(Timers *timers);
	void (*close)(Timers *timers);
} TimersOperations;

struct Timers {
	const TimersOperations *operations;
};

/* Timers in a SQLite file (no fsync: they can be armed again from state). Thread-safe. */
Result timers_sqlite_open(const char *path, Timers **out);

#endif
