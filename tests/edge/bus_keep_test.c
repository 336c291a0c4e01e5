/* Retention and trimming of the embedded bus. The tests wait for real seconds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/sqlite/bus.h"
#include "shared/io/system/clock.h"
#include "tests/support/scratch.h"
#include "tests/support/succeeds.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVENTS, LEDGER, TOPIC_COUNT, PARTITIONS = 2 };

static const BusTopic bus_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true, .retention_ms = 1 },
	[LEDGER] = { .short_name = "journal" },
};

/* A long retention_ms: only the byte limit deletes records. */
static const BusTopic byte_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true, .retention_ms = 3600000 },
	[LEDGER] = { .short_name = "journal" },
};

/*
 * This file replaces the fdatasync that SQLite calls. The replacement sleeps sync_ms before each sync. It decrements a positive
 * syncs_left, and kills the process when syncs_left becomes 0.
 */
static _Atomic int sync_ms, syncs_left;

int fdatasync(int fd)
{
	if (syncs_left > 0 && --syncs_left == 0)
		kill(getpid(), SIGKILL);
	if (sync_ms > 0)
		clock_sleep_ms(sync_ms);
	return (int)syscall(SYS_fdatasync, fd);
}

typedef struct {
	Scratch scratch;
	char path[SCRATCH_PATH];
	BusSqliteOptions options;
	Bus *bus;
	_Atomic int done, failed;
	int accepted;
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
	edge->accepted += !result_failed(result);
	return result;
}

static void settle(Edge *edge)
{
	int64_t until_us = clock_monotonic_us() + 20000000;
	while (edge->done < edge->accepted && clock_monotonic_us() < until_us)
		clock_sleep_ms(1);
	assert_int_equal(edge->done, edge->accepted);
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
	succeeds(edge->bus->operations->commit(edge->bus, "fast", EVENTS, 0, 0));
	succeeds(edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 0));
	append_many(edge, EVENTS, 0, 10, SLICE("x"));
	append_many(edge, LEDGER, 0, 10, SLICE("x"));
	succeeds(edge->bus->operations->commit(edge->bus, "fast", EVENTS, 0, 10));
	succeeds(edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 4));
	assert_true(first_becomes(edge, 0, 4));
	append_many(edge, EVENTS, 1, 5, SLICE("x"));
	/* Retention visits partition 0 before partition 1, so partition 0 has been visited again. */
	assert_true(first_becomes(edge, 1, 4));
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 4);
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &reader).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->read(reader, (BusPosition){ EVENTS, 0, 3 }, 9, true, ignore_record, NULL,
						     &next).kind, ERROR_NOT_FOUND);
	assert_int_equal(edge->bus->operations->read(reader, (BusPosition){ EVENTS, 0, 4 }, 9, true, ignore_record, NULL,
						     &next).kind, ERROR_NONE);
	assert_int_equal(next, 10);
	edge->bus->operations->reader_close(reader);
	succeeds(edge->bus->operations->commit(edge->bus, "slow", EVENTS, 0, 10));
	assert_true(first_becomes(edge, 0, 9));
	assert_int_equal(edge->bus->operations->first(edge->bus, LEDGER, 0), 0);
	edge_close(edge);
	edge_open(edge);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 9);
	assert_int_equal(edge->bus->operations->end(edge->bus, EVENTS, 0), 10);
}

static void records_that_no_group_reads_are_limited_by_time_alone(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	append_many(edge, EVENTS, 1, 5, SLICE("x"));
	assert_true(first_becomes(edge, 1, 4));
}

static void a_stream_above_its_bytes_loses_read_records_even_under_load(void **state)
{
	Edge *edge = *state;
	static char body[4096];
	Slice slice = { body, sizeof body };
	edge->options.topics = byte_topics;
	edge->options.stream_bytes = 100 * 4096 * PARTITIONS;
	edge_open(edge);
	append_many(edge, EVENTS, 0, 400, slice);
	append_many(edge, EVENTS, 1, 400, slice);
	succeeds(edge->bus->operations->commit(edge->bus, "reader", EVENTS, 0, 400));
	succeeds(edge->bus->operations->commit(edge->bus, "reader", EVENTS, 1, 50));
	for (int i = 0; i < 20; i++)
		append_many(edge, LEDGER, 0, 5, SLICE("load"));
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 300);
	assert_true(first_becomes(edge, 1, 50));
	edge_close(edge);
	/* edge_open estimates the bytes again. They exceed the limit, but the reader's position still prevents deletion. */
	edge_open(edge);
	for (int i = 0; i < 20; i++) /* each batch is followed by a step of retention */
		append_many(edge, LEDGER, 0, 5, SLICE("load"));
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 1), 50);
	assert_int_equal(edge->bus->operations->first(edge->bus, EVENTS, 0), 300);
	succeeds(edge->bus->operations->commit(edge->bus, "reader", EVENTS, 1, 400));
	assert_true(first_becomes(edge, 1, 300));
}

/* ---- trimming ---------------------------------------------------------------------------------------------------- */

static Result trim(Edge *edge, int64_t first)
{
	return edge->bus->operations->trim(edge->bus, LEDGER, 0, first);
}

static void assert_extent(Edge *edge, int64_t first, int64_t end)
{
	assert_int_equal(edge->bus->operations->first(edge->bus, LEDGER, 0), first);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 0), end);
}

static ErrorKind read_from(Edge *edge, int64_t from, int64_t *next)
{
	BusReader *reader;
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &reader).kind, ERROR_NONE);
	BusPosition position = { LEDGER, 0, from };
	Result result = edge->bus->operations->read(reader, position, SIZE_MAX, true, ignore_record, NULL, next);
	edge->bus->operations->reader_close(reader);
	return result.kind;
}

/* Asserts that all records of the partition can be read, and that a read before the first one fails with ERROR_NOT_FOUND. */
static void assert_whole(Edge *edge)
{
	int64_t next, first = edge->bus->operations->first(edge->bus, LEDGER, 0);
	assert_int_equal(read_from(edge, first, &next), ERROR_NONE);
	assert_int_equal(next, edge->bus->operations->end(edge->bus, LEDGER, 0));
	if (first > 0)
		assert_int_equal(read_from(edge, first - 1, &next), ERROR_NOT_FOUND);
}

static void trimmed_records_stay_deleted(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	append_many(edge, LEDGER, 0, 3000, SLICE("x"));
	append_many(edge, LEDGER, 1, 10, SLICE("x"));
	assert_int_equal(trim(edge, 0).kind, ERROR_NONE);
	assert_extent(edge, 0, 3000);
	assert_int_equal(trim(edge, 2900).kind, ERROR_NONE);
	assert_extent(edge, 2900, 3000);
	assert_whole(edge);
	assert_int_equal(trim(edge, 100).kind, ERROR_NONE); /* a smaller offset, as in a late call, changes nothing */
	assert_extent(edge, 2900, 3000);
	assert_int_equal(edge->bus->operations->first(edge->bus, LEDGER, 1), 0);
	append_many(edge, LEDGER, 0, 1, SLICE("x"));
	edge_close(edge);
	edge_open(edge);
	assert_extent(edge, 2900, 3001);
	assert_whole(edge);
}

static void an_offset_is_never_reused_even_in_an_empty_partition(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	append_many(edge, LEDGER, 0, 700, SLICE("x"));
	assert_int_equal(trim(edge, 700).kind, ERROR_NONE);
	assert_extent(edge, 700, 700);
	assert_whole(edge);
	for (int64_t end = 700; end < 703; end++) {
		edge_close(edge);
		edge_open(edge);
		assert_extent(edge, end, end);
		append_many(edge, LEDGER, 0, 1, SLICE("x"));
		assert_extent(edge, end, end + 1);
		assert_whole(edge);
		assert_int_equal(trim(edge, end + 1).kind, ERROR_NONE);
	}
}

enum { LONG = 60000, STEP = 512 };

typedef struct {
	Edge *edge;
	int64_t first;
	_Atomic bool done;
	ErrorKind kind;
} Trimming;

static void *trim_run(void *context)
{
	Trimming *trimming = context;
	trimming->kind = trim(trimming->edge, trimming->first).kind;
	trimming->done = true;
	return NULL;
}

/* A trim runs in steps. An append waits for the step in progress and is committed together with the next step. */
static void a_long_trim_does_not_block_appends(void **state)
{
	Edge *edge = *state;
	Trimming trimming = { .edge = edge, .first = LONG };
	pthread_t thread;
	int appends = 0, quick = 0;
	edge_open(edge);
	append_many(edge, LEDGER, 0, LONG, SLICE("x"));
	pthread_create(&thread, NULL, trim_run, &trimming);
	for (; !trimming.done; appends++) {
		int64_t before = edge->bus->operations->first(edge->bus, LEDGER, 0);
		append_many(edge, LEDGER, 0, 1, SLICE("x"));
		quick += edge->bus->operations->first(edge->bus, LEDGER, 0) <= before + 4 * STEP;
	}
	pthread_join(thread, NULL);
	assert_int_equal(trimming.kind, ERROR_NONE);
	assert_extent(edge, LONG, LONG + appends);
	assert_whole(edge);
	assert_true(appends >= 5);
	assert_in_range(quick, appends / 2, appends);
}

/*
 * Long bodies and slow syncs cause slow checkpoints of SQLite. A checkpoint runs between the commit of a step and the update of the
 * bounds in memory, so reads meet records that are deleted but still within the bounds.
 */
static void a_read_during_a_trim_finds_no_damage(void **state)
{
	Edge *edge = *state;
	Trimming trimming = { .edge = edge, .first = 8000 };
	pthread_t thread;
	static char body[4096];
	int64_t next;
	bool damaged = false;
	edge_open(edge);
	for (int i = 0; i < 81; i++) /* each batch of 100 fits in the append queue */
		append_many(edge, LEDGER, 0, 100, (Slice){ body, sizeof body });
	sync_ms = 10;
	pthread_create(&thread, NULL, trim_run, &trimming);
	while (!trimming.done) {
		ErrorKind kind = read_from(edge, edge->bus->operations->first(edge->bus, LEDGER, 0), &next);
		damaged |= kind != ERROR_NONE && kind != ERROR_NOT_FOUND;
	}
	sync_ms = 0;
	pthread_join(thread, NULL);
	assert_false(damaged);
	assert_int_equal(trimming.kind, ERROR_NONE);
	assert_whole(edge);
}

/* Trims in a child process that is killed at the beginning of its sync number `syncs`. */
static void child_trim(Edge *edge, int syncs)
{
	pid_t child = fork();
	int status;
	if (child == 0) {
		if (result_failed(bus_sqlite_open(&edge->options, &edge->bus)))
			_exit(2);
		syncs_left = syncs;
		result_ignore(edge->bus->operations->trim(edge->bus, LEDGER, 0, LONG)); /* must not return: the child is killed */
		_exit(1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void a_crash_while_trimming_leaves_a_whole_partition(void **state)
{
	Edge *edge = *state;
	int64_t before = 0;
	edge_open(edge);
	append_many(edge, LEDGER, 0, LONG, SLICE("x"));
	edge_close(edge);
	for (int syncs = 1; syncs <= 30; syncs += 7) {
		child_trim(edge, syncs);
		edge_open(edge);
		int64_t first = edge->bus->operations->first(edge->bus, LEDGER, 0);
		assert_in_range(first, before, before + syncs * STEP);
		before = first;
		assert_whole(edge);
		edge_close(edge);
	}
	assert_in_range(before, 10 * STEP, LONG - 1);
	edge_open(edge);
	assert_int_equal(trim(edge, LONG).kind, ERROR_NONE);
	assert_extent(edge, LONG, LONG);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(retention_stops_at_the_slowest_group_and_keeps_the_newest_record),
		CASE(records_that_no_group_reads_are_limited_by_time_alone),
		CASE(a_stream_above_its_bytes_loses_read_records_even_under_load),
		CASE(trimmed_records_stay_deleted),
		CASE(an_offset_is_never_reused_even_in_an_empty_partition),
		CASE(a_long_trim_does_not_block_appends),
		CASE(a_read_during_a_trim_finds_no_damage),
		CASE(a_crash_while_trimming_leaves_a_whole_partition),
	};
	return cmocka_run_group_tests_name("bus_keep", tests, NULL, NULL);
}
