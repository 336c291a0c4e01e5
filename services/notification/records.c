#include "services/notification/records.h"

#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = BUS_RECORD_MAX - (64 << 10) };

/* ---- drafting */

DeliveryRecord record_of(const char *incident_id)
{
	return (DeliveryRecord){ .incident_id = incident_id, .base_at = INSTANT_NONE, .escalation_level = INT64_MIN };
}

Result record_draft(Handler *handler, const char *type, const DeliveryRecord *record, const Id *id, Slice cause)
{
	DeliveryRecord stamped = *record;
	Buffer body;
	stamped.policy_version = policy_version(handler->policy);
	json_t *tree JSON_AUTO = json_encode(&delivery_record_table, &stamped);
	buffer_init(&body, BODY_MAX);
	json_write(tree, &body);
	Draft draft = { .id = id ? id_slice(id) : SLICE_NONE,
			.type = slice_of(type),
			.cause = cause,
			.subject = slice_of(record->incident_id),
			.body = buffer_slice(&body) };
	Result result = body.overflowed
				? result_fail(ERROR_INTERNAL, "a level has more recipients than a record can hold")
				: handler_draft(handler, &draft);
	buffer_release(&body);
	return result;
}

Result attempt_draft(Handler *handler, const DueDelivery *due, const char *state, int64_t attempt, Instant next_at,
		     const char *detail)
{
	char name[64];
	Delivery delivery = {
		.key = due->key,
		.channel = due->channel,
		.recipient = due->recipient,
		.escalation_level = due->level,
		.state = state,
		.attempt = attempt,
		.next_at = next_at,
		.detail = detail && detail[0] ? detail : NULL,
		.address = due->address,
		.language = due->language,
	};
	DeliveryRecord record = record_of(due->incident);
	json_t *deliveries JSON_AUTO = json_array();
	must(deliveries && json_array_append_new(deliveries, json_encode(&delivery_table, &delivery)) == 0);
	record.deliveries = deliveries;
	record.escalation_level = due->level;
	snprintf(name, sizeof(name), "%s:%" PRId64, state, attempt);
	Id id = id_of_pair(ID_ATTEMPT, slice_of(due->key), slice_of(name));
	return record_draft(handler, TYPE_DELIVERY_ATTEMPTED, &record, &id, slice_of(due->key));
}

/* ---- timers */

/* Ids are at most ID_SIZE bytes long (ids_check), so names of timers fit. */
void level_timer(char out[static TIMER_ID], Slice incident, int64_t level)
{
	snprintf(out, TIMER_ID, "level:%.*s:%" PRId64, (int)incident.size, incident.data, level);
}

bool level_timer_read(Slice timer, Slice *incident, int64_t *level)
{
	const Slice prefix = SLICE("level:");
	const char *colon = timer.size > 0 ? memrchr(timer.data, ':', timer.size) : NULL;
	if (!slice_starts_with(timer, prefix) || colon < timer.data + prefix.size)
		return false;
	*incident = (Slice){ timer.data + prefix.size, (size_t)(colon - timer.data) - prefix.size };
	return slice_integer((Slice){ colon + 1, (size_t)(timer.data + timer.size - colon) - 1 }, level);
}

bool send_timer_read(Slice timer, Slice *key)
{
	const Slice prefix = SLICE("send:");
	if (!slice_starts_with(timer, prefix))
		return false;
	*key = (Slice){ timer.data + prefix.size, timer.size - prefix.size };
	return true;
}

static void send_timer(char out[static TIMER_ID], const char *key)
{
	snprintf(out, TIMER_ID, "send:%s", key);
}

static Result level_arm(Handler *handler, Slice incident, int64_t level, Instant due_at)
{
	char timer[TIMER_ID];
	level_timer(timer, incident, level);
	return handler_arm(handler, slice_of(timer), due_at);
}

static Result level_disarm(Handler *handler, Slice incident, int64_t level)
{
	char timer[TIMER_ID];
	if (level < 1)
		return result_ok();
	level_timer(timer, incident, level);
	return handler_disarm(handler, slice_of(timer));
}

/* ---- applying */

static Slice incident_of(const DeliveryRecord *record)
{
	return slice_of(record->incident_id);
}

/* Makes the first level after `reached` the plan's next level and arms its timer. Without such a level the plan is complete. */
static Result plan_advance(Handler *handler, Slice incident, int64_t reached)
{
	int64_t level;
	Instant due_at;
	TRY(level_after(handler->store, incident, reached, &level, &due_at));
	TRY(plan_next_save(handler->store, incident, level));
	return level > 0 ? level_arm(handler, incident, level, due_at) : levels_clear(handler->store, incident);
}

static Result plan_end(Handler *handler, Slice incident)
{
	PlanState plan;
	TRY(plan_load(handler->store, incident, &plan, NULL));
	TRY(level_disarm(handler, incident, plan.next_level));
	return levels_clear(handler->store, incident);
}

/* Forgets who was notified if the new plan has another base_at, or if the plan before it was trimmed from the ledger. */
static Result notified_begin(Handler *handler, Slice incident, Instant base_at)
{
	PlanState before;
	TRY(plan_load(handler->store, incident, &before, NULL));
	return !before.exists || before.base_at != base_at ? notified_clear(handler->store, incident) : result_ok();
}

static Result planned_apply(Handler *handler, const Record *record, const DeliveryRecord *body)
{
	PlanState plan = { .exists = true, .base_at = body->base_at };
	Slice incident = incident_of(body);
	size_t i;
	json_t *level;
	(void)record;
	TRY(plan_end(handler, incident));
	TRY(notified_begin(handler, incident, body->base_at));
	TRY(plan_save(handler->store, incident, body->policy_id ? body->policy_id : "", &plan));
	json_array_foreach (body->levels, i, level) {
		Instant due_at = INSTANT_NONE;
		TRY(instant_parse(slice_of(json_string_value(json_object_get(level, "due_at"))), &due_at));
		TRY(level_save(handler->store, incident, json_integer_value(json_object_get(level, "escalation_level")),
			       due_at));
	}
	return plan_advance(handler, incident, 0);
}

static Result stopped_apply(Handler *handler, const Record *record, const DeliveryRecord *body)
{
	(void)record;
	TRY(plan_end(handler, incident_of(body)));
	TRY(notified_clear(handler->store, incident_of(body)));
	return plan_next_save(handler->store, incident_of(body), 0);
}

static Result queued_apply(Handler *handler, const Record *record, Slice incident, const Delivery *delivery)
{
	char timer[TIMER_ID];
	send_timer(timer, delivery->key);
	TRY(delivery_save(handler->store, incident, delivery, record->time));
	TRY(notified_save(handler->store, incident, slice_of(delivery->key)));
	return handler_arm(handler, slice_of(timer), delivery->next_at);
}

static Result reached_apply(Handler *handler, const Record *record, const DeliveryRecord *body)
{
	Slice incident = incident_of(body);
	size_t i;
	json_t *tree;
	TRY(level_disarm(handler, incident, body->escalation_level));
	json_array_foreach (body->deliveries, i, tree) {
		Delivery delivery;
		TRY(json_decode_record(&delivery_table, tree, &delivery));
		if (strcmp(delivery.state, "queued") == 0)
			TRY(queued_apply(handler, record, incident, &delivery));
	}
	return plan_advance(handler, incident, body->escalation_level);
}

static Result attempt_apply(Handler *handler, const Delivery *delivery)
{
	char timer[TIMER_ID];
	Slice key = slice_of(delivery->key);
	send_timer(timer, delivery->key);
	if (strcmp(delivery->state, "queued") == 0) {
		TRY(delivery_retry(handler->store, key, delivery->attempt, delivery->next_at));
		return handler_arm(handler, slice_of(timer), delivery->next_at);
	}
	TRY(delivery_forget(handler->store, key));
	return handler_disarm(handler, slice_of(timer));
}

static Result attempted_apply(Handler *handler, const Record *record, const DeliveryRecord *body)
{
	size_t i;
	json_t *tree;
	(void)record;
	json_array_foreach (body->deliveries, i, tree) {
		Delivery delivery;
		TRY(json_decode_record(&delivery_table, tree, &delivery));
		TRY(attempt_apply(handler, &delivery));
	}
	return result_ok();
}

static const struct {
	const char *type;
	Result (*apply)(Handler *handler, const Record *record, const DeliveryRecord *body);
} kinds[] = {
	{ TYPE_ESCALATION_PLANNED, planned_apply },
	{ TYPE_ESCALATION_STOPPED, stopped_apply },
	{ TYPE_ESCALATION_REACHED, reached_apply },
	{ TYPE_DELIVERY_ATTEMPTED, attempted_apply },
};

static Result ids_check(const DeliveryRecord *body)
{
	size_t i;
	json_t *delivery;
	bool fit = id_is("inc_", incident_of(body));
	json_array_foreach (body->deliveries, i, delivery)
		fit &= json_string_length(json_object_get(delivery, "key")) < ID_SIZE;
	return fit ? result_ok() : result_fail(ERROR_INTERNAL, "a record of tocsin.deliveries has an invalid incident_id or key");
}

Result records_apply(Handler *handler, const Record *record)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_is(record->type, kinds[i].type))
			continue;
		DeliveryRecord body;
		json_t *tree JSON_AUTO = NULL;
		TRY(json_read(record->body, &tree));
		TRY(json_decode_record(&delivery_record_table, tree, &body));
		TRY(ids_check(&body));
		return kinds[i].apply(handler, record, &body);
	}
	return result_ok();
}
