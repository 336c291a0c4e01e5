/*
 * Joins: response announces on tocsin.joins the join keys of open incidents. The intake that owns the partition of a key
 * sends a `link` command to each of two incidents that share it. The ids of the commands are functions of the key and the two
 * incidents, so sending the commands again changes nothing. An announcement is derived from an accepted entry, so response
 * knows the incident of every command.
 *
 * State is one row for each join key, only in the store. Joins do not affect windows, and no event waits for them.
 */
#ifndef TOCSIN_INTAKE_JOINS_H
#define TOCSIN_INTAKE_JOINS_H

#include "shared/runtime/handler.h"

#define JOINS_SCHEMA                                                                                                   \
	"CREATE TABLE joins (key TEXT PRIMARY KEY, row TEXT NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;"        \
	"CREATE INDEX joins_ends ON joins (ends_at)"

/*
 * The parts of intake's Service for joins. join_decide takes announcements that are not duplicates; join_apply and join_needed take
 * records of TYPE_JOIN_KEPT; join_derive takes every accepted record.
 */
Result join_decide(Handler *handler, const Record *input);

/* ERROR_INPUT: join_decide would refuse the input, whatever the state is. */
Result join_check(const Record *input, unsigned partitions);

Result join_apply(Handler *handler, const Record *record);
Result join_derive(Handler *handler, const Record *record);
Result join_needed(Handler *handler, const Record *old, bool *needed);

#endif
