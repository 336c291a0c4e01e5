#include "shared/io/sqlite/file.h"

#include <stddef.h>
#include <stdio.h>

enum { PRIMARY_CODE = 0xff };

static ErrorKind kind_of(int code)
{
	switch (code & PRIMARY_CODE) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERROR_NONE;
	case SQLITE_CONSTRAINT:
		return ERROR_CONFLICT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR:
	case SQLITE_MISUSE:
		return ERROR_INTERNAL;
	default:
		return ERROR_AGAIN;
	}
}

Result sqlite_file_result(sqlite3 *db, int code)
{
	ErrorKind kind = kind_of(code);
	if (kind == ERROR_NONE)
		return result_ok();
	return result_fail(kind, "sqlite: %s (%d)", db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db), code);
}

Result sqlite_file_open(const char *path, int flags, int busy_ms, sqlite3 **out)
{
	sqlite3 *db = NULL;
	int code = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	*out = NULL;
	if (code != SQLITE_OK) {
		Result result = result_wrap(sqlite_file_result(db, code), "%s cannot be opened", path);
		sqlite3_close(db);
		return result;
	}
	sqlite3_busy_timeout(db, busy_ms);
	*out = db;
	return result_ok();
}

Result sqlite_file_run_composed(sqlite3 *db, const char *sql)
{
	return sqlite_file_result(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

Result sqlite_file_pragma_(sqlite3 *db, const char *name, int number)
{
	char sql[64];
	must(snprintf(sql, sizeof sql, "PRAGMA %s = %d", name, number) < (int)sizeof sql);
	return sqlite_file_run_composed(db, sql);
}

Result sqlite_file_prepare_(sqlite3 *db, const char *format, const char *table, sqlite3_stmt **out)
{
	char *sql = sqlite3_mprintf(format, table);
	must(sql != NULL);
	*out = NULL;
	int code = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	sqlite3_free(sql);
	return sqlite_file_result(db, code);
}

Result sqlite_file_integer_(sqlite3 *db, const char *format, const char *table, int64_t *out)
{
	sqlite3_stmt *statement;
	TRY(sqlite_file_prepare_(db, format, table, &statement));
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	Result result = sqlite_file_result(db, code);
	sqlite3_finalize(statement);
	return result;
}

Result sqlite_file_sync(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int code = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (code == SQLITE_OK && file != NULL && file->pMethods != NULL)
		code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	return sqlite_file_result(NULL, code);
}
