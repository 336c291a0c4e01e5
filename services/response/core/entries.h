/*
 * Builds the entries of a journal record. Their versions count on from the version of the incident. All have the same time,
 * which is at least a millisecond after that of the previous record's entries, even if the clock went back: the time of an
 * opening or reopening identifies the escalation that starts then, and ids of messages are derived from that time.
 */
#ifndef TOCSIN_RESPONSE_ENTRIES_H
#define TOCSIN_RESPONSE_ENTRIES_H

#include "shared/base/json.h"

typedef struct {
	json_t *list; /* owned */
	int64_t version; /* of the last entry */
	Instant at;
} Entries;

/* incident NULL: the entries will open it. The caller owns entries.list. */
Entries entries_begin(json_t *incident, Instant now);

/* Adds an entry. Borrows actor; takes data and changes (NULL: empty objects). */
void entries_add(Entries *entries, const char *type, json_t *actor, json_t *data, json_t *changes);

/* A new actor of kind system, for the service of that name. */
json_t *actor_system(const char *service);

/* A new JSON text, null for NULL; a new JSON time, null for INSTANT_NONE. */
json_t *text_or_null(const char *text);
json_t *time_or_null(Instant instant);

/* The time in a member; INSTANT_NONE if it holds none. */
Instant member_time(json_t *object, const char *name);
/* The text in a member, borrowed; NULL if it holds none. */
const char *member_text(json_t *object, const char *name);

#endif
