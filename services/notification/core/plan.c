#include "services/notification/core/plan.h"

#include "shared/domain/lifecycle.h"

#include <string.h>

bool incident_waits(const Incident *incident)
{
	return status_is_open(incident->status) && incident->acknowledged.at == INSTANT_NONE;
}

/* If the entry starts a plan, returns the time from which the plan's seconds count; else INSTANT_NONE. */
static Instant entry_base(const PlanState *plan, const JournalEntry *entry, const Incident *incident)
{
	IncidentChange change;
	if (result_failed(incident_change_decode(entry->changes, &change)))
		return INSTANT_NONE;
	if (strcmp(entry->type, "opened") == 0 && incident->opened_at != INSTANT_NONE)
		return incident->opened_at;
	bool first_assessed = strcmp(entry->type, "assessed") == 0 && !plan->exists;
	return first_assessed || entry_starts_escalation(entry, &change) ? entry->at : INSTANT_NONE;
}

PlanVerdict plan_judge(const PlanState *plan, json_t *entries, const Incident *incident, Instant *base_at)
{
	Instant base = INSTANT_NONE;
	bool assessed = false;
	size_t i;
	json_t *tree;
	if (!incident_waits(incident))
		return plan->next_level > 0 ? PLAN_STOP : PLAN_KEEP;
	json_array_foreach (entries, i, tree) {
		JournalEntry entry;
		if (result_failed(json_decode_record(&journal_entry_table, tree, &entry)))
			continue;
		bool assesses = strcmp(entry.type, "assessed") == 0;
		Instant from = entry_base(plan, &entry, incident);
		/* If one record holds an opening and its assessment, the plan counts from the opening. */
		if (from != INSTANT_NONE && !(assesses && base != INSTANT_NONE))
			base = from;
		assessed = assessed || assesses;
	}
	if (base == INSTANT_NONE && !assessed)
		return PLAN_KEEP;
	*base_at = base != INSTANT_NONE ? base : plan->base_at;
	return base != INSTANT_NONE ? PLAN_START : PLAN_MOVE;
}

PlanPromise plan_promise_none(void)
{
	PlanPromise promise;
	for (size_t i = 0; i < PLAN_LEVELS_MAX; i++)
		promise.due_at[i] = INSTANT_NONE;
	return promise;
}

static Instant sooner(Instant due_at, Instant promised_at)
{
	return promised_at != INSTANT_NONE && promised_at < due_at ? promised_at : due_at;
}

json_t *plan_levels(const EscalationPolicy *policy, Instant base_at, const PlanPromise *promise)
{
	json_t *levels = json_array();
	must(levels);
	for (size_t i = 0; i < policy->level_count && i < PLAN_LEVELS_MAX; i++) {
		char due_at[INSTANT_TEXT];
		Instant at = sooner(base_at + policy->levels[i].after_seconds * 1000, promise->due_at[i]);
		instant_format(at < INSTANT_MAX ? at : INSTANT_MAX, due_at);
		json_t *level = json_pack("{s:I, s:s}", "escalation_level", (json_int_t)i + 1, "due_at", due_at);
		must(level && json_array_append_new(levels, level) == 0);
	}
	return levels;
}
