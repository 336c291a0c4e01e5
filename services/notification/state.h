/*
 * The state of notification, in its store. From the journal: copies of the incidents. From its own ledger: running plans, with
 * the levels that they have not reached yet and the messages that they have queued; and pending deliveries.
 */
#ifndef TOCSIN_NOTIFICATION_STATE_H
#define TOCSIN_NOTIFICATION_STATE_H

#include "services/notification/core/plan.h"
#include "shared/base/id.h"
#include "shared/runtime/incident_store.h"

extern const char *const state_schema[];
enum { STATE_SCHEMA_VERSION = 3 };

/* If state has no plan of the incident, out->exists is false. policy_id: NULL, or a buffer of at least PLAN_POLICY_ID bytes. */
enum { PLAN_POLICY_ID = 1040 };
Result plan_load(Store *store, Slice incident, PlanState *out, char *policy_id);
/* Replaces the plan; its levels are saved separately. */
Result plan_save(Store *store, Slice incident, const char *policy_id, const PlanState *plan);
Result plan_next_save(Store *store, Slice incident, int64_t next_level);

Result level_save(Store *store, Slice incident, int64_t level, Instant due_at);
/* The first saved level after `reached`; *level is 0 if there is no such level. */
Result level_after(Store *store, Slice incident, int64_t reached, int64_t *level, Instant *due_at);
Result levels_clear(Store *store, Slice incident);
/* The due times of all saved levels, also of reached ones while a later level is to come. */
Result levels_promised(Store *store, Slice incident, PlanPromise *out);

/* Keys of the messages that a plan has queued; *out is a new object with these keys as member names. */
Result notified_save(Store *store, Slice incident, Slice key);
Result notified_load(Store *store, Slice incident, json_t **out);
Result notified_clear(Store *store, Slice incident);

/* A pending delivery. Owns its texts. */
typedef struct {
	bool found;
	char key[ID_SIZE];
	char *incident, *channel, *recipient, *address, *language; /* NULL: absent */
	int64_t level, attempt; /* attempt: number of attempts made */
	Instant queued_at, next_at;
} DueDelivery;

/* out->found is false if no delivery with this key is pending. Call delivery_release in any case. */
Result delivery_load(Store *store, Slice key, DueDelivery *out);
void delivery_release(DueDelivery *delivery);
Result delivery_save(Store *store, Slice incident, const Delivery *delivery, Instant queued_at);
Result delivery_retry(Store *store, Slice key, int64_t attempt, Instant next_at);
Result delivery_forget(Store *store, Slice key);

/* *pending: the incident has pending deliveries. */
Result deliveries_pending(Store *store, Slice incident, bool *pending);

#endif
