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
 * Opens a file with SQLITE_OPEN_* flags. One thread at a time may use the connection. Its statements wait up to busy_ms for a lock
 * of another connection. ERROR_AGAIN: the file cannot be opened; *out is NULL.
 */
Result sqlite_file_open(const char *path, int flags, int busy_ms, sqlite3 **out);

/*
 * Converts a SQLITE_* code. The text of the error is that of the last failed call on db; if db is NULL, that of the code.
 * ERROR_INTERNAL: damage, invalid SQL or misuse of the API; ERROR_CONFLICT: a violated constraint; ERROR_AGAIN: every other
 * failure, such as disk, memory or locks.
 */
Result sqlite_file_result(sqlite3 *db, int code);

/* Runs statements without parameters, such as pragmas. Only a literal compiles as sql. */
#define sqlite_file_run(db, sql) sqlite_file_run_composed((db), "" sql "")

/*
 * As sqlite_file_run, for a text that is not a literal, such as a row of a constant table. tools/lint/calls.py lists the callers.
 */
Result sqlite_file_run_composed(sqlite3 *db, const char *sql);

/* Sets a pragma to a number. name is a literal. */
#define sqlite_file_pragma(db, name, number) sqlite_file_pragma_((db), "" name "", (number))
Result sqlite_file_pragma_(sqlite3 *db, const char *name, int number);

/*
 * Prepares a persistent statement; *out is NULL after a failure. Only a literal compiles as format. The format may contain one %w
 * (in double quotes) or %q (in single quotes) for table, the name of a table of the bus. table NULL: the format contains neither.
 */
#define sqlite_file_prepare(db, format, table, out) sqlite_file_prepare_((db), "" format "", (table), (out))
Result sqlite_file_prepare_(sqlite3 *db, const char *format, const char *table, sqlite3_stmt **out);

/*
 * Reads the integer in the first row of a statement's result; without a row, *out stays unchanged. format, table: as for
 * sqlite_file_prepare.
 */
#define sqlite_file_integer(db, format, table, out) sqlite_file_integer_((db), "" format "", (table), (out))
Result sqlite_file_integer_(sqlite3 *db, const char *format, const char *table, int64_t *out);

/* Fsyncs the file through SQLite's own descriptor: closing any other descriptor of the file would release SQLite's locks. */
Result sqlite_file_sync(sqlite3 *db);

#endif
