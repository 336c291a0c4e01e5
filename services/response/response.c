#include "services/response/response.h"

#include "services/response/core/announce.h"
#include "services/response/core/decide.h"
#include "services/response/core/opening.h"

#include "shared/domain/types.h"
#include "shared/io/system/metrics.h"

#include <stdlib.h>
#include <string.h>

/* A document grows by its commands beyond one record; the gateway and notification keep copies of the same size. */
enum { RECORD_MAX = 1 << 20, ENTRY_ROOM = 1 << 16, DOCUMENT_MAX = 4 << 20 };
static const int64_t command_kept_ms = 30LL * 86400000; /* as long as the topic keeps commands: a later repeat is impossible */

/* One incident, as in the store. */
typedef struct {
	Id id; /* "": none is cached */
	json_t *document;
	IncidentExtras extras;
} CachedIncident;

/* The last incident is cached, because deciding and applying usually read the same one. */
typedef struct {
	CachedIncident cached;
	Buffer body; /* scratch for documents and records */
} Memory;

/* ---- start and end */

static const char *const schema[] = {
	"CREATE TABLE incidents (id TEXT PRIMARY KEY, document TEXT NOT NULL, report_version INTEGER NOT NULL,"
	" noise INTEGER NOT NULL, base_at INTEGER NOT NULL);"
	"CREATE TABLE commands (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX commands_at ON commands (at)",
	NULL, /* the column base_at: a file without it is rebuilt from the journal */
};

static void cached_drop(CachedIncident *cached)
{
	json_decref(cached->document);
	*cached = (CachedIncident){ .document = NULL };
}

static Result restore(Handler *handler)
{
	if (handler->memory) {
		cached_drop(&((Memory *)handler->memory)->cached);
		return result_ok();
	}
	Memory *memory = calloc(1, sizeof(*memory));
	must(memory);
	buffer_init(&memory->body, DOCUMENT_MAX);
	handler->memory = memory;
	return result_ok();
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory)
		return;
	cached_drop(&memory->cached);
	buffer_release(&memory->body);
	free(memory);
	handler->memory = NULL;
}

/* ---- incidents */

/* Loads an incident into the cache; (*out)->document is NULL if it does not exist. */
static Result incident_cache(Handler *handler, const char *id, CachedIncident **out)
{
	CachedIncident *cached = &((Memory *)handler->memory)->cached;
	*out = cached;
	if (cached->document && strcmp(cached->id.text, id) == 0)
		return result_ok();
	cached_drop(cached);
	Statement *row = store_query(handler->store,
				     "SELECT document, report_version, noise, base_at FROM incidents WHERE id = ?1",
				     V_TEXT(slice_of(id)));
	Result result = result_ok();
	if (statement_next(row)) {
		result = json_read(statement_slice(row, 0), &cached->document);
		cached->extras = (IncidentExtras){ .report_version = statement_integer(row, 1),
					     .noise = statement_integer(row, 2) != 0,
					     .base_at = statement_integer(row, 3) };
	}
	Result ended = statement_end(row);
	if (result_failed(result))
		return result_fail(ERROR_INTERNAL, "the document of %s cannot be read: delete the state file of response, it is rebuilt from the journal", id);
	if (!text_copy(slice_of(id), cached->id.text, sizeof(cached->id.text)))
		cached_drop(cached); /* too long for an id of an incident */
	return ended;
}

static Result incident_save(Handler *handler, const CachedIncident *cached)
{
	Buffer *text = &((Memory *)handler->memory)->body;
	buffer_clear(text);
	json_write(cached->document, text);
	if (text->overflowed)
		return result_fail(ERROR_INTERNAL, "the document of %s is larger than %d bytes", cached->id.text, DOCUMENT_MAX);
	return store_run(handler->store,
			 "INSERT INTO incidents VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET"
			 " document = excluded.document, report_version = excluded.report_version, noise = excluded.noise,"
			 " base_at = excluded.base_at",
			 V_TEXT(id_slice(&cached->id)), V_TEXT(buffer_slice(text)), V_INTEGER(cached->extras.report_version),
			 V_INTEGER(cached->extras.noise), V_INTEGER(cached->extras.base_at));
}

/* ---- apply */

static Result entry_apply(CachedIncident *cached, json_t *entry)
{
	TRY(incident_apply(cached->document, entry));
	extras_fold(&cached->extras, entry);
	return result_ok();
}

static Result entries_apply(Handler *handler, const JournalRecord *journal)
{
	CachedIncident *cached;
	TRY(incident_cache(handler, journal->incident_id, &cached));
	if (!cached->document) {
		cached_drop(cached);
		if (!text_copy(slice_of(journal->incident_id), cached->id.text, sizeof(cached->id.text)))
			return result_fail(ERROR_INTERNAL, "the incident_id of a journal entry is too long");
		cached->document = incident_new();
		cached->extras = extras_new();
	}
	for (size_t i = 0; i < json_array_size(journal->entries); i++)
		TRY(entry_apply(cached, json_array_get(journal->entries, i)));
	return incident_save(handler, cached);
}

static Result command_keep(Handler *handler, const char *command_id, Instant at)
{
	TRY(store_run(handler->store, "INSERT OR REPLACE INTO commands VALUES (?1, ?2)", V_TEXT(slice_of(command_id)),
		      V_INTEGER(at)));
	return store_run(handler->store, "DELETE FROM commands WHERE at < ?1", V_INTEGER(at - command_kept_ms));
}

static Result journal_read(const Record *record, json_t **tree, JournalRecord *out)
{
	TRY(json_read(record->body, tree));
	return json_decode_record(&journal_record_table, *tree, out);
}

static Result apply(Handler *handler, const Record *record)
{
	json_t *tree JSON_AUTO = NULL;
	JournalRecord journal;
	Result read = journal_read(record, &tree, &journal);
	if (result_failed(read))
		return result_fail(ERROR_INTERNAL, "journal: %.200s", read.text);
	if (journal.command_id)
		TRY(command_keep(handler, journal.command_id, record->time));
	return json_array_size(journal.entries) > 0 ? entries_apply(handler, &journal) : result_ok();
}

/* ---- derive: closings, reopenings and joins, for intake */

/* Ordinals for derived ids: a record has at most one closing or reopening; its joins are numbered from OUTPUT_JOIN on. */
enum { OUTPUT_KEY, OUTPUT_JOIN };

/* body is NULL for {}. */
static Result output_emit(Handler *handler, const Record *record, TopicId topic, Draft *draft, json_t *body)
{
	Buffer text;
	buffer_init(&text, ENTRY_ROOM);
	if (body)
		json_write(body, &text);
	else
		buffer_text(&text, "{}");
	draft->subject = record->subject;
	draft->body = buffer_slice(&text);
	draft->time = record->time;
	Result result = text.overflowed ? result_fail(ERROR_INTERNAL, "journal: a join or resumption is larger than %d bytes", ENTRY_ROOM) :
					  handler_emit(handler, topic, slot_of(draft->key), draft);
	buffer_release(&text);
	return result;
}

static const struct {
	const char *entry, *type;
	bool resumes; /* the output's body is the record's `resumption`; a record without one emits nothing */
} key_outputs[] = {
	{ "closed", TYPE_INCIDENT_CLOSED, false },
	{ "false-alarm", TYPE_INCIDENT_CLOSED, false },
	{ "reopened", TYPE_INCIDENT_REOPENED, true },
};

static Result entry_derive(Handler *handler, const Record *record, json_t *entry, json_t *resumption)
{
	const char *type = member_text(entry, "type");
	const char *key = member_text(json_object_get(entry, "changes"), "correlation_key");
	Id id = id_derived("evt_", record->id, OUTPUT_KEY);
	for (size_t i = 0; key && i < sizeof(key_outputs) / sizeof(key_outputs[0]); i++) {
		bool applies = !key_outputs[i].resumes || resumption;
		if (strcmp(type, key_outputs[i].entry) != 0 || !applies)
			continue;
		Draft output = { .id = id_slice(&id), .type = slice_of(key_outputs[i].type), .key = slice_of(key) };
		return output_emit(handler, record, TOPIC_EVENTS, &output, key_outputs[i].resumes ? resumption : NULL);
	}
	return result_ok();
}

static Result joins_derive(Handler *handler, const Record *record, json_t *joins)
{
	size_t i;
	json_t *join;
	json_array_foreach (joins, i, join) {
		Id id = id_derived("jon_", record->id, OUTPUT_JOIN + (unsigned)i);
		Draft output = { .id = id_slice(&id),
				 .type = SLICE(TYPE_JOIN_ANNOUNCED),
				 .key = slice_of(member_text(join, "key")) };
		TRY(output_emit(handler, record, TOPIC_JOINS, &output, join));
	}
	return result_ok();
}

static Result derive(Handler *handler, const Record *record)
{
	if (!slice_is(record->type, TYPE_JOURNAL_ENTERED))
		return result_ok();
	json_t *tree JSON_AUTO = NULL;
	JournalRecord journal;
	TRY(journal_read(record, &tree, &journal));
	for (size_t i = 0; i < json_array_size(journal.entries); i++)
		TRY(entry_derive(handler, record, json_array_get(journal.entries, i), journal.resumption));
	return joins_derive(handler, record, journal.joins);
}

/* ---- the table of incidents */

static Result incident_state(Handler *handler, Slice key, int64_t *version, Buffer *document)
{
	Statement *row = store_query(handler->store,
				     "SELECT json_extract(document, '$.version'), document FROM incidents WHERE id = ?1",
				     V_TEXT(key));
	*version = 0;
	if (statement_next(row)) {
		*version = statement_integer(row, 0);
		if (document)
			buffer_append(document, statement_slice(row, 1));
	}
	return statement_end(row);
}

/* ---- accepted: counts opened incidents; not called during a replay */

static void accepted(Handler *handler, const Record *record)
{
	const char *kind, *grade;
	json_t *tree JSON_AUTO = NULL;
	JournalRecord journal;
	(void)handler;
	if (!slice_is(record->type, TYPE_JOURNAL_ENTERED) || id_is("cmd_", record->cause))
		return;
	if (!result_failed(journal_read(record, &tree, &journal)) && entries_open(journal.entries, &kind, &grade))
		metric_add(METRIC_INCIDENTS_OPENED, kind, grade, 1);
}

/* ---- drafting */

static Result draft(Handler *handler, const char *type, const JournalRecord *journal, Instant at)
{
	Memory *memory = handler->memory;
	json_t *tree JSON_AUTO = json_encode(&journal_record_table, journal);
	buffer_clear(&memory->body);
	json_write(tree, &memory->body);
	if (memory->body.overflowed || memory->body.size > RECORD_MAX - ENTRY_ROOM) {
		buffer_release(&memory->body);
		buffer_init(&memory->body, DOCUMENT_MAX);
		return result_fail(ERROR_INPUT, "the journal entries would be too large for a record");
	}
	/* A member of the input is nested deeper in the entry, which every reader of the journal must be able to read. */
	if (json_depth(tree) > JSON_DEPTH_MAX)
		return result_fail(ERROR_INPUT, "the journal entries would be nested deeper than %d levels", JSON_DEPTH_MAX);
	return handler_draft(handler, &(Draft){ .type = slice_of(type),
						.subject = slice_of(journal->incident_id),
						.body = buffer_slice(&memory->body),
						.time = at });
}

/* cached: the incident before the entries. */
static Result draft_entered(Handler *handler, const CachedIncident *cached, JournalRecord *journal, Instant at)
{
	json_t *resumption JSON_AUTO = resumption_of(cached->document, &cached->extras, journal->entries, handler->policy);
	json_t *joins JSON_AUTO = joins_of(journal->incident_id, cached->document, journal->entries, handler->policy);
	journal->resumption = resumption;
	journal->joins = joins;
	return draft(handler, TYPE_JOURNAL_ENTERED, journal, at);
}

/* The owner of a partition decides about the incidents of its slots only, whatever an input says. */
static Result incident_check(const Handler *handler, const char *incident_id)
{
	unsigned slot;
	Instant opened_at;
	if (!id_incident_parse(slice_of(incident_id), &slot, &opened_at))
		return result_fail(ERROR_INPUT, "incident_id must be inc_ and 26 base32 characters");
	return slot % handler->partitions == handler->partition ?
		       result_ok() :
		       result_fail(ERROR_INPUT, "the record is not in the partition of its incident_id");
}

/* ---- decide: assessments */

static Result assessment_decide(Handler *handler, const AssessmentRecord *record)
{
	const char *incident_id = record->report.incident_id;
	CachedIncident *cached;
	Entries entries = { .list = NULL };
	TRY(incident_cache(handler, incident_id, &cached));
	if (cached->document && record->report.report_version <= cached->extras.report_version)
		return result_ok();
	if (!cached->document && record->report.report_version > 1)
		return result_ok(); /* the opening has not arrived yet: classification sends both again, in order */
	if (cached->document)
		TRY(repeat_decide(cached->document, &cached->extras, record, handler->policy, handler->now, &entries));
	else
		TRY(opening_decide(record, handler->policy, handler->now, &entries));
	json_t *list JSON_AUTO = entries.list;
	if (json_array_size(list) == 0)
		return result_ok();
	JournalRecord journal = { .incident_id = incident_id, .entries = list, .version = entries.version };
	return draft_entered(handler, cached, &journal, entries.at);
}

static Result decide_assessment(Handler *handler, const Record *input)
{
	if (!slice_is(input->type, TYPE_ASSESSED) && !slice_is(input->type, TYPE_ASSESSED_REPEAT))
		return result_ok();
	json_t *tree JSON_AUTO = NULL;
	AssessmentRecord record;
	TRY(json_read(input->body, &tree));
	TRY(json_decode_record(&assessment_record_table, tree, &record));
	TRY(incident_check(handler, record.report.incident_id));
	return assessment_decide(handler, &record);
}

/* ---- decide: commands */

static Result command_known(Handler *handler, Slice id, bool *known)
{
	Statement *row = store_query(handler->store, "SELECT 1 FROM commands WHERE id = ?1", V_TEXT(id));
	*known = statement_next(row);
	return statement_end(row);
}

static Result decision_draft(Handler *handler, const CachedIncident *cached, const Record *input, const CommandRecord *command,
			     const Decision *decision)
{
	static const char *const types[] = {
		[DECIDED_UNCHANGED] = TYPE_JOURNAL_UNCHANGED,
		[DECIDED_REFUSED] = TYPE_JOURNAL_REFUSED,
	};
	if (decision->kind == DECIDED_NOTHING)
		return result_ok();
	Id command_id = { "" };
	if (!text_copy(input->id, command_id.text, sizeof(command_id.text)))
		return result_fail(ERROR_INPUT, "the id of a command is too long");
	JournalRecord journal = { .incident_id = command->incident_id, .command_id = command_id.text,
				  .fingerprint = command->fingerprint, .entries = decision->entries.list,
				  .problem = decision->problem, .version = decision->version };
	if (decision->kind == DECIDED_ENTERED)
		return draft_entered(handler, cached, &journal, decision->entries.at);
	return draft(handler, types[decision->kind], &journal, decision->entries.at);
}

static Result command_decide_on(Handler *handler, const Record *input, const CommandRecord *command)
{
	CachedIncident *cached;
	Actor actor;
	TRY(json_decode_record(&actor_table, command->actor, &actor));
	TRY(incident_cache(handler, command->incident_id, &cached));
	Decision decision = command_decide(cached->document, &cached->extras, command, &actor, handler->policy, handler->now);
	Result result = decision_draft(handler, cached, input, command, &decision);
	decision_release(&decision);
	return result;
}

static Result decide_command(Handler *handler, const Record *input)
{
	bool known;
	json_t *tree JSON_AUTO = NULL;
	CommandRecord command;
	if (!slice_is(input->type, TYPE_COMMAND))
		return result_ok();
	TRY(command_known(handler, input->id, &known));
	if (known)
		return result_ok();
	TRY(json_read(input->body, &tree));
	TRY(json_decode_record(&command_record_table, tree, &command));
	TRY(incident_check(handler, command.incident_id));
	return command_decide_on(handler, input, &command);
}

const Service response_service = {
	.name = "response",
	.sentence = "The only writer of incidents: opens them, counts repeats, applies commands, closes them",
	.ledger = TOPIC_JOURNAL,
	.inputs = {
		{ .topic = TOPIC_ASSESSMENTS, .decide = decide_assessment },
		{ .topic = TOPIC_COMMANDS, .decide = decide_command },
	},
	.input_count = 2,
	.outputs = { TOPIC_EVENTS, TOPIC_JOINS },
	.output_count = 2,
	.projection = { .topic = TOPIC_INCIDENTS, .type = TYPE_INCIDENT_STATED, .keys = "SELECT id FROM incidents",
		   .state = incident_state },
	.policy = true,
	.schema = schema,
	.schema_version = sizeof(schema) / sizeof(schema[0]),
	.restore = restore,
	.release = release,
	.apply = apply,
	.derive = derive,
	.accepted = accepted,
};
