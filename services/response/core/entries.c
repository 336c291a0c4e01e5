#include "services/response/core/entries.h"

#include "shared/domain/lifecycle.h"

#include <string.h>

Entries entries_begin(const Incident *incident, const IncidentExtras *extras, Instant now)
{
	Entries entries = { .list = json_array(), .at = now };
	if (incident == NULL)
		return entries;
	entries.version = incident->version;
	entries.sequence = extras->sequence;
	if (incident->updated_at != INSTANT_NONE && incident->updated_at >= now)
		entries.at = incident->updated_at + 1;
	return entries;
}

static void effect_note(Entries *entries, const char *type, const IncidentChange *change)
{
	if (strcmp(type, "opened") == 0) {
		entries->effect = status_is_open(change->values.status) ? RECORD_OPENS : RECORD_CHANGES;
	} else if (CHANGES(change, closed_at)) {
		entries->effect = change->values.closed_at == INSTANT_NONE ? RECORD_REOPENS : RECORD_CLOSES;
		entries->resumes = entries->effect == RECORD_REOPENS && CHANGES(change, correlation_key);
	}
}

void entries_add(Entries *entries, const char *type, json_t *actor, json_t *data, const IncidentChange *change)
{
	JournalEntry entry = { .version = ++entries->version, .sequence = ++entries->sequence, .type = type, .at = entries->at,
			       .actor = actor, .data = data ? data : json_object(),
			       .changes = change ? incident_change_encode(change) : json_object() };
	if (change)
		effect_note(entries, type, change);
	json_array_append_new(entries->list, json_encode(&journal_entry_table, &entry));
	json_decref(entry.data);
	json_decref(entry.changes);
}

json_t *actor_system(const char *service)
{
	json_t *actor = json_pack("{s:s, s:s, s:s, s:[]}", "kind", "system", "id", service, "name", "Tocsin", "roles");
	must(actor != NULL);
	return actor;
}
