/*
 * Decides an assessment: it opens an incident, counts repeats, or replaces the former assessment. Pure; the time is an
 * argument.
 */
#ifndef TOCSIN_RESPONSE_OPENING_H
#define TOCSIN_RESPONSE_OPENING_H

#include "services/response/core/entries.h"
#include "shared/domain/policy.h"

/*
 * Entries of a new incident: opened, assessed and, if the escalation policy names a team, assigned. Known noise is opened as
 * a false alarm and is not assigned. ERROR_INPUT: assessment, document or number is missing or invalid. The caller owns
 * out->list.
 * *opened is the incident as opened and graded, without its title; it borrows from the record.
 */
Result opening_decide(const AssessmentRecord *record, const Policy *policy, Instant now, Entries *out, Incident *opened);

/*
 * Entries of a later report on an incident; an empty list if nothing changes. Counts never decrease, and the title stays that
 * of the first event. A new assessment takes effect while the incident is open, and only if it is not milder:
 *
 *   an event or a weakness becomes an incident   the acknowledgement is removed and escalation restarts with this entry,
 *                                                which sets escalation_level to 0
 *   a worse grade, not acknowledged              escalation continues under the policy that now applies and counts from the
 *                                                same moment: acknowledge_by may become earlier, never later
 *   a worse grade, acknowledged                  stays acknowledged
 *
 * An incident opened as noise is reopened by an assessment that is not noise. The caller owns out->list.
 */
Result repeat_decide(const Incident *incident, const IncidentExtras *extras, const AssessmentRecord *record, const Policy *policy,
		     Instant now, Entries *out);

/* If the entries open an incident: the indexes of its kind and grade in kind_words and grade_words; else -1. */
void entries_open(json_t *entries, int *kind, int *grade);

/* True if a team or a person is assigned. */
bool incident_is_assigned(const Incident *incident);

/* Adds an entry that assigns the team of the escalation policy and its first member on duty; nothing if the policy names no team. */
void assigned_add(Entries *entries, const Policy *policy, int kind, int grade);

/* Appends a title: the first line of a description, at most TITLE_CUT characters, cut between words if possible. */
enum { TITLE_CUT = 120 };
void title_of_description(Slice description, Buffer *out);

#endif
