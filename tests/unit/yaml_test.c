#include "shared/base/yaml.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_reads_as(const char *yaml, const char *json)
{
	json_t *tree JSON_AUTO = NULL;
	Result result = yaml_read(slice_of(yaml), &tree, NULL);
	Buffer text;

	if (result_failed(result))
		fail_msg("%s: %s", yaml, result.text);
	buffer_init(&text, 1 << 16);
	json_write(tree, &text);
	if (strcmp(text.data, json) != 0)
		fail_msg("%s reads as %s", yaml, text.data);
	buffer_release(&text);
}

static void yaml_reads_as_json(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *json;
	} cases[] = {
		{ "id: default\nversion: \"1.0\"\n", "{\"id\":\"default\",\"version\":\"1.0\"}" },
		{ "rules:\n  - id: a\n    when: []\n  - id: b\n",
		  "{\"rules\":[{\"id\":\"a\",\"when\":[]},{\"id\":\"b\"}]}" },
		{ "{a: [1, {b: c}], \"d\": e}", "{\"a\":[1,{\"b\":\"c\"}],\"d\":\"e\"}" },
		{ "# comment\n---\na: 1 # more\n...\n", "{\"a\":1}" },
		{ "text: |\n  one\n  two\n", "{\"text\":\"one\\ntwo\\n\"}" },
		{ "text: >-\n  one\n  two\n", "{\"text\":\"one two\"}" },
		{ "text: one\n  two\n", "{\"text\":\"one two\"}" },
		{ "名: 火警\n", "{\"名\":\"火警\"}" },
		{ "- 1\n- x\n", "[1,\"x\"]" },
		{ "just text\n", "\"just text\"" },
		{ "a:\nb: 1\n", "{\"a\":null,\"b\":1}" },
		{ "1: a\ntrue: b\nnull: c\n", "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}" },
		{ "a: {}\nb: []\n", "{\"a\":{},\"b\":[]}" },
		{ "url: ${TOCSIN_WEBHOOK_URL}\n", "{\"url\":\"${TOCSIN_WEBHOOK_URL}\"}" },
		{ "\xef\xbb\xbf" "a: 1\n", "{\"a\":1}" },
		{ "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}" },
		{ "<<: x\n", "{\"<<\":\"x\"}" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_reads_as(cases[i].yaml, cases[i].json);
}

static void plain_scalars_have_the_type_of_their_form(void **state)
{
	(void)state;
	static const struct {
		const char *scalar, *json;
	} cases[] = {
		{ "true", "true" },
		{ "false", "false" },
		{ "null", "null" },
		{ "0", "0" },
		{ "-0", "0" },
		{ "42", "42" },
		{ "-7", "-7" },
		{ "1.5", "1.5" },
		{ "-0.25", "-0.25" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "-9223372036854775808", "-9223372036854775808" },
		/* the following plain scalars are texts */
		{ "yes", "\"yes\"" },
		{ "no", "\"no\"" },
		{ "on", "\"on\"" },
		{ "off", "\"off\"" },
		{ "y", "\"y\"" },
		{ "True", "\"True\"" },
		{ "FALSE", "\"FALSE\"" },
		{ "Null", "\"Null\"" },
		{ "~", "\"~\"" },
		{ "010", "\"010\"" },
		{ "-01", "\"-01\"" },
		{ "0x1f", "\"0x1f\"" },
		{ "0o17", "\"0o17\"" },
		{ "1_000", "\"1_000\"" },
		{ "+1", "\"+1\"" },
		{ ".5", "\".5\"" },
		{ "1.", "\"1.\"" },
		{ "1.2.3", "\"1.2.3\"" },
		{ "-.5", "\"-.5\"" },
		{ "12e4", "\"12e4\"" },
		{ "1.5e3", "\"1.5e3\"" },
		{ ".inf", "\".inf\"" },
		{ ".nan", "\".nan\"" },
		{ "2026-01-01", "\"2026-01-01\"" },
		{ "08:15", "\"08:15\"" },
		{ "190:20:30", "\"190:20:30\"" },
		/* a quoted scalar is a text */
		{ "\"true\"", "\"true\"" },
		{ "'null'", "\"null\"" },
		{ "\"42\"", "\"42\"" },
		{ "''", "\"\"" },
		{ "\"\"", "\"\"" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char yaml[100], json[100];
		snprintf(yaml, sizeof yaml, "key: %s\n", cases[i].scalar);
		snprintf(json, sizeof json, "{\"key\":%s}", cases[i].json);
		assert_reads_as(yaml, json);
	}
}

static void invalid_yaml_is_refused_with_line_and_column(void **state)
{
	(void)state;
	static const struct {
		Slice bytes;
		const char *text;
	} cases[] = {
#define CASE(bytes, text) { { bytes, sizeof(bytes) - 1 }, text }
		CASE("", "1:1: the file is empty"),
		CASE("# only a comment\n", "2:1: the file is empty"),
		CASE("a: 1\nb: 2\na: 3\n", "3:1: duplicate key"),
		CASE("a: 1\n\"a\": 3\n", "2:1: duplicate key"),
		CASE("x:\n  - {b: 1, b: 2}\n", "2:12: duplicate key"),
		CASE("a: &anchor 1\n", "1:4: anchors and aliases"),
		CASE("a: &x {b: 1}\nc: *x\n", "1:4: anchors and aliases"),
		CASE("&x a: 1\n", "1:1: anchors and aliases"),
		CASE("a: *x\n", "1:4: anchors and aliases"),
		CASE("*x : 1\n", "1:1: anchors and aliases"),
		CASE("a: !!str 1\n", "1:4: tags"),
		CASE("a: !mine {b: 1}\n", "1:4: tags"),
		CASE("a: !!set [b]\n", "1:4: tags"),
		CASE("!!map {a: 1}\n", "1:1: tags"),
		CASE("a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
		CASE("a: 1\n...\n---\n", "3:1: a second document begins here"),
		CASE("? {a: 1}\n: 2\n", "1:3: a key must be a string"),
		CASE("? [a]\n: 2\n", "1:3: a key must be a string"),
		CASE("a: 9223372036854775808\n", "1:4: this number is too large"),
		CASE("a: \"x\\0y\"\n", "1:4: a string must not contain a NUL"),
		CASE("\"x\\0y\": 1\n", "1:1: a string must not contain a NUL"),
		CASE("a: 1\nb: x\0y\n", "2:5: there is a NUL byte"),
		CASE("a: 1\nb: 火\xff\n", "2:5: this is not well-formed UTF-8"),
		CASE("a: \xe7\x81", "1:4: this is not well-formed UTF-8"),
		CASE("a: 1\nb: \x01\n", "2:4: control characters are not allowed"),
		CASE("a: [1\n", "2:1: did not find"),
		CASE("a: {b: 1\n", "2:1: did not find"),
		CASE("a: \"x\n", "2:1: found unexpected end of stream"),
		CASE("a: 1\n b: 2\n", "2:3: mapping values are not allowed"),
		CASE("a:\n\t- 1\n", "2:1: found character that cannot start any token"),
		CASE("a: 1\n- b\n", "2:1: did not find expected key"),
		CASE("a: @x\n", "1:4: found character that cannot start any token"),
		CASE("火: 1\n名: @x\n", "2:4: found character that cannot start any token"),
#undef CASE
	};
	size_t wrong = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree = NULL;
		YamlMarks *places = NULL;
		Result result = yaml_read(cases[i].bytes, &tree, &places);
		if (result.kind == ERROR_INPUT && !tree && !places &&
		    strncmp(result.text, cases[i].text, strlen(cases[i].text)) == 0)
			continue;
		print_error("%s: expected \"%s\", got \"%s\"\n", cases[i].bytes.data, cases[i].text, result.text);
		json_decref(tree);
		yaml_marks_free(places);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void forty_levels_are_accepted_and_forty_one_are_not(void **state)
{
	(void)state;
	for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
		json_t *tree JSON_AUTO = NULL;
		char text[2 * JSON_DEPTH_MAX + 3] = "";
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		Result result = yaml_read(slice_of(text), &tree, NULL);
		assert_int_equal(result_failed(result), depth == JSON_DEPTH_MAX + 1);
		if (depth == JSON_DEPTH_MAX + 1)
			assert_string_equal(result.text,
			                    "1:41: nested too deeply; at most 40 levels are allowed");
	}
}

static void deep_nesting_is_refused_early(void **state)
{
	(void)state;
	Buffer text;
	json_t *tree = NULL;
	buffer_init(&text, 1 << 20);
	for (int i = 0; i < 100000; i++)
		buffer_text(&text, "{a: ");
	Result result = yaml_read(buffer_slice(&text), &tree, NULL);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_null(tree);
	buffer_release(&text);
}

static const char pack[] = "# people\n"
			   "people:\n"
			   "  - id: li\n"
			   "    name: 李\n"
			   "  - id: wu\n"
			   "    mail:\n"
			   "      - a\n"
			   "      - b\n"
			   "a/b: {\"c~d\": 1, 名: 2, x: 3}\n";

static void every_node_has_its_line_and_column(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = NULL;
	YamlMarks *places = NULL;
	static const struct {
		const char *pointer;
		unsigned line, column;
	} cases[] = {
		{ "", 2, 1 },
		{ "/people", 3, 3 },
		{ "/people/0", 3, 5 },
		{ "/people/0/id", 3, 9 },
		{ "/people/0/name", 4, 11 },
		{ "/people/1", 5, 5 },
		{ "/people/1/mail", 7, 7 },
		{ "/people/1/mail/1", 8, 9 },
		{ "/a~1b", 9, 6 },
		{ "/a~1b/c~0d", 9, 14 },
		{ "/a~1b/名", 9, 20 },
		{ "/a~1b/x", 9, 26 },
		/* a pointer to a missing node has the line and column of its nearest existing parent */
		{ "/nothing", 2, 1 },
		{ "/people/2", 3, 3 },
		{ "/people/00", 3, 3 },
		{ "/people/0/mail", 3, 5 },
		{ "/people/0/mail/1/x", 3, 5 },
		{ "/people/0/id/x", 3, 9 },
		{ "/a~1b/c~d", 9, 6 },
		{ "people", 2, 1 },
	};

	assert_false(result_failed(yaml_read(slice_of(pack), &tree, &places)));
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned line = 0, column = 0;
		yaml_mark(places, cases[i].pointer, &line, &column);
		if (line != cases[i].line || column != cases[i].column)
			fail_msg("%s is at %u:%u", cases[i].pointer, line, column);
	}
	yaml_marks_free(places);
	yaml_marks_free(NULL);
}

static void marks_outlive_the_tree_and_the_bytes(void **state)
{
	(void)state;
	json_t *tree = NULL;
	YamlMarks *places = NULL;
	char bytes[] = "some:\n  key: 1\n";
	unsigned line = 0, column = 0;
	assert_false(result_failed(yaml_read(slice_of(bytes), &tree, &places)));
	json_decref(tree);
	memset(bytes, 'x', sizeof bytes - 1);
	yaml_mark(places, "/some/key", &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 8);
	yaml_marks_free(places);
}

static void errors_of_a_field_table_get_line_and_column(void **state)
{
	(void)state;
	typedef struct {
		const char *id;
		int64_t seconds;
	} Level;
	static const Field fields[] = {
		{ .name = "id", .type = FIELD_TEXT, .offset = offsetof(Level, id), .flags = FIELD_REQUIRED },
		{ .name = "seconds", .type = FIELD_INTEGER, .offset = offsetof(Level, seconds), .max = 60 },
	};
	static const FieldTable table = FIELD_TABLE("level", fields, Level);
	json_t *tree JSON_AUTO = NULL;
	YamlMarks *places = NULL;
	Level level;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	unsigned line = 0, column = 0;

	assert_false(result_failed(yaml_read(SLICE("id: 7\nseconds:   61\n"), &tree, &places)));
	assert_false(json_decode(&table, tree, true, &level, &errors));
	assert_int_equal(errors.count, 2);
	assert_string_equal(errors.list[0].detail, "must be text, not a number");
	yaml_mark(places, errors.list[1].pointer, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 12);
	yaml_marks_free(places);
}

static void the_number_of_nodes_is_bounded(void **state)
{
	(void)state;
	Buffer text;
	json_t *tree = NULL;
	buffer_init(&text, 2 << 20);
	buffer_text(&text, "[");
	for (int i = 0; i < (1 << 18); i++)
		buffer_text(&text, "1,");
	buffer_text(&text, "1]");
	Result result = yaml_read(buffer_slice(&text), &tree, NULL);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "too many values"));
	assert_null(tree);
	buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_reads_as_json),
		cmocka_unit_test(plain_scalars_have_the_type_of_their_form),
		cmocka_unit_test(invalid_yaml_is_refused_with_line_and_column),
		cmocka_unit_test(forty_levels_are_accepted_and_forty_one_are_not),
		cmocka_unit_test(deep_nesting_is_refused_early),
		cmocka_unit_test(every_node_has_its_line_and_column),
		cmocka_unit_test(marks_outlive_the_tree_and_the_bytes),
		cmocka_unit_test(errors_of_a_field_table_get_line_and_column),
		cmocka_unit_test(the_number_of_nodes_is_bounded),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
