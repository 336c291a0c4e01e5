#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/core/accept.h"

#include "shared/domain/event_header.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVED INT64_C(1795421730123) /* 2026-11-23T08:15:30.123Z */

static Policy *policy;

static const char pack_yaml[] = "{id: test, version: 1, timezone: UTC, languages: [en]}\n";
static const char sources_yaml[] =
	"sources:\n"
	"  - {id: whole, correlate: [source, rule, asset, actor], window_seconds: 60, cap_seconds: 600}\n"
	"  - {id: assets, correlate: [asset], window_seconds: 30, cap_seconds: 300}\n"
	"  - {id: \"*\", correlate: [source, rule], window_seconds: 900, cap_seconds: 86400}\n";
static const char grading_yaml[] =
	"matrix:\n"
	"  general: {minor: IV, considerable: IV, serious: IV, grave: III}\n"
	"  important: {minor: IV, considerable: IV, serious: III, grave: II}\n"
	"  essential: {minor: IV, considerable: III, serious: II, grave: I}\n"
	"social_harm: {general: IV, considerable: III, serious: II, grave: I}\n"
	"damage_levels: {I: S, II: S, III: A, IV: B}\n"
	"severity_loss: {info: minor, low: minor, medium: considerable, high: serious, critical: grave}\n";

static Policy *compiled(const char *sources)
{
	const PolicyFile files[] = {
		{ "pack.yaml", SLICE(pack_yaml) },
		{ "sources.yaml", slice_of(sources) },
		{ "grading.yaml", SLICE(grading_yaml) },
	};
	PolicyErrors mistakes = { .count = 0 };
	Policy *made = NULL;
	json_t *message;
	if (!policy_read(files, 3, &message, &mistakes)) {
		print_error("%s\n", mistakes.list[0]);
		return NULL;
	}
	Result result = policy_compile(message, &made);
	json_decref(message);
	return result_failed(result) ? NULL : made;
}

static int policy_make(void **state)
{
	(void)state;
	policy = compiled(sources_yaml);
	return policy ? 0 : -1;
}

static int policy_drop(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

static AcceptInput input_of(const char *body)
{
	AcceptInput input = { .body = slice_of(body), .key_id = "admin123", .received_at = RECEIVED };
	memset(input.random, 0x5a, sizeof input.random);
	return input;
}

static Accepted accepted_of(const AcceptInput *input)
{
	Accepted accepted;
	FieldErrors errors = { .count = 0 };
	ProblemCode code;
	Result result = accept_event(policy, input, &accepted, &errors, &code);
	if (result_failed(result))
		print_error("%s: %s\n", input->body.data, result.text);
	assert_false(result_failed(result));
	return accepted;
}

static Accepted event_of(const char *body)
{
	AcceptInput input = input_of(body);
	return accepted_of(&input);
}

/* Compares the correlation keys of two events. */
static void assert_same_key(const char *one, const char *other, bool same)
{
	Accepted first = event_of(one), second = event_of(other);
	assert_int_equal(strcmp(first.correlation_key, second.correlation_key) == 0, same);
	accepted_release(&first);
	accepted_release(&second);
}

static void assert_refused(const char *body, ProblemCode wanted, const char *pointer)
{
	AcceptInput input = input_of(body);
	Accepted accepted;
	FieldErrors errors = { .count = 0 };
	ProblemCode code;
	Result result = accept_event(policy, &input, &accepted, &errors, &code);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_int_equal(code, wanted);
	if (pointer) {
		assert_true(errors.count > 0);
		assert_string_equal(errors.list[0].pointer, pointer);
	} else {
		assert_int_equal(errors.count, 0);
	}
}

static void derived_values_of_an_event_are_in_headers(void **state)
{
	(void)state;
	Accepted accepted = event_of("{\"source\":\"whole\",\"title\":\"t\",\"id\":\"1\",\"severity\":\"critical\","
				     "\"occurred_at\":\"2026-11-23T08:15:31.123Z\"}");
	Slice headers = buffer_slice(&accepted.headers);
	EventHeader header;
	Id id = id_of_event(ID_EVENT_OF_SENDER, SLICE("whole"), SLICE("1"), slice_of(accepted.correlation_key));
	assert_string_equal(accepted.id.text, id.text);
	assert_true(slice_is(header_get(headers, "ce_id"), id.text));
	assert_true(slice_is(header_get(headers, "ce_type"), TYPE_EVENT_RECEIVED));
	assert_true(slice_is(header_get(headers, "ce_time"), "2026-11-23T08:15:30.123Z"));
	assert_false(result_failed(event_header_read(header_get(headers, EVENT_HEADER), &header)));
	assert_int_equal(header.window_seconds, 60);
	assert_int_equal(header.cap_seconds, 600);
	assert_int_equal(header.severity, 4);
	assert_int_equal(header.clock_offset_ms, 1000);
	assert_int_equal(accepted.slot, slot_of(slice_of(accepted.correlation_key)));
	assert_int_equal(strlen(accepted.correlation_key), ID_BASE32);
	assert_false(accepted.by_idempotency_key);
	accepted_release(&accepted);
}

static void an_event_without_severity_has_severity_medium(void **state)
{
	(void)state;
	Accepted accepted = event_of("{\"source\":\"x\",\"title\":\"t\"}");
	EventHeader header;
	assert_false(
		result_failed(event_header_read(header_get(buffer_slice(&accepted.headers), EVENT_HEADER), &header)));
	assert_int_equal(header.severity, 2);
	assert_int_equal(header.window_seconds, 900);
	assert_int_equal(header.clock_offset_ms, INT64_MIN);
	accepted_release(&accepted);
}

static void the_id_of_the_document_takes_precedence_over_the_idempotency_key(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"source\":\"s\",\"title\":\"t\",\"id\":\"7\"}");
	input.idempotency_key = "k";
	Accepted accepted = accepted_of(&input);
	Id id = id_of_event(ID_EVENT_OF_SENDER, SLICE("s"), SLICE("7"), slice_of(accepted.correlation_key));
	assert_string_equal(accepted.id.text, id.text);
	assert_false(accepted.by_idempotency_key);
	accepted_release(&accepted);
}

static void without_an_id_in_the_document_it_is_derived_from_the_idempotency_key(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"source\":\"s\",\"title\":\"t\"}");
	input.idempotency_key = "k";
	Accepted accepted = accepted_of(&input);
	Id id = id_of_event(ID_EVENT_OF_REQUEST, SLICE("admin123"), SLICE("k"), slice_of(accepted.correlation_key));
	assert_string_equal(accepted.id.text, id.text);
	assert_true(accepted.by_idempotency_key);
	accepted_release(&accepted);
}

static void without_either_the_id_is_random(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"source\":\"s\",\"title\":\"t\"}");
	Accepted first = accepted_of(&input);
	input.random[0] ^= 1;
	Accepted second = accepted_of(&input);
	assert_true(id_is("evt_", id_slice(&first.id)));
	assert_string_not_equal(first.id.text, second.id.text);
	assert_string_equal(first.correlation_key, second.correlation_key);
	accepted_release(&first);
	accepted_release(&second);
}

/* Compares the ids of two events. */
static void assert_same_id(const char *one, const char *other, bool same)
{
	Accepted first = event_of(one), second = event_of(other);
	assert_int_equal(strcmp(first.id.text, second.id.text) == 0, same);
	accepted_release(&first);
	accepted_release(&second);
}

static void source_id_and_correlation_key_are_the_identity_of_an_event(void **state)
{
	(void)state;
	assert_same_id("{\"source\":\"whole\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}",
		       "{\"source\":\"whole\",\"title\":\"2\",\"id\":\"7\",\"asset\":\"x\",\"severity\":\"high\"}", true);
	assert_same_id("{\"source\":\"whole\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}",
		       "{\"source\":\"whole\",\"title\":\"1\",\"id\":\"8\",\"asset\":\"x\"}", false);
	assert_same_id("{\"source\":\"a\",\"title\":\"1\",\"id\":\"7\"}", "{\"source\":\"b\",\"title\":\"1\",\"id\":\"7\"}", false);
}

static void the_same_id_with_another_asset_is_another_event_where_assets_correlate(void **state)
{
	(void)state;
	assert_same_id("{\"source\":\"whole\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}",
		       "{\"source\":\"whole\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"y\"}", false);
	assert_same_id("{\"source\":\"other\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}",
		       "{\"source\":\"other\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"y\"}", true);
}

/* Events of two sources that correlate only by asset may have the same correlation key, but their ids differ. */
static void sources_do_not_share_events_where_they_share_a_key(void **state)
{
	static const char two[] = "sources:\n"
				  "  - {id: \"*\", correlate: [asset], window_seconds: 30, cap_seconds: 300}\n";
	(void)state;
	Policy *before = policy;
	policy = compiled(two);
	static const char one[] = "{\"source\":\"a\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}";
	static const char other[] = "{\"source\":\"b\",\"title\":\"1\",\"id\":\"7\",\"asset\":\"x\"}";
	assert_same_key(one, other, true);
	assert_same_id(one, other, false);
	policy_free(policy);
	policy = before;
}

static void without_correlation_members_the_key_is_derived_from_the_id(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"source\":\"assets\",\"title\":\"1\",\"id\":\"7\",\"rule\":\"r\"}");
	Accepted accepted = accepted_of(&input);
	Id id = id_of_event(ID_EVENT_OF_SENDER, SLICE("assets"), SLICE("7"), SLICE_NONE);
	assert_string_equal(accepted.id.text, id.text);
	assert_string_equal(accepted.correlation_key, id_of_pair(ID_CORRELATION_KEY_OF_ID, id_slice(&id), SLICE_NONE).text);
	accepted_release(&accepted);
	input = input_of("{\"source\":\"assets\",\"title\":\"1\"}");
	input.idempotency_key = "k";
	accepted = accepted_of(&input);
	id = id_of_event(ID_EVENT_OF_REQUEST, SLICE("admin123"), SLICE("k"), SLICE_NONE);
	assert_string_equal(accepted.id.text, id.text);
	assert_string_equal(accepted.correlation_key, id_of_pair(ID_CORRELATION_KEY_OF_ID, id_slice(&id), SLICE_NONE).text);
	accepted_release(&accepted);
}

/* The source equals the id of the API key, the event's id equals the Idempotency-Key, and the correlation keys are equal. */
static void ids_of_source_and_id_differ_from_ids_of_key_and_idempotency_key(void **state)
{
	(void)state;
	Accepted own = event_of("{\"source\":\"admin123\",\"title\":\"1\",\"id\":\"k\"}");
	AcceptInput input = input_of("{\"source\":\"admin123\",\"title\":\"1\"}");
	input.idempotency_key = "k";
	Accepted by_request = accepted_of(&input);
	assert_string_equal(own.correlation_key, by_request.correlation_key);
	assert_string_not_equal(own.id.text, by_request.id.text);
	accepted_release(&own);
	accepted_release(&by_request);
}

static Digest request_of(const char *key_id, const char *idempotency_key, const char *body)
{
	AcceptInput input = input_of(body);
	input.key_id = key_id;
	input.idempotency_key = idempotency_key;
	Accepted accepted = accepted_of(&input);
	assert_true(accepted.by_idempotency_key);
	accepted_release(&accepted);
	return accepted.request;
}

/* A body with another asset has another event id. So only the digest can show that an Idempotency-Key was used with two bodies. */
static void the_digest_of_a_request_does_not_depend_on_the_body(void **state)
{
	(void)state;
	static const char one[] = "{\"source\":\"whole\",\"title\":\"1\",\"asset\":\"x\"}";
	static const char other[] = "{\"source\":\"whole\",\"title\":\"1\",\"asset\":\"y\"}";
	Digest first = request_of("key00001", "k", one), second = request_of("key00001", "k", other);
	assert_memory_equal(&first, &second, sizeof first);
	second = request_of("key00001", "l", one);
	assert_memory_not_equal(&first, &second, sizeof first);
	second = request_of("key00002", "k", one);
	assert_memory_not_equal(&first, &second, sizeof first);
}

static void the_policy_names_the_members_that_correlate(void **state)
{
	(void)state;
	assert_same_key("{\"source\":\"a\",\"title\":\"1\",\"rule\":\"r\",\"asset\":\"x\"}",
			"{\"source\":\"a\",\"title\":\"2\",\"rule\":\"r\",\"asset\":\"y\"}", true);
	assert_same_key("{\"source\":\"a\",\"title\":\"1\",\"rule\":\"r\"}",
			"{\"source\":\"b\",\"title\":\"1\",\"rule\":\"r\"}", false);
	assert_same_key("{\"source\":\"whole\",\"title\":\"1\",\"rule\":\"r\",\"asset\":\"x\"}",
			"{\"source\":\"whole\",\"title\":\"1\",\"rule\":\"r\",\"asset\":\"y\"}", false);
}

static void equal_texts_in_different_members_do_not_correlate(void **state)
{
	(void)state;
	assert_same_key("{\"source\":\"whole\",\"title\":\"1\",\"rule\":\"x\"}",
			"{\"source\":\"whole\",\"title\":\"1\",\"asset\":\"x\"}", false);
}

static void events_without_common_members_do_not_correlate(void **state)
{
	(void)state;
	assert_same_key("{\"source\":\"assets\",\"title\":\"1\",\"id\":\"1\"}",
			"{\"source\":\"assets\",\"title\":\"1\",\"id\":\"2\"}", false);
	assert_same_key("{\"source\":\"assets\",\"title\":\"1\",\"id\":\"1\",\"asset\":\"x\"}",
			"{\"source\":\"assets\",\"title\":\"1\",\"id\":\"2\",\"asset\":\"x\"}", true);
}

static void a_body_that_is_not_json_is_malformed(void **state)
{
	(void)state;
	assert_refused("{\"source\":", PROBLEM_MALFORMED_JSON, NULL);
	assert_refused("", PROBLEM_MALFORMED_JSON, NULL);
	assert_refused("[]", PROBLEM_MALFORMED_JSON, NULL);
	assert_refused("{\"title\":\"a\",\"title\":\"b\"}", PROBLEM_MALFORMED_JSON, NULL);
}

static void invalid_members_are_refused_with_their_pointer(void **state)
{
	(void)state;
	assert_refused("{\"source\":\"a\"}", PROBLEM_VALIDATION_FAILED, "/title");
	assert_refused("{\"source\":\"a\",\"title\":\"t\",\"colour\":1}", PROBLEM_VALIDATION_FAILED, "/colour");
	assert_refused(
		"{\"source\":\"a\",\"title\":\"t\",\"observables\":[{\"type\":\"ip\",\"value\":\"1\"},{\"type\":\"x\","
		"\"value\":\"1\"}]}",
		PROBLEM_VALIDATION_FAILED, "/observables/1/type");
}

/* {"source":"s","title":"t","attributes":{"a":{"a":…}}} with `levels` levels of objects in total. */
static char *nested_event(int levels)
{
	char *body = malloc(1024);
	int size = snprintf(body, 1024, "{\"source\":\"s\",\"title\":\"t\",\"attributes\":");
	for (int i = 1; i < levels - 1; i++)
		size += snprintf(body + size, 1024 - (size_t)size, "{\"a\":");
	size += snprintf(body + size, 1024 - (size_t)size, "{}");
	for (int i = 0; i < levels - 1; i++)
		size += snprintf(body + size, 1024 - (size_t)size, "}");
	return body;
}

static void thirty_two_levels_are_accepted_and_one_more_is_refused(void **state)
{
	(void)state;
	char *deep = nested_event(32), *deeper = nested_event(33);
	Accepted accepted = event_of(deep);
	accepted_release(&accepted);
	assert_refused(deeper, PROBLEM_MALFORMED_JSON, NULL);
	free(deep);
	free(deeper);
}

static Accepted report_of(const AcceptInput *input)
{
	Accepted accepted;
	FieldErrors errors = { .count = 0 };
	ProblemCode code;
	assert_false(result_failed(accept_report(policy, input, &accepted, &errors, &code)));
	return accepted;
}

static void each_report_has_its_own_correlation_key(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"kind\":\"incident\",\"description\":\"a laptop is gone\"}");
	Accepted first = report_of(&input);
	input.random[3] ^= 1;
	Accepted second = report_of(&input);
	assert_string_not_equal(first.correlation_key, second.correlation_key);
	assert_true(slice_is(header_get(buffer_slice(&first.headers), "ce_type"), TYPE_REPORT_RECEIVED));
	accepted_release(&first);
	accepted_release(&second);
}

static void a_repeated_report_has_the_same_id_and_key(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"kind\":\"incident\",\"description\":\"a laptop is gone\"}");
	input.idempotency_key = "once";
	Accepted first = report_of(&input);
	input.random[3] ^= 1;
	Accepted second = report_of(&input);
	assert_string_equal(first.id.text, second.id.text);
	assert_string_equal(first.correlation_key, second.correlation_key);
	accepted_release(&first);
	accepted_release(&second);
}

static void a_reports_key_is_derived_from_its_id(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"kind\":\"incident\",\"description\":\"a laptop is gone\",\"asset\":\"x\"}");
	input.idempotency_key = "k";
	Accepted report = report_of(&input);
	Id id = id_of_event(ID_REPORT_OF_REQUEST, SLICE("admin123"), SLICE("k"), SLICE_NONE);
	assert_string_equal(report.id.text, id.text);
	assert_string_equal(report.correlation_key, id_of_pair(ID_CORRELATION_KEY_OF_ID, id_slice(&id), SLICE_NONE).text);
	accepted_release(&report);
}

static void an_event_and_a_report_with_one_idempotency_key_are_distinct(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"source\":\"assets\",\"title\":\"1\"}");
	input.idempotency_key = "k";
	Accepted event = accepted_of(&input);
	input.body = SLICE("{\"kind\":\"incident\",\"description\":\"a laptop is gone\"}");
	Accepted report = report_of(&input);
	assert_string_not_equal(event.id.text, report.id.text);
	assert_string_not_equal(event.correlation_key, report.correlation_key);
	assert_memory_not_equal(&event.request, &report.request, sizeof event.request);
	accepted_release(&event);
	accepted_release(&report);
}

static void a_report_has_no_severity(void **state)
{
	(void)state;
	AcceptInput input = input_of("{\"kind\":\"incident\",\"description\":\"a laptop is gone\"}");
	Accepted accepted = report_of(&input);
	EventHeader header;
	assert_false(
		result_failed(event_header_read(header_get(buffer_slice(&accepted.headers), EVENT_HEADER), &header)));
	assert_int_equal(header.severity, -1);
	accepted_release(&accepted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(derived_values_of_an_event_are_in_headers),
		cmocka_unit_test(an_event_without_severity_has_severity_medium),
		cmocka_unit_test(the_id_of_the_document_takes_precedence_over_the_idempotency_key),
		cmocka_unit_test(without_an_id_in_the_document_it_is_derived_from_the_idempotency_key),
		cmocka_unit_test(without_either_the_id_is_random),
		cmocka_unit_test(source_id_and_correlation_key_are_the_identity_of_an_event),
		cmocka_unit_test(the_same_id_with_another_asset_is_another_event_where_assets_correlate),
		cmocka_unit_test(sources_do_not_share_events_where_they_share_a_key),
		cmocka_unit_test(without_correlation_members_the_key_is_derived_from_the_id),
		cmocka_unit_test(ids_of_source_and_id_differ_from_ids_of_key_and_idempotency_key),
		cmocka_unit_test(the_digest_of_a_request_does_not_depend_on_the_body),
		cmocka_unit_test(the_policy_names_the_members_that_correlate),
		cmocka_unit_test(equal_texts_in_different_members_do_not_correlate),
		cmocka_unit_test(events_without_common_members_do_not_correlate),
		cmocka_unit_test(a_body_that_is_not_json_is_malformed),
		cmocka_unit_test(invalid_members_are_refused_with_their_pointer),
		cmocka_unit_test(thirty_two_levels_are_accepted_and_one_more_is_refused),
		cmocka_unit_test(each_report_has_its_own_correlation_key),
		cmocka_unit_test(a_repeated_report_has_the_same_id_and_key),
		cmocka_unit_test(a_reports_key_is_derived_from_its_id),
		cmocka_unit_test(an_event_and_a_report_with_one_idempotency_key_are_distinct),
		cmocka_unit_test(a_report_has_no_severity),
	};
	return cmocka_run_group_tests_name("accept", tests, policy_make, policy_drop);
}
