/*
 * Helpers for SQLite files: opening, errors as Results, single statements. Private to shared/io/sqlite, the only directory that
 * includes sqlite3.h.
 */
#ifndef TOCSIN_IO_SQLITE_FILE_H
#define TOCSIN_IO_SQLITE_FILE_H

#include "shared/base/error.h"

#include <sqlite3.h>
#include <stdint.h>

/*
 * Opens with SQLITE_OPEN_* flags; the connection may be used by one thread at a time. It waits up to busy_ms for a lock of
 * another connection. ERROR_AGAIN: the file cannot be opened; *out is NULL.
 */
Result sqlite_file_open(const char *path, int flags, int busy_ms, sqlite3 **out);

/* A SQLITE_* code as a Result. Damage: ERROR_INTERNAL; a constraint: ERROR_CONFLICT; disk, memory, locks: ERROR_AGAIN. */
Result sqlite_file_result(sqlite3 *db, int code);

/* Runs statements without parameters, such as pragmas and schemas. */
Result sqlite_file_run(sqlite3 *db, const char *sql);

/* The integer in the first row of a statement; without a row *out is left unchanged. */
Result sqlite_file_integer(sqlite3 *db, const char *sql, int64_t *out);

/* Fsyncs the file, through SQLite's descriptor: closing another one would drop SQLite's locks. */
Result sqlite_file_sync(sqlite3 *db);

#endif
