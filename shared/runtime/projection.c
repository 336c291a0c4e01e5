#include "shared/runtime/projection.h"

#include "shared/io/system/log.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	WRITE_MS = 1000,      /* a key is written at most this often */
	WRITE_KEYS = 500,     /* at most so many keys in one step */
	PAUSE_MAX_MS = 60000, /* the longest pause after a failed attempt */
	READ_RECORDS = 1000,
	BUFFER_MAX = 1 << 20,
};

static const char version_header[] = "ce_version";

void projection_init(Projection *projection, Handler *handler, BusReader *reader)
{
	const ServiceProjection *declared = &handler->service->projection;
	*projection = (Projection){ .handler = handler, .reader = reader, .wire = wire_new(NULL),
				    .declared = declared->state && reader->bus->external_readers ? declared : NULL };
	buffer_init(&projection->headers, BUFFER_MAX);
	buffer_init(&projection->document, BUFFER_MAX);
}

void projection_release(Projection *projection)
{
	wire_release(projection->wire);
	buffer_release(&projection->headers);
	buffer_release(&projection->document);
}

/* ---- rows of the state */

Result projection_load(Projection *projection)
{
	Statement *row = store_query(projection->handler->store, "SELECT value FROM runtime_number WHERE name = 'table'");
	projection->next = statement_next(row) ? statement_integer(row, 0) : 0;
	return statement_end(row);
}

static Result next_save(const Projection *projection)
{
	return store_run(projection->handler->store, "INSERT OR REPLACE INTO runtime_number VALUES ('table', ?1)",
			 V_INTEGER(projection->next));
}

static Result key_mark_dirty(Projection *projection, Slice key)
{
	projection->dirty = true;
	return store_run(projection->handler->store, "INSERT OR IGNORE INTO runtime_stale VALUES (?1)", V_TEXT(key));
}

static Result key_mark_clean(const Projection *projection, Slice key)
{
	return store_run(projection->handler->store, "DELETE FROM runtime_stale WHERE key = ?1", V_TEXT(key));
}

Result projection_touch(Projection *projection, const Record *record)
{
	return projection->declared && record->subject.size > 0 ? key_mark_dirty(projection, record->subject) : result_ok();
}

void projection_begin(Projection *projection)
{
	wire_replace(&projection->wire);
	projection->dirty = true; /* perhaps: the next steps look for dirty keys in state */
	projection->write_at = 0;
	projection->retry_at = INSTANT_NONE;
	projection->pause_ms = WRITE_MS;
}

/* The topic was created again, or was trimmed past `next`: marks every key dirty and reads the table again from `first`. */
static Result restart(Projection *projection, int64_t first)
{
	handler_log(projection->handler, LOG_WARN, "projection-restarted", topics[projection->declared->topic].name);
	Statement *rows = store_query_composed(projection->handler->store, projection->declared->keys, NULL, 0);
	Result result = result_ok();
	while (!result_failed(result) && statement_next(rows))
		result = key_mark_dirty(projection, statement_slice(rows, 0));
	Result ended = statement_end(rows);
	TRY(result_failed(result) ? result : ended);
	projection->dirty = true;
	projection->next = first;
	return next_save(projection);
}

/* ---- reading the table */

typedef struct {
	Projection *projection;
	Result result;
} TableVisit;

/* The version that the record states, or -1, which no key has, if another program wrote the record without a version. */
static int64_t version_of(const BusRecord *record)
{
	int64_t version;
	return slice_integer(header_get(record->headers, version_header), &version) ? version : -1;
}

static bool table_visit(void *context, const BusRecord *record)
{
	TableVisit *visit = context;
	Projection *projection = visit->projection;
	int64_t wanted = 0;
	visit->result = projection->declared->state(projection->handler, record->key, &wanted, NULL);
	if (!result_failed(visit->result) && version_of(record) != wanted)
		visit->result = key_mark_dirty(projection, record->key);
	else if (!result_failed(visit->result))
		visit->result = key_mark_clean(projection, record->key);
	projection->next = record->offset + 1;
	return !result_failed(visit->result);
}

static Result table_read(Projection *projection, bool *progressed)
{
	Store *store = projection->handler->store;
	Bus *bus = projection->reader->bus;
	TableVisit visit = { .projection = projection };
	BusPosition position = { projection->declared->topic, projection->handler->partition, projection->next };
	int64_t before = projection->next, next;
	TRY(store_begin(store));
	Result result = bus->operations->read(projection->reader, position, READ_RECORDS, false, table_visit, &visit, &next);
	if (result.kind == ERROR_NOT_FOUND)
		result = restart(projection, bus->operations->first(bus, position.topic, position.partition));
	if (!result_failed(result))
		result = visit.result;
	if (!result_failed(result))
		result = next_save(projection);
	if (!result_failed(result))
		result = store_commit(store);
	else
		store_rollback(store);
	if (result_failed(result))
		projection->next = before;
	*progressed = projection->next != before;
	return result;
}

/* ---- writing dirty keys */

static Result key_append(Projection *projection, Slice key, int64_t version)
{
	const ServiceProjection *declared = projection->declared;
	char name[96], time[INSTANT_TEXT];
	snprintf(name, sizeof(name), "%.*s.%" PRId64, (int)key.size, key.data, version);
	Id id = id_of_pair(ID_TABLE_ROW, slice_of(topics[declared->topic].short_name), slice_of(name));
	instant_format(projection->handler->now, time);
	Buffer *headers = &projection->headers;
	buffer_clear(headers);
	header_add(headers, "ce_id", id_slice(&id));
	header_add(headers, "ce_type", slice_of(declared->type));
	header_add(headers, "ce_time", slice_of(time));
	header_add(headers, "ce_subject", key);
	header_add_integer(headers, version_header, version);
	BusRecord record = { .key = key, .headers = buffer_slice(headers), .body = buffer_slice(&projection->document) };
	return wire_append(projection->wire, projection->reader->bus, declared->topic, projection->handler->partition, &record);
}

/*
 * Writes nothing for a key that state does not know (an incident id of a refused command). A document too large for a record is
 * logged and skipped.
 */
static Result key_write(Projection *projection, Slice key)
{
	int64_t version = 0;
	buffer_clear(&projection->document);
	TRY(projection->declared->state(projection->handler, key, &version, &projection->document));
	if (version == 0)
		return key_mark_clean(projection, key);
	Result result = projection->document.overflowed ? result_fail(ERROR_INPUT, "the document of a key is larger than %d bytes", BUFFER_MAX) :
							  key_append(projection, key, version);
	if (result.kind != ERROR_INPUT)
		return result;
	handler_log(projection->handler, LOG_ERROR, "projection-key-skipped", result.text);
	return key_mark_clean(projection, key);
}

/* Writes at most WRITE_KEYS keys; the other dirty keys are written after these were read back. */
static Result dirty_write(Projection *projection)
{
	Statement *row = store_query(projection->handler->store, "SELECT key FROM runtime_stale LIMIT ?1", V_INTEGER(WRITE_KEYS));
	Result result = result_ok();
	size_t count = 0;
	for (; !result_failed(result) && statement_next(row); count++)
		result = key_write(projection, statement_slice(row, 0));
	Result ended = statement_end(row);
	projection->dirty = count > 0;
	projection->write_at = projection->handler->now + WRITE_MS;
	return result_failed(result) ? result : ended;
}

/* Writes only once the table was read to its end, including records of other programs and the last ones of this owner. */
static Result read_or_write(Projection *projection, bool *progressed)
{
	Bus *bus = projection->reader->bus;
	int64_t end = bus->operations->end(bus, projection->declared->topic, projection->handler->partition);
	if (wire_failed(projection->wire)) {
		wire_replace(&projection->wire);
		return result_fail(ERROR_AGAIN, "a record for %s was not acknowledged; it will be written again", topics[projection->declared->topic].name);
	}
	if (projection->next < end)
		return table_read(projection, progressed);
	if (projection->next > end)
		return restart(projection, 0);
	if (!projection->dirty || projection->handler->now < projection->write_at || wire_pending(projection->wire) > 0)
		return result_ok();
	return dirty_write(projection);
}

static bool is_active(const Projection *projection)
{
	return projection->declared && projection->handler->now >= projection->retry_at;
}

void projection_step(Projection *projection, bool *progressed)
{
	if (!is_active(projection))
		return;
	Result result = read_or_write(projection, progressed);
	if (!result_failed(result)) {
		if (*progressed)
			projection->pause_ms = WRITE_MS;
		return;
	}
	if (projection->pause_ms == WRITE_MS)
		handler_log(projection->handler, LOG_WARN, "projection-late", result.text);
	projection->retry_at = projection->handler->now + projection->pause_ms;
	projection->pause_ms = projection->pause_ms * 2 < PAUSE_MAX_MS ? projection->pause_ms * 2 : PAUSE_MAX_MS;
}

size_t projection_position(const Projection *projection, BusPosition *out)
{
	if (!is_active(projection))
		return 0;
	*out = (BusPosition){ projection->declared->topic, projection->handler->partition, projection->next };
	return 1;
}

Instant projection_wake_at(const Projection *projection)
{
	Instant at = projection->write_at > projection->retry_at ? projection->write_at : projection->retry_at;
	return projection->declared && projection->dirty && wire_pending(projection->wire) == 0 ? at : INSTANT_NONE;
}
