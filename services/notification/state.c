#include "services/notification/state.h"

#include <stdlib.h>

const char *const state_schema[STATE_SCHEMA_VERSION] = {
	"CREATE TABLE incidents (" INCIDENT_COLUMNS ");"
	"CREATE TABLE plans (incident TEXT PRIMARY KEY, policy TEXT NOT NULL, base_at INTEGER NOT NULL,"
	" next_level INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE levels (incident TEXT NOT NULL, level INTEGER NOT NULL, due_at INTEGER NOT NULL,"
	" PRIMARY KEY (incident, level)) WITHOUT ROWID;"
	"CREATE TABLE told (incident TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (incident, key)) WITHOUT ROWID;"
	"CREATE TABLE deliveries (key TEXT PRIMARY KEY, incident TEXT NOT NULL, channel TEXT, recipient TEXT NOT NULL,"
	" level INTEGER NOT NULL, attempt INTEGER NOT NULL, queued_at INTEGER NOT NULL, next_at INTEGER NOT NULL,"
	" address TEXT, language TEXT) WITHOUT ROWID",
	NULL, /* version 3 added columns to the table incidents: an older file is rebuilt from the ledgers */
	NULL, /* version 2 added the table told above: a file of version 1 is rebuilt from the ledgers */
};

/* ---- plans */

Result plan_load(Store *store, Slice incident, PlanState *out, char *policy_id)
{
	*out = (PlanState){ .base_at = INSTANT_NONE };
	Statement *row = store_query(store, "SELECT next_level, base_at, policy FROM plans WHERE incident = ?1",
				     V_TEXT(incident));
	bool fits = true;
	if (statement_next(row)) {
		*out = (PlanState){ .exists = true,
				    .next_level = statement_integer(row, 0),
				    .base_at = statement_integer(row, 1) };
		fits = !policy_id || text_copy(statement_slice(row, 2), policy_id, PLAN_POLICY_ID);
	}
	TRY(statement_end(row));
	return fits ? result_ok() : result_fail(ERROR_INTERNAL, "the policy of a plan is too long: delete the state file of notification, it is rebuilt from the ledgers");
}

Result plan_save(Store *store, Slice incident, const char *policy_id, const PlanState *plan)
{
	return store_run(store, "INSERT OR REPLACE INTO plans VALUES (?1, ?2, ?3, ?4)", V_TEXT(incident),
			 V_TEXT(slice_of(policy_id)), V_INTEGER(plan->base_at), V_INTEGER(plan->next_level));
}

Result plan_next_save(Store *store, Slice incident, int64_t next_level)
{
	return store_run(store, "UPDATE plans SET next_level = ?2 WHERE incident = ?1", V_TEXT(incident),
			 V_INTEGER(next_level));
}

Result level_save(Store *store, Slice incident, int64_t level, Instant due_at)
{
	return store_run(store, "INSERT OR REPLACE INTO levels VALUES (?1, ?2, ?3)", V_TEXT(incident), V_INTEGER(level),
			 V_INTEGER(due_at));
}

Result level_after(Store *store, Slice incident, int64_t reached, int64_t *level, Instant *due_at)
{
	Statement *row = store_query(store,
				     "SELECT level, due_at FROM levels WHERE incident = ?1 AND level > ?2"
				     " ORDER BY level LIMIT 1",
				     V_TEXT(incident), V_INTEGER(reached));
	*level = 0;
	*due_at = INSTANT_NONE;
	if (statement_next(row)) {
		*level = statement_integer(row, 0);
		*due_at = statement_integer(row, 1);
	}
	return statement_end(row);
}

Result levels_clear(Store *store, Slice incident)
{
	return store_run(store, "DELETE FROM levels WHERE incident = ?1", V_TEXT(incident));
}

Result levels_promised(Store *store, Slice incident, PlanPromise *out)
{
	*out = plan_promise_none();
	Statement *row = store_query(store, "SELECT level, due_at FROM levels WHERE incident = ?1", V_TEXT(incident));
	while (statement_next(row)) {
		int64_t level = statement_integer(row, 0);
		if (level >= 1 && level <= PLAN_LEVELS_MAX)
			out->due_at[level - 1] = statement_integer(row, 1);
	}
	return statement_end(row);
}

/* ---- messages queued by a plan */

Result notified_save(Store *store, Slice incident, Slice key)
{
	return store_run(store, "INSERT OR IGNORE INTO told VALUES (?1, ?2)", V_TEXT(incident), V_TEXT(key));
}

Result notified_load(Store *store, Slice incident, json_t **out)
{
	json_t *notified = json_object();
	must(notified);
	Statement *row = store_query(store, "SELECT key FROM told WHERE incident = ?1", V_TEXT(incident));
	while (statement_next(row)) {
		char key[ID_SIZE];
		if (text_copy(statement_slice(row, 0), key, sizeof(key)))
			json_object_set_new(notified, key, json_true());
	}
	*out = notified;
	return statement_end(row);
}

Result notified_clear(Store *store, Slice incident)
{
	return store_run(store, "DELETE FROM told WHERE incident = ?1", V_TEXT(incident));
}

/* ---- deliveries */

static char *column_copy(Statement *row, int column)
{
	return statement_is_null(row, column) ? NULL : slice_copy(statement_slice(row, column));
}

Result delivery_load(Store *store, Slice key, DueDelivery *out)
{
	*out = (DueDelivery){ .queued_at = INSTANT_NONE, .next_at = INSTANT_NONE };
	if (!text_copy(key, out->key, sizeof(out->key)))
		return result_ok();
	Statement *row =
		store_query(store,
			    "SELECT incident, channel, recipient, address, language, level, attempt, queued_at, next_at"
			    " FROM deliveries WHERE key = ?1",
			    V_TEXT(key));
	if (statement_next(row)) {
		out->found = true;
		out->incident = column_copy(row, 0);
		out->channel = column_copy(row, 1);
		out->recipient = column_copy(row, 2);
		out->address = column_copy(row, 3);
		out->language = column_copy(row, 4);
		out->level = statement_integer(row, 5);
		out->attempt = statement_integer(row, 6);
		out->queued_at = statement_integer(row, 7);
		out->next_at = statement_integer(row, 8);
	}
	return statement_end(row);
}

void delivery_release(DueDelivery *delivery)
{
	free(delivery->incident);
	free(delivery->channel);
	free(delivery->recipient);
	free(delivery->address);
	free(delivery->language);
	*delivery = (DueDelivery){ .queued_at = INSTANT_NONE, .next_at = INSTANT_NONE };
}

static StoreValue text_or_null(const char *text)
{
	return text ? V_TEXT(slice_of(text)) : V_NULL;
}

Result delivery_save(Store *store, Slice incident, const Delivery *delivery, Instant queued_at)
{
	return store_run(store, "INSERT OR REPLACE INTO deliveries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
			 V_TEXT(slice_of(delivery->key)), V_TEXT(incident), text_or_null(delivery->channel),
			 V_TEXT(slice_of(delivery->recipient)), V_INTEGER(delivery->escalation_level),
			 V_INTEGER(delivery->attempt), V_INTEGER(queued_at), V_INTEGER(delivery->next_at),
			 text_or_null(delivery->address), text_or_null(delivery->language));
}

Result delivery_retry(Store *store, Slice key, int64_t attempt, Instant next_at)
{
	return store_run(store, "UPDATE deliveries SET attempt = ?2, next_at = ?3 WHERE key = ?1", V_TEXT(key),
			 V_INTEGER(attempt), V_INTEGER(next_at));
}

Result delivery_forget(Store *store, Slice key)
{
	return store_run(store, "DELETE FROM deliveries WHERE key = ?1", V_TEXT(key));
}

Result deliveries_pending(Store *store, Slice incident, bool *pending)
{
	Statement *row = store_query(store, "SELECT 1 FROM deliveries WHERE incident = ?1", V_TEXT(incident));
	*pending = statement_next(row);
	return statement_end(row);
}
