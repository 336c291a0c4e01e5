/*
 * Opening and closing the file of a store. A view is written without fsync, so recent writes are only in the page cache. They
 * survive a crash of the process but not of the machine. After a crash of the machine the file may mix old pages with new ones,
 * which no check detects. Therefore a mark in the file records, durably, in which boot of the machine the file was opened:
 *
 *   closed cleanly (fsynced, mark cleared)   used as it is
 *   not closed cleanly, opened in this boot  quick_check; deleted if damaged
 *   not closed cleanly, opened before        deleted
 */
#include "shared/io/sqlite/store_internal.h"

#include "shared/base/hash.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_MS = 5000, BOOT_SIZE = 40 };

#define BOOT_FILE "/proc/sys/kernel/random/boot_id"

/*
 * FILE_UNUSABLE: damaged or possibly damaged, of an old schema that cannot be upgraded, or made by other steps. An unusable view is
 * deleted. FILE_FAILED: cannot be used for another reason.
 */
typedef enum { FILE_FINE, FILE_FAILED, FILE_UNUSABLE } FileState;

static bool path_is_memory(const char *path)
{
	return strcmp(path, ":memory:") == 0;
}

static bool is_view(const StoreOptions *options)
{
	return !options->durable && !options->read_only && !path_is_memory(options->path);
}

/*
 * The id of this boot of the machine. If the kernel has none, a text with the process id is used, so that every other process
 * counts as another boot.
 */
static void boot_read(char out[static BOOT_SIZE])
{
	FILE *file = fopen(BOOT_FILE, "re");
	if (file == NULL || fgets(out, BOOT_SIZE, file) == NULL)
		snprintf(out, BOOT_SIZE, "unknown-%ld", (long)getpid());
	out[strcspn(out, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
}

/* Reads the mark `name` of the file. *out is empty if the file does not have this mark. */
static Result meta_read(sqlite3 *db, const char *name, char *out, int size)
{
	sqlite3_stmt *statement;
	int64_t tables = 0;
	out[0] = '\0';
	TRY(sqlite_file_integer(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'store_meta'", NULL, &tables));
	if (tables == 0) /* a new file */
		return result_ok();
	TRY(sqlite_file_prepare(db, "SELECT value FROM store_meta WHERE name = ?1", NULL, &statement));
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		snprintf(out, (size_t)size, "%s", (const char *)sqlite3_column_text(statement, 0));
	Result result = sqlite_file_result(db, code);
	sqlite3_finalize(statement);
	return result;
}

static Result meta_write(sqlite3 *db, const char *name, const char *value)
{
	sqlite3_stmt *statement;
	TRY(sqlite_file_prepare(db, "INSERT OR REPLACE INTO store_meta VALUES (?1, ?2)", NULL, &statement));
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	sqlite3_step(statement);
	return sqlite_file_result(db, sqlite3_finalize(statement));
}

/* ---- the mark of the schema --------------------------------------------------------------------------------------- */

/* Digest of the steps that lead to a version. */
static void steps_digest(const StoreOptions *options, int64_t version, char out[static DIGEST_HEX])
{
	Digest digest = { { 0 } };
	for (int64_t i = 0; i < version && i < options->version; i++)
		digest = DIGEST(((Slice){ (const char *)digest.bytes, DIGEST_BYTES }), slice_of(options->steps[i]));
	digest_hex(&digest, out);
}

/* False if other steps of the same versions made the file. True also for a file without the mark, or if the mark cannot be read. */
static bool has_these_steps(sqlite3 *db, const StoreOptions *options, int64_t version, Result *result)
{
	char marked[DIGEST_HEX], expected[DIGEST_HEX];
	*result = meta_read(db, "schema", marked, sizeof marked);
	steps_digest(options, version, expected);
	return marked[0] == '\0' || strcmp(marked, expected) == 0;
}

static Result schema_mark_write(sqlite3 *db, const StoreOptions *options)
{
	char digest[DIGEST_HEX];
	steps_digest(options, options->version, digest);
	return meta_write(db, "schema", digest);
}

/* ---- the mark of an open file ------------------------------------------------------------------------------------ */

static Result mark_write(sqlite3 *db, const char *boot)
{
	TRY(sqlite_file_run(db, "PRAGMA synchronous = FULL"));
	return meta_write(db, "open", boot);
}

/*
 * Writes the mark into the database file itself. In the WAL the mark could be lost, because the WAL is overwritten without an
 * fsync.
 */
static Result mark_open(Store *store, const StoreOptions *options)
{
	char boot[BOOT_SIZE];
	boot_read(boot);
	TRY(sqlite_file_run(store->db, "CREATE TABLE IF NOT EXISTS store_meta "
				       "(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"));
	TRY(schema_mark_write(store->db, options));
	TRY(mark_write(store->db, boot));
	TRY(sqlite_file_run(store->db, "PRAGMA wal_checkpoint(TRUNCATE)"));
	store->marked = true;
	return sqlite_file_run(store->db, "PRAGMA synchronous = OFF");
}

static Result mark_closed(Store *store)
{
	TRY(sqlite_file_run(store->db, "PRAGMA wal_checkpoint(TRUNCATE)"));
	TRY(sqlite_file_sync(store->db));
	return mark_write(store->db, "");
}

static bool passes_quick_check(sqlite3 *db)
{
	sqlite3_stmt *statement;
	bool passed = !result_failed(sqlite_file_prepare(db, "PRAGMA quick_check(1)", NULL, &statement)) &&
		     sqlite3_step(statement) == SQLITE_ROW &&
		     strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0;
	sqlite3_finalize(statement);
	return passed;
}

static FileState view_check(sqlite3 *db, const StoreOptions *options, int64_t version, Result *result)
{
	char marked[BOOT_SIZE], boot[BOOT_SIZE];
	if (!has_these_steps(db, options, version, result))
		return FILE_UNUSABLE;
	if (result_failed(*result))
		return result->kind == ERROR_INTERNAL ? FILE_UNUSABLE : FILE_FAILED;
	*result = meta_read(db, "open", marked, BOOT_SIZE);
	if (result_failed(*result))
		return result->kind == ERROR_INTERNAL ? FILE_UNUSABLE : FILE_FAILED;
	if (marked[0] == '\0')
		return FILE_FINE;
	boot_read(boot);
	return strcmp(marked, boot) == 0 && passes_quick_check(db) ? FILE_FINE : FILE_UNUSABLE;
}

/* ---- the schema -------------------------------------------------------------------------------------------------- */

static bool steps_need_rebuild(const StoreOptions *options, int64_t from)
{
	for (int64_t i = from; from > 0 && i < options->version; i++)
		if (options->steps[i] == NULL)
			return true;
	return false;
}

/* Runs all steps on a new file, and the missing ones on an older file. Steps that are NULL are skipped. */
static Result steps_run(Store *store, const StoreOptions *options, int64_t from)
{
	TRY(store_begin(store));
	Result result = result_ok();
	for (int64_t i = from; i < options->version && !result_failed(result); i++)
		if (options->steps[i] != NULL)
			result = sqlite_file_run_composed(store->db, options->steps[i]);
	if (!result_failed(result))
		result = sqlite_file_pragma(store->db, "user_version", options->version);
	if (!result_failed(result))
		return store_commit(store);
	store_rollback(store);
	return result_wrap(result, "upgrading the schema from version %lld to %d", (long long)from, options->version);
}

static FileState schema_check(const StoreOptions *options, int64_t version, Result *result)
{
	if (version > options->version) {
		*result = result_fail(ERROR_INPUT,
				      "it was made by a newer Tocsin (schema %lld, this version knows %d): start that "
				      "version again, or restore a backup from before the upgrade",
				      (long long)version, options->version);
		return FILE_FAILED;
	}
	if (options->read_only && version != options->version) {
		*result = result_fail(ERROR_AGAIN, "its schema has version %lld, not %d: it is upgraded when the service starts", (long long)version,
				      options->version);
		return FILE_FAILED;
	}
	return steps_need_rebuild(options, version) ? FILE_UNUSABLE : FILE_FINE;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static Result pragmas_run(Store *store, const StoreOptions *options)
{
	TRY(sqlite_file_pragma(store->db, "cache_size", options->cache_kib > 0 ? -options->cache_kib : -1024));
	TRY(sqlite_file_run(store->db, "PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
				       "PRAGMA foreign_keys = ON"));
	if (options->read_only)
		return result_ok();
	TRY(sqlite_file_run(store->db, "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216"));
	return options->durable ? sqlite_file_run(store->db, "PRAGMA synchronous = FULL") :
				  sqlite_file_run(store->db, "PRAGMA synchronous = OFF");
}

static FileState file_prepare(Store *store, const StoreOptions *options, Result *result)
{
	int64_t version = 0;
	*result = pragmas_run(store, options);
	if (!result_failed(*result))
		*result = sqlite_file_integer(store->db, "PRAGMA user_version", NULL, &version);
	if (result_failed(*result))
		return result->kind == ERROR_INTERNAL ? FILE_UNUSABLE : FILE_FAILED;
	FileState state = schema_check(options, version, result);
	if (state == FILE_FINE && is_view(options))
		state = view_check(store->db, options, version, result);
	if (state != FILE_FINE || options->read_only)
		return state;
	if (version < options->version)
		*result = steps_run(store, options, version);
	if (!result_failed(*result) && is_view(options))
		*result = mark_open(store, options);
	return result_failed(*result) ? FILE_FAILED : FILE_FINE;
}

static void store_free(Store *store)
{
	if (store == NULL)
		return;
	statements_free(store);
	sqlite3_close(store->db);
	free(store);
}

static FileState file_open(const StoreOptions *options, Store **out, Result *result)
{
	Store *store = calloc(1, sizeof *store);
	must(store != NULL);
	int flags = options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	FileState state = FILE_FAILED;
	*result = sqlite_file_open(options->path, flags, BUSY_MS, &store->db);
	if (!result_failed(*result))
		state = file_prepare(store, options, result);
	if (state == FILE_FINE) {
		*out = store;
		return state;
	}
	store_free(store);
	return state;
}

static Result file_drop(const char *path)
{
	static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		char name[PATH_MAX];
		if (snprintf(name, sizeof name, "%s%s", path, suffixes[i]) >= (int)sizeof name)
			return result_fail(ERROR_INPUT, "%s: the path is too long", path);
		if (unlink(name) != 0 && errno != ENOENT)
			return result_fail(ERROR_AGAIN, "%s cannot be removed: %s", name, strerror(errno));
	}
	return result_ok();
}

static Result unusable(const StoreOptions *options, Result result)
{
	if (result_failed(result))
		return result_wrap(result, "%s is damaged: restore it from a backup", options->path);
	must(!options->durable); /* a NULL step is allowed in views only */
	return result_fail(ERROR_INTERNAL, "%s has a schema that cannot be upgraded", options->path);
}

Result store_open(const StoreOptions *options, Store **out, bool *rebuilt)
{
	Result result;
	FileState state = file_open(options, out, &result);
	bool drop = state == FILE_UNUSABLE && is_view(options);
	if (state == FILE_UNUSABLE && !drop)
		return unusable(options, result);
	if (drop) {
		TRY(file_drop(options->path));
		state = file_open(options, out, &result);
	}
	if (state != FILE_FINE)
		return result_wrap(result, "%s", options->path);
	if (rebuilt != NULL)
		*rebuilt = drop;
	return result_ok();
}

void store_close(Store *store)
{
	if (store == NULL)
		return;
	store_rollback(store);
	statements_free(store);
	/* After a failure the mark stays, and the next open checks the file. */
	if (store->marked)
		result_ignore(mark_closed(store));
	store_free(store);
}

/* ---- reset ------------------------------------------------------------------------------------------------------- */

/* Writes the statement that drops one table other than store_meta. False: no such table is left, or the query failed. */
static bool drop_statement(Store *store, char *sql, size_t sql_size)
{
	Statement *row = store_query(store,
				      "SELECT format('DROP TABLE \"%w\"', name) FROM sqlite_schema"
				      " WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'store_meta' LIMIT 1");
	bool found = statement_next(row) && text_copy(statement_slice(row, 0), sql, sql_size);
	return !result_failed(statement_end(row)) && found;
}

static Result tables_drop(Store *store)
{
	char sql[256];
	while (drop_statement(store, sql, sizeof sql))
		TRY(sqlite_file_run_composed(store->db, sql));
	return result_ok();
}

static Result tables_create(Store *store, const StoreOptions *options)
{
	for (int i = 0; i < options->version; i++)
		if (options->steps[i] != NULL)
			TRY(sqlite_file_run_composed(store->db, options->steps[i]));
	return result_ok();
}

Result store_reset(Store *store, const StoreOptions *options)
{
	must(!options->durable);
	statements_free(store);
	TRY(store_begin(store));
	Result result = tables_drop(store);
	if (!result_failed(result))
		result = tables_create(store, options);
	if (!result_failed(result))
		return store_commit(store);
	store_rollback(store);
	return result;
}
