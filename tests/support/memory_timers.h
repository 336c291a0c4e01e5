/*
 * Timers in memory, for simulations: one thread, no clock, deterministic. Several processes may share them. They can fail like an
 * external timer store: lose some timers or all, be unreachable, show a removed timer again.
 */
#ifndef TOCSIN_TESTS_MEMORY_TIMERS_H
#define TOCSIN_TESTS_MEMORY_TIMERS_H

#include "shared/io/timers.h"

/* The largest number of timers; beyond it, `arm` answers ERROR_AGAIN. */
enum { MEMORY_TIMERS_MAX = 65536 };

/* Never NULL; freed by timers->operations->close. */
Timers *memory_timers_new(void);

/* Removes all timers and owners, and makes the timers reachable. Keeps the allocated memory. */
void memory_timers_reset(Timers *timers);

size_t memory_timers_count(const Timers *timers);

/* Loses one timer: number `nth` modulo the number of timers, in an order that is the same in each run. No effect without timers. */
void memory_timers_lose(Timers *timers, size_t nth);

/*
 * Adds one of the last 16 removed timers again, with its former due time: number `nth` modulo their number. No effect if none was
 * removed, or if the owner has a timer with this id.
 */
void memory_timers_revive(Timers *timers, size_t nth);

/* Loses all timers: `due` answers ERROR_NOT_FOUND to each known owner until that owner has called `armed`. */
void memory_timers_lose_all(Timers *timers);

/* Raises all terms by 1000, as if the timers belonged to another log: `due` answers ERROR_CONFLICT until the owner calls `take`. */
void memory_timers_outlive(Timers *timers);

/*
 * While the timers are away (unreachable), `arm`, `disarm`, `due` and `health` answer ERROR_AGAIN, `next` answers INSTANT_NONE, and
 * `armed` and `take` have no effect.
 */
void memory_timers_set_away(Timers *timers, bool away);

#endif
