/*
 * Appending, and the committer: the only thread that writes the file. It also deletes rows, by retention and by trimming, in
 * small steps: at most one step in each transaction.
 *
 * Retention of streams. A record may be deleted when all groups have read it (its offset is below the lowest position of all
 * groups) and, besides, it is older than its topic's retention_ms or its partition keeps more bytes than its share. A partition
 * that no group ever read is limited by time alone. The newest record always stays: the next offset is derived from it. Steps run
 * when nothing else has to be written. In a partition above its share of bytes a step also runs with each batch; it may delete
 * twice as many rows as the batch adds, and BUSY_ROWS more.
 *
 * Trimming. The caller waits while the committer deletes a step with each transaction. Each step is durable and moves `first`;
 * after a crash the partition begins where the last step ended. If no record remains, the end is recorded in `meta`.
 */
#include "shared/io/sqlite/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <string.h>

enum {
	GATHER_FROM = 4,  /* the committer gathers if the last commit had at least this many waiters */
	GATHER_US = 200,
	ENTRY_ALIGN = 16,
	STEP_ROWS = 512,
	STEP_BYTES = 4 << 20, /* limited because SQLite reads the overflow pages of the rows that it deletes */
	BUSY_ROWS = 64,
	TRIM_WAIT_MS = 5000,
};

static const char failing_text[] = "the bus cannot write to its file; it tries again every second";

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static size_t entry_size(size_t bytes)
{
	return (sizeof(BusEntry) + bytes + ENTRY_ALIGN - 1) & ~(size_t)(ENTRY_ALIGN - 1);
}

static char *bytes_put(char *to, Slice from)
{
	if (from.size > 0)
		memcpy(to, from.data, from.size);
	return to + from.size;
}

static void batch_add(BusBatch *batch, unsigned table, const BusRecord *record, BusDone done, void *context)
{
	BusEntry *entry = (BusEntry *)(void *)(batch->bytes + batch->used);
	*entry = (BusEntry){ .done = done, .context = context, .table = table, .key = (uint32_t)record->key.size,
			     .headers = (uint32_t)record->headers.size, .body = (uint32_t)record->body.size };
	bytes_put(bytes_put(bytes_put((char *)(entry + 1), record->key), record->headers), record->body);
	batch->used += entry_size(record->key.size + record->headers.size + record->body.size);
	batch->count++;
	if (done != NULL && (batch->waiters == 0 || context != batch->last_context))
		batch->waiters++;
	batch->last_context = context;
}

static BusEntry *batch_first(const BusBatch *batch)
{
	return batch->count == 0 ? NULL : (BusEntry *)(void *)batch->bytes;
}

static BusEntry *batch_next(const BusBatch *batch, const BusEntry *entry)
{
	size_t size = entry_size((size_t)entry->key + entry->headers + entry->body);
	char *next = (char *)(uintptr_t)entry + size;
	return next < batch->bytes + batch->used ? (BusEntry *)(void *)next : NULL;
}

static void batch_clear(BusBatch *batch)
{
	batch->used = batch->count = batch->waiters = 0;
	batch->last_context = NULL;
}

/* ---- append ------------------------------------------------------------------------------------------------------ */

static Result record_check(const BusSqlite *bus, const BusRecord *record)
{
	size_t key = record->key.size, headers = record->headers.size, body = record->body.size;
	if (key > BUS_RECORD_MAX || headers > BUS_RECORD_MAX || body > BUS_RECORD_MAX ||
	    key + headers + body > BUS_RECORD_MAX || entry_size(key + headers + body) > bus->queue_bytes)
		return result_fail(ERROR_INPUT, "a record may have at most %d bytes", BUS_RECORD_MAX);
	return result_ok();
}

/* The caller holds queue_mutex. */
static Result queue_admit(BusSqlite *bus, size_t size)
{
	if (bus->closing)
		return result_fail(ERROR_AGAIN, "the bus is closing");
	if (bus->failing)
		return result_fail(ERROR_AGAIN, "%s", failing_text);
	if (size <= bus->queue_bytes - bus->filling->used)
		return result_ok();
	bus->full = true;
	pthread_cond_signal(&bus->arrived);
	return result_fail(ERROR_AGAIN, "the queue of the bus is full: try again later");
}

Result bus_sqlite_append(Bus *base, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
			 void *context)
{
	BusSqlite *bus = bus_sqlite(base);
	unsigned table = (unsigned)(bus_table(base, topic, partition) - bus->tables);
	TRY(record_check(bus, record));
	pthread_mutex_lock(&bus->queue_mutex);
	Result result = queue_admit(bus, entry_size(record->key.size + record->headers.size + record->body.size));
	if (!result_failed(result)) {
		batch_add(bus->filling, table, record, done, context);
		if (bus->filling->waiters >= bus->signal_at) {
			bus->signal_at = SIZE_MAX;
			pthread_cond_signal(&bus->arrived);
		}
	}
	pthread_mutex_unlock(&bus->queue_mutex);
	return result;
}

/* ---- the committer: retention ------------------------------------------------------------------------------------ */

/*
 * The rows of a table that a step may delete: those below `before` that are too old or above the byte share; at most `rows` rows
 * and about `bytes` bytes.
 */
typedef struct {
	int64_t before;      /* offsets from here on are kept */
	Instant older_than;  /* rows received before this time may be deleted; INSTANT_NONE: no row is too old */
	int64_t excess;      /* bytes above the share of the partition */
	size_t rows;
	int64_t bytes;
} Allowance;

static Allowance allowance_of(BusSqlite *bus, BusTable *table, Instant now, size_t rows, int64_t bytes)
{
	int64_t retention_ms = bus_table_topic(bus, table)->retention_ms;
	int64_t lowest = bus_positions_lowest(bus, table), last = atomic_load(&table->end) - 1;
	return (Allowance){
		.before = lowest < last ? lowest : last,
		.older_than = retention_ms > 0 ? now - retention_ms : INSTANT_NONE,
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

/* The oldest rows that may be deleted; none if they cannot be read. The next write then reports the failure. */
static BusDrop table_plan(BusSqlite *bus, BusTable *table, const Allowance *allowed)
{
	if (atomic_load(&table->first) >= allowed->before)
		return (BusDrop){ 0 };
	if (table->oldest == NULL &&
	    result_failed(sqlite_file_prepare(bus->db,
					      "SELECT offset, at, length(key) + length(headers) + length(body) FROM \"%w\""
					      " ORDER BY offset LIMIT ?1",
					      table->name, &table->oldest)))
		return (BusDrop){ 0 };
	sqlite3_bind_int64(table->oldest, 1, (int64_t)allowed->rows);
	return rows_select(table->oldest, table, allowed);
}

static BusDrop retention_idle(BusSqlite *bus, Instant now)
{
	for (unsigned visited = 0; visited < bus->table_count; visited++) {
		BusTable *table = &bus->tables[bus->retention_next];
		BusDrop drop = { 0 };
		Allowance allowed = allowance_of(bus, table, now, STEP_ROWS, STEP_BYTES);
		if (bus_table_topic(bus, table)->stream)
			drop = table_plan(bus, table, &allowed);
		bus->retention_pending = drop.table != NULL;
		if (bus->retention_pending)
			return drop;
		bus->retention_next = (bus->retention_next + 1) % bus->table_count;
	}
	return (BusDrop){ 0 };
}

/* The rows to delete in the transaction that adds a batch of `rows` rows. */
static BusDrop retention_busy(BusSqlite *bus, Instant now, size_t rows)
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

/* ---- the committer: deleting rows -------------------------------------------------------------------------------- */

/* Records the end of a table that is about to be emptied: without a newest record the end cannot be derived. */
static int end_record(BusSqlite *bus, const BusTable *table)
{
	sqlite3_stmt *record;
	if (result_failed(sqlite_file_prepare(bus->db, "INSERT OR REPLACE INTO meta VALUES ('end of %q', ?1)", table->name,
					      &record)))
		return SQLITE_IOERR;
	sqlite3_bind_int64(record, 1, atomic_load(&table->end));
	int code = bus_step(record);
	sqlite3_finalize(record);
	return code;
}

static int drop_write(BusSqlite *bus, const BusDrop *drop)
{
	BusTable *table = drop->table;
	if (drop->before == atomic_load(&table->end) && end_record(bus, table) != SQLITE_OK)
		return SQLITE_IOERR;
	if (table->drop == NULL &&
	    result_failed(sqlite_file_prepare(bus->db, "DELETE FROM \"%w\" WHERE offset < ?1", table->name, &table->drop)))
		return SQLITE_IOERR;
	sqlite3_bind_int64(table->drop, 1, drop->before);
	table->bytes_next -= drop->bytes;
	atomic_store(&table->first_next, drop->before);
	return bus_step(table->drop);
}

static void drop_settle(BusSqlite *bus, const BusDrop *drop, bool committed)
{
	BusTable *table = drop->table;
	if (committed)
		atomic_store(&table->first, drop->before);
	else
		atomic_store(&table->first_next, atomic_load(&table->first));
	pthread_mutex_lock(&bus->queue_mutex);
	pthread_cond_broadcast(&bus->trimmed);
	pthread_mutex_unlock(&bus->queue_mutex);
}

/* ---- trimming ---------------------------------------------------------------------------------------------------- */

static BusTable *table_to_trim(BusSqlite *bus)
{
	for (unsigned i = 0; i < bus->table_count; i++)
		if (atomic_load(&bus->tables[i].first) < atomic_load(&bus->tables[i].trim_to))
			return &bus->tables[i];
	return NULL;
}

static BusDrop trim_plan(BusSqlite *bus)
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
		atomic_store(&table->trim_to, atomic_load(&table->first)); /* give up: trim_await will fail with ERROR_AGAIN */
	return drop;
}

/* The caller holds queue_mutex. */
static Result trim_await(BusSqlite *bus, const BusTable *table, int64_t first)
{
	int64_t until_us = clock_monotonic_us() + TRIM_WAIT_MS * 1000;
	bool in_time = true;
	while (in_time && atomic_load(&table->first) < first && !bus->failing && !bus->closing)
		in_time = bus_condition_wait(&bus->trimmed, &bus->queue_mutex, until_us);
	if (atomic_load(&table->first) >= first)
		return result_ok();
	if (!in_time)
		return result_fail(ERROR_AGAIN, "trimming %s did not finish within five seconds", table->name);
	return result_fail(ERROR_AGAIN, "%s", bus->closing ? "the bus is closing" : failing_text);
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

/* ---- the committer: taking a batch ------------------------------------------------------------------------------- */

/* Waits for an append, a trim, the end of the bus, or the next tick. */
static void queue_wait(BusSqlite *bus)
{
	int64_t until_us = bus->retention_pending ? 0 : bus->tick_at_us;
	bool waiting = true;
	while (waiting && bus->filling->count == 0 && !bus->closing && (!bus->trimming || bus->failing)) {
		bus->signal_at = 0;
		waiting = bus_condition_wait(&bus->arrived, &bus->queue_mutex, until_us);
	}
}

/*
 * Waits up to GATHER_US until the batch has as many waiters as the last batch with records: the appenders of that batch are likely
 * to append again at once.
 */
static void queue_gather(BusSqlite *bus)
{
	if (bus->last_waiters < GATHER_FROM || bus->filling->count == 0)
		return;
	int64_t until_us = clock_monotonic_us() + GATHER_US;
	bool waiting = true;
	while (waiting && bus->filling->waiters < bus->last_waiters && !bus->full && !bus->closing) {
		bus->signal_at = bus->last_waiters;
		waiting = bus_condition_wait(&bus->arrived, &bus->queue_mutex, until_us);
	}
}

/* Takes the batch that appends have filled; it may be empty. *last: the bus is closing and this is the last batch. */
static BusBatch *batch_take(BusSqlite *bus, bool *last)
{
	pthread_mutex_lock(&bus->queue_mutex);
	queue_wait(bus);
	queue_gather(bus);
	BusBatch *batch = bus->filling;
	bus->filling = batch == &bus->batches[0] ? &bus->batches[1] : &bus->batches[0];
	bus->signal_at = SIZE_MAX;
	bus->full = false;
	*last = bus->closing;
	pthread_mutex_unlock(&bus->queue_mutex);
	return batch;
}

/* ---- the committer: one transaction ------------------------------------------------------------------------------ */

/* The contents of one transaction. */
typedef struct {
	BusBatch *batch;
	Instant now;
	bool positions, probe;
	BusDrop drop;
} BusWork;

static int entry_insert(BusSqlite *bus, BusEntry *entry, Instant now)
{
	BusTable *table = &bus->tables[entry->table];
	sqlite3_stmt *insert = table->insert;
	const char *key = (const char *)(entry + 1);
	entry->offset = table->end_next++;
	table->bytes_next += (int64_t)entry->key + entry->headers + entry->body;
	sqlite3_bind_int64(insert, 1, entry->offset);
	sqlite3_bind_int64(insert, 2, now);
	sqlite3_bind_blob64(insert, 3, key, entry->key, SQLITE_STATIC);
	sqlite3_bind_blob64(insert, 4, key + entry->key, entry->headers, SQLITE_STATIC);
	sqlite3_bind_blob64(insert, 5, key + entry->key + entry->headers, entry->body, SQLITE_STATIC);
	return bus_step(insert);
}

static int batch_insert(BusSqlite *bus, const BusBatch *batch, Instant now)
{
	int code = SQLITE_OK;
	BusEntry *entry = batch_first(batch);
	for (; entry != NULL && code == SQLITE_OK; entry = batch_next(batch, entry)) {
		BusTable *table = &bus->tables[entry->table];
		if (table->insert == NULL &&
		    result_failed(sqlite_file_prepare(bus->db, "INSERT INTO \"%w\" VALUES (?1, ?2, ?3, ?4, ?5)", table->name,
						      &table->insert)))
			return SQLITE_IOERR;
		code = entry_insert(bus, entry, now);
	}
	return code;
}

static int work_write(BusSqlite *bus, const BusWork *work)
{
	int code = bus_step(bus->begin);
	if (code == SQLITE_OK)
		code = batch_insert(bus, work->batch, work->now);
	if (code == SQLITE_OK && work->positions)
		code = bus_positions_write(bus);
	if (code == SQLITE_OK && work->drop.table != NULL)
		code = drop_write(bus, &work->drop);
	if (code == SQLITE_OK && work->probe)
		code = bus_step(bus->probe);
	if (code == SQLITE_OK)
		code = bus_step(bus->commit);
	if (code != SQLITE_OK && !sqlite3_get_autocommit(bus->db))
		bus_step(bus->rollback);
	return code;
}

/* ---- the committer: after a transaction -------------------------------------------------------------------------- */

static void tables_settle(BusSqlite *bus, bool committed)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		BusTable *table = &bus->tables[i];
		int64_t end = atomic_load_explicit(&table->end, memory_order_relaxed);
		if (!committed) {
			table->end_next = end;
			table->bytes_next = table->bytes;
		} else if (table->end_next != end || table->bytes_next != table->bytes) {
			table->bytes = table->bytes_next;
			atomic_store(&table->end, table->end_next);
		}
	}
}

static void batch_report(const BusBatch *batch, bool failed)
{
	for (BusEntry *entry = batch_first(batch); entry != NULL; entry = batch_next(batch, entry))
		if (entry->done != NULL)
			entry->done(entry->context, failed, failed ? -1 : entry->offset);
}

static void failing_set(BusSqlite *bus, bool failing)
{
	pthread_mutex_lock(&bus->queue_mutex);
	bus->failing = failing;
	pthread_cond_broadcast(&bus->trimmed);
	pthread_mutex_unlock(&bus->queue_mutex);
}

static void figures_add(BusSqlite *bus, const BusBatch *batch, int64_t took_us)
{
	bus->commits++;
	bus->appended += batch->count;
	bus->bytes += batch->used;
	bus->last_commit_us = took_us;
	metric_add(METRIC_BUS_APPENDED, NULL, NULL, (int64_t)batch->count);
	metric_observe_us(METRIC_BUS_COMMIT_SECONDS, NULL, NULL, took_us);
}

static void work_settle(BusSqlite *bus, const BusWork *work, bool committed)
{
	tables_settle(bus, committed);
	if (work->positions)
		bus_positions_settle(bus, committed);
	if (!committed) {
		bus->failed_commits++;
		bus->retention_pending = false;
	}
	if (!committed || work->probe)
		failing_set(bus, !committed);
	if (work->drop.table != NULL)
		drop_settle(bus, &work->drop, committed);
	bus_readers_notify(bus);
	batch_report(work->batch, !committed);
}

/* The last batch always counts as a tick, so that the last positions are written. */
static bool tick_due(BusSqlite *bus, bool last)
{
	int64_t now_us = clock_monotonic_us();
	if (now_us < bus->tick_at_us && !last)
		return false;
	bus->tick_at_us = now_us + BUS_TICK_US;
	return true;
}

/* Reads bus->failing without the mutex, which is safe because only the committer writes it. */
static BusWork work_plan(BusSqlite *bus, BusBatch *batch, bool last)
{
	BusWork work = { .batch = batch, .now = clock_now() };
	bool tick = tick_due(bus, last);
	work.probe = bus->failing && (tick || batch->count > 0);
	work.positions = tick && atomic_load(&bus->positions_dirty);
	if (!bus->failing && !last)
		work.drop = trim_plan(bus);
	if (work.drop.table != NULL)
		return work;
	if (batch->count > 0 && !bus->failing)
		work.drop = retention_busy(bus, work.now, batch->count);
	else if (batch->count == 0 && !bus->failing && !last && (tick || bus->retention_pending))
		work.drop = retention_idle(bus, work.now);
	return work;
}

static void batch_commit(BusSqlite *bus, BusBatch *batch, bool last)
{
	BusWork work = work_plan(bus, batch, last);
	if (batch->count == 0 && !work.probe && !work.positions && work.drop.table == NULL)
		return;
	int64_t begun_us = clock_monotonic_us();
	bool committed = work_write(bus, &work) == SQLITE_OK;
	if (committed)
		figures_add(bus, batch, clock_monotonic_us() - begun_us);
	work_settle(bus, &work, committed);
}

void *bus_committer_run(void *context)
{
	BusSqlite *bus = context;
	bool last = false;
	while (!last) {
		BusBatch *batch = batch_take(bus, &last);
		batch_commit(bus, batch, last);
		if (batch->count > 0)
			bus->last_waiters = batch->waiters;
		batch_clear(batch);
	}
	return NULL;
}

void bus_sqlite_figures(Bus *base, BusSqliteFigures *out)
{
	BusSqlite *bus = bus_sqlite(base);
	*out = (BusSqliteFigures){ .appended = bus->appended, .commits = bus->commits,
				   .failed_commits = bus->failed_commits, .bytes = bus->bytes,
				   .last_commit_us = bus->last_commit_us };
}
