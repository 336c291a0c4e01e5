/*
 * The runtime's own tables, beside the service's in the same file and so in the same transactions: where the ledger's
 * reader stands, the accepted input positions, the timers that state has armed.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const tables[] = {
	"CREATE TABLE IF NOT EXISTS runtime_cursor (place TEXT PRIMARY KEY, epoch INTEGER, owner INTEGER, seq INTEGER,"
	" prev_epoch INTEGER, prev_seq INTEGER, next INTEGER, marked INTEGER, born INTEGER) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_number (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_position (topic INTEGER, partition INTEGER, position INTEGER,"
	" PRIMARY KEY (topic, partition)) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_timer (id TEXT PRIMARY KEY, due INTEGER) WITHOUT ROWID",
	"CREATE INDEX IF NOT EXISTS runtime_timer_due ON runtime_timer (due)",
	"CREATE TABLE IF NOT EXISTS runtime_stale (key TEXT PRIMARY KEY) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_text (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
};

/* Files of 0.1.0 before them have no `marked` and `born`: what they hold cannot be told from another log's, and is made again. */
static Result cursor_columns_add(Store *store)
{
	Statement *row = store_query_(store, "SELECT 1 FROM pragma_table_info('runtime_cursor') WHERE name = 'marked'", false,
				      NULL, 0);
	bool there = statement_next(row);
	TRY(statement_end(row));
	if (there)
		return result_ok();
	TRY(store_run_(store, "ALTER TABLE runtime_cursor ADD COLUMN marked INTEGER", NULL, 0));
	return store_run_(store, "ALTER TABLE runtime_cursor ADD COLUMN born INTEGER", NULL, 0);
}

Result meta_prepare(Runtime *runtime)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		TRY(store_run_(runtime->options.store, tables[i], NULL, 0));
	return cursor_columns_add(runtime->options.store);
}

/* ---- which log the state was made from */

Result meta_cluster_check(Runtime *runtime, bool *usable)
{
	Store *store = runtime->options.store;
	Slice cluster = slice_of(runtime->options.bus->cluster);
	bool known = false;
	*usable = true;
	if (cluster.size == 0)
		return result_ok();
	Statement *row = store_query_(store, "SELECT value FROM runtime_text WHERE name = 'cluster'", false, NULL, 0);
	if (statement_next(row)) {
		known = true;
		*usable = slice_equals(statement_slice(row, 0), cluster);
	}
	TRY(statement_end(row));
	return known ? result_ok() :
		       store_run(store, "INSERT OR REPLACE INTO runtime_text VALUES ('cluster', ?1)", V_TEXT(cluster));
}

Result meta_reset(Runtime *runtime)
{
	bool usable;
	StoreOptions options = runtime_store_options(runtime->options.service, NULL);
	runtime_log(runtime, LOG_WARN, "state-dropped", "its log begins behind it, or is another one; it is made again");
	runtime_caught_up(runtime, false);
	TRY(store_reset(runtime->options.store, &options));
	TRY(meta_prepare(runtime));
	TRY(meta_cluster_check(runtime, &usable));
	return meta_load(runtime);
}

/* ---- where the ledger's reader stands */

static Result cursor_save(Store *store, const char *place, const LedgerCursor *cursor)
{
	return store_run(store, "INSERT OR REPLACE INTO runtime_cursor VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			 V_TEXT(slice_of(place)), V_INTEGER((int64_t)cursor->epoch), V_INTEGER((int64_t)cursor->owner),
			 V_INTEGER((int64_t)cursor->seq), V_INTEGER((int64_t)cursor->prev_epoch),
			 V_INTEGER((int64_t)cursor->prev_seq), V_INTEGER(cursor->next), V_INTEGER(cursor->marked),
			 V_INTEGER((int64_t)cursor->genesis_owner));
}

static Result cursor_load(Store *store, const char *place, LedgerCursor *out)
{
	*out = (LedgerCursor){ 0 };
	Statement *row = store_query(store,
				     "SELECT epoch, owner, seq, prev_epoch, prev_seq, next, marked, born FROM runtime_cursor"
				     " WHERE place = ?1",
				     V_TEXT(slice_of(place)));
	if (statement_next(row))
		*out = (LedgerCursor){
			.epoch = (uint64_t)statement_integer(row, 0), .owner = (uint64_t)statement_integer(row, 1),
			.seq = (uint64_t)statement_integer(row, 2), .prev_epoch = (uint64_t)statement_integer(row, 3),
			.prev_seq = (uint64_t)statement_integer(row, 4), .next = statement_integer(row, 5),
			.marked = statement_integer(row, 6), .genesis_owner = (uint64_t)statement_integer(row, 7),
		};
	out->trimmed = out->epoch == 0 && out->next > 0; /* nothing was accepted since it began there */
	return statement_end(row);
}

static Result position_save(Store *store, unsigned topic, unsigned partition, int64_t position)
{
	return store_run(store, "INSERT OR REPLACE INTO runtime_position VALUES (?1, ?2, ?3)", V_INTEGER(topic),
			 V_INTEGER(partition), V_INTEGER(position));
}

static Result number_save(Store *store, Slice name, int64_t value)
{
	return store_run(store, "INSERT OR REPLACE INTO runtime_number VALUES (?1, ?2)", V_TEXT(name), V_INTEGER(value));
}

/* 0 where it was never saved. */
static Result number_load(Store *store, Slice name, int64_t *out)
{
	Statement *row = store_query(store, "SELECT value FROM runtime_number WHERE name = ?1", V_TEXT(name));
	*out = statement_next(row) ? statement_integer(row, 0) : 0;
	return statement_end(row);
}

Result meta_projection_save(Runtime *runtime)
{
	return number_save(runtime->options.store, SLICE("table"), runtime->table.next);
}

Result meta_save(Runtime *runtime)
{
	Store *store = runtime->options.store;
	TRY(cursor_save(store, "ledger", &runtime->cursor));
	TRY(cursor_save(store, "derive", &runtime->derive_from));
	TRY(number_save(store, SLICE("derived"), runtime->derived));
	for (size_t i = 0; i < runtime->positions.count; i++)
		TRY(position_save(store, runtime->positions.list[i].topic, runtime->positions.list[i].partition,
				  runtime->positions.list[i].position));
	return result_ok();
}

Result meta_load(Runtime *runtime)
{
	Store *store = runtime->options.store;
	TRY(cursor_load(store, "ledger", &runtime->cursor));
	TRY(cursor_load(store, "derive", &runtime->derive_from));
	TRY(number_load(store, SLICE("derived"), &runtime->derived));
	TRY(number_load(store, SLICE("table"), &runtime->table.next));
	runtime->positions.count = 0;
	Statement *row = store_query_(store, "SELECT topic, partition, position FROM runtime_position", false, NULL, 0);
	while (statement_next(row) && runtime->positions.count < LEDGER_POSITIONS_MAX) {
		size_t i = runtime->positions.count++;
		runtime->positions.list[i].topic = (unsigned)statement_integer(row, 0);
		runtime->positions.list[i].partition = (unsigned)statement_integer(row, 1);
		runtime->positions.list[i].position = statement_integer(row, 2);
	}
	return statement_end(row);
}

/* ---- readers: a cursor (or just its `next`) for each place; owners: what they have observed of each place */

static const char *place_name(const InputPartition *place, char out[static 64])
{
	snprintf(out, 64, "%s/%u", topics[place->input->topic].short_name, place->partition);
	return out;
}

Result meta_positions_load(Runtime *runtime)
{
	char name[64];
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		TRY(cursor_load(runtime->options.store, place_name(place, name), &place->cursor));
		place->next = place->observed = place->cursor.next;
	}
	return result_ok();
}

Result meta_positions_save(Runtime *runtime)
{
	char name[64];
	bool owner = runtime->options.service->ledger != TOPICS;
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		LedgerCursor cursor = place->cursor;
		cursor.next = owner ? place->observed : place->next;
		TRY(cursor_save(runtime->options.store, place_name(place, name), &cursor));
	}
	return result_ok();
}

/* ---- timers */

static void timer_changed(Runtime *runtime, bool armed, Slice id, Instant due_at)
{
	if (runtime->timer_change_count == runtime->timer_change_room) {
		runtime->timer_change_room = runtime->timer_change_room ? runtime->timer_change_room * 2 : 64;
		runtime->timer_changes = realloc(runtime->timer_changes,
						 runtime->timer_change_room * sizeof(*runtime->timer_changes));
		must(runtime->timer_changes);
	}
	TimerChange *change = &runtime->timer_changes[runtime->timer_change_count++];
	change->armed = armed;
	change->due_at = due_at;
	must(text_copy(id, change->id, sizeof(change->id)));
}

Result handler_arm(Handler *handler, Slice timer_id, Instant due_at)
{
	Runtime *runtime = handler->runtime;
	TRY(store_run(handler->store, "INSERT OR REPLACE INTO runtime_timer VALUES (?1, ?2)", V_TEXT(timer_id),
		      V_INTEGER(due_at)));
	if (runtime->phase >= PHASE_OWNING)
		timer_changed(runtime, true, timer_id, due_at);
	return result_ok();
}

Result handler_disarm(Handler *handler, Slice timer_id)
{
	Runtime *runtime = handler->runtime;
	TRY(store_run(handler->store, "DELETE FROM runtime_timer WHERE id = ?1", V_TEXT(timer_id)));
	if (runtime->phase >= PHASE_OWNING)
		timer_changed(runtime, false, timer_id, INSTANT_NONE);
	return result_ok();
}

/* Every armed timer of the state, given to the edge anew: a timer there is only a hint. */
Result meta_timers_arm(Runtime *runtime)
{
	Timers *timers = runtime->options.timers;
	if (!timers)
		return result_ok();
	Instant horizon = runtime->swept_at == 0 ? INT64_MAX : runtime->handler.now - TIMER_LEASE_MS;
	Statement *row = store_query(runtime->options.store, "SELECT id, due FROM runtime_timer WHERE due <= ?1 ORDER BY due",
				     V_INTEGER(horizon));
	Result result = result_ok();
	while (!result_failed(result) && statement_next(row))
		result = timers->operations->arm(timers, runtime->timers_owner, runtime->epoch, statement_slice(row, 0),
						 statement_integer(row, 1));
	Result ended = statement_end(row);
	runtime->swept_at = runtime->handler.now;
	return result_failed(result) ? result : ended;
}

bool meta_timer_find(Runtime *runtime, Slice id, Instant *due_at)
{
	Statement *row = store_query(runtime->options.store, "SELECT due FROM runtime_timer WHERE id = ?1", V_TEXT(id));
	bool found = statement_next(row);
	*due_at = found ? statement_integer(row, 0) : INSTANT_NONE;
	(void)statement_end(row);
	return found;
}
