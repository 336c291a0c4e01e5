/*
 * notification: decides who is notified, how, and when next. It reacts to
 *
 *   the journal    which starts and stops plans (core/plan.h): TYPE_ESCALATION_PLANNED, TYPE_ESCALATION_STOPPED
 *   level timers   a level of a plan is due and its recipients are resolved (core/level.h): TYPE_ESCALATION_REACHED, from
 *                  which the command `escalated` to response is derived
 *   send timers    a message is due and is sent; its outcome is TYPE_DELIVERY_ATTEMPTED: sent, queued again (core/retry.h),
 *                  failed, or skipped because it can no longer be sent
 *
 * Invariants
 *   1. Within a plan a level is reached at most once, in order, and only while the incident waits (checked again when the
 *      timer fires). When a plan moves to another policy, its levels start again but omit recipients notified before.
 *   2. A message is sent only after it was accepted as queued. Its key is the same on every attempt and differs after a
 *      reopening. A message may be sent twice (after a crash, or when a lease expires).
 *   3. An outcome takes effect only for the attempt that the state expects.
 *   4. A failed attempt to reach a person is not repeated once the incident is acknowledged or closed: the delivery is
 *      recorded as skipped. The first attempt is always made. Systems are notified in any case, because they keep their own
 *      records.
 *   5. The state holds only pending work: levels of running plans, queued deliveries, and a copy of the incidents.
 */
#ifndef TOCSIN_NOTIFICATION_NOTIFICATION_H
#define TOCSIN_NOTIFICATION_NOTIFICATION_H

#include "shared/program/program.h"

extern const Service notification_service;

/* Opens outbound connections for the program, and resolves ${…} of policy packs. */
extern const ServiceHooks notification_hooks;

/* handler->environment; borrowed, and valid as long as the runtime. */
typedef struct {
	/* The value of a setting that channels.yaml refers to ("TOCSIN_WEBHOOK_URL"); borrowed; NULL: unset or unknown. */
	const char *(*setting)(void *context, const char *name);
	void *context;
	const char *public_url; /* for links, with or without a trailing slash */
} NotificationEnvironment;

#endif
