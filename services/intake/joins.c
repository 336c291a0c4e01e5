#include "services/intake/joins.h"

#include "services/intake/core/join.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <stdlib.h>
#include <string.h>

/*
 * A text of N characters takes at most JSON_CHARACTER_MAX * N bytes of JSON. An incident of a row has an id, a number and a time; a
 * row has two more ids, its key and its members' names.
 */
enum {
	INCIDENT_MAX = JSON_CHARACTER_MAX * NAME_MAX_CHARACTERS + 256,
	ROW_MAX = JOIN_INCIDENTS_MAX * INCIDENT_MAX + 4096,
	COMMAND_MAX = INCIDENT_MAX + 4096,
	PRUNE_ROWS = 64,
};
_Static_assert((int)ROW_MAX < (int)BUS_RECORD_MAX / 2, "a row of a join key fits into a record with its headers");

static Result row_read(Slice text, json_t **tree, JoinRecord *out)
{
	TRY(json_read(text, tree));
	return json_decode_record(&join_record_table, *tree, out);
}

/* *tree stays NULL if the key is not known. */
static Result row_load(Handler *handler, const char *key, json_t **tree, JoinRecord *out)
{
	Result result = result_ok();
	Statement *rows = store_query(handler->store, "SELECT row FROM joins WHERE key = ?1", V_TEXT(slice_of(key)));
	if (statement_next(rows))
		result = row_read(statement_slice(rows, 0), tree, out);
	Result ended = statement_end(rows);
	return result_failed(result) ?
		       result_fail(ERROR_INTERNAL,
				   "the row of a join key cannot be read: delete $TOCSIN_HOME/intake/%u.db, it is rebuilt from the ledger (%.80s)",
				   handler->partition, result.text) :
		       ended;
}

/* ---- decide */

static Result row_draft(Handler *handler, const JoinRecord *row)
{
	Buffer body;
	json_t *tree JSON_AUTO = json_encode(&join_record_table, row);
	buffer_init(&body, ROW_MAX);
	json_write(tree, &body);
	Result result = body.overflowed ? result_fail(ERROR_INPUT, "the row of the join key is larger than %d bytes", ROW_MAX) :
					  handler_draft(handler, &(Draft){ .type = SLICE(TYPE_JOIN_KEPT),
									   .key = slice_of(row->key),
									   .body = buffer_slice(&body) });
	buffer_release(&body);
	return result;
}

static Result join_read(const Record *input, json_t **tree, Join *out)
{
	unsigned slot;
	Instant opened_at;
	TRY(json_read(input->body, tree));
	TRY(json_decode_record(&join_table, *tree, out));
	if (!id_is("", slice_of(out->key)) || !id_incident_parse(slice_of(out->incident_id), &slot, &opened_at))
		return result_fail(ERROR_INPUT, "key must be a join key, and incident_id an incident id");
	return slice_is(input->key, out->key) ? result_ok() : result_fail(ERROR_INPUT, "key must be the record's key");
}

Result join_check(const Record *input, unsigned partitions)
{
	(void)partitions;
	json_t *tree JSON_AUTO = NULL;
	Join join;
	return join_read(input, &tree, &join);
}

Result join_decide(Handler *handler, const Record *input)
{
	json_t *tree JSON_AUTO = NULL, *before_tree JSON_AUTO = NULL, *incidents JSON_AUTO = NULL;
	Join join;
	JoinRecord before, row;
	TRY(join_read(input, &tree, &join));
	TRY(row_load(handler, join.key, &before_tree, &before));
	if (!join_judge(before_tree ? &before : NULL, &join, input->time, &row))
		return result_ok();
	incidents = row.incidents;
	return row_draft(handler, &row);
}

/* ---- apply: stores the row of the key, which the record states */

static Result rows_prune(Handler *handler, Instant at)
{
	return store_run(handler->store,
			 "DELETE FROM joins WHERE key IN (SELECT key FROM joins WHERE ends_at < ?1 ORDER BY ends_at, key LIMIT ?2)",
			 V_INTEGER(at), V_INTEGER(PRUNE_ROWS));
}

Result join_apply(Handler *handler, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	JoinRecord row;
	Result read = row_read(record->body, &tree, &row);
	if (result_failed(read))
		return result_fail(ERROR_INTERNAL, "a join record of the ledger cannot be read: %.200s", read.text);
	TRY(rows_prune(handler, join_entered_at(&row)));
	if (json_array_size(row.incidents) == 0)
		return store_run(handler->store, "DELETE FROM joins WHERE key = ?1", V_TEXT(record->key));
	return store_run(handler->store,
			 "INSERT INTO joins VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE"
			 " SET row = excluded.row, ends_at = excluded.ends_at",
			 V_TEXT(record->key), V_TEXT(record->body), V_INTEGER(join_ends_at(&row)));
}

Result join_needed(Handler *handler, const Record *old, bool *needed)
{
	Statement *row = store_query(handler->store, "SELECT 1 FROM joins WHERE key = ?1", V_TEXT(old->key));
	*needed = statement_next(row);
	return statement_end(row);
}

/* ---- derive: commands to both incidents */

/* Takes ownership of arguments. */
static Result command_emit(Handler *handler, const Record *record, const Id *id, const char *name, const char *incident_id,
			   json_t *arguments)
{
	unsigned slot;
	Instant opened_at;
	Buffer body;
	json_t *owned JSON_AUTO = arguments;
	json_t *actor JSON_AUTO = json_pack("{s:s, s:s, s:s, s:[s]}", "kind", "system", "id", "intake", "name", "Tocsin",
					    "roles", "system");
	if (!owned || !actor || !id_incident_parse(slice_of(incident_id), &slot, &opened_at))
		return result_fail(ERROR_INTERNAL, "a join record of the ledger names no incident");
	CommandRecord command = { .incident_id = incident_id, .command = name, .expected_version = INT64_MIN,
				  .actor = actor, .arguments = owned, .issued_at = record->time };
	json_t *tree JSON_AUTO = json_encode(&command_record_table, &command);
	buffer_init(&body, COMMAND_MAX);
	json_write(tree, &body);
	Result result = body.overflowed ? result_fail(ERROR_INTERNAL, "a command is larger than %d bytes", COMMAND_MAX) : handler_emit(handler, TOPIC_COMMANDS, slot,
				     &(Draft){ .id = id_slice(id), .type = SLICE(TYPE_COMMAND), .subject = slice_of(incident_id),
					       .body = buffer_slice(&body), .time = record->time });
	buffer_release(&body);
	return result;
}

/* The id of the command to incident_id. It does not depend on which of the two incidents entered first. */
static Id link_id(const JoinRecord *row, const char *incident_id, const char *other_id)
{
	bool first = strcmp(incident_id, other_id) < 0;
	Id pair = id_of_pair(ID_LINK_PART, slice_of(first ? incident_id : other_id), slice_of(first ? other_id : incident_id));
	Id link = id_of_pair(ID_LINK_PART, slice_of(row->key), id_slice(&pair));
	return id_of_pair(ID_COMMAND_LINK, id_slice(&link), slice_of(incident_id));
}

static Result link_emit(Handler *handler, const Record *record, const JoinRecord *row, const JoinedIncident *incident,
			const JoinedIncident *other)
{
	Id id = link_id(row, incident->incident_id, other->incident_id);
	return command_emit(handler, record, &id, "link", incident->incident_id,
			    json_pack("{s:s, s:s?, s:s}", "incident_id", other->incident_id, "number", other->number, "by",
				      join_words[row->by]));
}

static Result links_derive(Handler *handler, const Record *record, const JoinRecord *row)
{
	size_t count = json_array_size(row->incidents);
	JoinedIncident entered, other;
	/* The incident that entered is the last one (core/join.c). */
	TRY(json_decode_record(&joined_incident_table, json_array_get(row->incidents, count - 1), &entered));
	for (size_t i = 0; i + 1 < count; i++) {
		TRY(json_decode_record(&joined_incident_table, json_array_get(row->incidents, i), &other));
		if (!join_links(row, &entered, &other))
			continue;
		TRY(link_emit(handler, record, row, &entered, &other));
		TRY(link_emit(handler, record, row, &other, &entered));
	}
	return result_ok();
}

static Result campaign_derive(Handler *handler, const Record *record, const JoinRecord *row)
{
	Id id = id_of_pair(ID_COMMAND_CAMPAIGN, slice_of(row->key), record->id);
	return command_emit(handler, record, &id, "campaign", row->campaign,
			    json_pack("{s:s, s:i}", "by", join_words[row->by], "count", JOIN_INCIDENTS_MAX));
}

Result join_derive(Handler *handler, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	JoinRecord row;
	if (!slice_is(record->type, TYPE_JOIN_KEPT))
		return result_ok();
	TRY(row_read(record->body, &tree, &row));
	if (row.entered && json_array_size(row.incidents) > 0)
		TRY(links_derive(handler, record, &row));
	return row.campaign ? campaign_derive(handler, record, &row) : result_ok();
}
