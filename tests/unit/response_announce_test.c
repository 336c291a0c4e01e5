/* Announcements of joins: which entries of response announce which members of an incident. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/response/core/announce.h"
#include "services/response/core/entries.h"
#include "services/response/response.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "tests/support/lone_service.h"
#include "tests/unit/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795419330000);
#define INCIDENT "inc_0r3zx6m1pg0000000000000001"
#define KEY "0123456789abcdefghjkmnpqrs"

static const PackChange joining[] = {
	{ "sources.yaml", "sources:\n"
			  "  - {id: \"*\", window_seconds: 60, cap_seconds: 600}\n"
			  "joins:\n"
			  "  - {by: actor, window_seconds: 86400}\n"
			  "  - {by: asset, window_seconds: 3600}\n" },
	{ NULL, NULL },
};

static Policy *joins, *none;

static int packs_make(void **state)
{
	(void)state;
	joins = pack_compiled(joining);
	none = pack_compiled(NULL);
	return 0;
}

static int packs_drop(void **state)
{
	(void)state;
	policy_free(joins);
	policy_free(none);
	return 0;
}

/* ---- entries and announcements */

static json_t *parsed(const char *text)
{
	json_t *tree = json_loads(text, 0, NULL);
	assert_non_null(tree);
	return tree;
}

#define ASSET "\"number\":\"INC-1\",\"asset\":\"web-01\",\"actor\":null"
#define BOTH "\"number\":\"INC-1\",\"asset\":\"web-01\",\"actor\":\"mallory\""

#define CLOSES "\"closed_at\":\"2026-11-23T07:35:31.000Z\""

static const struct {
	const char *name, *incident, *entries, *expected; /* expected: for example "asset+ actor- ", + open, - closed */
} cases[] = {
	{ "an opening", "{" BOTH "}", "[{\"type\":\"opened\",\"changes\":{\"status\":\"reported\"}},{\"type\":\"assessed\"}]",
	  "asset+ actor+ " },
	{ "an opening without an actor", "{" ASSET "}", "[{\"type\":\"opened\",\"changes\":{\"status\":\"received\"}}]", "asset+ " },
	{ "noise", "{" BOTH "}", "[{\"type\":\"opened\",\"changes\":{\"status\":\"false-alarm\"," CLOSES "}}]", "" },
	{ "noise that is reopened", "{" ASSET "}", "[{\"type\":\"assessed\"},{\"type\":\"reopened\",\"changes\":{\"closed_at\":null}}]",
	  "asset+ " },
	{ "a closing", "{" BOTH "}", "[{\"type\":\"closed\",\"changes\":{" CLOSES "}}]", "asset- actor- " },
	{ "a cancellation", "{" ASSET "}", "[{\"type\":\"cancelled\",\"changes\":{" CLOSES "}}]", "asset- " },
	{ "a note", "{" BOTH "}", "[{\"type\":\"noted\"}]", "" },
	{ "a closing without asset or actor", "{\"asset\":\"\"}", "[{\"type\":\"closed\",\"changes\":{" CLOSES "}}]", "" },
};

static Entries entries_of(json_t *list)
{
	Entries entries = entries_begin(NULL, NULL, 0);
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item) {
		IncidentChange change;
		assert_false(result_failed(incident_change_decode(json_object_get(item, "changes"), &change)));
		entries_add(&entries, json_string_value(json_object_get(item, "type")), item, NULL, &change);
	}
	return entries;
}

static void announcements_follow_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64] = "";
		size_t k;
		json_t *join, *document JSON_AUTO = parsed(cases[i].incident), *items JSON_AUTO = parsed(cases[i].entries);
		Incident incident;
		assert_false(result_failed(json_decode_record(&incident_table, document, &incident)));
		Entries entries = entries_of(items);
		json_t *list JSON_AUTO = joins_of(INCIDENT, &incident, &entries, joins);
		json_array_foreach (list, k, join)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s ",
				 json_string_value(json_object_get(join, "by")), json_is_true(json_object_get(join, "open")) ? "+" : "-");
		if (strcmp(text, cases[i].expected) != 0)
			fail_msg("%s: %s, expected %s", cases[i].name, text, cases[i].expected);
		assert_null(joins_of(INCIDENT, &incident, &entries, none)); /* the policy does not join */
		json_decref(entries.list);
	}
}

static void the_same_name_in_another_member_is_another_key(void **state)
{
	(void)state;
	Id asset = join_key("asset", "web-01"), actor = join_key("actor", "web-01"), again = join_key("asset", "web-01");
	assert_true(id_is("", id_slice(&asset)));
	assert_string_equal(asset.text, again.text);
	assert_string_not_equal(asset.text, actor.text);
}

/* ---- the service */

static void input_opening(LoneService *lone)
{
	lone_input(lone, TOPIC_ASSESSMENTS, "asm_1", TYPE_ASSESSED, INCIDENT,
		   "{\"report\":{\"incident_id\":\"" INCIDENT "\",\"number\":\"INC-2026-0000-0001\",\"event_id\":\"evt_" KEY "\","
		   "\"correlation_key\":\"" KEY "\",\"form\":\"event\",\"report_version\":1,\"event_count\":1,"
		   "\"received_at\":\"2026-11-23T07:35:00.000Z\",\"last_seen_at\":\"2026-11-23T07:35:00.000Z\","
		   "\"document\":{\"source\":\"s\",\"title\":\"t\",\"asset\":\"web-01\"}},"
		   "\"assessment\":{\"kind\":\"incident\",\"category\":\"10000\",\"severity\":\"high\",\"grade\":\"III\","
		   "\"damage_level\":\"A\",\"policy_version\":\"p@1+0\"}}");
	lone_settle(lone);
}

static void input_command(LoneService *lone, const char *id, const char *command, const char *arguments)
{
	char body[1024];
	snprintf(body, sizeof(body),
		 "{\"incident_id\":\"" INCIDENT "\",\"command\":\"%s\",\"actor\":{\"kind\":\"key\",\"id\":\"k\",\"roles\":[\"administrator\"]},"
		 "\"arguments\":%s,\"issued_at\":\"2026-11-23T07:35:00.000Z\"}",
		 command, arguments);
	lone_input(lone, TOPIC_COMMANDS, id, TYPE_COMMAND, INCIDENT, body);
	lone_settle(lone);
}

static void assert_announced(const LoneService *lone, size_t nth, bool open)
{
	BusRecord record;
	Join join;
	json_t *tree = NULL;
	Id key = join_key("asset", "web-01");
	assert_true(lone_output(lone, TOPIC_JOINS, TYPE_JOIN_ANNOUNCED, nth, &record));
	assert_true(slice_is(record.key, key.text));
	assert_true(slice_is(header_get(record.headers, "ce_subject"), INCIDENT));
	assert_false(result_failed(json_read(record.body, &tree)));
	assert_false(result_failed(json_decode_record(&join_table, tree, &join)));
	assert_string_equal(join.incident_id, INCIDENT);
	assert_string_equal(join.number, "INC-2026-0000-0001");
	assert_int_equal(join.window_seconds, 3600);
	assert_int_equal(join.open, open);
	json_decref(tree);
}

static void an_incident_is_announced_while_it_is_open(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, joins, T0);
	input_opening(&lone);
	assert_announced(&lone, 0, true);
	input_command(&lone, "cmd_1", "note", "{\"text\":\"x\"}");
	input_command(&lone, "cmd_2", "close", "{\"resolution\":\"resolved\",\"reason\":\"x\"}");
	assert_announced(&lone, 1, false);
	input_command(&lone, "cmd_3", "reopen", "{\"reason\":\"x\"}");
	assert_announced(&lone, 2, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOINS, TYPE_JOIN_ANNOUNCED), 3);
	lone_stop(&lone);
}

static void nothing_is_announced_under_a_policy_without_joins(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, none, T0);
	input_opening(&lone);
	input_command(&lone, "cmd_2", "close", "{\"resolution\":\"resolved\",\"reason\":\"x\"}");
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 2);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOINS, TYPE_JOIN_ANNOUNCED), 0);
	lone_stop(&lone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announcements_follow_the_table),
		cmocka_unit_test(the_same_name_in_another_member_is_another_key),
		cmocka_unit_test(an_incident_is_announced_while_it_is_open),
		cmocka_unit_test(nothing_is_announced_under_a_policy_without_joins),
	};
	return cmocka_run_group_tests_name("response_announce", tests, packs_make, packs_drop);
}
