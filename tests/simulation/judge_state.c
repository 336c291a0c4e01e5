/* Judges outputs, ids, links, the table, the gateways' views and rebuilt state. */
#include "tests/simulation/judge_internal.h"

#include "shared/domain/types.h"
#include "tests/simulation/hostile.h"
#include "tests/support/memory_bus.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DUMP_BYTES = 8 << 20, SQL_BYTES = 4096 };

/* ---- outputs: each output of an accepted record was published at least once */

/* Fills the map: id of a record → ids of the outputs that name this record as their cause. */
static void cause_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	char cause[128];
	(void)partition, (void)type;
	if (is_hostile(record))
		return;
	must(text_copy(header_get(record->headers, "ce_cause"), cause, sizeof(cause)));
	json_t *outputs = json_object_get(context, cause);
	if (!outputs) {
		outputs = json_object();
		json_object_set_new(context, cause, outputs);
	}
	char id[128];
	must(text_copy(header_get(record->headers, "ce_id"), id, sizeof(id)));
	json_object_set_new(outputs, id, json_true());
}

typedef struct {
	json_t *events, *joins, *commands, *assessments;
} Outputs;

static void outputs_expect(json_t *causes, const BusRecord *record, size_t expected, const char *outputs)
{
	char id[128];
	must(text_copy(header_get(record->headers, "ce_id"), id, sizeof(id)));
	size_t found = json_object_size(json_object_get(causes, id));
	if (found != expected)
		invariant_broken("%s has %zu %s instead of %zu", id, found, outputs, expected);
}

/* True if the entry closes or reopens the incident and names its correlation key: response then publishes one record to the
 * topic events. An opening names the key too, but publishes none. */
static bool frees_key(json_t *entry)
{
	json_t *changes = json_object_get(entry, "changes");
	return json_object_get(changes, "closed_at") && member(changes, "correlation_key")[0] && strcmp(member(entry, "type"), "opened") != 0;
}

static void journal_outputs(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	Outputs *outputs = context;
	size_t keys = 0, index;
	json_t *body = body_of(record), *entry;
	(void)partition, (void)type;
	json_array_foreach (json_object_get(body, "entries"), index, entry)
		keys += frees_key(entry);
	outputs_expect(outputs->events, record, keys ? 1 : 0, "closings and reopenings");
	outputs_expect(outputs->joins, record, json_array_size(json_object_get(body, "joins")), "joins");
	json_decref(body);
}

static void delivery_outputs(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	(void)partition;
	outputs_expect(((Outputs *)context)->commands, record, slice_is(type, TYPE_ESCALATION_REACHED), "commands");
}

static bool within_window(json_t *row, json_t *one, json_t *other)
{
	Instant one_at, other_at;
	must(!result_failed(instant_parse(slice_of(member(one, "at")), &one_at)) &&
	     !result_failed(instant_parse(slice_of(member(other, "at")), &other_at)));
	return llabs(one_at - other_at) <= 1000 * json_integer_value(json_object_get(row, "window_seconds"));
}

/* The expected number of commands: two `link` commands for each earlier incident within the window of the last incident, if the
 * last incident joined with this record, and one more if the record names a campaign. */
static size_t links_wanted(json_t *row)
{
	json_t *list = json_object_get(row, "incidents");
	size_t count = json_array_size(list), wanted = member(row, "campaign")[0] ? 1 : 0;
	for (size_t i = 0; member(row, "entered")[0] && i + 1 < count; i++)
		wanted += within_window(row, json_array_get(list, i), json_array_get(list, count - 1)) ? 2 : 0;
	return wanted;
}

static void report_outputs(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	Outputs *outputs = context;
	(void)partition;
	if (slice_is(type, TYPE_JOIN_KEPT)) {
		json_t *row = body_of(record);
		outputs_expect(outputs->commands, record, links_wanted(row), "links");
		json_decref(row);
	} else if (!slice_is(type, TYPE_REPORT_RESUMED)) {
		outputs_expect(outputs->assessments, record, 1, "assessments");
	}
}

void judge_outputs(void)
{
	Outputs outputs = { json_object(), json_object(), json_object(), json_object() };
	walk_stream(TOPIC_EVENTS, cause_visit, outputs.events);
	walk_stream(TOPIC_JOINS, cause_visit, outputs.joins);
	walk_stream(TOPIC_COMMANDS, cause_visit, outputs.commands);
	walk_stream(TOPIC_ASSESSMENTS, cause_visit, outputs.assessments);
	walk_ledger(TOPIC_JOURNAL, journal_outputs, &outputs);
	walk_ledger(TOPIC_DELIVERIES, delivery_outputs, &outputs);
	walk_ledger(TOPIC_REPORTS, report_outputs, &outputs);
	json_decref(outputs.events);
	json_decref(outputs.joins);
	json_decref(outputs.commands);
	json_decref(outputs.assessments);
}

/* ---- ids: no two records of a ledger have the same id, even in different partitions */

static void id_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	char id[128];
	(void)type;
	must(text_copy(header_get(record->headers, "ce_id"), id, sizeof(id)));
	if (json_object_get(context, id))
		invariant_broken("two records have the id %s, one of them in partition %u", id, partition);
	json_object_set_new(context, id, json_true());
}

void judge_ids(void)
{
	static const TopicId ledgers[] = { TOPIC_REPORTS, TOPIC_JOURNAL, TOPIC_DELIVERIES };
	for (size_t i = 0; i < sizeof(ledgers) / sizeof(ledgers[0]); i++) {
		json_t *ids JSON_AUTO = json_object();
		walk_ledger(ledgers[i], id_visit, ids);
	}
}

/* ---- links: each link is in both incidents, once */

static size_t links_to(json_t *incident, const char *other, const char *by)
{
	size_t index, found = 0;
	json_t *link;
	json_array_foreach (json_object_get(incident, "links"), index, link)
		found += !strcmp(member(link, "incident_id"), other) && !strcmp(member(link, "by"), by);
	return found;
}

static void links_check(json_t *incidents, const char *id, json_t *incident)
{
	size_t index;
	json_t *link;
	json_array_foreach (json_object_get(incident, "links"), index, link) {
		const char *other = member(link, "incident_id"), *by = member(link, "by");
		if (links_to(incident, other, by) != 1)
			invariant_broken("incident %s is linked with %s more than once", id, other);
		if (links_to(json_object_get(incidents, other), id, by) != 1)
			invariant_broken("incident %s is linked with %s, but %s is not linked back", id, other, other);
	}
}

/* Any two incidents must be linked if they were open at the same time with the same join key and opened within the window of
 * this key. */
static void joined_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	(void)partition;
	if (!slice_is(type, TYPE_JOIN_KEPT))
		return;
	size_t i, k;
	json_t *row = body_of(record), *one, *other, *list = json_object_get(row, "incidents");
	json_array_foreach (list, i, one)
		json_array_foreach (list, k, other)
			if (i != k && within_window(row, one, other) &&
			    !links_to(json_object_get(context, member(one, "incident_id")),
				      member(other, "incident_id"), member(row, "by")))
				invariant_broken("%s and %s have the same %s, but are not linked (reports/%u at %" PRId64 ")",
					 member(one, "incident_id"), member(other, "incident_id"), member(row, "by"), partition,
					 record->offset);
	json_decref(row);
}

void judge_links(json_t *incidents)
{
	const char *id;
	json_t *incident;
	json_object_foreach (incidents, id, incident)
		links_check(incidents, id, incident);
	walk_ledger(TOPIC_REPORTS, joined_visit, incidents);
}

/* ---- the table tocsin.incidents: the last record of each incident is the document in the gateway's view */

static void table_visit(void *context, unsigned partition, const BusRecord *record, Slice type)
{
	char key[ID_SIZE];
	(void)partition, (void)type;
	json_t *body = json_loadb(record->body.data, record->body.size, 0, NULL);
	if (id_is("inc_", record->key) && text_copy(record->key, key, sizeof(key)))
		json_object_set_new(context, key, body ? body : json_null());
	else
		json_decref(body); /* a record of the hostile writer that belongs to no incident */
}

void judge_table(json_t *incidents)
{
	const char *id;
	json_t *incident, *stated = json_object();
	walk_stream(TOPIC_INCIDENTS, table_visit, stated);
	json_object_foreach (incidents, id, incident) {
		json_t *viewed = document_in("gateway", 0, id);
		if (!json_equal(json_object_get(stated, id), viewed))
			invariant_broken("the last record of %s in the table is not the view's document", id);
		json_decref(viewed);
	}
	if (json_object_size(stated) != json_object_size(incidents))
		invariant_broken("the table has %zu incidents instead of %zu", json_object_size(stated), json_object_size(incidents));
	json_decref(stated);
}

/* ---- state as text: the rows of the tables that the service, not the runtime, has created */

/*
 * Rows that services forget once their records are trimmed are left out: in notification all rows of closed incidents, in the
 * gateway the deliveries. The column `time` of audit's table `seen` is left out too: it is the time at which audit first read an
 * assessment, and differs after a restart.
 */
static bool tables_select(Store *store, Buffer *sql)
{
	Statement *row = store_query(
		store,
		"SELECT group_concat(format('SELECT ''%w'' || '' '' || %s AS line FROM \"%w\"', name,"
		" (SELECT group_concat(format('quote(\"%w\")', name), ' || '','' || ') FROM pragma_table_info(t.name)"
		"  WHERE t.name <> 'seen' OR name <> 'time'), name)"
		" || CASE WHEN name IN ('plans', 'levels', 'told', 'deliveries') THEN"
		" ' WHERE incident NOT IN (SELECT id FROM incidents WHERE json_extract(document, ''$.closed_at'') IS NOT NULL)'"
		" WHEN name = 'entries' THEN ' WHERE type <> ''delivery''' ELSE '' END,"
		" ' UNION ALL ') || ' ORDER BY line' FROM sqlite_schema t WHERE type = 'table'"
		" AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'runtime_%' AND name <> 'store_meta'");
	bool found = statement_next(row) && !statement_is_null(row, 0);
	if (found)
		buffer_append(sql, statement_slice(row, 0));
	must(!result_failed(statement_end(row)));
	return found;
}

static Buffer state_dump(const Unit *unit)
{
	Buffer sql, dump;
	buffer_init(&sql, SQL_BYTES);
	buffer_init(&dump, DUMP_BYTES);
	if (tables_select(unit->store, &sql)) {
		Statement *row = store_query_composed(unit->store, sql.data, NULL, 0);
		while (statement_next(row)) {
			buffer_append(&dump, statement_slice(row, 0));
			buffer_byte(&dump, '\n');
		}
		must(!result_failed(statement_end(row)));
	}
	must(!sql.overflowed && !dump.overflowed);
	buffer_release(&sql);
	return dump;
}

static void dumps_compare(const Unit *unit, const char *fault, const Buffer *one, const Buffer *other)
{
	if (slice_equals(buffer_slice(one), buffer_slice(other)))
		return;
	size_t line = 0, at = 0;
	while (at < one->size && at < other->size && one->data[at] == other->data[at])
		if (one->data[at++] == '\n')
			line = at;
	invariant_broken("%s/%u: %s\n    %.*s\n    %.*s", unit->service->name, unit->partition, fault,
		 (int)strcspn(one->data ? one->data + line : "", "\n"), one->data ? one->data + line : "",
		 (int)strcspn(other->data ? other->data + line : "", "\n"), other->data ? other->data + line : "");
}

/* Checks that all gateways have the same view. */
void judge_views(void)
{
	Unit *owner = world_owner(judged, "gateway", 0);
	Buffer expected = state_dump(owner);
	for (size_t i = 0; i < judged->unit_count; i++) {
		Unit *unit = &judged->units[i];
		if (unit->service != owner->service || unit == owner)
			continue;
		Buffer seen = state_dump(unit);
		dumps_compare(unit, "the views of two gateways differ", &expected, &seen);
		buffer_release(&seen);
	}
	buffer_release(&expected);
}

/* Restarts the owner of one service with an empty disk: it must rebuild its former state from the untrimmed records. */
void judge_fresh(void)
{
	static const char *const names[] = { "gateway", "intake", "response", "notification", "audit" };
	const char *name = names[judged->seed % (sizeof(names) / sizeof(names[0]))];
	unsigned partition = (unsigned)(judged->seed / 8 % judged->partitions);
	Unit *owner = world_owner(judged, name, partition);
	if (!owner)
		return;
	Buffer before = state_dump(owner);
	world_restart_empty(judged, owner);
	world_rest(judged);
	Buffer after = state_dump(owner);
	dumps_compare(owner, "rebuilt state differs", &before, &after);
	buffer_release(&before);
	buffer_release(&after);
}
