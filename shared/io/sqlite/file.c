#include "shared/io/sqlite/file.h"

#include <stddef.h>

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

Result sqlite_file_run(sqlite3 *db, const char *sql)
{
	return sqlite_file_result(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

Result sqlite_file_integer(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
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
