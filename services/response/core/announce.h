/*
 * What others are told with a journal record: intake, to which incident a key's events count again, and what open
 * incidents have in common. It is decided here, under the policy in force, and stands in the record, because derive may
 * read nothing else. Pure.
 */
#ifndef TOCSIN_RESPONSE_ANNOUNCE_H
#define TOCSIN_RESPONSE_ANNOUNCE_H

#include "services/response/core/extras.h"
#include "shared/base/id.h"
#include "shared/domain/policy.h"

/* A new object of resumption_table where people open the incident again with these entries, else NULL. */
json_t *resumption_of(json_t *incident, const IncidentExtras *standing, json_t *entries, const Policy *policy);

/*
 * A new list of join_table where the policy joins incidents and the entries open one, close it or open it again; else
 * NULL. incident: as it was before them, NULL where they open it. Noise is not announced before it turns out to be none.
 */
json_t *joins_of(const char *incident_id, json_t *incident, json_t *entries, const Policy *policy);

/* "0123…": 26 base32 characters of the hash of what incidents share. */
Id join_key(const char *by, const char *name);

#endif
