/*
 * A partition's timers: rows of its state. The timer store (shared/io/timers.h) only reports due timers: it may report them
 * late, lose them, or be unreachable.
 *
 * Invariant: a failure of the timer store delays timers and nothing else. It rolls no batch back and delays no input. State holds
 * every timer, and all timers are armed again once the timer store can be reached.
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

typedef struct {
	Handler *handler;
	Timers *timers;    /* the timer store; NULL: the service arms no timers */
	const char *owner; /* "notification/0" */
	uint64_t epoch;
	TimerChange *changes; /* timers changed by the batch under way */
	size_t count, room;
	Instant swept_at; /* when overdue timers were last armed again; 0: all timers of the state must be armed */
	Instant retry_at; /* the timer store was unreachable and is not called before this time; INSTANT_NONE: it was reachable */
	bool contested;   /* the timer store knows a greater epoch; once a record of this term is accepted, this owner takes over */
} TimerSet;

/* handler, timers and owner are borrowed until timer_set_release; timers may be NULL. */
void timer_set_init(TimerSet *set, Handler *handler, Timers *timers, const char *owner);
void timer_set_release(TimerSet *set);

/* Call when a term begins: arms all timers of the state under the epoch of the term. */
void timer_set_begin(TimerSet *set, uint64_t epoch);

/* Writes or deletes the timer's row. record_change: timer_set_sync sends the change to the timer store. id: at most 127 bytes. */
Result timer_set_arm(TimerSet *set, Slice id, Instant due_at, bool record_change);
Result timer_set_disarm(TimerSet *set, Slice id, bool record_change);

/* Call when a batch ends without a commit: drops its changes. */
void timer_set_forget(TimerSet *set);

/* Call when a batch was committed: sends its changes to the timer store. After a failure, later sweeps arm all timers again. */
void timer_set_sync(TimerSet *set);

/* Call when a record of this term was accepted: if the timer store knows a greater epoch, takes the timers over from it. */
void timer_set_confirm(TimerSet *set);

/* Calls Service.fire for each due timer, at most 200; adds to *count the number that the timer store reported as due. */
Result timer_set_decide(TimerSet *set, size_t *count);

/* When a step for the timers is due; INSTANT_NONE: the service arms no timers. */
Instant timer_set_wake_at(const TimerSet *set);

#endif
