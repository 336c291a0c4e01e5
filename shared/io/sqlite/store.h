/*
 * A SQLite file for services. Statements are identified by their SQL text; values are slices, integers and NULL.
 *
 * A Store is used by one thread at a time. State files of services are views of a ledger: `durable` is false, and transactions are
 * not fsynced. A view that was not closed cleanly is checked (quick_check) at the next open, and deleted if it is damaged. If the
 * machine rebooted meanwhile, the view is deleted unchecked: old pages may be mixed with new pages, and no check detects this. The
 * caller rebuilds a deleted view.
 *
 * Every file has a schema version (PRAGMA user_version). A file of a newer version is refused. On a file of an older version, the
 * missing steps are run in one transaction. If one of these steps is NULL, the file cannot be upgraded: the view is deleted and
 * rebuilt. A view also records the digest of the steps' texts; a view that was made by other texts is deleted and rebuilt, too.
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
	bool durable;              /* true: synchronous=FULL, never deleted, no step may be NULL; false: synchronous=OFF, a view */
	bool read_only;            /* a second connection to a file that a Store has open for writing; runs no steps */
	int cache_kib;             /* page cache in KiB; 0: 1024 */
} StoreOptions;

/*
 * On success *rebuilt (may be NULL) states if the view was deleted and created again. ERROR_INPUT: the file is of a newer Tocsin,
 * or its path is too long; ERROR_INTERNAL: the file is damaged and may not be deleted (durable or read_only), or the SQL of a step
 * is invalid; ERROR_CONFLICT: a step violates a constraint; ERROR_AGAIN: the file cannot be opened or written, or its schema is not
 * upgraded yet (read_only).
 */
Result store_open(const StoreOptions *options, Store **out, bool *rebuilt);
void store_close(Store *store); /* rolls back an open transaction; accepts NULL */

/*
 * Deletes all tables except store_meta, and creates the schema again, in one transaction. For views only. The caller has ended all
 * queries.
 */
Result store_reset(Store *store, const StoreOptions *options);

/* store_begin aborts inside a transaction. If store_commit fails, the transaction is rolled back. */
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
 * Runs a statement. Only a literal compiles as sql, so that no value can become part of the text. The first 256 texts are prepared
 * once and cached under their addresses. Aborts if the SQL is invalid or count is not its number of parameters. Values are bound to
 * ?1, ?2 … and borrowed for the call. Errors: see statement_end.
 */
Result store_run_(Store *store, const char *sql, const StoreValue *values, size_t count);
#define store_run(store, sql, ...) \
	store_run_((store), "" sql "", (const StoreValue[]){ __VA_ARGS__ }, \
		   sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))

/*
 * As store_run, for a text that the program composed once, of the names in a constant table. Like a literal, the text is cached
 * under its address, so it must never change or be freed. tools/lint/calls.py has the list of the callers.
 */
static inline Result store_run_composed(Store *store, const char *sql, const StoreValue *values, size_t count)
{
	return store_run_(store, sql, values, count);
}

/* Runs the statements of a constant table, such as a schema, up to the first failure. tools/lint/calls.py lists the callers. */
Result store_run_table(Store *store, const char *const *statements, size_t count);

/*
 * A query; only a literal compiles as sql. Usage: while (statement_next(query)) { … columns … }, then statement_end(query) in
 * every case. Values are borrowed until statement_end, slices of columns until the next call on the statement. Never returns NULL;
 * statement_end reports a failure. Aborts as store_run does.
 */
Statement *store_query_(Store *store, const char *sql, bool dynamic, const StoreValue *values, size_t count);
#define store_query(store, sql, ...)                                                    \
	store_query_((store), "" sql "", false, (const StoreValue[]){ __VA_ARGS__ },    \
		     sizeof((const StoreValue[]){ __VA_ARGS__ }) / sizeof(StoreValue))

/*
 * A query whose text the program composed: for filters, and for names of tables, because SQL cannot bind a name. The text consists
 * of constants of the program and of numbers; every value is bound. The text is borrowed for the call and prepared for this query
 * alone. tools/lint/calls.py has the list of the callers.
 */
static inline Statement *store_query_composed(Store *store, const char *sql, const StoreValue *values, size_t count)
{
	return store_query_(store, sql, true, values, count);
}
bool statement_next(Statement *statement); /* false: no further row, or a failure */
Slice statement_slice(Statement *statement, int column);     /* SLICE_NONE for NULL */
int64_t statement_integer(Statement *statement, int column); /* 0 for NULL */
bool statement_is_null(Statement *statement, int column);
/* Ends the query and reports its first failure: ERROR_AGAIN (disk), ERROR_CONFLICT (a constraint) or ERROR_INTERNAL (damage). */
Result statement_end(Statement *statement);

/* The number of rows that the last INSERT, UPDATE or DELETE changed. */
int64_t store_changes(Store *store);

#endif
