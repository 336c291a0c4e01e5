/* The faults that a simulation can inject between bus_append and the log of the in-memory bus ("on the wire" in memory_bus.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/memory_bus.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	Bus *bus;
	BusReader *reader;
	Buffer reports; /* offset or "failed" of each done call, in order */
} Edge;

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	edge->bus = memory_bus_new(2, 2);
	edge->bus->operations->reader_open(edge->bus, &edge->reader);
	buffer_init(&edge->reports, 4096);
	*state = edge;
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	buffer_release(&edge->reports);
	edge->bus->operations->reader_close(edge->reader);
	edge->bus->operations->close(edge->bus);
	free(edge);
	return 0;
}

static void report(void *context, bool failed, int64_t offset)
{
	Edge *edge = context;
	buffer_format(&edge->reports, failed ? "failed;" : "%lld;", (long long)offset);
}

static Result append(Edge *edge, unsigned stream, const char *body)
{
	BusRecord record = { .body = slice_of(body) };
	memory_bus_set_stream(edge->bus, stream);
	return bus_append(edge->bus, 1, 0, &record, report, edge);
}

static bool see(void *context, const BusRecord *record)
{
	buffer_append(context, record->body);
	return true;
}

static void assert_log(Edge *edge, const char *bodies, const char *reports)
{
	Buffer seen;
	int64_t next;
	buffer_init(&seen, 4096);
	edge->bus->operations->read(edge->reader, (BusPosition){ 1, 0, edge->bus->operations->first(edge->bus, 1, 0) }, 1000,
				    true, see, &seen, &next);
	assert_string_equal(seen.size == 0 ? "" : seen.data, bodies);
	assert_string_equal(edge->reports.size == 0 ? "" : edge->reports.data, reports);
	buffer_release(&seen);
}

static void without_a_step_no_record_arrives_and_none_is_reported(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	assert_log(edge, "", "");
	assert_int_equal(memory_bus_pending(edge->bus), 1);
	assert_true(memory_bus_step(edge->bus, 0, WIRE_DELIVER));
	assert_log(edge, "a", "0;");
	assert_false(memory_bus_step(edge->bus, 0, WIRE_DELIVER));
}

static void the_driver_interleaves_streams_and_each_keeps_its_order(void **state)
{
	Edge *edge = *state;
	append(edge, 3, "a");
	append(edge, 3, "b");
	append(edge, 7, "x");
	append(edge, 7, "y");
	assert_true(memory_bus_step(edge->bus, 1, WIRE_DELIVER)); /* choice 1 of streams 3 and 7: stream 7 */
	assert_true(memory_bus_step(edge->bus, 2, WIRE_DELIVER)); /* choice 2 modulo 2 streams is 0: stream 3 */
	assert_true(memory_bus_step_stream(edge->bus, 7, WIRE_DELIVER));
	assert_false(memory_bus_step_stream(edge->bus, 7, WIRE_DELIVER));
	assert_true(memory_bus_step(edge->bus, 1, WIRE_DELIVER)); /* only stream 3 is left */
	assert_log(edge, "xayb", "0;1;2;3;");
}

static void a_lost_record_is_reported_and_never_arrives(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	append(edge, 0, "b");
	memory_bus_step(edge->bus, 0, WIRE_LOSE);
	memory_bus_deliver_all(edge->bus);
	assert_log(edge, "b", "failed;0;");
}

static void a_failed_record_that_arrives_does_so_before_its_successors(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	append(edge, 0, "b");
	memory_bus_step(edge->bus, 0, WIRE_FAIL_BUT_ARRIVE);
	assert_log(edge, "", "failed;");
	assert_int_equal(memory_bus_pending(edge->bus), 2);
	memory_bus_step(edge->bus, 0, WIRE_LOSE); /* the second step delivers the record, whatever its mode */
	assert_log(edge, "a", "failed;");
	memory_bus_step(edge->bus, 0, WIRE_DELIVER);
	assert_log(edge, "ab", "failed;1;");
}

static void a_late_report_comes_with_the_next_step_and_may_be_wrong(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	append(edge, 0, "b");
	memory_bus_step(edge->bus, 0, WIRE_DELIVER_LATE_ACK);
	assert_log(edge, "a", "");
	memory_bus_step(edge->bus, 0, WIRE_DELIVER);
	assert_log(edge, "a", "0;");
	memory_bus_step(edge->bus, 0, WIRE_DELIVER_LATE_ACK);
	memory_bus_step(edge->bus, 0, WIRE_LOSE);
	assert_log(edge, "ab", "0;failed;");
}

static void a_doubled_record_arrives_again_later_as_a_straggler(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	append(edge, 0, "b");
	memory_bus_step(edge->bus, 0, WIRE_DOUBLE);
	memory_bus_step(edge->bus, 0, WIRE_DELIVER);
	assert_int_equal(memory_bus_stream_pending(edge->bus, MEMORY_BUS_STRAGGLERS), 1);
	memory_bus_step(edge->bus, 0, WIRE_DOUBLE);
	assert_log(edge, "aba", "0;1;");
	assert_int_equal(memory_bus_pending(edge->bus), 0);
}

static void a_crash_keeps_a_prefix_on_the_wire_and_drops_the_rest(void **state)
{
	Edge *edge = *state;
	append(edge, 0, "a");
	append(edge, 0, "b");
	append(edge, 0, "c");
	append(edge, 1, "x");
	memory_bus_step_stream(edge->bus, 0, WIRE_DELIVER_LATE_ACK);
	memory_bus_drop_stream(edge->bus, 0, 1);
	memory_bus_deliver_all(edge->bus);
	assert_log(edge, "abx", "failed;failed;failed;2;");
}

static void a_full_wire_refuses_appends(void **state)
{
	Edge *edge = *state;
	memory_bus_set_wire_max(edge->bus, 2);
	assert_int_equal(append(edge, 0, "a").kind, ERROR_NONE);
	assert_int_equal(append(edge, 1, "b").kind, ERROR_NONE);
	assert_int_equal(append(edge, 0, "c").kind, ERROR_AGAIN);
	memory_bus_deliver_all(edge->bus);
	assert_int_equal(append(edge, 0, "c").kind, ERROR_NONE);
	memory_bus_deliver_all(edge->bus);
	assert_log(edge, "abc", "0;1;2;");
}

static void trimmed_records_are_no_longer_kept(void **state)
{
	Edge *edge = *state;
	int64_t next;
	BusRecord record;
	append(edge, 0, "a");
	append(edge, 0, "b");
	memory_bus_deliver_all(edge->bus);
	memory_bus_trim(edge->bus, 1, 0, 1);
	assert_int_equal(edge->bus->operations->first(edge->bus, 1, 0), 1);
	assert_int_equal(edge->bus->operations->read(edge->reader, (BusPosition){ 1, 0, 0 }, 9, true, see, NULL, &next).kind,
			 ERROR_NOT_FOUND);
	assert_false(memory_bus_peek(edge->bus, 1, 0, 0, &record));
	assert_true(memory_bus_peek(edge->bus, 1, 0, 1, &record));
	assert_true(slice_is(record.body, "b"));
}

static void a_wake_is_remembered_until_it_is_taken(void **state)
{
	Edge *edge = *state;
	assert_false(memory_bus_take_wake(edge->reader));
	edge->bus->operations->wake(edge->reader);
	assert_true(memory_bus_take_wake(edge->reader));
	assert_false(memory_bus_take_wake(edge->reader));
}

/* Appends records and steps them in all wire modes; then writes the bodies of the resulting log to `out`. */
static void history_make(Edge *edge, Buffer *out)
{
	uint32_t seed = 42;
	int64_t next;
	for (int i = 0; i < 300; i++) {
		char body[2] = { (char)('a' + i % 26), '\0' };
		append(edge, (unsigned)i % 5, body);
		seed = seed * 1664525u + 1013904223u;
		memory_bus_step(edge->bus, seed >> 16, (WireMode)((seed >> 8) % WIRE_MODES));
	}
	memory_bus_deliver_all(edge->bus);
	edge->bus->operations->read(edge->reader, (BusPosition){ 1, 0, 0 }, 10000, true, see, out, &next);
}

static void a_reset_bus_repeats_the_same_history_from_the_same_calls(void **state)
{
	Edge *edge = *state;
	Buffer first, second;
	buffer_init(&first, 65536);
	buffer_init(&second, 65536);
	edge->bus->operations->commit(edge->bus, "group", 0, 1, 5);
	history_make(edge, &first);
	append(edge, 2, "left on the wire");
	memory_bus_reset(edge->bus);
	assert_int_equal(memory_bus_pending(edge->bus), 0);
	assert_int_equal(edge->bus->operations->end(edge->bus, 1, 0), 0);
	assert_int_equal(edge->bus->operations->committed(edge->bus, "group", 0, 1), -1);
	history_make(edge, &second);
	assert_true(first.size > 200);
	assert_string_equal(first.data, second.data);
	buffer_release(&first);
	buffer_release(&second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(without_a_step_no_record_arrives_and_none_is_reported),
		CASE(the_driver_interleaves_streams_and_each_keeps_its_order),
		CASE(a_lost_record_is_reported_and_never_arrives),
		CASE(a_failed_record_that_arrives_does_so_before_its_successors),
		CASE(a_late_report_comes_with_the_next_step_and_may_be_wrong),
		CASE(a_doubled_record_arrives_again_later_as_a_straggler),
		CASE(a_crash_keeps_a_prefix_on_the_wire_and_drops_the_rest),
		CASE(a_full_wire_refuses_appends),
		CASE(trimmed_records_are_no_longer_kept),
		CASE(a_wake_is_remembered_until_it_is_taken),
		CASE(a_reset_bus_repeats_the_same_history_from_the_same_calls),
	};
	return cmocka_run_group_tests_name("memory_bus", tests, NULL, NULL);
}
