/*
 * Escalation plans: the levels of notification for an incident that waits, and their times. Pure.
 *
 * An incident waits while it is open and not acknowledged. A plan
 *   starts   when a waiting incident is opened or reopened; its seconds count from that moment.
 *            It also starts with an entry that restarts escalation (one that sets escalation_level to 0: an event became an
 *            incident, or no policy applied before), and with an assessment of an incident without a plan to which a policy
 *            now applies. Then its seconds count from the assessment, so that its levels are not all due at once
 *   moves    when a new assessment of a waiting incident selects another policy: the seconds continue to count from the same
 *            moment, no level is due later than before, and no recipient is notified of the same level twice
 *   stops    when the incident no longer waits, for any reason
 */
#ifndef TOCSIN_NOTIFICATION_CORE_PLAN_H
#define TOCSIN_NOTIFICATION_CORE_PLAN_H

#include "shared/domain/incident.h"
#include "shared/domain/policy.h"

enum { PLAN_LEVELS_MAX = 16 };

/* The state of an incident's plan. */
typedef struct {
	bool exists; /* the incident has or had a plan */
	int64_t next_level; /* from 1; 0: the plan has stopped, or all levels were reached */
	Instant base_at; /* the moment from which the plan's seconds count */
} PlanState;

typedef enum { PLAN_KEEP, PLAN_START, PLAN_MOVE, PLAN_STOP } PlanVerdict;

/* True for an incident that is open and not acknowledged. */
bool incident_waits(const Incident *incident);

/*
 * entries: the entries of one journal record; incident: the document after these entries. *base_at is set only for PLAN_START
 * and PLAN_MOVE. PLAN_MOVE: the incident was assessed again; the caller moves the plan only if another escalation policy applies.
 */
PlanVerdict plan_judge(const PlanState *plan, json_t *entries, const Incident *incident, Instant *base_at);

/*
 * Due times of levels 1, 2, … in the present plan; a new plan must not exceed them. INSTANT_NONE: the present plan has no such
 * level, or all its levels were reached.
 */
typedef struct {
	Instant due_at[PLAN_LEVELS_MAX];
} PlanPromise;
PlanPromise plan_promise_none(void); /* all INSTANT_NONE */

/* A new list of {escalation_level, due_at}, at most PLAN_LEVELS_MAX; no level is due later than promised. */
json_t *plan_levels(const EscalationPolicy *policy, Instant base_at, const PlanPromise *promise);

#endif
