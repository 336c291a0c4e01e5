/*
 * The table of an owner: what state says of each key, for outsiders who know nothing of the ledger rule
 * (docs/design/ownership.md, "Derived outputs"). Level, not edge: a key is stale until a record that says what state says was
 * read back from the table, and what is stale is written, again and again. So it is right in the end, whoever wrote what in
 * between: a deposed owner that wakes up, a lost append, compaction that kept the wrong one, a topic made anew. No service
 * decides from it. A table that cannot be written or read is late, and is tried less and less often: a try may hold the owner
 * up for the few seconds of a read.
 *
 * Which keys are stale stands in the state (runtime_stale), and so does how far the table was read: a state made again from
 * the ledger holds every key for stale until it has read the table whole.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"

#include <inttypes.h>
#include <stdio.h>

static const char version_header[] = "ce_version";

static const ServiceProjection *table_of(const Runtime *runtime)
{
	const ServiceProjection *table = &runtime->options.service->table;
	return table->state && runtime->options.bus->outsiders ? table : NULL;
}

static Result key_stale(Runtime *runtime, Slice key)
{
	runtime->table.stale = true;
	return store_run(runtime->options.store, "INSERT OR IGNORE INTO runtime_stale VALUES (?1)", V_TEXT(key));
}

static Result key_forget(Runtime *runtime, Slice key)
{
	return store_run(runtime->options.store, "DELETE FROM runtime_stale WHERE key = ?1", V_TEXT(key));
}

Result projection_touch(Runtime *runtime, const Record *record)
{
	return table_of(runtime) && record->subject.size > 0 ? key_stale(runtime, record->subject) : result_ok();
}

void projection_begin(Runtime *runtime)
{
	wire_replace(&runtime->table.wire);
	runtime->table.stale = true; /* the state knows */
	runtime->table.write_at = 0;
	runtime->table.rest_until = INSTANT_NONE;
	runtime->table.pause_ms = PROJECTION_MS;
}

/* The topic was made anew: nothing of what was read stands there. */
static Result table_begin_again(Runtime *runtime, int64_t first)
{
	char sql[160];
	snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO runtime_stale %s", table_of(runtime)->keys);
	runtime_log(runtime, LOG_WARN, "table-written-anew", topics[table_of(runtime)->topic].name);
	TRY(store_run_(runtime->options.store, sql, NULL, 0));
	runtime->table.stale = true;
	runtime->table.next = first;
	return meta_projection_save(runtime);
}

/* ---- what stands there */

typedef struct {
	Runtime *runtime;
	Result result;
} TableVisit;

/* A stranger's record has none, which no state has. */
static int64_t version_of(const BusRecord *record)
{
	int64_t version;
	return slice_integer(header_get(record->headers, version_header), &version) ? version : -1;
}

static bool table_visit(void *context, const BusRecord *record)
{
	TableVisit *visit = context;
	Runtime *runtime = visit->runtime;
	int64_t wanted = 0;
	visit->result = table_of(runtime)->state(&runtime->handler, record->key, &wanted, NULL);
	if (!result_failed(visit->result) && version_of(record) != wanted)
		visit->result = key_stale(runtime, record->key);
	else if (!result_failed(visit->result))
		visit->result = key_forget(runtime, record->key);
	runtime->table.next = record->offset + 1;
	return !result_failed(visit->result);
}

static Result table_read(Runtime *runtime, bool *progressed)
{
	const RuntimeOptions *options = &runtime->options;
	TableVisit visit = { .runtime = runtime };
	BusPosition place = { table_of(runtime)->topic, options->partition, runtime->table.next };
	int64_t before = runtime->table.next, next;
	TRY(store_begin(options->store));
	Result result = options->bus->operations->read(runtime->reader, place, FOLLOW_RECORDS, false, table_visit, &visit, &next);
	if (result.kind == ERROR_NOT_FOUND)
		result = table_begin_again(runtime, options->bus->operations->first(options->bus, place.topic, place.partition));
	if (!result_failed(result))
		result = visit.result;
	if (!result_failed(result))
		result = meta_projection_save(runtime);
	if (!result_failed(result))
		result = store_commit(options->store);
	else
		store_rollback(options->store);
	if (result_failed(result))
		runtime->table.next = before;
	*progressed = runtime->table.next != before;
	return result;
}

/* ---- what should stand there */

static Result key_append(Runtime *runtime, Slice key, int64_t version)
{
	const RuntimeOptions *options = &runtime->options;
	char name[96], time[INSTANT_TEXT];
	snprintf(name, sizeof(name), "%.*s.%" PRId64, (int)key.size, key.data, version);
	Id id = id_of_pair("out_", slice_of(topics[table_of(runtime)->topic].short_name), slice_of(name));
	instant_format(runtime->handler.now, time);
	Buffer *headers = &runtime->scratch;
	buffer_clear(headers);
	header_add(headers, "ce_id", id_slice(&id));
	header_add(headers, "ce_type", slice_of(table_of(runtime)->type));
	header_add(headers, "ce_time", slice_of(time));
	header_add(headers, "ce_subject", key);
	header_add_integer(headers, version_header, version);
	BusRecord record = { .key = key, .headers = buffer_slice(headers), .body = buffer_slice(&runtime->body) };
	return wire_append(runtime->table.wire, options->bus, table_of(runtime)->topic, options->partition, &record);
}

/* What state does not know (a command was refused for it) has nothing to say; what no record can hold is left out, and said. */
static Result key_write(Runtime *runtime, Slice key)
{
	int64_t version = 0;
	buffer_clear(&runtime->body);
	TRY(table_of(runtime)->state(&runtime->handler, key, &version, &runtime->body));
	if (version == 0)
		return key_forget(runtime, key);
	Result result = key_append(runtime, key, version);
	if (result.kind != ERROR_INPUT)
		return result;
	runtime_log(runtime, LOG_ERROR, "table-key-left-out", result.text);
	return key_forget(runtime, key);
}

/* At most PROJECTION_KEYS of them; the others when these were read back. */
static Result table_write(Runtime *runtime)
{
	Statement *row = store_query(runtime->options.store, "SELECT key FROM runtime_stale LIMIT ?1", V_INTEGER(PROJECTION_KEYS));
	Result result = result_ok();
	size_t count = 0;
	for (; !result_failed(result) && statement_next(row); count++)
		result = key_write(runtime, statement_slice(row, 0));
	Result ended = statement_end(row);
	runtime->table.stale = count > 0;
	runtime->table.write_at = runtime->handler.now + PROJECTION_MS;
	return result_failed(result) ? result : ended;
}

/* Reads to the end first: what others wrote, and what was written here last. */
static Result table_work(Runtime *runtime, bool *progressed)
{
	const RuntimeOptions *options = &runtime->options;
	int64_t end = options->bus->operations->end(options->bus, table_of(runtime)->topic, options->partition);
	if (atomic_load(&runtime->table.wire->failed)) {
		wire_replace(&runtime->table.wire);
		return result_fail(ERROR_AGAIN, "%s does not take records", topics[table_of(runtime)->topic].name);
	}
	if (runtime->table.next < end)
		return table_read(runtime, progressed);
	if (runtime->table.next > end)
		return table_begin_again(runtime, 0);
	if (!runtime->table.stale || runtime->handler.now < runtime->table.write_at ||
	    atomic_load(&runtime->table.wire->pending) > 0)
		return result_ok();
	return table_write(runtime);
}

void projection_step(Runtime *runtime, bool *progressed)
{
	if (!table_of(runtime) || runtime->handler.now < runtime->table.rest_until)
		return;
	Result result = table_work(runtime, progressed);
	if (!result_failed(result)) {
		if (*progressed)
			runtime->table.pause_ms = PROJECTION_MS;
		return;
	}
	if (runtime->table.pause_ms == PROJECTION_MS)
		runtime_log(runtime, LOG_WARN, "table-late", result.text);
	runtime->table.rest_until = runtime->handler.now + runtime->table.pause_ms;
	runtime->table.pause_ms *= 2;
	if (runtime->table.pause_ms > PROJECTION_PAUSE_MAX_MS)
		runtime->table.pause_ms = PROJECTION_PAUSE_MAX_MS;
}

size_t projection_position(const Runtime *runtime, BusPosition *out)
{
	if (!table_of(runtime) || runtime->handler.now < runtime->table.rest_until)
		return 0;
	*out = (BusPosition){ table_of(runtime)->topic, runtime->options.partition, runtime->table.next };
	return 1;
}

/* What is under way is waited for by the place, where it is read back. */
Instant projection_wake_at(const Runtime *runtime)
{
	Instant at = runtime->table.write_at > runtime->table.rest_until ? runtime->table.write_at : runtime->table.rest_until;
	bool waits = table_of(runtime) && runtime->table.stale && atomic_load(&runtime->table.wire->pending) == 0;
	return waits ? at : INSTANT_NONE;
}
