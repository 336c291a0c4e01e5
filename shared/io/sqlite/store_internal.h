/* What store.c (statements) and store_open.c (life of the file) share. Private to them. */
#ifndef TOCSIN_IO_SQLITE_STORE_INTERNAL_H
#define TOCSIN_IO_SQLITE_STORE_INTERNAL_H

#include "shared/io/sqlite/file.h"
#include "shared/io/sqlite/store.h"

/* Kept statements; a text beyond them is prepared each time. The slots are twice as many, so that probing ends. */
enum { STATEMENTS_MAX = 256, STATEMENT_SLOTS = 512 };

struct Statement {
	Store *store;
	const char *sql;
	sqlite3_stmt *handle; /* NULL when it could not be prepared: code says why */
	int code;             /* the first failure, else SQLITE_OK */
	bool busy;            /* between query and end */
	bool finished;        /* gave its last row */
	bool once;            /* freed at its end, not kept */
};

struct Store {
	sqlite3 *db;
	bool marked; /* the file says that it is open; a clean close takes that away */
	size_t statement_count;
	Statement *slots[STATEMENT_SLOTS]; /* by the address of the text, open addressing */
};

void statements_free(Store *store);

#endif
