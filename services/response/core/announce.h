/*
 * Announcements in a journal record: the reopened incident for which the events of a key count again, and the join keys of an
 * incident that is opened, closed or reopened. They are decided here, under the policy in force, and stored in the record, because
 * derive may read nothing but the record. Pure.
 */
#ifndef TOCSIN_RESPONSE_ANNOUNCE_H
#define TOCSIN_RESPONSE_ANNOUNCE_H

#include "services/response/core/entries.h"
#include "shared/domain/policy.h"

/* A new object of resumption_table if a person reopens the incident with these entries, else NULL. */
json_t *resumption_of(const Incident *incident, const IncidentExtras *extras, const Entries *entries, const Policy *policy);

/*
 * A new list of objects of join_table if the policy joins incidents by a member that this one has, and the entries open, close or
 * reopen it; else NULL. incident: as it was before the entries; for an opening, the incident that the entries open. Noise is
 * announced only when it is reopened.
 */
json_t *joins_of(const char *incident_id, const Incident *incident, const Entries *entries, const Policy *policy);

/* 26 base32 characters: the hash of the member (`by`) and the value (`name`) that incidents share. */
Id join_key(const char *by, const char *name);

#endif
