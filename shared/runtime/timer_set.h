/*
 * A partition's timers: rows of its state. The timer store (shared/io/timers.h: Redis, or SQLite) is asked first which of them are
 * due. It may answer late, lose timers, or be unreachable; the state decides.
 *
 * The rule
 *   1. A row has a due time and a `show` time, which equals the due time until the timer fires. Firing sets it to the end of a
 *      lease of 30 s, in the transaction of the batch: a rollback ends the lease. Arming and the start of a term end it as well.
 *   2. A timer fires when the timer store reports it, unless its row is missing, has another due time, or is leased. If the row is
 *      missing, the timer is removed from the store; if its due time differs, the store gets the row's due time.
 *   3. A timer fires from state, in the order of the rows' show times, when its show time has come and
 *        - the timer store is unreachable, or does not have all timers yet: at that time;
 *        - otherwise STATE_GRACE_MS (500 ms) later: the store was slow, or has lost the timer.
 *   4. While the timer store reports a greater epoch, nothing fires: the next record decides who owns the partition.
 *
 * Consequences: a timer fires at most 1 s after it is due, with or without the timer store (a call of the store may take 400 ms).
 * Both sources use the same lease, so a timer fires once, whenever the store goes away or returns.
 *
 * A failure of the timer store rolls no batch back. An unreachable store is tried again after 1 s, then after twice the pause each
 * time, up to 8 s. When it can be reached, or has lost timers, all timers are armed again, ARM_BATCH (200) in a step.
 */
#ifndef TOCSIN_RUNTIME_TIMER_SET_H
#define TOCSIN_RUNTIME_TIMER_SET_H

#include "shared/io/timers.h"
#include "shared/runtime/handler.h"

typedef struct {
	bool armed;
	Instant due_at;
	char id[128];
} TimerChange;

struct DueTimers;

typedef struct {
	Handler *handler;
	Timers *timers;    /* the timer store; NULL: the service arms no timers */
	const char *owner; /* "notification/0" */
	uint64_t epoch;
	TimerChange *changes; /* timers changed by the batch under way */
	size_t count, room;
	struct DueTimers *due; /* timers to fire in the step under way */

	bool arming;          /* the timer store does not have all timers yet: those with an id after armed_to are missing */
	char armed_to[128];
	Instant retry_at;     /* the timer store was unreachable and is not called before this time; INSTANT_NONE: it was reachable */
	int64_t pause_ms;     /* the last pause before retry_at */
	int64_t state_fired;  /* timers fired from state since the timer store became unreachable */
	bool contested;       /* the timer store knows a greater epoch; once a record of this term is accepted, this owner takes over */
} TimerSet;

/* handler, timers and owner are borrowed until timer_set_release; timers may be NULL. */
void timer_set_init(TimerSet *set, Handler *handler, Timers *timers, const char *owner);
void timer_set_release(TimerSet *set);

/* Call when a term begins, outside a transaction: ends all leases. Later steps arm all timers of the state under the epoch. */
Result timer_set_begin(TimerSet *set, uint64_t epoch);

/* Writes or deletes the timer's row. record_change: timer_set_sync sends the change to the timer store. id: at most 127 bytes. */
Result timer_set_arm(TimerSet *set, Slice id, Instant due_at, bool record_change);
Result timer_set_disarm(TimerSet *set, Slice id, bool record_change);

/* Call when a batch ends without a commit: drops its changes. */
void timer_set_forget(TimerSet *set);

/* Call when a batch was committed: sends its changes to the timer store. After a failure, later steps arm all timers again. */
void timer_set_sync(TimerSet *set);

/* Call when a record of this term was accepted: if the timer store knows a greater epoch, takes the timers over from it. */
void timer_set_confirm(TimerSet *set);

/* Calls Service.fire for each due timer, at most 200, in the open transaction; adds to *count the number of reported and fired ones. */
Result timer_set_decide(TimerSet *set, size_t *count);

/* When a step for the timers is due; INSTANT_NONE: the service has no timers, or none is armed. */
Instant timer_set_wake_at(const TimerSet *set);

#endif
