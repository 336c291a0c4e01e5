#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/core/judge.h"
#include "services/intake/core/windows.h"
#include "shared/domain/documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795421730000);

static Bits key_of(unsigned number)
{
	char text[16];
	Bits bits;
	snprintf(text, sizeof(text), "%u", number);
	Id id = id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE("key"), slice_of(text));
	assert_true(bits_read(id_slice(&id), &bits));
	return bits;
}

static Bits incident_at(Instant opened_at, unsigned number)
{
	char text[16];
	Bits bits;
	snprintf(text, sizeof(text), "%u", number);
	Id id = id_of_incident(opened_at, number & 4095u, slice_of(text));
	assert_true(bits_read_incident(id_slice(&id), &bits));
	return bits;
}

static WindowRow row_new(unsigned number, int64_t offset)
{
	return (WindowRow){ .key = key_of(number), .incident = incident_at(T0, number), .event = key_of(number + 1000000),
			    .report_version = 1, .event_count = 1, .through = offset + 1, .last_seen_at = T0,
			    .resumed_at = INSTANT_NONE, .window_seconds = 900, .cap_seconds = 86400, .severity = 2 };
}

static void assert_rows_equal(const WindowRow *one, const WindowRow *other)
{
	assert_true(bits_equal(one->key, other->key));
	assert_true(bits_equal(one->incident, other->incident));
	assert_true(bits_equal(one->event, other->event));
	assert_int_equal(one->state, other->state);
	assert_int_equal(one->report_version, other->report_version);
	assert_int_equal(one->event_count, other->event_count);
	assert_int_equal(one->through, other->through);
	assert_int_equal(one->last_seen_at, other->last_seen_at);
	assert_int_equal(one->resumed_at, other->resumed_at);
	assert_int_equal(one->window_seconds, other->window_seconds);
	assert_int_equal(one->cap_seconds, other->cap_seconds);
	assert_int_equal(one->severity, other->severity);
}

/* ---- the table */

static void a_window_gives_the_row_it_was_set_to(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 5);
	row.state = WINDOW_CLOSED;
	row.severity = -1;
	assert_null(windows_find(&windows, row.key));
	windows_put(&windows, &row);
	WindowRow back = window_row(windows_find(&windows, row.key));
	assert_rows_equal(&row, &back);
	assert_null(windows_find(&windows, key_of(2)));
	windows_release(&windows);
}

static void an_older_row_changes_nothing(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow newer = row_new(1, 50), older = row_new(1, 5);
	older.incident = incident_at(T0 - 1000, 9);
	windows_put(&windows, &newer);
	windows_put(&windows, &older);
	WindowRow back = window_row(windows_find(&windows, newer.key));
	assert_rows_equal(&newer, &back);
	windows_release(&windows);
}

static void many_windows_are_added_and_removed(void **state)
{
	(void)state;
	enum { KEYS = 5000, STEPS = 60000 };
	Windows windows;
	static bool there[KEYS];
	uint32_t count = 0;
	memset(there, 0, sizeof(there));
	srand(5);
	windows_init(&windows);
	for (int step = 0; step < STEPS; step++) {
		unsigned number = (unsigned)rand() % KEYS;
		WindowRow row = row_new(number, step);
		assert_int_equal(windows_find(&windows, row.key) != NULL, there[number]);
		if (rand() % 2) {
			windows_put(&windows, &row);
			count += !there[number];
			there[number] = true;
		} else {
			windows_remove(&windows, row.key, row.incident);
			count -= there[number];
			there[number] = false;
		}
		assert_int_equal(windows.count, count);
	}
	for (unsigned number = 0; number < KEYS; number++)
		assert_int_equal(windows_find(&windows, key_of(number)) != NULL, there[number]);
	assert_true(windows.capacity <= KEYS + 1024); /* free entries are reused */
	windows_release(&windows);
}

static void a_window_is_removed_only_for_its_incident_and_not_while_pending(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 0);
	windows_put(&windows, &row);
	windows_remove(&windows, row.key, incident_at(T0, 2));
	assert_non_null(windows_find(&windows, row.key));
	windows_count(&windows, windows_find(&windows, row.key), row.event, 1, T0);
	windows_remove(&windows, row.key, row.incident);
	assert_non_null(windows_find(&windows, row.key));
	windows_release(&windows);
}

/* ---- the position up to which all events are reported */

static void the_first_unreported_event_holds_the_position_back(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	for (unsigned number = 0; number < 3; number++) {
		WindowRow row = row_new(number, number);
		windows_put(&windows, &row);
	}
	assert_int_equal(windows_reflected(&windows, 99), 99);
	for (unsigned i = 0; i < 9; i++)
		windows_count(&windows, windows_find(&windows, key_of(i % 3)), key_of(7), 10 + i, T0 + i);
	assert_int_equal(windows_reflected(&windows, 99), 10);
	WindowRow middle = window_row(windows_find(&windows, key_of(1)));
	windows_put(&windows, &middle);
	assert_int_equal(windows_reflected(&windows, 99), 10);
	WindowRow first = window_row(windows_find(&windows, key_of(0)));
	assert_int_equal(first.event_count, 4);
	assert_int_equal(first.through, 17);
	windows_put(&windows, &first);
	assert_int_equal(windows_reflected(&windows, 99), 12);
	WindowRow last = window_row(windows_find(&windows, key_of(2)));
	windows_put(&windows, &last);
	assert_int_equal(windows_reflected(&windows, 99), 99);
	windows_release(&windows);
}

/* ---- coalescing */

static bool report_if_due(Windows *windows, Instant now)
{
	Window *window = windows_due(windows, now);
	if (!window)
		return false;
	WindowRow row = window_row(window);
	row.report_version++;
	windows_put(windows, &row);
	return true;
}

static void a_single_repeat_is_reported_within_a_second(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 0);
	windows_put(&windows, &row);
	assert_int_equal(windows_wake_at(&windows, T0), INSTANT_NONE);
	windows_count(&windows, windows_find(&windows, row.key), row.event, 1, T0);
	assert_int_equal(windows_wake_at(&windows, T0), T0);
	assert_false(report_if_due(&windows, T0));
	assert_int_equal(windows_wake_at(&windows, T0), T0 + CHECK_MS);
	assert_false(report_if_due(&windows, T0 + CHECK_MS));
	assert_int_equal(windows_wake_at(&windows, T0 + CHECK_MS), T0 + 1000);
	assert_false(report_if_due(&windows, T0 + 999));
	assert_true(report_if_due(&windows, T0 + 1000));
	assert_int_equal(windows_wake_at(&windows, T0 + 1000), INSTANT_NONE);
	/* If the last report was long ago, a repeat is reported at the next check. */
	windows_count(&windows, windows_find(&windows, row.key), row.event, 2, T0);
	assert_true(report_if_due(&windows, T0 + 9000));
	windows_release(&windows);
}

/*
 * One key repeats every 10 ms for two minutes, and is checked every 10 ms. Counts the reports, then measures the time from the last
 * repeat to the report of the last count.
 */
static void intervals_grow_while_a_key_repeats_and_the_last_count_is_reported_when_it_is_quiet(void **state)
{
	(void)state;
	Windows windows;
	int reports = 0;
	Instant now = T0;
	int64_t offset = 1;
	windows_init(&windows);
	WindowRow row = row_new(1, 0);
	windows_put(&windows, &row);
	for (; now < T0 + 120000; now += 10) {
		windows_count(&windows, windows_find(&windows, row.key), row.event, offset++, now);
		reports += report_if_due(&windows, now);
		assert_false(report_if_due(&windows, now));
	}
	assert_in_range(reports, 6, 9); /* after about 1, 2, 4, 8, 16, 30, 30, 30 s */
	Instant last = now - 10;
	while (window_is_pending(windows_find(&windows, row.key))) {
		now = windows_wake_at(&windows, now);
		report_if_due(&windows, now);
	}
	assert_true(now - last <= 1000);
	assert_int_equal(window_row(windows_find(&windows, row.key)).event_count, offset);
	windows_release(&windows);
}

static void a_clock_that_is_set_back_delays_no_report(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 0);
	windows_put(&windows, &row);
	windows_count(&windows, windows_find(&windows, row.key), row.event, 1, T0);
	assert_false(report_if_due(&windows, T0));
	assert_true(windows_wake_at(&windows, T0 - 3600000) <= T0 - 3600000 + 1000);
	assert_true(report_if_due(&windows, T0 - 3600000));
	windows_release(&windows);
}

static void every_pending_window_is_reported_once(void **state)
{
	(void)state;
	enum { KEYS = 3000 };
	Windows windows;
	int reports = 0;
	windows_init(&windows);
	for (unsigned number = 0; number < KEYS; number++) {
		WindowRow row = row_new(number, number);
		windows_put(&windows, &row);
		windows_count(&windows, windows_find(&windows, row.key), row.event, KEYS + number, T0);
	}
	assert_false(report_if_due(&windows, T0));
	while (report_if_due(&windows, T0 + 1000))
		reports++;
	assert_int_equal(reports, KEYS);
	assert_int_equal(windows_reflected(&windows, 77), 77);
	windows_release(&windows);
}

/* ---- verdicts */

static void verdicts_follow_window_cap_severity_and_offset(void **state)
{
	(void)state;
	static const struct {
		int64_t offset, after_ms;
		int severity;
		EventVerdict verdict;
	} cases[] = {
		{ 5, 0, 2, JUDGE_SKIP },            { 10, 0, 2, JUDGE_COUNT },         { 10, 0, 4, JUDGE_RAISE },
		{ 10, 900000, 2, JUDGE_COUNT },     { 10, 900001, 2, JUDGE_OPEN },     { 10, 900001, 4, JUDGE_OPEN },
		{ 9, 900001, 2, JUDGE_SKIP },       { 10, -5000, 1, JUDGE_COUNT },     { 10, -90000000, 2, JUDGE_COUNT },
		{ 10, 0, -1, JUDGE_COUNT },
	};
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 9);
	windows_put(&windows, &row);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Arrival arrival = { .key = row.key, .offset = cases[i].offset, .received_at = T0 + cases[i].after_ms,
				    .severity = cases[i].severity };
		assert_int_equal(judge(windows_find(&windows, row.key), &arrival), cases[i].verdict);
	}
	assert_int_equal(judge(NULL, &(Arrival){ .offset = 1 }), JUDGE_OPEN);
	windows_release(&windows);
}

static void the_cap_ends_a_window_that_keeps_repeating(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 9);
	row.last_seen_at = T0 + 86400000;
	windows_put(&windows, &row);
	Arrival arrival = { .key = row.key, .offset = 10, .received_at = T0 + 86400000, .severity = 2 };
	assert_int_equal(judge(windows_find(&windows, row.key), &arrival), JUDGE_COUNT);
	arrival.received_at++;
	assert_int_equal(judge(windows_find(&windows, row.key), &arrival), JUDGE_OPEN);
	windows_release(&windows);
}

static void after_a_closing_the_next_event_opens_and_earlier_ones_are_skipped(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 9);
	const Window *window;
	windows_put(&windows, &row);
	window = windows_find(&windows, row.key);
	assert_true(judge_closing(window, row.incident, 10));
	assert_false(judge_closing(window, row.incident, 9));
	assert_false(judge_closing(window, incident_at(T0, 2), 10));
	assert_false(judge_closing(NULL, row.incident, 10));
	row.state = WINDOW_CLOSED;
	row.through = 21;
	windows_put(&windows, &row);
	assert_false(judge_closing(window, row.incident, 30));
	assert_int_equal(judge(window, &(Arrival){ .offset = 20, .received_at = T0, .severity = 2 }), JUDGE_SKIP);
	assert_int_equal(judge(window, &(Arrival){ .offset = 21, .received_at = T0, .severity = 2 }), JUDGE_OPEN);
	windows_release(&windows);
}

static void a_reopening_takes_only_a_free_key(void **state)
{
	(void)state;
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 9);
	assert_true(judge_reopening(NULL, 10, T0));
	windows_put(&windows, &row);
	const Window *window = windows_find(&windows, row.key);
	assert_false(judge_reopening(window, 10, T0));
	assert_false(judge_reopening(window, 10, T0 + 900000));
	assert_true(judge_reopening(window, 10, T0 + 900001)); /* the window of the other incident with this key is over */
	/* Offset 9 is not after the row's `through`, so the reopening was decided before a restart. */
	assert_false(judge_reopening(window, 9, T0 + 900001));
	row.state = WINDOW_CLOSED;
	windows_put(&windows, &row);
	assert_true(judge_reopening(window, 10, T0));
	windows_release(&windows);
}

static void window_and_cap_are_measured_from_the_reopening(void **state)
{
	(void)state;
	const Instant reopened_at = T0 + INT64_C(5) * 86400000;
	static const struct {
		int64_t after_ms, seen_after_ms;
		EventVerdict verdict;
	} cases[] = {
		{ 0, INT64_MIN, JUDGE_COUNT },      { 900000, INT64_MIN, JUDGE_COUNT },       { 900001, INT64_MIN, JUDGE_OPEN },
		{ 900001, 800000, JUDGE_COUNT },    { 86400000, 86300000, JUDGE_COUNT },      { 86400001, 86300000, JUDGE_OPEN },
	};
	Windows windows;
	windows_init(&windows);
	WindowRow row = row_new(1, 9);
	row.state = WINDOW_CLOSED;
	windows_put(&windows, &row);
	row.state = WINDOW_OPEN;
	row.resumed_at = reopened_at;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		row.last_seen_at = cases[i].seen_after_ms == INT64_MIN ? T0 : reopened_at + cases[i].seen_after_ms;
		windows_put(&windows, &row);
		Arrival arrival = { .key = row.key, .offset = 10, .received_at = reopened_at + cases[i].after_ms, .severity = 2 };
		assert_int_equal(judge(windows_find(&windows, row.key), &arrival), cases[i].verdict);
	}
	windows_release(&windows);
}

/* ---- rows as headers and bodies */

static void a_row_survives_its_header(void **state)
{
	(void)state;
	WindowRow row = row_new(1, 9), back;
	WindowPrune prune = { .reflected = 4, .horizon = INSTANT_NONE }, prune_back;
	Id incident = bits_write("inc_", row.incident);
	for (int i = 0; i < 2; i++) {
		Buffer text;
		buffer_init(&text, 1024);
		window_header_write(&text, &row, &prune);
		assert_false(result_failed(window_header_read(buffer_slice(&text), id_slice(&incident), &back, &prune_back)));
		assert_rows_equal(&row, &back);
		assert_int_equal(prune.reflected, prune_back.reflected);
		assert_int_equal(prune.horizon, prune_back.horizon);
		buffer_release(&text);
		row.state = WINDOW_CLOSED;
		row.severity = -1;
		row.resumed_at = T0 + 7;
		prune.horizon = T0;
	}
}

static void an_incomplete_header_is_refused(void **state)
{
	(void)state;
	WindowRow row = row_new(1, 9), back;
	WindowPrune prune = { .reflected = 4, .horizon = INSTANT_NONE };
	Id incident = bits_write("inc_", row.incident);
	Buffer text;
	buffer_init(&text, 1024);
	window_header_write(&text, &row, &prune);
	for (size_t cut = 0; cut < text.size; cut++) {
		const char *semicolon = memchr(text.data + cut, ';', text.size - cut);
		if (!semicolon)
			break;
		Slice rest = { semicolon + 1, (size_t)(text.data + text.size - semicolon - 1) };
		assert_true(result_failed(window_header_read(rest, id_slice(&incident), &back, &prune)));
		cut = (size_t)(semicolon - text.data);
	}
	assert_true(result_failed(window_header_read(buffer_slice(&text), SLICE("inc_x"), &back, &prune)));
	assert_true(result_failed(window_header_read(SLICE_NONE, id_slice(&incident), &back, &prune)));
	buffer_release(&text);
}

static void a_body_embeds_the_document_byte_for_byte(void **state)
{
	(void)state;
	WindowRow row = row_new(1, 9);
	Slice document = SLICE("{ \"title\" : \"a\\u0020b\",\n\"n\":1.50 }");
	Buffer text;
	buffer_init(&text, 4096);
	report_body_write(&text, &(ReportBody){ .row = &row, .form = "event", .number = "INC-2026-0000-0000",
						.received_at = T0, .clock_offset_ms = -120, .document = document });
	assert_non_null(memmem(text.data, text.size, document.data, document.size));
	json_t *tree = NULL;
	ReportRecord record;
	assert_false(result_failed(json_read(buffer_slice(&text), &tree)));
	FieldErrors errors FIELD_ERRORS_AUTO = { 0 };
	assert_true(json_decode(&report_record_table, tree, true, &record, &errors));
	assert_int_equal(json_object_size(tree), report_record_table.count);
	assert_string_equal(record.form, "event");
	assert_string_equal(record.number, "INC-2026-0000-0000");
	assert_int_equal(record.event_count, 1);
	assert_int_equal(record.through, 10);
	assert_int_equal(record.clock_offset_ms, -120);
	assert_int_equal(record.window_seconds, 900);
	assert_int_equal(record.received_at, T0);
	assert_string_equal(json_string_value(json_object_get(record.document, "title")), "a b");
	json_decref(tree);
	buffer_release(&text);
}

static void a_window_ends_by_window_cap_or_closing(void **state)
{
	(void)state;
	WindowRow row = row_new(1, 9);
	assert_int_equal(window_ends_at(&row, 7), T0 + 900000);
	row.last_seen_at = T0 + 86400000;
	assert_int_equal(window_ends_at(&row, 7), T0 + 86400000);
	row.cap_seconds = row.window_seconds = INT64_MAX;
	assert_true(window_ends_at(&row, 7) == INT64_MAX);
	row.cap_seconds = 86400;
	row.window_seconds = 900;
	row.resumed_at = T0 + 90000000; /* window and cap begin at the reopening */
	assert_int_equal(window_ends_at(&row, 7), T0 + 90900000);
	row.state = WINDOW_CLOSED;
	assert_int_equal(window_ends_at(&row, 7), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_gives_the_row_it_was_set_to),
		cmocka_unit_test(an_older_row_changes_nothing),
		cmocka_unit_test(many_windows_are_added_and_removed),
		cmocka_unit_test(a_window_is_removed_only_for_its_incident_and_not_while_pending),
		cmocka_unit_test(the_first_unreported_event_holds_the_position_back),
		cmocka_unit_test(a_single_repeat_is_reported_within_a_second),
		cmocka_unit_test(intervals_grow_while_a_key_repeats_and_the_last_count_is_reported_when_it_is_quiet),
		cmocka_unit_test(a_clock_that_is_set_back_delays_no_report),
		cmocka_unit_test(every_pending_window_is_reported_once),
		cmocka_unit_test(verdicts_follow_window_cap_severity_and_offset),
		cmocka_unit_test(the_cap_ends_a_window_that_keeps_repeating),
		cmocka_unit_test(after_a_closing_the_next_event_opens_and_earlier_ones_are_skipped),
		cmocka_unit_test(a_reopening_takes_only_a_free_key),
		cmocka_unit_test(window_and_cap_are_measured_from_the_reopening),
		cmocka_unit_test(a_row_survives_its_header),
		cmocka_unit_test(an_incomplete_header_is_refused),
		cmocka_unit_test(a_body_embeds_the_document_byte_for_byte),
		cmocka_unit_test(a_window_ends_by_window_cap_or_closing),
	};
	return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
