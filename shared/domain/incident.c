#include "shared/domain/incident.h"

#include <stdlib.h>
#include <string.h>

/* ---- changes */

IncidentChange incident_change_none(void)
{
	IncidentChange change = { .members = 0 };
	fields_clear(&incident_table, &change.values);
	return change;
}

IncidentChange incident_change_of(const Incident *incident)
{
	IncidentChange change = incident_change_none();
	change.members = fields_differing(&incident_table, incident, &change.values);
	change.values = *incident;
	return change;
}

void incident_change_release(IncidentChange *change)
{
	json_decref(change->owned);
	*change = (IncidentChange){ .members = 0 };
}

uint64_t incident_member(size_t offset)
{
	for (size_t i = 0; i < incident_table.count; i++)
		if (incident_table.fields[i].offset == offset)
			return (uint64_t)1 << i;
	must(!"no member of an incident has this offset");
	return 0;
}

json_t *incident_change_encode(const IncidentChange *change)
{
	return json_encode_members(&incident_table, &change->values, change->members);
}

Result incident_change_decode(json_t *changes, IncidentChange *out)
{
	out->owned = NULL;
	return json_decode_members(&incident_table, changes, &out->values, &out->members);
}

void incident_change_apply(const IncidentChange *change, Incident *incident)
{
	fields_copy(&incident_table, change->members, &change->values, incident);
}

bool incident_change_matters(const IncidentChange *change, const Incident *incident)
{
	return (fields_differing(&incident_table, &change->values, incident) & change->members) != 0;
}

/* ---- stored incidents */

bool stored_incident_new(Slice id, StoredIncident *out)
{
	*out = (StoredIncident){ .exists = false };
	fields_clear(&incident_table, &out->incident);
	out->incident.version = 0;
	out->extras.base_at = INSTANT_NONE;
	if (text_copy(id, out->id.text, sizeof(out->id.text)))
		return true;
	*out = (StoredIncident){ .exists = false };
	return false;
}

void stored_incident_release(StoredIncident *stored)
{
	for (size_t i = 0; i < stored->tree_count; i++)
		json_decref(stored->trees[i]);
	*stored = (StoredIncident){ .exists = false };
}

/* Takes over the reference to tree: *out owns it, also after a failure. */
static Result tree_take(json_t *tree, StoredIncident *out)
{
	out->trees[0] = tree;
	out->tree_count = 1;
	return json_decode_record(&incident_table, tree, &out->incident);
}

Result stored_incident_read(Slice document, StoredIncident *out)
{
	json_t *tree;
	*out = (StoredIncident){ .exists = false };
	TRY(json_read(document, &tree));
	out->exists = true;
	Result result = tree_take(tree, out);
	if (result_failed(result))
		stored_incident_release(out);
	return result;
}

void stored_incident_write(const StoredIncident *stored, Buffer *out)
{
	json_write_fields(&incident_table, &stored->incident, out);
}

/* ---- the fold */

/* The members of an entry's `data` that IncidentExtras keeps. */
typedef struct {
	int64_t report_version;
	int noise;
} EntryFacts;

static const Field entry_fact_fields[] = {
	{ .name = "report_version", .type = FIELD_INTEGER, .offset = offsetof(EntryFacts, report_version) },
	{ .name = "noise", .type = FIELD_BOOLEAN, .offset = offsetof(EntryFacts, noise) },
};
static const FieldTable entry_fact_table = FIELD_TABLE("journal-entry/data", entry_fact_fields, EntryFacts);

bool entry_starts_escalation(const JournalEntry *entry, const IncidentChange *change)
{
	bool restarted = CHANGES(change, escalation_level) && change->values.escalation_level == 0;
	return restarted || strcmp(entry->type, "opened") == 0 || strcmp(entry->type, "reopened") == 0;
}

static Result extras_fold(IncidentExtras *extras, const JournalEntry *entry, const IncidentChange *change)
{
	EntryFacts facts = { .report_version = INT64_MIN, .noise = -1 };
	if (entry->data != NULL)
		TRY(json_decode_record(&entry_fact_table, entry->data, &facts));
	if (facts.report_version > extras->report_version)
		extras->report_version = facts.report_version;
	if (strcmp(entry->type, "opened") == 0)
		extras->noise = facts.noise == 1;
	else if (strcmp(entry->type, "reopened") == 0)
		extras->noise = false;
	if (entry_starts_escalation(entry, change))
		extras->base_at = entry->at;
	extras->sequence++;
	return result_ok();
}

static Result order_check(const Incident *incident, const IncidentExtras *extras, const JournalEntry *entry)
{
	if (entry->version != incident->version + 1)
		return result_fail(ERROR_INTERNAL, "journal entry has version %lld, but the next one of its incident is %lld: the order of the journal is broken",
				   (long long)entry->version, (long long)incident->version + 1);
	if (entry->sequence != INT64_MIN && entry->sequence != extras->sequence + 1)
		return result_fail(ERROR_INTERNAL, "journal entry has sequence %lld, but the next one of its incident is %lld: the order of the journal is broken",
				   (long long)entry->sequence, (long long)extras->sequence + 1);
	return result_ok();
}

static Result entry_fold(Incident *incident, IncidentExtras *extras, json_t *tree)
{
	JournalEntry entry;
	IncidentChange change;
	TRY(result_wrap(json_decode_record(&journal_entry_table, tree, &entry), "journal entry"));
	TRY(order_check(incident, extras, &entry));
	TRY(result_wrap(incident_change_decode(entry.changes, &change), "journal entry"));
	TRY(extras_fold(extras, &entry, &change));
	incident_change_apply(&change, incident);
	incident->version = entry.version;
	incident->updated_at = entry.at;
	return result_ok();
}

/* Encodes the incident into one new tree, which replaces all trees from which it borrowed. */
static void trees_merge(StoredIncident *stored)
{
	json_t *tree = json_encode(&incident_table, &stored->incident);
	StoredIncident merged = { .id = stored->id, .exists = true, .extras = stored->extras };
	must(!result_failed(tree_take(tree, &merged)));
	stored_incident_release(stored);
	*stored = merged;
}

Result stored_incident_fold(StoredIncident *stored, json_t *entries)
{
	if (json_array_size(entries) == 0)
		return result_ok();
	if (stored->tree_count == INCIDENT_TREES_MAX)
		trees_merge(stored);
	Incident incident = stored->incident;
	IncidentExtras extras = stored->extras;
	json_t *entry;
	size_t i;
	json_array_foreach (entries, i, entry)
		TRY(entry_fold(&incident, &extras, entry));
	stored->incident = incident;
	stored->extras = extras;
	stored->exists = true;
	stored->trees[stored->tree_count++] = json_incref(entries);
	return result_ok();
}
