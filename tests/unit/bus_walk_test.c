/* bus_walk on a fake bus whose reads may fail or deliver nothing. The fake clock advances only when the code sleeps. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "shared/runtime/bus_walk.h"

#include <string.h>

enum { FAILURES_MAX = 1 << 30 };

/* A partition with the records [first, end). A read delivers at most three. */
static struct {
	int64_t first, end;
	int64_t silent_at;
	int silent, failed; /* the next `failed` reads fail; then `silent` reads from offset silent_at on deliver nothing */
	/* When a read begins at dropped_at, retention has just dropped all records before dropped_to. */
	int64_t dropped_at, dropped_to;
	int64_t visited[32];
	size_t count, most;
	int64_t clock_us;
} bus;

/* ---- the clock: linked instead of shared/io/system/clock.c */

int64_t clock_monotonic_us(void)
{
	return bus.clock_us;
}

void clock_sleep_ms(int64_t wait_ms)
{
	bus.clock_us += wait_ms * 1000;
}

Instant clock_now(void)
{
	return 0;
}

int64_t clock_left_ms(int64_t until_us)
{
	return until_us > bus.clock_us ? (until_us - bus.clock_us) / 1000 : 0;
}

void clock_random(void *out, size_t size)
{
	memset(out, 0, size);
}

/* ---- the bus */

static int64_t bus_first(Bus *base, unsigned topic, unsigned partition)
{
	(void)base, (void)topic, (void)partition;
	return bus.first;
}

static int64_t bus_end(Bus *base, unsigned topic, unsigned partition)
{
	(void)base, (void)topic, (void)partition;
	return bus.end;
}

static Result bus_read(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next)
{
	(void)reader, (void)max;
	assert_true(want_bodies);
	*next = position.from;
	if (bus.dropped_to > bus.first && position.from == bus.dropped_at)
		bus.first = bus.dropped_to;
	if (position.from < bus.first)
		return result_fail(ERROR_NOT_FOUND, "not kept");
	if (bus.failed > 0 && bus.failed--)
		return result_fail(ERROR_AGAIN, "away");
	if (position.from >= bus.silent_at && bus.silent > 0 && bus.silent--)
		return result_ok();
	for (int i = 0; i < 3 && *next < bus.end; i++) {
		BusRecord record = { .offset = (*next)++ };
		if (!visit(context, &record))
			break;
	}
	return result_ok();
}

static bool visit(void *context, const BusRecord *record)
{
	(void)context;
	bus.visited[bus.count++] = record->offset;
	return bus.most == 0 || bus.count < bus.most;
}

static Result walk(TopicId topic)
{
	static const BusOperations operations = { .first = bus_first, .end = bus_end, .read = bus_read };
	Bus base = { .operations = &operations, .partitions = 1 };
	BusReader reader = { .bus = &base };
	bus.count = 0;
	return bus_walk(&reader, &(BusWalk){ .topic = topic, .visit = visit });
}

static void assert_visited(int64_t from, int64_t to)
{
	assert_int_equal(bus.count, to - from);
	for (int64_t i = from; i < to; i++)
		assert_int_equal(bus.visited[i - from], i);
}

/* ---- tests */

static void all_kept_records_are_visited_until_the_visit_ends_it(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	bus.first = 4, bus.end = 14;
	assert_false(result_failed(walk(TOPIC_REPORTS)));
	assert_visited(4, 14);
	bus.most = 5;
	assert_false(result_failed(walk(TOPIC_REPORTS)));
	assert_visited(4, 9);
	bus.first = bus.end;
	assert_false(result_failed(walk(TOPIC_REPORTS)));
	assert_visited(14, 14);
}

static void empty_and_failed_reads_are_repeated(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	bus.end = 10, bus.silent_at = 3, bus.silent = 50, bus.failed = 50;
	assert_false(result_failed(walk(TOPIC_EVENTS)));
	assert_visited(0, 10);
	assert_true(bus.clock_us >= 100 * 100000);
}

static void a_bus_that_stops_delivering_is_an_error_that_names_the_offset(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	bus.end = 10, bus.silent_at = 6, bus.silent = FAILURES_MAX;
	Result result = walk(TOPIC_EVENTS);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, "tocsin.events/0 ends at offset 10, but no record arrived from offset 6 on for 30 seconds"));
	assert_visited(0, 6);
	assert_true(bus.clock_us > 30000000 && bus.clock_us < 31000000);
	memset(&bus, 0, sizeof(bus));
	bus.end = 10, bus.failed = FAILURES_MAX;
	result = walk(TOPIC_EVENTS);
	assert_true(result.kind == ERROR_AGAIN && strstr(result.text, "run this again; away"));
}

static void a_walk_continues_after_dropped_records_of_a_stream_and_not_of_a_ledger(void **state)
{
	(void)state;
	memset(&bus, 0, sizeof(bus));
	bus.end = 12, bus.dropped_at = 3, bus.dropped_to = 8;
	assert_false(result_failed(walk(TOPIC_EVENTS)));
	assert_int_equal(bus.count, 7);
	assert_int_equal(bus.visited[2], 2);
	assert_int_equal(bus.visited[3], 8);
	bus.first = 0;
	assert_int_equal(walk(TOPIC_REPORTS).kind, ERROR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kept_records_are_visited_until_the_visit_ends_it),
		cmocka_unit_test(empty_and_failed_reads_are_repeated),
		cmocka_unit_test(a_bus_that_stops_delivering_is_an_error_that_names_the_offset),
		cmocka_unit_test(a_walk_continues_after_dropped_records_of_a_stream_and_not_of_a_ledger),
	};
	return cmocka_run_group_tests_name("bus_walk", tests, NULL, NULL);
}
