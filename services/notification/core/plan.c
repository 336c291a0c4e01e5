#include "services/notification/core/plan.h"

#include "shared/domain/documents.h"

#include <string.h>

static const char *text_at(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static Instant time_at(json_t *object, const char *name)
{
	Instant time = INSTANT_NONE;
	(void)instant_parse(slice_of(text_at(object, name)), &time);
	return time;
}

bool incident_waits(json_t *incident)
{
	const char *status = text_at(incident, "status");
	return status && status_is_open(status) &&
	       time_at(json_object_get(incident, "acknowledged"), "at") == INSTANT_NONE;
}

/* If the entry starts a plan: the time from which the seconds of that plan count. Else INSTANT_NONE. */
static Instant entry_base(const PlanState *plan, json_t *entry, json_t *incident)
{
	const char *type = text_at(entry, "type");
	if (!type)
		return INSTANT_NONE;
	if (strcmp(type, "opened") == 0) {
		Instant opened_at = time_at(incident, "opened_at");
		return opened_at == INSTANT_NONE ? time_at(entry, "at") : opened_at;
	}
	bool restarts = json_object_get(json_object_get(entry, "changes"), "escalation_level") != NULL;
	bool assessed = strcmp(type, "assessed") == 0 && (restarts || !plan->exists);
	return assessed || strcmp(type, "reopened") == 0 ? time_at(entry, "at") : INSTANT_NONE;
}

static bool is_assessed(json_t *entries)
{
	size_t i;
	json_t *entry;
	json_array_foreach (entries, i, entry)
		if (text_at(entry, "type") && strcmp(text_at(entry, "type"), "assessed") == 0)
			return true;
	return false;
}

PlanVerdict plan_judge(const PlanState *plan, json_t *entries, json_t *incident, Instant *base_at)
{
	Instant base = INSTANT_NONE;
	size_t i;
	json_t *entry;
	if (!incident_waits(incident))
		return plan->next_level > 0 ? PLAN_STOP : PLAN_KEEP;
	json_array_foreach (entries, i, entry) {
		Instant from = entry_base(plan, entry, incident);
		/* If one record holds an opening and its assessment, the plan counts from the opening. */
		bool assessed_after = base != INSTANT_NONE && strcmp(text_at(entry, "type"), "assessed") == 0;
		if (from != INSTANT_NONE && !assessed_after)
			base = from;
	}
	if (base == INSTANT_NONE && !is_assessed(entries))
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
