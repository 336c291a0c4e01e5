#include "services/notification/notification.h"

#include "services/notification/channels/channel.h"
#include "services/notification/core/level.h"
#include "services/notification/core/retry.h"
#include "services/notification/core/skip.h"
#include "services/notification/records.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/runtime/incident_store.h"
#include "shared/runtime/journal_cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_BODY = 4096, SKIP_DETAIL = 1024, JOURNAL_CACHED = 4 };

typedef struct {
	IncidentStore incidents;
	JournalCache *journal; /* observe and decide get the same record one after the other */
} Memory;

/* ---- start and end */

static Result restore(Handler *handler)
{
	Memory *memory = handler->memory;
	if (memory) {
		incident_store_forget(&memory->incidents);
		return result_ok();
	}
	memory = calloc(1, sizeof(*memory));
	must(memory);
	incident_store_init(&memory->incidents);
	memory->journal = journal_cache_new(JOURNAL_CACHED);
	handler->memory = memory;
	return result_ok();
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory)
		return;
	incident_store_release(&memory->incidents);
	journal_cache_free(memory->journal);
	free(memory);
	handler->memory = NULL;
}

/* ---- the journal: copies of incidents, and plans */

/* *out is NULL if the record holds no entries, else borrowed until the next record is read. */
static Result journal_read(Handler *handler, const Record *input, const JournalRecord **out)
{
	*out = NULL;
	if (!slice_is(input->type, TYPE_JOURNAL_ENTERED))
		return result_ok();
	TRY(journal_cache_read(((Memory *)handler->memory)->journal, input->body, out));
	return id_is("inc_", slice_of((*out)->incident_id)) ? result_ok() : result_fail(ERROR_INPUT, "incident_id must be inc_ and 26 base32 characters");
}

/* *out is NULL if there is no such incident, else borrowed until the next one is loaded. */
static Result incident_load(Handler *handler, Slice id, const Incident **out)
{
	const StoredIncident *stored;
	TRY(incident_store_load(&((Memory *)handler->memory)->incidents, handler->store, id, &stored));
	*out = stored->exists ? &stored->incident : NULL;
	return result_ok();
}

static Result observe(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	const JournalRecord *record;
	const StoredIncident *folded;
	TRY(journal_read(handler, input, &record));
	if (!record)
		return result_ok();
	TRY(incident_store_follow(&memory->incidents, handler->store, record, &folded));
	return folded ? incident_store_save(&memory->incidents, handler->store) : result_ok();
}

static const EscalationPolicy *policy_fitting(const Handler *handler, const Incident *incident)
{
	return policy_escalation(handler->policy, incident->kind, incident->grade);
}

static Result plan_draft(Handler *handler, const char *incident_id, const EscalationPolicy *policy, Instant base_at,
			 const PlanPromise *promise)
{
	DeliveryRecord record = record_of(incident_id);
	json_t *levels JSON_AUTO = plan_levels(policy, base_at, promise);
	record.policy_id = policy->id;
	record.base_at = base_at;
	record.levels = levels;
	return record_draft(handler, TYPE_ESCALATION_PLANNED, &record, NULL, SLICE_NONE);
}

static Result plan_start(Handler *handler, const char *incident_id, const Incident *incident, Instant base_at)
{
	const EscalationPolicy *policy = policy_fitting(handler, incident);
	const PlanPromise none = plan_promise_none();
	return policy ? plan_draft(handler, incident_id, policy, base_at, &none) : result_ok();
}

/* policy_id: the escalation policy of the running plan. */
static Result plan_move(Handler *handler, const char *incident_id, const Incident *incident, Instant base_at, const char *policy_id)
{
	const EscalationPolicy *policy = policy_fitting(handler, incident);
	PlanPromise promise;
	if (!policy || strcmp(policy->id, policy_id) == 0)
		return result_ok();
	TRY(levels_promised(handler->store, slice_of(incident_id), &promise));
	return plan_draft(handler, incident_id, policy, base_at, &promise);
}

static Result decide(Handler *handler, const Record *input)
{
	PlanState plan;
	char policy_id[PLAN_POLICY_ID] = "";
	Instant base_at = INSTANT_NONE;
	const JournalRecord *record;
	const Incident *incident;
	TRY(journal_read(handler, input, &record));
	if (!record)
		return result_ok();
	TRY(plan_load(handler->store, slice_of(record->incident_id), &plan, policy_id));
	TRY(incident_load(handler, slice_of(record->incident_id), &incident));
	switch (incident ? plan_judge(&plan, record->entries, incident, &base_at) : PLAN_KEEP) {
	case PLAN_START: return plan_start(handler, record->incident_id, incident, base_at);
	case PLAN_MOVE: return plan_move(handler, record->incident_id, incident, base_at, policy_id);
	case PLAN_STOP: {
		DeliveryRecord stopped = record_of(record->incident_id);
		return record_draft(handler, TYPE_ESCALATION_STOPPED, &stopped, NULL, SLICE_NONE);
	}
	case PLAN_KEEP: break;
	}
	return result_ok();
}

/* ---- a level is due */

static bool level_missing_setting(void *context, const ChannelPolicy *channel, char missing[static LEVEL_MISSING])
{
	_Static_assert((int)LEVEL_MISSING == (int)CHANNEL_MISSING, "both hold the name of a missing setting");
	return channel_missing_setting(channel, context, missing);
}

static Result level_reach(Handler *handler, const char *incident_id, const char *policy_id, const PlanState *plan,
			  const Incident *incident)
{
	char name[TIMER_ID];
	json_t *notified JSON_AUTO = NULL;
	TRY(notified_load(handler->store, slice_of(incident_id), &notified));
	Level level = {
		.policy = handler->policy,
		.escalation = policy_escalation_by_id(handler->policy, policy_id),
		.level = plan->next_level,
		.incident_id = incident_id,
		.base_at = plan->base_at,
		.now = handler->now,
		.known = incident,
		.drill = incident && flags_have_drill(incident->flags),
		.notified = notified,
		.missing_setting = level_missing_setting,
		.missing_setting_context = handler->environment,
	};
	json_t *deliveries JSON_AUTO = level_deliveries(&level);
	DeliveryRecord record = record_of(incident_id);
	record.policy_id = policy_id;
	record.base_at = plan->base_at;
	record.escalation_level = plan->next_level;
	record.deliveries = deliveries;
	level_timer(name, slice_of(incident_id), plan->next_level);
	char base[24 + PLAN_POLICY_ID];
	snprintf(base, sizeof(base), "%" PRId64 ":%s", plan->base_at, policy_id);
	Id id = id_of_pair(ID_ESCALATION, slice_of(name), slice_of(base));
	return record_draft(handler, TYPE_ESCALATION_REACHED, &record, &id, slice_of(name));
}

static Result level_fire(Handler *handler, Slice id, int64_t number)
{
	PlanState plan;
	char incident_id[TIMER_ID], policy_id[PLAN_POLICY_ID] = "";
	const Incident *incident;
	TRY(plan_load(handler->store, id, &plan, policy_id));
	if (plan.next_level != number || !text_copy(id, incident_id, sizeof(incident_id)))
		return result_ok();
	TRY(incident_load(handler, id, &incident));
	if (incident && !incident_waits(incident)) {
		DeliveryRecord stopped = record_of(incident_id);
		return record_draft(handler, TYPE_ESCALATION_STOPPED, &stopped, NULL, SLICE_NONE);
	}
	return level_reach(handler, incident_id, policy_id, &plan, incident);
}

/* ---- a message is due */

/* Once the incident is acknowledged, attempts to reach a person are not repeated; see invariant 4 of notification.h. */
static bool is_for_person(const DueDelivery *due)
{
	return slice_starts_with(slice_of(due->recipient), SLICE("person:"));
}

/* The reason why the message can no longer be sent, or SKIP_NONE. For SKIP_NOT_CONFIGURED, missing is the setting or member. */
static Skip send_skip(const Handler *handler, const DueDelivery *due, const Incident *incident, const ChannelPolicy *channel,
		      char missing[static CHANNEL_MISSING])
{
	if (!incident)
		return SKIP_NO_INCIDENT;
	if (due->attempt > 0 && is_for_person(due) && !incident_waits(incident))
		return SKIP_TAKEN_ON;
	if (!channel)
		return SKIP_UNKNOWN_TARGET;
	return channel_missing_setting(channel, handler->environment, missing) ? SKIP_NOT_CONFIGURED : SKIP_NONE;
}

static Result skip_draft(Handler *handler, const DueDelivery *due, Skip skip, const char *missing)
{
	Buffer detail;
	buffer_init(&detail, SKIP_DETAIL);
	skip_write(handler->policy, skip, due->channel, missing, &detail);
	Result result = attempt_draft(handler, due, "skipped", due->attempt, INSTANT_NONE, detail.data);
	buffer_release(&detail);
	return result;
}

static Result send(Handler *handler, const DueDelivery *due, const Incident *incident, const ChannelPolicy *channel)
{
	json_t *document JSON_AUTO = json_encode(&incident_table, incident);
	OutboundMessage outgoing;
	const Notice notice = {
		.policy = handler->policy,
		.channel = channel,
		.environment = handler->environment,
		.incident = document,
		.key = due->key,
		.recipient = due->recipient,
		.address = due->address,
		.language = due->language,
		.escalation_level = due->level,
		.attempt = due->attempt + 1,
		.reached_at = due->queued_at,
	};
	Result result = outbound_message_write(&notice, &outgoing);
	if (!result_failed(result))
		result = handler_send(handler, &outgoing.message);
	outbound_message_release(&outgoing);
	if (result.kind == ERROR_INPUT)
		return attempt_draft(handler, due, "failed", due->attempt + 1, INSTANT_NONE, result.text);
	/* A full outbound queue must not block the partition. The timer fires again when its lease expires. */
	return result.kind == ERROR_AGAIN ? result_ok() : result;
}

static Result send_or_skip(Handler *handler, const DueDelivery *due)
{
	char missing[CHANNEL_MISSING] = "";
	const Incident *incident;
	const ChannelPolicy *channel = due->channel ? policy_channel(handler->policy, due->channel) : NULL;
	TRY(incident_load(handler, slice_of(due->incident), &incident));
	Skip skip = send_skip(handler, due, incident, channel, missing);
	return skip == SKIP_NONE ? send(handler, due, incident, channel) : skip_draft(handler, due, skip, missing);
}

static Result send_fire(Handler *handler, Slice key)
{
	DueDelivery due;
	Result result = delivery_load(handler->store, key, &due);
	if (!result_failed(result) && due.found)
		result = send_or_skip(handler, &due);
	delivery_release(&due);
	return result;
}

static Result fire(Handler *handler, Slice timer_id, Instant due_at)
{
	Slice name;
	int64_t level;
	(void)due_at;
	if (level_timer_read(timer_id, &name, &level))
		return level_fire(handler, name, level);
	return send_timer_read(timer_id, &name) ? send_fire(handler, name) : result_ok();
}

/* ---- the outcome of an attempt */

static Result outcome_draft(Handler *handler, const DueDelivery *due, const OutboundOutcome *outcome)
{
	const Retry retry = { .key = slice_of(due->key),
			      .attempt = outcome->attempt,
			      .queued_at = due->queued_at,
			      .now = handler->now,
			      .retry_after_ms = outcome->retry_after_ms };
	if (outcome->outcome == OUTCOME_SENT)
		return attempt_draft(handler, due, "sent", outcome->attempt, INSTANT_NONE, outcome->detail);
	Instant next_at = outcome->outcome == OUTCOME_RETRY ? retry_next(&retry) : INSTANT_NONE;
	return attempt_draft(handler, due, next_at == INSTANT_NONE ? "failed" : "queued", outcome->attempt, next_at,
			     outcome->detail);
}

static Result outcome(Handler *handler, const OutboundOutcome *outcome)
{
	DueDelivery due;
	Result result = delivery_load(handler->store, slice_of(outcome->key), &due);
	if (!result_failed(result) && due.found && outcome->attempt == due.attempt + 1)
		result = outcome_draft(handler, &due, outcome);
	delivery_release(&due);
	return result;
}

/* ---- accepted: counts outcomes of accepted records; not called during a replay */

/* Logs for operators that a recipient will not be notified. The timeline of the incident names the recipient. */
static void failure_log(const DeliveryRecord *record, const Delivery *delivery)
{
	log_line(LOG_ERROR, "notification", "message-failed", L_STRING("incident", record->incident_id),
		 L_STRING("message", delivery->key), L_STRING("channel", delivery->channel),
		 L_STRING("detail", delivery->detail ? delivery->detail : ""));
}

/* attempted: the record holds outcomes of attempts. If false, a level was reached, and its queued messages have no outcome yet. */
static void deliveries_count(const DeliveryRecord *record, bool attempted)
{
	size_t i;
	json_t *tree;
	json_array_foreach (record->deliveries, i, tree) {
		Delivery delivery;
		if (result_failed(json_decode_record(&delivery_table, tree, &delivery)))
			continue;
		if (attempted || strcmp(delivery.state, "queued") != 0)
			metric_add(METRIC_NOTIFICATIONS, delivery.channel, delivery.state, 1);
		if (strcmp(delivery.state, "failed") == 0)
			failure_log(record, &delivery);
	}
}

static void accepted(Handler *handler, const Record *record)
{
	DeliveryRecord body;
	json_t *tree JSON_AUTO = NULL;
	bool attempted = slice_is(record->type, TYPE_DELIVERY_ATTEMPTED);
	(void)handler;
	if (!attempted && !slice_is(record->type, TYPE_ESCALATION_REACHED))
		return;
	if (!result_failed(json_read(record->body, &tree)) &&
	    !result_failed(json_decode_record(&delivery_record_table, tree, &body)))
		deliveries_count(&body, attempted);
}

/* ---- derive: the command `escalated`, for every level reached */

static json_t *escalated_command(const DeliveryRecord *reached, Instant time)
{
	json_t *actor JSON_AUTO = json_pack("{s:s, s:s, s:s, s:[s]}", "kind", "system", "id", "notification", "name",
					    "notification", "roles", "system");
	char base_at[INSTANT_TEXT];
	instant_format(reached->base_at, base_at);
	json_t *arguments JSON_AUTO = json_pack("{s:I, s:s}", "escalation_level", (json_int_t)reached->escalation_level,
						"base_at", base_at);
	must(actor && arguments);
	CommandRecord command = { .incident_id = reached->incident_id,
				  .command = "escalated",
				  .expected_version = INT64_MIN,
				  .actor = actor,
				  .arguments = arguments,
				  .issued_at = time };
	return json_encode(&command_record_table, &command);
}

static Result derive(Handler *handler, const Record *record)
{
	DeliveryRecord reached;
	Buffer body;
	json_t *tree JSON_AUTO = NULL;
	if (!slice_is(record->type, TYPE_ESCALATION_REACHED))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&delivery_record_table, tree, &reached));
	json_t *command JSON_AUTO = escalated_command(&reached, record->time);
	Id id = id_derived(ID_COMMAND_ESCALATED, record->id, 0);
	buffer_init(&body, COMMAND_BODY);
	json_write(command, &body);
	Draft draft = { .id = id_slice(&id),
			.type = SLICE(TYPE_COMMAND),
			.subject = slice_of(reached.incident_id),
			.body = buffer_slice(&body),
			.time = record->time };
	Result result = handler_emit(handler, TOPIC_COMMANDS, record_slot(record), &draft);
	buffer_release(&body);
	return result;
}

/*
 * Decides if an old record must stay in the ledger. Records of an open incident must, because without them its plan would start
 * again; records of a closed incident must while it has pending deliveries.
 */
static Result needed(Handler *handler, const Record *old, bool *needed)
{
	const Incident *incident;
	TRY(incident_load(handler, old->subject, &incident));
	*needed = incident && incident->closed_at == INSTANT_NONE;
	return *needed ? result_ok() : deliveries_pending(handler->store, old->subject, needed);
}

const Service notification_service = {
	.name = "notification",
	.sentence = "Decides who is notified, how, and when next, and records every delivery",
	.ledger = TOPIC_DELIVERIES,
	.inputs = { { .topic = TOPIC_JOURNAL, .observe = observe, .decide = decide } },
	.input_count = 1,
	.outputs = { TOPIC_COMMANDS },
	.output_count = 1,
	.policy = true,
	.schema = state_schema,
	.schema_version = STATE_SCHEMA_VERSION,
	.restore = restore,
	.release = release,
	.apply = records_apply,
	.derive = derive,
	.fire = fire,
	.outcome = outcome,
	.accepted = accepted,
	.needed = needed,
};
