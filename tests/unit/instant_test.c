#include "shared/base/instant.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void rfc_3339_times_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		Instant instant;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1970-01-01T00:00:00.001Z", 1 },
		{ "2026-11-23T08:15:30.123Z", 1795421730123 },
		{ "2026-11-23t08:15:30.123z", 1795421730123 },
		{ "2026-11-23T08:15:30Z", 1795421730000 },
		{ "2026-11-23T08:15:30.1Z", 1795421730100 },
		{ "2026-11-23T08:15:30.12Z", 1795421730120 },
		{ "2026-11-23T08:15:30.1239999999999999999999Z", 1795421730123 },
		{ "2026-11-23T08:15:30.000000001Z", 1795421730000 },
		{ "2026-11-23T16:15:30.250+08:00", 1795421730250 },
		{ "2026-11-23T04:45:30-03:30", 1795421730000 },
		{ "2026-11-23T08:15:30-00:00", 1795421730000 },
		{ "2026-11-23T08:15:30+00:00", 1795421730000 },
		{ "2026-01-01T00:30:00+01:00", 1767223800000 },
		{ "2026-12-31T23:59:00-23:59", 1798847880000 },
		{ "2000-02-29T00:00:00Z", 951782400000 },
		{ "2024-02-29T12:00:00Z", 1709208000000 },
		{ "2072-02-29T00:00:00Z", 3223929600000 },
		{ "2100-03-01T00:00:00Z", 4107542400000 },
		{ "9999-12-31T23:59:59.999Z", INSTANT_MAX },
		{ "1969-12-31T23:30:00-01:00", 1800000 },
		{ "1970-01-01T01:00:00+01:00", 0 },
		/* leap seconds */
		{ "2016-12-31T23:59:60Z", 1483228799999 },
		{ "2016-12-31T23:59:60.700Z", 1483228799999 },
		{ "1990-12-31T15:59:60-08:00", 662687999999 },
		{ "2017-01-01T07:59:60+08:00", 1483228799999 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		Instant instant = -1;
		Result result = instant_parse(slice_of(cases[i].text), &instant);
		if (result_failed(result) || instant != cases[i].instant)
			fail_msg("%s: %lld %s", cases[i].text, (long long)instant, result.text);
	}
}

static void anything_else_is_refused_and_the_output_untouched(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"now",
		"1795421730",
		"2026-11-23",
		"2026-11-23T08:15:30",
		"2026-11-23T08:15Z",
		"2026-11-23 08:15:30Z",
		"2026-11-23T08:15:30.Z",
		"2026-11-23T08:15:30,5Z",
		"2026-11-23T08:15:30.5",
		"2026-11-23T08:15:30 Z",
		"2026-11-23T08:15:30Z ",
		" 2026-11-23T08:15:30Z",
		"2026-11-23T08:15:30ZZ",
		"2026-11-23T08:15:30+0800",
		"2026-11-23T08:15:30+08",
		"2026-11-23T08:15:30+8:00",
		"2026-11-23T08:15:30+24:00",
		"2026-11-23T08:15:30+08:60",
		"2026-11-23T08:15:30+08:00Z",
		"2026-1-23T08:15:30Z",
		"2026/11/23T08:15:30Z",
		"20261123T081530Z",
		"+2026-11-23T08:15:30Z",
		"12026-11-23T08:15:30Z",
		"2026-00-23T08:15:30Z",
		"2026-13-23T08:15:30Z",
		"2026-11-00T08:15:30Z",
		"2026-11-31T08:15:30Z",
		"2026-02-29T08:15:30Z",
		"2100-02-29T00:00:00Z",
		"2024-02-30T00:00:00Z",
		"2026-11-23T24:00:00Z",
		"2026-11-23T08:60:00Z",
		"2026-11-23T08:15:61Z",
		"2026-11-23T08:15:60Z",
		"2016-12-31T23:59:60+08:00",
		"1969-12-31T23:59:59Z",
		"1970-01-01T00:59:59+01:00",
		"0001-01-01T00:00:00Z",
		"9999-12-31T23:59:59-00:01",
		"２026-11-23T08:15:30Z",
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		Instant instant = 4711;
		Result result = instant_parse(slice_of(cases[i]), &instant);
		if (result.kind != ERROR_INPUT || instant != 4711 || strncmp(result.text, "must ", 5) != 0)
			fail_msg("%s gave %lld, \"%s\"", cases[i], (long long)instant, result.text);
	}
}

static void a_time_ends_where_its_slice_ends(void **state)
{
	(void)state;
	Instant instant = 0;
	assert_false(result_failed(instant_parse((Slice){ "2026-11-23T08:15:30Zjunk", 20 }, &instant)));
	assert_int_equal(instant, 1795421730000);
	assert_true(result_failed(instant_parse(SLICE("2026-11-23T08:15:30Z\0"), &instant)));
	assert_true(result_failed(instant_parse(SLICE_NONE, &instant)));
}

static void instants_are_written_in_utc_with_milliseconds(void **state)
{
	(void)state;
	static const struct {
		Instant instant;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1795421730123, "2026-11-23T08:15:30.123Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 951868799999, "2000-02-29T23:59:59.999Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ INSTANT_MAX, "9999-12-31T23:59:59.999Z" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[INSTANT_TEXT];
		instant_format(cases[i].instant, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void every_day_is_written_and_read_back(void **state)
{
	(void)state;
	/* A little less than a day, so that hours, minutes and milliseconds change with every step. */
	const Instant step = 86400000 - 7919;

	for (Instant instant = 0; instant <= INSTANT_MAX; instant += step) {
		char text[INSTANT_TEXT];
		Instant again = -1;
		instant_format(instant, text);
		Result result = instant_parse(slice_of(text), &again);
		if (result_failed(result) || again != instant)
			fail_msg("%s is not %lld: %s", text, (long long)instant, result.text);
	}
}

static void the_year_turns_at_midnight_utc(void **state)
{
	(void)state;
	Instant turn = 0;
	assert_false(result_failed(instant_parse(SLICE("2027-01-01T00:00:00Z"), &turn)));
	assert_int_equal(instant_year(turn - 1), 2026);
	assert_int_equal(instant_year(turn), 2027);
	assert_int_equal(instant_year(0), 1970);
	assert_int_equal(instant_year(INSTANT_MAX), 9999);
}

static void mail_dates_have_the_right_day_of_the_week(void **state)
{
	(void)state;
	static const struct {
		Instant instant;
		const char *text;
	} cases[] = {
		{ 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
		{ 1795421730123, "Mon, 23 Nov 2026 08:15:30 +0000" },
		{ 951782400000, "Tue, 29 Feb 2000 00:00:00 +0000" },
		{ 1483228799999, "Sat, 31 Dec 2016 23:59:59 +0000" },
		{ INSTANT_MAX, "Fri, 31 Dec 9999 23:59:59 +0000" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[INSTANT_MAIL_TEXT];
		assert_ptr_equal(instant_format_mail(cases[i].instant, text), text);
		assert_string_equal(text, cases[i].text);
	}
}

static void an_impossible_time_of_a_writer_becomes_the_time_of_the_reader(void **state)
{
	(void)state;
	static const int64_t day_ms = 86400000;
	static const Instant now = 1795421730123;
	static const struct {
		int64_t given, bounded; /* after now */
	} cases[] = {
		{ 0, 0 },
		{ 300000, 300000 },
		{ 300001, 0 },
		{ 400 * day_ms, 0 },
		{ -30 * day_ms, -30 * day_ms },
		{ -35 * day_ms, -35 * day_ms },
		{ -35 * day_ms - 1, 0 },
		{ -now, 0 },
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(instant_bounded(now + cases[i].given, now), now + cases[i].bounded);
	assert_int_equal(instant_bounded(INSTANT_NONE, now), now);
	assert_int_equal(instant_bounded(INSTANT_MAX, now), now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_3339_times_are_read),
		cmocka_unit_test(anything_else_is_refused_and_the_output_untouched),
		cmocka_unit_test(a_time_ends_where_its_slice_ends),
		cmocka_unit_test(instants_are_written_in_utc_with_milliseconds),
		cmocka_unit_test(every_day_is_written_and_read_back),
		cmocka_unit_test(the_year_turns_at_midnight_utc),
		cmocka_unit_test(an_impossible_time_of_a_writer_becomes_the_time_of_the_reader),
		cmocka_unit_test(mail_dates_have_the_right_day_of_the_week),
	};

	return cmocka_run_group_tests_name("instant", tests, NULL, NULL);
}
