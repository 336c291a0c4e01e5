/*
 * Timers in memory, for simulations: one thread, no clock, deterministic. Same semantics as the ones in SQLite, and a
 * way to lose some, as a timer store without fsync may.
 */
#ifndef TOCSIN_TESTS_MEMORY_TIMERS_H
#define TOCSIN_TESTS_MEMORY_TIMERS_H

#include "shared/edge/timers.h"

/* Beyond: arm answers ERROR_AGAIN. */
enum { MEMORY_TIMERS_MAX = 65536 };

/* Never NULL; freed by timers->operations->close. */
Timers *memory_timers_new(void);

/* As new; keeps what was allocated. */
void memory_timers_reset(Timers *timers);

size_t memory_timers_count(const Timers *timers);

/* Forgets the nth timer (modulo their number, in an order that is the same in each run); nothing when there is none. */
void memory_timers_lose(Timers *timers, size_t nth);

#endif
