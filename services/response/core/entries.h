/*
 * Builds the entries of a journal record. Their versions and sequences count on from those of the incident. All have the same
 * time, which is at least a millisecond after that of the previous record's entries, even if the clock went back: the time of
 * an opening or reopening identifies the escalation that starts then, and ids of messages are derived from that time.
 */
#ifndef TOCSIN_RESPONSE_ENTRIES_H
#define TOCSIN_RESPONSE_ENTRIES_H

#include "shared/domain/incident.h"

typedef enum { RECORD_CHANGES, RECORD_OPENS, RECORD_REOPENS, RECORD_CLOSES } RecordEffect;

typedef struct {
	json_t *list; /* owned */
	int64_t version, sequence; /* of the last entry */
	Instant at;
	RecordEffect effect; /* of the last entry that opens, closes or reopens; noise that is opened counts as RECORD_CHANGES */
	bool resumes; /* a person reopens the incident: its correlation key counts events for it again */
} Entries;

/* incident NULL: the entries will open it; extras is not used then. The caller owns entries.list. */
Entries entries_begin(const Incident *incident, const IncidentExtras *extras, Instant now);

/* Adds an entry. Borrows actor and change (NULL: changes nothing); takes data (NULL: an empty object). */
void entries_add(Entries *entries, const char *type, json_t *actor, json_t *data, const IncidentChange *change);

/* A new actor of kind system, for the service of that name. */
json_t *actor_system(const char *service);

#endif
