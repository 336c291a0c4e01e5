#include "services/response/core/announce.h"

#include "services/response/core/entries.h"
#include "shared/domain/documents.h"

#include <string.h>

Id join_key(const char *by, const char *name)
{
	return id_of_pair("", slice_of(by), slice_of(name));
}

/* ---- reopenings */

/* True for a reopening by a person, which contains the key (core/decide.c). Noise that is reopened has kept its key. */
static bool is_resumed(json_t *entries)
{
	size_t i;
	json_t *entry;
	json_array_foreach (entries, i, entry)
		if (strcmp(member_text(entry, "type"), "reopened") == 0 &&
		    member_text(json_object_get(entry, "changes"), "correlation_key") != NULL)
			return true;
	return false;
}

static int64_t at_least_one(int64_t number)
{
	return number < 1 ? 1 : number;
}

json_t *resumption_of(json_t *incident, const IncidentExtras *extras, json_t *entries, const Policy *policy)
{
	if (incident == NULL || !is_resumed(entries))
		return NULL;
	const SourcePolicy *source = policy_source(policy, member_text(incident, "source"));
	Instant seen = member_time(incident, "last_seen_at");
	Resumption resumption = {
		.report_version = at_least_one(extras->report_version),
		.event_count = at_least_one(json_integer_value(json_object_get(incident, "event_count"))),
		.last_seen_at = seen != INSTANT_NONE ? seen : member_time(incident, "opened_at"),
		.severity = choice_of(severity_words, member_text(incident, "severity")),
		.window_seconds = source->window_seconds,
		.cap_seconds = source->cap_seconds,
	};
	return json_encode(&resumption_table, &resumption);
}

/* ---- joins */

typedef enum { JOIN_UNCHANGED, JOIN_OPENED, JOIN_CLOSED } JoinChange;

static JoinChange entry_change(json_t *entry)
{
	const char *type = member_text(entry, "type");
	if (strcmp(type, "opened") == 0)
		return status_is_open(member_text(json_object_get(entry, "changes"), "status")) ? JOIN_OPENED : JOIN_UNCHANGED;
	if (strcmp(type, "reopened") == 0)
		return JOIN_OPENED;
	return strcmp(type, "closed") == 0 || strcmp(type, "false-alarm") == 0 ? JOIN_CLOSED : JOIN_UNCHANGED;
}

static JoinChange entries_change(json_t *entries)
{
	JoinChange change = JOIN_UNCHANGED;
	size_t i;
	json_t *entry;
	json_array_foreach (entries, i, entry)
		if (entry_change(entry) != JOIN_UNCHANGED)
			change = entry_change(entry);
	return change;
}

static json_t *join_new(const char *incident_id, json_t *incident, int by, const JoinPolicy *policy, JoinChange change)
{
	Id key = join_key(join_words[by], member_text(incident, join_words[by]));
	Join join = { .key = key.text, .by = by, .incident_id = incident_id, .number = member_text(incident, "number"),
		      .window_seconds = policy->window_seconds, .open = change == JOIN_OPENED };
	return json_encode(&join_table, &join);
}

json_t *joins_of(const char *incident_id, json_t *incident, json_t *entries, const Policy *policy)
{
	JoinChange change = entries_change(entries);
	json_t *joins = json_array();
	if (incident == NULL)
		incident = json_object_get(json_array_get(entries, 0), "changes");
	for (int by = 0; change != JOIN_UNCHANGED && join_words[by] != NULL; by++) {
		const JoinPolicy *join = policy_join(policy, join_words[by]);
		const char *name = member_text(incident, join_words[by]);
		if (join != NULL && name != NULL && name[0] != '\0')
			json_array_append_new(joins, join_new(incident_id, incident, by, join, change));
	}
	if (json_array_size(joins) > 0)
		return joins;
	json_decref(joins);
	return NULL;
}
