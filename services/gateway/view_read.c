#include "services/gateway/view.h"

#include <string.h>

Result view_incident(Store *store, Slice id, Buffer *document, int64_t *version)
{
	Statement *query = store_query(store, "SELECT version, document FROM incidents WHERE id = ?1", V_TEXT(id));
	bool found = statement_next(query);

	if (found) {
		*version = statement_integer(query, 0);
		buffer_append(document, statement_slice(query, 1));
	}
	TRY(statement_end(query));
	return found ? result_ok() : result_fail(ERROR_NOT_FOUND, "there is no such incident");
}

Result view_has_category(Store *store, Slice category, bool *has)
{
	Statement *query = store_query(store, "SELECT 1 FROM incidents WHERE category = ?1 LIMIT 1", V_TEXT(category));

	*has = statement_next(query);
	return statement_end(query);
}

/*
 * Rows of (position, text) into a page. Ends the query. `end` is written last: the query may still borrow its former
 * value.
 */
static Result page_read(Statement *query, int64_t limit, Buffer *items, PageEnd *end)
{
	PageEnd reached = { .more = false };
	int64_t taken = 0;

	while (statement_next(query)) {
		Slice text = statement_slice(query, 1);
		if (taken == limit || (taken > 0 && text.size > VIEW_PAGE_BYTES - items->size)) {
			reached.more = true;
			break;
		}
		if (taken++ > 0)
			buffer_byte(items, ',');
		buffer_append(items, text);
		must(text_copy(statement_slice(query, 0), reached.last, sizeof reached.last));
	}
	*end = reached;
	return statement_end(query);
}

Result view_incidents(Store *store, const IncidentQuery *query, Slice after, Buffer *items, PageEnd *end)
{
	Slice texts[QUERY_VALUES_MAX];
	StoreValue values[QUERY_VALUES_MAX];
	size_t count;
	Buffer sql;

	buffer_init(&sql, 4096);
	incident_query_sql(query, after, &sql, texts, &count);
	must(!sql.overflowed);
	for (size_t i = 0; i < count; i++)
		values[i] = V_TEXT(texts[i]);
	Result result = page_read(store_query_(store, sql.data, true, values, count), query->limit, items, end);
	buffer_release(&sql);
	return result;
}

Result view_timeline(Store *store, Slice incident, Slice after, int64_t limit, Buffer *items, PageEnd *end)
{
	Statement *query =
		store_query(store,
			    "SELECT position, item FROM entries WHERE incident = ?1 AND position > ?2"
			    " ORDER BY position LIMIT ?3",
			    V_TEXT(incident), V_TEXT(after.size > 0 ? after : SLICE("")), V_INTEGER(limit + 1));
	return page_read(query, limit, items, end);
}

static Result command_row_read(Statement *query, CommandRow *out)
{
	*out = (CommandRow){ .state = (CommandState)statement_integer(query, 1),
			     .version = statement_integer(query, 2) };
	must(text_copy(statement_slice(query, 0), out->incident, sizeof out->incident));
	text_copy(statement_slice(query, 4), out->fingerprint, sizeof out->fingerprint);
	if (statement_is_null(query, 3))
		return result_ok();
	return result_wrap(json_read(statement_slice(query, 3), &out->problem), "a refusal in the view");
}

Result view_command(Store *store, Slice id, CommandRow *out)
{
	Statement *query =
		store_query(store, "SELECT incident, status, version, problem, fingerprint FROM commands WHERE id = ?1",
			    V_TEXT(id));
	bool found = statement_next(query);
	Result result = found ? command_row_read(query, out) : result_ok();
	Result ended = statement_end(query);

	if (found && result_failed(result)) {
		command_row_release(out);
		return result_fail(ERROR_INTERNAL, "%s", result.text);
	}
	TRY(ended);
	return found ? result_ok() : result_fail(ERROR_NOT_FOUND, "there is no such command of the last 30 days");
}

void command_row_release(CommandRow *row)
{
	json_decref(row->problem);
	row->problem = NULL;
}
