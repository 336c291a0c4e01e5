#include "shared/base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void slices_compare_by_their_bytes(void **state)
{
	(void)state;
	assert_true(slice_equals(SLICE("ab\0c"), SLICE("ab\0c")));
	assert_false(slice_equals(SLICE("ab\0c"), SLICE("ab\0d")));
	assert_false(slice_equals(SLICE("ab"), SLICE("abc")));
	assert_true(slice_equals(SLICE_NONE, SLICE("")));
	assert_true(slice_is(SLICE("abc"), "abc"));
	assert_false(slice_is(SLICE("abc\0"), "abc"));
	assert_true(slice_is(SLICE_NONE, NULL));
	assert_int_equal(slice_of(NULL).size, 0);
	assert_int_equal(slice_of("abc").size, 3);
}

static void a_slice_starts_with_its_prefixes_only(void **state)
{
	(void)state;
	assert_true(slice_starts_with(SLICE("evt_1"), SLICE("evt_")));
	assert_true(slice_starts_with(SLICE("evt_"), SLICE("evt_")));
	assert_true(slice_starts_with(SLICE("evt_"), SLICE_NONE));
	assert_true(slice_starts_with(SLICE_NONE, SLICE_NONE));
	assert_false(slice_starts_with(SLICE("evt"), SLICE("evt_")));
	assert_false(slice_starts_with(SLICE("inc_1"), SLICE("evt_")));
}

static void white_space_is_blank(void **state)
{
	(void)state;
	const char *const blank[] = { "", " ", " \t\r\n\v\f", "\xc2\xa0", "\xe3\x80\x80 \xe3\x80\x80" };
	const char *const seen[] = { "x", " x", "\xe3\x80", "\xe3\x80\x81", "0" };

	for (size_t i = 0; i < sizeof blank / sizeof blank[0]; i++)
		assert_true(slice_is_blank(slice_of(blank[i])));
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++)
		assert_false(slice_is_blank(slice_of(seen[i])));
}

static void words_that_do_not_fit_end_with_an_ellipsis(void **state)
{
	(void)state;
	WordList list = { .text = "" };

	word_list_add_all(&list, (const char *const[]){ "one", "two", NULL });
	assert_string_equal(list.text, "one, two");
	for (int i = 0; i < 40; i++)
		word_list_add(&list, "another");
	assert_true(strlen(list.text) < sizeof list.text && strstr(list.text, "another, …"));
}

static void a_copy_has_a_nul_and_its_own_memory(void **state)
{
	(void)state;
	char *copy = slice_copy((Slice){ "abcdef", 3 });
	assert_string_equal(copy, "abc");
	free(copy);
	copy = slice_copy(SLICE_NONE);
	assert_string_equal(copy, "");
	free(copy);
}

static void integers_are_whole_decimal_slices(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		int64_t value;
	} cases[] = {
		{ "0", true, 0 },
		{ "-0", true, 0 },
		{ "7", true, 7 },
		{ "007", true, 7 },
		{ "-12", true, -12 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "99999999999999999999999", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "--1", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1 ", false, 0 },
		{ "1.0", false, 0 },
		{ "1e3", false, 0 },
		{ "0x1f", false, 0 },
		{ "١", false, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t value = 4711;
		bool good = slice_integer(slice_of(cases[i].text), &value);
		if (good != cases[i].good || value != (good ? cases[i].value : 4711))
			fail_msg("%s gave %d and %lld", cases[i].text, good, (long long)value);
	}
}

static void an_integer_ends_where_its_slice_ends(void **state)
{
	(void)state;
	int64_t value = 0;
	assert_true(slice_integer((Slice){ "12345", 2 }, &value));
	assert_int_equal(value, 12);
	assert_false(slice_integer(SLICE("12\0"), &value));
}

static void a_buffer_begins_empty_with_a_nul(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 10);
	assert_int_equal(buffer.size, 0);
	assert_string_equal(buffer.data, "");
	assert_false(buffer.overflowed);
	buffer_release(&buffer);
	assert_string_equal(buffer.data, "");
	buffer_release(&buffer);
}

static void a_buffer_holds_exactly_its_bound(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 5);
	buffer_text(&buffer, "abc");
	buffer_byte(&buffer, 'd');
	buffer_append(&buffer, SLICE_NONE);
	buffer_format(&buffer, "%d", 5);
	assert_false(buffer.overflowed);
	assert_string_equal(buffer.data, "abcd5");
	assert_true(slice_is(buffer_slice(&buffer), "abcd5"));
	buffer_byte(&buffer, 'x');
	assert_true(buffer.overflowed);
	assert_string_equal(buffer.data, "abcd5");
	buffer_release(&buffer);
}

static void an_overflowed_buffer_accepts_no_more_bytes(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 5);
	buffer_text(&buffer, "abc");
	buffer_text(&buffer, "def");
	buffer_text(&buffer, "g");
	buffer_format(&buffer, "%s", "h");
	assert_true(buffer.overflowed);
	assert_string_equal(buffer.data, "abc");
	buffer_clear(&buffer);
	assert_false(buffer.overflowed);
	assert_string_equal(buffer.data, "");
	buffer_format(&buffer, "%05d", 42);
	assert_string_equal(buffer.data, "00042");
	assert_false(buffer.overflowed);
	buffer_release(&buffer);
}

static void a_buffer_without_room_refuses_the_first_byte(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 0);
	buffer_text(&buffer, "");
	assert_false(buffer.overflowed);
	buffer_byte(&buffer, 'a');
	assert_true(buffer.overflowed);
	assert_string_equal(buffer.data, "");
	buffer_clear(&buffer);
	buffer_release(&buffer);
}

static void a_buffer_grows_in_many_steps(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 100000);
	for (int i = 0; i < 10000; i++)
		buffer_format(&buffer, "%04d", i);
	assert_int_equal(buffer.size, 40000);
	assert_memory_equal(buffer.data + 4 * 1234, "1234", 4);
	assert_int_equal(strlen(buffer.data), 40000);
	buffer_cut(&buffer, 8);
	assert_string_equal(buffer.data, "00000001");
	buffer_release(&buffer);
}

static void json_escapes_quotes_backslashes_and_control_bytes(void **state)
{
	(void)state;
	static const struct {
		Slice text;
		const char *escaped;
	} cases[] = {
		{ { "", 0 }, "" },
		{ { "plain", 5 }, "plain" },
		{ { "\"", 1 }, "\\\"" },
		{ { "a\\b", 3 }, "a\\\\b" },
		{ { "\b\f\n\r\t", 5 }, "\\b\\f\\n\\r\\t" },
		{ { "\0\x01\x1f", 3 }, "\\u0000\\u0001\\u001f" },
		{ { "\x7f/火", 5 }, "\x7f/火" },
		{ { "x\ny", 3 }, "x\\ny" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		Buffer buffer;
		buffer_init(&buffer, 64);
		buffer_json_escape(&buffer, cases[i].text);
		assert_string_equal(buffer.data, cases[i].escaped);
		buffer_release(&buffer);
	}
}

static void json_escape_is_all_or_nothing(void **state)
{
	(void)state;
	Buffer buffer;
	buffer_init(&buffer, 10);
	buffer_text(&buffer, "12345");
	buffer_json_escape(&buffer, SLICE("ab\x01"));
	assert_true(buffer.overflowed);
	assert_string_equal(buffer.data, "12345");
	buffer_release(&buffer);
}

static void utf8_is_what_rfc_3629_allows(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "", true },
		{ "plain text of more than eight bytes", true },
		{ "\x7f", true },
		{ "\x80", false },
		{ "\xbf", false },
		{ "\xc0\x80", false },
		{ "\xc1\xbf", false },
		{ "\xc2\x80", true },
		{ "\xdf\xbf", true },
		{ "\xc2", false },
		{ "\xc2\x41", false },
		{ "\xe0\x9f\xbf", false },
		{ "\xe0\xa0\x80", true },
		{ "\xed\x9f\xbf", true },
		{ "\xed\xa0\x80", false },
		{ "\xed\xbf\xbf", false },
		{ "\xee\x80\x80", true },
		{ "\xef\xbf\xbf", true },
		{ "\xe4\xb8", false },
		{ "\xf0\x8f\xbf\xbf", false },
		{ "\xf0\x90\x80\x80", true },
		{ "\xf4\x8f\xbf\xbf", true },
		{ "\xf4\x90\x80\x80", false },
		{ "\xf5\x80\x80\x80", false },
		{ "\xf0\x90\x80", false },
		{ "\xff", false },
		{ "信息安全事件 at 08:15 🔥", true },
		{ "12345678\xe4\xb8", false },
		{ "1234567\xe4\xb8\xad" "8", true },
		{ "12345678\x80" "1234567", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (text_is_utf8(slice_of(cases[i].text)) != cases[i].good)
			fail_msg("case %zu is reported as %s", i, cases[i].good ? "malformed" : "well-formed");
}

static void characters_are_code_points(void **state)
{
	(void)state;
	assert_int_equal(text_characters(SLICE_NONE), 0);
	assert_int_equal(text_characters(SLICE("abc")), 3);
	assert_int_equal(text_characters(SLICE("火警")), 2);
	assert_int_equal(text_characters(SLICE("é🔥x")), 3);
}

static void text_is_cut_between_characters(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t size, whole;
	} cases[] = {
		{ "abc", 0, 0 }, { "abc", 2, 2 },   { "火", 3, 3 },   { "火", 2, 0 },   { "火", 1, 0 },
		{ "a火", 3, 1 }, { "a🔥b", 4, 1 }, { "a🔥b", 5, 5 }, { "a🔥b", 6, 6 }, { "é", 1, 0 },
		{ "\x80\x80\x80\x80\x80", 5, 5 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(text_cut_size(cases[i].text, cases[i].size), cases[i].whole);
}

static void a_text_is_copied_when_it_fits_with_its_nul(void **state)
{
	(void)state;
	char out[4] = "zzz";
	assert_true(text_copy(SLICE("abc"), out, sizeof out));
	assert_string_equal(out, "abc");
	assert_false(text_copy(SLICE("abcd"), out, sizeof out));
	assert_string_equal(out, "");
	assert_true(text_copy(SLICE_NONE, out, 1));
	assert_string_equal(out, "");
}

static void hexadecimal_digits_are_read_and_nothing_else(void **state)
{
	(void)state;
	static const char digits[] = "0123456789abcdef", capitals[] = "0123456789ABCDEF";
	int found = 0;

	for (int i = 0; i < 16; i++) {
		assert_int_equal(hex_digit(digits[i]), i);
		assert_int_equal(hex_digit(capitals[i]), i);
	}
	for (int byte = 0; byte < 256; byte++)
		found += hex_digit((char)byte) >= 0;
	assert_int_equal(found, 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hexadecimal_digits_are_read_and_nothing_else),
		cmocka_unit_test(slices_compare_by_their_bytes),
		cmocka_unit_test(a_slice_starts_with_its_prefixes_only),
		cmocka_unit_test(white_space_is_blank),
		cmocka_unit_test(words_that_do_not_fit_end_with_an_ellipsis),
		cmocka_unit_test(a_copy_has_a_nul_and_its_own_memory),
		cmocka_unit_test(integers_are_whole_decimal_slices),
		cmocka_unit_test(an_integer_ends_where_its_slice_ends),
		cmocka_unit_test(a_buffer_begins_empty_with_a_nul),
		cmocka_unit_test(a_buffer_holds_exactly_its_bound),
		cmocka_unit_test(an_overflowed_buffer_accepts_no_more_bytes),
		cmocka_unit_test(a_buffer_without_room_refuses_the_first_byte),
		cmocka_unit_test(a_buffer_grows_in_many_steps),
		cmocka_unit_test(json_escapes_quotes_backslashes_and_control_bytes),
		cmocka_unit_test(json_escape_is_all_or_nothing),
		cmocka_unit_test(utf8_is_what_rfc_3629_allows),
		cmocka_unit_test(characters_are_code_points),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(a_text_is_copied_when_it_fits_with_its_nul),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
