/* Conformance of every bus to shared/io/bus.h: SQLite, in memory, and Kafka with librdkafka's mock cluster and with a real one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/edge/bus_edges.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading into a text ----------------------------------------------------------------------------------------- */

typedef struct {
	Buffer text; /* "OFFSET=BODY;" for each record */
	size_t stop_after, visits;
} Seen;

static bool see(void *context, const BusRecord *record)
{
	Seen *seen = context;
	buffer_format(&seen->text, "%lld=%.*s;", (long long)record->offset, (int)record->body.size,
		      record->body.size == 0 ? "" : record->body.data);
	return ++seen->visits != seen->stop_after;
}

/*
 * Reads until the end, until `max` records, or until the visit stops. Repeats the read, because one read may deliver fewer records
 * (librdkafka's mock cluster delivers one batch at a time).
 */
static Result read_into(Edge *edge, BusPosition position, size_t max, bool want_bodies, Seen *seen, int64_t *next)
{
	const BusOperations *operations = edge->bus->operations;
	Result result = operations->read(edge->reader, position, max, want_bodies, see, seen, next);
	while (!result_failed(result) && *next > position.from && seen->visits < max && seen->visits != seen->stop_after &&
	       *next < operations->end(edge->bus, position.topic, position.partition)) {
		position.from = *next;
		result = operations->read(edge->reader, position, max - seen->visits, want_bodies, see, seen, next);
	}
	return result;
}

static void assert_reads(Edge *edge, BusPosition position, size_t max, const char *expected, int64_t expected_next)
{
	Seen seen = { 0 };
	int64_t next = -1;
	buffer_init(&seen.text, 65536);
	assert_int_equal(read_into(edge, position, max, true, &seen, &next).kind, ERROR_NONE);
	assert_string_equal(seen.text.size == 0 ? "" : seen.text.data, expected);
	assert_int_equal(next, expected_next);
	buffer_release(&seen.text);
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

static void a_new_partition_is_empty_and_begins_at_0(void **state)
{
	Edge *edge = edge_of(state);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 1), 0);
	assert_int_equal(edge->bus->operations->end(edge->bus, EVENTS, 1), 0);
	assert_reads(edge, (BusPosition){ EVENTS, 1, 0 }, 10, "", 0);
}

static void records_are_read_in_the_order_they_were_appended(void **state)
{
	Edge *edge = edge_of(state);
	edge_append_text(edge, LEDGER, 0, "a");
	edge_append_text(edge, LEDGER, 0, "b");
	edge_append_text(edge, LEDGER, 0, "c");
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ LEDGER, 0, 0 }, 10, "0=a;1=b;2=c;", 3);
	assert_int_equal(edge->last_offset, 2);
	assert_int_equal(edge->failed, 0);
}

static void each_partition_of_each_topic_has_its_own_offsets(void **state)
{
	Edge *edge = edge_of(state);
	edge_append_text(edge, LEDGER, 0, "a");
	edge_append_text(edge, LEDGER, 2, "b");
	edge_append_text(edge, EVENTS, 2, "c");
	edge_append_text(edge, LEDGER, 2, "d");
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ LEDGER, 0, 0 }, 10, "0=a;", 1);
	assert_reads(edge, (BusPosition){ LEDGER, 1, 0 }, 10, "", 0);
	assert_reads(edge, (BusPosition){ LEDGER, 2, 0 }, 10, "0=b;1=d;", 2);
	assert_reads(edge, (BusPosition){ EVENTS, 2, 0 }, 10, "0=c;", 1);
}

static void a_read_begins_at_its_offset_and_ends_at_its_bound(void **state)
{
	Edge *edge = edge_of(state);
	for (int i = 0; i < 5; i++)
		edge_append_text(edge, EVENTS, 0, "x");
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ EVENTS, 0, 1 }, 2, "1=x;2=x;", 3);
	assert_reads(edge, (BusPosition){ EVENTS, 0, 3 }, 100, "3=x;4=x;", 5);
	assert_reads(edge, (BusPosition){ EVENTS, 0, 5 }, 100, "", 5);
	assert_reads(edge, (BusPosition){ EVENTS, 0, 0 }, 0, "", 0);
}

static void a_visit_that_returns_false_ends_the_read_after_its_record(void **state)
{
	Edge *edge = edge_of(state);
	Seen seen = { .stop_after = 2 };
	int64_t next = -1;
	buffer_init(&seen.text, 1024);
	for (int i = 0; i < 4; i++)
		edge_append_text(edge, EVENTS, 0, "x");
	edge_settle(edge);
	assert_int_equal(read_into(edge, (BusPosition){ EVENTS, 0, 0 }, 10, true, &seen, &next).kind, ERROR_NONE);
	assert_int_equal(seen.visits, 2);
	assert_int_equal(next, 2);
	buffer_release(&seen.text);
}

static void bodies_are_omitted_when_they_are_not_wanted(void **state)
{
	Edge *edge = edge_of(state);
	Seen seen = { 0 };
	int64_t next = -1;
	buffer_init(&seen.text, 1024);
	edge_append_text(edge, EVENTS, 0, "body");
	edge_settle(edge);
	assert_int_equal(read_into(edge, (BusPosition){ EVENTS, 0, 0 }, 10, false, &seen, &next).kind, ERROR_NONE);
	assert_string_equal(seen.text.data, "0=;");
	assert_int_equal(next, 1);
	buffer_release(&seen.text);
}

/* The record that check_parts expects. */
typedef struct {
	BusRecord expected;
	bool seen;
} Parts;

static bool check_parts(void *context, const BusRecord *record)
{
	Parts *parts = context;
	assert_true(slice_equals(record->key, parts->expected.key));
	assert_true(slice_equals(record->headers, parts->expected.headers));
	assert_true(slice_equals(record->body, parts->expected.body));
	parts->seen = true;
	return true;
}

static void key_headers_and_body_are_read_back_byte_by_byte(void **state)
{
	Edge *edge = edge_of(state);
	Parts parts = { .expected = { .key = { "k\0\xff", 3 }, .headers = { "a\0b\0", 4 }, .body = { "\0\x80z", 3 } } };
	Parts empty = { 0 };
	int64_t next;
	assert_int_equal(bus_append(edge->bus, EVENTS, 0, &parts.expected, edge_count_done, edge).kind, ERROR_NONE);
	assert_int_equal(bus_append(edge->bus, EVENTS, 1, &empty.expected, edge_count_done, edge).kind, ERROR_NONE);
	edge->asked += 2;
	edge_settle(edge);
	edge->bus->operations->read(edge->reader, (BusPosition){ EVENTS, 0, 0 }, 1, true, check_parts, &parts, &next);
	edge->bus->operations->read(edge->reader, (BusPosition){ EVENTS, 1, 0 }, 1, true, check_parts, &empty, &next);
	assert_true(parts.seen && empty.seen);
}

static void the_bytes_of_an_append_may_be_overwritten_at_once(void **state)
{
	Edge *edge = edge_of(state);
	char body[] = "first";
	edge_append_text(edge, EVENTS, 0, body);
	memcpy(body, "XXXXX", 5);
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ EVENTS, 0, 0 }, 1, "0=first;", 1);
}

static void a_record_of_the_largest_size_is_accepted_and_one_byte_more_is_refused(void **state)
{
	Edge *edge = edge_of(state);
	char *bytes = malloc(BUS_RECORD_MAX);
	Parts parts = { .expected = { .key = { "k", 1 }, .body = { bytes, BUS_RECORD_MAX - 1 } } };
	int64_t next;
	memset(bytes, 'x', BUS_RECORD_MAX);
	assert_int_equal(edge_append(edge, EVENTS, 0, "kk", SLICE_NONE, parts.expected.body).kind, ERROR_INPUT);
	assert_int_equal(edge_append(edge, EVENTS, 0, "k", SLICE_NONE, parts.expected.body).kind, ERROR_NONE);
	edge_settle(edge);
	edge->bus->operations->read(edge->reader, (BusPosition){ EVENTS, 0, 0 }, 1, true, check_parts, &parts, &next);
	assert_true(parts.seen);
	free(bytes);
}

static void positions_are_kept_by_group_topic_and_partition(void **state)
{
	Edge *edge = edge_of(state);
	const BusOperations *operations = edge->bus->operations;
	assert_int_equal(operations->committed(edge->bus, "intake", EVENTS, 0), -1);
	assert_int_equal(operations->commit(edge->bus, "intake", EVENTS, 0, 7).kind, ERROR_NONE);
	assert_int_equal(operations->commit(edge->bus, "intake", EVENTS, 2, 0).kind, ERROR_NONE);
	assert_int_equal(operations->commit(edge->bus, "audit", EVENTS, 0, 3).kind, ERROR_NONE);
	assert_int_equal(operations->commit(edge->bus, "intake", EVENTS, 0, 9).kind, ERROR_NONE);
	assert_int_equal(operations->committed(edge->bus, "intake", EVENTS, 0), 9);
	assert_int_equal(operations->committed(edge->bus, "intake", EVENTS, 1), -1);
	assert_int_equal(operations->committed(edge->bus, "intake", EVENTS, 2), 0);
	assert_int_equal(operations->committed(edge->bus, "audit", EVENTS, 0), 3);
	assert_int_equal(operations->committed(edge->bus, "audit", LEDGER, 0), -1);
}

static void a_group_whose_name_is_too_long_is_refused(void **state)
{
	Edge *edge = edge_of(state);
	char name[80];
	memset(name, 'g', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	assert_int_equal(edge->bus->operations->commit(edge->bus, name, EVENTS, 0, 1).kind, ERROR_INPUT);
	assert_int_equal(edge->bus->operations->committed(edge->bus, name, EVENTS, 0), -1);
}

static void two_readers_do_not_disturb_each_other(void **state)
{
	Edge *edge = edge_of(state);
	BusReader *own = edge->reader, *other;
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &other).kind, ERROR_NONE);
	edge_append_text(edge, LEDGER, 0, "a");
	edge_append_text(edge, LEDGER, 0, "b");
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ LEDGER, 0, 0 }, 1, "0=a;", 1);
	edge->reader = other;
	assert_reads(edge, (BusPosition){ LEDGER, 0, 0 }, 9, "0=a;1=b;", 2);
	edge->reader = own;
	assert_reads(edge, (BusPosition){ LEDGER, 0, 1 }, 9, "1=b;", 2);
	edge->bus->operations->reader_close(other);
}

static void a_wait_for_an_existing_record_ends_at_once(void **state)
{
	Edge *edge = edge_of(state);
	BusPosition positions[] = { { LEDGER, 1, 0 }, { EVENTS, 0, 0 } };
	edge_append_text(edge, EVENTS, 0, "x");
	edge_settle(edge);
	int64_t begun_us = clock_monotonic_us();
	edge->bus->operations->wait(edge->reader, positions, 2, 60000);
	assert_true(clock_monotonic_us() - begun_us < 30000000);
}

static void a_wake_before_the_wait_is_remembered(void **state)
{
	Edge *edge = edge_of(state);
	BusPosition position = { EVENTS, 0, 0 };
	int64_t begun_us = clock_monotonic_us();
	edge->bus->operations->wake(edge->reader);
	edge->bus->operations->wait(edge->reader, &position, 1, 60000);
	assert_true(clock_monotonic_us() - begun_us < 30000000);
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static void a_header_is_found_by_its_whole_name(void **state)
{
	(void)state;
	Buffer headers;
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_type", SLICE("tocsin.event"));
	header_add(&headers, "ce_id", SLICE("evt_1"));
	header_add_integer(&headers, "ce_seq", -12);
	header_add(&headers, "empty", SLICE_NONE);
	assert_true(slice_is(header_get(buffer_slice(&headers), "ce_id"), "evt_1"));
	assert_true(slice_is(header_get(buffer_slice(&headers), "ce_seq"), "-12"));
	assert_true(slice_is(header_get(buffer_slice(&headers), "ce_type"), "tocsin.event"));
	assert_null(header_get(buffer_slice(&headers), "ce").data);
	assert_null(header_get(buffer_slice(&headers), "evt_1").data);
	assert_non_null(header_get(buffer_slice(&headers), "empty").data);
	assert_int_equal(header_get(buffer_slice(&headers), "empty").size, 0);
	buffer_release(&headers);
}

static void a_header_value_ends_at_a_nul_and_bad_packing_finds_nothing(void **state)
{
	(void)state;
	Buffer headers;
	buffer_init(&headers, 1024);
	header_add(&headers, "one", (Slice){ "ab\0two\0evil", 11 });
	assert_true(slice_is(header_get(buffer_slice(&headers), "one"), "ab"));
	assert_null(header_get(buffer_slice(&headers), "two").data);
	assert_null(header_get((Slice){ "name", 4 }, "name").data);
	assert_null(header_get((Slice){ "name\0", 5 }, "name").data);
	assert_null(header_get(SLICE_NONE, "name").data);
	buffer_release(&headers);
}

/* ---- SQLite alone: reopening ------------------------------------------------------------------------------------- */

static void records_and_positions_survive_closing_and_reopening(void **state)
{
	Edge *edge = *state;
	edge_append_text(edge, LEDGER, 1, "a");
	edge_append_text(edge, LEDGER, 1, "b");
	edge_settle(edge);
	edge->bus->operations->commit(edge->bus, "audit", LEDGER, 1, 2);
	edge->bus->operations->reader_close(edge->reader);
	edge->bus->operations->close(edge->bus);
	assert_int_equal(edge_open_sqlite(edge).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &edge->reader).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 1), 2);
	assert_int_equal(edge->bus->operations->committed(edge->bus, "audit", LEDGER, 1), 2);
	edge_append_text(edge, LEDGER, 1, "c");
	edge_settle(edge);
	assert_reads(edge, (BusPosition){ LEDGER, 1, 0 }, 10, "0=a;1=b;2=c;", 3);
}

#define CASES(bus)                                                                    \
	X(bus, a_new_partition_is_empty_and_begins_at_0)                              \
	X(bus, records_are_read_in_the_order_they_were_appended)                      \
	X(bus, each_partition_of_each_topic_has_its_own_offsets)                      \
	X(bus, a_read_begins_at_its_offset_and_ends_at_its_bound)                     \
	X(bus, a_visit_that_returns_false_ends_the_read_after_its_record)             \
	X(bus, key_headers_and_body_are_read_back_byte_by_byte)                       \
	X(bus, the_bytes_of_an_append_may_be_overwritten_at_once)                     \
	X(bus, a_record_of_the_largest_size_is_accepted_and_one_byte_more_is_refused) \
	X(bus, two_readers_do_not_disturb_each_other)                                 \
	X(bus, a_wait_for_an_existing_record_ends_at_once)                            \
	X(bus, a_wake_before_the_wait_is_remembered)

/* Cases that do not apply to Kafka, because it always sends bodies, and a process on Kafka has only one group. */
#define LOCAL_CASES(bus)                                        \
	X(bus, bodies_are_omitted_when_they_are_not_wanted)     \
	X(bus, positions_are_kept_by_group_topic_and_partition) \
	X(bus, a_group_whose_name_is_too_long_is_refused)

#define X(bus, name) { #name " [" #bus "]", name, edge_##bus##_setup, edge_teardown, NULL },

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* The rows come from macros, without commas. */
		/* clang-format off */
		CASES(sqlite)
		CASES(memory)
		CASES(mock)
		CASES(real)
		LOCAL_CASES(sqlite)
		LOCAL_CASES(memory)
		X(sqlite, records_and_positions_survive_closing_and_reopening)
		cmocka_unit_test(a_header_is_found_by_its_whole_name),
		cmocka_unit_test(a_header_value_ends_at_a_nul_and_bad_packing_finds_nothing),
		/* clang-format on */
	};
	return cmocka_run_group_tests_name("bus", tests, NULL, NULL);
}
