/*
 * When people are told: a plan of levels for an incident that waits for somebody. Pure.
 *
 * An incident waits while it is open and nobody has acknowledged it. A plan
 *   starts   when an incident opens or is opened again and waits; its seconds count from then;
 *            also when one that had no plan is assessed anew and there is one for it now: its seconds count from that
 *            assessment, so that nobody is told of all levels at once
 *   is kept  when an incident is assessed anew while its plan runs: who was promised a notice gets it, and no level
 *            is told twice
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

typedef enum { PLAN_KEEP, PLAN_START, PLAN_STOP } PlanVerdict;

/* True for an incident that is open and not acknowledged. */
bool incident_waits(json_t *incident);

/* entries: of one journal record; incident: the document after them. *base_at is set for PLAN_START only. */
PlanVerdict plan_judge(const PlanState *plan, json_t *entries, json_t *incident, Instant *base_at);

/* A new list of {escalation_level, due_at}, at most PLAN_LEVELS_MAX. */
json_t *plan_levels(const EscalationPolicy *policy, Instant base_at);

#endif
