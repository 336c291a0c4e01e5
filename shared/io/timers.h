/*
 * Timers are hints: when one fires, the owner looks at its state again, and the state decides what happens. A lost timer is
 * armed again from state (the runtime does so when it opens a partition, and every half minute for overdue ones); a timer that
 * is late or fires twice changes nothing.
 *
 * owner: "notification/0", the partition that the timer belongs to, at most 63 bytes; id: unique within the owner, 1 to 128 bytes.
 *
 * term: the ledger epoch in which the caller owns that partition, a fencing token where several processes share the timers. Calls
 * with a smaller term than the last one known change nothing and show nothing: the owner was superseded, and its
 * successor has armed all timers again. A greater term may also be left over from an earlier ledger: when the ledger's topic is
 * deleted and created again, epochs begin again. Only the ledger decides: a caller whose record was accepted after the caller
 * learned of the greater term is the owner, and takes the timers over (`take`).
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
	 * Arms a timer, or moves an armed one. An external store may apply the changes later, in order, but before it answers
	 * the owner's next `due`; if it cannot, that `due` fails.
	 */
	Result (*arm)(Timers *timers, const char *owner, uint64_t term, Slice id, Instant due_at);
	/* Removes a timer in any state; an unknown id is not an error. May take effect later, as with `arm`. */
	Result (*disarm)(Timers *timers, const char *owner, uint64_t term, Slice id);
	/*
	 * The caller reports that it has armed all timers of its state since the term began, or since `due` answered
	 * ERROR_NOT_FOUND. Until this call `due` answers ERROR_NOT_FOUND. NULL: this store does not lose timers unnoticed, and
	 * needs no such call.
	 */
	void (*armed)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * Shows due timers and leases them for lease_ms: they are not shown again before the lease ends, unless armed again. A
	 * timer is due when its time is not after `now`, or in an external store not after the clock of that store.
	 * ERROR_NOT_FOUND: the store has lost timers, or may have: arm all timers of the state again, then call `armed`;
	 * ERROR_CONFLICT: the store knows a greater term; ERROR_AGAIN: the store cannot be reached. Waits a few seconds at
	 * most, and not at all where no timer is due.
	 */
	Result (*due)(Timers *timers, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
		      TimersVisit visit, void *context);
	/*
	 * Overrides greater terms. Called after ERROR_CONFLICT, once the ledger has confirmed again that the caller is the
	 * owner. Then `due` answers ERROR_NOT_FOUND until `armed`. If the caller is not the owner after all, the owner has to
	 * arm its timers again. NULL: this store does not compare terms.
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
