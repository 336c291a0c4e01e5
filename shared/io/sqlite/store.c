#include "shared/io/sqlite/store_internal.h"

#include <limits.h>
#include <stdlib.h>

/* ---- statements, cached by the address of their text ------------------------------------------------------------- */

static Statement **bucket_of(Store *store, const char *sql)
{
	size_t bucket = (size_t)((uintptr_t)sql * UINT64_C(0x9E3779B97F4A7C15) >> 32) % STATEMENT_BUCKETS;
	while (store->buckets[bucket] != NULL && store->buckets[bucket]->sql != sql)
		bucket = (bucket + 1) % STATEMENT_BUCKETS;
	return &store->buckets[bucket];
}

/* Aborts if the SQL is invalid. Any other failure is kept in the statement, and statement_end reports it. */
static Statement *statement_new(Store *store, const char *sql, bool once)
{
	Statement *statement = calloc(1, sizeof *statement);
	must(statement != NULL);
	*statement = (Statement){ .store = store, .sql = sql, .once = once };
	unsigned flags = once ? 0 : SQLITE_PREPARE_PERSISTENT;
	statement->code = sqlite3_prepare_v3(store->db, sql, -1, flags, &statement->handle, NULL);
	if (statement->code == SQLITE_ERROR)
		must_fail_(sqlite3_errmsg(store->db), sql, 0);
	return statement;
}

static Statement *statement_for(Store *store, const char *sql, bool dynamic)
{
	if (dynamic)
		return statement_new(store, sql, true);
	Statement **bucket = bucket_of(store, sql);
	if (*bucket != NULL)
		return (*bucket)->busy ? statement_new(store, sql, true) : *bucket;
	Statement *statement = statement_new(store, sql, store->statement_count == STATEMENTS_MAX);
	statement->once |= statement->code != SQLITE_OK;
	if (!statement->once) {
		*bucket = statement;
		store->statement_count++;
	}
	return statement;
}

static void statement_free(Statement *statement)
{
	sqlite3_finalize(statement->handle);
	free(statement);
}

void statements_free(Store *store)
{
	for (size_t i = 0; i < STATEMENT_BUCKETS; i++) {
		if (store->buckets[i] != NULL)
			statement_free(store->buckets[i]);
		store->buckets[i] = NULL;
	}
	store->statement_count = 0;
}

static int value_bind(sqlite3_stmt *handle, int parameter, const StoreValue *value)
{
	const char *data = value->bytes.data == NULL ? "" : value->bytes.data;
	switch (value->type) {
	case VALUE_INTEGER:
		return sqlite3_bind_int64(handle, parameter, value->integer);
	case VALUE_TEXT:
		return sqlite3_bind_text64(handle, parameter, data, value->bytes.size, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BLOB:
		return sqlite3_bind_blob64(handle, parameter, data, value->bytes.size, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(handle, parameter);
	}
}

static void values_bind(Statement *statement, const StoreValue *values, size_t count)
{
	if (statement->handle == NULL)
		return;
	must(count == (size_t)sqlite3_bind_parameter_count(statement->handle));
	for (size_t i = 0; i < count && statement->code == SQLITE_OK; i++)
		statement->code = value_bind(statement->handle, (int)i + 1, &values[i]);
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

Statement *store_query_(Store *store, const char *sql, bool dynamic, const StoreValue *values, size_t count)
{
	Statement *statement = statement_for(store, sql, dynamic);
	statement->busy = true;
	statement->finished = false;
	values_bind(statement, values, count);
	return statement;
}

bool statement_next(Statement *statement)
{
	if (statement->code != SQLITE_OK || statement->finished)
		return false;
	int code = sqlite3_step(statement->handle);
	if (code == SQLITE_ROW)
		return true;
	statement->finished = true;
	if (code != SQLITE_DONE)
		statement->code = code;
	return false;
}

Slice statement_slice(Statement *statement, int column)
{
	if (statement_is_null(statement, column))
		return SLICE_NONE;
	const char *data = sqlite3_column_blob(statement->handle, column);
	/* SQLite returns NULL as the address of an empty blob. Here only a NULL column has the address NULL. */
	return (Slice){ data == NULL ? "" : data, (size_t)sqlite3_column_bytes(statement->handle, column) };
}

int64_t statement_integer(Statement *statement, int column)
{
	return sqlite3_column_int64(statement->handle, column);
}

bool statement_is_null(Statement *statement, int column)
{
	return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}

Result statement_end(Statement *statement)
{
	Result result = result_ok();
	if (statement->code != SQLITE_OK)
		result = sqlite_file_result(statement->store->db, statement->code);
	if (statement->handle != NULL) {
		sqlite3_reset(statement->handle);
		sqlite3_clear_bindings(statement->handle);
	}
	statement->code = SQLITE_OK;
	statement->busy = false;
	if (statement->once)
		statement_free(statement);
	return result;
}

Result store_run_(Store *store, const char *sql, const StoreValue *values, size_t count)
{
	Statement *statement = store_query_(store, sql, false, values, count);
	while (statement_next(statement))
		continue;
	return statement_end(statement);
}

Result store_run_table(Store *store, const char *const *statements, size_t count)
{
	for (size_t i = 0; i < count; i++)
		TRY(sqlite_file_run_composed(store->db, statements[i]));
	return result_ok();
}

int64_t store_changes(Store *store)
{
	return sqlite3_changes64(store->db);
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

Result store_begin(Store *store)
{
	must(sqlite3_get_autocommit(store->db));
	if (sqlite3_db_readonly(store->db, "main") == 1)
		return store_run(store, "BEGIN");
	return store_run(store, "BEGIN IMMEDIATE");
}

Result store_commit(Store *store)
{
	Result result = store_run(store, "COMMIT");
	if (result_failed(result))
		store_rollback(store);
	return result;
}

void store_rollback(Store *store)
{
	/* A rollback fails only if SQLite rolled back by itself after an error. */
	if (!sqlite3_get_autocommit(store->db))
		result_ignore(store_run(store, "ROLLBACK"));
}
