/*
 * Joins: response announces on tocsin.joins which open incident has which join key, and intake, which owns the key's
 * partition, tells two that share one of each other: `link` commands to both, whose ids are a function of the key and the
 * two, so that doing it again changes nothing. An announcement is derived from an accepted entry, so a command never meets
 * an incident that response does not know.
 *
 * State is a row a join key, in the store alone. Nothing here touches the windows, and no event waits for it.
 */
#ifndef TOCSIN_INTAKE_JOINS_H
#define TOCSIN_INTAKE_JOINS_H

#include "shared/runtime/handler.h"

#define JOINS_SCHEMA                                                                                                   \
	"CREATE TABLE joins (key TEXT PRIMARY KEY, row TEXT NOT NULL, ends_at INTEGER NOT NULL) WITHOUT ROWID;"        \
	"CREATE INDEX joins_ends ON joins (ends_at)"

/* decide: of an announcement that was not there before; apply, needed: of TYPE_JOIN_KEPT; derive: of every record. */
Result join_decide(Handler *handler, const Record *input);
Result join_apply(Handler *handler, const Record *record);
Result join_derive(Handler *handler, const Record *record);
Result join_needed(Handler *handler, const Record *old, bool *needed);

#endif
