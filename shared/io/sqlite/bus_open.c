#include "shared/io/sqlite/bus_internal.h"

#include "shared/io/system/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WRITE_BUSY_MS = 5000,
	APPLICATION_ID = 0x546F6373, /* "Tocs" */
	CHECKPOINT_PAGES = 1000,     /* 8 MB; in a measurement with 4000 pages the p99 of a POST more than doubled */
	WAL_PAGES_MAX = 16000,       /* 128 MB; from here on the committer waits for readers and restarts the WAL */
};

static const int64_t stream_bytes_default = INT64_C(4) << 30;
static const size_t queue_bytes_default = (size_t)16 << 20;

/* ---- shared helpers ---------------------------------------------------------------------------------------------- */

void bus_condition_init(pthread_cond_t *condition)
{
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(condition, &attributes);
	pthread_condattr_destroy(&attributes);
}

bool bus_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_us)
{
	struct timespec until = { .tv_sec = (time_t)(until_us / 1000000),
				  .tv_nsec = (long)(until_us % 1000000) * 1000 };
	return pthread_cond_timedwait(condition, mutex, &until) != ETIMEDOUT;
}

int bus_step(sqlite3_stmt *statement)
{
	sqlite3_step(statement);
	return sqlite3_reset(statement);
}

Result bus_prepare(BusSqlite *bus, const char *format, const char *table, sqlite3_stmt **out)
{
	char *sql = sqlite3_mprintf(format, table);
	must(sql != NULL);
	int code = sqlite3_prepare_v3(bus->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	sqlite3_free(sql);
	return sqlite_file_result(bus->db, code);
}

/* ---- the schema -------------------------------------------------------------------------------------------------- */

static const char schema_sql[] =
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"CREATE TABLE positions (reader TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,"
	" position INTEGER NOT NULL, PRIMARY KEY (reader, topic, partition)) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('probes', 0);";

/* body is the last column: reading key and headers never touches the overflow pages of a long body. */
static const char table_sql[] = "CREATE TABLE IF NOT EXISTS \"%s\" (offset INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
				" key BLOB NOT NULL, headers BLOB NOT NULL, body BLOB NOT NULL)";

static Result meta_write(BusSqlite *bus)
{
	uint8_t random[(BUS_CLUSTER_TEXT - 1) / 2];
	char cluster[BUS_CLUSTER_TEXT], sql[256];
	clock_random(random, sizeof random);
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(cluster + 2 * i, 3, "%02x", random[i]);
	snprintf(sql, sizeof sql,
		 "INSERT INTO meta VALUES ('partitions', %u), ('cluster', '%s');"
		 "PRAGMA application_id = %d; PRAGMA user_version = %d",
		 bus->bus.partitions, cluster, APPLICATION_ID, BUS_SCHEMA);
	return sqlite_file_run(bus->db, sql);
}

static Result tables_create(BusSqlite *bus)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		sqlite3_stmt *create = NULL;
		TRY(bus_prepare(bus, table_sql, bus->tables[i].name, &create));
		int code = bus_step(create);
		sqlite3_finalize(create);
		TRY(sqlite_file_result(bus->db, code));
	}
	return result_ok();
}

static Result partitions_check(BusSqlite *bus)
{
	int64_t kept = 0;
	TRY(sqlite_file_integer(bus->db, "SELECT value FROM meta WHERE name = 'partitions'", &kept));
	if (kept != bus->bus.partitions)
		return result_fail(ERROR_INPUT,
				   "it was made with %lld partitions, a number that never changes, and %u are configured: "
				   "configure %lld, or export from it and import into a new file",
				   (long long)kept, bus->bus.partitions, (long long)kept);
	return result_ok();
}

/* Runs before anything is written to the file. *fresh: the file is empty. */
static Result version_check(BusSqlite *bus, bool *fresh)
{
	int64_t version = 0, application = 0, objects = 0;
	TRY(sqlite_file_integer(bus->db, "PRAGMA user_version", &version));
	TRY(sqlite_file_integer(bus->db, "PRAGMA application_id", &application));
	TRY(sqlite_file_integer(bus->db, "SELECT count(*) FROM sqlite_schema", &objects));
	*fresh = objects == 0;
	if (!*fresh && application != APPLICATION_ID)
		return result_fail(ERROR_INPUT, "it is a file of another program: move it, or choose another path");
	if (version > BUS_SCHEMA)
		return result_fail(ERROR_INPUT,
				   "it was made by a newer Tocsin (schema %lld, this version knows %d): start that version "
				   "again, or restore a backup from before the upgrade",
				   (long long)version, BUS_SCHEMA);
	return result_ok();
}

static Result schema_ensure(BusSqlite *bus, bool fresh)
{
	Result result = sqlite_file_run(bus->db, "BEGIN IMMEDIATE");
	if (!result_failed(result) && fresh)
		result = sqlite_file_run(bus->db, schema_sql);
	if (!result_failed(result) && fresh)
		result = meta_write(bus);
	if (!result_failed(result))
		result = partitions_check(bus);
	if (!result_failed(result))
		result = tables_create(bus);
	if (!result_failed(result))
		result = sqlite_file_run(bus->db, "COMMIT");
	if (!sqlite3_get_autocommit(bus->db))
		(void)sqlite_file_run(bus->db, "ROLLBACK");
	return result;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

static Result offset_read(BusSqlite *bus, const char *format, const BusTable *table, int64_t *out)
{
	char *sql = sqlite3_mprintf(format, table->name);
	must(sql != NULL);
	Result result = sqlite_file_integer(bus->db, sql, out);
	sqlite3_free(sql);
	return result;
}

/* Estimates the bytes of a partition from about 64 records. Computing the exact sum would read the whole file at each start. */
static Result bytes_estimate(BusSqlite *bus, BusTable *table)
{
	static const char format[] =
		"WITH RECURSIVE range (low, high) AS (VALUES (%lld, %lld)),"
		" pick (n) AS (SELECT low FROM range UNION ALL SELECT n + 1 + (high - low) / 64 FROM pick, range"
		" WHERE n + 1 + (high - low) / 64 <= high)"
		" SELECT avg(length(key) + length(headers) + length(body)) * (SELECT high - low + 1 FROM range)"
		" FROM pick CROSS JOIN \"%w\" ON offset = n";
	char *sql = sqlite3_mprintf(format, table->first, table->end_next - 1, table->name);
	must(sql != NULL);
	Result result = sqlite_file_integer(bus->db, sql, &table->bytes);
	sqlite3_free(sql);
	table->bytes_next = table->bytes;
	return result;
}

static Result tables_load(BusSqlite *bus)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		BusTable *table = &bus->tables[i];
		int64_t recorded = 0, first = 0, end = 0;
		TRY(offset_read(bus, "SELECT coalesce(max(value), 0) FROM meta WHERE name = 'end of %q'", table,
				&recorded));
		TRY(offset_read(bus, "SELECT coalesce(min(offset), -1) FROM \"%w\"", table, &first));
		TRY(offset_read(bus, "SELECT coalesce(max(offset) + 1, 0) FROM \"%w\"", table, &end));
		end = end > recorded ? end : recorded;
		first = first < 0 ? end : first;
		atomic_store(&table->first, first);
		atomic_store(&table->first_next, first);
		atomic_store(&table->trim_to, first);
		atomic_store(&table->end, end);
		table->end_next = end;
		if (bus_table_topic(bus, table)->stream && end > first)
			TRY(bytes_estimate(bus, table));
	}
	return result_ok();
}

static Result cluster_load(BusSqlite *bus)
{
	sqlite3_stmt *row = NULL;
	TRY(bus_prepare(bus, "SELECT value FROM %s WHERE name = 'cluster'", "meta", &row));
	int code = sqlite3_step(row);
	if (code == SQLITE_ROW)
		snprintf(bus->cluster, sizeof bus->cluster, "%s", (const char *)sqlite3_column_text(row, 0));
	Result result = sqlite_file_result(bus->db, code);
	sqlite3_finalize(row);
	return result;
}

static Result statements_prepare(BusSqlite *bus)
{
	TRY(bus_prepare(bus, "BEGIN IMMEDIATE", NULL, &bus->begin));
	TRY(bus_prepare(bus, "COMMIT", NULL, &bus->commit));
	TRY(bus_prepare(bus, "ROLLBACK", NULL, &bus->rollback));
	TRY(bus_prepare(bus, "UPDATE meta SET value = value + 1 WHERE name = 'probes'", NULL, &bus->probe));
	return bus_prepare(bus, "INSERT OR REPLACE INTO positions VALUES (?1, ?2, ?3, ?4)", NULL, &bus->position);
}

/*
 * Checkpoints run on the committer's thread: a separate thread would never catch up with the committer's writes. They skip pages
 * that readers still use. Only if the WAL has WAL_PAGES_MAX pages or more do they wait for readers.
 */
static int wal_written(void *context, sqlite3 *db, const char *name, int pages)
{
	(void)context;
	int mode = pages >= WAL_PAGES_MAX ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
	if (pages >= CHECKPOINT_PAGES)
		sqlite3_wal_checkpoint_v2(db, name, mode, NULL, NULL);
	return SQLITE_OK;
}

static Result file_open(BusSqlite *bus)
{
	bool fresh;
	TRY(sqlite_file_open(bus->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, WRITE_BUSY_MS, &bus->db));
	TRY(version_check(bus, &fresh));
	TRY(sqlite_file_run(bus->db, "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
				     "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192;"
				     "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF"));
	TRY(schema_ensure(bus, fresh));
	sqlite3_wal_hook(bus->db, wal_written, NULL);
	TRY(cluster_load(bus));
	TRY(tables_load(bus));
	TRY(bus_positions_load(bus));
	return statements_prepare(bus);
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

static void statements_release(BusSqlite *bus)
{
	sqlite3_stmt **own[] = { &bus->begin, &bus->commit, &bus->rollback, &bus->probe, &bus->position };
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		sqlite3_finalize(*own[i]);
	for (unsigned i = 0; i < bus->table_count; i++) {
		sqlite3_finalize(bus->tables[i].insert);
		sqlite3_finalize(bus->tables[i].oldest);
		sqlite3_finalize(bus->tables[i].drop);
	}
}

static void bus_free(BusSqlite *bus)
{
	statements_release(bus);
	sqlite3_close(bus->db);
	bus_positions_release(bus);
	pthread_mutex_destroy(&bus->queue_mutex);
	pthread_mutex_destroy(&bus->readers_mutex);
	pthread_mutex_destroy(&bus->positions_mutex);
	pthread_cond_destroy(&bus->arrived);
	pthread_cond_destroy(&bus->trimmed);
	free(bus->batches[0].bytes);
	free(bus->batches[1].bytes);
	free(bus->tables);
	free(bus->path);
	free(bus);
}

static int64_t sqlite_end(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&bus_table(bus, topic, partition)->end);
}

static int64_t sqlite_first(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&bus_table(bus, topic, partition)->first);
}

static void sqlite_close(Bus *base)
{
	BusSqlite *bus = bus_sqlite(base);
	must(bus->open_readers == 0);
	pthread_mutex_lock(&bus->queue_mutex);
	bus->closing = true;
	pthread_cond_signal(&bus->arrived);
	pthread_cond_broadcast(&bus->trimmed);
	pthread_mutex_unlock(&bus->queue_mutex);
	pthread_join(bus->committer, NULL);
	bus_free(bus);
}

static const BusOperations sqlite_operations = {
	.append = bus_sqlite_append,
	.end = sqlite_end,
	.first = sqlite_first,
	.commit = bus_sqlite_commit,
	.committed = bus_sqlite_committed,
	.reader_open = bus_sqlite_reader_open,
	.reader_close = bus_sqlite_reader_close,
	.read = bus_sqlite_read,
	.wait = bus_sqlite_wait,
	.wake = bus_sqlite_wake,
	.trim = bus_sqlite_trim,
	.close = sqlite_close,
};

static void tables_name(BusSqlite *bus)
{
	for (unsigned i = 0; i < bus->table_count; i++) {
		BusTable *table = &bus->tables[i];
		int size = snprintf(table->name, sizeof table->name, "%s.%u", bus_table_topic(bus, table)->short_name,
				    i % bus->bus.partitions);
		must(size > 0 && size < (int)sizeof table->name);
	}
}

static BusSqlite *bus_new(const BusSqliteOptions *options)
{
	BusSqlite *bus = calloc(1, sizeof *bus);
	must(bus != NULL);
	bus->bus = (Bus){ .operations = &sqlite_operations, .partitions = options->partitions };
	bus->path = slice_copy(slice_of(options->path));
	bus->topics = options->topics;
	bus->topic_count = options->topic_count;
	bus->table_count = options->topic_count * options->partitions;
	bus->queue_bytes = options->queue_bytes > 0 ? options->queue_bytes : queue_bytes_default;
	int64_t stream_bytes = options->stream_bytes > 0 ? options->stream_bytes : stream_bytes_default;
	bus->stream_share = stream_bytes / options->partitions;
	bus->tables = calloc(bus->table_count, sizeof *bus->tables);
	/* The kernel allocates the pages of the batch buffers when they are first written. */
	bus->batches[0].bytes = malloc(bus->queue_bytes);
	bus->batches[1].bytes = malloc(bus->queue_bytes);
	must(bus->tables != NULL && bus->batches[0].bytes != NULL && bus->batches[1].bytes != NULL);
	bus->filling = &bus->batches[0];
	tables_name(bus);
	pthread_mutex_init(&bus->queue_mutex, NULL);
	pthread_mutex_init(&bus->readers_mutex, NULL);
	pthread_mutex_init(&bus->positions_mutex, NULL);
	bus_condition_init(&bus->arrived);
	bus_condition_init(&bus->trimmed);
	return bus;
}

Result bus_sqlite_open(const BusSqliteOptions *options, Bus **out)
{
	must(options->topic_count > 0 && options->topic_count <= BUS_TOPICS_MAX);
	if (options->partitions == 0 || options->partitions > BUS_PARTITIONS_MAX)
		return result_fail(ERROR_INPUT, "the bus can have 1 to %d partitions, not %u", BUS_PARTITIONS_MAX,
				   options->partitions);
	BusSqlite *bus = bus_new(options);
	Result result = result_wrap(file_open(bus), "%s", options->path);
	if (!result_failed(result) && pthread_create(&bus->committer, NULL, bus_committer_run, bus) != 0)
		result = result_fail(ERROR_AGAIN, "the thread of the bus cannot start");
	if (result_failed(result)) {
		bus_free(bus);
		return result;
	}
	bus->bus.cluster = bus->cluster;
	*out = &bus->bus;
	return result_ok();
}
