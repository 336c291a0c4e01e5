/*
 * Helpers for SQLite files: opening, conversion of errors to Results, single statements. Private to shared/io/sqlite, the only
 * directory that includes sqlite3.h.
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

/*
 * Converts a SQLITE_* code. ERROR_INTERNAL: damage or invalid SQL; ERROR_CONFLICT: a violated constraint; ERROR_AGAIN: disk,
 * memory, locks.
 */
Result sqlite_file_result(sqlite3 *db, int code);

/* Runs statements without parameters, such as pragmas and schemas. */
Result sqlite_file_run(sqlite3 *db, const char *sql);

/* Reads the integer in the first row of a statement's result; if there is no row, *out is left unchanged. */
Result sqlite_file_integer(sqlite3 *db, const char *sql, int64_t *out);

/* Fsyncs the file through SQLite's own descriptor: closing any other descriptor of the file would release SQLite's locks. */
Result sqlite_file_sync(sqlite3 *db);

#endif
