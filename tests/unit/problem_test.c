#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/problem.h"

#include <string.h>

static json_t *written(const Problem *problem)
{
	Buffer text;
	json_t *tree;
	buffer_init(&text, 65536);
	problem_write(&text, problem);
	assert_false(text.overflowed);
	assert_false(result_failed(json_read(buffer_slice(&text), &tree)));
	buffer_release(&text);
	return tree;
}

static const char *text_of(json_t *tree, const char *name)
{
	return json_string_value(json_object_get(tree, name));
}

static void every_problem_has_every_member(void **state)
{
	(void)state;
	for (unsigned code = 0; code < PROBLEMS; code++) {
		json_t *tree JSON_AUTO = written(&(Problem){ .code = (ProblemCode)code });
		ProblemDocument document;
		FieldErrors errors = { .count = 0 };
		assert_true(json_decode(&problem_table, tree, true, &document, &errors));
		assert_int_equal(document.code, code);
		json_t *again JSON_AUTO = json_encode(&problem_table, &document);
		assert_true(json_equal(tree, again));
		assert_int_equal(json_integer_value(json_object_get(tree, "status")), problem_kinds[code].status);
		assert_string_equal(text_of(tree, "code"), problem_words[code]);
		assert_int_equal(strncmp(text_of(tree, "type"), "urn:tocsin:problem:", 19), 0);
		assert_true(json_is_null(json_object_get(tree, "errors")));
		assert_true(json_is_null(json_object_get(tree, "detail")));
	}
}

static void texts_of_clients_are_escaped(void **state)
{
	(void)state;
	FieldErrors errors = { .count = 0 };
	field_errors_add(&errors, "/a\"b", "must be \"x\"\n");
	json_t *allowed JSON_AUTO = json_pack("[s, s]", "close", "note");
	json_t *tree JSON_AUTO = written(&(Problem){ .code = PROBLEM_VALIDATION_FAILED,
						     .detail = "line\n\"quoted\" \\",
						     .instance = SLICE("/v1/\"x"),
						     .trace_id = "0af7",
						     .errors = &errors,
						     .allowed = allowed });
	assert_string_equal(text_of(tree, "detail"), "line\n\"quoted\" \\");
	assert_string_equal(text_of(tree, "instance"), "/v1/\"x");
	json_t *error = json_array_get(json_object_get(tree, "errors"), 0);
	assert_string_equal(text_of(error, "pointer"), "/a\"b");
	assert_string_equal(text_of(error, "detail"), "must be \"x\"\n");
	assert_int_equal(json_array_size(json_object_get(tree, "allowed")), 2);
}

static void errors_may_come_from_another_service(void **state)
{
	(void)state;
	json_t *list JSON_AUTO = json_pack("[{s:s, s:s}]", "pointer", "/team", "detail", "is no team of the policy");
	json_t *tree JSON_AUTO = written(&(Problem){ .code = PROBLEM_VALIDATION_FAILED, .error_list = list });
	assert_true(json_equal(json_object_get(tree, "errors"), list));
}

static void codes_are_found_by_word_and_by_status(void **state)
{
	(void)state;
	assert_int_equal(problem_of_word("version-conflict"), PROBLEM_VERSION_CONFLICT);
	assert_int_equal(problem_of_word("no-such-word"), PROBLEM_INTERNAL);
	assert_int_equal(problem_of_word(NULL), PROBLEM_INTERNAL);
	assert_int_equal(problem_of_status(400), PROBLEM_INVALID_PARAMETER);
	assert_int_equal(problem_of_status(405), PROBLEM_METHOD_NOT_ALLOWED);
	assert_int_equal(problem_of_status(414), PROBLEM_INVALID_PARAMETER);
	assert_int_equal(problem_of_status(502), PROBLEM_INTERNAL);
	assert_int_equal(problem_of_error(ERROR_AGAIN), PROBLEM_UNAVAILABLE);
}

static const uint8_t dice[16] = { 0x01, 0xff, 0xab };

static void assert_trace(const char *traceparent, const char *wanted)
{
	char out[TRACE_ID_TEXT];
	trace_id_of(traceparent, dice, out);
	assert_string_equal(out, wanted);
}

static void a_well_formed_traceparent_is_continued(void **state)
{
	static const char given[] = "4bf92f3577b34da6a3ce929d0e0e4736", fresh[] = "01ffab00000000000000000000000000";
	(void)state;
	assert_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", given);
	assert_trace("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", given);
	assert_trace(NULL, fresh);
	assert_trace("", fresh);
	assert_trace("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", fresh);
	assert_trace("00-00000000000000000000000000000000-00f067aa0ba902b7-01", fresh);
	assert_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", fresh);
	assert_trace("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", fresh);
	assert_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", fresh);
	assert_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x", fresh);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_problem_has_every_member),
		cmocka_unit_test(texts_of_clients_are_escaped),
		cmocka_unit_test(errors_may_come_from_another_service),
		cmocka_unit_test(codes_are_found_by_word_and_by_status),
		cmocka_unit_test(a_well_formed_traceparent_is_continued),
	};
	return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
