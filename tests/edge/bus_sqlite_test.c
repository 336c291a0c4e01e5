/* Promises specific to the embedded bus: concurrent appenders, waiting, bounds, foreign files. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/sqlite/bus.h"
#include "shared/io/system/clock.h"
#include "tests/support/scratch.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS, LEDGER, TOPIC_COUNT, PARTITIONS = 2 };

static const BusTopic bus_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true },
	[LEDGER] = { .short_name = "journal" },
};

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

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* ---- many appenders ---------------------------------------------------------------------------------------------- */

enum { THREADS = 8, EACH = 5000 };

typedef struct {
	Edge *edge;
	uint32_t id;
	_Atomic int acknowledged;
} Appender;

static void count_appender(void *context, bool failed, int64_t offset)
{
	Appender *appender = context;
	appender->acknowledged += !failed && offset >= 0;
}

static void *append_from_thread(void *context)
{
	Appender *appender = context;
	for (uint32_t n = 0; n < EACH; n++) {
		uint32_t body[2] = { appender->id, n };
		BusRecord record = { .body = { (const char *)body, sizeof body } };
		Bus *bus = appender->edge->bus;
		unsigned partition = appender->id % PARTITIONS;
		while (result_failed(bus_append(bus, LEDGER, partition, &record, count_appender, appender)))
			clock_sleep_ms(1);
	}
	return NULL;
}

typedef struct {
	uint32_t next_of[THREADS];
	int64_t expected_offset;
	int wrong;
} Order;

static bool check_order(void *context, const BusRecord *record)
{
	Order *order = context;
	uint32_t body[2];
	memcpy(body, record->body.data, sizeof body);
	order->wrong += record->offset != order->expected_offset++ || body[1] != order->next_of[body[0]]++;
	return true;
}

/* Appends from all threads at once. Returns when all records are acknowledged, or after about ten seconds. */
static void append_from_threads(Edge *edge, Appender appenders[static THREADS])
{
	pthread_t threads[THREADS];
	for (uint32_t i = 0; i < THREADS; i++) {
		appenders[i] = (Appender){ .edge = edge, .id = i };
		pthread_create(&threads[i], NULL, append_from_thread, &appenders[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int tries = 0, sum = 0; tries < 10000 && sum < THREADS * EACH; tries++) {
		clock_sleep_ms(1);
		sum = 0;
		for (int i = 0; i < THREADS; i++)
			sum += appenders[i].acknowledged;
	}
}

static void order_check(Edge *edge, Order *order)
{
	BusReader *reader;
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &reader).kind, ERROR_NONE);
	for (unsigned partition = 0; partition < PARTITIONS; partition++) {
		BusPosition position = { LEDGER, partition, 0 };
		order->expected_offset = 0;
		while (position.from < edge->bus->operations->end(edge->bus, LEDGER, partition))
			assert_int_equal(edge->bus->operations->read(reader, position, 777, true, check_order, order,
								     &position.from).kind, ERROR_NONE);
		assert_int_equal(position.from, THREADS / PARTITIONS * EACH);
	}
	edge->bus->operations->reader_close(reader);
}

static void concurrent_appends_are_kept_once_and_in_order_of_each_thread(void **state)
{
	Edge *edge = *state;
	static Appender appenders[THREADS];
	Order order = { 0 };
	BusSqliteFigures figures;
	edge_open(edge);
	append_from_threads(edge, appenders);
	order_check(edge, &order);
	assert_int_equal(order.wrong, 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(appenders[i].acknowledged, EACH);
		assert_int_equal(order.next_of[i], EACH);
	}
	bus_sqlite_figures(edge->bus, &figures);
	assert_int_equal(figures.appended, THREADS * EACH);
	assert_int_equal(figures.failed_commits, 0);
	assert_true(figures.commits < THREADS * EACH / 10); /* many appends share a commit */
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

typedef struct {
	BusReader *reader;
	BusPosition position;
	int wait_ms;
	int64_t took_us;
} Waiting;

static void *wait_in_thread(void *context)
{
	Waiting *waiting = context;
	int64_t begun_us = clock_monotonic_us();
	waiting->reader->bus->operations->wait(waiting->reader, &waiting->position, 1, waiting->wait_ms);
	waiting->took_us = clock_monotonic_us() - begun_us;
	return NULL;
}

/* Two readers wait, one for each partition of the ledger; act runs after 100 ms. */
static void wait_while(Edge *edge, int wait_ms, void (*act)(Edge *edge, BusReader *first), Waiting out[2])
{
	pthread_t threads[2];
	for (unsigned i = 0; i < 2; i++) {
		out[i] = (Waiting){ .position = { LEDGER, i, 0 }, .wait_ms = wait_ms };
		assert_int_equal(edge->bus->operations->reader_open(edge->bus, &out[i].reader).kind, ERROR_NONE);
		pthread_create(&threads[i], NULL, wait_in_thread, &out[i]);
	}
	clock_sleep_ms(100);
	act(edge, out[0].reader);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		edge->bus->operations->reader_close(out[i].reader);
	}
}

static void act_append(Edge *edge, BusReader *first)
{
	(void)first;
	append_many(edge, LEDGER, 0, 1, SLICE("x"));
}

static void act_wake(Edge *edge, BusReader *first)
{
	edge->bus->operations->wake(first);
}

static void an_append_wakes_the_readers_of_its_partition_only(void **state)
{
	Edge *edge = *state;
	Waiting waiting[2];
	edge_open(edge);
	wait_while(edge, 2500, act_append, waiting);
	assert_in_range(waiting[0].took_us, 90000, 2400000);
	assert_in_range(waiting[1].took_us, 2490000, 20000000);
}

static void a_wake_ends_the_wait_of_its_reader_only(void **state)
{
	Edge *edge = *state;
	Waiting waiting[2];
	edge_open(edge);
	wait_while(edge, 2500, act_wake, waiting);
	assert_in_range(waiting[0].took_us, 90000, 2400000);
	assert_in_range(waiting[1].took_us, 2490000, 20000000);
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

typedef struct {
	pthread_mutex_t mutex;
	Edge *edge;
} Gate;

static void wait_at_gate(void *context, bool failed, int64_t offset)
{
	Gate *gate = context;
	pthread_mutex_lock(&gate->mutex);
	pthread_mutex_unlock(&gate->mutex);
	count_done(gate->edge, failed, offset);
}

static void a_full_queue_refuses_at_once_and_makes_no_callback(void **state)
{
	Edge *edge = *state;
	Gate gate = { .edge = edge };
	char body[1000] = { 0 };
	BusRecord record = { .body = { body, sizeof body } };
	pthread_mutex_init(&gate.mutex, NULL);
	edge->options.queue_bytes = 65536;
	edge_open(edge);
	pthread_mutex_lock(&gate.mutex); /* blocks the committer in its first callback */
	Result result = result_ok();
	while (edge->accepted < 1000 && !result_failed(result)) {
		result = bus_append(edge->bus, EVENTS, 0, &record, wait_at_gate, &gate);
		edge->accepted += !result_failed(result);
	}
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_in_range(edge->accepted, 60, 130); /* a full queue, and what the committer had taken from it */
	assert_int_equal(edge->done, 0);
	pthread_mutex_unlock(&gate.mutex);
	settle(edge);
	assert_int_equal(edge->failed, 0);
	assert_int_equal(edge->bus->operations->end(edge->bus, EVENTS, 0), edge->accepted);
	assert_int_equal(append(edge, EVENTS, 0, record.body).kind, ERROR_NONE);
	settle(edge);
}

static void a_record_larger_than_the_queue_is_invalid_input(void **state)
{
	Edge *edge = *state;
	static char body[20000];
	edge->options.queue_bytes = 16384;
	edge_open(edge);
	assert_int_equal(append(edge, EVENTS, 0, (Slice){ body, sizeof body }).kind, ERROR_INPUT);
}

static void close_makes_queued_records_durable(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	for (int i = 0; i < 3000; i++)
		assert_int_equal(append(edge, LEDGER, 0, SLICE("x")).kind, ERROR_NONE);
	edge_close(edge);
	assert_int_equal(edge->done, 3000);
	assert_int_equal(edge->failed, 0);
	edge_open(edge);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 0), 3000);
}

/* ---- foreign files ----------------------------------------------------------------------------------------------- */

static void assert_refused(Edge *edge, ErrorKind kind, const char *word)
{
	Result result = bus_sqlite_open(&edge->options, &edge->bus);
	assert_int_equal(result.kind, kind);
	assert_non_null(strstr(result.text, word));
	assert_null(edge->bus);
}

static void a_file_of_a_newer_schema_is_refused_with_a_remedy(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	edge_close(edge);
	run_sql(edge->path, "PRAGMA user_version = 2");
	assert_refused(edge, ERROR_INPUT, "newer Tocsin");
}

static void another_number_of_partitions_is_refused_with_a_remedy(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	append_many(edge, LEDGER, 1, 1, SLICE("x"));
	edge_close(edge);
	edge->options.partitions = 3;
	assert_refused(edge, ERROR_INPUT, "made with 2 partitions");
	edge->options.partitions = PARTITIONS;
	edge_open(edge);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 1), 1);
}

static void a_file_of_another_program_is_refused_and_unchanged(void **state)
{
	Edge *edge = *state;
	run_sql(edge->path, "CREATE TABLE precious (a)");
	assert_refused(edge, ERROR_INPUT, "other program");
	run_sql(edge->path, "INSERT INTO precious VALUES (1)");
}

static void the_error_names_a_path_that_cannot_be_written(void **state)
{
	Edge *edge = *state;
	edge->options.path = "/proc/nowhere/bus.db";
	assert_refused(edge, ERROR_AGAIN, "/proc/nowhere/bus.db");
}

static void the_cluster_id_is_generated_once(void **state)
{
	Edge *edge = *state;
	char first[64];
	edge_open(edge);
	snprintf(first, sizeof first, "%s", edge->bus->cluster);
	edge_close(edge);
	edge_open(edge);
	assert_string_equal(edge->bus->cluster, first);
	assert_int_equal(strlen(first), 32);
	edge_close(edge);
	scratch_path(&edge->scratch, "other.db", edge->path);
	edge_open(edge);
	assert_string_not_equal(edge->bus->cluster, first);
}

static void the_file_is_a_wal_of_8_kib_pages(void **state)
{
	Edge *edge = *state;
	sqlite3 *db;
	sqlite3_stmt *row;
	edge_open(edge);
	assert_int_equal(sqlite3_open(edge->path, &db), SQLITE_OK);
	sqlite3_prepare_v2(db, "SELECT * FROM pragma_page_size, pragma_journal_mode", -1, &row, NULL);
	assert_int_equal(sqlite3_step(row), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(row, 0), 8192);
	assert_string_equal((const char *)sqlite3_column_text(row, 1), "wal");
	sqlite3_finalize(row);
	sqlite3_close(db);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(concurrent_appends_are_kept_once_and_in_order_of_each_thread),
		CASE(an_append_wakes_the_readers_of_its_partition_only),
		CASE(a_wake_ends_the_wait_of_its_reader_only),
		CASE(a_full_queue_refuses_at_once_and_makes_no_callback),
		CASE(a_record_larger_than_the_queue_is_invalid_input),
		CASE(close_makes_queued_records_durable),
		CASE(a_file_of_a_newer_schema_is_refused_with_a_remedy),
		CASE(another_number_of_partitions_is_refused_with_a_remedy),
		CASE(a_file_of_another_program_is_refused_and_unchanged),
		CASE(the_error_names_a_path_that_cannot_be_written),
		CASE(the_cluster_id_is_generated_once),
		CASE(the_file_is_a_wal_of_8_kib_pages),
	};
	return cmocka_run_group_tests_name("bus_sqlite", tests, NULL, NULL);
}
