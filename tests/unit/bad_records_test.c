/*
 * Any program may write to a topic. A record that cannot be processed becomes a dead letter once, with its reason; the service goes
 * on with the next one. Each test is named after a record that stopped a service.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/intake.h"
#include "services/response/response.h"
#include "shared/base/header.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/ledger.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "tests/support/lone_service.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <string.h>

static const Instant T0 = INT64_C(1795419330000); /* 2026-11-23T07:35:30Z */
#define TIME "2026-11-23T07:35:30.000Z"
#define INCIDENT "inc_0r3zx6m1pg0000000000000001"
#define KEY "0123456789abcdefghjkmnpqrs"

enum { BODY_MAX = 1 << 20 };

static Policy *policy;
static LoneService lone;

static int policy_make(void **state)
{
	(void)state;
	policy = notify_pack();
	return 0;
}

static int policy_drop(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static int service_stop(void **state)
{
	(void)state;
	lone_stop(&lone);
	return 0;
}

static int response_start(void **state)
{
	(void)state;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	return 0;
}

/* ---- the dead letter of a record */

/* Asserts that the service continues, that there are `count` dead letters, and that the body of the last one contains `reason`. */
static void assert_refused(size_t count, const char *reason)
{
	BusRecord letter;
	lone_settle(&lone);
	if (result_failed(lone.failure))
		fail_msg("%s", lone.failure.text);
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), count);
	assert_true(lone_output(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER, count - 1, &letter));
	if (!memmem(letter.body.data, letter.body.size, reason, strlen(reason)))
		fail_msg("%s is not the reason of %.*s", reason, (int)letter.body.size, letter.body.data);
}

/* ---- response */

/* Appends 1, nested in `levels` objects {"a":…}. */
static void nested(Buffer *out, unsigned levels)
{
	for (unsigned i = 0; i < levels; i++)
		buffer_text(out, "{\"a\":");
	buffer_text(out, "1");
	for (unsigned i = 0; i < levels; i++)
		buffer_byte(out, '}');
}

/* number: a member of the report, followed by a comma, or empty. more: members of the assessment, each after a comma, or empty. */
static void assessment(const char *id, const char *incident, const char *number, const char *document, const char *more)
{
	Buffer body;
	buffer_init(&body, BODY_MAX);
	buffer_format(&body,
		      "{\"report\":{\"incident_id\":\"%s\",%s\"event_id\":\"evt_" KEY "\",\"correlation_key\":\"" KEY "\",\"form\":\"report\","
		      "\"report_version\":1,\"event_count\":1,\"received_at\":\"" TIME "\",\"document\":%s},\"assessment\":{\"kind\":\"incident\","
		      "\"grade\":\"II\",\"damage_level\":\"A\",\"policy_version\":\"site@1+0\"",
		      incident, number, document);
	buffer_text(&body, more);
	buffer_text(&body, "}}");
	lone_input(&lone, TOPIC_ASSESSMENTS, id, TYPE_ASSESSED, INCIDENT, body.data);
	buffer_release(&body);
}

#define NUMBER "\"number\":\"INC-2026-0000-0001\","
#define PERSON "{\"kind\":\"incident\",\"description\":\"laptop gone\"}"

static void opening_is_still_possible(void)
{
	size_t before = lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED);
	assessment("asm_good", INCIDENT, NUMBER, PERSON, "");
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), before + 1);
}

static void an_opening_without_a_title_and_a_number(void **state)
{
	(void)state;
	assessment("asm_1", INCIDENT, "", "{\"kind\":\"incident\",\"description\":\"\\n \"}", "");
	assert_refused(1, "lacks the number");
	opening_is_still_possible();
}

static void an_incident_id_that_is_none(void **state)
{
	(void)state;
	char id[NAME_MAX_CHARACTERS + 1];
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	assessment("asm_1", id, NUMBER, PERSON, "");
	assert_refused(1, "incident_id must be");
	opening_is_still_possible();
}

/* The record can be read, but the journal entry that contains its members would be two levels deeper. */
static void a_document_nested_as_deep_as_a_record_can_be(void **state)
{
	(void)state;
	Buffer document;
	buffer_init(&document, BODY_MAX);
	buffer_text(&document, "{\"kind\":\"incident\",\"description\":\"x\",\"more\":");
	nested(&document, JSON_DEPTH_MAX - 3);
	buffer_byte(&document, '}');
	assessment("asm_1", INCIDENT, NUMBER, document.data, "");
	assert_refused(1, "nested deeper");
	buffer_clear(&document);
	buffer_text(&document, ",\"more\":");
	nested(&document, JSON_DEPTH_MAX - 2);
	assessment("asm_2", INCIDENT, NUMBER, PERSON, document.data);
	assert_refused(2, "nested deeper");
	buffer_release(&document);
	opening_is_still_possible();
}

static void command(const char *id, const char *incident, const char *name, const char *actor, const char *arguments)
{
	Buffer body;
	buffer_init(&body, BODY_MAX);
	buffer_format(&body,
		      "{\"incident_id\":\"%s\",\"command\":\"%s\",\"actor\":{\"kind\":\"key\",\"id\":\"k\",\"roles\":[\"administrator\"],"
		      "\"more\":\"",
		      incident, name);
	buffer_text(&body, actor);
	buffer_format(&body, "\"},\"arguments\":%s,\"issued_at\":\"" TIME "\"}", arguments);
	lone_input(&lone, TOPIC_COMMANDS, id, TYPE_COMMAND, INCIDENT, body.data);
	buffer_release(&body);
}

static void a_command_for_an_incident_id_that_is_none(void **state)
{
	(void)state;
	command("cmd_1", "inc_7", "acknowledge", "", "{}");
	assert_refused(1, "incident_id must be");
	opening_is_still_possible();
}

/* A large report and a large actor together make the incident's document larger than a record may be. */
static void a_document_that_grows_beyond_a_record(void **state)
{
	(void)state;
	enum { LARGE = 900 << 10 };
	Buffer text, document;
	buffer_init(&text, BODY_MAX);
	buffer_init(&document, BODY_MAX);
	for (size_t i = 0; i < LARGE; i++)
		buffer_byte(&text, 'x');
	buffer_text(&document, "{\"kind\":\"incident\",\"description\":\"x\",\"more\":\"");
	buffer_append(&document, buffer_slice(&text));
	buffer_text(&document, "\"}");
	assessment("asm_1", INCIDENT, NUMBER, document.data, "");
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 1);
	command("cmd_1", INCIDENT, "acknowledge", "", "{}");
	buffer_cut(&text, LARGE / 2);
	command("cmd_2", INCIDENT, "reopen", text.data, "{\"reason\":\"x\"}");
	command("cmd_3", INCIDENT, "close", text.data, "{\"resolution\":\"resolved\",\"reason\":\"x\"}");
	command("cmd_4", INCIDENT, "reopen", text.data, "{\"reason\":\"x\"}");
	command("cmd_5", INCIDENT, "acknowledge", text.data, "{}");
	lone_settle(&lone);
	if (result_failed(lone.failure))
		fail_msg("%s", lone.failure.text);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 5);
	buffer_release(&text);
	buffer_release(&document);
}

/* ---- intake */

static int intake_start(void **state)
{
	(void)state;
	lone_start(&lone, &intake_service, NULL, NULL, NULL, T0);
	return 0;
}

/* Appends an input and runs the service. header: the value of EVENT_HEADER; NULL: the record has no such header. */
static void input(TopicId topic, const char *key, const char *id, const char *type, const char *header, Slice body)
{
	Buffer headers;
	buffer_init(&headers, BODY_MAX);
	header_add(&headers, "ce_id", slice_of(id));
	header_add(&headers, "ce_type", slice_of(type));
	header_add(&headers, "ce_time", SLICE(TIME));
	if (header)
		header_add(&headers, EVENT_HEADER, slice_of(header));
	BusRecord record = { .key = slice_of(key), .headers = buffer_slice(&headers), .body = body };
	assert_false(result_failed(lone_append(&lone, topic, &record)));
	buffer_release(&headers);
	lone_settle(&lone);
	if (result_failed(lone.failure))
		fail_msg("%s", lone.failure.text);
}

/* Appends an announcement whose `number` consists of NAME_MAX_CHARACTERS times the JSON text `character`. */
static void join(unsigned incident, const char *character, const char *key)
{
	char id[24], name[24];
	Buffer body;
	snprintf(id, sizeof(id), "jon_%u", incident);
	snprintf(name, sizeof(name), "%u", incident);
	Id incident_id = id_of_incident(T0, 0, slice_of(name));
	buffer_init(&body, BODY_MAX);
	buffer_format(&body, "{\"key\":\"%s\",\"by\":\"asset\",\"incident_id\":\"%s\",\"window_seconds\":60,\"open\":true,\"number\":\"", key,
		      incident_id.text);
	for (size_t i = 0; i < NAME_MAX_CHARACTERS; i++)
		buffer_text(&body, character);
	buffer_text(&body, "\"}");
	input(TOPIC_JOINS, KEY, id, TYPE_JOIN_ANNOUNCED, NULL, buffer_slice(&body));
	buffer_release(&body);
}

/* The row of a key holds JOIN_INCIDENTS_MAX incidents with the longest numbers, of 4-byte and of escaped characters in turn. */
static void joins_with_long_numbers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JOIN_INCIDENTS_MAX; i++)
		join(i, i % 2 == 0 ? "\xf0\x90\x80\x80" : "\\u0001", KEY);
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_JOIN_KEPT), JOIN_INCIDENTS_MAX);
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 0);
	assert_int_equal(lone_outputs(&lone, TOPIC_COMMANDS, TYPE_COMMAND), JOIN_INCIDENTS_MAX * (JOIN_INCIDENTS_MAX - 1));
	join(JOIN_INCIDENTS_MAX, "x", "0000000000000000000000000z");
	assert_refused(1, "key must be the record's key");
	lone_restart(&lone, true);
	lone_settle(&lone);
	assert_false(result_failed(lone.failure));
}

#define WINDOW "window=900;cap=86400;severity=2"
#define EVENT "{\"source\":\"s\",\"title\":\"t\"}"
#define EVENT_ID(n) "evt_0000000000000000000000000" n

/* Without the refusal, the event's incident could not be opened, and the next events with the key would count for that incident. */
static void an_event_whose_document_is_none(void **state)
{
	(void)state;
	static const char *const documents[] = { "", "[]", "{\"title\":\"t\"}", "{\"source\":\"s\",\"title\":7}" };
	static const char *const ids[] = { EVENT_ID("1"), EVENT_ID("2"), EVENT_ID("3"), EVENT_ID("4") };
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		input(TOPIC_EVENTS, KEY, ids[i], TYPE_EVENT_RECEIVED, WINDOW, slice_of(documents[i]));
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 4);
	Buffer deep;
	buffer_init(&deep, BODY_MAX);
	buffer_text(&deep, "{\"source\":\"s\",\"title\":\"t\",\"attributes\":");
	nested(&deep, SENDER_DEPTH_MAX);
	buffer_byte(&deep, '}');
	input(TOPIC_EVENTS, KEY, EVENT_ID("5"), TYPE_EVENT_RECEIVED, WINDOW, buffer_slice(&deep));
	assert_refused(5, "nested deeper");
	/* Response writes a fraction such as 0.1 with more digits than the sender, so the document would exceed its bound. */
	buffer_clear(&deep);
	buffer_text(&deep, "{\"source\":\"s\",\"title\":\"t\",\"observables\":[{\"type\":\"ip\",\"value\":\"v\",\"more\":[0.1");
	while (deep.size < SENDER_BYTES_MAX / 2)
		buffer_text(&deep, ",0.1");
	buffer_text(&deep, "]}]}");
	input(TOPIC_EVENTS, KEY, EVENT_ID("6"), TYPE_EVENT_RECEIVED, WINDOW, buffer_slice(&deep));
	assert_refused(6, "when it is written again");
	buffer_release(&deep);
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_REPORT_OPENED), 0);
	input(TOPIC_EVENTS, KEY, EVENT_ID("7"), TYPE_EVENT_RECEIVED, WINDOW, SLICE(EVENT));
	assert_int_equal(lone_outputs(&lone, TOPIC_REPORTS, TYPE_REPORT_OPENED), 1);
}

static void an_event_with_a_window_of_three_hundred_years(void **state)
{
	(void)state;
	input(TOPIC_EVENTS, KEY, EVENT_ID("1"), TYPE_EVENT_RECEIVED, "window=9999999999;cap=1", SLICE(EVENT));
	assert_refused(1, "window and cap");
}

/* Intake increments both numbers, so the largest values would overflow. */
static void a_reopening_with_the_largest_counts(void **state)
{
	(void)state;
	Buffer headers;
	buffer_init(&headers, 4096);
	header_add(&headers, "ce_id", SLICE(EVENT_ID("1")));
	header_add(&headers, "ce_type", SLICE(TYPE_INCIDENT_REOPENED));
	header_add(&headers, "ce_time", SLICE(TIME));
	header_add(&headers, "ce_subject", SLICE(INCIDENT));
	BusRecord record = { .key = SLICE(KEY), .headers = buffer_slice(&headers),
			     .body = SLICE("{\"report_version\":9223372036854775807,\"event_count\":9223372036854775807,\"last_seen_at\":"
					   "\"" TIME "\",\"window_seconds\":60,\"cap_seconds\":60}") };
	assert_false(result_failed(lone_append(&lone, TOPIC_EVENTS, &record)));
	assert_refused(1, "event_count and report_version");
	buffer_release(&headers);
}

/* The event's id becomes the cause of the report that intake derives from the event. */
static void an_event_with_an_id_or_key_of_half_a_megabyte(void **state)
{
	(void)state;
	Buffer large;
	buffer_init(&large, BODY_MAX);
	while (large.size < BODY_MAX / 2)
		buffer_byte(&large, 'x');
	input(TOPIC_EVENTS, KEY, large.data, TYPE_EVENT_RECEIVED, WINDOW, SLICE(EVENT));
	assert_refused(1, "too long");
	input(TOPIC_EVENTS, large.data, EVENT_ID("1"), TYPE_EVENT_RECEIVED, WINDOW, SLICE(EVENT));
	assert_refused(2, "too long");
	buffer_release(&large);
}

/* ---- every service */

/* The defect: the command's id was encoded as the command_id of the answer, although JSON must be UTF-8. */
static void a_command_whose_id_is_not_utf_8(void **state)
{
	(void)state;
	opening_is_still_possible();
	command("cmd_\xff\xfe", INCIDENT, "acknowledge", "", "{}");
	assert_refused(1, "not UTF-8");
}

static void ledger_forge(void)
{
	Buffer headers;
	buffer_init(&headers, 4096);
	ledger_mark_write(&headers, &(LedgerMark){ .epoch = 4, .owner = 1, .seq = 1 });
	BusRecord record = { .headers = buffer_slice(&headers), .body = SLICE("?") };
	assert_false(result_failed(lone_append(&lone, TOPIC_JOURNAL, &record)));
	buffer_release(&headers);
}

/*
 * The defect: a reader dropped only such records and was restarted. Its position then looked like the beginning of a trimmed log,
 * and the first record of a trimmed log is always accepted.
 */
static void records_in_a_ledger_before_its_first_claim(void **state)
{
	(void)state;
	bool progressed;
	ledger_forge();
	assert_false(result_failed(runtime_step(lone.runtime, T0, &progressed)));
	lone_restart(&lone, false);
	ledger_forge();
	lone_settle(&lone);
	opening_is_still_possible();
}

static void policy_input(const char *body)
{
	input(TOPIC_POLICIES, "site", "pol_2", TYPE_POLICY_PUBLISHED, NULL, slice_of(body));
}

/* The defect: only the newest policy message was read, so after a restart the service had no policy and processed no input. */
static void a_policy_that_is_none(void **state)
{
	(void)state;
	lone_settle(&lone);
	policy_input("{\"id\":\"site\"}");
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 1);
	policy_input("not JSON");
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 2);
	lone_restart(&lone, true);
	lone_settle(&lone);
	opening_is_still_possible();
}

#define RESPONSE_TEST(test) cmocka_unit_test_setup_teardown(test, response_start, service_stop)
#define INTAKE_TEST(test) cmocka_unit_test_setup_teardown(test, intake_start, service_stop)

int main(void)
{
	log_set_level(LOG_ERROR);
	const struct CMUnitTest tests[] = {
		RESPONSE_TEST(an_opening_without_a_title_and_a_number),
		RESPONSE_TEST(an_incident_id_that_is_none),
		RESPONSE_TEST(a_document_nested_as_deep_as_a_record_can_be),
		RESPONSE_TEST(a_command_for_an_incident_id_that_is_none),
		RESPONSE_TEST(a_document_that_grows_beyond_a_record),
		RESPONSE_TEST(a_command_whose_id_is_not_utf_8),
		RESPONSE_TEST(a_policy_that_is_none),
		RESPONSE_TEST(records_in_a_ledger_before_its_first_claim),
		INTAKE_TEST(joins_with_long_numbers),
		INTAKE_TEST(an_event_whose_document_is_none),
		INTAKE_TEST(an_event_with_a_window_of_three_hundred_years),
		INTAKE_TEST(a_reopening_with_the_largest_counts),
		INTAKE_TEST(an_event_with_an_id_or_key_of_half_a_megabyte),
	};
	return cmocka_run_group_tests_name("bad_records", tests, policy_make, policy_drop);
}
