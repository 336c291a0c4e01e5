/*
 * A SQLite file for services. Statements are identified by their SQL text; values are slices and integers.
 *
 * A Store is used by one thread at a time. State files of services are views of a ledger: `durable` is false, and there is no
 * fsync. After an unclean close the file is checked (quick_check), and deleted if it is damaged. If the machine rebooted
 * meanwhile, the file is deleted unchecked, because old pages may be mixed with new ones, which no check detects. The caller
 * rebuilds a deleted view.
 *
 * Every file has a schema version (PRAGMA user_version). A newer version is refused. An older file runs the missing steps in one
 * transaction. If one of these steps is NULL, the file cannot be upgraded: the view is deleted and rebuilt. The file of a view also
 * records the digest of the steps' texts; a view that was made by other texts is deleted and rebuilt, too.
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
	const char *const *steps;  /* steps[i] is the SQL that upgrades version i to i + 1; NULL: no upgrade, rebuild the view */
	int version;               /* number of steps */
	bool durable;              /* synchronous=FULL (else OFF); the file is never deleted, no step may be NULL */
	bool read_only;            /* a second connection to a file that a Store has open for writing; runs no steps */
	int cache_kib;             /* page cache in KiB; 0: 1024 */
} StoreOptions;

/*
 * *rebuilt (may be NULL) is true if the view was deleted and created again. ERROR_INPUT: the file is of a newer Tocsin;
 * ERROR_INTERNAL: a durable file is damaged, or a step fails; ERROR_AGAIN: the file cannot be opened, or its schema is not
 * upgraded yet (read_only).
 */
Result store_open(const StoreOptions *options, Store **out, bool *rebuilt);
void store_close(Store *store); /* rolls back an open transaction; accepts NULL */

/* Deletes all tables and creates the schema again in one transaction. For views only; all queries must have ended. */
Result store_reset(Store *store, const StoreOptions *options);

/* Transactions do not nest. A commit that fails is rolled back. */
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
 * Runs a statement. Each SQL text is prepared once and cached under its address, so pass literals. Invalid SQL is a programming
 * error. Values are bound to ?1, ?2 … and borrowed until the statement ends. ERROR_CONFLICT: a constraint is violated.
 */
Result store_run_(Store *store, const char *sql, const StoreValue *values, size_t count);
#define store_run(store, sql, ...) \
	store_run_((store), (sql), (const StoreValue[]){ __VA_ARGS__ }, \
		   sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))

/*
 * A query. Usage: while (statement_next(query)) { … columns … }, then statement_end(query) in every case. Slices of columns are
 * borrowed until the next call on the statement. dynamic: the text is not a literal and is prepared for this query alone. Never
 * NULL; statement_end reports a failure.
 */
Statement *store_query_(Store *store, const char *sql, bool dynamic, const StoreValue *values, size_t count);
#define store_query(store, sql, ...)                                                    \
	store_query_((store), (sql), false, (const StoreValue[]){ __VA_ARGS__ },        \
		     sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))
bool statement_next(Statement *statement);
Slice statement_slice(Statement *statement, int column);     /* SLICE_NONE for NULL */
int64_t statement_integer(Statement *statement, int column); /* 0 for NULL */
bool statement_is_null(Statement *statement, int column);
/* Ends the query and reports its first failure: ERROR_AGAIN (disk), ERROR_CONFLICT (a constraint) or ERROR_INTERNAL (damage). */
Result statement_end(Statement *statement);

/* Rows changed by the last store_run. */
int64_t store_changes(Store *store);

#endif
