/*
 * Any program may write to a topic. A record that cannot be processed becomes a dead letter once, with its reason; the service goes
 * on with the next one. Each test is named after a record that stopped a service.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/response/response.h"
#include "shared/base/header.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
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

/* ---- what became of a record */

/* The service goes on, and the last of `count` dead letters has a reason that contains the text. */
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

/* Appends levels of {"a":…}. */
static void nested(Buffer *out, unsigned levels)
{
	for (unsigned i = 0; i < levels; i++)
		buffer_text(out, "{\"a\":");
	buffer_text(out, "1");
	for (unsigned i = 0; i < levels; i++)
		buffer_byte(out, '}');
}

/* document and more: members of the report, of the assessment; with a comma in front. */
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

/* An incident's document may be larger than a record: a large report and a large actor. */
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

#define RESPONSE_TEST(test) cmocka_unit_test_setup_teardown(test, response_start, service_stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESPONSE_TEST(an_opening_without_a_title_and_a_number),
		RESPONSE_TEST(an_incident_id_that_is_none),
		RESPONSE_TEST(a_document_nested_as_deep_as_a_record_can_be),
		RESPONSE_TEST(a_command_for_an_incident_id_that_is_none),
		RESPONSE_TEST(a_document_that_grows_beyond_a_record),
	};
	return cmocka_run_group_tests_name("bad_records", tests, policy_make, policy_drop);
}
