#include "services/intake/core/join.h"

#include <string.h>

static JoinedIncident incident_at(json_t *incidents, size_t index)
{
	JoinedIncident incident;
	must(!result_failed(json_decode_record(&joined_incident_table, json_array_get(incidents, index), &incident)));
	return incident;
}

static Instant seconds_after(Instant at, int64_t seconds)
{
	int64_t after;
	if (__builtin_mul_overflow(seconds, 1000, &after) || __builtin_add_overflow(at, after, &after))
		return INT64_MAX;
	return after;
}

static Instant seconds_before(Instant at, int64_t seconds)
{
	int64_t before;
	if (__builtin_mul_overflow(seconds, 1000, &before) || __builtin_sub_overflow(at, before, &before))
		return INT64_MIN;
	return before;
}

/* A new list of the incidents that entered at `oldest` or later, without the announced incident. *found: it was in the list. */
static json_t *incidents_without(json_t *incidents, const Join *join, Instant oldest, bool *found)
{
	json_t *kept = json_array();
	must(kept);
	*found = false;
	for (size_t i = 0; i < json_array_size(incidents); i++) {
		JoinedIncident incident = incident_at(incidents, i);
		if (incident.at < oldest)
			continue;
		if (strcmp(incident.incident_id, join->incident_id) == 0)
			*found = true;
		else
			must(json_array_append(kept, json_array_get(incidents, i)) == 0);
	}
	return kept;
}

/* If the row is full, drops the incidents from before the window, which only a late announcement could still link. */
static void incidents_trim(JoinRecord *row, const Join *join, Instant at)
{
	bool found;
	if (json_array_size(row->incidents) < JOIN_INCIDENTS_MAX)
		return;
	json_t *near = incidents_without(row->incidents, join, seconds_before(at, join->window_seconds), &found);
	json_decref(row->incidents);
	row->incidents = near;
}

static void incident_enter(JoinRecord *row, const Join *join, Instant at)
{
	JoinedIncident incident = { .incident_id = join->incident_id, .number = join->number, .at = at };
	must(json_array_append_new(row->incidents, json_encode(&joined_incident_table, &incident)) == 0);
	row->entered = join->incident_id;
}

/* False: a campaign was proposed before. */
static bool campaign_propose(JoinRecord *row)
{
	if (row->proposed == 1)
		return false;
	row->proposed = 1;
	row->campaign = incident_at(row->incidents, 0).incident_id;
	return true;
}

bool join_judge(const JoinRecord *before, const Join *join, Instant at, JoinRecord *out)
{
	bool found, changed = true;
	JoinRecord row = { .key = join->key, .by = join->by, .window_seconds = join->window_seconds };
	row.incidents = incidents_without(before ? before->incidents : NULL, join,
					  seconds_before(seconds_before(at, join->window_seconds), join->window_seconds), &found);
	row.proposed = before && before->proposed == 1 && json_array_size(row.incidents) > 0;
	if (join->open == 1 && !found)
		incidents_trim(&row, join, at);
	if (join->open != 1)
		changed = found;
	else if (found)
		changed = false;
	else if (json_array_size(row.incidents) < JOIN_INCIDENTS_MAX)
		incident_enter(&row, join, at);
	else
		changed = campaign_propose(&row);
	if (changed)
		*out = row;
	else
		json_decref(row.incidents);
	return changed;
}

bool join_links(const JoinRecord *row, const JoinedIncident *one, const JoinedIncident *other)
{
	return one->at >= seconds_before(other->at, row->window_seconds) &&
	       other->at >= seconds_before(one->at, row->window_seconds);
}

Instant join_entered_at(const JoinRecord *row)
{
	Instant last = 0;
	for (size_t i = 0; i < json_array_size(row->incidents); i++) {
		Instant at = incident_at(row->incidents, i).at;
		last = at > last ? at : last;
	}
	return last;
}

Instant join_ends_at(const JoinRecord *row)
{
	return seconds_after(seconds_after(join_entered_at(row), row->window_seconds), row->window_seconds);
}
