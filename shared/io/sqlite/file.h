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

/* Runs statements without parameters, such as pragmas. Only a literal compiles as sql. */
#define sqlite_file_run(db, sql) sqlite_file_run_composed((db), "" sql "")

/* The same for a text that is not a literal, such as a row of a constant table. tools/lint/calls.py lists the callers. */
Result sqlite_file_run_composed(sqlite3 *db, const char *sql);

/* Sets a pragma to a number. name is a literal. */
#define sqlite_file_pragma(db, name, number) sqlite_file_pragma_((db), "" name "", (number))
Result sqlite_file_pragma_(sqlite3 *db, const char *name, int number);

/*
 * Prepares a persistent statement; *out is NULL after a failure. Only a literal compiles as format. It may contain one %w (in
 * double quotes) or %q (in single quotes) for table, the name of a table of the bus. table NULL: the format has neither.
 */
#define sqlite_file_prepare(db, format, table, out) sqlite_file_prepare_((db), "" format "", (table), (out))
Result sqlite_file_prepare_(sqlite3 *db, const char *format, const char *table, sqlite3_stmt **out);

/* Reads the integer in the first row of a statement's result; if there is no row, *out is left unchanged. As for the above. */
#define sqlite_file_integer(db, format, table, out) sqlite_file_integer_((db), "" format "", (table), (out))
Result sqlite_file_integer_(sqlite3 *db, const char *format, const char *table, int64_t *out);

/* Fsyncs the file through SQLite's own descriptor: closing any other descriptor of the file would release SQLite's locks. */
Result sqlite_file_sync(sqlite3 *db);

#endif
