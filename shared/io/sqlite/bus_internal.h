/*
 * The parts of the embedded bus, private to them:
 *
 *   sqlite/bus.c            append; the committer, the only thread that writes the file; retention and trimming
 *   sqlite/bus_open.c       open and close: settings, schema, bounds of the tables in memory
 *   sqlite/bus_read.c       readers, each with a read-only connection, and waiting for records
 *   sqlite/bus_positions.c  positions of groups: kept in memory, written by the committer
 *
 * The word "committer" beside a member means: only the committer uses the member once the bus is open. A thread holds at most one
 * of the locks at a time, and none while it runs SQL.
 */
#ifndef TOCSIN_IO_SQLITE_BUS_INTERNAL_H
#define TOCSIN_IO_SQLITE_BUS_INTERNAL_H

#include "shared/base/instant.h"
#include "shared/io/sqlite/bus.h"
#include "shared/io/sqlite/file.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	BUS_SCHEMA = 1,
	BUS_TABLE_NAME = 48,
	BUS_GROUPS_MAX = 64,
	BUS_GROUP_NAME = 64,
	BUS_CLUSTER_TEXT = 33,
	BUS_TICK_US = 1000000, /* interval of writing positions, of idle retention and of probing a failing file */
};

/* One partition of one topic: a table of the file. Its index in BusSqlite.tables is topic * P + partition. */
typedef struct {
	char name[BUS_TABLE_NAME]; /* events.0 */
	_Atomic int64_t first, end;
	_Atomic int64_t first_next; /* `first` after the open transaction, if the transaction commits */
	_Atomic int64_t trim_to;    /* the `first` that bus_sqlite_trim requested */
	int64_t end_next;   /* committer: end after the open transaction */
	int64_t bytes;      /* committer: estimate of the stored bytes */
	int64_t bytes_next; /* committer: bytes after the open transaction */
	sqlite3_stmt *insert, *oldest, *drop; /* committer; NULL until first used */
} BusTable;

/* One append in a batch. The bytes of key, headers and body follow the struct; then the next entry begins, aligned. */
typedef struct {
	BusDone done;
	void *context;
	int64_t offset;
	unsigned table;
	uint32_t key, headers, body; /* sizes */
} BusEntry;

typedef struct {
	char *bytes;
	size_t used, count;
	size_t waiters;     /* appenders whose `done` must be called; consecutive entries of one context count once */
	void *last_context; /* the context of the last entry */
} BusBatch;

typedef struct {
	char name[BUS_GROUP_NAME];
	int64_t *now;     /* the current positions, one for each table; -1: the group has no position there */
	int64_t *writing; /* committer: the positions in the open transaction */
	int64_t *written; /* committer: the positions in the file */
} BusGroup;

/* Rows to delete: those of `table` with offsets below `before`, `bytes` bytes in total. table NULL: no rows. */
typedef struct {
	BusTable *table;
	int64_t before, bytes;
} BusDrop;

typedef struct BusSqliteReader BusSqliteReader;

typedef struct {
	Bus bus;
	char *path;
	const BusTopic *topics;
	unsigned topic_count, table_count;
	int64_t stream_share; /* bytes that one partition of a stream may keep */
	char cluster[BUS_CLUSTER_TEXT];
	BusTable *tables;

	pthread_mutex_t queue_mutex; /* guards the members up to `trimmed` */
	pthread_cond_t arrived;
	size_t queue_bytes;
	BusBatch batches[2], *filling;
	size_t signal_at; /* appenders signal `arrived` at this number of waiters; SIZE_MAX: never */
	bool full;        /* an append found no room: stop gathering */
	bool closing, failing;
	bool trimming;             /* the `first` of some table may be below the trim_to of the same table */
	pthread_cond_t trimmed;    /* a trim step ended, or the bus is failing or closing */

	pthread_t committer;
	sqlite3 *db;                 /* committer */
	sqlite3_stmt *begin, *commit, *rollback, *probe, *position; /* committer */
	size_t last_waiters;         /* committer */
	int64_t tick_at_us;          /* committer: when positions are written and idle retention runs next */
	bool retention_pending;      /* committer: the last idle retention step may have left rows to delete */
	unsigned retention_next;     /* committer: index of the table of the next idle retention step */

	pthread_mutex_t readers_mutex; /* guards the list and the wait state of each reader */
	BusSqliteReader *waiting;
	_Atomic unsigned open_readers;

	pthread_mutex_t positions_mutex; /* guards group_count, names and `now` of the groups */
	BusGroup groups[BUS_GROUPS_MAX];
	size_t group_count;
	_Atomic bool positions_dirty;

	_Atomic uint64_t appended, commits, failed_commits, bytes;
	_Atomic int64_t last_commit_us;
} BusSqlite;

static inline BusSqlite *bus_sqlite(Bus *bus)
{
	return (BusSqlite *)bus;
}

static inline BusTable *bus_table(Bus *bus, unsigned topic, unsigned partition)
{
	must(topic < bus_sqlite(bus)->topic_count && partition < bus->partitions);
	return &bus_sqlite(bus)->tables[topic * bus->partitions + partition];
}

static inline const BusTopic *bus_table_topic(const BusSqlite *bus, const BusTable *table)
{
	return &bus->topics[(size_t)(table - bus->tables) / bus->bus.partitions];
}

/* A condition variable on the monotonic clock. bus_condition_wait returns false once until_us (clock_monotonic_us) has passed. */
void bus_condition_init(pthread_cond_t *condition);
bool bus_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_us);

/* Runs and resets a statement that returns no rows. Returns a SQLITE_* code. */
int bus_step(sqlite3_stmt *statement);

/* sqlite/bus.c */
Result bus_sqlite_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
			 void *context);
void *bus_committer_run(void *bus);
Result bus_sqlite_trim(Bus *bus, unsigned topic, unsigned partition, int64_t first);

/* sqlite/bus_read.c */
Result bus_sqlite_reader_open(Bus *bus, BusReader **out);
void bus_sqlite_reader_close(BusReader *reader);
Result bus_sqlite_read(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next);
void bus_sqlite_wait(BusReader *reader, const BusPosition *positions, size_t count, int wait_ms);
void bus_sqlite_wake(BusReader *reader);

/* Wakes the readers that wait for a record that has now been appended. */
void bus_readers_notify(BusSqlite *bus);

/* sqlite/bus_positions.c */
Result bus_sqlite_commit(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
int64_t bus_sqlite_committed(Bus *bus, const char *group, unsigned topic, unsigned partition);
Result bus_positions_load(BusSqlite *bus);
void bus_positions_release(BusSqlite *bus);

/* The lowest position of any group in this table; INT64_MAX: no group has a position there. */
int64_t bus_positions_lowest(BusSqlite *bus, const BusTable *table);

/*
 * Writes changed positions in the open transaction; returns a SQLITE_* code. The caller then reports the outcome of the
 * transaction with bus_positions_settle.
 */
int bus_positions_write(BusSqlite *bus);
void bus_positions_settle(BusSqlite *bus, bool committed);

#endif
