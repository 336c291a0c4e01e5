#include "services/gateway/view.h"

#include "shared/domain/rows.h"
#include "shared/domain/topics.h"
#include "shared/domain/types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <threads.h>

const char *const command_states[] = { "pending", "done", "refused", NULL };

/* ---- the schema, and the statement that writes an incident ----------------------------------------------------- */

enum { SCHEMA_SIZE = 8192, PUT_SIZE = 8192 };

static char schema_text[SCHEMA_SIZE], put_text[PUT_SIZE];

const char *const view_schema[VIEW_SCHEMA_VERSION] = {
	schema_text,
	NULL, /* a file of version 1 has other columns, and is rebuilt */
};

static const char other_tables[] =
	"CREATE TABLE entries (incident TEXT NOT NULL, position TEXT NOT NULL, version INTEGER, at INTEGER NOT NULL,"
	" type TEXT NOT NULL, item TEXT NOT NULL, PRIMARY KEY (incident, position), UNIQUE (incident, version));"
	"CREATE TABLE commands (id TEXT PRIMARY KEY, incident TEXT NOT NULL, status INTEGER NOT NULL,"
	" version INTEGER NOT NULL, problem TEXT, fingerprint TEXT, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX commands_at ON commands (at);";

/* The next row from *at on that has a column; NULL: no more. */
static const Field *column_next(size_t *at)
{
	while (*at < incident_table.count) {
		const Field *field = &incident_table.fields[(*at)++];
		if (field->flags & FIELD_FILTER) {
			must(field->type == FIELD_TEXT || field->type == FIELD_CHOICE);
			return field;
		}
	}
	return NULL;
}

/* A comment with every row and if q searches it: the stored documents and texts of a view with other rows are incomplete. */
static void members_write(Buffer *out)
{
	buffer_text(out, "/*");
	for (size_t i = 0; i < incident_table.count; i++)
		buffer_format(out, " %s%s", incident_table.fields[i].name, incident_table.fields[i].flags & FIELD_SEARCH ? "+" : "");
	buffer_text(out, " */");
}

static void schema_write(Buffer *out)
{
	const Field *field;

	buffer_text(out, "CREATE TABLE incidents (" INCIDENT_COLUMNS ", version INTEGER NOT NULL, search TEXT NOT NULL");
	for (size_t at = 0; (field = column_next(&at)) != NULL;)
		buffer_format(out, ", \"%s\" TEXT", field->name);
	buffer_text(out, ");");
	for (size_t at = 0; (field = column_next(&at)) != NULL;)
		if (field->flags & FIELD_INDEXED)
			buffer_format(out, "CREATE INDEX \"incidents_%s\" ON incidents (\"%s\", id);", field->name, field->name);
	buffer_text(out, other_tables);
	members_write(out);
}

enum { FIXED_COLUMNS = 8 };

static void put_write(Buffer *out)
{
	size_t count = FIXED_COLUMNS;
	const Field *field;

	buffer_text(out, "INSERT INTO incidents (id, document, report_version, noise, base_at, sequence, version, search");
	for (size_t at = 0; (field = column_next(&at)) != NULL; count++)
		buffer_format(out, ", \"%s\"", field->name);
	buffer_text(out, ") VALUES (?1");
	for (size_t i = 2; i <= count; i++)
		buffer_format(out, ", ?%zu", i);
	buffer_text(out, ") ON CONFLICT (id) DO UPDATE SET document = ?2, report_version = ?3, noise = ?4, base_at = ?5,"
			 " sequence = ?6, version = ?7, search = ?8");
	count = FIXED_COLUMNS;
	for (size_t at = 0; (field = column_next(&at)) != NULL;)
		buffer_format(out, ", \"%s\" = ?%zu", field->name, ++count);
}

static void text_fill(void (*write)(Buffer *out), char *text, size_t size)
{
	Buffer out;

	buffer_init(&out, size - 1);
	write(&out);
	must(!out.overflowed && text_copy(buffer_slice(&out), text, size));
	buffer_release(&out);
}

static void texts_fill(void)
{
	text_fill(schema_write, schema_text, sizeof schema_text);
	text_fill(put_write, put_text, sizeof put_text);
}

void view_prepare(void)
{
	static once_flag filled = ONCE_FLAG_INIT;

	call_once(&filled, texts_fill);
}

#define VIEW_BROKEN "the view is damaged: delete $TOCSIN_HOME/gateway/0.db, it is rebuilt from the ledgers"

static StoreValue text_or_null(const char *text)
{
	return text ? V_TEXT(slice_of(text)) : V_NULL;
}

/* ---- positions in a timeline ---------------------------------------------------------------------------------- */

typedef enum { ITEM_ENTRY, ITEM_DELIVERY } ItemKind; /* sorts items of the same time */

static void position_write(Instant at, ItemKind kind, int64_t number, size_t ordinal,
			   char out[static CURSOR_POSITION_MAX])
{
	snprintf(out, CURSOR_POSITION_MAX, "%015" PRId64 ".%d.%019" PRId64 ".%04zu", at, (int)kind, number, ordinal);
}

static const Field entry_fields[] = {
	ROW_TIME(EntryAnswer, at, FIELD_REQUIRED, "Time of the entry"),
	ROW_TEXT(EntryAnswer, type, FIELD_REQUIRED, 0, "Type of the entry", .choices = timeline_words),
	ROW_INTEGER(EntryAnswer, version, 0, 1, INT64_MAX,
		    "Version of the incident after this entry; null for a delivery, which does not change the incident"),
	ROW_FREE(EntryAnswer, actor, 0, "Author of the entry", .table = &actor_table),
	ROW_FREE(EntryAnswer, data, 0, "Details for display"),
};
const FieldTable entry_table = FIELD_DOCUMENT("entry", entry_fields, EntryAnswer, TABLE_ANSWER, "Timeline entry",
					      "An entry in the timeline of an incident.");

static const Field delivery_fields[] = {
	ROW_INTEGER(DeliveryAnswer, escalation_level, FIELD_REQUIRED, 0, INT64_MAX, "Escalation level that requested it"),
	ROW_TEXT(DeliveryAnswer, channel, 0, 0, "Id of the channel"),
	ROW_TEXT(DeliveryAnswer, recipient, FIELD_REQUIRED | FIELD_PERSONAL, 0, "Recipient: team:ID, person:ID or channel:ID"),
	ROW_TEXT(DeliveryAnswer, state, FIELD_REQUIRED, 0, "State of the delivery", .choices = delivery_words),
	ROW_TEXT(DeliveryAnswer, key, FIELD_REQUIRED, 0, "Id of the message, the same on every attempt: webhook-id and Message-ID"),
	ROW_TEXT(DeliveryAnswer, detail, 0, 0, "Reason for a skip, failure or retry"),
};
const FieldTable delivery_answer_table = FIELD_DOCUMENT("delivery", delivery_fields, DeliveryAnswer, TABLE_ANSWER, "Delivery",
							"The `data` of a timeline entry of type delivery.");

static Result item_put(Store *store, Slice incident, const char *position, const EntryAnswer *item)
{
	Buffer text;

	buffer_init(&text, VIEW_DOCUMENT_BYTES);
	json_write_fields(&entry_table, item, &text);
	Result result = text.overflowed
				? result_fail(ERROR_INPUT, "an entry is larger than %d bytes", VIEW_DOCUMENT_BYTES)
				: store_run(store,
					    "INSERT INTO entries (incident, position, version, at, type, item)"
					    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
					    V_TEXT(incident), V_TEXT(slice_of(position)),
					    item->version > 0 ? V_INTEGER(item->version) : V_NULL, V_INTEGER(item->at),
					    V_TEXT(slice_of(item->type)), V_TEXT(buffer_slice(&text)));
	buffer_release(&text);
	return result;
}

/* ---- the journal ---------------------------------------------------------------------------------------------- */

/* Writes the text in which the query parameter q searches. */
static void search_write(Buffer *out, const Incident *incident)
{
	for (size_t i = 0; i < incident_table.count; i++) {
		const Field *field = &incident_table.fields[i];
		if (!(field->flags & FIELD_SEARCH))
			continue;
		if (out->size > 0)
			buffer_byte(out, '\n');
		buffer_append(out, slice_of(field_text(field, incident)));
	}
	text_lower(out->data, out->size);
}

static Result incident_put(Store *store, const StoredIncident *stored, Slice search, Slice document)
{
	const IncidentExtras *extras = &stored->extras;
	StoreValue values[FIXED_COLUMNS + INCIDENT_FIELDS_MAX] = {
		V_TEXT(id_slice(&stored->id)),
		V_TEXT(document),
		V_INTEGER(extras->report_version),
		V_INTEGER(extras->noise),
		V_INTEGER(extras->base_at),
		V_INTEGER(extras->sequence),
		V_INTEGER(stored->incident.version),
		V_TEXT(search),
	};
	size_t count = FIXED_COLUMNS;
	const Field *field;

	for (size_t at = 0; (field = column_next(&at)) != NULL;)
		values[count++] = text_or_null(field_text(field, &stored->incident));
	return store_run_composed(store, put_text, values, count);
}

static Result incident_save(IncidentStore *incidents, Store *store, const StoredIncident *stored)
{
	Slice document;
	Buffer search;

	TRY(incident_store_text(incidents, &document));
	buffer_init(&search, VIEW_DOCUMENT_BYTES);
	search_write(&search, &stored->incident);
	Result result = incident_put(store, stored, buffer_slice(&search), document);
	buffer_release(&search);
	return result;
}

static Result entry_put(Store *store, Slice incident_id, json_t *tree)
{
	JournalEntry entry;
	char position[CURSOR_POSITION_MAX];

	TRY(json_decode_record(&journal_entry_table, tree, &entry));
	position_write(entry.at, ITEM_ENTRY, entry.version, 0, position);
	return item_put(store, incident_id, position, &(EntryAnswer){ .at = entry.at,
								      .type = entry.type,
								      .version = entry.version,
								      .actor = entry.actor,
								      .data = entry.data });
}

static Result entries_take(IncidentStore *incidents, Store *store, const JournalRecord *journal)
{
	const StoredIncident *stored;
	size_t index;
	json_t *entry;

	if (json_array_size(journal->entries) == 0)
		return result_ok();
	TRY(incident_store_fold(incidents, store, journal, &stored));
	/* The entries are valid from here on; a failure is one of the store, and the caller rolls back. */
	json_array_foreach (journal->entries, index, entry)
		TRY(entry_put(store, slice_of(journal->incident_id), entry));
	return incident_save(incidents, store, stored);
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

/* Readers of the view rely on the form of incident ids. Any program may write to the topics, so every record is checked. */
static Result check_incident_id(const char *id)
{
	return id_is("inc_", slice_of(id)) ? result_ok() : result_fail(ERROR_INPUT, "incident_id must be inc_ and 26 base32 characters");
}

static bool is_journal_type(Slice type)
{
	return slice_is(type, TYPE_JOURNAL_ENTERED) || slice_is(type, TYPE_JOURNAL_UNCHANGED) ||
	       slice_is(type, TYPE_JOURNAL_REFUSED);
}

Result view_take_journal(IncidentStore *incidents, Store *store, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	JournalRecord journal;

	if (!is_journal_type(record->type))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&journal_record_table, tree, &journal));
	TRY(check_incident_id(journal.incident_id));
	TRY(entries_take(incidents, store, &journal));
	return command_finish(store, record, &journal);
}

/* ---- deliveries ----------------------------------------------------------------------------------------------- */

static json_t *delivery_data(const Delivery *delivery)
{
	DeliveryAnswer answer = { .escalation_level = delivery->escalation_level > 0 ? delivery->escalation_level : 0,
				  .channel = delivery->channel,
				  .recipient = delivery->recipient,
				  .state = delivery->state,
				  .key = delivery->key,
				  .detail = delivery->detail };

	return json_encode(&delivery_answer_table, &answer);
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
	return item_put(store, incident_id, position, &(EntryAnswer){ .at = record->time,
								      .type = "delivery",
								      .version = INT64_MIN,
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

/* Only commands of people and API keys are kept, because clients do not query the commands that services issue. */
static bool is_of_client(const CommandRecord *command)
{
	const char *kind = json_string_value(json_object_get(command->actor, "kind"));

	return kind && strcmp(kind, "system") != 0;
}

Result view_take_command(Store *store, const Record *record, Instant now)
{
	json_t *tree JSON_AUTO = NULL;
	CommandRecord command;
	Instant at = instant_bounded(record->time, now);

	if (!slice_is(record->type, TYPE_COMMAND) || !id_is("cmd_", record->id))
		return result_ok();
	TRY(json_read(record->body, &tree));
	TRY(json_decode_record(&command_record_table, tree, &command));
	TRY(check_incident_id(command.incident_id));
	if (!is_of_client(&command))
		return result_ok();
	TRY(store_run(store, "DELETE FROM commands WHERE at < ?1", V_INTEGER(at - COMMANDS_KEPT_MS)));
	return store_run(
		store,
		"INSERT INTO commands (id, incident, status, version, fingerprint, at) VALUES (?1, ?2, ?3, 0, ?4, ?5)"
		" ON CONFLICT (id) DO NOTHING",
		V_TEXT(record->id), V_TEXT(slice_of(command.incident_id)), V_INTEGER(COMMAND_PENDING),
		text_or_null(command.fingerprint), V_INTEGER(at));
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
	Result result = page_read(store_query_composed(store, sql.data, values, count), query->limit, items, end);
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
	return found ? result_ok() : result_fail(ERROR_NOT_FOUND, "there is no such command of the last %d days", COMMANDS_KEPT_DAYS);
}

void command_row_release(CommandRow *row)
{
	json_decref(row->problem);
	row->problem = NULL;
}
