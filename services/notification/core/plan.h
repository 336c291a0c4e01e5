/*
 * When people are told: a plan of levels for an incident that waits for somebody. Pure.
 *
 * An incident waits while it is open and nobody has acknowledged it. A plan
 *   starts   when an incident opens or is opened again and waits; its seconds count from then;
 *            also with an assessment that makes it wait anew (it sets escalation_level: an event became an incident, or
 *            nobody was to be told before), and when one that had no plan is assessed anew and there is one for it now:
 *            its seconds count from that assessment, so that nobody is told of all levels at once
 *   moves    when an incident that waits is assessed anew and another policy fits it now: its seconds go on counting from
 *            where they did, no level comes later than it was promised, and nobody is told of the same level twice
 *   stops    when the incident no longer waits, whatever the reason
 */
#ifndef TOCSIN_NOTIFICATION_CORE_PLAN_H
#define TOCSIN_NOTIFICATION_CORE_PLAN_H

#include "shared/domain/policy.h"

enum { PLAN_LEVELS_MAX = 16 };

/* What is known of an incident's plan. */
typedef struct {
	bool exists; /* there has been one */
	int64_t next_level; /* from 1; 0: it has stopped, or all levels were reached */
	Instant base_at; /* its seconds count from here */
} PlanState;

typedef enum { PLAN_KEEP, PLAN_START, PLAN_MOVE, PLAN_STOP } PlanVerdict;

/* True for an incident that is open and not acknowledged. */
bool incident_waits(json_t *incident);

/*
 * entries: of one journal record; incident: the document after them. *base_at is set for PLAN_START and PLAN_MOVE only;
 * PLAN_MOVE: unless the policy that fits is the plan's own.
 */
PlanVerdict plan_judge(const PlanState *plan, json_t *entries, json_t *incident, Instant *base_at);

/* When levels 1, 2, … were promised to be told; INSTANT_NONE: not, or they have been. */
typedef struct {
	Instant due_at[PLAN_LEVELS_MAX];
} PlanPromise;
PlanPromise plan_promise_none(void);

/* A new list of {escalation_level, due_at}, at most PLAN_LEVELS_MAX; no level is due later than it was promised. */
json_t *plan_levels(const EscalationPolicy *policy, Instant base_at, const PlanPromise *promise);

#endif
