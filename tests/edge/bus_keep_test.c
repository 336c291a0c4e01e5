/* Retention of the embedded bus: what goes, what stays, and for whom. It waits for real seconds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/edge/bus_sqlite.h"
#include "shared/edge/clock.h"
#include "tests/support/scratch.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { EVENTS, LEDGER, TOPIC_COUNT, PARTITIONS = 2 };

static const BusTopic bus_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true, .keep_ms = 1 },
	[LEDGER] = { .short_name = "journal" },
};

/* Kept for long: only the bytes may make it go. */
static const BusTopic byte_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true, .keep_ms = 3600000 },
	[LEDGER] = { .short_name = "journal" },
};

typedef struct {
	Scratch scratch;
	char path[SCRATCH_PATH];
	BusSqliteOptions options;
	Bus *bus;
	_Atomic int done, failed;
	int asked;
} Edge;

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	scratch_path(&edge->scratch, "bus.db", edge->path);
	edge->options = (BusSqliteOptions){ .path = edge->path, .topics = bus_topics, .topic_count = TOPIC_COUNT,
					    .partitions = PARTITIONS };
	*state = edge;
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	if (edge->bus != NULL)
		edge->bus->operations->close(edge->bus);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static void edge_open(Edge *edge)
{
	assert_int_equal(bus_sqlite_open(&edge->options, &edge->bus).kind, ERROR_NONE);
}

static void edge_close(Edge *edge)
{
	edge->bus->operations->close(edge->bus);
	edge->bus = NULL;
}

static void count_done(void *context, bool failed, int64_t offset)
{
	Edge *edge = context;
	(void)offset;
	edge->failed += failed;
	edge->done++;
}

static Result append(Edge *edge, unsigned topic, unsigned partition, Slice body)
{
	BusRecord record = { .body = body };
	Result result = bus_append(edge->bus, topic, partition, &record, count_done, edge);
	edge->asked += !result_failed(result);
	return result;
}

static void settle(Edge *edge)
{
	int64_t until_us = clock_monotonic_us() + 20000000;
	while (edge->done < edge->asked && clock_monotonic_us() < until_us)
		clock_sleep_ms(1);
	assert_int_equal(edge->done, edge->asked);
}

static void append_many(Edge *edge, unsigned topic, unsigned partition, int count, Slice body)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(append(edge, topic, partition, body).kind, ERROR_NONE);
	settle(edge);
}

static bool first_becomes(Edge *edge, unsigned partition, int64_t first)
{
	int64_t until_us = clock_monotonic_us() + 8000000;
	while (edge->bus->operations->first(edge->bus, EVENTS, partition) != first && clock_monotonic_us() < until_us)
		clock_sleep_ms(10);
	return edge->bus->operations->first(edge->bus, EVENTS, partition) == first;
}

static bool ignore_record(void *context, const BusRecord *record)
{
	(void)context, (void)record;
	return true;
}

static void retention_stops_at_the_slowest_group_and_keeps_the_newest_record(void **state)
{
	Edge *edge = *state;
	BusReader *reader;
	int64_t next;
	edge_open(edge);
	edge->bus->operations->commit(edge->bus, "fast", EVENTS, 0, 0);
	edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 0);
	append_many(edge, EVENTS, 0, 10, SLICE("x"));
	append_many(edge, LEDGER, 0, 10, SLICE("x"));
	edge->bus->operations->commit(edge->bus, "fast", EVENTS, 0, 10);
	edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 4);
	assert_true(first_becomes(edge, 0, 4));
	clock_sleep_ms(1500);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 4);
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &reader).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->read(reader, (BusPlace){ EVENTS, 0, 3 }, 9, true, ignore_record, NULL,
						     &next).kind, ERROR_NOT_FOUND);
	assert_int_equal(edge->bus->operations->read(reader, (BusPlace){ EVENTS, 0, 4 }, 9, true, ignore_record, NULL,
						     &next).kind, ERROR_NONE);
	assert_int_equal(next, 10);
	edge->bus->operations->reader_close(reader);
	edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 10);
	assert_true(first_becomes(edge, 0, 9));
	assert_int_equal(edge->bus->operations->first(edge->bus, LEDGER, 0), 0);
	edge_close(edge);
	edge_open(edge);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 9);
	assert_int_equal(edge->bus->operations->end(edge->bus, EVENTS, 0), 10);
}

static void what_no_group_reads_goes_by_time_alone(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	append_many(edge, EVENTS, 1, 5, SLICE("x"));
	assert_true(first_becomes(edge, 1, 4));
}

static void a_stream_beyond_its_bytes_loses_what_was_read_even_under_load(void **state)
{
	Edge *edge = *state;
	static char body[4096];
	Slice slice = { body, sizeof body };
	edge->options.topics = byte_topics;
	edge->options.stream_bytes = 100 * 4096 * PARTITIONS;
	edge_open(edge);
	append_many(edge, EVENTS, 0, 400, slice);
	append_many(edge, EVENTS, 1, 400, slice);
	edge->bus->operations->commit(edge->bus, "reader", EVENTS, 0, 400);
	edge->bus->operations->commit(edge->bus, "reader", EVENTS, 1, 50);
	for (int i = 0; i < 20; i++)
		append_many(edge, LEDGER, 0, 5, SLICE("load"));
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 300);
	assert_true(first_becomes(edge, 1, 50));
	edge_close(edge);
	edge_open(edge); /* the bytes are estimated anew: still beyond, still held by the reader */
	clock_sleep_ms(1500);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 1), 50);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 300);
	edge->bus->operations->commit(edge->bus, "reader", EVENTS, 1, 400);
	assert_true(first_becomes(edge, 1, 300));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(retention_stops_at_the_slowest_group_and_keeps_the_newest_record),
		CASE(what_no_group_reads_goes_by_time_alone),
		CASE(a_stream_beyond_its_bytes_loses_what_was_read_even_under_load),
	};
	return cmocka_run_group_tests_name("bus_keep", tests, NULL, NULL);
}
