/*
 * A partition's timers: rows of its state. The timer store (shared/io/timers.h) is an alarm clock that may be late, forget or be
 * unreachable.
 *
 * Invariant: a failing timer store delays what is due and nothing else. No batch is rolled back for it and no input waits; state
 * knows every timer, and all of them are armed again when the store is back.
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
	Timers *timers;    /* NULL: the service arms none */
	const char *owner; /* "notification/0" */
	uint64_t epoch;
	TimerChange *changes; /* of the batch under way */
	size_t count, room;
	Instant swept_at; /* 0: all timers of the state must be armed */
	Instant retry_at; /* the unreachable store is not asked before this time; INSTANT_NONE: the store was reachable */
	bool contested;   /* the store has a greater epoch: if a record of this term is accepted, this owner takes the timers */
} TimerSet;

/* owner is borrowed for the set's life; timers may be NULL. */
void timer_set_init(TimerSet *set, Handler *handler, Timers *timers, const char *owner);
void timer_set_release(TimerSet *set);

/* A term begins: arms all timers of the state under its epoch. */
void timer_set_begin(TimerSet *set, uint64_t epoch);

/* Writes the row; record_change: the store is to be informed with timer_set_sync. id: at most 127 bytes. */
Result timer_set_arm(TimerSet *set, Slice id, Instant due_at, bool record_change);
Result timer_set_disarm(TimerSet *set, Slice id, bool record_change);

/* The batch ends without a commit: its changes are dropped. */
void timer_set_forget(TimerSet *set);

/* The batch was committed: forwards its changes. A failure loses only hints, which the next sweep replaces. */
void timer_set_sync(TimerSet *set);

/* A record of this term was accepted: takes the timers over from a greater epoch, where the store knows one. */
void timer_set_confirm(TimerSet *set);

/* Calls Service.fire for each due timer, at most 200; *count grows by the number the store showed. */
Result timer_set_decide(TimerSet *set, size_t *count);

/* When the partition is to be stepped for its timers; INSTANT_NONE: the service arms none. */
Instant timer_set_wake_at(const TimerSet *set);

#endif
