/*
 * A SQLite file as services see it: statements by their text, values as slices and integers. Only this and
 * bus_sqlite*.c know sqlite3.h, through sqlite/file.h.
 *
 * A Store is used by one thread at a time. Service state files are views of a ledger: durable is false, no fsync. When the
 * last close was not clean the file is checked (quick_check), deleted when broken, and followed anew; after another boot of
 * the machine, a power cut, it is deleted unseen, because old pages may stand beside new ones and no check would tell.
 *
 * Every file has a schema version (PRAGMA user_version). Newer than known: refused, with what to do. Older: brought up by
 * the steps in one transaction; a step that is NULL says "a view: drop the file and rebuild".
 */
#ifndef TOCSIN_IO_SQLITE_STORE_H
#define TOCSIN_IO_SQLITE_STORE_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef struct Store Store;
typedef struct Statement Statement;

typedef struct {
	const char *path;          /* or ":memory:" */
	const char *const *steps;  /* steps[i] is the SQL that brings version i to i + 1 */
	int version;               /* number of steps */
	bool durable;              /* synchronous=FULL; else OFF */
	bool read_only;            /* another connection to a file that a Store already opened for writing; steps not run */
	int cache_kib;             /* page cache; 0: 1024 */
} StoreOptions;

/* *rebuilt (may be NULL): the file was dropped and made anew (broken, or an older view). */
Result store_open(const StoreOptions *options, Store **out, bool *rebuilt);
void store_close(Store *store);

/* Drops every table and makes the schema anew, in one transaction; queries under way on it must have ended. For views. */
Result store_reset(Store *store, const StoreOptions *options);

Result store_begin(Store *store);
Result store_commit(Store *store);
void store_rollback(Store *store);

typedef struct {
	enum { VALUE_NULL, VALUE_INTEGER, VALUE_TEXT, VALUE_BLOB } type;
	int64_t integer;
	Slice bytes;
} StoreValue;

#define V_INTEGER(n) ((StoreValue){ .type = VALUE_INTEGER, .integer = (n) })
#define V_TEXT(slice) ((StoreValue){ .type = VALUE_TEXT, .bytes = (slice) })
#define V_BLOB(slice) ((StoreValue){ .type = VALUE_BLOB, .bytes = (slice) })
#define V_NULL ((StoreValue){ .type = VALUE_NULL })

/*
 * Prepared once for each SQL text (by its address: pass literals) and kept. Bad SQL is a programming error. The values
 * stand for ?1, ?2 …, and are borrowed until the statement ends.
 */
Result store_run_(Store *store, const char *sql, const StoreValue *values, size_t count);
#define store_run(store, sql, ...) \
	store_run_((store), (sql), (const StoreValue[]){ __VA_ARGS__ }, \
		   sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))

/*
 * A query: while (statement_next(query)) … columns …; statement_end(query) in every case. Slices of columns are borrowed
 * until the next call on the statement. dynamic: the text is not a literal, so it is prepared for this once.
 */
Statement *store_query_(Store *store, const char *sql, bool dynamic, const StoreValue *values, size_t count);
#define store_query(store, sql, ...)                                                    \
	store_query_((store), (sql), false, (const StoreValue[]){ __VA_ARGS__ },        \
		     sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))
bool statement_next(Statement *statement);
Slice statement_slice(Statement *statement, int column);     /* data NULL for NULL */
int64_t statement_integer(Statement *statement, int column); /* 0 for NULL */
bool statement_is_null(Statement *statement, int column);
/* ERROR_AGAIN where the query failed half-way (disk). */
Result statement_end(Statement *statement);

/* Number of rows the last store_run changed. */
int64_t store_changes(Store *store);

#endif
