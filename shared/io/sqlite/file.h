/*
 * What everything that stands on a SQLite file shares: opening, its errors as Results, small statements. Private to
 * shared/io/sqlite: nothing else includes sqlite3.h.
 */
#ifndef TOCSIN_IO_SQLITE_FILE_H
#define TOCSIN_IO_SQLITE_FILE_H

#include "shared/base/error.h"

#include <sqlite3.h>
#include <stdint.h>

/*
 * Opens with SQLITE_OPEN_* flags, for one thread at a time; waits busy_ms for locks of others. *out is NULL on failure.
 * A file that cannot be opened is ERROR_AGAIN.
 */
Result sqlite_file_open(const char *path, int flags, int busy_ms, sqlite3 **out);

/* A SQLITE_* code as a Result: OK, ROW, DONE succeed; damage: INTERNAL, a constraint: CONFLICT, the surroundings: AGAIN. */
Result sqlite_file_result(sqlite3 *db, int code);

/* True when the code says that the file is no sound SQLite file. */
bool sqlite_code_is_damage(int code);

/* Runs statements without values, as pragmas and schemas are. */
Result sqlite_file_run(sqlite3 *db, const char *sql);

/* The integer a statement's first row gives; *out untouched when it gives no row. */
Result sqlite_file_integer(sqlite3 *db, const char *sql, int64_t *out);

/* Makes durable what the operating system holds of the file (through SQLite's handle: another would drop its locks). */
Result sqlite_file_sync(sqlite3 *db);

#endif
