/*
 * The embedded bus inside: who may touch what.
 *
 *   sqlite/bus.c            append, and the committer: the one thread that writes the file
 *   sqlite/bus_open.c       the file: settings, schema, what is known of it in memory
 *   sqlite/bus_read.c       readers: a read-only connection each, and who waits for what
 *   sqlite/bus_keep.c       retention and trimming, a step at a time, on the committer
 *   sqlite/bus_positions.c  positions of groups: in memory, written by the committer
 *
 * "committer" beside a member: touched by that thread alone once the bus is open. Locks are never held together, and
 * none is held during SQL.
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
	BUS_TICK_US = 1000000, /* positions, retention and probing while failing: once in this time */
};

/* One partition of one topic: a table of the file. Index topic * P + partition. */
typedef struct {
	char name[BUS_TABLE_NAME]; /* events.0 */
	_Atomic int64_t first, end;
	_Atomic int64_t going;   /* first, or what it will be when the open transaction is committed */
	_Atomic int64_t trim_to; /* what it was told to become */
	int64_t next;       /* committer: end, and the rows of the open transaction */
	int64_t bytes;      /* committer: kept, about */
	int64_t bytes_next; /* committer: the same with the open transaction */
	sqlite3_stmt *insert, *oldest, *drop; /* committer */
} BusTable;

/* One append as it lies in a batch; key, headers and body follow, then the next one, aligned. */
typedef struct {
	BusDone done;
	void *context;
	int64_t offset;
	unsigned table;
	uint32_t key, headers, body;
} BusEntry;

typedef struct {
	char *bytes;
	size_t used, count;
	size_t waiters;     /* appenders waiting for `done`; neighbours with one context are one */
	void *last_context;
} BusBatch;

typedef struct {
	char name[BUS_GROUP_NAME];
	int64_t *now;     /* a table each; -1: none */
	int64_t *writing; /* committer: in the open transaction */
	int64_t *written; /* committer */
} BusGroup;

/* Rows of a table that are taken out: those before `before`. No table: nothing to do. */
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
	int64_t stream_share; /* bytes kept of one partition of a stream */
	char cluster[BUS_CLUSTER_TEXT];
	BusTable *tables;

	pthread_mutex_t queue_mutex; /* guards to `trimmed` */
	pthread_cond_t arrived;
	size_t queue_bytes;
	BusBatch batches[2], *filling;
	size_t signal_at; /* appenders signal when so many waiters are in */
	bool crowded;     /* an append found no room: gather no longer */
	bool closing, failing;
	bool trimming;             /* some table's first is before its trim_to */
	pthread_cond_t trimmed;    /* a step of trimming is over, or the bus is failing or closing */

	pthread_t committer;
	sqlite3 *db;                 /* committer */
	sqlite3_stmt *begin, *commit, *rollback, *probe, *position; /* committer */
	size_t last_waiters;         /* committer */
	int64_t tick_at_us;          /* committer: when positions and retention are looked at next */
	bool keep_more;              /* committer: the last idle step of retention left something */
	unsigned keep_next;          /* committer: table that the next idle step begins with */

	pthread_mutex_t readers_mutex; /* guards the list, and in each reader what the list is about */
	BusSqliteReader *waiting;
	_Atomic unsigned open_readers;

	pthread_mutex_t positions_mutex; /* guards group_count, names, `now` */
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

/* A condition variable on the monotonic clock; a wait on it until a time of clock_monotonic_us, false when it is over. */
void bus_condition_init(pthread_cond_t *condition);
bool bus_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_us);

/* Prepared for good; a statement that cannot be is ERROR_AGAIN or INTERNAL. %s in the format is the table's name. */
Result bus_prepare(BusSqlite *bus, const char *format, const char *table, sqlite3_stmt **out);

/* Runs a statement that gives no rows and makes it ready for the next time. A SQLITE_* code. */
int bus_step(sqlite3_stmt *statement);

/* sqlite/bus.c */
Result bus_sqlite_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
			 void *context);
void *bus_committer_run(void *bus);

/* sqlite/bus_read.c */
Result bus_sqlite_reader_open(Bus *bus, BusReader **out);
void bus_sqlite_reader_close(BusReader *reader);
Result bus_sqlite_read(BusReader *reader, BusPosition place, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next);
void bus_sqlite_wait(BusReader *reader, const BusPosition *places, size_t count, int wait_ms);
void bus_sqlite_wake(BusReader *reader);

/* Wakes the readers that wait for what is there now. */
void bus_readers_notify(BusSqlite *bus);

/* sqlite/bus_keep.c: what to drop next, when nothing else is to be written, and along with a batch of `rows` rows. */
BusDrop bus_keep_idle(BusSqlite *bus, Instant now);
BusDrop bus_keep_busy(BusSqlite *bus, Instant now, size_t rows);
int bus_keep_drop(BusSqlite *bus, const BusDrop *drop);
/* What is to be trimmed next. */
BusDrop bus_keep_trim(BusSqlite *bus);
void bus_keep_dropped(BusSqlite *bus, const BusDrop *drop, bool committed);
Result bus_sqlite_trim(Bus *bus, unsigned topic, unsigned partition, int64_t first);

/* sqlite/bus_positions.c */
Result bus_sqlite_commit(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
int64_t bus_sqlite_committed(Bus *bus, const char *group, unsigned topic, unsigned partition);
Result bus_positions_load(BusSqlite *bus);
void bus_positions_release(BusSqlite *bus);

/* Lowest position of any group, INT64_MAX where there is none. */
int64_t bus_positions_lowest(BusSqlite *bus, const BusTable *table);

/* In the open transaction; then whether it was committed. A SQLITE_* code. */
int bus_positions_write(BusSqlite *bus);
void bus_positions_settle(BusSqlite *bus, bool committed);

#endif
