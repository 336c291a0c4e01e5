#include "services/response/response.h"

#include "services/response/core/announce.h"
#include "services/response/core/decide.h"
#include "services/response/core/opening.h"

#include "shared/domain/topics.h"
#include "shared/domain/types.h"
#include "shared/io/system/metrics.h"
#include "shared/runtime/incident_store.h"
#include "shared/runtime/journal_cache.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_MAX = 1 << 20, ENTRY_ROOM = 1 << 16, JOURNAL_CACHED = 4, FACTS_KEPT = 2048 };

/*
 * Facts of a record that this process drafted, so that derive and accepted need not decode most records again. They are found by
 * the digest of the record's body, so they never belong to a record with another body.
 */
typedef struct {
	Digest body;
	bool drafted; /* false: the slot is empty */
	bool derives; /* the record has outputs */
	int opened_kind, opened_grade; /* kind and grade of the incident that the record opens; -1: opens none */
} RecordFacts;

typedef struct {
	IncidentStore incidents;
	JournalCache *journal;
	RecordFacts facts[FACTS_KEPT];
	Buffer body; /* scratch for records */
} Memory;

static RecordFacts *facts_slot(Memory *memory, const Digest *body)
{
	return &memory->facts[(body->bytes[0] | (size_t)body->bytes[1] << 8) % FACTS_KEPT];
}

/* NULL: not known, because another process drafted the record, or the facts of another record took its slot. */
static const RecordFacts *facts_of(Handler *handler, const Record *record)
{
	Digest body = DIGEST(record->body);
	const RecordFacts *facts = facts_slot(handler->memory, &body);
	return facts->drafted && digest_equals(&facts->body, &body) ? facts : NULL;
}

/* ---- start and end */

static const char *const schema[] = {
	"CREATE TABLE incidents (" INCIDENT_COLUMNS ");"
	"CREATE TABLE commands (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX commands_at ON commands (at)",
	NULL, /* version 2 added base_at, version 3 sequence, without a migration: an older file is rebuilt from the journal */
	NULL,
};

static Result restore(Handler *handler)
{
	Memory *memory = handler->memory;
	if (memory) {
		incident_store_forget(&memory->incidents);
		return result_ok();
	}
	memory = calloc(1, sizeof(*memory));
	must(memory);
	incident_store_init(&memory->incidents);
	memory->journal = journal_cache_new(JOURNAL_CACHED);
	buffer_init(&memory->body, RECORD_MAX);
	handler->memory = memory;
	return result_ok();
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory)
		return;
	incident_store_release(&memory->incidents);
	journal_cache_free(memory->journal);
	buffer_release(&memory->body);
	free(memory);
	handler->memory = NULL;
}

/* ---- apply */

static Result entries_apply(Handler *handler, const JournalRecord *journal)
{
	IncidentStore *incidents = &((Memory *)handler->memory)->incidents;
	const StoredIncident *folded;
	TRY(incident_store_fold(incidents, handler->store, journal, &folded));
	return incident_store_save(incidents, handler->store);
}

/* at: ce_time of the ledger record, by its owner's clock. A time years ahead would delete all other commands. */
static Result command_keep(Handler *handler, const char *command_id, Instant at)
{
	TRY(store_run(handler->store, "INSERT OR REPLACE INTO commands VALUES (?1, ?2)", V_TEXT(slice_of(command_id)),
		      V_INTEGER(at)));
	return store_run(handler->store, "DELETE FROM commands WHERE at < ?1", V_INTEGER(at - COMMANDS_KEPT_MS));
}

/* *out is borrowed until the next record is read. */
static Result journal_read(Handler *handler, const Record *record, const JournalRecord **out)
{
	return journal_cache_read(((Memory *)handler->memory)->journal, record->body, out);
}

static Result apply(Handler *handler, const Record *record)
{
	const JournalRecord *journal;
	Result read = journal_read(handler, record, &journal);
	if (result_failed(read))
		return result_fail(ERROR_INTERNAL, "journal: %.200s", read.text);
	if (journal->command_id)
		TRY(command_keep(handler, journal->command_id, record->time));
	return json_array_size(journal->entries) > 0 ? entries_apply(handler, journal) : result_ok();
}

/* ---- derive: closings, reopenings and joins, for intake */

/* Ordinals for derived ids: a record has at most one closing or reopening; its joins are numbered from OUTPUT_JOIN on. */
enum { OUTPUT_KEY, OUTPUT_JOIN };

/* body NULL: {} is emitted. */
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

/* Entries that close or reopen an incident contain its key, except when noise is reopened, which has kept its key. */
static Result entry_derive(Handler *handler, const Record *record, json_t *tree, json_t *resumption)
{
	JournalEntry entry;
	IncidentChange change;
	TRY(json_decode_record(&journal_entry_table, tree, &entry));
	TRY(incident_change_decode(entry.changes, &change));
	bool opens = strcmp(entry.type, "opened") == 0;
	bool reopens = change.values.closed_at == INSTANT_NONE;
	if (opens || !CHANGES(&change, closed_at) || change.values.correlation_key == NULL || (reopens && !resumption))
		return result_ok();
	Id id = id_derived(ID_KEY_EVENT, record->id, OUTPUT_KEY);
	Draft output = { .id = id_slice(&id),
			 .type = reopens ? SLICE(TYPE_INCIDENT_REOPENED) : SLICE(TYPE_INCIDENT_CLOSED),
			 .key = slice_of(change.values.correlation_key) };
	return output_emit(handler, record, TOPIC_EVENTS, &output, reopens ? resumption : NULL);
}

static Result joins_derive(Handler *handler, const Record *record, json_t *joins)
{
	size_t i;
	json_t *tree;
	json_array_foreach (joins, i, tree) {
		Join join;
		TRY(json_decode_record(&join_table, tree, &join));
		Id id = id_derived(ID_JOIN, record->id, OUTPUT_JOIN + (unsigned)i);
		Draft output = { .id = id_slice(&id), .type = SLICE(TYPE_JOIN_ANNOUNCED), .key = slice_of(join.key) };
		TRY(output_emit(handler, record, TOPIC_JOINS, &output, tree));
	}
	return result_ok();
}

static Result derive(Handler *handler, const Record *record)
{
	const JournalRecord *journal;
	size_t i;
	json_t *entry;
	if (!slice_is(record->type, TYPE_JOURNAL_ENTERED))
		return result_ok();
	const RecordFacts *facts = facts_of(handler, record);
	if (facts && !facts->derives)
		return result_ok();
	TRY(journal_read(handler, record, &journal));
	json_array_foreach (journal->entries, i, entry)
		TRY(entry_derive(handler, record, entry, journal->resumption));
	return joins_derive(handler, record, journal->joins);
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

/* *kind is -1 if the record opens no incident. */
static void opening_find(Handler *handler, const Record *record, int *kind, int *grade)
{
	const RecordFacts *facts = facts_of(handler, record);
	const JournalRecord *journal;
	*kind = *grade = -1;
	if (facts) {
		*kind = facts->opened_kind;
		*grade = facts->opened_grade;
	} else if (!result_failed(journal_read(handler, record, &journal))) {
		entries_open(journal->entries, kind, grade);
	}
}

static void accepted(Handler *handler, const Record *record)
{
	int kind, grade;
	if (!slice_is(record->type, TYPE_JOURNAL_ENTERED) || id_is("cmd_", record->cause))
		return;
	opening_find(handler, record, &kind, &grade);
	const char *graded = grade >= 0 ? grade_words[grade] : "";
	if (kind >= 0)
		metric_add(METRIC_INCIDENTS_OPENED, kind_words[kind], graded, 1);
}

/* ---- drafting */

static Result draft(Handler *handler, const char *type, const JournalRecord *journal)
{
	Memory *memory = handler->memory;
	json_t *tree = json_encode(&journal_record_table, journal);
	buffer_clear(&memory->body);
	json_write(tree, &memory->body);
	if (memory->body.overflowed || memory->body.size > RECORD_MAX - ENTRY_ROOM) {
		json_decref(tree);
		buffer_release(&memory->body);
		buffer_init(&memory->body, RECORD_MAX);
		return result_fail(ERROR_INPUT, "the journal entries would be too large for a record");
	}
	/* A member of the input is nested deeper in the entry, which every reader of the journal must be able to read. */
	if (json_depth(tree) > JSON_DEPTH_MAX) {
		json_decref(tree);
		return result_fail(ERROR_INPUT, "the journal entries would be nested deeper than %d levels", JSON_DEPTH_MAX);
	}
	TRY(journal_cache_put(memory->journal, buffer_slice(&memory->body), tree));
	return handler_draft(handler, &(Draft){ .type = slice_of(type),
						.subject = slice_of(journal->incident_id),
						.body = buffer_slice(&memory->body) });
}

/* Keeps the facts of the record in memory->body. incident: as in draft_entered. */
static void facts_keep(Memory *memory, const JournalRecord *journal, const Entries *entries, const Incident *incident, bool opens)
{
	bool outputs = entries->effect == RECORD_CLOSES || journal->resumption || journal->joins;
	Digest body = DIGEST(buffer_slice(&memory->body));
	*facts_slot(memory, &body) = (RecordFacts){ .body = body,
						    .drafted = true,
						    .derives = outputs,
						    .opened_kind = opens ? incident->kind : -1,
						    .opened_grade = opens ? incident->grade : -1 };
}

/* incident: as it was before the entries; if they open it, as opened. extras: as they were before the entries. */
static Result draft_entered(Handler *handler, const Incident *incident, const IncidentExtras *extras, const Entries *entries,
			    JournalRecord *journal)
{
	bool opens = entries->version == (int64_t)json_array_size(entries->list);
	json_t *resumption JSON_AUTO = resumption_of(incident, extras, entries, handler->policy);
	json_t *joins JSON_AUTO = joins_of(journal->incident_id, incident, entries, handler->policy);
	journal->entries = entries->list;
	journal->version = entries->version;
	journal->resumption = resumption;
	journal->joins = joins;
	TRY(draft(handler, TYPE_JOURNAL_ENTERED, journal));
	facts_keep(handler->memory, journal, entries, incident, opens);
	return result_ok();
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
	IncidentStore *incidents = &((Memory *)handler->memory)->incidents;
	const char *incident_id = record->report.incident_id;
	const StoredIncident *stored;
	Entries entries = { .list = NULL };
	Incident opened;
	TRY(incident_store_load(incidents, handler->store, slice_of(incident_id), &stored));
	if (stored->exists && record->report.report_version <= stored->extras.report_version)
		return result_ok();
	if (!stored->exists && record->report.report_version > 1)
		return result_ok(); /* the opening has not arrived yet: classification sends both again, in order */
	Result decided = stored->exists ? repeat_decide(&stored->incident, &stored->extras, record, handler->policy, handler->now,
							&entries) :
					  opening_decide(record, handler->policy, handler->now, &entries, &opened);
	json_t *list JSON_AUTO = entries.list;
	if (result_failed(decided) || json_array_size(list) == 0)
		return decided;
	JournalRecord journal = { .incident_id = incident_id };
	return draft_entered(handler, stored->exists ? &stored->incident : &opened, &stored->extras, &entries, &journal);
}

/* Another program may have written the record: its times are not believed ahead of the clock. */
static void times_bound(const Handler *handler, ReportRecord *report)
{
	report->received_at = instant_bounded(report->received_at, handler->now);
	if (report->last_seen_at != INSTANT_NONE)
		report->last_seen_at = instant_bounded(report->last_seen_at, handler->now);
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
	times_bound(handler, &record.report);
	return assessment_decide(handler, &record);
}

/* ---- decide: commands */

static Result command_known(Handler *handler, Slice id, bool *known)
{
	Statement *row = store_query(handler->store, "SELECT 1 FROM commands WHERE id = ?1", V_TEXT(id));
	*known = statement_next(row);
	return statement_end(row);
}

static Result decision_draft(Handler *handler, const StoredIncident *stored, const Record *input, const CommandRecord *command,
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
				  .fingerprint = command->fingerprint, .problem = decision->problem,
				  .version = decision->version };
	if (decision->kind == DECIDED_ENTERED)
		return draft_entered(handler, &stored->incident, &stored->extras, &decision->entries, &journal);
	return draft(handler, types[decision->kind], &journal);
}

static Result command_decide_on(Handler *handler, const Record *input, const CommandRecord *command)
{
	const StoredIncident *stored;
	Actor actor;
	TRY(json_decode_record(&actor_table, command->actor, &actor));
	TRY(incident_store_load(&((Memory *)handler->memory)->incidents, handler->store, slice_of(command->incident_id), &stored));
	const Incident *incident = stored->exists ? &stored->incident : NULL;
	Decision decision = command_decide(incident, &stored->extras, command, &actor, handler->policy, handler->now);
	Result result = decision_draft(handler, stored, input, command, &decision);
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
