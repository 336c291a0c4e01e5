/*
 * Timers in memory, for simulations: one thread, no clock, deterministic. Several processes may share them. They can fail like an
 * external timer store: lose some timers or all, be unreachable, show a removed timer again.
 */
#ifndef TOCSIN_TESTS_MEMORY_TIMERS_H
#define TOCSIN_TESTS_MEMORY_TIMERS_H

#include "shared/io/timers.h"

/* Beyond: arm answers ERROR_AGAIN. */
enum { MEMORY_TIMERS_MAX = 65536 };

/* Never NULL; freed by timers->operations->close. */
Timers *memory_timers_new(void);

/* As new, and reachable; keeps its memory. */
void memory_timers_reset(Timers *timers);

size_t memory_timers_count(const Timers *timers);

/* Loses the nth timer (modulo their number, in an order that is the same in each run); no effect when there is none. */
void memory_timers_lose(Timers *timers, size_t nth);

/* Shows the nth of the last 16 removed timers again, at once; no effect when there is none. */
void memory_timers_revive(Timers *timers, size_t nth);

/* Loses all of them: `due` answers ERROR_NOT_FOUND to each owner until that owner has called `armed`. */
void memory_timers_lose_all(Timers *timers);

/* As if the timers were of another log, with greater terms: `due` answers ERROR_CONFLICT until the owner has called `take`. */
void memory_timers_outlive(Timers *timers);

/* While they are away, every operation that needs them answers ERROR_AGAIN. */
void memory_timers_set_away(Timers *timers, bool away);

#endif
