/*
 * What is dropped: by retention, and by trimming.
 *
 * Retention of streams. A record may go when no group has still to read it (its offset is before the lowest position of
 * any group) and it is older than its topic's time, or its partition keeps more bytes than its share. A partition that no
 * group ever read is bounded by time alone. The newest record always stays: the next offset is found from it.
 *
 * Steps are small and run when nothing is to be written. Only a partition beyond its bytes does not wait for that: then a
 * step goes along with each batch, twice as many rows as came in.
 *
 * Trimming. Whoever trims waits while the committer takes out a step with each transaction, with a batch or alone: each is
 * durable, `first` follows each, and a crash leaves a partition that begins where the last one ended. Where nothing remains
 * the next offset can no longer be found from the newest record: it is noted.
 */
#include "shared/io/sqlite/bus_internal.h"

#include "shared/io/system/clock.h"

enum {
	STEP_ROWS = 512,
	STEP_BYTES = 4 << 20, /* to drop a long record is to read where its pages are */
	BUSY_ROWS = 64,
	TRIM_WAIT_MS = 5000,
};

/* Why the records of one table may go, and how many in one step. */
typedef struct {
	int64_t before;      /* offsets from here on stay */
	Instant older_than;  /* received before it: INSTANT_NONE, never for age */
	int64_t excess;      /* bytes too many */
	size_t rows;
	int64_t bytes;
} Allowance;

static Allowance allowance_of(BusSqlite *bus, BusTable *table, Instant now, size_t rows, int64_t bytes)
{
	int64_t keep_ms = bus_table_topic(bus, table)->keep_ms;
	int64_t lowest = bus_positions_lowest(bus, table), last = atomic_load(&table->end) - 1;
	return (Allowance){
		.before = lowest < last ? lowest : last,
		.older_than = keep_ms > 0 ? now - keep_ms : INSTANT_NONE,
		.excess = lowest < INT64_MAX ? table->bytes - bus->stream_share : 0,
		.rows = rows,
		.bytes = bytes,
	};
}

static BusDrop rows_select(sqlite3_stmt *rows, BusTable *table, const Allowance *allowed)
{
	BusDrop drop = { .before = atomic_load(&table->first) };
	while (sqlite3_step(rows) == SQLITE_ROW) {
		int64_t offset = sqlite3_column_int64(rows, 0);
		bool old = sqlite3_column_int64(rows, 1) < allowed->older_than;
		bool excess = drop.bytes < allowed->excess;
		if (offset >= allowed->before || (!old && !excess) || drop.bytes >= allowed->bytes)
			break;
		drop.table = table;
		drop.before = offset + 1;
		drop.bytes += sqlite3_column_int64(rows, 2);
	}
	sqlite3_reset(rows);
	return drop;
}

/* The oldest rows. A failure is no drop: it shows again when something is written. */
static BusDrop table_plan(BusSqlite *bus, BusTable *table, const Allowance *allowed)
{
	static const char sql[] = "SELECT offset, at, length(key) + length(headers) + length(body) FROM \"%s\""
				  " ORDER BY offset LIMIT ?1";
	if (atomic_load(&table->first) >= allowed->before)
		return (BusDrop){ 0 };
	if (table->oldest == NULL && result_failed(bus_prepare(bus, sql, table->name, &table->oldest)))
		return (BusDrop){ 0 };
	sqlite3_bind_int64(table->oldest, 1, (int64_t)allowed->rows);
	return rows_select(table->oldest, table, allowed);
}

BusDrop bus_keep_idle(BusSqlite *bus, Instant now)
{
	for (unsigned looked = 0; looked < bus->table_count; looked++) {
		BusTable *table = &bus->tables[bus->keep_next];
		BusDrop drop = { 0 };
		Allowance allowed = allowance_of(bus, table, now, STEP_ROWS, STEP_BYTES);
		if (bus_table_topic(bus, table)->stream)
			drop = table_plan(bus, table, &allowed);
		bus->keep_more = drop.table != NULL;
		if (bus->keep_more)
			return drop;
		bus->keep_next = (bus->keep_next + 1) % bus->table_count;
	}
	return (BusDrop){ 0 };
}

BusDrop bus_keep_busy(BusSqlite *bus, Instant now, size_t rows)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		BusTable *table = &bus->tables[i];
		if (table->bytes <= bus->stream_share || !bus_table_topic(bus, table)->stream)
			continue;
		Allowance allowed = allowance_of(bus, table, now, 2 * rows + BUSY_ROWS, INT64_MAX);
		BusDrop drop = table_plan(bus, table, &allowed);
		if (drop.table != NULL)
			return drop;
	}
	return (BusDrop){ 0 };
}

/* The newest record goes too: what came after it in this transaction may be nothing. */
static int end_note(BusSqlite *bus, const BusTable *table)
{
	static const char sql[] = "INSERT OR REPLACE INTO meta VALUES ('end of %s', ?1)";
	sqlite3_stmt *note = NULL;
	if (result_failed(bus_prepare(bus, sql, table->name, &note)))
		return SQLITE_IOERR;
	sqlite3_bind_int64(note, 1, atomic_load(&table->end));
	int code = bus_step(note);
	sqlite3_finalize(note);
	return code;
}

int bus_keep_drop(BusSqlite *bus, const BusDrop *drop)
{
	BusTable *table = drop->table;
	if (drop->before == atomic_load(&table->end) && end_note(bus, table) != SQLITE_OK)
		return SQLITE_IOERR;
	if (table->drop == NULL &&
	    result_failed(bus_prepare(bus, "DELETE FROM \"%s\" WHERE offset < ?1", table->name, &table->drop)))
		return SQLITE_IOERR;
	sqlite3_bind_int64(table->drop, 1, drop->before);
	table->bytes_next -= drop->bytes;
	atomic_store(&table->going, drop->before);
	return bus_step(table->drop);
}

/* ---- trimming ---------------------------------------------------------------------------------------------------- */

static BusTable *table_to_trim(BusSqlite *bus)
{
	for (unsigned i = 0; i < bus->table_count; i++)
		if (atomic_load(&bus->tables[i].first) < atomic_load(&bus->tables[i].trim_to))
			return &bus->tables[i];
	return NULL;
}

BusDrop bus_keep_trim(BusSqlite *bus)
{
	pthread_mutex_lock(&bus->queue_mutex);
	BusTable *table = bus->trimming ? table_to_trim(bus) : NULL;
	bus->trimming = table != NULL;
	pthread_mutex_unlock(&bus->queue_mutex);
	if (table == NULL)
		return (BusDrop){ 0 };
	Allowance allowed = { .before = atomic_load(&table->trim_to), .older_than = INT64_MAX, .rows = STEP_ROWS,
			      .bytes = STEP_BYTES };
	BusDrop drop = table_plan(bus, table, &allowed);
	if (drop.table == NULL)
		atomic_store(&table->trim_to, atomic_load(&table->first)); /* not now: whoever waits is told so */
	return drop;
}

void bus_keep_dropped(BusSqlite *bus, const BusDrop *drop, bool committed)
{
	BusTable *table = drop->table;
	if (committed)
		atomic_store(&table->first, drop->before);
	else
		atomic_store(&table->going, atomic_load(&table->first));
	pthread_mutex_lock(&bus->queue_mutex);
	pthread_cond_broadcast(&bus->trimmed);
	pthread_mutex_unlock(&bus->queue_mutex);
}

/* With the queue's mutex held. */
static Result trim_await(BusSqlite *bus, const BusTable *table, int64_t first)
{
	int64_t until_us = clock_monotonic_us() + TRIM_WAIT_MS * 1000;
	bool in_time = true;
	while (in_time && atomic_load(&table->first) < first && !bus->failing && !bus->closing)
		in_time = bus_condition_wait(&bus->trimmed, &bus->queue_mutex, until_us);
	if (atomic_load(&table->first) >= first)
		return result_ok();
	if (!in_time)
		return result_fail(ERROR_AGAIN, "%s is still being trimmed", table->name);
	return result_fail(ERROR_AGAIN, bus->closing ? "the bus is closing" : "the bus cannot write at present");
}

Result bus_sqlite_trim(Bus *base, unsigned topic, unsigned partition, int64_t first)
{
	BusSqlite *bus = bus_sqlite(base);
	BusTable *table = bus_table(base, topic, partition);
	must(first <= atomic_load(&table->end));
	if (first <= atomic_load(&table->first))
		return result_ok();
	pthread_mutex_lock(&bus->queue_mutex);
	if (first > atomic_load(&table->trim_to))
		atomic_store(&table->trim_to, first);
	bus->trimming = true;
	pthread_cond_signal(&bus->arrived);
	Result result = trim_await(bus, table, first);
	pthread_mutex_unlock(&bus->queue_mutex);
	return result;
}
