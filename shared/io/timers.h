/*
 * Timers are hints: firing makes the owner look again at its state, which decides. A timer lost is armed again from
 * state (the runtime does so when it opens a partition, and every half minute for what is overdue), a timer late or
 * fired twice changes nothing.
 *
 * owner: "notification/0", the partition whose timer it is; id: unique within it, at most 128 bytes. term: the ledger
 * epoch in which the caller owns that partition. Where several processes share the timers, what a deposed owner still
 * asks for (a smaller term than the owner's last) changes nothing and shows nothing: its successor has armed everything
 * anew. But a greater term may also be left from another log, where topics were made anew and their epochs began again.
 * Only the ledger tells one from the other: who has had a record accepted since he heard of that term is the owner, and
 * takes the timers.
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
	 * Arms, or moves an armed one. Where the timers are kept outside this may be carried out later, in order, at
	 * the latest before the owner's next `due`; if it could not be, that `due` fails.
	 */
	Result (*arm)(Timers *timers, const char *owner, uint64_t term, Slice id, Instant due_at);
	/* Takes it out, whatever its state; unknown is fine. Like arm, it may be carried out later. */
	Result (*disarm)(Timers *timers, const char *owner, uint64_t term, Slice id);
	/*
	 * All that state wants armed was armed since the term began, or since `due` answered ERROR_NOT_FOUND. Until
	 * this is called, `due` answers that. NULL: timers are not lost unnoticed here, and `due` needs no such word.
	 */
	void (*armed)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * What is due is shown and leased for lease_ms: not shown again before, unless armed anew. Due is what lies
	 * before now, or before the clock of the outside that keeps the timers. ERROR_NOT_FOUND: the outside has lost
	 * them, or may have: all that state wants armed must be armed again, then `armed` called; ERROR_CONFLICT: a
	 * greater term is known there; ERROR_AGAIN: it cannot be reached. Waits for the outside for a few seconds at
	 * most, and not at all where nothing is due.
	 */
	Result (*due)(Timers *timers, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
		      TimersVisit visit, void *context);
	/*
	 * After ERROR_CONFLICT, by the owner as its ledger has shown since: greater terms count for nothing any more, and
	 * `due` answers ERROR_NOT_FOUND. By one who is wrong about that it costs the true owner arming anew. NULL: terms
	 * are not compared here.
	 */
	void (*take)(Timers *timers, const char *owner, uint64_t term);
	/*
	 * When the next one is due (or its lease ends) by the caller's clock, INSTANT_NONE when there is none. Cheap:
	 * what is known, no I/O; once timers were lost, or a greater term was heard of, a time that has passed, so that
	 * `due` is asked; never one that
	 * has passed while the outside cannot be reached, so that nobody asks without a pause.
	 */
	Instant (*next)(Timers *timers, const char *owner);
	/* Whether the outside can be reached; ERROR_AGAIN with a reason for people: it cannot. Cheap. NULL: always. */
	Result (*health)(Timers *timers);
	void (*close)(Timers *timers);
} TimersOperations;

struct Timers {
	const TimersOperations *operations;
};

/* Timers in a SQLite file (no fsync: they are re-creatable). Thread-safe. */
Result timers_sqlite_open(const char *path, Timers **out);

#endif
