/*
 * Every record that a service reads, changed member by member and header by header. The service must process the changed record,
 * or write one dead letter for it, and continue; only an accepted record of a ledger may stop the service. Named regressions are
 * in tests/unit/bad_records_test.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/header.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/runtime/record.h"
#include "tests/support/every_input.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795419330000); /* 2026-11-23T07:35:30Z */

enum { BODY_MAX = 1 << 20 };

static Policy *policy;

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

/*
 * One service and one input. If the input is a ledger, the test marks its records so that they are accepted, as if the owner of
 * the ledger had a fault: such a record may stop the service with an error, but not crash it. A record of a stream, where any
 * program may write, may do neither.
 */
typedef struct {
	EveryService service;
	const EveryInput *input;
	unsigned number;    /* number of records so far; the next ids and keys are derived from it */
	size_t stops;       /* accepted records of a ledger that stopped the service */
	Buffer body, headers;
} Play;

typedef enum { MAY_BE_REFUSED, MUST_BE_REFUSED } Expectation;

static Play play; /* too large for a stack */

static size_t letters(void)
{
	Bus *bus = play.service.lone.bus;
	return (size_t)bus->operations->end(bus, TOPIC_DEAD_LETTERS, 0);
}

static bool is_ledger(void)
{
	return topics[play.input->topic].kind == TOPIC_LEDGER;
}

/* Starts the service and lets it read the examples of all its inputs, so that it knows the incident of the examples. */
static void play_start(void)
{
	every_service_start(&play.service, play.input->service, policy, T0);
	for (const EveryInput *input = every_input; input < every_input + every_input_count; input++) {
		if (input->service != play.input->service)
			continue;
		Id id = id_of_pair(ID_COMMAND_OF_REQUEST, slice_of(input->type), slice_of(input->example));
		buffer_clear(&play.headers);
		buffer_clear(&play.body);
		every_input_headers(&play.service, input, id_slice(&id), &play.headers);
		every_input_mark(&play.service, input->topic, &play.headers);
		every_input_body(input, &play.body);
		BusRecord record = { .key = every_input_key(input), .headers = buffer_slice(&play.headers),
				     .body = buffer_slice(&play.body) };
		assert_false(result_failed(lone_append(&play.service.lone, input->topic, &record)));
		lone_settle(&play.service.lone);
		assert_false(result_failed(play.service.lone.failure));
	}
}

static void play_restart(void)
{
	every_service_stop(&play.service);
	play_start();
}

static void still_works(void)
{
	if (!every_service_works(&play.service, ++play.number))
		fail_msg("%s does not work after the %u records of %s: %s", play.input->service->name, play.number, play.input->type,
			 play.service.lone.failure.text);
}

static void play_check(void)
{
	enum { EVERY = 200 };
	if (play.number % EVERY != 0)
		return;
	still_works();
	lone_restart(&play.service.lone, true);
	lone_settle(&play.service.lone);
	still_works();
	play_restart();
}

static void play_record(Slice key, Slice headers, Slice body, Expectation expectation, const char *change)
{
	size_t before = letters();
	BusRecord record = { .key = key, .headers = headers, .body = body };
	play.number++;
	if (result_failed(lone_append(&play.service.lone, play.input->topic, &record)))
		return; /* the bus refuses records that are too large */
	lone_settle(&play.service.lone);
	if (result_failed(play.service.lone.failure)) {
		if (!is_ledger())
			fail_msg("%s: %s stopped %s: %s", play.input->type, change, play.input->service->name, play.service.lone.failure.text);
		play.stops++;
		play_restart();
		return;
	}
	size_t refused = letters() - before;
	if (refused > 1 || (expectation == MUST_BE_REFUSED && refused != 1))
		fail_msg("%s: %s made %zu dead letters of %s", play.input->type, change, refused, play.input->service->name);
	play_check();
}

static Id fresh_id(void)
{
	char name[24];
	snprintf(name, sizeof(name), "%u", play.number);
	TopicId topic = play.input->topic;
	IdKind kind = topic == TOPIC_COMMANDS ? ID_COMMAND_OF_REQUEST : topic == TOPIC_EVENTS ? ID_KEY_EVENT : ID_RECORD_OF_INPUT;
	return id_of_pair(kind, SLICE("bad"), slice_of(name));
}

/* Plays a body under a new id. An event gets a new key and an assessment a new incident, because a service reads less of the
 * body if it knows the key or the incident already. */
static void play_body(Slice body, Expectation expectation, const char *change)
{
	Id id = fresh_id(), incident = id_of_incident(T0, 0, id_slice(&id));
	Id key = id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE("key"), id_slice(&id));
	Buffer own;
	buffer_init(&own, BODY_MAX);
	buffer_append(&own, body);
	buffer_clear(&play.headers);
	every_input_headers(&play.service, play.input, id_slice(&id), &play.headers);
	if (play.input->topic == TOPIC_ASSESSMENTS) {
		every_text_replace(&own, EVERY_INCIDENT, incident.text);
		every_text_replace(&play.headers, EVERY_INCIDENT, incident.text);
	}
	every_input_mark(&play.service, play.input->topic, &play.headers);
	Slice own_key = play.input->topic == TOPIC_EVENTS      ? id_slice(&key) :
			play.input->topic == TOPIC_ASSESSMENTS ? id_slice(&incident) :
								 every_input_key(play.input);
	play_record(own_key, buffer_slice(&play.headers), buffer_slice(&own), expectation, change);
	buffer_release(&own);
}

/* ---- bodies */

/* Appends as many nested objects {"a":…} as `levels`; the innermost value is 1. */
static void nested(Buffer *out, unsigned levels)
{
	for (unsigned i = 0; i < levels; i++)
		buffer_text(out, "{\"a\":");
	buffer_text(out, "1");
	for (unsigned i = 0; i < levels; i++)
		buffer_byte(out, '}');
}

enum { LONG = 8192 };

/* Appends a JSON string of `count` copies of a character. */
static void long_text(Buffer *out, size_t count, const char *character)
{
	buffer_byte(out, '"');
	for (size_t i = 0; i < count; i++)
		buffer_text(out, character);
	buffer_byte(out, '"');
}

#define VALUE(json) { (json), NULL, 0 }
#define TEXT(count, character) { NULL, (character), (count) }
#define LIST(count) { NULL, NULL, (count) }
#define WIDE "\xf0\x90\x80\x80" /* a character of four bytes */

static const struct {
	const char *value, *character;
	size_t count;
} values[] = {
	VALUE("null"), VALUE("true"), VALUE("7"), VALUE("0"), VALUE("-1"), VALUE("0.1"), VALUE("9223372036854775807"),
	VALUE("-9223372036854775808"), VALUE("-9223372036854775807"), VALUE("\"\""), VALUE("\"x\""), VALUE("{}"), VALUE("[]"),
	VALUE("[{}]"), VALUE("[null]"), VALUE("\"1970-01-01T00:00:00.000Z\""), VALUE("\"9999-12-31T23:59:59.999Z\""),
	VALUE("\"inc_7zzzzzzzzzzzzzzzzzzzzzzzzz\""), VALUE("\"inc_zzzzzzzzzzzzzzzzzzzzzzzzzz\""), VALUE("\"INC-2026\""), VALUE("\"V\""),
	TEXT(32, WIDE), TEXT(256, WIDE), TEXT(257, WIDE), TEXT(LONG, WIDE), TEXT(LONG + 1, WIDE), TEXT(256, "\\u0001"),
	TEXT(LONG, "\\u0001"), LIST(70), LIST(2000),
};

static json_t *value_new(size_t number)
{
	Buffer text;
	buffer_init(&text, BODY_MAX);
	buffer_text(&text, "{\"v\":");
	if (values[number].value)
		buffer_text(&text, values[number].value);
	else if (values[number].character)
		long_text(&text, values[number].count, values[number].character);
	else
		for (size_t i = 0; i <= values[number].count; i++)
			buffer_text(&text, i == 0 ? "[1" : i == values[number].count ? "]" : ",1");
	buffer_byte(&text, '}');
	json_t *tree = NULL, *value;
	assert_false(result_failed(json_read(buffer_slice(&text), &tree)));
	value = json_incref(json_object_get(tree, "v"));
	json_decref(tree);
	buffer_release(&text);
	return value;
}

static void tree_play(json_t *tree, const char *change)
{
	Buffer text;
	buffer_init(&text, BODY_MAX);
	json_write(tree, &text);
	json_t *again JSON_AUTO = NULL;
	char decoded[4096];
	bool known = play.input->table && play.input->table->size <= sizeof(decoded);
	bool invalid = known && (result_failed(json_read(buffer_slice(&text), &again)) ||
				 result_failed(json_decode_record(play.input->table, again, decoded)));
	play_body(buffer_slice(&text), invalid ? MUST_BE_REFUSED : MAY_BE_REFUSED, change);
	buffer_release(&text);
}

/* Plays the tree with the member `name` of `object` changed to each of `values`, then with this member removed. */
static void member_play(json_t *tree, json_t *object, const char *name)
{
	json_t *before = json_incref(json_object_get(object, name));
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		json_object_set_new(object, name, value_new(i));
		tree_play(tree, name);
	}
	json_object_del(object, name);
	tree_play(tree, name);
	json_object_set_new(object, name, before);
}

static void members_play(json_t *tree, json_t *value)
{
	json_t *names = json_array(), *name, *child;
	const char *key;
	size_t i;
	json_object_foreach (value, key, child)
		json_array_append_new(names, json_string(key));
	json_array_foreach (names, i, name) {
		member_play(tree, value, json_string_value(name));
		members_play(tree, json_object_get(value, json_string_value(name)));
	}
	json_array_foreach (value, i, child)
		members_play(tree, child);
	json_decref(names);
}

static void whole_bodies_play(void)
{
	static const char *const whole[] = { "", "{", "}", "x", "[]", "null", "7", "\"text\"", "{}", "{\"a\":1,\"a\":1}", "{\"a\":\"\xff\"}",
					     "{\"a\":\"\\u0000\"}", "{} x" };
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		play_body(slice_of(whole[i]), play.input->table ? MUST_BE_REFUSED : MAY_BE_REFUSED, whole[i]);
	for (unsigned levels = JSON_DEPTH_MAX - 12; levels <= JSON_DEPTH_MAX + 2; levels++) {
		json_t *tree = NULL;
		buffer_clear(&play.body);
		buffer_text(&play.body, "{\"more\":");
		nested(&play.body, levels - 1);
		buffer_byte(&play.body, '}');
		play_body(buffer_slice(&play.body), MAY_BE_REFUSED, "a deep body");
		if (!play.input->example || result_failed(json_read(buffer_slice(&play.body), &tree)))
			continue;
		json_t *deep = json_incref(json_object_get(tree, "more"));
		json_decref(tree);
		buffer_clear(&play.body);
		every_input_body(play.input, &play.body);
		assert_false(result_failed(json_read(buffer_slice(&play.body), &tree)));
		const char *name;
		json_t *member;
		json_object_set(tree, "more", deep);
		json_object_foreach (tree, name, member)
			if (json_is_object(member))
				json_object_set(member, "more", deep);
		tree_play(tree, "deep members");
		json_decref(deep);
		json_decref(tree);
	}
}

/* ---- headers and keys */

static const char *const texts[] = { "", "x", "\xff\xfe", "inc_zzzzzzzzzzzzzzzzzzzzzzzzzz", "inc_7zzzzzzzzzzzzzzzzzzzzzzzzz", EVERY_INCIDENT,
				     "evt_zzzzzzzzzzzzzzzzzzzzzzzzzz", "1970-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-13-01T00:00:00Z",
				     "window=0;cap=0", "window=9223372036854775807;cap=9223372036854775807;severity=4;clock=9223372036854775807",
				     "window=900;cap=900;severity=4;clock=-9223372036854775808", "window=-1;cap=5", "window=1;cap=1;severity=5",
				     "=;=;==;;", "tocsin.ledger.opened.v1", "tocsin.event.received.v2" };

/* Writes the headers to `out` with the value of the header `changed` replaced; value NULL: without this header. */
static void header_replaced(Slice headers, Slice changed, const Slice *value, Buffer *out)
{
	Slice name, before;
	buffer_clear(out);
	while (header_next(&headers, &name, &before)) {
		char copy[32];
		bool same = slice_equals(name, changed);
		assert_true(text_copy(name, copy, sizeof(copy)));
		if (!same || value)
			header_add(out, copy, same ? *value : before);
	}
}

static void header_play(Slice headers, Slice name, Slice body)
{
	Buffer changed;
	buffer_init(&changed, BODY_MAX);
	bool needed = slice_is(name, "ce_id") || slice_is(name, "ce_type") || slice_is(name, "ce_time");
	header_replaced(headers, name, NULL, &changed);
	every_input_mark(&play.service, play.input->topic, &changed);
	play_record(every_input_key(play.input), buffer_slice(&changed), body, needed ? MUST_BE_REFUSED : MAY_BE_REFUSED, "a missing header");
	for (size_t i = 0; i <= sizeof(texts) / sizeof(texts[0]) + 2; i++) {
		char *large = NULL;
		size_t sizes[] = { RECORD_ID_MAX, RECORD_ID_MAX + 1, 500000 }, count = sizeof(texts) / sizeof(texts[0]);
		Slice value = i < count ? slice_of(texts[i]) : SLICE_NONE;
		if (i >= count) {
			large = malloc(sizes[i - count]);
			memset(large, 'a', sizes[i - count]);
			value = (Slice){ large, sizes[i - count] };
		}
		header_replaced(headers, name, &value, &changed);
		every_input_mark(&play.service, play.input->topic, &changed);
		play_record(every_input_key(play.input), buffer_slice(&changed), body, MAY_BE_REFUSED, "another header");
		free(large);
	}
	buffer_release(&changed);
}

static void headers_play(void)
{
	Buffer headers, body;
	Id id = fresh_id();
	buffer_init(&headers, 4096);
	buffer_init(&body, BODY_MAX);
	every_input_headers(&play.service, play.input, id_slice(&id), &headers);
	every_input_body(play.input, &body);
	Slice rest = buffer_slice(&headers), name, value;
	while (header_next(&rest, &name, &value))
		header_play(buffer_slice(&headers), name, buffer_slice(&body));
	for (size_t size = 0; size < headers.size; size++) /* truncated headers; on a ledger such a record is dropped by the rule */
		play_record(every_input_key(play.input), (Slice){ headers.data, size }, buffer_slice(&body), MAY_BE_REFUSED, "half of the headers");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		play_record(slice_of(texts[i]), buffer_slice(&headers), buffer_slice(&body), MAY_BE_REFUSED, "another key");
	play_record((Slice){ body.data, body.size }, buffer_slice(&headers), buffer_slice(&body), MAY_BE_REFUSED, "a long key");
	play_record(SLICE("a\0b"), buffer_slice(&headers), buffer_slice(&body), MAY_BE_REFUSED, "a key with a NUL");
	buffer_release(&headers);
	buffer_release(&body);
}

static void input_play(const EveryInput *input)
{
	json_t *tree JSON_AUTO = NULL;
	play = (Play){ .input = input };
	buffer_init(&play.body, BODY_MAX);
	buffer_init(&play.headers, BODY_MAX);
	play_start();
	still_works();
	whole_bodies_play();
	headers_play();
	buffer_clear(&play.body);
	every_input_body(input, &play.body);
	assert_false(result_failed(json_read(buffer_slice(&play.body), &tree)));
	members_play(tree, tree);
	still_works();
	every_service_stop(&play.service);
	buffer_release(&play.body);
	buffer_release(&play.headers);
}

static void every_bad_record_is_refused_once_and_the_service_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < every_input_count; i++)
		input_play(&every_input[i]);
}

int main(void)
{
	log_set_level(LOG_ERROR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_bad_record_is_refused_once_and_the_service_goes_on),
	};
	return cmocka_run_group_tests_name("every_record", tests, policy_make, policy_drop);
}
