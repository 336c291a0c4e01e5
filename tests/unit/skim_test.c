#include "shared/base/skim.h"
#include "shared/base/walk.h"
#include "shared/domain/documents.h"
#include "tests/unit/every_type.h"
#include "tests/unit/skimmed.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_skimmed(const FieldTable *table, const char *const *documents, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!skim_agrees_with_tree(table, slice_of(documents[i])))
			fail_msg("not skimmed: %s", documents[i]);
}

/* Without this test, a skim_decode that leaves every document to the tree would pass the other tests. */
static void typical_documents_are_skimmed(void **state)
{
	(void)state;
	static const char *const events[] = {
		"{\"source\":\"ids\",\"title\":\"hit\"}",
		" {\n\t\"source\" : \"ids\" ,\r\n \"title\" : \"hit\" } \n",
		"{\"source\":\"传感器\",\"title\":\"登录失败\",\"severity\":\"high\",\"occurred_at\":\"2026-11-23T08:15:30+08:00\"}",
		"{\"source\":\"ids\",\"title\":\"\\u767b\\u5f55\\ud83d\\udd25 \\\"a\\\\b\\/c\\\"\\n\"}",
		"{\"source\":\"ids\",\"title\":\"hit\",\"asset\":null,\"observables\":[],\"attributes\":{}}",
		"{\"source\":\"ids\",\"title\":\"hit\",\"observables\":[{\"type\":\"ip\",\"value\":\"198.51.100.1\"},"
		"{\"value\":\"a.example\",\"type\":\"domain\"}],"
		"\"attributes\":{\"port\":22,\"load\":-0.5,\"up\":true,\"down\":false,\"none\":null,\"list\":[1,[2],{}],\"text\":\"\\t\"}}",
	};

	assert_skimmed(&event_table, events, COUNT(events));
}

static void every_type_is_skimmed(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{\"title\":\"a\"}",
		"{\"title\":\"火火火火火火\",\"code\":\"火火\"}",
		"{\"title\":\"a\",\"note\":\"\"}",
		"{\"title\":\"a\",\"count\":1,\"offset\":-999999999999999999}",
		"{\"title\":\"a\",\"count\":10,\"offset\":-0}",
		"{\"title\":\"a\",\"suspected\":true}",
		"{\"title\":\"a\",\"suspected\":false}",
		"{\"title\":\"a\",\"occurred_at\":\"2026-11-23T08:15:30.123Z\",\"severity\":\"critical\"}",
		"{\"title\":\"a\",\"reporter\":{\"name\":\"b\",\"contact\":\"c\",\"relation\":\"visitor\"}}",
		"{\"title\":\"a\",\"reporter\":null}",
		"{\"title\":\"a\",\"tags\":[\"a\",\"火火火火\"],\"flags\":[\"serious\"],\"people\":[{\"name\":\"b\"},{\"name\":\"c\"}]}",
		"{\"title\":\"a\",\"attributes\":{\"\":{\"a\":1,\"b\":{\"a\":1}}},\"anything\":[{}]}",
		"{\"title\":\"a\",\"anything\":\"\\ud83d\\udd25\"}",
		"{\"title\":\"a\",\"anything\":12345678.5}",
	};

	assert_skimmed(&document_table, documents, COUNT(documents));
}

/* Documents that are invalid, or so rare that skim_decode leaves them to json_decode. */
static void other_documents_are_left_to_the_tree(void **state)
{
	(void)state;
	static const Slice documents[] = {
		SLICE_NONE,
		SLICE(""),
		SLICE(" "),
		SLICE("[]"),
		SLICE("{}"),
		SLICE("{\"title\":null}"),
		SLICE("{\"title\":\"\"}"),
		SLICE("{\"title\":\" \"}"),
		SLICE("{\"title\":\"\xe3\x80\x80\"}"),
		SLICE("{\"title\":\"seven..\"}"),
		SLICE("{\"title\":\"a\"}x"),
		SLICE("{\"title\":\"a\"}\0"),
		SLICE("{\"title\":\"a\"} {}"),
		SLICE("{\"title\":\"a\",}"),
		SLICE("{\"title\":\"a\""),
		SLICE("{\"title\":\"a"),
		SLICE("{\"title\":\"a\\"),
		SLICE("{\"title\" \"a\"}"),
		SLICE("{title:\"a\"}"),
		SLICE("{\"title\":\"a\",\"title\":\"b\"}"),
		SLICE("{\"title\":\"a\",\"note\":null,\"note\":null}"),
		SLICE("{\"title\":\"a\",\"unknown\":1}"),
		SLICE("{\"title\":\"a\",\"\\u006eote\":\"b\"}"),
		SLICE("{\"title\":\"\x01\"}"),
		SLICE("{\"title\":\"\0\"}"),
		SLICE("{\"title\":\"\\u0000\"}"),
		SLICE("{\"title\":\"\\x\"}"),
		SLICE("{\"title\":\"\\u12g4\"}"),
		SLICE("{\"title\":\"\\ud83d\"}"),
		SLICE("{\"title\":\"\\ud83d\\u0041\"}"),
		SLICE("{\"title\":\"\\udd25\"}"),
		SLICE("{\"title\":\"\xff\"}"),
		SLICE("{\"title\":\"\xc0\x80\"}"),
		SLICE("{\"title\":\"\xed\xa0\x80\"}"),
		SLICE("{\"title\":1}"),
		SLICE("{\"title\":\"a\",\"code\":\"a\"}"),
		SLICE("{\"title\":\"a\",\"code\":\"abcde\"}"),
		SLICE("{\"title\":\"a\",\"count\":0}"),
		SLICE("{\"title\":\"a\",\"count\":11}"),
		SLICE("{\"title\":\"a\",\"count\":1.0}"),
		SLICE("{\"title\":\"a\",\"count\":01}"),
		SLICE("{\"title\":\"a\",\"count\":-}"),
		SLICE("{\"title\":\"a\",\"count\":\"1\"}"),
		SLICE("{\"title\":\"a\",\"count\":"),
		SLICE("{\"title\":\"a\",\"offset\":9223372036854775808}"),
		SLICE("{\"title\":\"a\",\"offset\":-9223372036854775808}"),
		SLICE("{\"title\":\"a\",\"suspected\":1}"),
		SLICE("{\"title\":\"a\",\"suspected\":truee}"),
		SLICE("{\"title\":\"a\",\"suspected\":fals}"),
		SLICE("{\"title\":\"a\",\"note\":nul}"),
		SLICE("{\"title\":\"a\",\"occurred_at\":\"yesterday\"}"),
		SLICE("{\"title\":\"a\",\"severity\":\"\"}"),
		SLICE("{\"title\":\"a\",\"severity\":\"lo\"}"),
		SLICE("{\"title\":\"a\",\"reporter\":{}}"),
		SLICE("{\"title\":\"a\",\"reporter\":[]}"),
		SLICE("{\"title\":\"a\",\"reporter\":{\"name\":\"a\",\"name\":\"a\"}}"),
		SLICE("{\"title\":\"a\",\"tags\":[\"a\",\"b\",\"c\",\"d\"]}"),
		SLICE("{\"title\":\"a\",\"tags\":[\"\"]}"),
		SLICE("{\"title\":\"a\",\"tags\":[null]}"),
		SLICE("{\"title\":\"a\",\"tags\":[\"a\",]}"),
		SLICE("{\"title\":\"a\",\"tags\":[\"a\"}"),
		SLICE("{\"title\":\"a\",\"tags\":{}}"),
		SLICE("{\"title\":\"a\",\"flags\":[]}"),
		SLICE("{\"title\":\"a\",\"people\":[{}]}"),
		SLICE("{\"title\":\"a\",\"attributes\":[]}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":1,\"a\":2}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"b\":{\"a\":1,\"a\":2}}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":1e999}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":1.}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":.5}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":+1}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":9999999999999999999}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"a\":\"\\u0000\"}}"),
		SLICE("{\"title\":\"a\",\"attributes\":{\"\xff\":1}}"),
		SLICE("{\"title\":\"a\",\"anything\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}"),
		SLICE("{\"title\":\"a\",\"anything\":[}"),
	};

	for (size_t i = 0; i < COUNT(documents); i++)
		if (skim_agrees_with_tree(&document_table, documents[i]))
			fail_msg("skimmed: %s", documents[i].data ? documents[i].data : "nothing");
}

static void a_truncated_document_is_not_skimmed_and_not_read_past_its_end(void **state)
{
	(void)state;
	static const char whole[] = "{\"title\":\"a\\n火\",\"count\":10,\"suspected\":true,\"reporter\":{\"name\":\"b\"},"
				    "\"flags\":[\"serious\"],\"attributes\":{\"a\":[1.5,null,\"\\ud83d\\udd25\"]},\"anything\":null}";

	for (size_t size = 0; size < sizeof whole - 1; size++) {
		char *copy = malloc(size > 0 ? size : 1); /* exact size, so that a sanitizer detects reads past the end */
		assert_non_null(copy);
		memcpy(copy, whole, size);
		assert_false(skim_agrees_with_tree(&document_table, (Slice){ copy, size }));
		free(copy);
	}
	assert_true(skim_agrees_with_tree(&document_table, SLICE(whole)));
}

static void texts_that_do_not_fit_are_left_to_the_tree(void **state)
{
	(void)state;
	Buffer bytes;
	buffer_init(&bytes, 2 * SKIM_TEXTS_MAX);

	for (int over = 0; over <= 1; over++) {
		buffer_clear(&bytes);
		buffer_text(&bytes, "{\"title\":\"a\",\"note\":\"");
		for (int i = 0; i < SKIM_TEXTS_MAX - 3 + over; i++)
			buffer_byte(&bytes, 'x');
		buffer_text(&bytes, "\"}");
		assert_int_equal(skim_agrees_with_tree(&document_table, buffer_slice(&bytes)), !over);
	}
	buffer_release(&bytes);
}

static void a_decoded_text_may_fill_the_memory(void **state)
{
	(void)state;
	Buffer bytes;
	buffer_init(&bytes, 8 * SKIM_TEXTS_MAX);

	buffer_text(&bytes, "{\"title\":\"a\",\"note\":\"");
	for (int i = 0; i < SKIM_TEXTS_MAX / 3 - 1; i++)
		buffer_text(&bytes, "\\u706b");
	buffer_text(&bytes, "\",\"people\":[{\"name\":\"b\",\"contact\":\"");
	for (int i = 0; i < SKIM_TEXTS_MAX; i++) /* skim_decode checks the members of a list, but does not store them */
		buffer_byte(&bytes, 'x');
	buffer_text(&bytes, "\"}]}");
	assert_true(skim_agrees_with_tree(&document_table, buffer_slice(&bytes)));
	buffer_release(&bytes);
}

static void only_open_levels_count(void **state)
{
	(void)state;
	Buffer bytes;
	buffer_init(&bytes, 8192);

	buffer_text(&bytes, "{\"title\":\"a\",\"people\":[");
	for (int i = 0; i < 4 * SKIM_DEPTH_MAX; i++)
		buffer_format(&bytes, "%s{\"name\":\"b\"}", i > 0 ? "," : "");
	buffer_text(&bytes, "],\"attributes\":{");
	for (int i = 0; i < WALK_MEMBERS_MAX; i++)
		buffer_format(&bytes, "%s\"%d\":[{}]", i > 0 ? "," : "", i);
	buffer_text(&bytes, "},\"anything\":");
	for (int i = 1; i < SKIM_DEPTH_MAX; i++)
		buffer_byte(&bytes, '[');
	for (int i = 1; i < SKIM_DEPTH_MAX; i++)
		buffer_byte(&bytes, ']');
	buffer_byte(&bytes, '}');
	assert_true(skim_agrees_with_tree(&document_table, buffer_slice(&bytes)));
	buffer_release(&bytes);
}

static void objects_with_very_many_members_are_left_to_the_tree(void **state)
{
	(void)state;
	Buffer bytes;
	buffer_init(&bytes, 4096);

	for (int over = 0; over <= 1; over++) {
		buffer_clear(&bytes);
		buffer_text(&bytes, "{\"title\":\"a\",\"attributes\":{\"0\":0");
		for (int i = 1; i < WALK_MEMBERS_MAX + over; i++)
			buffer_format(&bytes, ",\"%d\":%d", i, i);
		buffer_text(&bytes, "}}");
		assert_int_equal(skim_agrees_with_tree(&document_table, buffer_slice(&bytes)), !over);
	}
	buffer_release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(typical_documents_are_skimmed),
		cmocka_unit_test(every_type_is_skimmed),
		cmocka_unit_test(other_documents_are_left_to_the_tree),
		cmocka_unit_test(a_truncated_document_is_not_skimmed_and_not_read_past_its_end),
		cmocka_unit_test(texts_that_do_not_fit_are_left_to_the_tree),
		cmocka_unit_test(a_decoded_text_may_fill_the_memory),
		cmocka_unit_test(only_open_levels_count),
		cmocka_unit_test(objects_with_very_many_members_are_left_to_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
