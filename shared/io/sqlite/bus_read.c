#include "shared/io/sqlite/bus_internal.h"

#include "shared/io/system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { READ_BUSY_MS = 2000 };

/* Statements of one table, prepared at first use: `light` reads no bodies, `full` does. */
typedef struct {
	sqlite3_stmt *light, *full;
} ReaderTable;

struct BusSqliteReader {
	BusReader reader;
	sqlite3 *db;
	ReaderTable *tables;

	pthread_cond_t notified; /* used with the bus's readers_mutex, which guards all members below */
	bool woken;              /* set by bus_sqlite_wake; cleared when a wait ends */
	bool waiting, ready;     /* ready: one of `positions` has a record */
	const BusPosition *positions;
	size_t position_count;
	BusSqliteReader *previous, *next; /* in the list of waiting readers */
};

static BusSqliteReader *sqlite_reader(BusReader *reader)
{
	return (BusSqliteReader *)reader;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static bool positions_ready(BusSqlite *bus, const BusPosition *positions, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (atomic_load(&bus_table(&bus->bus, positions[i].topic, positions[i].partition)->end) > positions[i].from)
			return true;
	return false;
}

static void waiting_add(BusSqlite *bus, BusSqliteReader *reader)
{
	reader->waiting = true;
	reader->previous = NULL;
	reader->next = bus->waiting;
	if (bus->waiting != NULL)
		bus->waiting->previous = reader;
	bus->waiting = reader;
}

static void waiting_remove(BusSqlite *bus, BusSqliteReader *reader)
{
	reader->waiting = false;
	if (reader->previous == NULL)
		bus->waiting = reader->next;
	else
		reader->previous->next = reader->next;
	if (reader->next != NULL)
		reader->next->previous = reader->previous;
}

void bus_sqlite_wait(BusReader *base, const BusPosition *positions, size_t count, int wait_ms)
{
	BusSqliteReader *reader = sqlite_reader(base);
	BusSqlite *bus = bus_sqlite(base->bus);
	int64_t until_us = clock_monotonic_us() + (wait_ms > 0 ? (int64_t)wait_ms * 1000 : 0);
	pthread_mutex_lock(&bus->readers_mutex);
	reader->positions = positions;
	reader->position_count = count;
	reader->ready = positions_ready(bus, positions, count);
	waiting_add(bus, reader);
	bool in_time = true;
	while (in_time && !reader->ready && !reader->woken)
		in_time = bus_condition_wait(&reader->notified, &bus->readers_mutex, until_us);
	waiting_remove(bus, reader);
	reader->woken = false;
	pthread_mutex_unlock(&bus->readers_mutex);
}

void bus_sqlite_wake(BusReader *base)
{
	BusSqliteReader *reader = sqlite_reader(base);
	BusSqlite *bus = bus_sqlite(base->bus);
	pthread_mutex_lock(&bus->readers_mutex);
	reader->woken = true;
	if (reader->waiting)
		pthread_cond_signal(&reader->notified);
	pthread_mutex_unlock(&bus->readers_mutex);
}

/* No append is missed: the committer stores the ends before it calls this function, and readers check them with the mutex held. */
void bus_readers_notify(BusSqlite *bus)
{
	pthread_mutex_lock(&bus->readers_mutex);
	for (BusSqliteReader *reader = bus->waiting; reader != NULL; reader = reader->next) {
		if (reader->ready || !positions_ready(bus, reader->positions, reader->position_count))
			continue;
		reader->ready = true;
		pthread_cond_signal(&reader->notified);
	}
	pthread_mutex_unlock(&bus->readers_mutex);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static Result statement_prepare(BusSqliteReader *reader, const BusTable *table, bool want_bodies, sqlite3_stmt **out)
{
	ReaderTable *own = &reader->tables[table - bus_sqlite(reader->reader.bus)->tables];
	sqlite3_stmt **kept = want_bodies ? &own->full : &own->light;
	if (*kept == NULL && want_bodies)
		TRY(sqlite_file_prepare(reader->db,
					"SELECT offset, key, headers, body FROM \"%w\" WHERE offset >= ?1 ORDER BY offset LIMIT ?2",
					table->name, kept));
	else if (*kept == NULL)
		TRY(sqlite_file_prepare(reader->db,
					"SELECT offset, key, headers FROM \"%w\" WHERE offset >= ?1 ORDER BY offset LIMIT ?2",
					table->name, kept));
	*out = *kept;
	return result_ok();
}

static Slice column_slice(sqlite3_stmt *row, int column)
{
	return (Slice){ sqlite3_column_blob(row, column), (size_t)sqlite3_column_bytes(row, column) };
}

static BusRecord row_record(sqlite3_stmt *row, bool want_bodies)
{
	return (BusRecord){ .offset = sqlite3_column_int64(row, 0), .key = column_slice(row, 1),
			    .headers = column_slice(row, 2), .body = want_bodies ? column_slice(row, 3) : SLICE_NONE };
}

static Result no_longer_kept(int64_t offset)
{
	return result_fail(ERROR_NOT_FOUND, "offset %lld is no longer kept", (long long)offset);
}

/* A missing record below first_next was deleted during the read; any other gap is damage. */
static Result gap_result(const BusTable *table, int64_t expected)
{
	if (expected < atomic_load(&table->first_next))
		return no_longer_kept(expected);
	return result_fail(ERROR_INTERNAL, "%s is damaged: it has no record at offset %lld", table->name, (long long)expected);
}

typedef struct {
	const BusTable *table;
	sqlite3_stmt *rows;
	bool want_bodies;
	BusVisit visit;
	void *context;
} Reading;

static Result rows_visit(const BusSqliteReader *reader, const Reading *reading, size_t count, int64_t *next)
{
	int code = SQLITE_DONE;
	int64_t from = *next;
	bool more = true;
	while (more && count-- > 0 && (code = sqlite3_step(reading->rows)) == SQLITE_ROW) {
		BusRecord record = row_record(reading->rows, reading->want_bodies);
		if (record.offset != *next)
			return gap_result(reading->table, *next);
		++*next;
		more = reading->visit(reading->context, &record);
	}
	if (code == SQLITE_DONE && *next == from)
		return gap_result(reading->table, from);
	return sqlite_file_result(reader->db, code);
}

Result bus_sqlite_read(BusReader *base, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next)
{
	BusSqliteReader *reader = sqlite_reader(base);
	const BusTable *table = bus_table(base->bus, position.topic, position.partition);
	int64_t available = atomic_load(&table->end) - position.from;
	*next = position.from;
	if (position.from < atomic_load(&table->first))
		return no_longer_kept(position.from);
	if (available <= 0 || max == 0)
		return result_ok();
	size_t count = max < (uint64_t)available ? max : (size_t)available;
	Reading reading = { .table = table, .want_bodies = want_bodies, .visit = visit, .context = context };
	TRY(statement_prepare(reader, table, want_bodies, &reading.rows));
	sqlite3_bind_int64(reading.rows, 1, position.from);
	sqlite3_bind_int64(reading.rows, 2, (int64_t)count);
	Result result = rows_visit(reader, &reading, count, next);
	sqlite3_reset(reading.rows); /* an open statement would keep the WAL from restarting */
	return result;
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

Result bus_sqlite_reader_open(Bus *base, BusReader **out)
{
	BusSqlite *bus = bus_sqlite(base);
	sqlite3 *db = NULL;
	TRY(sqlite_file_open(bus->path, SQLITE_OPEN_READONLY, READ_BUSY_MS, &db));
	Result result = sqlite_file_run(db, "PRAGMA cache_size = -256; PRAGMA trusted_schema = OFF");
	if (result_failed(result)) {
		sqlite3_close(db);
		return result;
	}
	BusSqliteReader *reader = calloc(1, sizeof *reader);
	must(reader != NULL);
	reader->reader.bus = base;
	reader->db = db;
	reader->tables = calloc(bus->table_count, sizeof *reader->tables);
	must(reader->tables != NULL);
	bus_condition_init(&reader->notified);
	bus->open_readers++;
	*out = &reader->reader;
	return result_ok();
}

void bus_sqlite_reader_close(BusReader *base)
{
	if (base == NULL)
		return;
	BusSqliteReader *reader = sqlite_reader(base);
	BusSqlite *bus = bus_sqlite(base->bus);
	for (unsigned i = 0; i < bus->table_count; i++) {
		sqlite3_finalize(reader->tables[i].light);
		sqlite3_finalize(reader->tables[i].full);
	}
	sqlite3_close(reader->db);
	pthread_cond_destroy(&reader->notified);
	free(reader->tables);
	free(reader);
	bus->open_readers--;
}
