/*
 * Retention of streams. A record may go when no group has still to read it (its offset is before the lowest position of
 * any group) and it is older than its topic's time, or its partition keeps more bytes than its share. A partition that no
 * group ever read is bounded by time alone. The newest record always stays: the next offset is found from it.
 *
 * Steps are small and run when nothing is to be written. Only a partition beyond its bytes does not wait for that: then a
 * step goes along with each batch, twice as many rows as came in.
 */
#include "shared/edge/bus_sqlite_internal.h"

enum { IDLE_ROWS = 512, BUSY_ROWS = 64 };

/* Why the records of one table may go. */
typedef struct {
	int64_t before;      /* offsets from here on stay */
	Instant older_than;  /* received before it: INSTANT_NONE, never for age */
	int64_t excess;      /* bytes too many */
} Allowance;

static Allowance allowance_of(BusSqlite *bus, BusTable *table, Instant now)
{
	int64_t keep_ms = bus_table_topic(bus, table)->keep_ms;
	int64_t lowest = bus_positions_lowest(bus, table), last = atomic_load(&table->end) - 1;
	return (Allowance){
		.before = lowest < last ? lowest : last,
		.older_than = keep_ms > 0 ? now - keep_ms : INSTANT_NONE,
		.excess = lowest < INT64_MAX ? table->bytes - bus->stream_share : 0,
	};
}

static BusDrop rows_select(sqlite3_stmt *rows, BusTable *table, const Allowance *allowed)
{
	BusDrop drop = { .before = atomic_load(&table->first) };
	while (sqlite3_step(rows) == SQLITE_ROW) {
		int64_t offset = sqlite3_column_int64(rows, 0);
		bool old = sqlite3_column_int64(rows, 1) < allowed->older_than;
		if (offset >= allowed->before || (!old && drop.bytes >= allowed->excess))
			break;
		drop.table = table;
		drop.before = offset + 1;
		drop.bytes += sqlite3_column_int64(rows, 2);
	}
	sqlite3_reset(rows);
	return drop;
}

/* At most `rows` of the oldest rows. A failure is no drop: it shows again when something is written. */
static BusDrop table_plan(BusSqlite *bus, BusTable *table, Instant now, size_t rows)
{
	static const char sql[] = "SELECT offset, at, length(key) + length(headers) + length(body) FROM \"%s\""
				  " ORDER BY offset LIMIT ?1";
	Allowance allowed = allowance_of(bus, table, now);
	if (atomic_load(&table->first) >= allowed.before)
		return (BusDrop){ 0 };
	if (table->oldest == NULL && result_failed(bus_prepare(bus, sql, table->name, &table->oldest)))
		return (BusDrop){ 0 };
	sqlite3_bind_int64(table->oldest, 1, (int64_t)rows);
	return rows_select(table->oldest, table, &allowed);
}

BusDrop bus_keep_idle(BusSqlite *bus, Instant now)
{
	for (unsigned looked = 0; looked < bus->table_count; looked++) {
		BusTable *table = &bus->tables[bus->keep_next];
		BusDrop drop = { 0 };
		if (bus_table_topic(bus, table)->stream)
			drop = table_plan(bus, table, now, IDLE_ROWS);
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
		BusDrop drop = table_plan(bus, table, now, 2 * rows + BUSY_ROWS);
		if (drop.table != NULL)
			return drop;
	}
	return (BusDrop){ 0 };
}

int bus_keep_drop(BusSqlite *bus, const BusDrop *drop)
{
	BusTable *table = drop->table;
	if (table->drop == NULL &&
	    result_failed(bus_prepare(bus, "DELETE FROM \"%s\" WHERE offset < ?1", table->name, &table->drop)))
		return SQLITE_IOERR;
	sqlite3_bind_int64(table->drop, 1, drop->before);
	table->bytes_next -= drop->bytes;
	return bus_step(table->drop);
}
