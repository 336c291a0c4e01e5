/*
 * Facts about an incident that its document does not hold: a fold of its journal entries. Pure.
 *
 * base_at is the moment from which escalation counts: the opening, a reopening, or an assessment that restarts escalation (one
 * that sets escalation_level). notification folds the same moments from the same entries (its core/plan.h); so acknowledge_by,
 * which response computes, is the time at which notification escalates.
 */
#ifndef TOCSIN_RESPONSE_CORE_EXTRAS_H
#define TOCSIN_RESPONSE_CORE_EXTRAS_H

#include "shared/base/json.h"

typedef struct {
	int64_t report_version; /* of the last report that led to an entry */
	bool noise;             /* opened as noise, and not reopened since */
	Instant base_at;        /* INSTANT_NONE before the opening */
} IncidentExtras;

/* Before the first entry. */
IncidentExtras extras_new(void);
/* Folds one journal entry. */
void extras_fold(IncidentExtras *extras, json_t *entry);

#endif
