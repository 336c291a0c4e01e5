#include "shared/runtime/state.h"

#include "shared/io/system/log.h"
#include "shared/runtime/runtime.h"

/* In the column `marked`: the cursor is at the first record of a trimmed log (LedgerCursor.trimmed). */
enum { MARKED_TRIMMED = -1 };

static const char *const tables[] = {
	"CREATE TABLE IF NOT EXISTS runtime_cursor (place TEXT PRIMARY KEY, epoch INTEGER, owner INTEGER, seq INTEGER,"
	" prev_epoch INTEGER, prev_seq INTEGER, next INTEGER, marked INTEGER, born INTEGER) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_number (name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_position (topic INTEGER, partition INTEGER, position INTEGER,"
	" PRIMARY KEY (topic, partition)) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_timer (id TEXT PRIMARY KEY, due INTEGER, show INTEGER) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_stale (key TEXT PRIMARY KEY) WITHOUT ROWID",
	"CREATE TABLE IF NOT EXISTS runtime_text (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
};

/* Columns that early files of 0.1.0 lack. Cursors without `marked` and `born` match no log, so such a state is rebuilt. */
static const struct {
	const char *present; /* a query that has a row if the file has the columns */
	const char *add[4];
} columns[] = {
	{ "SELECT 1 FROM pragma_table_info('runtime_cursor') WHERE name = 'marked'",
	  { "ALTER TABLE runtime_cursor ADD COLUMN marked INTEGER", "ALTER TABLE runtime_cursor ADD COLUMN born INTEGER" } },
	{ "SELECT 1 FROM pragma_table_info('runtime_timer') WHERE name = 'show'",
	  { "DROP INDEX IF EXISTS runtime_timer_due", "ALTER TABLE runtime_timer ADD COLUMN show INTEGER",
	    "UPDATE runtime_timer SET show = due" } },
};

static Result columns_add(Store *store, size_t i)
{
	Statement *row = store_query_composed(store, columns[i].present, NULL, 0);
	bool present = statement_next(row);
	TRY(statement_end(row));
	for (size_t k = 0; !present && columns[i].add[k]; k++)
		TRY(store_run_table(store, &columns[i].add[k], 1));
	return result_ok();
}

Result state_prepare(Store *store)
{
	TRY(store_run_table(store, tables, sizeof(tables) / sizeof(tables[0])));
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		TRY(columns_add(store, i));
	return store_run(store, "CREATE INDEX IF NOT EXISTS runtime_timer_show ON runtime_timer (show)");
}

Result state_reset(const Handler *handler, const char *cluster)
{
	bool usable;
	StoreOptions options = runtime_store_options(handler->service, NULL);
	handler_log(handler, LOG_WARN, "state-dropped",
		    "its log was trimmed past it, or another log took its place; the state is rebuilt");
	TRY(store_reset(handler->store, &options));
	TRY(state_prepare(handler->store));
	return state_cluster_check(handler->store, cluster, &usable);
}

Result state_cluster_check(Store *store, const char *cluster, bool *usable)
{
	bool known = false;
	*usable = true;
	if (slice_of(cluster).size == 0)
		return result_ok();
	Statement *row = store_query(store, "SELECT value FROM runtime_text WHERE name = 'cluster'");
	if (statement_next(row)) {
		known = true;
		*usable = slice_is(statement_slice(row, 0), cluster);
	}
	TRY(statement_end(row));
	return known ? result_ok() :
		       store_run(store, "INSERT OR REPLACE INTO runtime_text VALUES ('cluster', ?1)", V_TEXT(slice_of(cluster)));
}

Result state_newer_than_bus(const Handler *handler, TopicId topic)
{
	const char *name = handler->service->name;
	return result_fail(ERROR_INTERNAL,
			   "%s ends before the offset that %s has read: the bus is older than the state file; to continue with "
			   "this bus, delete %s/%u.db, which is then rebuilt",
			   topics[topic].name, name, name, handler->partition);
}

Result state_broken(const Handler *handler)
{
	const char *name = handler->service->name;
	return result_fail(ERROR_INTERNAL, "a row of $TOCSIN_HOME/%s/%u.db is damaged: delete the file, it is rebuilt from the ledgers", name,
			   handler->partition);
}

Result state_cursor_save(Store *store, const char *name, const LedgerCursor *cursor)
{
	return store_run(store, "INSERT OR REPLACE INTO runtime_cursor VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			 V_TEXT(slice_of(name)), V_INTEGER((int64_t)cursor->epoch), V_INTEGER((int64_t)cursor->owner),
			 V_INTEGER((int64_t)cursor->seq), V_INTEGER((int64_t)cursor->prev_epoch),
			 V_INTEGER((int64_t)cursor->prev_seq), V_INTEGER(cursor->next),
			 V_INTEGER(cursor->trimmed ? MARKED_TRIMMED : cursor->marked),
			 V_INTEGER((int64_t)cursor->genesis_owner));
}

Result state_cursor_load(Store *store, const char *name, LedgerCursor *out)
{
	*out = (LedgerCursor){ 0 };
	Statement *row = store_query(store,
				     "SELECT epoch, owner, seq, prev_epoch, prev_seq, next, marked, born FROM runtime_cursor"
				     " WHERE place = ?1",
				     V_TEXT(slice_of(name)));
	if (statement_next(row))
		*out = (LedgerCursor){
			.epoch = (uint64_t)statement_integer(row, 0), .owner = (uint64_t)statement_integer(row, 1),
			.seq = (uint64_t)statement_integer(row, 2), .prev_epoch = (uint64_t)statement_integer(row, 3),
			.prev_seq = (uint64_t)statement_integer(row, 4), .next = statement_integer(row, 5),
			.marked = statement_integer(row, 6), .genesis_owner = (uint64_t)statement_integer(row, 7),
		};
	/* `trimmed` does not follow from next > 0: a reader that has only dropped records must not accept the next unchecked. */
	out->trimmed = out->marked == MARKED_TRIMMED;
	out->marked = out->trimmed ? 0 : out->marked;
	return statement_end(row);
}
