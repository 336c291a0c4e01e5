/*
 * Faults of the SQLite bus: its process is killed, its disk is full or cannot sync. This program replaces fsync and fdatasync
 * of the C library, to count the calls and to make some of them fail.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/sqlite/bus.h"
#include "shared/io/system/clock.h"
#include "tests/support/scratch.h"
#include "tests/support/succeeds.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEDGER, TOPIC_COUNT, KILLS = 6, RECORDS_MAX = 1 << 20 };

static const BusTopic bus_topics[TOPIC_COUNT] = { [LEDGER] = { .short_name = "journal" } };

static _Atomic int syncs;
static _Atomic bool syncs_fail;

static int sync_by(long number, int fd)
{
	if (syncs_fail) {
		errno = EIO;
		return -1;
	}
	int result = (int)syscall(number, fd);
	syncs++;
	return result;
}

int fdatasync(int fd)
{
	return sync_by(SYS_fdatasync, fd);
}

int fsync(int fd)
{
	return sync_by(SYS_fsync, fd);
}

typedef struct {
	Scratch scratch;
	char path[SCRATCH_PATH];
	Bus *bus;
	BusReader *reader;
} Edge;

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	scratch_path(&edge->scratch, "bus.db", edge->path);
	*state = edge;
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	if (edge->reader != NULL)
		edge->bus->operations->reader_close(edge->reader);
	if (edge->bus != NULL)
		edge->bus->operations->close(edge->bus);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static Result edge_open(Edge *edge)
{
	BusSqliteOptions options = { .path = edge->path, .topics = bus_topics, .topic_count = TOPIC_COUNT,
				     .partitions = 1 };
	return bus_sqlite_open(&options, &edge->bus);
}

/* ---- kill -9 ----------------------------------------------------------------------------------------------------- */

/* An acknowledgement that the appender got before it was killed: the record with body `number` is at `offset`. */
typedef struct {
	int64_t offset, number;
} Receipt;

typedef struct {
	int64_t number;
	int pipe;
} Sent;

static void send_receipt(void *context, bool failed, int64_t offset)
{
	const Sent *sent = context;
	Receipt receipt = { offset, sent->number };
	if (failed || write(sent->pipe, &receipt, sizeof receipt) != sizeof receipt)
		_exit(3);
}

/* Appends numbers until the process is killed. Pauses between appends vary the size of the batch that the kill interrupts. */
static _Noreturn void child_append(Edge *edge, int pipe, int64_t number)
{
	if (result_failed(edge_open(edge)))
		_exit(2);
	for (;; number++) {
		Sent *sent = malloc(sizeof *sent); /* never freed: the child is killed */
		*sent = (Sent){ number, pipe };
		BusRecord record = { .body = { (const char *)&sent->number, sizeof sent->number } };
		while (result_failed(bus_append(edge->bus, LEDGER, 0, &record, send_receipt, sent)))
			clock_sleep_ms(1);
		if (number % 50 == 0)
			clock_sleep_ms(1);
	}
}

/*
 * Kills the child after `enough` receipts. Stores all receipts that the child sent in `acknowledged`, by offset; returns their
 * number.
 */
static int64_t kill_and_collect(pid_t child, int pipe, int64_t *acknowledged, int64_t enough)
{
	Receipt receipt;
	int64_t count = 0;
	while (read(pipe, &receipt, sizeof receipt) == sizeof receipt) {
		assert_in_range(receipt.offset, 0, RECORDS_MAX - 1);
		acknowledged[receipt.offset] = receipt.number;
		if (++count == enough)
			kill(child, SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return count;
}

typedef struct {
	const int64_t *acknowledged;
	int64_t next_offset, last_number;
	int wrong;
} Check;

static bool check_record(void *context, const BusRecord *record)
{
	Check *check = context;
	int64_t number;
	memcpy(&number, record->body.data, sizeof number);
	int64_t acknowledged = check->acknowledged[record->offset];
	check->wrong += record->offset != check->next_offset++ || number <= check->last_number ||
			(acknowledged != 0 && acknowledged != number);
	check->last_number = number;
	return true;
}

static void assert_all_acknowledged_exist(Edge *edge, const int64_t *acknowledged)
{
	Check check = { .acknowledged = acknowledged };
	BusPosition position = { LEDGER, 0, 0 };
	assert_int_equal(edge_open(edge).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &edge->reader).kind, ERROR_NONE);
	int64_t end = edge->bus->operations->end(edge->bus, LEDGER, 0);
	while (position.from < end)
		assert_int_equal(edge->bus->operations->read(edge->reader, position, 1000, true, check_record, &check,
							     &position.from).kind, ERROR_NONE);
	assert_int_equal(check.wrong, 0);
	for (int64_t offset = end; offset < RECORDS_MAX; offset++)
		assert_int_equal(acknowledged[offset], 0);
	edge->bus->operations->reader_close(edge->reader);
	edge->reader = NULL;
	edge->bus->operations->close(edge->bus);
	edge->bus = NULL;
}

static void every_acknowledged_record_survives_kill_9(void **state)
{
	Edge *edge = *state;
	int64_t *acknowledged = calloc(RECORDS_MAX, sizeof *acknowledged);
	for (int kills = 0; kills < KILLS; kills++) {
		int pipes[2];
		assert_int_equal(pipe(pipes), 0);
		pid_t child = fork();
		if (child == 0)
			child_append(edge, pipes[1], 1 + (int64_t)kills * 1000000);
		close(pipes[1]);
		assert_true(kill_and_collect(child, pipes[0], acknowledged, 300 + 171 * kills) >= 300 + 171 * kills);
		close(pipes[0]);
		assert_all_acknowledged_exist(edge, acknowledged);
	}
	free(acknowledged);
}

/* ---- a full disk ----------------------------------------------------------------------------------------------- */

typedef struct {
	_Atomic int done, failed;
	_Atomic int64_t offset;
	_Atomic int syncs; /* number of syncs so far when `done` was called */
} Outcome;

static void store_outcome(void *context, bool failed, int64_t offset)
{
	Outcome *outcome = context;
	outcome->offset = offset;
	outcome->syncs = syncs;
	outcome->failed += failed;
	outcome->done++;
}

static Result append_and_wait(Edge *edge, const char *body, Outcome *outcome)
{
	BusRecord record = { .body = slice_of(body) };
	int before = outcome->done;
	TRY(bus_append(edge->bus, LEDGER, 0, &record, store_outcome, outcome));
	for (int tries = 0; tries < 10000 && outcome->done == before; tries++)
		clock_sleep_ms(1);
	assert_int_equal(outcome->done, before + 1);
	return result_ok();
}

/* Limits the size of files to `bytes`, so that writes beyond it fail as on a full disk. */
static void files_limit(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static bool see_body(void *context, const BusRecord *record)
{
	buffer_format(context, "%lld=%.*s;", (long long)record->offset, (int)record->body.size, record->body.data);
	return true;
}

static void a_full_disk_fails_the_batch_and_refuses_appends_until_there_is_space(void **state)
{
	Edge *edge = *state;
	Outcome outcome = { 0 };
	BusSqliteFigures figures;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(edge_open(edge).kind, ERROR_NONE);
	assert_int_equal(append_and_wait(edge, "before", &outcome).kind, ERROR_NONE);
	assert_int_equal(outcome.failed, 0);

	files_limit(1);
	assert_int_equal(append_and_wait(edge, "lost", &outcome).kind, ERROR_NONE);
	assert_int_equal(outcome.failed, 1);
	assert_int_equal(outcome.offset, -1);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 0), 1);
	assert_int_equal(append_and_wait(edge, "refused", &outcome).kind, ERROR_AGAIN);
	succeeds(edge->bus->operations->commit(edge->bus, "reader", LEDGER, 0, 1));
	bus_sqlite_figures(edge->bus, &figures);
	for (int tries = 0; tries < 1000 && figures.failed_commits < 2; tries++) {
		clock_sleep_ms(10);
		bus_sqlite_figures(edge->bus, &figures);
	}
	assert_true(figures.failed_commits >= 2); /* the first attempt and at least one retry */
	assert_int_equal(append_and_wait(edge, "refused", &outcome).kind, ERROR_AGAIN);

	files_limit(RLIM_INFINITY);
	Result result = append_and_wait(edge, "after", &outcome);
	for (int tries = 0; tries < 500 && result.kind == ERROR_AGAIN; tries++) {
		clock_sleep_ms(10);
		result = append_and_wait(edge, "after", &outcome);
	}
	assert_int_equal(result.kind, ERROR_NONE);
	assert_int_equal(outcome.failed, 1);
	assert_int_equal(outcome.offset, 1);
	edge->bus->operations->close(edge->bus);

	Buffer seen;
	int64_t next;
	buffer_init(&seen, 1024);
	assert_int_equal(edge_open(edge).kind, ERROR_NONE);
	assert_int_equal(edge->bus->operations->reader_open(edge->bus, &edge->reader).kind, ERROR_NONE);
	succeeds(edge->bus->operations->read(edge->reader, (BusPosition){ LEDGER, 0, 0 }, 9, true, see_body, &seen, &next));
	assert_string_equal(seen.data, "0=before;1=after;");
	assert_int_equal(edge->bus->operations->committed(edge->bus, "reader", LEDGER, 0), 1);
	buffer_release(&seen);
}

/* ---- syncs ------------------------------------------------------------------------------------------------------- */

static void no_append_is_acknowledged_before_a_sync(void **state)
{
	Edge *edge = *state;
	Outcome outcome = { 0 };
	assert_int_equal(edge_open(edge).kind, ERROR_NONE);
	for (int i = 0; i < 20; i++) {
		int before = syncs;
		assert_int_equal(append_and_wait(edge, "x", &outcome).kind, ERROR_NONE);
		assert_true(outcome.syncs > before);
	}
}

static void a_sync_that_fails_fails_the_batch_and_leaves_no_gap(void **state)
{
	Edge *edge = *state;
	Outcome outcome = { 0 };
	assert_int_equal(edge_open(edge).kind, ERROR_NONE);
	assert_int_equal(append_and_wait(edge, "before", &outcome).kind, ERROR_NONE);
	syncs_fail = true;
	assert_int_equal(append_and_wait(edge, "in doubt", &outcome).kind, ERROR_NONE);
	syncs_fail = false;
	assert_int_equal(outcome.failed, 1);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 0), 1);
	Result result = result_fail(ERROR_AGAIN, "not yet");
	for (int tries = 0; tries < 500 && result.kind == ERROR_AGAIN; tries++) {
		clock_sleep_ms(10);
		result = append_and_wait(edge, "after", &outcome);
	}
	assert_int_equal(outcome.failed, 1);
	assert_int_equal(outcome.offset, 1);
	assert_int_equal(edge->bus->operations->end(edge->bus, LEDGER, 0), 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_acknowledged_record_survives_kill_9),
		CASE(a_full_disk_fails_the_batch_and_refuses_appends_until_there_is_space),
		CASE(no_append_is_acknowledged_before_a_sync),
		CASE(a_sync_that_fails_fails_the_batch_and_leaves_no_gap),
	};
	return cmocka_run_group_tests_name("bus_crash", tests, NULL, NULL);
}
