#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/core/preconditions.h"

#include <string.h>

static void if_match_names_a_version(void **state)
{
	static const struct {
		const char *text;
		ErrorKind kind;
		int64_t version;
	} cases[] = {
		{ NULL, ERROR_NONE, VERSION_ANY },
		{ "*", ERROR_NONE, VERSION_ANY },
		{ "\"7\"", ERROR_NONE, 7 },
		{ "  \"12\" ", ERROR_NONE, 12 },
		{ "W/\"7\"", ERROR_NONE, VERSION_NEVER },
		{ "\"07\"", ERROR_NONE, VERSION_NEVER },
		{ "\"-7\"", ERROR_NONE, VERSION_NEVER },
		{ "\"abc\"", ERROR_NONE, VERSION_NEVER },
		{ "\"\"", ERROR_NONE, VERSION_NEVER },
		{ "\"99999999999999999999\"", ERROR_NONE, VERSION_NEVER },
		{ "7", ERROR_INPUT, 0 },
		{ "", ERROR_INPUT, 0 },
		{ "\"7\", \"8\"", ERROR_INPUT, 0 },
		{ "\"7", ERROR_INPUT, 0 },
		{ "W/7", ERROR_INPUT, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t version;
		Result result = if_match_read(cases[i].text, &version);
		assert_int_equal(result.kind, cases[i].kind);
		if (!result_failed(result))
			assert_int_equal(version, cases[i].version);
	}
}

static void if_none_match_is_compared_weakly(void **state)
{
	(void)state;
	assert_true(if_none_match_names("\"7\"", 7));
	assert_true(if_none_match_names("W/\"7\"", 7));
	assert_true(if_none_match_names("\"x\", W/\"6\" ,\"7\"", 7));
	assert_true(if_none_match_names("*", 7));
	assert_false(if_none_match_names(NULL, 7));
	assert_false(if_none_match_names("", 7));
	assert_false(if_none_match_names("7", 7));
	assert_false(if_none_match_names("\"6\",\"77\"", 7));
	assert_false(if_none_match_names("\"6\", rubbish \"7\"", 7));
}

static void assert_key(const char *text, const char *wanted)
{
	char key[IDEMPOTENCY_KEY_MAX];
	bool given;
	assert_false(result_failed(idempotency_key_read(text, &given, key)));
	assert_int_equal(given, wanted != NULL);
	if (wanted)
		assert_string_equal(key, wanted);
}

static void an_idempotency_key_may_be_quoted(void **state)
{
	(void)state;
	assert_key("\"8e03978e-40d5\"", "8e03978e-40d5");
	assert_key(" 8e03978e-40d5 ", "8e03978e-40d5");
	assert_key("with spaces", "with spaces");
	assert_key(NULL, NULL);
}

static void assert_no_key(const char *text)
{
	char key[IDEMPOTENCY_KEY_MAX];
	bool given;
	assert_int_equal(idempotency_key_read(text, &given, key).kind, ERROR_INPUT);
}

static void an_idempotency_key_is_bounded_and_printable(void **state)
{
	char text[IDEMPOTENCY_KEY_MAX + 1];
	(void)state;
	memset(text, 'k', sizeof text);
	text[IDEMPOTENCY_KEY_MAX] = '\0';
	assert_no_key(text);
	text[IDEMPOTENCY_KEY_MAX - 1] = '\0';
	assert_key(text, text);
	assert_no_key("");
	assert_no_key("\"\"");
	assert_no_key("a\tb");
	assert_no_key("\xe8\xad\xa6");
	assert_no_key("a\"b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(if_match_names_a_version),
		cmocka_unit_test(if_none_match_is_compared_weakly),
		cmocka_unit_test(an_idempotency_key_may_be_quoted),
		cmocka_unit_test(an_idempotency_key_is_bounded_and_printable),
	};
	return cmocka_run_group_tests_name("preconditions", tests, NULL, NULL);
}
