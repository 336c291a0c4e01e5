/*
 * Decides an assessment: it opens an incident, counts repeats, or replaces the former assessment. Pure; the time is an
 * argument.
 */
#ifndef TOCSIN_RESPONSE_OPENING_H
#define TOCSIN_RESPONSE_OPENING_H

#include "services/response/core/entries.h"
#include "services/response/core/extras.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy.h"

/*
 * Entries of a new incident: opened, assessed and, if the escalation policy names a team, assigned. Known noise is opened as
 * a false alarm and is not assigned. ERROR_INPUT: the assessment or the document is invalid. The caller owns out->list.
 */
Result opening_decide(const AssessmentRecord *record, const Policy *policy, Instant now, Entries *out);

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
Result repeat_decide(json_t *incident, const IncidentExtras *extras, const AssessmentRecord *record, const Policy *policy,
		     Instant now, Entries *out);

/* True if the entries open an incident. *kind and *grade ("" if the incident has none) are borrowed from the entries. */
bool entries_open(json_t *entries, const char **kind, const char **grade);

/*
 * The time by which the incident must be acknowledged: `base` plus the delay of the first escalation level that has one.
 * INSTANT_NONE: no level has a delay.
 */
Instant acknowledge_by(const Policy *policy, const char *kind, const char *grade, Instant base);

/* Appends a title: the first line of a description, at most TITLE_CUT characters, cut between words if possible. */
enum { TITLE_CUT = 120 };
void title_of_description(Slice description, Buffer *out);

#endif
