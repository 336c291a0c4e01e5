/*
 * Timers in memory, for simulations: one thread, no clock, deterministic. Several processes may share them, and what a
 * store of timers outside may do to them can be done here too: lose some, lose all of them, be away, show once more what
 * was taken out.
 */
#ifndef TOCSIN_TESTS_MEMORY_TIMERS_H
#define TOCSIN_TESTS_MEMORY_TIMERS_H

#include "shared/io/timers.h"

/* Beyond: arm answers ERROR_AGAIN. */
enum { MEMORY_TIMERS_MAX = 65536 };

/* Never NULL; freed by timers->operations->close. */
Timers *memory_timers_new(void);

/* As new, and reachable; keeps what was allocated. */
void memory_timers_reset(Timers *timers);

size_t memory_timers_count(const Timers *timers);

/* Forgets the nth timer (modulo their number, in an order that is the same in each run); nothing when there is none. */
void memory_timers_lose(Timers *timers, size_t nth);

/* Shows the nth of those that were taken out lately once more, at once; nothing when there is none. */
void memory_timers_revive(Timers *timers, size_t nth);

/* Forgets all of them, and says so: `due` answers ERROR_NOT_FOUND to each owner until that one has called `armed`. */
void memory_timers_lose_all(Timers *timers);

/* As if what is there were of another log, with greater terms: `due` answers ERROR_CONFLICT until the owner took them. */
void memory_timers_outlive(Timers *timers);

/* Whether they can be reached: while they are away every operation that asks them answers ERROR_AGAIN. */
void memory_timers_set_away(Timers *timers, bool away);

#endif
