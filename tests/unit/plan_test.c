/* The core of notification: plans, levels, retries. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/notification/core/level.h"
#include "services/notification/core/plan.h"
#include "services/notification/core/retry.h"
#include "services/notification/core/skip.h"
#include "shared/domain/lifecycle.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENED_AT "2026-11-23T08:00:00.000Z"
#define LATER_AT "2026-11-23T09:30:00.000Z"
#define MOVED_AT "1970-01-01T00:00:00.077Z" /* the instant 77: base_at of the running plan in the cases below */

static Policy *policy;

static int pack_make(void **state)
{
	(void)state;
	policy = notify_pack();
	return 0;
}

static int pack_drop(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static Instant at(const char *text)
{
	Instant time = 0;
	assert_false(result_failed(instant_parse(slice_of(text), &time)));
	return time;
}

static json_t *document(const char *text)
{
	json_t *tree = NULL;
	assert_false(result_failed(json_read(slice_of(text), &tree)));
	return tree;
}

/* ---- plans */

#define WAITING "{\"status\":\"reported\",\"acknowledged\":null,\"opened_at\":\"" OPENED_AT "\"}"
#define ACKNOWLEDGED "{\"status\":\"assessing\",\"acknowledged\":{\"at\":\"" LATER_AT "\"},\"opened_at\":\"" OPENED_AT "\"}"
#define CLOSED "{\"status\":\"closed\",\"acknowledged\":null,\"opened_at\":\"" OPENED_AT "\"}"
#define NOISE "{\"status\":\"false-alarm\",\"acknowledged\":null,\"opened_at\":\"" OPENED_AT "\"}"

static const struct {
	const char *name, *entries, *incident;
	PlanState plan;
	PlanVerdict verdict;
	const char *base_at;
} plan_cases[] = {
	{ "an opening starts a plan", "opened", WAITING, { 0 }, PLAN_START, OPENED_AT },
	{ "an opening with its assessment and assignment starts a plan",
	  "opened assessed assigned",
	  WAITING,
	  { 0 },
	  PLAN_START,
	  OPENED_AT },
	{ "noise starts no plan", "opened assessed", NOISE, { 0 }, PLAN_KEEP, NULL },
	{ "an opening that was acknowledged at once starts no plan", "opened acknowledged", ACKNOWLEDGED, { 0 }, PLAN_KEEP, NULL },
	{ "a reopening counts from itself", "reopened", WAITING, { .exists = true }, PLAN_START, LATER_AT },
	{ "a reopening replaces a running plan",
	  "reopened",
	  WAITING,
	  { .exists = true, .next_level = 2 },
	  PLAN_START,
	  LATER_AT },
	{ "an acknowledgement stops it", "acknowledged", ACKNOWLEDGED, { .exists = true, .next_level = 2 }, PLAN_STOP, NULL },
	{ "a closing stops it", "closed", CLOSED, { .exists = true, .next_level = 1 }, PLAN_STOP, NULL },
	{ "a false alarm stops it", "false-alarm", NOISE, { .exists = true, .next_level = 1 }, PLAN_STOP, NULL },
	{ "any other entry on an acknowledged incident stops it",
	  "noted",
	  ACKNOWLEDGED,
	  { .exists = true, .next_level = 1 },
	  PLAN_STOP,
	  NULL },
	{ "a stopped plan is not stopped again", "closed", CLOSED, { .exists = true }, PLAN_KEEP, NULL },
	{ "without a plan none is stopped", "acknowledged", ACKNOWLEDGED, { 0 }, PLAN_KEEP, NULL },
	{ "a note changes nothing", "noted", WAITING, { .exists = true, .next_level = 1 }, PLAN_KEEP, NULL },
	{ "an escalation changes nothing", "escalated", WAITING, { .exists = true, .next_level = 2 }, PLAN_KEEP, NULL },
	{ "repeats change nothing", "repeated", WAITING, { .exists = true, .next_level = 1 }, PLAN_KEEP, NULL },
	{ "a new assessment may move the running plan",
	  "assessed",
	  WAITING,
	  { .exists = true, .next_level = 2, .base_at = 77 },
	  PLAN_MOVE,
	  MOVED_AT },
	{ "a new assessment may move an ended plan",
	  "repeated assessed",
	  WAITING,
	  { .exists = true, .base_at = 77 },
	  PLAN_MOVE,
	  MOVED_AT },
	{ "a new assessment moves no plan of an acknowledged incident", "assessed", ACKNOWLEDGED, { .exists = true }, PLAN_KEEP, NULL },
	{ "an assessment that restarts escalation starts a new plan",
	  "repeated assessed!",
	  WAITING,
	  { .exists = true, .next_level = 2, .base_at = 77 },
	  PLAN_START,
	  LATER_AT },
	{ "an assessment that restarts escalation replaces a stopped plan",
	  "assessed!",
	  WAITING,
	  { .exists = true },
	  PLAN_START,
	  LATER_AT },
	{ "a promotion by a person starts a new plan", "promoted! assigned", WAITING, { .exists = true, .next_level = 2 }, PLAN_START,
	  LATER_AT },
	{ "a new assessment starts the first plan", "assessed", WAITING, { 0 }, PLAN_START, LATER_AT },
};

/* An entry of the type `word`. A "!" after the type means that the entry sets the escalation level. */
static json_t *entry_of(const char *word)
{
	size_t size = strcspn(word, "!");
	json_t *changes = word[size] ? json_pack("{s:i}", "escalation_level", 0) : json_object();
	return json_pack("{s:i, s:s%, s:s, s:o}", "version", 1, "type", word, size, "at", LATER_AT, "changes", changes);
}

static json_t *entries_of(const char *words)
{
	char copy[128], *rest = copy, *word;
	json_t *entries = json_array();
	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		assert_int_equal(json_array_append_new(entries, entry_of(word)), 0);
	return entries;
}

static void plans_follow_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plan_cases) / sizeof(plan_cases[0]); i++) {
		json_t *entries JSON_AUTO = entries_of(plan_cases[i].entries);
		json_t *tree JSON_AUTO = document(plan_cases[i].incident);
		Incident incident;
		assert_false(result_failed(json_decode_record(&incident_table, tree, &incident)));
		Instant base_at = INSTANT_NONE;
		PlanVerdict verdict = plan_judge(&plan_cases[i].plan, entries, &incident, &base_at);
		Instant expected = plan_cases[i].base_at ? at(plan_cases[i].base_at) : INSTANT_NONE;
		if (verdict != plan_cases[i].verdict || base_at != expected)
			fail_msg("%s: verdict %d, base %lld", plan_cases[i].name, (int)verdict, (long long)base_at);
	}
}

static void levels_are_due_after_their_seconds(void **state)
{
	(void)state;
	const PlanPromise none = plan_promise_none();
	json_t *levels JSON_AUTO = plan_levels(policy_escalation(policy, KIND_INCIDENT, choice_of(grade_words, "II")), at(OPENED_AT), &none);
	json_t *expected JSON_AUTO =
		document("{\"l\":[{\"escalation_level\":1,\"due_at\":\"2026-11-23T08:00:00.000Z\"},"
			 "{\"escalation_level\":2,\"due_at\":\"2026-11-23T08:01:00.000Z\"},"
			 "{\"escalation_level\":3,\"due_at\":\"2026-11-23T08:05:00.000Z\"}]}");
	assert_true(json_equal(levels, json_object_get(expected, "l")));
}

static void no_level_is_due_later_than_it_was_promised(void **state)
{
	(void)state;
	PlanPromise promise = plan_promise_none();
	promise.due_at[1] = at(OPENED_AT) + 59000;
	promise.due_at[2] = at(OPENED_AT) + 900000;
	json_t *levels JSON_AUTO = plan_levels(policy_escalation(policy, KIND_INCIDENT, choice_of(grade_words, "II")), at(OPENED_AT), &promise);
	assert_string_equal(json_string_value(json_at(levels, "/0/due_at")), "2026-11-23T08:00:00.000Z");
	assert_string_equal(json_string_value(json_at(levels, "/1/due_at")), "2026-11-23T08:00:59.000Z");
	assert_string_equal(json_string_value(json_at(levels, "/2/due_at")), "2026-11-23T08:05:00.000Z");
}

/* ---- levels */

static bool nothing_missing(void *context, const ChannelPolicy *channel, char missing[static LEVEL_MISSING])
{
	(void)context, (void)channel, (void)missing;
	return false;
}

static bool everything_missing(void *context, const ChannelPolicy *channel, char missing[static LEVEL_MISSING])
{
	(void)context;
	snprintf(missing, LEVEL_MISSING, "TOCSIN_%s", channel->id);
	return true;
}

static Level level_of(int64_t number)
{
	return (Level){ .policy = policy,
			.escalation = policy_escalation_by_id(policy, "urgent"),
			.level = number,
			.incident_id = "inc_1",
			.base_at = at(OPENED_AT),
			.now = at(LATER_AT),
			.known = true,
			.missing_setting = nothing_missing };
}

/* Checks the deliveries of a level against "RECIPIENT STATE; RECIPIENT STATE". */
static void check_level(const Level *level, const char *expected)
{
	char text[1024] = "";
	size_t i;
	json_t *tree, *deliveries JSON_AUTO = level_deliveries(level);
	json_array_foreach (deliveries, i, tree) {
		Delivery delivery;
		size_t used = strlen(text);
		assert_false(result_failed(json_decode_record(&delivery_table, tree, &delivery)));
		assert_true(id_is("msg_", slice_of(delivery.key)));
		assert_int_equal(delivery.escalation_level, level->level);
		bool queued = strcmp(delivery.state, "queued") == 0;
		assert_int_equal(delivery.next_at, queued ? level->now : INSTANT_NONE);
		assert_true(queued ? delivery.detail == NULL : delivery.detail != NULL);
		snprintf(text + used, sizeof(text) - used, "%s%s %s", i ? "; " : "", delivery.recipient,
			 delivery.state);
	}
	assert_string_equal(text, expected);
}

static void a_level_notifies_channels_and_people_on_duty_once(void **state)
{
	(void)state;
	Level level = level_of(1);
	check_level(&level, "channel:hook queued; person:li queued; person:ann queued");
}

static void a_target_that_cannot_be_notified_is_skipped_at_once(void **state)
{
	(void)state;
	Level level = level_of(2);
	check_level(&level, "person:mute skipped; team:night skipped; channel:post skipped");
	level = level_of(3);
	check_level(&level, "nobody skipped");
	level = level_of(4);
	check_level(&level, "nobody skipped");
	level = level_of(1);
	level.escalation = NULL;
	check_level(&level, "nobody skipped");
	level = level_of(1);
	level.missing_setting = everything_missing;
	check_level(&level, "channel:hook skipped; person:li skipped; person:ann skipped");
	level = level_of(1);
	level.known = false;
	check_level(&level, "channel:hook skipped; person:li skipped; person:ann skipped");
}

static void a_recipient_is_notified_of_a_level_once(void **state)
{
	(void)state;
	Level level = level_of(1);
	json_t *notified JSON_AUTO = json_object();
	json_object_set_new(notified, level_message_key("inc_1", level.base_at, 1, "person:li").text, json_true());
	json_object_set_new(notified, level_message_key("inc_1", level.base_at, 2, "person:ann").text, json_true());
	level.notified = notified;
	check_level(&level, "channel:hook queued; person:ann queued");
	json_object_set_new(notified, level_message_key("inc_1", level.base_at, 1, "person:ann").text, json_true());
	json_object_set_new(notified, level_message_key("inc_1", level.base_at, 1, "channel:hook").text, json_true());
	check_level(&level, "nobody skipped");
	json_t *deliveries JSON_AUTO = level_deliveries(&level);
	assert_string_equal(json_string_value(json_at(deliveries, "/0/detail")), "skip.told");
	level.base_at++;
	check_level(&level, "channel:hook queued; person:li queued; person:ann queued");
}

static void a_drill_notifies_people_but_no_systems(void **state)
{
	(void)state;
	Level level = level_of(1);
	level.drill = true;
	check_level(&level, "channel:hook skipped; person:li queued; person:ann queued");
}

static void a_skipped_step_has_its_reason_in_the_sites_language(void **state)
{
	(void)state;
	Level level = level_of(1);
	level.missing_setting = everything_missing;
	json_t *deliveries JSON_AUTO = level_deliveries(&level);
	assert_string_equal(json_string_value(json_at(deliveries, "/0/detail")),
			    "渠道 hook 未配置：TOCSIN_hook 未设置");
	for (Skip skip = SKIP_NONE; skip < SKIPS; skip++)
		assert_non_null(skip_key(skip));
}

static void targets_that_the_policy_no_longer_has_are_skipped(void **state)
{
	(void)state;
	const char *const unknown[] = { "person:gone", "team:gone", "channel:gone", "pigeon:x", "" };
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		const EscalationLevel row = { .notify_count = 1, .notify = &unknown[i] };
		const EscalationPolicy escalation = { .id = "x", .level_count = 1, .levels = &row };
		char expected[64];
		Level level = level_of(1);
		level.escalation = &escalation;
		snprintf(expected, sizeof(expected), "%s skipped", unknown[i]);
		check_level(&level, expected);
	}
}

static void a_level_with_too_many_targets_is_bounded(void **state)
{
	enum { TARGETS = LEVEL_DELIVERIES_MAX + 50 };
	static char names[TARGETS][32];
	static const char *notify[TARGETS];
	(void)state;
	for (size_t i = 0; i < TARGETS; i++) {
		snprintf(names[i], sizeof(names[i]), "person:p%zu", i);
		notify[i] = names[i];
	}
	const EscalationLevel row = { .notify_count = TARGETS, .notify = notify };
	const EscalationPolicy escalation = { .id = "x", .level_count = 1, .levels = &row };
	Level level = level_of(1);
	level.escalation = &escalation;
	json_t *deliveries JSON_AUTO = level_deliveries(&level);
	assert_int_equal(json_array_size(deliveries), LEVEL_DELIVERIES_MAX);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(deliveries, LEVEL_DELIVERIES_MAX - 1), "detail")),
		"skip.too-many");
}

static void a_long_recipient_is_cut_between_characters(void **state)
{
	char text[600] = "person:";
	(void)state;
	for (size_t i = 0; i < 190; i++)
		strcat(text, "李");
	const char *notify = text;
	const EscalationLevel row = { .notify_count = 1, .notify = &notify };
	const EscalationPolicy escalation = { .id = "x", .level_count = 1, .levels = &row };
	Level level = level_of(1);
	level.escalation = &escalation;
	json_t *deliveries JSON_AUTO = level_deliveries(&level);
	Delivery delivery;
	assert_false(result_failed(json_decode_record(&delivery_table, json_array_get(deliveries, 0), &delivery)));
	assert_true(text_is_utf8(slice_of(delivery.recipient)));
	assert_true(strlen(delivery.recipient) > 250 && strlen(delivery.recipient) < 256);
}

static void a_messages_key_depends_on_incident_base_level_and_recipient(void **state)
{
	(void)state;
	Id key = level_message_key("inc_1", 1000, 1, "person:li");
	assert_string_equal(key.text, level_message_key("inc_1", 1000, 1, "person:li").text);
	assert_string_not_equal(key.text, level_message_key("inc_2", 1000, 1, "person:li").text);
	assert_string_not_equal(key.text, level_message_key("inc_1", 1001, 1, "person:li").text);
	assert_string_not_equal(key.text, level_message_key("inc_1", 1000, 2, "person:li").text);
	assert_string_not_equal(key.text, level_message_key("inc_1", 1000, 1, "person:ann").text);
}

/* ---- retries */

static void retries_follow_the_schedule_plus_at_most_a_quarter(void **state)
{
	const int64_t waits_ms[] = { 2000, 5000, 15000, 60000, 300000, 900000, 3600000, 7200000, 7200000 };
	(void)state;
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++)
		for (int key = 0; key < 200; key++) {
			char name[24];
			snprintf(name, sizeof(name), "msg_%d", key);
			Retry retry = { .key = slice_of(name), .attempt = (int64_t)i + 1, .queued_at = 0, .now = 1000 };
			int64_t wait_ms = retry_next(&retry) - retry.now;
			assert_in_range(wait_ms, waits_ms[i], waits_ms[i] + waits_ms[i] / 4);
			assert_int_equal(wait_ms, retry_next(&retry) - retry.now);
		}
}

static void the_first_retry_comes_within_five_seconds(void **state)
{
	(void)state;
	Retry retry = { .key = SLICE("msg_x"), .attempt = 1, .queued_at = 0, .now = 0 };
	assert_in_range(retry_next(&retry), 1, 5000);
}

static void two_messages_are_retried_at_different_times(void **state)
{
	(void)state;
	Retry one = { .key = SLICE("msg_one"), .attempt = 7 }, other = { .key = SLICE("msg_other"), .attempt = 7 };
	assert_int_not_equal(retry_next(&one), retry_next(&other));
}

static void a_receiver_can_delay_a_retry_by_at_most_an_hour(void **state)
{
	(void)state;
	Retry retry = { .key = SLICE("msg_x"), .attempt = 1, .now = 50, .retry_after_ms = 120000 };
	assert_int_equal(retry_next(&retry), 120050);
	retry.retry_after_ms = 86400000;
	assert_int_equal(retry_next(&retry), 3600050);
	retry.retry_after_ms = 10;
	assert_in_range(retry_next(&retry), 2050, 5050);
	retry.retry_after_ms = -5;
	assert_in_range(retry_next(&retry), 2050, 5050);
}

static void retries_end_after_a_day(void **state)
{
	Instant now = 0;
	int64_t attempts = 0;
	(void)state;
	while (now != INSTANT_NONE) {
		assert_true(now <= RETRY_TOTAL_MS);
		Retry retry = { .key = SLICE("msg_x"), .attempt = ++attempts, .queued_at = 0, .now = now };
		now = retry_next(&retry);
	}
	assert_in_range(attempts, 15, 19);
}

static void an_old_message_is_still_tried_several_times(void **state)
{
	(void)state;
	Retry retry = { .key = SLICE("msg_x"), .attempt = 1, .queued_at = 0, .now = 2LL * RETRY_TOTAL_MS };
	assert_int_not_equal(retry_next(&retry), INSTANT_NONE);
	retry.attempt = RETRY_LEAST;
	assert_int_equal(retry_next(&retry), INSTANT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans_follow_the_table),
		cmocka_unit_test(levels_are_due_after_their_seconds),
		cmocka_unit_test(no_level_is_due_later_than_it_was_promised),
		cmocka_unit_test(a_level_notifies_channels_and_people_on_duty_once),
		cmocka_unit_test(a_target_that_cannot_be_notified_is_skipped_at_once),
		cmocka_unit_test(a_recipient_is_notified_of_a_level_once),
		cmocka_unit_test(a_drill_notifies_people_but_no_systems),
		cmocka_unit_test(a_skipped_step_has_its_reason_in_the_sites_language),
		cmocka_unit_test(targets_that_the_policy_no_longer_has_are_skipped),
		cmocka_unit_test(a_level_with_too_many_targets_is_bounded),
		cmocka_unit_test(a_long_recipient_is_cut_between_characters),
		cmocka_unit_test(a_messages_key_depends_on_incident_base_level_and_recipient),
		cmocka_unit_test(retries_follow_the_schedule_plus_at_most_a_quarter),
		cmocka_unit_test(the_first_retry_comes_within_five_seconds),
		cmocka_unit_test(two_messages_are_retried_at_different_times),
		cmocka_unit_test(a_receiver_can_delay_a_retry_by_at_most_an_hour),
		cmocka_unit_test(retries_end_after_a_day),
		cmocka_unit_test(an_old_message_is_still_tried_several_times),
	};
	return cmocka_run_group_tests_name("plan", tests, pack_make, pack_drop);
}
