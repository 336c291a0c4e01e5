/* The notification service: journal entries lead to levels reached, and to messages sent, retried, failed or skipped. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/notification/notification.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "tests/support/fake_outbound.h"
#include "tests/support/lone_service.h"
#include "tests/support/metric_value.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, BODY_MAX = 4096 };

#define INCIDENT "inc_01jd8000000000000000000000"
static const Instant start = 1795420800000; /* 2026-11-23T08:00:00Z */

typedef struct {
	LoneService lone;
	FakeOutbound outbound;
	Policy *policy;
	NotificationEnvironment environment;
	bool configured;
	int64_t version;
} Bench;

static const char *setting(void *context, const char *name)
{
	const Bench *bench = context;
	if (!bench->configured)
		return NULL;
	if (strcmp(name, "TOCSIN_WEBHOOK_URL") == 0)
		return "https://hooks.site.example/";
	if (strcmp(name, "TOCSIN_SMTP_URL") == 0)
		return "smtp://mail.site.example";
	return strcmp(name, "TOCSIN_MAIL_FROM") == 0 ? "tocsin@site.example" : NULL;
}

static int bench_make(void **state)
{
	Bench *bench = calloc(1, sizeof(*bench));
	fake_outbound_init(&bench->outbound);
	bench->configured = true;
	bench->policy = notify_pack();
	bench->environment =
		(NotificationEnvironment){ .setting = setting, .context = bench, .public_url = "http://t.example" };
	lone_start(&bench->lone, &notification_service, &bench->environment, &bench->outbound.outbound, bench->policy,
		   start);
	*state = bench;
	return 0;
}

static int bench_drop(void **state)
{
	Bench *bench = *state;
	assert_false(result_failed(bench->lone.failure));
	lone_stop(&bench->lone);
	fake_outbound_release(&bench->outbound);
	policy_free(bench->policy);
	free(bench);
	return 0;
}

/* ---- inputs */

static void entry_add(Bench *bench, const char *type, json_t *changes)
{
	char at[INSTANT_TEXT], id[48];
	Buffer body;
	instant_format(bench->lone.now, at);
	snprintf(id, sizeof(id), "rec_%s_%lld", type, (long long)++bench->version);
	json_t *record JSON_AUTO = json_pack("{s:s, s:[{s:I, s:s, s:s, s:o}], s:I}", "incident_id", INCIDENT, "entries",
					     "version", (json_int_t)bench->version, "type", type, "at", at, "changes",
					     changes, "version", (json_int_t)bench->version);
	assert_non_null(record);
	buffer_init(&body, BODY_MAX);
	json_write(record, &body);
	lone_input(&bench->lone, TOPIC_JOURNAL, id, TYPE_JOURNAL_ENTERED, INCIDENT, body.data);
	buffer_release(&body);
	lone_settle(&bench->lone);
}

static void incident_open(Bench *bench, const char *grade, const char *flag)
{
	char at[INSTANT_TEXT];
	instant_format(bench->lone.now, at);
	json_t *flags = flag ? json_pack("[s]", flag) : json_array();
	entry_add(bench, "opened",
		  json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s}", "id", INCIDENT, "number",
			    "INC-2026-7K3M-9QRX", "kind", "incident", "status", "reported", "title", "Something",
			    "severity", "high", "grade", grade, "flags", flags, "opened_at", at));
}

static void incident_acknowledge(Bench *bench)
{
	char at[INSTANT_TEXT];
	instant_format(bench->lone.now, at);
	entry_add(bench, "acknowledged",
		  json_pack("{s:s, s:{s:s, s:{}}}", "status", "assessing", "acknowledged", "at", at, "by"));
}

/* ---- the ledger */

static json_t *record_body(const Bench *bench, TopicId topic, const char *type, size_t nth)
{
	BusRecord record;
	json_t *body = NULL;
	assert_true(lone_output(&bench->lone, topic, type, nth, &record));
	assert_false(result_failed(json_read(record.body, &body)));
	return body;
}

static size_t records(const Bench *bench, const char *type)
{
	return lone_outputs(&bench->lone, TOPIC_DELIVERIES, type);
}

/* Checks the last attempt in the ledger. */
static void check_attempt(const Bench *bench, const char *state, int64_t attempt, const char *detail)
{
	size_t count = records(bench, TYPE_DELIVERY_ATTEMPTED);
	assert_true(count > 0);
	json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, count - 1);
	json_t *delivery = json_at(body, "/deliveries/0");
	assert_string_equal(json_string_value(json_object_get(delivery, "state")), state);
	assert_int_equal(json_integer_value(json_object_get(delivery, "attempt")), attempt);
	if (detail)
		assert_string_equal(json_string_value(json_object_get(delivery, "detail")), detail);
	else
		assert_true(json_is_null(json_object_get(delivery, "detail")));
}

static size_t attempts(const Bench *bench, const char *state)
{
	size_t count = 0;
	for (size_t i = 0; i < records(bench, TYPE_DELIVERY_ATTEMPTED); i++) {
		json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, i);
		count += strcmp(json_string_value(json_at(body, "/deliveries/0/state")), state) == 0;
	}
	return count;
}

/* The message to a recipient, found by address because messages due at the same time may be sent in any order. */
static const FakeMessage *sent_to(const Bench *bench, const char *to)
{
	for (size_t i = 0; i < bench->outbound.sent_count; i++)
		if (strcmp(bench->outbound.sent[i].to, to) == 0)
			return &bench->outbound.sent[i];
	fail_msg("nothing was sent to %s", to);
	return NULL;
}

/* ---- tests */

static void an_opening_notifies_each_recipient_once_at_once(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 1);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1);
	assert_int_equal(bench->outbound.sent_count, 3);
	const FakeMessage *webhook = sent_to(bench, "https://hooks.site.example/");
	assert_string_equal(json_string_value(json_at(webhook->body, "/data/incident/number")), "INC-2026-7K3M-9QRX");
	assert_string_equal(sent_to(bench, "li@site.example")->subject,
			    "[Tocsin] [high/II] INC-2026-7K3M-9QRX Something");
	assert_string_equal(sent_to(bench, "ann@site.example")->subject,
			    "[Tocsin] [high/II] INC-2026-7K3M-9QRX Something");
	assert_int_equal(records(bench, TYPE_DELIVERY_ATTEMPTED), 3);
	check_attempt(bench, "sent", 1, NULL);
	lone_until(&bench->lone, start + 50 * SECOND);
	assert_int_equal(bench->outbound.sent_count, 3);
}

static void every_level_sends_a_command_with_a_stable_id_to_response(void **state)
{
	Bench *bench = *state;
	BusRecord reached, command;
	incident_open(bench, "II", NULL);
	lone_until(&bench->lone, start + 10 * MINUTE);
	assert_int_equal(lone_outputs(&bench->lone, TOPIC_COMMANDS, TYPE_COMMAND), 3);
	for (size_t level = 0; level < 3; level++) {
		json_t *body JSON_AUTO = record_body(bench, TOPIC_COMMANDS, TYPE_COMMAND, level);
		CommandRecord decoded;
		assert_true(lone_output(&bench->lone, TOPIC_DELIVERIES, TYPE_ESCALATION_REACHED, level, &reached));
		assert_true(lone_output(&bench->lone, TOPIC_COMMANDS, TYPE_COMMAND, level, &command));
		Id id = id_derived(ID_COMMAND_ESCALATED, header_get(reached.headers, "ce_id"), 0);
		assert_true(slice_is(header_get(command.headers, "ce_id"), id.text));
		assert_false(result_failed(json_decode_record(&command_record_table, body, &decoded)));
		assert_string_equal(decoded.command, "escalated");
		assert_string_equal(decoded.incident_id, INCIDENT);
		assert_int_equal(decoded.expected_version, INT64_MIN);
		assert_int_equal(json_integer_value(json_object_get(decoded.arguments, "escalation_level")), level + 1);
		assert_string_equal(json_string_value(json_object_get(decoded.actor, "kind")), "system");
	}
}

static void each_level_is_reached_at_its_time_as_its_own_record(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	lone_until(&bench->lone, start + MINUTE - 1);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1);
	lone_until(&bench->lone, start + MINUTE);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 2);
	lone_until(&bench->lone, start + 5 * MINUTE);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
	lone_until(&bench->lone, start + 24 * HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
}

static void overdue_levels_are_reached_in_order(void **state)
{
	Bench *bench = *state;
	bench->outbound.silent = true;
	incident_open(bench, "II", NULL);
	lone_restart(&bench->lone, true);
	bench->lone.now = start + HOUR; /* in this hour no replica ran */
	lone_settle(&bench->lone);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
	for (size_t i = 0; i < 3; i++) {
		json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_ESCALATION_REACHED, i);
		assert_int_equal(json_integer_value(json_object_get(body, "escalation_level")), i + 1);
	}
}

static void incident_assess(Bench *bench, const char *grade)
{
	entry_add(bench, "assessed", json_pack("{s:s, s:s}", "kind", "incident", "grade", grade));
}

static void check_planned(const Bench *bench, size_t nth, const char *policy, Instant base_at, const char *first_due_at)
{
	char base[INSTANT_TEXT];
	instant_format(base_at, base);
	json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_ESCALATION_PLANNED, nth);
	assert_string_equal(json_string_value(json_object_get(body, "policy_id")), policy);
	assert_string_equal(json_string_value(json_object_get(body, "base_at")), base);
	assert_string_equal(json_string_value(json_at(body, "/levels/0/due_at")), first_due_at);
}

static void a_worse_grade_moves_the_plan_to_the_policy_that_applies(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "III", NULL);
	bench->lone.now = start + 30 * SECOND;
	incident_assess(bench, "II");
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 2);
	check_planned(bench, 1, "urgent", start, "2026-11-23T08:00:00.000Z");
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1);
	assert_int_equal(bench->outbound.sent_count, 3);
	incident_assess(bench, "I"); /* the same escalation policy applies, so the plan does not move */
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 2);
	lone_until(&bench->lone, start + MINUTE);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 2);
	lone_until(&bench->lone, start + 24 * HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
	assert_int_equal(bench->outbound.sent_count, 3);
}

static void a_worse_grade_moves_no_plan_of_an_acknowledged_incident(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "III", NULL);
	incident_acknowledge(bench);
	incident_assess(bench, "II");
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 1);
	assert_int_equal(bench->outbound.sent_count, 0);
}

static void an_acknowledged_event_that_becomes_an_incident_notifies_again(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	incident_acknowledge(bench);
	size_t sent = bench->outbound.sent_count;
	bench->lone.now = start + HOUR;
	entry_add(bench, "assessed",
		  json_pack("{s:s, s:s, s:s, s:{s:n, s:n}, s:i}", "kind", "incident", "grade", "II", "status", "reported",
			    "acknowledged", "at", "by", "escalation_level", 0));
	assert_int_equal(records(bench, TYPE_ESCALATION_STOPPED), 1);
	check_planned(bench, 1, "urgent", start + HOUR, "2026-11-23T09:00:00.000Z");
	assert_int_equal(bench->outbound.sent_count, sent + 3);
	lone_until(&bench->lone, start + 2 * HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 4);
}

static const char two_policies[] =
	"policies:\n"
	"  - id: lesser\n"
	"    when: {kinds: [incident], grades: [III]}\n"
	"    levels:\n"
	"      - {after_seconds: 0, notify: [\"channel:hook\"]}\n"
	"      - {after_seconds: 40, notify: [\"person:li\"]}\n"
	"  - id: worse\n"
	"    when: {kinds: [incident], grades: [II]}\n"
	"    levels:\n"
	"      - {after_seconds: 0, notify: [\"channel:hook\", \"person:ann\"]}\n"
	"      - {after_seconds: 90, notify: [\"person:li\"]}\n";

static size_t messages_to(const Bench *bench, const char *to)
{
	size_t count = 0;
	for (size_t i = 0; i < bench->outbound.sent_count; i++)
		count += strcmp(bench->outbound.sent[i].to, to) == 0;
	return count;
}

static void a_moved_plan_notifies_nobody_twice_and_no_level_later(void **state)
{
	Bench *bench = *state;
	lone_stop(&bench->lone);
	policy_free(bench->policy);
	bench->policy = notify_pack_with(two_policies);
	lone_start(&bench->lone, &notification_service, &bench->environment, &bench->outbound.outbound, bench->policy, start);
	incident_open(bench, "III", NULL);
	assert_int_equal(bench->outbound.sent_count, 1);
	lone_restart(&bench->lone, true); /* the service reads the queued messages from its ledger again */
	bench->lone.now = start + 10 * SECOND;
	incident_assess(bench, "II");
	assert_int_equal(messages_to(bench, "https://hooks.site.example/"), 1);
	assert_int_equal(messages_to(bench, "ann@site.example"), 1);
	lone_until(&bench->lone, start + 40 * SECOND); /* by the first plan the level is due at 40 s, by the second at 90 s */
	assert_int_equal(messages_to(bench, "li@site.example"), 1);
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(bench->outbound.sent_count, 3);
}

static void an_acknowledgement_stops_later_levels(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	incident_acknowledge(bench);
	assert_int_equal(records(bench, TYPE_ESCALATION_STOPPED), 1);
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1);
}

static void an_acknowledgement_at_the_time_of_a_level_wins(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	bench->lone.now = start + MINUTE;
	incident_acknowledge(bench);
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1);
}

static void a_reopening_starts_again_with_new_messages(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	incident_acknowledge(bench);
	entry_add(bench, "closed", json_pack("{s:s}", "status", "closed"));
	lone_until(&bench->lone, start + HOUR);
	entry_add(bench, "reopened", json_pack("{s:s, s:n}", "status", "reopened", "acknowledged"));
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 2);
	assert_int_equal(bench->outbound.sent_count, 6);
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 3; k < 6; k++)
			assert_string_not_equal(bench->outbound.sent[i].key, bench->outbound.sent[k].key);
	lone_until(&bench->lone, start + HOUR + MINUTE);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
}

static void noise_and_incidents_without_a_policy_notify_nobody(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "IV", NULL);
	entry_add(bench, "false-alarm", json_pack("{s:s}", "status", "false-alarm"));
	lone_until(&bench->lone, start + 24 * HOUR);
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED) + records(bench, TYPE_ESCALATION_STOPPED), 0);
	assert_int_equal(bench->outbound.sent_count, 0);
}

static void a_failed_message_is_retried_with_the_same_key(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	incident_open(bench, "II", NULL);
	assert_int_equal(bench->outbound.sent_count, 3);
	check_attempt(bench, "queued", 1, "HTTP 503");
	lone_until(&bench->lone, start + 1999);
	assert_int_equal(bench->outbound.sent_count, 3);
	fake_outbound_answers(&bench->outbound, OUTCOME_SENT, "HTTP 204");
	lone_until(&bench->lone, start + 5000);
	assert_int_equal(bench->outbound.sent_count, 6);
	for (size_t i = 3; i < 6; i++) {
		assert_int_equal(bench->outbound.sent[i].attempt, 2);
		assert_true(strcmp(bench->outbound.sent[i].key, bench->outbound.sent[0].key) == 0 ||
			    strcmp(bench->outbound.sent[i].key, bench->outbound.sent[1].key) == 0 ||
			    strcmp(bench->outbound.sent[i].key, bench->outbound.sent[2].key) == 0);
	}
	check_attempt(bench, "sent", 2, "HTTP 204");
}

static void a_message_fails_after_a_day_of_retries(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "connection refused");
	incident_open(bench, "II", NULL);
	lone_until(&bench->lone, start + 30 * HOUR);
	size_t sent = bench->outbound.sent_count;
	assert_in_range(sent, 3 * 15, 3 * 19);
	assert_int_equal(records(bench, TYPE_DELIVERY_ATTEMPTED), sent);
	check_attempt(bench, "failed", bench->outbound.sent[sent - 1].attempt, "connection refused");
	lone_until(&bench->lone, start + 60 * HOUR);
	assert_int_equal(bench->outbound.sent_count, sent);
}

static void a_refused_message_is_not_retried(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_REFUSED, "HTTP 410");
	incident_open(bench, "II", NULL);
	check_attempt(bench, "failed", 1, "HTTP 410");
	lone_until(&bench->lone, start + 50 * SECOND);
	assert_int_equal(bench->outbound.sent_count, 3);
}

static void a_retry_is_skipped_after_an_acknowledgement(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	incident_open(bench, "II", NULL);
	incident_acknowledge(bench);
	fake_outbound_answers(&bench->outbound, OUTCOME_SENT, NULL);
	lone_until(&bench->lone, start + MINUTE);
	/* The retries of mail to two people are skipped. The retry to the webhook is sent, because its recipient is a system. */
	assert_int_equal(attempts(bench, "skipped"), 2);
	assert_int_equal(attempts(bench, "sent"), 1);
	assert_int_equal(bench->outbound.sent_count, 4);
	assert_true(strncmp(bench->outbound.sent[3].to, "http", 4) == 0);
}

static void a_first_attempt_is_made_after_an_acknowledgement(void **state)
{
	Bench *bench = *state;
	bench->outbound.full = true;
	incident_open(bench, "II", NULL);
	incident_acknowledge(bench);
	assert_int_equal(bench->outbound.sent_count, 0);
	bench->outbound.full = false;
	lone_until(&bench->lone, start + MINUTE);
	assert_int_equal(bench->outbound.sent_count, 3);
	check_attempt(bench, "sent", 1, NULL);
}

static void a_channel_without_settings_is_skipped_at_once(void **state)
{
	Bench *bench = *state;
	bench->configured = false;
	incident_open(bench, "II", NULL);
	json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_ESCALATION_REACHED, 0);
	assert_int_equal(json_array_size(json_object_get(body, "deliveries")), 3);
	assert_string_equal(json_string_value(json_at(body, "/deliveries/0/state")), "skipped");
	assert_string_equal(json_string_value(json_at(body, "/deliveries/0/detail")),
			    "渠道 hook 未配置：TOCSIN_WEBHOOK_URL 未设置");
	lone_until(&bench->lone, start + MINUTE - 1);
	assert_int_equal(bench->outbound.sent_count, 0);
	assert_int_equal(records(bench, TYPE_DELIVERY_ATTEMPTED), 0);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 1); /* the next level is not reached earlier than planned */
}

static void a_retry_without_its_setting_is_skipped(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	incident_open(bench, "II", NULL);
	bench->configured = false;
	lone_until(&bench->lone, start + 10 * SECOND);
	assert_int_equal(bench->outbound.sent_count, 3);
	size_t count = records(bench, TYPE_DELIVERY_ATTEMPTED);
	json_t *body JSON_AUTO = record_body(bench, TOPIC_DELIVERIES, TYPE_DELIVERY_ATTEMPTED, count - 1);
	assert_string_equal(json_string_value(json_at(body, "/deliveries/0/state")), "skipped");
}

static void a_drill_reaches_people_but_no_systems(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", "drill");
	assert_int_equal(bench->outbound.sent_count, 2);
	assert_int_equal(bench->outbound.sent[0].kind, OUTBOUND_MAIL);
	assert_int_equal(bench->outbound.sent[1].kind, OUTBOUND_MAIL);
}

static void an_outcome_counts_for_its_own_attempt_only(void **state)
{
	Bench *bench = *state;
	bench->outbound.silent = true;
	incident_open(bench, "II", NULL);
	/* The lease of the timers has expired, so the messages are sent again, with the same attempt number. */
	lone_until(&bench->lone, start + 40 * SECOND);
	assert_int_equal(bench->outbound.sent_count, 6);
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	bench->outbound.silent = false;
	lone_until(&bench->lone, start + 41 * SECOND);
	assert_int_equal(records(bench, TYPE_DELIVERY_ATTEMPTED), 3);
	fake_outbound_answers(&bench->outbound, OUTCOME_SENT, "HTTP 200");
	lone_until(&bench->lone, start + 50 * SECOND);
	assert_int_equal(records(bench, TYPE_DELIVERY_ATTEMPTED), 6);
}

static void a_lost_state_file_is_rebuilt_without_sending_twice(void **state)
{
	Bench *bench = *state;
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	incident_open(bench, "II", NULL);
	lone_until(&bench->lone, start + SECOND);
	fake_outbound_answers(&bench->outbound, OUTCOME_SENT, "HTTP 200");
	lone_restart(&bench->lone, true);
	lone_until(&bench->lone, start + 10 * SECOND);
	assert_int_equal(bench->outbound.sent_count, 6);
	lone_restart(&bench->lone, true);
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(bench->outbound.sent_count, 6);
	assert_int_equal(records(bench, TYPE_ESCALATION_PLANNED), 1);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 3);
	lone_restart(&bench->lone, true);
	incident_acknowledge(bench);
	assert_int_equal(records(bench, TYPE_ESCALATION_STOPPED),
			 0); /* all levels were reached, so there is no running plan to stop */
}

/* ---- metrics */

static int64_t counted(const char *channel, const char *result)
{
	char series[128];
	snprintf(series, sizeof series, "tocsin_notifications_total{channel=\"%s\",result=\"%s\"}", channel, result);
	return metric_value(series);
}

static void outcomes_are_counted_once_and_not_during_a_replay(void **state)
{
	Bench *bench = *state;
	int64_t sent = counted("hook", "sent"), queued = counted("hook", "queued");
	fake_outbound_answers(&bench->outbound, OUTCOME_RETRY, "HTTP 503");
	incident_open(bench, "II", NULL);
	assert_int_equal(counted("hook", "queued"), queued + 1); /* only the attempt is counted, not the queueing before it */
	assert_int_equal(counted("hook", "sent"), sent);
	fake_outbound_answers(&bench->outbound, OUTCOME_SENT, "HTTP 200");
	lone_until(&bench->lone, start + 10 * SECOND);
	lone_restart(&bench->lone, true);
	lone_until(&bench->lone, start + 20 * SECOND);
	assert_int_equal(counted("hook", "queued"), queued + 1);
	assert_int_equal(counted("hook", "sent"), sent + 1);
}

static void skipped_and_failed_messages_are_counted(void **state)
{
	Bench *bench = *state;
	int64_t skipped = counted("hook", "skipped"), failed = counted("hook", "failed");
	bench->configured = false;
	incident_open(bench, "III", NULL);
	lone_until(&bench->lone, start + HOUR);
	assert_int_equal(counted("hook", "skipped"), skipped + 1);
	bench->configured = true;
	fake_outbound_answers(&bench->outbound, OUTCOME_REFUSED, "HTTP 410");
	entry_add(bench, "assessed", json_pack("{s:s}", "grade", "I"));
	assert_int_equal(counted("hook", "failed"), failed + 1);
}

static void refused_commands_and_notes_change_no_plan(void **state)
{
	Bench *bench = *state;
	incident_open(bench, "II", NULL);
	lone_input(&bench->lone, TOPIC_JOURNAL, "rec_x", TYPE_JOURNAL_REFUSED, INCIDENT,
		   "{\"incident_id\":\"" INCIDENT "\",\"problem\":{\"code\":\"transition-refused\"}}");
	lone_input(&bench->lone, TOPIC_JOURNAL, "rec_y", TYPE_JOURNAL_UNCHANGED, INCIDENT,
		   "{\"incident_id\":\"" INCIDENT "\"}");
	entry_add(bench, "noted", json_object());
	lone_until(&bench->lone, start + MINUTE);
	assert_int_equal(records(bench, TYPE_ESCALATION_REACHED), 2);
	assert_int_equal(records(bench, TYPE_ESCALATION_STOPPED), 0);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_make, bench_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(an_opening_notifies_each_recipient_once_at_once),
		BENCH_TEST(every_level_sends_a_command_with_a_stable_id_to_response),
		BENCH_TEST(each_level_is_reached_at_its_time_as_its_own_record),
		BENCH_TEST(overdue_levels_are_reached_in_order),
		BENCH_TEST(a_worse_grade_moves_the_plan_to_the_policy_that_applies),
		BENCH_TEST(a_worse_grade_moves_no_plan_of_an_acknowledged_incident),
		BENCH_TEST(an_acknowledged_event_that_becomes_an_incident_notifies_again),
		BENCH_TEST(a_moved_plan_notifies_nobody_twice_and_no_level_later),
		BENCH_TEST(an_acknowledgement_stops_later_levels),
		BENCH_TEST(an_acknowledgement_at_the_time_of_a_level_wins),
		BENCH_TEST(a_reopening_starts_again_with_new_messages),
		BENCH_TEST(noise_and_incidents_without_a_policy_notify_nobody),
		BENCH_TEST(a_failed_message_is_retried_with_the_same_key),
		BENCH_TEST(a_message_fails_after_a_day_of_retries),
		BENCH_TEST(a_refused_message_is_not_retried),
		BENCH_TEST(a_retry_is_skipped_after_an_acknowledgement),
		BENCH_TEST(a_first_attempt_is_made_after_an_acknowledgement),
		BENCH_TEST(a_channel_without_settings_is_skipped_at_once),
		BENCH_TEST(a_retry_without_its_setting_is_skipped),
		BENCH_TEST(a_drill_reaches_people_but_no_systems),
		BENCH_TEST(an_outcome_counts_for_its_own_attempt_only),
		BENCH_TEST(a_lost_state_file_is_rebuilt_without_sending_twice),
		BENCH_TEST(outcomes_are_counted_once_and_not_during_a_replay),
		BENCH_TEST(skipped_and_failed_messages_are_counted),
		BENCH_TEST(refused_commands_and_notes_change_no_plan),
	};
	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
