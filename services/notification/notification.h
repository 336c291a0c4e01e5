/*
 * notification: decides who is notified, how, and when next. It reacts to
 *
 *   the journal    a plan starts, moves or stops (core/plan.h). Records: TYPE_ESCALATION_PLANNED, TYPE_ESCALATION_STOPPED
 *   level timers   a level of a plan is due, and its recipients are resolved (core/level.h). Record: TYPE_ESCALATION_REACHED,
 *                  from which the command `escalated` to the response service is derived
 *   send timers    a message is due and is sent. Its outcome is recorded as TYPE_DELIVERY_ATTEMPTED: sent, queued again
 *                  (core/retry.h), failed, or skipped because it can no longer be sent
 *
 * Invariants
 *   1. Within a plan the levels are reached in order, each at most once, and only while the incident is open and not
 *      acknowledged (checked again when the timer fires). When a plan moves to another policy, its levels start again but omit
 *      recipients that were notified before.
 *   2. A message is sent only after the record that queues it was accepted. Its key is the same on every attempt; after a
 *      reopening of the incident, messages have other keys. A message may be sent twice (after a crash, or when a lease expires).
 *   3. The outcome of an attempt is recorded only if the attempt's number is the one that the state expects.
 *   4. A failed attempt to reach a person is not repeated once the incident is acknowledged or closed: the delivery is
 *      recorded as skipped. The first attempt is always made. Attempts to reach another system are repeated in any case,
 *      because such systems keep their own records of the incident.
 *   5. The state holds only pending work: levels of running plans, queued deliveries, and a copy of the incidents.
 */
#ifndef TOCSIN_NOTIFICATION_NOTIFICATION_H
#define TOCSIN_NOTIFICATION_NOTIFICATION_H

#include "shared/program/program.h"

extern const Service notification_service;

/* Opens outbound connections for the program, and resolves ${…} of policy packs. */
extern const ServiceHooks notification_hooks;

/* The type of handler->environment. It must outlive the runtime. */
typedef struct {
	/* The value of a setting that channels.yaml refers to ("TOCSIN_WEBHOOK_URL"); borrowed; NULL: unset or unknown. */
	const char *(*setting)(void *context, const char *name);
	void *context;
	const char *public_url; /* for links, with or without a trailing slash */
} NotificationEnvironment;

#endif
