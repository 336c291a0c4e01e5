/*
 * What notification remembers, in its store: a copy of the incidents (a fold of the journal), live plans with the
 * levels still to come, who was told by them, and the deliveries still to be made (folds of its own ledger).
 */
#ifndef TOCSIN_NOTIFICATION_STATE_H
#define TOCSIN_NOTIFICATION_STATE_H

#include "services/notification/core/plan.h"
#include "shared/base/id.h"
#include "shared/domain/documents.h"
#include "shared/io/sqlite/store.h"

extern const char *const state_schema[];
enum { STATE_SCHEMA_VERSION = 2 };

/* *out is a new reference, NULL where the incident is not known. */
Result incident_load(Store *store, Slice id, json_t **out);
Result incident_save(Store *store, Slice id, json_t *incident);

/* policy_id may be NULL where only the plan is wanted; otherwise it is at least PLAN_POLICY_ID bytes. */
enum { PLAN_POLICY_ID = 1040 };
Result plan_load(Store *store, Slice incident, PlanState *out, char *policy_id);
/* Replaces what was there; levels are saved apart. */
Result plan_save(Store *store, Slice incident, const char *policy_id, const PlanState *plan);
Result plan_next_save(Store *store, Slice incident, int64_t next_level);

Result level_save(Store *store, Slice incident, int64_t level, Instant due_at);
/* The first level behind one; *level 0 where there is none. */
Result level_after(Store *store, Slice incident, int64_t behind, int64_t *level, Instant *due_at);
Result levels_clear(Store *store, Slice incident);
/* When the levels to come were promised. */
Result levels_promised(Store *store, Slice incident, PlanPromise *out);

/* Keys of the messages a plan has queued; *out is a new object of them. */
Result notified_save(Store *store, Slice incident, Slice key);
Result notified_load(Store *store, Slice incident, json_t **out);
Result notified_clear(Store *store, Slice incident);

/* A delivery still to be made. Owns its texts. */
typedef struct {
	bool found;
	char key[ID_SIZE];
	char *incident, *channel, *recipient, *address, *language; /* NULL where absent */
	int64_t level, attempt; /* attempt: how often it was tried */
	Instant queued_at, next_at;
} DueDelivery;

Result delivery_load(Store *store, Slice key, DueDelivery *out); /* found false: there is none. Release in any case */
void delivery_release(DueDelivery *delivery);
Result delivery_save(Store *store, Slice incident, const Delivery *delivery, Instant queued_at);
Result delivery_retry(Store *store, Slice key, int64_t attempt, Instant next_at);
Result delivery_forget(Store *store, Slice key);

/* *wait: some of the incident's are still to be made. */
Result deliveries_wait(Store *store, Slice incident, bool *wait);

#endif
