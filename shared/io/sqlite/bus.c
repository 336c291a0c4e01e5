#include "shared/io/sqlite/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <string.h>

enum {
	GATHER_FROM = 4,  /* waiters of the last commit from which on the next one gathers */
	GATHER_US = 200,
	ENTRY_ALIGN = 16,
};

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

/* With the queue's mutex held. */
static Result queue_admit(BusSqlite *bus, size_t size)
{
	if (bus->closing)
		return result_fail(ERROR_AGAIN, "the bus is closing");
	if (bus->failing)
		return result_fail(ERROR_AGAIN, "the bus cannot write at present");
	if (size <= bus->queue_bytes - bus->filling->used)
		return result_ok();
	bus->crowded = true;
	pthread_cond_signal(&bus->arrived);
	return result_fail(ERROR_AGAIN, "the queue of the bus is full");
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

/* ---- the committer: taking a batch ------------------------------------------------------------------------------- */

/* Until there is something, or it is time to look after positions and retention. */
static void queue_wait(BusSqlite *bus)
{
	int64_t until_us = bus->keep_more ? 0 : bus->tick_at_us;
	bool waiting = true;
	while (waiting && bus->filling->count == 0 && !bus->closing && (!bus->trimming || bus->failing)) {
		bus->signal_at = 0;
		waiting = bus_condition_wait(&bus->arrived, &bus->queue_mutex, until_us);
	}
}

/* Those whom the last commit answered are likely to come again at once: wait for as many, for a moment. */
static void queue_gather(BusSqlite *bus)
{
	if (bus->last_waiters < GATHER_FROM || bus->filling->count == 0)
		return;
	int64_t until_us = clock_monotonic_us() + GATHER_US;
	bool waiting = true;
	while (waiting && bus->filling->waiters < bus->last_waiters && !bus->crowded && !bus->closing) {
		bus->signal_at = bus->last_waiters;
		waiting = bus_condition_wait(&bus->arrived, &bus->queue_mutex, until_us);
	}
}

/* May be empty. *last: the bus is closing and nothing comes after it. */
static BusBatch *batch_take(BusSqlite *bus, bool *last)
{
	pthread_mutex_lock(&bus->queue_mutex);
	queue_wait(bus);
	queue_gather(bus);
	BusBatch *batch = bus->filling;
	bus->filling = batch == &bus->batches[0] ? &bus->batches[1] : &bus->batches[0];
	bus->signal_at = SIZE_MAX;
	bus->crowded = false;
	*last = bus->closing;
	pthread_mutex_unlock(&bus->queue_mutex);
	return batch;
}

/* ---- the committer: one transaction ------------------------------------------------------------------------------ */

/* What one transaction is to write. */
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
	entry->offset = table->next++;
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
		    result_failed(bus_prepare(bus, "INSERT INTO \"%s\" VALUES (?1, ?2, ?3, ?4, ?5)", table->name,
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
		code = bus_keep_drop(bus, &work->drop);
	if (code == SQLITE_OK && work->probe)
		code = bus_step(bus->probe);
	if (code == SQLITE_OK)
		code = bus_step(bus->commit);
	if (code != SQLITE_OK && !sqlite3_get_autocommit(bus->db))
		bus_step(bus->rollback);
	return code;
}

/* ---- the committer: what came of it ------------------------------------------------------------------------------ */

static void tables_settle(BusSqlite *bus, bool committed)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		BusTable *table = &bus->tables[i];
		int64_t end = atomic_load_explicit(&table->end, memory_order_relaxed);
		if (!committed) {
			table->next = end;
			table->bytes_next = table->bytes;
		} else if (table->next != end || table->bytes_next != table->bytes) {
			table->bytes = table->bytes_next;
			atomic_store(&table->end, table->next);
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
		bus->keep_more = false;
	}
	if (!committed || work->probe)
		failing_set(bus, !committed);
	if (work->drop.table != NULL)
		bus_keep_dropped(bus, &work->drop, committed);
	bus_readers_notify(bus);
	batch_report(work->batch, !committed);
}

/* Nobody else writes bus->failing. */
static bool tick_due(BusSqlite *bus, bool last)
{
	int64_t now_us = clock_monotonic_us();
	if (now_us < bus->tick_at_us && !last)
		return false;
	bus->tick_at_us = now_us + BUS_TICK_US;
	return true;
}

static BusWork work_plan(BusSqlite *bus, BusBatch *batch, bool last)
{
	BusWork work = { .batch = batch, .now = clock_now() };
	bool tick = tick_due(bus, last);
	work.probe = bus->failing && (tick || batch->count > 0);
	work.positions = tick && atomic_load(&bus->positions_dirty);
	if (!bus->failing && !last)
		work.drop = bus_keep_trim(bus);
	if (work.drop.table != NULL)
		return work;
	if (batch->count > 0 && !bus->failing)
		work.drop = bus_keep_busy(bus, work.now, batch->count);
	else if (batch->count == 0 && !bus->failing && !last && (tick || bus->keep_more))
		work.drop = bus_keep_idle(bus, work.now);
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
