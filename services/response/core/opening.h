/*
 * What an assessment does to an incident: opens it, counts on, or sees it in a new light. Pure: data and policy in, entries
 * out; the time is an argument.
 */
#ifndef TOCSIN_RESPONSE_OPENING_H
#define TOCSIN_RESPONSE_OPENING_H

#include "services/response/core/entries.h"
#include "services/response/core/extras.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy.h"

/*
 * Entries of a new incident: opened, assessed and, where the escalation policy names a team, assigned. Known noise opens as
 * a false alarm and is given to nobody. ERROR_INPUT: the assessment or the document is not what it should be. *out is a new
 * reference.
 */
Result opening_decide(const AssessmentRecord *record, const Policy *policy, Instant now, Entries *out);

/*
 * Entries of a later report on an incident; none where it says nothing new. Counts never go down, and the title stays that
 * of its first event. A new assessment is taken over while the incident is open, and only where it is no milder:
 *
 *   an incident made of an event or a weakness   waits for somebody again, whoever took on what it was, and escalation
 *                                                begins anew with this entry (it sets escalation_level to 0)
 *   a worse grade, nobody has acknowledged       escalation goes on by the policy that fits now, its seconds still count
 *                                                from where they did: acknowledge_by may come nearer, never further away
 *   a worse grade, somebody has acknowledged     stays acknowledged
 *
 * Noise that an assessment no longer calls so is opened again.
 */
Result repeat_decide(json_t *incident, const IncidentExtras *standing, const AssessmentRecord *record, const Policy *policy,
		     Instant now, Entries *out);

/* Whether entries open an incident; as what, borrowed from them: its kind, and its grade or "". */
bool entries_open(json_t *entries, const char **kind, const char **grade);

/* When somebody must have acknowledged: the first level that is not told at once. INSTANT_NONE: nobody waits for it. */
Instant acknowledge_by(const Policy *policy, const char *kind, const char *grade, Instant base);

/* A title out of the first line of a description: at most TITLE_CUT characters, cut between words where that is possible. */
enum { TITLE_CUT = 120 };
void title_of_description(Slice description, Buffer *out);

#endif
