#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/sqlite/store.h"
#include "tests/support/scratch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const one_step[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)" };
static const char *const two_steps[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)",
					 "ALTER TABLE things ADD COLUMN weight INTEGER NOT NULL DEFAULT 7" };
static const char *const rebuild_step[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, other TEXT)", NULL };
static const char *const broken_step[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, bytes BLOB)",
					   "CREATE TABLE half (id); CREATE TABLE things (id)" };

typedef struct {
	Scratch scratch;
	char path[SCRATCH_PATH];
	StoreOptions options;
	Store *store;
	bool rebuilt;
} Edge;

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	edge->options = (StoreOptions){ .path = scratch_path(&edge->scratch, "view.db", edge->path), .steps = one_step,
					.version = 1 };
	*state = edge;
	return 0;
}

static int setup_memory(void **state)
{
	int failed = setup(state);
	((Edge *)*state)->options.path = ":memory:";
	return failed;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	store_close(edge->store);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static void edge_open(Edge *edge)
{
	Result result = store_open(&edge->options, &edge->store, &edge->rebuilt);
	assert_string_equal(result.text, "");
	assert_int_equal(result.kind, ERROR_NONE);
}

static void edge_close(Edge *edge)
{
	store_close(edge->store);
	edge->store = NULL;
}

static Result thing_add(Store *store, int64_t id, const char *name)
{
	return store_run(store, "INSERT INTO things (id, name) VALUES (?1, ?2)", V_INTEGER(id), V_TEXT(slice_of(name)));
}

static int64_t things(Store *store)
{
	Statement *query = store_query(store, "SELECT count(*) FROM things");
	int64_t count = statement_next(query) ? statement_integer(query, 0) : -1;
	assert_int_equal(statement_end(query).kind, ERROR_NONE);
	return count;
}

/* Runs `act` in a child process that exits without closing the store. */
static void in_killed_process(Edge *edge, void (*act)(Store *store))
{
	pid_t child = fork();
	if (child == 0) {
		Store *store;
		if (result_failed(store_open(&edge->options, &store, NULL)))
			_exit(2);
		act(store);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void values_of_every_type_are_read_as_written(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	assert_int_equal(store_run(edge->store, "INSERT INTO things VALUES (?1, ?2, ?3)", V_INTEGER(INT64_MIN),
				   V_TEXT(SLICE("事件")), V_BLOB(((Slice){ "\0\xff", 2 }))).kind, ERROR_NONE);
	assert_int_equal(store_run(edge->store, "INSERT INTO things VALUES (?1, ?2, ?3)", V_INTEGER(INT64_MAX), V_NULL,
				   V_BLOB(SLICE_NONE)).kind, ERROR_NONE);
	Statement *query = store_query(edge->store, "SELECT id, name, bytes FROM things ORDER BY id");
	assert_true(statement_next(query));
	assert_int_equal(statement_integer(query, 0), INT64_MIN);
	assert_true(slice_is(statement_slice(query, 1), "事件"));
	assert_true(slice_equals(statement_slice(query, 2), (Slice){ "\0\xff", 2 }));
	assert_true(statement_next(query));
	assert_int_equal(statement_integer(query, 0), INT64_MAX);
	assert_true(statement_is_null(query, 1));
	assert_null(statement_slice(query, 1).data);
	assert_int_equal(statement_integer(query, 1), 0);
	assert_false(statement_is_null(query, 2));
	assert_non_null(statement_slice(query, 2).data);
	assert_int_equal(statement_slice(query, 2).size, 0);
	assert_false(statement_next(query));
	assert_false(statement_next(query));
	assert_int_equal(statement_end(query).kind, ERROR_NONE);
}

static void a_statement_can_run_again_with_other_values(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	for (int64_t id = 0; id < 100; id++)
		assert_int_equal(store_run(edge->store, "INSERT INTO things (id) VALUES (?1)", V_INTEGER(id)).kind,
				 ERROR_NONE);
	assert_int_equal(things(edge->store), 100);
	assert_int_equal(store_run(edge->store, "DELETE FROM things WHERE id < ?1", V_INTEGER(30)).kind, ERROR_NONE);
	assert_int_equal(store_changes(edge->store), 30);
	assert_int_equal(things(edge->store), 70);
}

static int64_t sum_of_pairs(Store *store, int depth)
{
	int64_t sum = 0;
	Statement *query = store_query(store, "SELECT id FROM things");
	while (statement_next(query))
		sum += depth == 0 ? statement_integer(query, 0) : sum_of_pairs(store, depth - 1);
	assert_int_equal(statement_end(query).kind, ERROR_NONE);
	return sum;
}

static void a_query_may_run_again_while_it_is_read(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	for (int64_t id = 1; id <= 3; id++)
		thing_add(edge->store, id, id == 1 ? "a" : id == 2 ? "b" : "c");
	assert_int_equal(sum_of_pairs(edge->store, 2), 9 * 6);
}

static void a_dynamic_text_is_prepared_for_one_use(void **state)
{
	Edge *edge = *state;
	char sql[64];
	edge_open(edge);
	thing_add(edge->store, 5, "five");
	for (int column = 0; column < 2; column++) {
		strcpy(sql, column == 0 ? "SELECT id FROM things" : "SELECT name FROM things");
		Statement *query = store_query_(edge->store, sql, true, NULL, 0);
		assert_true(statement_next(query));
		assert_true(slice_is(statement_slice(query, 0), column == 0 ? "5" : "five"));
		assert_int_equal(statement_end(query).kind, ERROR_NONE);
	}
}

static void a_violated_constraint_is_a_conflict(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	assert_int_equal(thing_add(edge->store, 1, "a").kind, ERROR_NONE);
	assert_int_equal(thing_add(edge->store, 2, "a").kind, ERROR_CONFLICT);
	assert_int_equal(thing_add(edge->store, 2, "b").kind, ERROR_NONE);
}

static void a_transaction_is_applied_whole_or_not_at_all(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	assert_int_equal(store_begin(edge->store).kind, ERROR_NONE);
	thing_add(edge->store, 1, "a");
	store_rollback(edge->store);
	assert_int_equal(things(edge->store), 0);
	assert_int_equal(store_begin(edge->store).kind, ERROR_NONE);
	thing_add(edge->store, 1, "a");
	assert_int_equal(store_commit(edge->store).kind, ERROR_NONE);
	store_rollback(edge->store); /* no effect without a transaction */
	assert_int_equal(things(edge->store), 1);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void rows_survive_a_clean_close(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	assert_false(edge->rebuilt);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

static void an_older_file_is_upgraded_and_keeps_its_rows(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge->options.steps = two_steps;
	edge->options.version = 2;
	edge_open(edge);
	assert_false(edge->rebuilt);
	Statement *query = store_query(edge->store, "SELECT weight FROM things");
	assert_true(statement_next(query));
	assert_int_equal(statement_integer(query, 0), 7);
	statement_end(query);
}

static void an_older_view_without_a_step_is_rebuilt(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge->options.steps = rebuild_step;
	edge->options.version = 2;
	edge_open(edge);
	assert_true(edge->rebuilt);
	assert_int_equal(things(edge->store), 0);
	assert_int_equal(store_run(edge->store, "INSERT INTO things (other) VALUES ('x')").kind, ERROR_NONE);
	edge_close(edge);
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

static void a_view_made_by_other_steps_of_its_version_is_rebuilt(void **state)
{
	static const char *const other_step[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, bytes BLOB, size INTEGER)" };
	static const char *const other_steps[] = { "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, bytes BLOB, size INTEGER)",
						   "ALTER TABLE things ADD COLUMN weight INTEGER" };
	Edge *edge = *state;
	edge_open(edge);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge->options.steps = other_step;
	edge_open(edge);
	assert_true(edge->rebuilt);
	assert_int_equal(things(edge->store), 0);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge->options.steps = other_steps;
	edge->options.version = 2;
	edge_open(edge);
	assert_false(edge->rebuilt);
	edge_close(edge);
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

static void a_newer_file_is_refused_with_a_remedy(void **state)
{
	Edge *edge = *state;
	edge->options.steps = two_steps;
	edge->options.version = 2;
	edge_open(edge);
	edge_close(edge);
	edge->options.version = 1;
	Result result = store_open(&edge->options, &edge->store, NULL);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "newer Tocsin"));
	assert_null(edge->store);
}

static void failed_steps_leave_the_file_unchanged(void **state)
{
	Edge *edge = *state;
	edge_open(edge);
	thing_add(edge->store, 1, "a");
	edge_close(edge);
	edge->options.steps = broken_step;
	edge->options.version = 2;
	assert_int_equal(store_open(&edge->options, &edge->store, NULL).kind, ERROR_INTERNAL);
	edge->options.steps = two_steps;
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

static void a_second_connection_reads_committed_rows(void **state)
{
	Edge *edge = *state;
	Store *reader;
	StoreOptions options = edge->options;
	edge_open(edge);
	options.read_only = true;
	assert_int_equal(store_open(&options, &reader, NULL).kind, ERROR_NONE);
	assert_int_equal(things(reader), 0);
	store_begin(edge->store);
	thing_add(edge->store, 1, "a");
	assert_int_equal(things(reader), 0);
	store_commit(edge->store);
	assert_int_equal(things(reader), 1);
	assert_int_not_equal(thing_add(reader, 2, "b").kind, ERROR_NONE);
	assert_int_equal(store_begin(reader).kind, ERROR_NONE);
	thing_add(edge->store, 2, "b");
	assert_int_equal(things(reader), 2);
	thing_add(edge->store, 3, "c");
	assert_int_equal(things(reader), 2); /* the whole transaction reads one snapshot of the file */
	assert_int_equal(store_commit(reader).kind, ERROR_NONE);
	store_close(reader);
}

static void a_missing_file_cannot_be_opened_read_only(void **state)
{
	Edge *edge = *state;
	edge->options.read_only = true;
	assert_int_equal(store_open(&edge->options, &edge->store, NULL).kind, ERROR_AGAIN);
}

/* ---- after an unclean end ---------------------------------------------------------------------------------------- */

static void act_add(Store *store)
{
	if (result_failed(thing_add(store, 41, "kept")))
		_exit(3);
}

static void act_fill(Store *store)
{
	for (int i = 0; i < 3000; i++)
		if (result_failed(store_run(store, "INSERT INTO things (bytes) VALUES (randomblob(300))")))
			_exit(3);
	if (result_failed(store_run(store, "PRAGMA wal_checkpoint(TRUNCATE)")))
		_exit(4);
}

static void act_fill_in_another_boot(Store *store)
{
	act_fill(store);
	if (result_failed(store_run(store, "UPDATE store_meta SET value = 'another boot' WHERE name = 'open'")))
		_exit(5);
}

static void act_begin(Store *store)
{
	if (result_failed(store_begin(store)))
		_exit(3);
	act_add(store);
}

static void committed_rows_survive_a_killed_process(void **state)
{
	Edge *edge = *state;
	in_killed_process(edge, act_add);
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

static void uncommitted_rows_of_a_killed_process_are_gone(void **state)
{
	Edge *edge = *state;
	in_killed_process(edge, act_begin);
	edge_open(edge);
	assert_int_equal(things(edge->store), 0);
}

/* Overwrites two pages in the middle of the file. */
static void file_corrupt(const char *path)
{
	char garbage[8192];
	struct stat found;
	memset(garbage, 0x5a, sizeof garbage);
	int fd = open(path, O_RDWR);
	assert_int_equal(fstat(fd, &found), 0);
	assert_true(found.st_size > 100 * 4096);
	assert_int_equal(pwrite(fd, garbage, sizeof garbage, 40 * 4096), sizeof garbage);
	close(fd);
}

static void a_damaged_view_is_deleted_after_an_unclean_end(void **state)
{
	Edge *edge = *state;
	in_killed_process(edge, act_fill);
	file_corrupt(edge->path);
	edge_open(edge);
	assert_true(edge->rebuilt);
	assert_int_equal(things(edge->store), 0);
	assert_int_equal(thing_add(edge->store, 1, "a").kind, ERROR_NONE);
}

static void a_view_left_open_by_another_boot_is_deleted_unchecked(void **state)
{
	Edge *edge = *state;
	in_killed_process(edge, act_fill_in_another_boot);
	edge_open(edge);
	assert_true(edge->rebuilt);
	assert_int_equal(things(edge->store), 0);
}

static void a_view_that_is_not_a_database_is_deleted(void **state)
{
	Edge *edge = *state;
	int fd = open(edge->path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "this is not what it should be, by far; not at all, I say", 56), 56);
	close(fd);
	edge_open(edge);
	assert_true(edge->rebuilt);
}

static void a_damaged_durable_file_is_refused_and_kept(void **state)
{
	Edge *edge = *state;
	struct stat found;
	int fd = open(edge->path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "this is not what it should be, by far; not at all, I say", 56), 56);
	close(fd);
	edge->options.durable = true;
	assert_int_equal(store_open(&edge->options, &edge->store, NULL).kind, ERROR_INTERNAL);
	assert_int_equal(stat(edge->path, &found), 0);
	assert_int_equal(found.st_size, 56);
}

static void a_durable_file_of_a_killed_process_is_opened_unchanged(void **state)
{
	Edge *edge = *state;
	edge->options.durable = true;
	in_killed_process(edge, act_add);
	edge_open(edge);
	assert_false(edge->rebuilt);
	assert_int_equal(things(edge->store), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BOTH(name) CASE(name), { #name " [memory]", name, setup_memory, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(values_of_every_type_are_read_as_written),
		BOTH(a_statement_can_run_again_with_other_values),
		BOTH(a_query_may_run_again_while_it_is_read),
		BOTH(a_dynamic_text_is_prepared_for_one_use),
		BOTH(a_violated_constraint_is_a_conflict),
		BOTH(a_transaction_is_applied_whole_or_not_at_all),
		CASE(rows_survive_a_clean_close),
		CASE(an_older_file_is_upgraded_and_keeps_its_rows),
		CASE(an_older_view_without_a_step_is_rebuilt),
		CASE(a_view_made_by_other_steps_of_its_version_is_rebuilt),
		CASE(a_newer_file_is_refused_with_a_remedy),
		CASE(failed_steps_leave_the_file_unchanged),
		CASE(a_second_connection_reads_committed_rows),
		CASE(a_missing_file_cannot_be_opened_read_only),
		CASE(committed_rows_survive_a_killed_process),
		CASE(uncommitted_rows_of_a_killed_process_are_gone),
		CASE(a_damaged_view_is_deleted_after_an_unclean_end),
		CASE(a_view_left_open_by_another_boot_is_deleted_unchecked),
		CASE(a_view_that_is_not_a_database_is_deleted),
		CASE(a_damaged_durable_file_is_refused_and_kept),
		CASE(a_durable_file_of_a_killed_process_is_opened_unchanged),
	};
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
