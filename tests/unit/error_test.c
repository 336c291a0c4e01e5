#include "shared/base/error.h"

#include "shared/base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

static void success_has_no_text(void **state)
{
	(void)state;
	Result result = result_ok();
	assert_false(result_failed(result));
	assert_string_equal(result.text, "");
}

static void a_failure_keeps_its_kind_and_text(void **state)
{
	(void)state;
	Result result = result_fail(ERROR_CONFLICT, "version %d is not %d", 3, 4);
	assert_true(result_failed(result));
	assert_int_equal(result.kind, ERROR_CONFLICT);
	assert_string_equal(result.text, "version 3 is not 4");
}

static void wrapping_puts_the_context_before_the_text(void **state)
{
	(void)state;
	Result inner = result_fail(ERROR_AGAIN, "no answer");
	Result outer = result_wrap(result_wrap(inner, "asking %s", "redis"), "starting");
	assert_int_equal(outer.kind, ERROR_AGAIN);
	assert_string_equal(outer.text, "starting: asking redis: no answer");
}

static void wrapping_success_changes_nothing(void **state)
{
	(void)state;
	Result outer = result_wrap(result_ok(), "starting");
	assert_int_equal(outer.kind, ERROR_NONE);
	assert_string_equal(outer.text, "");
}

static void long_texts_are_cut_between_characters(void **state)
{
	(void)state;
	for (int shift = 0; shift < 4; shift++) {
		char long_text[400] = "xxx";
		long_text[shift] = '\0';
		while (strlen(long_text) < 380)
			strcat(long_text, "火"); /* three bytes */
		Result result = result_fail(ERROR_INPUT, "%s", long_text);
		size_t size = strlen(result.text);
		assert_in_range(size, RESULT_TEXT - 4, RESULT_TEXT - 1);
		assert_true(text_is_utf8(slice_of(result.text)));
		assert_memory_equal(result.text, long_text, size);

		Result wrapped = result_wrap(result, "reading");
		assert_memory_equal(wrapped.text, "reading: ", 9);
		assert_in_range(strlen(wrapped.text), RESULT_TEXT - 4, RESULT_TEXT - 1);
		assert_true(text_is_utf8(slice_of(wrapped.text)));
	}
}

static void wrapping_with_a_long_context_keeps_its_beginning(void **state)
{
	(void)state;
	char what[2 * RESULT_TEXT];
	memset(what, 'w', sizeof what - 1);
	what[sizeof what - 1] = '\0';
	Result wrapped = result_wrap(result_fail(ERROR_INTERNAL, "inner"), "%s", what);
	assert_int_equal(strlen(wrapped.text), RESULT_TEXT - 1);
	assert_int_equal(wrapped.kind, ERROR_INTERNAL);
}

static Result fails_or_goes_on(ErrorKind kind, int *reached)
{
	TRY(kind == ERROR_NONE ? result_ok() : result_fail(kind, "no"));
	(*reached)++;
	return result_ok();
}

static void try_returns_at_the_first_failure(void **state)
{
	(void)state;
	int reached = 0;
	assert_int_equal(fails_or_goes_on(ERROR_DENIED, &reached).kind, ERROR_DENIED);
	assert_int_equal(reached, 0);
	assert_int_equal(fails_or_goes_on(ERROR_NONE, &reached).kind, ERROR_NONE);
	assert_int_equal(reached, 1);
}

static void every_kind_has_its_own_name(void **state)
{
	(void)state;
	static const struct {
		ErrorKind kind;
		const char *name;
	} cases[] = {
		{ ERROR_NONE, "none" },         { ERROR_INPUT, "input" },       { ERROR_DENIED, "denied" },
		{ ERROR_NOT_FOUND, "not-found" }, { ERROR_CONFLICT, "conflict" }, { ERROR_AGAIN, "again" },
		{ ERROR_INTERNAL, "internal" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(error_kind_name(cases[i].kind), cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(success_has_no_text),
		cmocka_unit_test(a_failure_keeps_its_kind_and_text),
		cmocka_unit_test(wrapping_puts_the_context_before_the_text),
		cmocka_unit_test(wrapping_success_changes_nothing),
		cmocka_unit_test(long_texts_are_cut_between_characters),
		cmocka_unit_test(wrapping_with_a_long_context_keeps_its_beginning),
		cmocka_unit_test(try_returns_at_the_first_failure),
		cmocka_unit_test(every_kind_has_its_own_name),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
