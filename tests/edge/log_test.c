#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/instant.h"
#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "tests/support/caught.h"

#include <jansson.h>
#include <string.h>

static void a_line_is_one_json_object_with_time_level_event_and_service(void **state)
{
	(void)state;
	Instant before = clock_now(), at;
	catch_begin();
	log_line(LOG_WARN, "intake", "record_dropped", L_STRING("topic", "events"), L_INTEGER("offset", -7));
	const char *caught = catch_end();
	json_t *line = json_loads(caught, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "record_dropped");
	assert_string_equal(json_string_value(json_object_get(line, "service")), "intake");
	assert_string_equal(json_string_value(json_object_get(line, "topic")), "events");
	assert_int_equal(json_integer_value(json_object_get(line, "offset")), -7);
	assert_int_equal(instant_parse(slice_of(json_string_value(json_object_get(line, "ts"))), &at).kind, ERROR_NONE);
	assert_true(at >= before && at <= clock_now());
	assert_int_equal(json_object_size(line), 6);
	assert_ptr_equal(strchr(caught, '\n') + 1, caught + strlen(caught));
	json_decref(line);
}

static void lines_of_a_program_name_its_service(void **state)
{
	(void)state;
	catch_begin();
	log_line(LOG_WARN, "tocsin-intake", "stopping", L_INTEGER("signal", 15));
	log_line(LOG_WARN, "tocsin", "stopping", L_INTEGER("signal", 15));
	const char *caught = catch_end();
	assert_non_null(strstr(caught, "\"service\":\"intake\""));
	assert_non_null(strstr(caught, "\"service\":\"tocsin\""));
}

static void values_are_escaped_and_cut_so_that_a_line_stays_valid(void **state)
{
	(void)state;
	char tail[1026], control[512];
	memset(tail, 'x', 511);
	memset(control, '\x01', sizeof control);
	for (size_t i = 511; i < 1026; i += 3)
		memcpy(tail + i, "事", i + 3 <= 1026 ? 3 : 1026 - i);
	catch_begin();
	log_line(LOG_ERROR, "s", "e", L_STRING("quotes", "a\"b\\c\nd"), L_TEXT("long", ((Slice){ tail, 1024 })),
		 L_STRING("latin", "caf\xe9"), L_TEXT("none", SLICE_NONE), L_TEXT("control", ((Slice){ control, 512 })));
	const char *caught = catch_end();
	json_t *line = json_loads(caught, 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "quotes")), "a\"b\\c\nd");
	assert_int_equal(strlen(json_string_value(json_object_get(line, "long"))), 511); /* a character is not split */
	assert_string_equal(json_string_value(json_object_get(line, "latin")), "caf?");
	assert_string_equal(json_string_value(json_object_get(line, "none")), "");
	assert_int_equal(json_string_length(json_object_get(line, "control")), 512);
	json_decref(line);
}

static void a_limited_line_is_due_once_per_pause(void **state)
{
	(void)state;
	_Atomic int64_t quiet_until_us = 0;
	assert_true(log_due(&quiet_until_us, 3600000000));
	assert_false(log_due(&quiet_until_us, 3600000000));
	quiet_until_us = clock_monotonic_us();
	assert_true(log_due(&quiet_until_us, 3600000000));
	assert_false(log_due(&quiet_until_us, 3600000000));
}

static void lines_below_the_level_are_not_written(void **state)
{
	(void)state;
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_ERROR);
	catch_begin();
	log_line(LOG_WARN, "s", "no", L_INTEGER("n", 1));
	log_line(LOG_ERROR, "s", "yes", L_INTEGER("n", 1));
	const char *caught = catch_end();
	log_set_level(LOG_INFO);
	assert_null(strstr(caught, "\"no\""));
	assert_non_null(strstr(caught, "\"yes\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_json_object_with_time_level_event_and_service),
		cmocka_unit_test(lines_of_a_program_name_its_service),
		cmocka_unit_test(values_are_escaped_and_cut_so_that_a_line_stays_valid),
		cmocka_unit_test(a_limited_line_is_due_once_per_pause),
		cmocka_unit_test(lines_below_the_level_are_not_written),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
