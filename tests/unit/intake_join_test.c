/* Joins: the open incidents that share a join key, and the commands that link them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/core/join.h"
#include "services/intake/intake.h"
#include "shared/base/id.h"
#include "shared/domain/types.h"
#include "shared/runtime/outputs.h"
#include "tests/support/lone_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795419330000); /* 2026-11-23T07:35:30Z */
#define KEY "0123456789abcdefghjkmnpqrs"
#define OTHER_KEY "zzzzzzzzzzabcdefghjkmnpqrs"
enum { HOUR = 3600 * 1000, IDS = 100 };

static char ids[IDS][ID_SIZE];

static int ids_make(void **state)
{
	(void)state;
	for (unsigned i = 0; i < IDS; i++) {
		char event[16];
		snprintf(event, sizeof(event), "event %u", i);
		Id id = id_of_incident(T0 + i, i, slice_of(event));
		memcpy(ids[i], id.text, sizeof(ids[i]));
	}
	return 0;
}

/* ---- the row */

typedef struct {
	json_t *list;
	JoinRecord row;
	bool known;
} Row;

/* Judges an announcement and replaces the row by the new one, which owns its list. False: the row did not change. */
static bool announce(Row *row, unsigned incident, bool open, Instant at)
{
	const Join join = { .key = KEY, .by = 0, .incident_id = ids[incident], .number = "INC-2026-0000-0000",
			    .window_seconds = 3600, .open = open };
	JoinRecord after;
	if (!join_judge(row->known ? &row->row : NULL, &join, at, &after))
		return false;
	json_decref(row->list);
	*row = (Row){ .list = after.incidents, .row = after, .known = true };
	return true;
}

static void assert_incidents(const Row *row, size_t count, const unsigned *expected)
{
	assert_int_equal(json_array_size(row->row.incidents), count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(json_string_value(json_object_get(json_array_get(row->row.incidents, i), "incident_id")),
				    ids[expected[i]]);
}

#define ASSERT_INCIDENTS(row_, ...)                                                                                    \
	assert_incidents(row_, sizeof((const unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned), (const unsigned[]){ __VA_ARGS__ })

static void incidents_enter_and_leave(void **state)
{
	(void)state;
	Row row = { .known = false };
	assert_false(announce(&row, 7, false, T0)); /* a closing of an unknown incident */
	assert_true(announce(&row, 1, true, T0));
	assert_string_equal(row.row.entered, ids[1]);
	assert_true(announce(&row, 2, true, T0 + 1));
	assert_false(announce(&row, 1, true, T0 + 2)); /* incident 1 was announced before */
	ASSERT_INCIDENTS(&row, 1, 2);
	assert_true(announce(&row, 1, false, T0 + 3));
	assert_null(row.row.entered);
	ASSERT_INCIDENTS(&row, 2);
	assert_true(announce(&row, 1, true, T0 + 4)); /* incident 1 was reopened */
	ASSERT_INCIDENTS(&row, 2, 1);
	assert_true(announce(&row, 2, false, T0 + 5));
	assert_true(announce(&row, 1, false, T0 + 6));
	assert_int_equal(json_array_size(row.row.incidents), 0);
	json_decref(row.list);
}

static void incidents_older_than_twice_the_window_are_dropped(void **state)
{
	(void)state;
	Row row = { .known = false };
	assert_true(announce(&row, 1, true, T0));
	assert_true(announce(&row, 2, true, T0 + HOUR));
	assert_true(announce(&row, 3, true, T0 + 2 * HOUR));
	ASSERT_INCIDENTS(&row, 1, 2, 3);
	assert_true(join_ends_at(&row.row) == T0 + 4 * HOUR);
	assert_true(announce(&row, 4, true, T0 + 2 * HOUR + 1));
	ASSERT_INCIDENTS(&row, 2, 3, 4);
	json_decref(row.list);
}

static void two_incidents_within_the_window_are_linked_in_either_order(void **state)
{
	(void)state;
	const JoinRecord row = { .window_seconds = 3600 };
	const JoinedIncident one = { .at = T0 }, near = { .at = T0 + HOUR }, far = { .at = T0 + HOUR + 1 };
	assert_true(join_links(&row, &one, &near));
	assert_true(join_links(&row, &near, &one));
	assert_false(join_links(&row, &one, &far));
	assert_false(join_links(&row, &far, &one));
}

static void incidents_outside_the_window_are_dropped_from_a_full_row(void **state)
{
	(void)state;
	Row row = { .known = false };
	for (unsigned i = 0; i < JOIN_INCIDENTS_MAX; i++)
		assert_true(announce(&row, i, true, T0 + (i < 10 ? 0 : HOUR)));
	assert_true(announce(&row, 80, true, T0 + HOUR + 1));
	assert_string_equal(row.row.entered, ids[80]);
	assert_null(row.row.campaign);
	assert_int_equal(json_array_size(row.row.incidents), JOIN_INCIDENTS_MAX - 10 + 1);
	json_decref(row.list);
}

static void a_full_row_proposes_a_campaign_once(void **state)
{
	(void)state;
	Row row = { .known = false };
	for (unsigned i = 0; i < JOIN_INCIDENTS_MAX; i++)
		assert_true(announce(&row, i, true, T0));
	assert_null(row.row.campaign);
	assert_true(announce(&row, 80, true, T0));
	assert_string_equal(row.row.campaign, ids[0]);
	assert_null(row.row.entered);
	assert_int_equal(json_array_size(row.row.incidents), JOIN_INCIDENTS_MAX);
	assert_false(announce(&row, 81, true, T0));
	assert_true(announce(&row, 5, false, T0)); /* frees an entry */
	assert_null(row.row.campaign);
	assert_true(announce(&row, 82, true, T0));
	assert_string_equal(row.row.entered, ids[82]);
	assert_false(announce(&row, 83, true, T0)); /* the row is full again, but its campaign was already proposed */
	/* This announcement drops all older incidents. So the row no longer states that a campaign was proposed. */
	assert_true(announce(&row, 84, true, T0 + 3 * HOUR));
	assert_int_equal(row.row.proposed, 0);
	ASSERT_INCIDENTS(&row, 84);
	json_decref(row.list);
}

/* ---- the service */

static void input_join(LoneService *lone, const char *key, unsigned incident, bool open)
{
	char id[48], body[512];
	static unsigned number;
	snprintf(id, sizeof(id), "jon_%u", number++);
	snprintf(body, sizeof(body),
		 "{\"key\":\"%s\",\"by\":\"asset\",\"incident_id\":\"%s\",\"number\":\"INC-2026-0000-%04u\","
		 "\"window_seconds\":3600,\"open\":%s}",
		 key, ids[incident], incident, open ? "true" : "false");
	lone_input(lone, TOPIC_JOINS, id, TYPE_JOIN_ANNOUNCED, key, body);
	lone_settle(lone);
}

static json_t *command(const LoneService *lone, size_t nth, BusRecord *record)
{
	json_t *tree = NULL;
	assert_true(lone_output(lone, TOPIC_COMMANDS, TYPE_COMMAND, nth, record));
	assert_false(result_failed(json_read(record->body, &tree)));
	return tree;
}

static void assert_link(const LoneService *lone, size_t nth, unsigned incident, unsigned other)
{
	BusRecord record;
	json_t *tree = command(lone, nth, &record);
	assert_string_equal(json_string_value(json_object_get(tree, "command")), "link");
	assert_string_equal(json_string_value(json_object_get(tree, "incident_id")), ids[incident]);
	assert_string_equal(json_string_value(json_at(tree, "/arguments/incident_id")), ids[other]);
	assert_string_equal(json_string_value(json_at(tree, "/arguments/by")), "asset");
	assert_string_equal(json_string_value(json_at(tree, "/actor/kind")), "system");
	assert_true(slice_is(header_get(record.headers, "ce_subject"), ids[incident]));
	assert_true(id_is("cmd_", header_get(record.headers, "ce_id")));
	json_decref(tree);
}

static void two_incidents_with_one_key_are_linked(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	input_join(&lone, KEY, 1, true);
	input_join(&lone, OTHER_KEY, 2, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 0);
	input_join(&lone, KEY, 3, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 2);
	assert_link(&lone, 0, 3, 1);
	assert_link(&lone, 1, 1, 3);
	input_join(&lone, KEY, 2, true);
	/* Four new commands: incident 2 is linked with 1 and with 3, and each link takes two commands. */
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 6);
	lone_stop(&lone);
}

static void assert_same_id(const LoneService *lone, size_t one, size_t other)
{
	BusRecord first, second;
	assert_true(lone_output(lone, TOPIC_COMMANDS, TYPE_COMMAND, one, &first));
	assert_true(lone_output(lone, TOPIC_COMMANDS, TYPE_COMMAND, other, &second));
	assert_true(slice_equals(header_get(first.headers, "ce_id"), header_get(second.headers, "ce_id")));
}

/* When one incident of a pair is closed and reopened, the commands are sent again under the same ids. */
static void a_pair_is_linked_by_the_same_commands_in_either_order(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	input_join(&lone, KEY, 1, true);
	input_join(&lone, KEY, 3, true);
	input_join(&lone, KEY, 1, false);
	input_join(&lone, KEY, 1, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 4);
	assert_same_id(&lone, 0, 3);
	assert_same_id(&lone, 1, 2);
	lone_stop(&lone);
}

/* Appends the announcement of incident 2 by a writer whose clock is wrong, then announces incident 3. */
static void join_from_a_wrong_clock(int64_t off)
{
	LoneService lone;
	char body[512];
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	input_join(&lone, KEY, 1, true);
	input_join(&lone, OTHER_KEY, 4, true);
	snprintf(body, sizeof(body), "{\"key\":\"" KEY "\",\"by\":\"asset\",\"incident_id\":\"%s\",\"window_seconds\":3600,\"open\":true}",
		 ids[2]);
	lone.now = T0 + off;
	lone_input(&lone, TOPIC_JOINS, "jon_wrong", TYPE_JOIN_ANNOUNCED, KEY, body);
	lone.now = T0 + 1000;
	input_join(&lone, KEY, 3, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 6); /* 1, 2 and 3 are linked with each other */
	input_join(&lone, OTHER_KEY, 5, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 8);
	lone_stop(&lone);
}

static void a_wrong_clock_unlinks_nothing(void **state)
{
	(void)state;
	join_from_a_wrong_clock(INT64_C(400) * 86400000);
	join_from_a_wrong_clock(INT64_C(-400) * 86400000);
}

/* The bus may deliver an announcement twice. The second copy is ignored, even after a closing that followed the first copy. */
static void a_duplicate_announcement_is_ignored(void **state)
{
	(void)state;
	LoneService lone;
	char body[512];
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	snprintf(body, sizeof(body), "{\"key\":\"" KEY "\",\"by\":\"asset\",\"incident_id\":\"%s\",\"window_seconds\":60,\"open\":true}",
		 ids[1]);
	lone_input(&lone, TOPIC_JOINS, "jon_same", TYPE_JOIN_ANNOUNCED, KEY, body);
	input_join(&lone, KEY, 1, false);
	lone_restart(&lone, true);
	lone_input(&lone, TOPIC_JOINS, "jon_same", TYPE_JOIN_ANNOUNCED, KEY, body);
	input_join(&lone, KEY, 2, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), 0);
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_JOIN_KEPT), 3);
	lone_stop(&lone);
}

static char *rows_text(LoneService *lone)
{
	Statement *row = store_query(lone->store, "SELECT group_concat(key || row || ends_at) FROM (SELECT * FROM joins ORDER BY key)");
	char *text = statement_next(row) ? slice_copy(statement_slice(row, 0)) : NULL;
	assert_false(result_failed(statement_end(row)));
	assert_non_null(text);
	return text;
}

static void joins_survive_a_lost_disk(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	input_join(&lone, KEY, 1, true);
	input_join(&lone, OTHER_KEY, 2, true);
	input_join(&lone, KEY, 3, true);
	char *live = rows_text(&lone);
	lone_restart(&lone, true);
	lone_settle(&lone);
	char *rebuilt = rows_text(&lone);
	assert_string_equal(live, rebuilt);
	free(live);
	free(rebuilt);
	size_t commands = lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND);
	input_join(&lone, KEY, 4, true);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), commands + 4);
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_JOIN_KEPT), 4);
	lone_stop(&lone);
}

static void a_key_without_incidents_is_deleted(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	input_join(&lone, KEY, 1, true);
	input_join(&lone, KEY, 1, false);
	input_join(&lone, OTHER_KEY, 2, true);
	lone.now = T0 + 3 * HOUR;
	/* At this time the row of OTHER_KEY has ended, because its incident is too old to be linked. */
	input_join(&lone, KEY, 3, true);
	Statement *rows = store_query(lone.store, "SELECT group_concat(key) FROM joins");
	assert_true(statement_next(rows));
	assert_true(slice_is(statement_slice(rows, 0), KEY));
	assert_false(result_failed(statement_end(rows)));
	lone_stop(&lone);
}

static void the_first_incident_gets_the_campaign_command(void **state)
{
	(void)state;
	LoneService lone;
	BusRecord record;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	for (unsigned i = 0; i < JOIN_INCIDENTS_MAX + 3; i++)
		input_join(&lone, KEY, i, true);
	size_t links = JOIN_INCIDENTS_MAX * (JOIN_INCIDENTS_MAX - 1);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), links + 1);
	json_t *tree = command(&lone, links, &record);
	assert_string_equal(json_string_value(json_object_get(tree, "command")), "campaign");
	assert_string_equal(json_string_value(json_object_get(tree, "incident_id")), ids[0]);
	json_decref(tree);
	lone_stop(&lone);
}

static void a_malformed_join_is_a_dead_letter(void **state)
{
	(void)state;
	static const char *const bodies[] = { "{}", "{\"key\":\"k\",\"by\":\"asset\",\"incident_id\":\"inc_1\",\"window_seconds\":5}", "[" };
	LoneService lone;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	static const char *const names[] = { "jon_a", "jon_b", "jon_c" };
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		lone_input(&lone, TOPIC_JOINS, names[i], TYPE_JOIN_ANNOUNCED, KEY, bodies[i]);
	lone_input(&lone, TOPIC_JOINS, "jon_y", "tocsin.join.later.v9", KEY, "{}");
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 3);
	BusRecord letter;
	DeadLetter decoded;
	json_t *tree JSON_AUTO = NULL;
	assert_true(lone_output(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER, 1, &letter));
	assert_false(result_failed(json_read(letter.body, &tree)));
	assert_false(result_failed(json_decode_record(&dead_letter_table, tree, &decoded)));
	json_t *again JSON_AUTO = json_encode(&dead_letter_table, &decoded);
	assert_true(json_equal(tree, again));
	assert_string_equal(decoded.topic, "tocsin.joins");
	assert_string_equal(decoded.service, "intake");
	assert_int_equal(decoded.offset, 1);
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_JOIN_KEPT), 0);
	lone_stop(&lone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incidents_enter_and_leave),
		cmocka_unit_test(incidents_older_than_twice_the_window_are_dropped),
		cmocka_unit_test(two_incidents_within_the_window_are_linked_in_either_order),
		cmocka_unit_test(incidents_outside_the_window_are_dropped_from_a_full_row),
		cmocka_unit_test(a_full_row_proposes_a_campaign_once),
		cmocka_unit_test(two_incidents_with_one_key_are_linked),
		cmocka_unit_test(a_pair_is_linked_by_the_same_commands_in_either_order),
		cmocka_unit_test(a_duplicate_announcement_is_ignored),
		cmocka_unit_test(a_wrong_clock_unlinks_nothing),
		cmocka_unit_test(joins_survive_a_lost_disk),
		cmocka_unit_test(a_key_without_incidents_is_deleted),
		cmocka_unit_test(the_first_incident_gets_the_campaign_command),
		cmocka_unit_test(a_malformed_join_is_a_dead_letter),
	};
	return cmocka_run_group_tests_name("intake_join", tests, ids_make, NULL);
}
