#include "tests/simulation/judge_internal.h"

#include "services/intake/core/dedup.h"
#include "services/intake/recount_records.h"
#include "shared/domain/commands.h"
#include "shared/domain/types.h"
#include "shared/runtime/replay.h"
#include "tests/simulation/hostile.h"
#include "tests/support/incident_document.h"
#include "tests/support/memory_bus.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

World *judged;
static unsigned broken;

void invariant_broken(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "seed %" PRIu64 ": ", judged->seed);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	broken++;
}

/* ---- walking logs */

void walk_stream(TopicId topic, Visit visit, void *context)
{
	BusRecord record;
	for (unsigned partition = 0; partition < judged->partitions; partition++)
		for (int64_t offset = 0; memory_bus_recall(judged->bus, topic, partition, offset, &record); offset++)
			visit(context, partition, &record, header_get(record.headers, "ce_type"));
}

void walk_ledger(TopicId topic, Visit visit, void *context)
{
	BusRecord record;
	for (unsigned partition = 0; partition < judged->partitions; partition++) {
		LedgerCursor cursor = { 0 };
		for (int64_t offset = 0; memory_bus_recall(judged->bus, topic, partition, offset, &record); offset++) {
			LedgerMark mark;
			Slice type = header_get(record.headers, "ce_type");
			if (ledger_judge(&cursor, record.headers, &mark) == LEDGER_ACCEPT && !slice_starts_with(type, SLICE("tocsin.ledger.")))
				visit(context, partition, &record, type);
		}
	}
}

json_t *body_of(const BusRecord *record)
{
	json_t *body = json_loadb(record->body.data, record->body.size, 0, NULL);
	must(body);
	return body;
}

/* ---- counts: the invariant `counted` */

static bool in_log(const SentEvent *event)
{
	BusRecord record;
	unsigned partition = event->slot % judged->partitions;
	for (int64_t offset = 0; memory_bus_peek(judged->bus, TOPIC_EVENTS, partition, offset, &record); offset++)
		if (slice_equals(header_get(record.headers, "ce_id"), id_slice(&event->id)) && !is_hostile(&record))
			return true;
	return false;
}

/* True if an earlier event has the same id, perhaps with another type or severity: the event `number` must then not count again. */
static bool is_repeat(size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (strcmp(judged->events[i].id.text, judged->events[number].id.text) == 0)
			return true;
	return false;
}

static int64_t counted_of_key(const char *key)
{
	Statement *row = store_query(world_owner(judged, "gateway", 0)->store,
				     "SELECT SUM(json_extract(document, '$.event_count')) FROM incidents WHERE correlation_key = ?1",
				     V_TEXT(slice_of(key)));
	int64_t counted = statement_next(row) ? statement_integer(row, 0) : 0;
	must(!result_failed(statement_end(row)));
	return counted;
}

static void judge_counts(void)
{
	for (size_t i = 0; i < judged->event_count; i++) {
		const SentEvent *event = &judged->events[i];
		int64_t durable = 0;
		if (event->acknowledged && !in_log(event))
			invariant_broken("event %s was acknowledged, but is not in the log", event->id.text);
		for (size_t k = 0; k < judged->event_count; k++)
			durable += strcmp(judged->events[k].correlation_key, event->correlation_key) == 0 &&
				   !is_repeat(k) && in_log(&judged->events[k]);
		int64_t counted = counted_of_key(event->correlation_key);
		if (counted != durable)
			invariant_broken("key %s: %" PRId64 " events are durable, %" PRId64 " are counted", event->correlation_key, durable, counted);
	}
}

/* ---- versions and transitions */

/* True if a command that writes entries of this type leads from status `from` to status `to`, or promotes the incident to
 * another kind in the opening status of that kind. */
static bool command_leads(const char *type, int kind, int from, int kind_after, int to)
{
	for (size_t i = 0; i < command_count; i++) {
		Transition transition = command_transition(&commands[i], kind, from);
		if (strcmp(commands[i].entry, type) != 0 || !transition.taken)
			continue;
		bool promoted = commands[i].promotes && to == (int)status_of_opening((Kind)kind_after);
		if (kind == kind_after ? (int)transition.next == to : promoted)
			return true;
	}
	return false;
}

/* A later assessment may turn an event, a weakness or noise into a record of another kind, in the corresponding status. */
static bool assessment_leads(int kind, int from, int kind_after, int to)
{
	bool worse = kind_after == KIND_INCIDENT || from == STATUS_FALSE_ALARM;
	return kind == kind_after ? from == to : worse && to == (int)status_translated((Status)from, (Kind)kind, (Kind)kind_after);
}

static bool change_allowed(const char *type, int kind, int from, int kind_after, int to)
{
	if (strcmp(type, "assessed") == 0)
		return assessment_leads(kind, from, kind_after, to);
	/* Response itself writes the same entries as the commands `assign` and `reopen`. A `repeated` entry changes no kind and no
	 * status. */
	return command_leads(type, kind, from, kind_after, to) || (strcmp(type, "repeated") == 0 && kind == kind_after && from == to);
}

const char *member(json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

static int word_or(const char *const *words, json_t *changes, const char *name, int otherwise)
{
	int word = choice_of(words, json_string_value(json_object_get(changes, name)));
	return word >= 0 ? word : otherwise;
}

static void change_check(const char *id, json_t *incident, json_t *entry)
{
	json_t *changes = json_object_get(entry, "changes");
	int kind = choice_of(kind_words, member(incident, "kind")), from = choice_of(status_words, member(incident, "status"));
	int kind_after = word_or(kind_words, changes, "kind", kind), to = word_or(status_words, changes, "status", from);
	if (kind < 0 || from < 0 || !change_allowed(member(entry, "type"), kind, from, kind_after, to))
		invariant_broken("incident %s: %s: %s, %s became %s, %s", id, member(entry, "type"), member(incident, "kind"),
				 member(incident, "status"), kind_words[kind_after], status_words[to]);
}

static void entry_take(json_t *incidents, const char *id, json_t *entry)
{
	json_t *incident = json_object_get(incidents, id);
	int64_t version = json_integer_value(json_object_get(entry, "version"));
	json_t *changes = json_object_get(entry, "changes");
	if (!incident) {
		incident = incident_document_new();
		json_object_set_new(incidents, id, incident);
	}
	if (version != json_integer_value(json_object_get(incident, "version")) + 1)
		invariant_broken("incident %s: version %" PRId64 " does not follow", id, version);
	if (json_integer_value(json_object_get(entry, "sequence")) != version) /* entities within an incident have no entries yet */
		invariant_broken("incident %s: the sequence of version %" PRId64 " has a gap", id, version);
	if (version > 1)
		change_check(id, incident, entry);
	json_object_update(incident, changes);
	json_object_set_new(incident, "version", json_integer(version));
}

static void journal_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	json_t *body = body_of(record), *entry;
	size_t index;
	(void)partition, (void)type;
	json_array_foreach (json_object_get(body, "entries"), index, entry)
		entry_take(context, member(body, "incident_id"), entry);
	json_decref(body);
}

json_t *document_in(const char *service, unsigned partition, const char *id)
{
	Statement *row = store_query(world_owner(judged, service, partition)->store, "SELECT document FROM incidents WHERE id = ?1",
				     V_TEXT(slice_of(id)));
	json_t *document = NULL;
	if (statement_next(row)) {
		Slice text = statement_slice(row, 0);
		document = json_loadb(text.data, text.size, 0, NULL);
	}
	must(!result_failed(statement_end(row)));
	return document;
}

static void judge_journal(json_t *incidents)
{
	const char *id;
	json_t *incident;
	walk_ledger(TOPIC_JOURNAL, journal_visit, incidents);
	json_object_foreach (incidents, id, incident) {
		unsigned slot;
		Instant opened_at;
		must(id_incident_parse(slice_of(id), &slot, &opened_at));
		json_t *viewed = document_in("gateway", 0, id), *owned = document_in("response", slot % judged->partitions, id);
		if (!viewed || !owned || !json_equal(viewed, owned))
			invariant_broken("incident %s: the view and response differ", id);
		if (viewed && json_integer_value(json_object_get(viewed, "version")) !=
				      json_integer_value(json_object_get(incident, "version")))
			invariant_broken("incident %s: the view is not at the journal's last version", id);
		json_decref(viewed);
		json_decref(owned);
	}
}

/* ---- commands */

static void answers_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	json_t *answers = context;
	char cause[ID_SIZE];
	(void)partition, (void)type;
	if (!slice_starts_with(header_get(record->headers, "ce_cause"), SLICE("cmd_")) ||
	    !text_copy(header_get(record->headers, "ce_cause"), cause, sizeof(cause)))
		return;
	int64_t count = json_integer_value(json_object_get(answers, cause));
	json_object_set_new(answers, cause, json_integer(count + 1));
}

static void record_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	char name[DIGEST_HEX];
	(void)partition;
	answer_digest(header_get(record->headers, "ce_id"), type, record->body, name);
	json_object_set_new(context, name, json_true());
}

/* Checks that clients were answered only from accepted records. */
static void judge_answers(void)
{
	json_t *records = json_object();
	walk_ledger(TOPIC_JOURNAL, record_visit, records);
	for (size_t i = 0; i < judged->answer_count; i++)
		if (!json_object_get(records, judged->answers[i].record))
			invariant_broken("command %s was answered from a record that was not accepted", judged->answers[i].command);
	json_decref(records);
}

static void judge_commands(void)
{
	json_t *answers = json_object();
	walk_ledger(TOPIC_JOURNAL, answers_visit, answers);
	for (size_t i = 0; i < judged->command_count; i++) {
		const SentCommand *command = &judged->commands[i];
		int64_t count = json_integer_value(json_object_get(answers, command->id.text));
		if (count > 1 || (count == 0 && command->acknowledged))
			invariant_broken("command %s has %" PRId64 " answers", command->id.text, count);
	}
	json_decref(answers);
}

/* ---- ledgers, counts, dead letters, readiness */

static void finding(void *context, int64_t offset, const char *text)
{
	invariant_broken("%s at %" PRId64 ": %s", (const char *)context, offset, text);
}

static void judge_ledger(TopicId topic)
{
	BusRecord record;
	for (unsigned partition = 0; partition < judged->partitions; partition++) {
		Replay *replay = replay_new(topic, partition, finding, (void *)(uintptr_t)topics[topic].short_name);
		for (int64_t offset = 0; memory_bus_recall(judged->bus, topic, partition, offset, &record); offset++)
			replay_take(replay, &record);
		replay_free(replay);
	}
}

/* A recount from parts of the logs: the events from an offset on, and the ledger with or without its trimmed records. */
typedef struct {
	Recount *recount;
	unsigned partition;
	int64_t first;    /* offset of the first event that is recounted */
	bool kept_ledger; /* true: only the records that were not trimmed; false: the whole ledger */
	uint64_t opened;  /* incidents that the ledger opened */
} Counting;

static void recount_finding(void *context, bool of_events, int64_t offset, const char *text)
{
	const Counting *counting = context;
	invariant_broken("%s/%u at %" PRId64 ": %s (events from %" PRId64 " on, %s ledger)", of_events ? "events" : "reports",
		 counting->partition, offset, text, counting->first, counting->kept_ledger ? "kept" : "whole");
}

static void recount_accepted(void *context, const BusRecord *record)
{
	Counting *counting = context;
	Result result = recount_take_report(counting->recount, counting->partition, record);
	counting->opened += slice_is(header_get(record->headers, "ce_type"), TYPE_REPORT_OPENED);
	if (result_failed(result))
		invariant_broken("reports/%u at %" PRId64 ": %s", counting->partition, record->offset, result.text);
}

static void replay_silent(void *context, int64_t offset, const char *text)
{
	(void)context, (void)offset, (void)text; /* judge_ledger reports the same finding */
}

static void recount_reports(Counting *counting)
{
	BusRecord record;
	Replay *replay = replay_new(TOPIC_REPORTS, counting->partition, replay_silent, NULL);
	const BusOperations *bus = judged->bus->operations;
	int64_t offset = counting->kept_ledger ? bus->first(judged->bus, TOPIC_REPORTS, counting->partition) : 0;
	if (offset == 0)
		recount_ledger_is_whole(counting->recount);
	replay_on_accepted(replay, recount_accepted, counting);
	for (; memory_bus_recall(judged->bus, TOPIC_REPORTS, counting->partition, offset, &record); offset++)
		replay_take(replay, &record);
	replay_free(replay);
}

static RecountFigures recount_partition(Counting *counting)
{
	BusRecord record;
	RecountOptions options = { .first = counting->first, .generation_size = dedup_generation_size(judged->partitions),
				   .finding = recount_finding, .context = counting };
	counting->recount = recount_new(&options);
	recount_reports(counting);
	int64_t end = recount_end(counting->recount);
	for (int64_t offset = counting->first; offset < end; offset++)
		if (memory_bus_recall(judged->bus, TOPIC_EVENTS, counting->partition, offset, &record))
			recount_take_event(counting->recount, counting->partition, judged->partitions, &record);
	RecountFigures figures = recount_finish(counting->recount);
	recount_free(counting->recount);
	return figures;
}

/* With the whole logs, the recount must compare every incident. Without a hostile writer, no event may be uncertain. */
static void recount_whole(unsigned partition)
{
	Counting counting = { .partition = partition };
	RecountFigures figures = recount_partition(&counting);
	/* Only the hostile writer reopens incidents that were never opened, and sends events whose documents are invalid. */
	bool compared = judged->hostile ? figures.incidents >= counting.opened : figures.incidents == counting.opened;
	if (!compared || (figures.uncertain > 0 && !judged->hostile))
		invariant_broken("reports/%u: %" PRIu64 " of %" PRIu64 " incidents were recounted, with %" PRIu64 " uncertain events", partition,
			 figures.incidents, counting.opened, figures.uncertain);
}

/* A recount must never report a correct count as wrong, no matter which part of the logs retention has left. */
static void judge_recount(void)
{
	enum { PARTS = 4 };
	for (unsigned partition = 0; partition < judged->partitions; partition++) {
		int64_t end = judged->bus->operations->end(judged->bus, TOPIC_EVENTS, partition);
		recount_whole(partition);
		for (int part = 0; part < PARTS * 2; part++)
			(void)recount_partition(&(Counting){ .partition = partition, .first = end * (part / 2) / PARTS,
							     .kept_ledger = part % 2 });
	}
}

/* Checks that each dead letter names a hostile record: no other record may be refused. A record may have several dead letters
 * with the same id, because a service may refuse it again after a restart. */
static void judge_dead_letters(void)
{
	BusRecord record, refused;
	for (int64_t offset = 0; memory_bus_recall(judged->bus, TOPIC_DEAD_LETTERS, 0, offset, &record); offset++) {
		json_t *letter JSON_AUTO = NULL;
		if (is_hostile(&record))
			continue;
		must(!result_failed(json_read(record.body, &letter)));
		const char *name = member(letter, "topic");
		TopicId topic = topic_of(slice_of(name + (strlen(name) > strlen("tocsin.") ? strlen("tocsin.") : 0)));
		bool found = topic != TOPICS && member(letter, "reason")[0] &&
			     memory_bus_recall(judged->bus, topic, (unsigned)json_integer_value(json_object_get(letter, "partition")),
					       json_integer_value(json_object_get(letter, "offset")), &refused);
		if (!found || !is_hostile(&refused))
			invariant_broken("a dead letter: %.*s", (int)record.body.size, record.body.data);
	}
}

/* Checks that every replica is ready: the assigned one takes input, the others follow the ledger if they are standbys. */
static void judge_ready(void)
{
	for (size_t i = 0; i < judged->unit_count; i++) {
		const Unit *unit = &judged->units[i];
		if (!runtime_is_ready(unit->runtime))
			invariant_broken("%s/%u of replica %u is not ready, in phase %d", unit->service->name, unit->partition, unit->replica,
				 (int)runtime_phase(unit->runtime));
	}
}

unsigned judge_world(World *world)
{
	json_t *incidents = json_object();
	judged = world;
	broken = 0;
	judge_ready();
	judge_fresh();
	judge_counts();
	judge_journal(incidents);
	judge_commands();
	judge_answers();
	judge_notifications(incidents);
	judge_links(incidents);
	judge_outputs();
	judge_ids();
	judge_audit();
	judge_views();
	judge_table(incidents);
	static const TopicId ledgers[] = { TOPIC_REPORTS, TOPIC_JOURNAL, TOPIC_DELIVERIES, TOPIC_CHECKPOINTS };
	for (size_t i = 0; i < sizeof(ledgers) / sizeof(ledgers[0]); i++)
		judge_ledger(ledgers[i]);
	judge_recount();
	judge_dead_letters();
	json_decref(incidents);
	return broken;
}
