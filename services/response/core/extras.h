/*
 * What the journal says of an incident besides its document: a fold of its entries, kept beside it. Pure.
 *
 * base_at is the moment escalation counts from: the opening, a reopening, or the assessment with which it begins anew
 * (one that sets escalation_level). notification folds the same moments out of the same entries (its core/plan.h), so
 * what is promised here is when it is told there.
 */
#ifndef TOCSIN_RESPONSE_CORE_EXTRAS_H
#define TOCSIN_RESPONSE_CORE_EXTRAS_H

#include "shared/base/json.h"

typedef struct {
	int64_t report_version; /* the last report that made an entry */
	bool noise;             /* opened as noise, and a false alarm for no other reason */
	Instant base_at;        /* INSTANT_NONE before the opening */
} IncidentExtras;

IncidentExtras extras_new(void);
void extras_fold(IncidentExtras *standing, json_t *entry);

#endif
