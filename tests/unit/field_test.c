#include "shared/base/json.h"
#include "shared/domain/commands.h"
#include "shared/domain/documents.h"
#include "shared/domain/problem.h"
#include "tests/support/succeeds.h"
#include "tests/unit/every_type.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
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

static void assert_errors(const char *text, bool strict, size_t count, const FieldError *expected)
{
	json_t *tree JSON_AUTO = tree_of(text);
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	bool good = json_decode(&document_table, tree, strict, &document, &errors);

	for (size_t i = 0; i < count && i < errors.count; i++)
		if (strcmp(errors.list[i].pointer, expected[i].pointer) != 0 ||
		    strcmp(errors.list[i].detail, expected[i].detail) != 0)
			fail_msg("%s gave \"%s\" \"%s\"", text, errors.list[i].pointer, errors.list[i].detail);
	assert_int_equal(errors.count, count);
	assert_int_equal(good, count == 0);
}

/* ---- decoding ------------------------------------------------------------------------------------------------- */

static const char whole[] = "{\"title\":\"fire\",\"note\":\"\",\"code\":\"ab\",\"count\":10,\"offset\":-5,"
			    "\"suspected\":true,"
			    "\"occurred_at\":\"2026-11-23T08:15:30.123Z\",\"severity\":\"high\","
			    "\"reporter\":{\"name\":\"li\",\"contact\":\"110\",\"relation\":\"visitor\"},"
			    "\"tags\":[\"a\",\"b\"],\"flags\":[\"emergency\"],"
			    "\"people\":[{\"name\":\"wu\",\"contact\":null,"
			    "\"relation\":\"employee\"}],\"attributes\":{\"x\":[1]},\"anything\":false}";

static void a_whole_document_is_decoded(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of(whole);
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_true(json_decode(&document_table, tree, true, &document, &errors));
	assert_int_equal(errors.count, 0);
	assert_string_equal(document.title, "fire");
	assert_string_equal(document.note, "");
	assert_string_equal(document.code, "ab");
	assert_int_equal(document.count, 10);
	assert_int_equal(document.offset, -5);
	assert_int_equal(document.suspected, 1);
	assert_int_equal(document.occurred_at, 1795421730123);
	assert_int_equal(document.severity, 3);
	assert_string_equal(document.reporter.name, "li");
	assert_string_equal(document.reporter.contact, "110");
	assert_int_equal(document.reporter.relation, 1);
	assert_int_equal(json_array_size(document.tags), 2);
	assert_ptr_equal(document.flags, json_object_get(tree, "flags"));
	assert_int_equal(json_array_size(document.people), 1);
	assert_ptr_equal(document.attributes, json_object_get(tree, "attributes"));
	assert_true(json_is_false(document.anything));
	assert_ptr_equal(document.title, json_string_value(json_object_get(tree, "title")));
}

static void assert_all_absent_but_title(const Document *document)
{
	assert_null(document->note);
	assert_null(document->code);
	assert_true(document->count == INT64_MIN && document->offset == INT64_MIN);
	assert_int_equal(document->suspected, -1);
	assert_true(document->occurred_at == INSTANT_NONE);
	assert_int_equal(document->severity, -1);
	assert_null(document->reporter.name);
	assert_null(document->reporter.contact);
	assert_int_equal(document->reporter.relation, -1);
	assert_null(document->tags);
	assert_null(document->flags);
	assert_null(document->people);
	assert_null(document->attributes);
	assert_null(document->anything);
}

static void absent_and_null_members_read_the_same(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"{\"title\":\"fire\"}",
		"{\"title\":\"fire\",\"note\":null,\"code\":null,\"count\":null,\"offset\":null,\"suspected\":null,"
		"\"occurred_at\":null,\"severity\":null,\"reporter\":null,\"tags\":null,\"flags\":null,\"people\":null,"
		"\"attributes\":null,\"anything\":null}",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree JSON_AUTO = tree_of(cases[i]);
		Document document;
		FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
		memset(&document, 0x5a, sizeof document);
		assert_true(json_decode(&document_table, tree, true, &document, &errors));
		assert_string_equal(document.title, "fire");
		assert_all_absent_but_title(&document);
	}
}

static void a_value_that_is_not_an_object_leaves_everything_absent(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = json_array();
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	memset(&document, 0x5a, sizeof document);
	assert_false(json_decode(&document_table, tree, false, &document, &errors));
	assert_string_equal(errors.list[0].pointer, "");
	assert_string_equal(errors.list[0].detail, "must be an object, not a list");
	assert_null(document.title);
	assert_all_absent_but_title(&document);
	assert_false(json_decode(&document_table, NULL, false, &document, &errors));
	assert_string_equal(errors.list[1].detail, "must be an object");
}

static void every_error_states_the_requirement(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		FieldError expected;
	} cases[] = {
		{ "{}", { "/title", "is required" } },
		{ "{\"title\":null}", { "/title", "is required and must not be null" } },
		{ "{\"title\":\"\"}", { "/title", "must not be empty" } },
		{ "{\"title\":\" \\t\"}", { "/title", "must not be blank" } },
		{ "{\"title\":1}", { "/title", "must be text, not a number" } },
		{ "{\"title\":[]}", { "/title", "must be text, not a list" } },
		{ "{\"title\":true}", { "/title", "must be text, not true" } },
		{ "{\"title\":\"1234567\"}", { "/title", "must be at most 6 characters" } },
		{ "{\"title\":\"信息安全事件火\"}", { "/title", "must be at most 6 characters" } },
		{ "{\"title\":\"x\",\"code\":\"a\"}", { "/code", "must be at least 2 characters" } },
		{ "{\"title\":\"x\",\"code\":\"\"}", { "/code", "must be at least 2 characters" } },
		{ "{\"title\":\"x\",\"code\":\"火\"}", { "/code", "must be at least 2 characters" } },
		{ "{\"title\":\"x\",\"code\":\"abcde\"}", { "/code", "must be at most 4 characters" } },
		{ "{\"title\":\"x\",\"count\":0}", { "/count", "must be from 1 to 10" } },
		{ "{\"title\":\"x\",\"count\":11}", { "/count", "must be from 1 to 10" } },
		{ "{\"title\":\"x\",\"count\":\"5\"}", { "/count", "must be a whole number, not text" } },
		{ "{\"title\":\"x\",\"count\":5.0}", { "/count", "must be a whole number, not a fraction" } },
		{ "{\"title\":\"x\",\"offset\":-9223372036854775808}",
		  { "/offset", "must be at least -9223372036854775807" } },
		{ "{\"title\":\"x\",\"suspected\":1}", { "/suspected", "must be true or false, not a number" } },
		{ "{\"title\":\"x\",\"suspected\":\"true\"}", { "/suspected", "must be true or false, not text" } },
		{ "{\"title\":\"x\",\"occurred_at\":1795421730}", { "/occurred_at", "must be text, not a number" } },
		{ "{\"title\":\"x\",\"occurred_at\":\"2026-02-29T00:00:00Z\"}",
		  { "/occurred_at", "must have a day that exists in its month" } },
		{ "{\"title\":\"x\",\"severity\":\"hgih\"}",
		  { "/severity", "must be one of info, low, medium, high, critical" } },
		{ "{\"title\":\"x\",\"severity\":3}",
		  { "/severity", "must be one of info, low, medium, high, critical" } },
		{ "{\"title\":\"x\",\"severity\":\"\"}",
		  { "/severity", "must be one of info, low, medium, high, critical" } },
		{ "{\"title\":\"x\",\"reporter\":\"li\"}", { "/reporter", "must be an object, not text" } },
		{ "{\"title\":\"x\",\"reporter\":{}}", { "/reporter/name", "is required" } },
		{ "{\"title\":\"x\",\"reporter\":{\"name\":\"a\",\"relation\":\"x\"}}",
		  { "/reporter/relation", "must be one of employee, visitor" } },
		{ "{\"title\":\"x\",\"tags\":{}}", { "/tags", "must be a list, not an object" } },
		{ "{\"title\":\"x\",\"tags\":[\"a\",\"b\",\"c\",\"d\"]}", { "/tags", "must have at most 3 items" } },
		{ "{\"title\":\"x\",\"tags\":[\"a\",1]}", { "/tags/1", "must be text, not a number" } },
		{ "{\"title\":\"x\",\"tags\":[\"abcde\"]}", { "/tags/0", "must be at most 4 characters" } },
		{ "{\"title\":\"x\",\"tags\":[\"\"]}", { "/tags/0", "must not be empty" } },
		{ "{\"title\":\"x\",\"tags\":[null]}", { "/tags/0", "is required and must not be null" } },
		{ "{\"title\":\"x\",\"flags\":[]}", { "/flags", "must have at least 1 items" } },
		{ "{\"title\":\"x\",\"flags\":[\"serious\",\"dire\"]}",
		  { "/flags/1", "must be one of serious, emergency" } },
		{ "{\"title\":\"x\",\"people\":[{\"name\":\"a\"},{\"name\":\"123456789\"}]}",
		  { "/people/1/name", "must be at most 8 characters" } },
		{ "{\"title\":\"x\",\"people\":[7]}", { "/people/0", "must be an object, not a number" } },
		{ "{\"title\":\"x\",\"attributes\":[]}", { "/attributes", "must be an object, not a list" } },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_errors(cases[i].text, true, 1, &cases[i].expected);
}

static void bounds_count_characters_not_bytes(void **state)
{
	(void)state;
	assert_errors("{\"title\":\"信息安全事件\",\"code\":\"火警🔥é\"}", true, 0, NULL);
	assert_errors("{\"title\":\"123456\",\"code\":\"火警\"}", true, 0, NULL);
}

static void items_without_a_bound_of_their_own_have_at_most_256_characters(void **state)
{
	(void)state;
	typedef struct {
		json_t *names;
	} Names;
	static const Field fields[] = { { .name = "names", .type = FIELD_LIST, .offset = offsetof(Names, names) } };
	static const FieldTable table = FIELD_TABLE("names", fields, Names);
	char text[258];

	memset(text, 'x', sizeof text);
	for (size_t size = 256; size <= 257; size++) {
		json_t *tree JSON_AUTO = json_pack("{s:[s#,s]}", "names", text, (int)size, "");
		Names names;
		FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
		assert_int_equal(json_decode(&table, tree, true, &names, &errors), size == 256);
	}
}

static void all_errors_are_reported_at_once(void **state)
{
	(void)state;
	const FieldError expected[] = {
		{ "/title", "is required" },
		{ "/count", "must be from 1 to 10" },
		{ "/reporter/name", "is required" },
		{ "/people/1", "must be an object, not text" },
		{ "/a~1b",
		  "is not a member of document; members are title, note, code, count, offset, suspected, occurred_at, "
		  "severity, reporter, tags, flags, people, attributes, anything" },
	};

	assert_errors("{\"count\":99,\"a/b\":1,\"reporter\":{},\"people\":[{\"name\":\"x\"},\"y\"]}", true,
	              COUNT(expected), expected);
}

static void unknown_members_are_refused_only_when_strict(void **state)
{
	(void)state;
	const char *text = "{\"title\":\"x\",\"more\":1,\"reporter\":{\"name\":\"a\",\"~x/y\":2},"
			   "\"people\":[{\"name\":\"b\",\"age\":3}],\"attributes\":{\"any\":1}}";
	const FieldError expected[] = {
		{ "/reporter/~0x~1y", "is not a member of person; members are name, contact, relation" },
		{ "/people/0/age", "is not a member of person; members are name, contact, relation" },
		{ "/more",
		  "is not a member of document; members are title, note, code, count, offset, suspected, occurred_at, "
		  "severity, reporter, tags, flags, people, attributes, anything" },
	};

	assert_errors(text, true, COUNT(expected), expected);
	assert_errors(text, false, 0, NULL);
}

static void an_unknown_member_that_is_null_is_refused_too(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"title\":\"x\",\"more\":null}");
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_false(json_decode(&document_table, tree, true, &document, &errors));
	assert_string_equal(errors.list[0].pointer, "/more");
}

static void errors_that_do_not_fit_set_more(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"title\":\"x\"}");
	json_t *people = json_array();
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	for (int i = 0; i < FIELD_ERRORS_MAX; i++)
		json_array_append_new(people, json_integer(i));
	json_object_set_new(tree, "people", people);
	assert_false(json_decode(&document_table, tree, true, &document, &errors));
	assert_int_equal(errors.count, FIELD_ERRORS_MAX);
	assert_false(errors.more);
	assert_false(json_decode(&document_table, tree, true, &document, &errors));
	assert_int_equal(errors.count, FIELD_ERRORS_MAX);
	assert_true(errors.more);
	assert_string_equal(errors.list[31].pointer, "/people/31");
}

static void a_pointer_that_is_too_long_names_a_parent(void **state)
{
	(void)state;
	char name[FIELD_POINTER + 1];
	memset(name, '~', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	json_t *tree JSON_AUTO = tree_of("{\"title\":\"x\",\"reporter\":{\"name\":\"a\"}}");
	json_object_set_new(json_object_get(tree, "reporter"), name, json_true());
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_false(json_decode(&document_table, tree, true, &document, &errors));
	assert_string_equal(errors.list[0].pointer, "/reporter");

	Buffer pointer;
	buffer_init(&pointer, 1000);
	buffer_format(&pointer, "/%0150d/%060d", 1, 2);
	field_errors_add(&errors, pointer.data, "%s", "x");
	assert_int_equal(strlen(errors.list[1].pointer), 151);
	buffer_release(&pointer);
}

static void a_long_list_of_choices_ends_with_an_ellipsis(void **state)
{
	(void)state;
	typedef struct {
		int word;
	} Word;
	static const char *const words[] = { "the-first-of-many-long-words", "the-second-of-many-long-words",
		                             "the-third-of-many-long-words", "the-fourth-of-many-long-words",
		                             "the-fifth-of-many-long-words", "the-sixth-of-many-long-words", NULL };
	static const Field fields[] = { { .name = "word", .type = FIELD_CHOICE, .choices = words } };
	static const FieldTable table = FIELD_TABLE("word", fields, Word);
	json_t *tree JSON_AUTO = tree_of("{\"word\":\"x\"}");
	Word word;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };

	assert_false(json_decode(&table, tree, true, &word, &errors));
	assert_string_equal(errors.list[0].detail,
	                    "must be one of the-first-of-many-long-words, the-second-of-many-long-words, "
	                    "the-third-of-many-long-words, the-fourth-of-many-long-words, …");
}

static void texts_with_a_nul_are_refused_in_any_member(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = json_pack("{s:s#, s:s#}", "title", "a\0b", 3, "severity", "low\0", 4);
	Document document;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_false(json_decode(&document_table, tree, true, &document, &errors));
	assert_int_equal(errors.count, 2);
	assert_string_equal(errors.list[0].detail, "must not contain a NUL");
	assert_string_equal(errors.list[1].pointer, "/severity");
}

static void a_record_may_have_unknown_members_but_must_have_the_required_ones(void **state)
{
	(void)state;
	json_t *good JSON_AUTO = tree_of("{\"title\":\"x\",\"from_the_future\":1}");
	json_t *bad JSON_AUTO = tree_of("{\"count\":99}");
	Document document;
	assert_false(result_failed(json_decode_record(&document_table, good, &document)));
	assert_string_equal(document.title, "x");
	Result result = json_decode_record(&document_table, bad, &document);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_string_equal(result.text, "document/title: is required");
	result = json_decode_record(&document_table, NULL, &document);
	assert_string_equal(result.text, "document: must be an object");
}

/* ---- encoding ------------------------------------------------------------------------------------------------- */

static void assert_written(json_t *tree, const char *expected)
{
	Buffer text;
	buffer_init(&text, 4096);
	json_write(tree, &text);
	assert_string_equal(text.data, expected);
	buffer_release(&text);
}

static void a_document_survives_decoding_and_encoding(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of(whole);
	Document document;
	assert_false(result_failed(json_decode_record(&document_table, tree, &document)));
	json_t *full JSON_AUTO = json_encode(&document_table, &document);
	json_t *present JSON_AUTO = json_encode_present(&document_table, &document);
	assert_written(full, whole);
	assert_written(present, whole);
}

static void absent_members_are_null_or_left_out(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"title\":\"x\",\"reporter\":{\"name\":\"li\"}}");
	Document document;
	assert_false(result_failed(json_decode_record(&document_table, tree, &document)));
	json_t *full JSON_AUTO = json_encode(&document_table, &document);
	json_t *present JSON_AUTO = json_encode_present(&document_table, &document);
	assert_written(full, "{\"title\":\"x\",\"note\":null,\"code\":null,\"count\":null,\"offset\":null,"
	                     "\"suspected\":null,\"occurred_at\":null,\"severity\":null,"
	                     "\"reporter\":{\"name\":\"li\",\"contact\":null,\"relation\":null},\"tags\":null,"
	                     "\"flags\":null,\"people\":null,\"attributes\":null,\"anything\":null}");
	assert_written(present, "{\"title\":\"x\",\"reporter\":{\"name\":\"li\"}}");
}

static void an_absent_nested_object_is_encoded_as_absent(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of("{\"title\":\"x\"}");
	Document document;
	assert_false(result_failed(json_decode_record(&document_table, tree, &document)));
	json_t *full JSON_AUTO = json_encode(&document_table, &document);
	json_t *present JSON_AUTO = json_encode_present(&document_table, &document);
	assert_true(json_is_null(json_object_get(full, "reporter")));
	assert_written(present, "{\"title\":\"x\"}");
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	assert_true(json_decode(&document_table, full, true, &document, &errors));
}

static void a_required_nested_object_is_always_encoded(void **state)
{
	(void)state;
	typedef struct {
		Person person;
	} Holder;
	static const Field fields[] = { { .name = "person", .type = FIELD_OBJECT, .offset = offsetof(Holder, person),
		                          .flags = FIELD_REQUIRED, .table = &document_person_table } };
	static const FieldTable table = FIELD_TABLE("holder", fields, Holder);
	const Holder holder = { .person = { .relation = -1 } };
	json_t *present JSON_AUTO = json_encode_present(&table, &holder);
	assert_written(present, "{\"person\":{}}");
}

static void an_encoded_document_outlives_the_decoded_tree(void **state)
{
	(void)state;
	json_t *tree = tree_of("{\"title\":\"x\",\"tags\":[\"a\"],\"anything\":{\"b\":1}}");
	Document document;
	assert_false(result_failed(json_decode_record(&document_table, tree, &document)));
	json_t *present JSON_AUTO = json_encode_present(&document_table, &document);
	json_decref(tree);
	assert_written(present, "{\"title\":\"x\",\"tags\":[\"a\"],\"anything\":{\"b\":1}}");
}

/* ---- writing without a tree ----------------------------------------------------------------------------------- */

/* The tables of json_write_fields: those of other modules, and two that combine flags with each type. */

typedef struct {
	json_t *list, *free_object;
	const char *text;
	Person person;
} Omitted;

static const Field omitted_fields[] = {
	{ .name = "list", .type = FIELD_LIST, .offset = offsetof(Omitted, list), .flags = FIELD_OMIT_EMPTY },
	{ .name = "free", .type = FIELD_FREE, .offset = offsetof(Omitted, free_object), .flags = FIELD_OMIT_EMPTY },
	{ .name = "text", .type = FIELD_TEXT, .offset = offsetof(Omitted, text), .flags = FIELD_OMIT_EMPTY },
	{ .name = "person", .type = FIELD_OBJECT, .offset = offsetof(Omitted, person), .flags = FIELD_OMIT_EMPTY,
	  .table = &document_person_table },
};
static const FieldTable omitted_table = FIELD_TABLE("omitted", omitted_fields, Omitted);

typedef struct {
	Person always, required, plain;
	Omitted omitted;
} Nested;

static const Field nested_fields[] = {
	{ .name = "always", .type = FIELD_OBJECT, .offset = offsetof(Nested, always), .flags = FIELD_ALWAYS,
	  .table = &document_person_table },
	{ .name = "required", .type = FIELD_OBJECT, .offset = offsetof(Nested, required), .flags = FIELD_REQUIRED,
	  .table = &document_person_table },
	{ .name = "plain", .type = FIELD_OBJECT, .offset = offsetof(Nested, plain), .table = &document_person_table },
	{ .name = "omitted", .type = FIELD_OBJECT, .offset = offsetof(Nested, omitted), .flags = FIELD_ALWAYS,
	  .table = &omitted_table },
};
static const FieldTable nested_table = FIELD_TABLE("nested", nested_fields, Nested);

static const FieldTable *const written_tables[] = {
	&document_table,       &omitted_table,         &nested_table,          &event_table,          &report_table,
	&actor_table,          &report_record_table,   &assessment_table,      &assessment_record_table,
	&command_record_table, &journal_entry_table,   &journal_record_table,  &resumption_table,     &join_table,
	&joined_incident_table, &join_record_table,    &incident_table,        &link_table,           &delivery_table,
	&delivery_record_table, &problem_table,
};

/* Generated values. A struct borrows its texts and trees from `owner`, a list. */
typedef struct {
	uint64_t seed;
	json_t *owner;
} Generator;

static uint64_t below(Generator *generator, uint64_t bound)
{
	generator->seed ^= generator->seed << 13;
	generator->seed ^= generator->seed >> 7;
	generator->seed ^= generator->seed << 17;
	return generator->seed % bound;
}

static json_t *owned(Generator *generator, json_t *value)
{
	assert_int_equal(json_array_append_new(generator->owner, value), 0);
	return value;
}

static json_t *any_text(Generator *generator)
{
	static const char *const pieces[] = { "a", "\"", "\\", "/", "\b\f\n\r\t", "\x01\x0b\x1f", "\x7f", "火", "é", "🔥", "\u2028",
					      "\uffff", "\U0010ffff", "</script>", "\\u0041", " " };
	char text[128] = "";
	for (uint64_t i = below(generator, 6); i > 0; i--)
		strcat(text, pieces[below(generator, COUNT(pieces))]);
	return json_string(text);
}

static int64_t any_integer(Generator *generator)
{
	const int64_t integers[] = { 0, 1, -1, INT64_MAX, INT64_MIN + 1, (int64_t)below(generator, 1000000) };
	return integers[below(generator, COUNT(integers))];
}

static json_t *any_value(Generator *generator, unsigned depth);

static json_t *any_list(Generator *generator, unsigned depth)
{
	json_t *list = json_array();
	for (uint64_t i = below(generator, 4); i > 0; i--)
		json_array_append_new(list, any_value(generator, depth));
	return list;
}

static json_t *any_object(Generator *generator, unsigned depth)
{
	json_t *object = json_object();
	for (uint64_t i = below(generator, 4); i > 0; i--) {
		json_t *name JSON_AUTO = any_text(generator);
		json_object_set_new(object, json_string_value(name), any_value(generator, depth));
	}
	return object;
}

static json_t *any_value(Generator *generator, unsigned depth)
{
	switch (below(generator, depth > 0 ? 7 : 5)) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(below(generator, 2));
	case 2:
		return json_integer(any_integer(generator));
	case 3:
		return json_real((double)any_integer(generator) / 3);
	case 4:
		return any_text(generator);
	case 5:
		return any_list(generator, depth - 1);
	default:
		return any_object(generator, depth - 1);
	}
}

static void fields_generate(Generator *generator, const FieldTable *table, void *out);

static int any_choice(Generator *generator, const Field *field)
{
	uint64_t count = 0;
	while (field->choices[count])
		count++;
	return (int)below(generator, count);
}

/* Values need not be within the bounds of their fields, because writing does not check bounds. */
static void field_generate(Generator *generator, const Field *field, void *member)
{
	switch (field->type) {
	case FIELD_TEXT:
		*(const char **)member = json_string_value(owned(generator, any_text(generator)));
		break;
	case FIELD_INTEGER:
		*(int64_t *)member = any_integer(generator);
		break;
	case FIELD_BOOLEAN:
		*(int *)member = (int)below(generator, 2);
		break;
	case FIELD_TIME:
		*(Instant *)member = (Instant)below(generator, (uint64_t)INSTANT_MAX + 1);
		break;
	case FIELD_CHOICE:
		*(int *)member = any_choice(generator, field);
		break;
	case FIELD_OBJECT:
		fields_generate(generator, field->table, member);
		break;
	case FIELD_LIST:
		*(json_t **)member = owned(generator, any_list(generator, 2));
		break;
	case FIELD_FREE:
		*(json_t **)member = owned(generator, any_object(generator, 2));
		break;
	case FIELD_ANY:
		*(json_t **)member = owned(generator, any_value(generator, 2));
		break;
	}
}

/* Generates each member or leaves it absent, at random. The probability differs for each struct, from no member to all. */
static void fields_generate(Generator *generator, const FieldTable *table, void *out)
{
	uint64_t absent = below(generator, 5); /* on average, this many of four members are absent */
	fields_clear(table, out);
	for (size_t i = 0; i < table->count; i++)
		if (below(generator, 4) >= absent)
			field_generate(generator, &table->fields[i], (char *)out + table->fields[i].offset);
}

/* Writes the struct after one byte into a buffer with `room` more bytes. expected: the text; "": the struct does not fit. */
static void assert_fits(const FieldTable *table, const void *in, size_t room, const char *expected)
{
	Buffer text;
	buffer_init(&text, 1 + room);
	buffer_byte(&text, '>');
	json_write_fields(table, in, &text);
	assert_int_equal(text.overflowed, expected[0] == '\0');
	assert_string_equal(text.data + 1, expected);
	buffer_release(&text);
}

static void assert_written_as_encoded(const FieldTable *table, const void *in)
{
	json_t *tree JSON_AUTO = json_encode(table, in);
	Buffer expected;
	buffer_init(&expected, 1 << 20);
	json_write(tree, &expected);
	assert_false(expected.overflowed);
	assert_fits(table, in, expected.size + 1000, expected.data);
	assert_fits(table, in, expected.size, expected.data);
	assert_fits(table, in, expected.size - 1, "");
	assert_fits(table, in, expected.size / 2, "");
	buffer_release(&expected);
}

static void written_fields_are_the_text_of_the_encoded_tree(void **state)
{
	(void)state;
	Generator generator = { .seed = 20261201 };
	for (size_t i = 0; i < COUNT(written_tables); i++) {
		const FieldTable *table = written_tables[i];
		void *document = malloc(table->size);
		assert_non_null(document);
		fields_clear(table, document);
		assert_written_as_encoded(table, document);
		for (unsigned round = 0; round < 100; round++) {
			generator.owner = json_array();
			fields_generate(&generator, table, document);
			assert_written_as_encoded(table, document);
			json_decref(generator.owner);
		}
		free(document);
	}
}

static void arguments_of_commands_are_written_as_encoded(void **state)
{
	(void)state;
	Generator generator = { .seed = 8 };
	for (size_t i = 0; i < command_count; i++)
		for (unsigned round = 0; round < 20; round++) {
			CommandArguments arguments;
			assert_int_equal(commands[i].arguments->size, sizeof arguments);
			generator.owner = json_array();
			fields_generate(&generator, commands[i].arguments, &arguments);
			assert_written_as_encoded(commands[i].arguments, &arguments);
			json_decref(generator.owner);
		}
}

static void every_character_is_written_as_encoded(void **state)
{
	(void)state;
	Omitted document;
	fields_clear(&omitted_table, &document);
	for (unsigned byte = 1; byte < 0x80; byte++) {
		const char text[] = { 'a', (char)byte, 'b', '\0' };
		document.text = text;
		assert_written_as_encoded(&omitted_table, &document);
	}
	document.text = "\"\\\x1f\n🔥";
	assert_fits(&omitted_table, &document, 100, "{\"text\":\"\\\"\\\\\\u001F\\n🔥\"}");
}

static void an_empty_list_is_omitted_and_an_object_that_is_always_there_is_not(void **state)
{
	(void)state;
	json_t *list JSON_AUTO = json_array();
	Nested nested;
	fields_clear(&nested_table, &nested);
	nested.omitted.list = list;
	assert_fits(&nested_table, &nested, 1000,
		    "{\"always\":{\"name\":null,\"contact\":null,\"relation\":null},"
		    "\"required\":{\"name\":null,\"contact\":null,\"relation\":null},\"plain\":null,\"omitted\":{}}");
	json_array_append_new(list, json_integer(1));
	nested.plain.contact = "110";
	assert_fits(&nested_table, &nested, 1000,
		    "{\"always\":{\"name\":null,\"contact\":null,\"relation\":null},"
		    "\"required\":{\"name\":null,\"contact\":null,\"relation\":null},"
		    "\"plain\":{\"name\":null,\"contact\":\"110\",\"relation\":null},\"omitted\":{\"list\":[1]}}");
}

/* ---- sets of members ------------------------------------------------------------------------------------------ */

static uint64_t bit(const char *name)
{
	for (size_t i = 0; i < document_table.count; i++)
		if (strcmp(document_table.fields[i].name, name) == 0)
			return (uint64_t)1 << i;
	fail_msg("no member is called %s", name);
	return 0;
}

static uint64_t all_members(void)
{
	return ((uint64_t)1 << document_table.count) - 1;
}

static void document_read(const char *text, json_t **tree, Document *out)
{
	*tree = tree_of(text);
	succeeds(json_decode_record(&document_table, *tree, out));
}

/* A document that differs from `whole` in every member. */
static const char other[] = "{\"title\":\"ice\",\"note\":\"n\",\"code\":\"cd\",\"count\":9,\"offset\":5,\"suspected\":false,"
			    "\"occurred_at\":\"2026-11-23T08:15:30.124Z\",\"severity\":\"low\","
			    "\"reporter\":{\"name\":\"li\",\"contact\":\"111\",\"relation\":\"visitor\"},"
			    "\"tags\":[\"b\",\"a\"],\"flags\":[\"serious\"],\"people\":[],\"attributes\":{},\"anything\":true}";

static void the_set_of_a_document_contains_each_member_that_it_has(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO =
		tree_of("{\"note\":null,\"unknown\":1,\"count\":7,\"reporter\":null,\"tags\":[\"a\"],\"people\":null,\"code\":\"ab\"}");
	Document document;
	uint64_t members = UINT64_MAX;
	memset(&document, 0x5a, sizeof document);
	succeeds(json_decode_members(&document_table, tree, &document, &members));
	assert_true(members == (bit("note") | bit("count") | bit("reporter") | bit("tags") | bit("people") | bit("code")));
	assert_int_equal(document.count, 7);
	assert_string_equal(document.code, "ab");
	assert_ptr_equal(document.tags, json_object_get(tree, "tags"));
	document.count = INT64_MIN, document.code = NULL, document.tags = NULL, document.title = "x";
	assert_all_absent_but_title(&document);
}

static void the_set_of_an_absent_document_is_empty(void **state)
{
	(void)state;
	Document document;
	uint64_t members = UINT64_MAX;
	succeeds(json_decode_members(&document_table, NULL, &document, &members));
	assert_true(members == 0);
	document.title = "x";
	assert_all_absent_but_title(&document);
}

static void a_member_of_a_set_must_be_valid_if_it_is_present(void **state)
{
	(void)state;
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "{\"note\":\"x\",\"count\":99}", "document/count: must be from 1 to 10" },
		{ "{\"reporter\":{}}", "document/reporter/name: is required" },
		{ "{\"tags\":[\"a\",7]}", "document/tags/1: must be text, not a number" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *tree JSON_AUTO = tree_of(cases[i].text);
		Document document;
		uint64_t members;
		Result result = json_decode_members(&document_table, tree, &document, &members);
		assert_int_equal(result.kind, ERROR_INPUT);
		assert_string_equal(result.text, cases[i].error);
	}
}

static void assert_set_survives(const Document *document, uint64_t members)
{
	json_t *tree JSON_AUTO = json_encode_members(&document_table, document, members);
	Document decoded;
	uint64_t found;
	succeeds(json_decode_members(&document_table, tree, &decoded, &found));
	assert_true(found == members);
	assert_true((fields_differing(&document_table, document, &decoded) & members) == 0);
}

static void a_set_survives_encoding_and_decoding(void **state)
{
	(void)state;
	Generator generator = { .seed = 3 };
	json_t *trees[3];
	Document documents[3];
	document_read(whole, &trees[0], &documents[0]);
	document_read(other, &trees[1], &documents[1]);
	document_read("{\"title\":\"x\"}", &trees[2], &documents[2]);
	for (size_t k = 0; k < COUNT(documents); k++) {
		for (size_t i = 0; i < document_table.count; i++)
			assert_set_survives(&documents[k], (uint64_t)1 << i);
		for (unsigned round = 0; round < 100; round++)
			assert_set_survives(&documents[k], below(&generator, all_members() + 1));
		json_decref(trees[k]);
	}
}

static void a_set_is_encoded_with_its_absent_members_as_null(void **state)
{
	(void)state;
	json_t *source JSON_AUTO = NULL;
	Document document;
	document_read("{\"title\":\"x\",\"count\":3}", &source, &document);
	json_t *none JSON_AUTO = json_encode_members(&document_table, &document, 0);
	json_t *some JSON_AUTO =
		json_encode_members(&document_table, &document, bit("anything") | bit("count") | bit("reporter") | bit("note"));
	assert_written(none, "{}");
	assert_written(some, "{\"note\":null,\"count\":3,\"reporter\":null,\"anything\":null}");
}

/* A change that empties a list must differ from a change that does not contain the list. */
static void an_empty_list_of_a_set_is_encoded(void **state)
{
	(void)state;
	json_t *list JSON_AUTO = json_array();
	Omitted omitted;
	fields_clear(&omitted_table, &omitted);
	json_t *absent JSON_AUTO = json_encode_members(&omitted_table, &omitted, 3);
	omitted.list = list;
	json_t *empty JSON_AUTO = json_encode_members(&omitted_table, &omitted, 1);
	assert_written(absent, "{\"list\":null,\"free\":null}");
	assert_written(empty, "{\"list\":[]}");
}

static void only_members_of_the_set_are_copied(void **state)
{
	(void)state;
	json_t *trees[2];
	Document from, to;
	document_read(whole, &trees[0], &from);
	document_read(other, &trees[1], &to);
	assert_true(fields_differing(&document_table, &from, &to) == all_members());
	for (size_t i = 0; i < document_table.count; i++) {
		Document copy = to;
		fields_copy(&document_table, (uint64_t)1 << i, &from, &copy);
		assert_true(fields_differing(&document_table, &copy, &to) == (uint64_t)1 << i);
		assert_true(fields_differing(&document_table, &copy, &from) == (all_members() & ~((uint64_t)1 << i)));
	}
	fields_copy(&document_table, bit("title") | bit("tags"), &from, &to);
	assert_ptr_equal(to.title, from.title);
	assert_ptr_equal(to.tags, from.tags);
	fields_copy(&document_table, all_members(), &from, &to);
	assert_true(fields_differing(&document_table, &from, &to) == 0);
	json_decref(trees[0]);
	json_decref(trees[1]);
}

static void members_differ_by_value(void **state)
{
	(void)state;
	json_t *trees[3];
	Document one, same, absent;
	document_read(whole, &trees[0], &one);
	document_read(whole, &trees[1], &same);
	document_read("{\"title\":\"fire\"}", &trees[2], &absent);
	assert_true(fields_differing(&document_table, &one, &same) == 0);
	assert_true(fields_differing(&document_table, &one, &absent) == (all_members() & ~bit("title")));
	assert_true(fields_differing(&document_table, &absent, &one) == (all_members() & ~bit("title")));
	same.reporter.relation = -1;
	assert_true(fields_differing(&document_table, &one, &same) == bit("reporter"));
	json_t *list JSON_AUTO = json_array();
	same = absent;
	same.people = list; /* an empty list is a value */
	same.note = "";
	assert_true(fields_differing(&document_table, &absent, &same) == (bit("people") | bit("note")));
	for (size_t i = 0; i < COUNT(trees); i++)
		json_decref(trees[i]);
}

static void a_text_or_a_choice_is_read_as_text(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = NULL;
	Document document;
	document_read(whole, &tree, &document);
	const Field *title = &document_table.fields[0], *severity = &document_table.fields[7];
	assert_string_equal(severity->name, "severity");
	assert_string_equal(field_text(title, &document), "fire");
	assert_string_equal(field_text(severity, &document), "high");
	fields_clear(&document_table, &document);
	assert_null(field_text(title, &document));
	assert_null(field_text(severity, &document));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_document_is_decoded),
		cmocka_unit_test(absent_and_null_members_read_the_same),
		cmocka_unit_test(a_value_that_is_not_an_object_leaves_everything_absent),
		cmocka_unit_test(every_error_states_the_requirement),
		cmocka_unit_test(bounds_count_characters_not_bytes),
		cmocka_unit_test(items_without_a_bound_of_their_own_have_at_most_256_characters),
		cmocka_unit_test(all_errors_are_reported_at_once),
		cmocka_unit_test(unknown_members_are_refused_only_when_strict),
		cmocka_unit_test(an_unknown_member_that_is_null_is_refused_too),
		cmocka_unit_test(errors_that_do_not_fit_set_more),
		cmocka_unit_test(a_pointer_that_is_too_long_names_a_parent),
		cmocka_unit_test(a_long_list_of_choices_ends_with_an_ellipsis),
		cmocka_unit_test(texts_with_a_nul_are_refused_in_any_member),
		cmocka_unit_test(a_record_may_have_unknown_members_but_must_have_the_required_ones),
		cmocka_unit_test(a_document_survives_decoding_and_encoding),
		cmocka_unit_test(absent_members_are_null_or_left_out),
		cmocka_unit_test(an_absent_nested_object_is_encoded_as_absent),
		cmocka_unit_test(a_required_nested_object_is_always_encoded),
		cmocka_unit_test(an_encoded_document_outlives_the_decoded_tree),
		cmocka_unit_test(written_fields_are_the_text_of_the_encoded_tree),
		cmocka_unit_test(arguments_of_commands_are_written_as_encoded),
		cmocka_unit_test(every_character_is_written_as_encoded),
		cmocka_unit_test(an_empty_list_is_omitted_and_an_object_that_is_always_there_is_not),
		cmocka_unit_test(the_set_of_a_document_contains_each_member_that_it_has),
		cmocka_unit_test(the_set_of_an_absent_document_is_empty),
		cmocka_unit_test(a_member_of_a_set_must_be_valid_if_it_is_present),
		cmocka_unit_test(a_set_survives_encoding_and_decoding),
		cmocka_unit_test(a_set_is_encoded_with_its_absent_members_as_null),
		cmocka_unit_test(an_empty_list_of_a_set_is_encoded),
		cmocka_unit_test(only_members_of_the_set_are_copied),
		cmocka_unit_test(members_differ_by_value),
		cmocka_unit_test(a_text_or_a_choice_is_read_as_text),
	};

	return cmocka_run_group_tests_name("field", tests, NULL, NULL);
}
