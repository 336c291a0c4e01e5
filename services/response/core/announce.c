#include "services/response/core/announce.h"

Id join_key(const char *by, const char *name)
{
	return id_of_pair(ID_JOIN_KEY, slice_of(by), slice_of(name));
}

/* ---- reopenings */

static int64_t at_least_one(int64_t number)
{
	return number < 1 ? 1 : number;
}

json_t *resumption_of(const Incident *incident, const IncidentExtras *extras, const Entries *entries, const Policy *policy)
{
	if (!entries->resumes)
		return NULL;
	const SourcePolicy *source = policy_source(policy, incident->source);
	Instant seen = incident->last_seen_at;
	Resumption resumption = {
		.report_version = at_least_one(extras->report_version),
		.event_count = at_least_one(incident->event_count),
		.last_seen_at = seen != INSTANT_NONE ? seen : incident->opened_at,
		.severity = incident->severity,
		.window_seconds = source->window_seconds,
		.cap_seconds = source->cap_seconds,
	};
	return json_encode(&resumption_table, &resumption);
}

/* ---- joins */

static json_t *join_new(const char *incident_id, const Incident *incident, int by, const char *name, const JoinPolicy *policy,
			bool open)
{
	Id key = join_key(join_words[by], name);
	Join join = { .key = key.text, .by = by, .incident_id = incident_id, .number = incident->number,
		      .window_seconds = policy->window_seconds, .open = open };
	return json_encode(&join_table, &join);
}

json_t *joins_of(const char *incident_id, const Incident *incident, const Entries *entries, const Policy *policy)
{
	const char *const names[] = { [JOIN_BY_ASSET] = incident->asset, [JOIN_BY_ACTOR] = incident->actor };
	if (entries->effect == RECORD_CHANGES)
		return NULL;
	json_t *joins = json_array();
	for (int by = 0; join_words[by] != NULL; by++) {
		const JoinPolicy *join = policy_join(policy, join_words[by]);
		if (join != NULL && names[by] != NULL && names[by][0] != '\0')
			json_array_append_new(joins, join_new(incident_id, incident, by, names[by], join,
							      entries->effect != RECORD_CLOSES));
	}
	if (json_array_size(joins) > 0)
		return joins;
	json_decref(joins);
	return NULL;
}
