#include "services/gateway/view.h"

#include "shared/domain/documents.h"
#include "shared/domain/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const int64_t COMMANDS_KEPT_MS = 30LL * 86400000; /* as long as response remembers a command's id */

const char *const command_states[] = { "pending", "done", "refused", NULL };

const char *const view_schema[] = {
	"CREATE TABLE incidents (id TEXT PRIMARY KEY, number TEXT, kind TEXT, status TEXT, grade TEXT, severity TEXT,"
	" source TEXT, category TEXT, correlation_key TEXT, version INTEGER NOT NULL, search TEXT NOT NULL,"
	" document TEXT NOT NULL);"
	"CREATE INDEX incidents_number ON incidents (number);"
	"CREATE INDEX incidents_status ON incidents (status, id);"
	"CREATE INDEX incidents_grade ON incidents (grade, id);"
	"CREATE INDEX incidents_source ON incidents (source, id);"
	"CREATE INDEX incidents_category ON incidents (category, id);"
	"CREATE INDEX incidents_correlation_key ON incidents (correlation_key, id);"
	"CREATE TABLE entries (incident TEXT NOT NULL, position TEXT NOT NULL, version INTEGER, at INTEGER NOT NULL,"
	" type TEXT NOT NULL, item TEXT NOT NULL, PRIMARY KEY (incident, position), UNIQUE (incident, version));"
	"CREATE TABLE commands (id TEXT PRIMARY KEY, incident TEXT NOT NULL, status INTEGER NOT NULL,"
	" version INTEGER NOT NULL, problem TEXT, fingerprint TEXT, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX commands_at ON commands (at);",
};

#define VIEW_BROKEN "the view is damaged: delete $TOCSIN_HOME/gateway/0.db, it is rebuilt from the ledgers"

static StoreValue text_or_null(const char *text)
{
	return text ? V_TEXT(slice_of(text)) : V_NULL;
}

static StoreValue member_value(json_t *object, const char *name)
{
	return text_or_null(json_string_value(json_object_get(object, name)));
}

/* ---- positions in a timeline ---------------------------------------------------------------------------------- */

typedef enum { ITEM_ENTRY, ITEM_DELIVERY } ItemKind; /* the order of items of the same time */

static void position_write(Instant at, ItemKind kind, int64_t number, size_t ordinal,
			   char out[static CURSOR_POSITION_MAX])
{
	snprintf(out, CURSOR_POSITION_MAX, "%015" PRId64 ".%d.%019" PRId64 ".%04zu", at, (int)kind, number, ordinal);
}

typedef struct {
	Slice incident;
	const char *position, *type;
	int64_t version; /* 0: none */
	Instant at;
	json_t *actor, *data; /* borrowed; NULL: null */
} Item;

static Result item_put(Store *store, const Item *item)
{
	char at[INSTANT_TEXT];
	Buffer text;

	instant_format(item->at, at);
	json_t *tree JSON_AUTO = json_pack("{s:s, s:s, s:o, s:O?, s:O?}", "at", at, "type", item->type, "version",
					   item->version > 0 ? json_integer(item->version) : json_null(), "actor",
					   item->actor, "data", item->data);
	if (!tree)
		return result_fail(ERROR_INPUT, "an entry cannot be written");
	buffer_init(&text, VIEW_DOCUMENT_BYTES);
	json_write(tree, &text);
	Result result = text.overflowed
				? result_fail(ERROR_INPUT, "an entry is larger than %d bytes", VIEW_DOCUMENT_BYTES)
				: store_run(store,
					    "INSERT INTO entries (incident, position, version, at, type, item)"
					    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
					    V_TEXT(item->incident), V_TEXT(slice_of(item->position)),
					    item->version > 0 ? V_INTEGER(item->version) : V_NULL, V_INTEGER(item->at),
					    V_TEXT(slice_of(item->type)), V_TEXT(buffer_slice(&text)));
	buffer_release(&text);
	return result;
}

/* ---- the journal ---------------------------------------------------------------------------------------------- */

static Result incident_load(Store *store, Slice id, json_t **out)
{
	Result result = result_ok();
	Statement *query = store_query(store, "SELECT document FROM incidents WHERE id = ?1", V_TEXT(id));

	*out = NULL;
	if (statement_next(query))
		result = json_read(statement_slice(query, 0), out);
	Result ended = statement_end(query);
	if (result_failed(result))
		return result_fail(ERROR_INTERNAL, VIEW_BROKEN " (%.80s)", result.text);
	if (!*out && !result_failed(ended))
		*out = incident_new();
	return ended;
}

/* The text that the query parameter q searches. */
static void search_write(Buffer *out, json_t *incident)
{
	static const char *const members[] = { "number", "title", "description", "asset", "actor" };

	for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
		if (i > 0)
			buffer_byte(out, '\n');
		buffer_append(out, slice_of(json_string_value(json_object_get(incident, members[i]))));
	}
	text_lower(out->data, out->size);
}

static Result incident_put(Store *store, Slice id, json_t *incident, Slice search, Slice document)
{
	return store_run(
		store,
		"INSERT INTO incidents (id, number, kind, status, grade, severity, source, category, correlation_key,"
		" version, search, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
		" ON CONFLICT (id) DO UPDATE SET number = ?2, kind = ?3, status = ?4, grade = ?5, severity = ?6,"
		" source = ?7, category = ?8, correlation_key = ?9, version = ?10, search = ?11, document = ?12",
		V_TEXT(id), member_value(incident, "number"), member_value(incident, "kind"),
		member_value(incident, "status"), member_value(incident, "grade"), member_value(incident, "severity"),
		member_value(incident, "source"), member_value(incident, "category"),
		member_value(incident, "correlation_key"),
		V_INTEGER(json_integer_value(json_object_get(incident, "version"))), V_TEXT(search), V_TEXT(document));
}

static Result incident_save(Store *store, Slice id, json_t *incident)
{
	Buffer search, document;

	buffer_init(&search, VIEW_DOCUMENT_BYTES);
	buffer_init(&document, VIEW_DOCUMENT_BYTES);
	search_write(&search, incident);
	json_write(incident, &document);
	Result result = result_fail(ERROR_INPUT, "an incident is larger than %d bytes", VIEW_DOCUMENT_BYTES);
	if (!document.overflowed)
		result = incident_put(store, id, incident, buffer_slice(&search), buffer_slice(&document));
	buffer_release(&search);
	buffer_release(&document);
	return result;
}

static Result entry_take(Store *store, Slice incident_id, json_t *incident, json_t *tree)
{
	JournalEntry entry;
	char position[CURSOR_POSITION_MAX];

	TRY(json_decode_record(&journal_entry_table, tree, &entry));
	TRY(incident_apply(incident, tree));
	position_write(entry.at, ITEM_ENTRY, entry.version, 0, position);
	return item_put(store, &(Item){ .incident = incident_id,
					.position = position,
					.type = entry.type,
					.version = entry.version,
					.at = entry.at,
					.actor = entry.actor,
					.data = entry.data });
}

static Result entries_take(Store *store, Slice incident_id, json_t *entries)
{
	json_t *incident JSON_AUTO = NULL;
	size_t index;
	json_t *entry;

	if (json_array_size(entries) == 0)
		return result_ok();
	TRY(incident_load(store, incident_id, &incident));
	json_array_foreach (entries, index, entry)
		TRY(entry_take(store, incident_id, incident, entry));
	return incident_save(store, incident_id, incident);
}

static Result command_finish(Store *store, const Record *record, const JournalRecord *journal)
{
	Buffer problem;
	bool refused = slice_is(record->type, TYPE_JOURNAL_REFUSED);
	const char *id = journal->command_id;

	if (!id || !id_is("cmd_", slice_of(id)))
		return result_ok();
	buffer_init(&problem, VIEW_DOCUMENT_BYTES);
	if (journal->problem)
		json_write(journal->problem, &problem);
	Result result = store_run(store,
				  "INSERT INTO commands (id, incident, status, version, problem, fingerprint, at)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
				  " ON CONFLICT (id) DO UPDATE SET status = ?3, version = ?4, problem = ?5,"
				  " fingerprint = coalesce(?6, fingerprint), at = ?7",
				  V_TEXT(slice_of(id)), V_TEXT(slice_of(journal->incident_id)),
				  V_INTEGER(refused ? COMMAND_REFUSED : COMMAND_DONE),
				  V_INTEGER(journal->version > 0 ? journal->version : 0),
				  journal->problem ? V_TEXT(buffer_slice(&problem)) : V_NULL,
				  text_or_null(journal->fingerprint), V_INTEGER(record->time));
	buffer_release(&problem);
	return result;
}

/* Readers of the view rely on the form of incident ids, and any program may write to the topics: every record is checked. */
static Result check_incident_id(const char *id)
{
	return id_is("inc_", slice_of(id)) ? result_ok() : result_fail(ERROR_INPUT, "incident_id must be inc_ and 26 base32 characters");
}

static bool is_journal_type(Slice type)
{
	return slice_is(type, TYPE_JOURNAL_ENTERED) || slice_is(type, TYPE_JOURNAL_UNCHANGED) ||
	       slice_is(type, TYPE_JOURNAL_REFUSED);
}

Result view_take_journal(Store *store, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	JournalRecord journal;

	if (!is_journal_type(record->type))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&journal_record_table, tree, &journal));
	TRY(check_incident_id(journal.incident_id));
	TRY(entries_take(store, slice_of(journal.incident_id), journal.entries));
	return command_finish(store, record, &journal);
}

/* ---- deliveries ----------------------------------------------------------------------------------------------- */

static json_t *delivery_data(const Delivery *delivery)
{
	json_t *data = json_pack("{s:I, s:s?, s:s, s:s, s:s, s:s?}", "escalation_level",
				 (json_int_t)(delivery->escalation_level > 0 ? delivery->escalation_level : 0),
				 "channel", delivery->channel, "recipient", delivery->recipient, "state",
				 delivery->state, "key", delivery->key, "detail", delivery->detail);
	must(data != NULL);
	return data;
}

static json_t *notification_actor(void)
{
	json_t *actor =
		json_pack("{s:s, s:s, s:s, s:[]}", "kind", "system", "id", "notification", "name", "Tocsin", "roles");
	must(actor != NULL);
	return actor;
}

static Result delivery_take(Store *store, const Record *record, Slice incident_id, size_t ordinal, json_t *tree)
{
	Delivery delivery;
	char position[CURSOR_POSITION_MAX];

	TRY(json_decode_record(&delivery_table, tree, &delivery));
	json_t *data JSON_AUTO = delivery_data(&delivery);
	json_t *actor JSON_AUTO = notification_actor();
	position_write(record->time, ITEM_DELIVERY, record->offset, ordinal, position);
	return item_put(store, &(Item){ .incident = incident_id,
					.position = position,
					.type = "delivery",
					.at = record->time,
					.actor = actor,
					.data = data });
}

Result view_take_delivery(Store *store, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	DeliveryRecord document;
	size_t index;
	json_t *delivery;

	if (!slice_is(record->type, TYPE_ESCALATION_REACHED) && !slice_is(record->type, TYPE_DELIVERY_ATTEMPTED))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&delivery_record_table, tree, &document));
	TRY(check_incident_id(document.incident_id));
	if (record->time < 0 || record->time > INSTANT_MAX)
		return result_fail(ERROR_INPUT, "the record has no time");
	json_array_foreach (document.deliveries, index, delivery)
		TRY(delivery_take(store, record, slice_of(document.incident_id), index, delivery));
	return result_ok();
}

/* ---- commands ------------------------------------------------------------------------------------------------- */

/* Only commands of people and keys are kept: no client asks for those of services. */
static bool is_of_client(const CommandRecord *command)
{
	const char *kind = json_string_value(json_object_get(command->actor, "kind"));

	return kind && strcmp(kind, "system") != 0;
}

Result view_take_command(Store *store, const Record *record, Instant now)
{
	json_t *tree JSON_AUTO = NULL;
	CommandRecord command;

	if (!slice_is(record->type, TYPE_COMMAND) || !id_is("cmd_", record->id))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&command_record_table, tree, &command));
	TRY(check_incident_id(command.incident_id));
	if (!is_of_client(&command))
		return result_ok();
	/* A record that states a time ahead of the clock must not drop the commands of others. */
	Instant at = instant_earlier(record->time, now);
	TRY(store_run(store, "DELETE FROM commands WHERE at < ?1", V_INTEGER(at - COMMANDS_KEPT_MS)));
	return store_run(
		store,
		"INSERT INTO commands (id, incident, status, version, fingerprint, at) VALUES (?1, ?2, ?3, 0, ?4, ?5)"
		" ON CONFLICT (id) DO NOTHING",
		V_TEXT(record->id), V_TEXT(slice_of(command.incident_id)), V_INTEGER(COMMAND_PENDING),
		text_or_null(command.fingerprint), V_INTEGER(record->time));
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

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

/* Reads rows of (position, text) into a page and ends the query. Writes *end last, because the query may borrow end->last. */
static Result page_read(Statement *query, int64_t limit, Buffer *items, PageEnd *end)
{
	PageEnd page = { .more = false };
	int64_t taken = 0;
	bool fits = true;

	while (statement_next(query)) {
		Slice text = statement_slice(query, 1);
		if (taken == limit || (taken > 0 && text.size > VIEW_PAGE_BYTES - items->size)) {
			page.more = true;
			break;
		}
		if (taken++ > 0)
			buffer_byte(items, ',');
		buffer_append(items, text);
		fits &= text_copy(statement_slice(query, 0), page.last, sizeof page.last);
	}
	*end = page;
	TRY(statement_end(query));
	return fits ? result_ok() : result_fail(ERROR_INTERNAL, VIEW_BROKEN);
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
	if (!text_copy(statement_slice(query, 0), out->incident, sizeof out->incident))
		return result_fail(ERROR_INTERNAL, VIEW_BROKEN);
	text_copy(statement_slice(query, 4), out->fingerprint, sizeof out->fingerprint);
	if (statement_is_null(query, 3))
		return result_ok();
	return result_wrap(json_read(statement_slice(query, 3), &out->problem), "the stored problem of a refused command cannot be read");
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
