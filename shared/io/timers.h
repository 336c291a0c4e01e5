/*
 * Timers are hints: when the store reports a due timer, the owner looks at its state, which decides what happens. Therefore a store
 * may report a timer late, twice or not at all without harm: a timer that is not reported in time fires from state, and all timers
 * are armed again when the runtime opens a partition and when the store can be reached again (runtime/timer_set.h has the rule).
 *
 * owner: the partition that the timer belongs to, for example "notification/0"; at most 63 bytes. id: unique within the owner, 1
 * to 128 bytes.
 *
 * term: the ledger epoch in which the caller owns that partition. It is a fencing token where several processes share the timers.
 * A call with a smaller term than the greatest known one changes nothing and shows nothing: its caller was superseded, and the
 * new owner has armed all timers again. A greater known term may also be left over from an earlier ledger: if the ledger's topic
 * is deleted and created again, epochs start again at the beginning. Only the ledger decides between the two cases: if a record
 * of the caller is accepted after the caller learned of the greater term, the caller is the owner and takes the timers over
 * (`take`).
 */
#ifndef TOCSIN_IO_TIMERS_H
#define TOCSIN_IO_TIMERS_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

typedef struct Timers Timers;

/* Called for at most max timers that are due, in the order of their due times or ends of lease. id is borrowed for the call. */
typedef void (*TimersVisit)(void *context, Slice id, Instant due_at);

typedef struct {
	/*
	 * Arms a timer, or moves an armed one to another time. A store outside this process may apply changes later, but in order
	 * and before it answers the owner's next `due`; if it cannot, that `due` fails. ERROR_INPUT: an argument is out of range.
	 */
	Result (*arm)(Timers *timers, const char *owner, uint64_t term, Slice id, Instant due_at);
	/* Removes a timer, leased or not; an unknown id is not an error. May take effect later, as with `arm`. */
	Result (*disarm)(Timers *timers, const char *owner, uint64_t term, Slice id);
	/*
	 * The caller reports that it has armed all timers of its state since the term began, or since `due` answered
	 * ERROR_NOT_FOUND. Until this call `due` answers ERROR_NOT_FOUND. NULL: this store detects every loss of timers by itself
	 * or loses none, and needs no such call.
	 */
	void (*armed)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * Shows due timers and leases them for lease_ms: they are not shown again before the lease ends, unless armed again. A
	 * timer is due when its time is not after `now`; a store outside this process compares with its own clock instead.
	 * ERROR_NOT_FOUND: the store has lost timers, or may have: arm all timers of the state again, then call `armed`;
	 * ERROR_CONFLICT: the store knows a greater term; ERROR_AGAIN: the store cannot be reached, or does not answer in time. A
	 * store outside this process waits 400 ms at most, and not at all if no timer is due.
	 */
	Result (*due)(Timers *timers, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
		      TimersVisit visit, void *context);
	/*
	 * Overrides greater terms. Called after ERROR_CONFLICT, once the ledger has confirmed again that the caller is the owner.
	 * After that `due` answers ERROR_NOT_FOUND until `armed` is called. If the caller is not the owner after all, the real
	 * owner has to arm its timers again. NULL: this store does not compare terms.
	 */
	void (*take)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * The time of the next due timer or end of a lease, by the caller's clock; INSTANT_NONE: no timer is armed. Cheap: no I/O.
	 * If timers were lost, or a greater term is known that `due` has not reported yet, the time is in the past, so that the
	 * caller calls `due`. Apart from such a greater term, the time is in the future or INSTANT_NONE while the store cannot be
	 * reached, so that no caller loops without a pause.
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
