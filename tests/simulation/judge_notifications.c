/* Judges escalations, deliveries and the audit log. */
#include "tests/simulation/judge_internal.h"

#include "services/audit/core/chain.h"
#include "shared/domain/documents.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/types.h"
#include "tests/simulation/hostile.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- escalations and deliveries */

typedef struct {
	json_t *plans;      /* incident id → {due, levels, reached, stopped} */
	json_t *deliveries; /* key of a delivery → the last record of this delivery */
} Notifications;

enum { PUNCTUAL_MS = 1000 };

static Instant time_of(const BusRecord *record)
{
	Instant time = INSTANT_NONE;
	must(!result_failed(instant_parse(header_get(record->headers, "ce_time"), &time)));
	return time;
}

/* Creates the plan of an incident. A level that was due before the plan was decided counts as due at planned_at. */
static void planned(json_t *plans, const char *id, json_t *body, Instant planned_at)
{
	json_t *due = json_array(), *level;
	size_t index;
	json_array_foreach (json_object_get(body, "levels"), index, level) {
		Instant due_at = INSTANT_NONE;
		must(!result_failed(instant_parse(slice_of(member(level, "due_at")), &due_at)));
		json_array_append_new(due, json_integer(due_at > planned_at ? due_at : planned_at));
	}
	json_object_set_new(plans, id, json_pack("{s:o, s:I, s:i, s:b}", "due", due, "levels", (json_int_t)json_array_size(json_object_get(body, "levels")),
						 "reached", 0, "stopped", 0));
}

static void reached_in_time(json_t *plan, const char *id, int64_t level, Instant reached_at)
{
	Instant due_at = json_integer_value(json_array_get(json_object_get(plan, "due"), (size_t)level - 1));
	if (judged->calm_at == INSTANT_NONE || due_at < judged->calm_at)
		return;
	judged->figures.levels_timed++;
	if (reached_at > due_at + PUNCTUAL_MS)
		invariant_broken("incident %s: level %" PRId64 " was reached %" PRId64 " ms after it was due", id, level, reached_at - due_at);
}

static void reached(json_t *plan, const char *id, json_t *body, Instant reached_at)
{
	int64_t level = json_integer_value(json_object_get(body, "escalation_level"));
	int64_t before = json_integer_value(json_object_get(plan, "reached"));
	if (!plan || json_is_true(json_object_get(plan, "stopped")))
		invariant_broken("incident %s: level %" PRId64 " was reached without a plan", id, level);
	else if (level != before + 1)
		invariant_broken("incident %s: level %" PRId64 " was reached after %" PRId64, id, level, before);
	if (json_array_size(json_object_get(body, "deliveries")) == 0)
		invariant_broken("incident %s: level %" PRId64 " has no deliveries", id, level);
	if (!plan)
		return;
	reached_in_time(plan, id, level, reached_at);
	json_object_set_new(plan, "reached", json_integer(level));
}

static void delivery_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	Notifications *notifications = context;
	json_t *body = body_of(record), *delivery;
	const char *id = member(body, "incident_id");
	size_t index;
	(void)partition;
	if (slice_is(type, TYPE_ESCALATION_PLANNED))
		planned(notifications->plans, id, body, time_of(record));
	else if (slice_is(type, TYPE_ESCALATION_STOPPED))
		json_object_set_new(json_object_get(notifications->plans, id), "stopped", json_true());
	else if (slice_is(type, TYPE_ESCALATION_REACHED))
		reached(json_object_get(notifications->plans, id), id, body, time_of(record));
	json_array_foreach (json_object_get(body, "deliveries"), index, delivery)
		json_object_set(notifications->deliveries, member(delivery, "key"), delivery);
	json_decref(body);
}

static bool was_received(const char *key)
{
	for (size_t i = 0; i < judged->received_count; i++)
		if (strcmp(judged->received[i], key) == 0)
			return true;
	return false;
}

static void judge_deliveries(json_t *deliveries)
{
	const char *key;
	json_t *delivery;
	json_object_foreach (deliveries, key, delivery) {
		const char *state = member(delivery, "state");
		if (!strcmp(state, "sent") && !was_received(key))
			invariant_broken("message %s is recorded as sent, but was not received", key);
		if (!strcmp(state, "queued"))
			invariant_broken("message %s is still queued", key);
	}
	for (size_t i = 0; i < judged->received_count; i++) {
		if (!json_object_get(deliveries, judged->received[i]))
			invariant_broken("message %s was received, but no ledger knows it", judged->received[i]);
		if (judged->repeated[i] > 1)
			invariant_broken("message %s was sent %u times by owners that ran undisturbed", judged->received[i],
					 judged->repeated[i]);
	}
}

static bool needs_person(json_t *incident)
{
	return status_is_open(choice_of(status_words, member(incident, "status"))) &&
	       json_is_null(json_object_get(json_object_get(incident, "acknowledged"), "at")) &&
	       strcmp(member(incident, "kind"), "event");
}

void judge_notifications(json_t *incidents)
{
	Notifications notifications = { json_object(), json_object() };
	const char *id;
	json_t *incident;
	walk_ledger(TOPIC_DELIVERIES, delivery_visit, &notifications);
	judge_deliveries(notifications.deliveries);
	json_object_foreach (incidents, id, incident) {
		json_t *plan = json_object_get(notifications.plans, id);
		int64_t last = json_integer_value(json_object_get(plan, "reached"));
		if (!needs_person(incident))
			continue;
		if (!plan || json_is_true(json_object_get(plan, "stopped")))
			invariant_broken("incident %s waits for a person, but has no escalation plan", id);
		else if (last != json_integer_value(json_object_get(plan, "levels")))
			invariant_broken("incident %s waits for a person, but only level %" PRId64 " was reached", id, last);
		else if (json_integer_value(json_object_get(incident, "escalation_level")) != last)
			invariant_broken("incident %s does not state that level %" PRId64 " was reached", id, last);
	}
	json_decref(notifications.plans);
	json_decref(notifications.deliveries);
}

/* ---- audit: each record that belongs in the audit log is there once, and its hash chain is intact */

static void count_add(json_t *lines, const char *topic, unsigned partition, int64_t offset, int64_t count)
{
	char name[96];
	snprintf(name, sizeof(name), "%s/%u/%" PRId64, topic, partition, offset);
	json_object_set_new(lines, name, json_integer(json_integer_value(json_object_get(lines, name)) + count));
}

static void lines_count(json_t *lines, Slice file)
{
	while (file.size > 0) {
		const char *end = memchr(file.data, '\n', file.size);
		size_t size = end ? (size_t)(end - file.data) : file.size;
		json_t *line = json_loadb(file.data, size, 0, NULL), *record = json_object_get(line, "record");
		count_add(lines, member(line, "topic"), (unsigned)json_integer_value(json_object_get(record, "partition")),
			    json_integer_value(json_object_get(record, "offset")), 1);
		json_decref(line);
		file = (Slice){ file.data + size + 1, end ? file.size - size - 1 : 0 };
	}
}

typedef struct {
	json_t *lines, *seen;
	const char *topic;
} Expected;

static void expected_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	Expected *expected = context;
	(void)type;
	count_add(expected->lines, expected->topic, partition, record->offset, -1);
}

/*
 * The topic of assessments may contain an assessment several times (at-least-once): only its first record is expected in the audit
 * log. Records with the same id and different bodies are different assessments.
 */
static void assessment_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	Expected *expected = context;
	if (is_refused(judged, TOPIC_ASSESSMENTS, partition, record))
		return;
	char key[DIGEST_HEX];
	Digest digest = DIGEST(header_get(record->headers, "ce_id"), SLICE("\0"), record->body);
	digest_hex(&digest, key);
	if (!json_object_get(expected->seen, key))
		expected_visit(context, partition, record, type);
	json_object_set_new(expected->seen, key, json_true());
}

static void judge_chain(void)
{
	ChainVerify verify;
	chain_verify_init(&verify);
	chain_verify_feed(&verify, buffer_slice(&judged->audit_file));
	if (!chain_verify_end(&verify, NULL))
		invariant_broken("the audit file is broken at line %" PRId64 ": %s", verify.bad_line, verify.why);
	chain_verify_release(&verify);
}

void judge_audit(void)
{
	Expected expected = { json_object(), json_object(), "tocsin.journal" };
	const char *name;
	json_t *count;
	judge_chain();
	lines_count(expected.lines, buffer_slice(&judged->audit_file));
	walk_ledger(TOPIC_JOURNAL, expected_visit, &expected);
	expected.topic = "tocsin.deliveries";
	walk_ledger(TOPIC_DELIVERIES, expected_visit, &expected);
	expected.topic = "tocsin.assessments";
	walk_stream(TOPIC_ASSESSMENTS, assessment_visit, &expected);
	json_object_foreach (expected.lines, name, count)
		if (json_integer_value(count) != 0)
			invariant_broken("%s: %" PRId64 " copies too many in the audit file", name, (int64_t)json_integer_value(count));
	json_decref(expected.lines);
	json_decref(expected.seen);
}
