#include "shared/base/json.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_t *tree_of(const char *text)
{
	json_t *tree = NULL;
	Result result = json_read(slice_of(text), &tree);

	if (result_failed(result))
		fail_msg("%s: %s", text, result.text);
	return tree;
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static void strict_json_is_read(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"{}",
		" \t\r\n{ } \n",
		"{\"a\":1,\"b\":[1,2.5,\"x\",true,null,{}]}",
		"{\"a\":\"\\u706b\\ud83d\\udd25 \\\"{[\\\\\"}",
		"{\"a\":\"火警\"}",
		"{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
		"{\"a\":{\"b\":1},\"c\":{\"b\":2}}",
		"{\"\":1}",
		"{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree JSON_AUTO = tree_of(cases[i]);
		assert_true(json_is_object(tree));
	}
}

static void anything_else_is_refused_with_line_and_column(void **state)
{
	(void)state;
	static const struct {
		Slice bytes;
		const char *text;
	} cases[] = {
#define CASE(bytes, text) { { bytes, sizeof(bytes) - 1 }, text }
		CASE("", "line 1, column 1: is empty"),
		CASE(" \n ", "line 2, column 2: is empty"),
		CASE("[]", "line 1, column 1: must be a JSON object"),
		CASE("\n [{}]", "line 2, column 2: must be a JSON object"),
		CASE("\"text\"", "line 1, column 1: must be a JSON object"),
		CASE("1", "line 1, column 1: must be a JSON object"),
		CASE("null", "line 1, column 1: must be a JSON object"),
		CASE("\xef\xbb\xbf{}", "line 1, column 1: must be a JSON object"),
		CASE("{", "line 1, column 1: ends too early"),
		CASE("{\"a\":", "line 1, column 5: ends too early"),
		CASE("{\"a\":\"x", "line 1, column 7: ends too early"),
		CASE("{\"a\":\"x\\", "line 1, column 8: is not JSON"),
		CASE("{\"a\" 1}", "line 1, column 6: is not JSON"),
		CASE("{a:1}", "line 1, column 2: is not JSON"),
		CASE("{'a':1}", "line 1, column 2: is not JSON"),
		CASE("{\"a\":1,}", "line 1, column 8: is not JSON"),
		CASE("{\"a\":[1,]}", "line 1, column 9: is not JSON"),
		CASE("{\"a\":01}", "line 1, column 6: is not JSON"),
		CASE("{\"a\":+1}", "line 1, column 6: is not JSON"),
		CASE("{\"a\":NaN}", "line 1, column 8: is not JSON"),
		CASE("{\"a\":\"\t\"}", "line 1, column 6: is not JSON"),
		CASE("{\"a\":1}//", "line 1, column 8: has bytes behind the document"),
		CASE("{} {}", "line 1, column 4: has bytes behind the document"),
		CASE("{}\n}", "line 2, column 1: has bytes behind the document"),
		CASE("{\"a\":1,\"a\":1}", "line 1, column 10: has a duplicate member"),
		CASE("{\"x\":{\"a\":1,\"\\u0061\":2}}", "line 1, column 20: has a duplicate member"),
		CASE("{}\0", "line 1, column 3: has a NUL byte"),
		CASE("{\"a\":\"x\0y\"}", "line 1, column 8: has a NUL byte"),
		CASE("{\"a\":\"x\\u0000\"}", "line 1, column 14: has a NUL (\\u0000)"),
		CASE("{\"x\\u0000\":1}", "line 1, column 10: has a NUL"),
		CASE("{\"a\":\"\xff\"}", "line 1, column 6: is not well-formed UTF-8"),
		CASE("{\"a\":\"\xc0\xaf\"}", "line 1, column 6: is not well-formed UTF-8"),
		CASE("{\"a\":\"\xed\xa0\x80\"}", "line 1, column 6: is not well-formed UTF-8"),
		CASE("{\"a\":\"\\ud800\"}", "line 1, column 13: is not JSON"),
		CASE("{\"a\":9223372036854775808}", "line 1, column 24: has a number that is too large"),
		CASE("{\"a\":1e999}", "line 1, column 10: has a number that is too large"),
#undef CASE
	};
	size_t wrong = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree = NULL;
		Result result = json_read(cases[i].bytes, &tree);
		if (result.kind == ERROR_INPUT && !tree &&
		    strncmp(result.text, cases[i].text, strlen(cases[i].text)) == 0)
			continue;
		print_error("%s: expected \"%s\", got \"%s\"\n", cases[i].bytes.data, cases[i].text, result.text);
		json_decref(tree);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void an_error_quotes_nothing_of_the_document(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"{\"secret\":1,\"secret\":2}", "{\"a\": secret}", "{} secret",
		"{\"a\":\"secret\n\"}", "{\"a\":1 \"secret\"}",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree = NULL;
		Result result = json_read(slice_of(cases[i]), &tree);
		assert_int_equal(result.kind, ERROR_INPUT);
		assert_null(strstr(result.text, "secret"));
	}
}

static void nest(Buffer *out, size_t depth, const char *open, const char *close)
{
	buffer_text(out, "{\"a\":");
	for (size_t i = 1; i < depth; i++)
		buffer_text(out, open);
	buffer_text(out, "1");
	for (size_t i = 1; i < depth; i++)
		buffer_text(out, close);
	buffer_text(out, "}");
}

static void forty_levels_are_accepted_and_forty_one_are_not(void **state)
{
	(void)state;
	static const struct {
		size_t depth;
		const char *open, *close;
		bool good;
	} cases[] = {
		{ 40, "[", "]", true },           { 41, "[", "]", false },           { 40, "{\"b\":", "}", true },
		{ 41, "{\"b\":", "}", false },    { 100000, "[", "]", false },       { 40, "[\"]}\\\"[\",", "]", true },
		{ 41, "[\"]}\\\"]\",", "]", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		Buffer text;
		json_t *tree JSON_AUTO = NULL;
		buffer_init(&text, 1 << 20);
		nest(&text, cases[i].depth, cases[i].open, cases[i].close);
		assert_false(text.overflowed);
		Result result = json_read(buffer_slice(&text), &tree);
		if (result_failed(result) == cases[i].good)
			fail_msg("case %zu: %s", i, result.text);
		if (!cases[i].good)
			assert_non_null(strstr(result.text, "nested too deeply"));
		buffer_release(&text);
	}
}

static void siblings_do_not_add_to_the_depth(void **state)
{
	(void)state;
	Buffer text;
	buffer_init(&text, 4096);
	buffer_text(&text, "{\"a\":[");
	for (int i = 0; i < 100; i++)
		buffer_text(&text, "[],{},");
	buffer_text(&text, "1]}");
	json_t *tree JSON_AUTO = tree_of(text.data);
	assert_int_equal(json_array_size(json_object_get(tree, "a")), 201);
	buffer_release(&text);
}

static void a_document_ends_where_its_slice_ends(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = NULL;
	assert_false(result_failed(json_read((Slice){ "{\"a\":1}junk", 7 }, &tree)));
	json_t *none = NULL;
	assert_true(result_failed(json_read((Slice){ "{\"a\":1}", 6 }, &none)));
	assert_true(result_failed(json_read(SLICE_NONE, &none)));
	assert_null(none);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static void assert_written(json_t *tree, const char *expected)
{
	Buffer text;
	buffer_init(&text, 4096);
	json_write(tree, &text);
	assert_string_equal(text.data, expected);
	buffer_release(&text);
}

static void writing_is_compact_and_all_or_nothing(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{ \"b\" : \"火\\n\" , \"a\" : [ 1 , 2.5 ] }");
	Buffer text;
	buffer_init(&text, 30);
	buffer_text(&text, "> ");
	json_write(tree, &text);
	assert_string_equal(text.data, "> {\"b\":\"火\\n\",\"a\":[1,2.5]}");
	json_write(tree, &text);
	assert_true(text.overflowed);
	assert_string_equal(text.data, "> {\"b\":\"火\\n\",\"a\":[1,2.5]}");
	buffer_release(&text);
	assert_written(json_null(), "null");
}

/* ---- pointers and small things -------------------------------------------------------------------------------- */

static void pointers_find_what_rfc_6901_says(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"foo\":[\"bar\",\"baz\"],\"\":0,\"a/b\":1,\"c%d\":2,\"e^f\":3,\"g|h\":4,"
	                                 "\"i\\\\j\":5,\"k\\\"l\":6,\" \":7,\"m~n\":8,\"~1\":9,"
	                                 "\"deep\":{\"x\":[{\"y\":10}]}}");
	static const struct {
		const char *pointer;
		int number;
	} cases[] = {
		{ "/", 0 },     { "/a~1b", 1 }, { "/c%d", 2 }, { "/e^f", 3 },  { "/g|h", 4 },       { "/i\\j", 5 },
		{ "/k\"l", 6 }, { "/ ", 7 },    { "/m~0n", 8 }, { "/~01", 9 }, { "/deep/x/0/y", 10 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *found = json_at(tree, cases[i].pointer);
		if (!json_is_integer(found) || json_integer_value(found) != cases[i].number)
			fail_msg("%s found another value", cases[i].pointer);
	}
	assert_ptr_equal(json_at(tree, ""), tree);
	assert_string_equal(json_string_value(json_at(tree, "/foo/1")), "baz");
}

static void a_pointer_to_an_absent_value_gives_null(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"foo\":[\"bar\",\"baz\"],\"a\":1,\"m~n\":8}");
	static const char *const cases[] = {
		"foo",     "/fo",    "/foo/2",   "/foo/-",  "/foo/01", "/foo/-1", "/foo/", "/foo/x", "/foo/0/x", "/a/b",
		"/a/",     "/foo/99999999999999999999", "/m~n", "/m~2n", "/m~", "/foo/ 0", "/foo/+0",
		"/foo/0/",
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (json_at(tree, cases[i]))
			fail_msg("%s found a value", cases[i]);
	assert_null(json_at(NULL, ""));
	assert_null(json_at(NULL, "/a"));
}

static void long_details_are_cut_between_characters(void **state)
{
	(void)state;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	char detail[300] = "";
	while (strlen(detail) < 290)
		strcat(detail, "火");
	field_errors_add(&errors, "", "%s", detail);
	field_errors_add(&errors, "", "x%s", detail);
	field_errors_add(&errors, "/a", "must be %d", 5);
	assert_int_equal(strlen(errors.list[0].detail), 189);
	assert_int_equal(strlen(errors.list[1].detail), 190);
	assert_string_equal(errors.list[2].pointer, "/a");
	assert_string_equal(errors.list[2].detail, "must be 5");
}

static void choices_are_found_by_their_words(void **state)
{
	static const char *const words[] = { "info", "low", "medium", "high", "critical", NULL };

	(void)state;
	assert_int_equal(choice_of(words, "info"), 0);
	assert_int_equal(choice_of(words, "critical"), 4);
	assert_int_equal(choice_of(words, "Critical"), -1);
	assert_int_equal(choice_of(words, "crit"), -1);
	assert_int_equal(choice_of(words, ""), -1);
	assert_int_equal(choice_of(words, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strict_json_is_read),
		cmocka_unit_test(anything_else_is_refused_with_line_and_column),
		cmocka_unit_test(an_error_quotes_nothing_of_the_document),
		cmocka_unit_test(forty_levels_are_accepted_and_forty_one_are_not),
		cmocka_unit_test(siblings_do_not_add_to_the_depth),
		cmocka_unit_test(a_document_ends_where_its_slice_ends),
		cmocka_unit_test(writing_is_compact_and_all_or_nothing),
		cmocka_unit_test(pointers_find_what_rfc_6901_says),
		cmocka_unit_test(a_pointer_to_an_absent_value_gives_null),
		cmocka_unit_test(long_details_are_cut_between_characters),
		cmocka_unit_test(choices_are_found_by_their_words),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
