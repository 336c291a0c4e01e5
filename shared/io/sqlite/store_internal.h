/* Shared by store.c (statements) and store_open.c (opening and closing the file), and private to them. */
#ifndef TOCSIN_IO_SQLITE_STORE_INTERNAL_H
#define TOCSIN_IO_SQLITE_STORE_INTERNAL_H

#include "shared/io/sqlite/file.h"
#include "shared/io/sqlite/store.h"

/*
 * At most STATEMENTS_MAX statements are cached; all others are prepared for each use. There are twice as many buckets, so that
 * probing always finds a free one.
 */
enum { STATEMENTS_MAX = 256, STATEMENT_BUCKETS = 512 };

struct Statement {
	Store *store;
	const char *sql;
	sqlite3_stmt *handle; /* NULL: not prepared; code has the reason */
	int code;             /* the first failure, or SQLITE_OK */
	bool busy;            /* between store_query and statement_end */
	bool finished;        /* returned its last row */
	bool once;            /* freed by statement_end, not cached */
};

struct Store {
	sqlite3 *db;
	bool marked; /* the file is marked as open; a clean close removes the mark */
	size_t statement_count;
	Statement *buckets[STATEMENT_BUCKETS]; /* hash table by the address of the SQL text, with open addressing */
};

void statements_free(Store *store);

#endif
