/*
 * The rules of bus.h for a reader that is new to a partition. Its process knows where the log ended when it opened the bus, but
 * does not know of records that other processes append later. Runs on every bus; on SQLite the only process knows all records.
 */
#include "tests/edge/bus_edges.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECORDS = 600, READ_MAX = 7, MORE_MS = 30000 };

/* Appends records whose bodies are the numbers from `from` to `until` - 1. */
static void append_numbers(Edge *edge, unsigned topic, unsigned partition, int from, int until)
{
	for (int i = from; i < until; i++) {
		char text[16];
		snprintf(text, sizeof text, "%d", i);
		edge_append_text(edge, topic, partition, text);
	}
	edge_settle(edge);
}

typedef struct {
	int64_t next;
	size_t visits, stop_after;
} InOrder;

static bool see_in_order(void *context, const BusRecord *record)
{
	InOrder *order = context;
	assert_int_equal(record->offset, order->next);
	assert_int_equal(strtol(record->body.data, NULL, 10), record->offset);
	order->next++;
	return ++order->visits != order->stop_after;
}

/*
 * Reads until the offset `until`, whatever end the handle knows. Asserts that every read succeeds and delivers records in order.
 * Returns the number of reads that delivered nothing.
 */
static unsigned read_until(Bus *bus, BusReader *reader, BusPosition position, int64_t until, bool waiting)
{
	InOrder order = { .next = position.from };
	unsigned empty = 0;
	int64_t until_us = clock_monotonic_us() + MORE_MS * INT64_C(1000), next, end = 0;
	while (order.next < until && clock_monotonic_us() < until_us) {
		position.from = order.next;
		Result result = bus->operations->read(reader, position, READ_MAX, true, see_in_order, &order, &next);
		assert_int_equal(result.kind, ERROR_NONE);
		assert_int_equal(next, order.next);
		assert_true(bus->operations->end(bus, position.topic, position.partition) >= end);
		end = bus->operations->end(bus, position.topic, position.partition);
		assert_in_range(end, order.next, until);
		empty += next == position.from;
		position.from = next;
		if (next < until && waiting)
			bus->operations->wait(reader, &position, 1, 50);
		else if (next == position.from && next < until)
			clock_sleep_ms(1);
	}
	assert_int_equal(order.next, until);
	return empty;
}

static void a_newcomer_reads_all_records_without_knowing_the_end(void **state)
{
	Edge *edge = edge_of(state);
	Bus *bus;
	BusReader *reader;
	edge_newcomer(edge, &bus, &reader);
	append_numbers(edge, EVENTS, 1, 0, RECORDS);
	if (bus != edge->bus)
		assert_int_equal(bus->operations->end(bus, EVENTS, 1), 0);
	unsigned empty = read_until(bus, reader, (BusPosition){ EVENTS, 1, 0 }, RECORDS, false);
	if (edge->memory) /* on Kafka the number of empty reads depends on the duration of a fetch */
		assert_true(empty > 0);
	edge_newcomer_end(edge, bus, reader);
}

static void an_empty_read_is_not_the_end(void **state)
{
	Edge *edge = edge_of(state);
	Bus *bus;
	BusReader *reader;
	InOrder order = { .next = 2 };
	int64_t next;
	append_numbers(edge, EVENTS, 0, 0, 2);
	edge_newcomer(edge, &bus, &reader);
	assert_int_equal(bus->operations->end(bus, EVENTS, 0), 2);
	append_numbers(edge, EVENTS, 0, 2, 4);
	BusPosition position = { EVENTS, 0, 2 };
	for (int i = 0; i < 3; i++) { /* each read succeeds, possibly empty, and repeats no record */
		position.from = order.next;
		assert_int_equal(bus->operations->read(reader, position, 1, true, see_in_order, &order, &next).kind, ERROR_NONE);
		assert_int_equal(next, order.next);
	}
	read_until(bus, reader, (BusPosition){ EVENTS, 0, order.next }, 4, false);
	edge_newcomer_end(edge, bus, reader);
}

static void waiting_shows_a_newcomer_that_there_is_more(void **state)
{
	Edge *edge = edge_of(state);
	Bus *bus;
	BusReader *reader;
	edge_newcomer(edge, &bus, &reader);
	append_numbers(edge, LEDGER, 2, 0, 3);
	BusPosition position = { LEDGER, 2, 0 };
	int64_t until_us = clock_monotonic_us() + MORE_MS * INT64_C(1000);
	while (bus->operations->end(bus, LEDGER, 2) == 0 && clock_monotonic_us() < until_us)
		bus->operations->wait(reader, &position, 1, 1000);
	assert_in_range(bus->operations->end(bus, LEDGER, 2), 1, 3);
	read_until(bus, reader, position, 3, true);
	edge_newcomer_end(edge, bus, reader);
}

static void records_before_the_known_end_are_waited_for(void **state)
{
	Edge *edge = edge_of(state);
	Bus *bus;
	BusReader *reader;
	append_numbers(edge, EVENTS, 2, 0, RECORDS);
	edge_newcomer(edge, &bus, &reader);
	assert_int_equal(bus->operations->end(bus, EVENTS, 2), RECORDS);
	for (int64_t at = 0, next; at < RECORDS; at = next) {
		InOrder order = { .next = at };
		BusPosition position = { EVENTS, 2, at };
		assert_int_equal(bus->operations->read(reader, position, 1000, true, see_in_order, &order, &next).kind, ERROR_NONE);
		assert_true(next > at);
	}
	edge_newcomer_end(edge, bus, reader);
}

static void a_newcomer_from_before_a_trim_learns_where_the_log_begins(void **state)
{
	Edge *edge = edge_of(state);
	Bus *bus;
	BusReader *reader;
	InOrder order = { 0 };
	int64_t next;
	append_numbers(edge, LEDGER, 0, 0, 10);
	edge_newcomer(edge, &bus, &reader);
	if (edge->memory)
		memory_bus_trim(edge->bus, LEDGER, 0, 6);
	else
		assert_int_equal(edge->bus->operations->trim(edge->bus, LEDGER, 0, 6).kind, ERROR_NONE);
	if (bus != edge->bus)
		assert_int_equal(bus->operations->first(bus, LEDGER, 0), 0);
	Result result = bus->operations->read(reader, (BusPosition){ LEDGER, 0, 0 }, 10, true, see_in_order, &order, &next);
	assert_int_equal(result.kind, ERROR_NOT_FOUND);
	assert_int_equal(next, 0);
	assert_int_equal(bus->operations->first(bus, LEDGER, 0), 6);
	assert_int_equal(order.visits, 0);
	read_until(bus, reader, (BusPosition){ LEDGER, 0, 6 }, 10, false);
	edge_newcomer_end(edge, bus, reader);
}

#define CASES(bus)                                                   \
	X(bus, a_newcomer_reads_all_records_without_knowing_the_end) \
	X(bus, an_empty_read_is_not_the_end)                         \
	X(bus, waiting_shows_a_newcomer_that_there_is_more)          \
	X(bus, records_before_the_known_end_are_waited_for)

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
		/* librdkafka's mock cannot trim. */
		X(sqlite, a_newcomer_from_before_a_trim_learns_where_the_log_begins)
		X(memory, a_newcomer_from_before_a_trim_learns_where_the_log_begins)
		X(real, a_newcomer_from_before_a_trim_learns_where_the_log_begins)
		/* clang-format on */
	};
	return cmocka_run_group_tests_name("bus-newcomer", tests, NULL, NULL);
}
