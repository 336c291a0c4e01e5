/*
 * A journal record's entries in the making: versions go up by one from the incident's, and all of them bear one time, which
 * is never before that of the entry before them, whatever the clock says.
 */
#ifndef TOCSIN_RESPONSE_ENTRIES_H
#define TOCSIN_RESPONSE_ENTRIES_H

#include "shared/base/json.h"

typedef struct {
	json_t *list; /* owned */
	int64_t version;
	Instant at;
} Entries;

/* incident is NULL where it is about to be opened. Give entries.list to its owner, or json_decref it. */
Entries entries_begin(json_t *incident, Instant now);

/* actor is borrowed; data and changes are taken, NULL stands for none. */
void entries_add(Entries *entries, const char *type, json_t *actor, json_t *data, json_t *changes);

/* A new actor of kind system: the service of that name. */
json_t *actor_system(const char *service);

/* A new text, or null for NULL; a new time, or null for INSTANT_NONE. */
json_t *text_or_null(const char *text);
json_t *time_or_null(Instant instant);

/* A member that holds a time, else INSTANT_NONE. */
Instant member_time(json_t *object, const char *name);
/* A member that holds text, else NULL; borrowed. */
const char *member_text(json_t *object, const char *name);

#endif
