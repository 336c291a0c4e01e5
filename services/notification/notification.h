/*
 * notification: who is told, how, and when next. Three things move it:
 *
 *   the journal    opens and stops plans (core/plan.h): TYPE_ESCALATION_PLANNED, TYPE_ESCALATION_STOPPED
 *   level timers   a level of a plan is reached, its recipients are resolved (core/level.h): TYPE_ESCALATION_REACHED,
 *                  and from it the command `escalated` to response
 *   send timers    a message is handed to the outside; its outcome is TYPE_DELIVERY_ATTEMPTED: sent, queued again
 *                  (core/retry.h), failed; or skipped, when it can no longer be carried out
 *
 * Invariants
 *   1. A level is reached at most once a plan, in order, and only while the incident waits (re-checked when it fires).
 *      A plan may move to another policy: then its levels begin again, and tell those whom they have not told.
 *   2. Nothing is sent that was not accepted as queued before; its key is the same on every attempt and differs after a
 *      reopening. A send may be repeated (crash, lease), never invented.
 *   3. An outcome counts only for the attempt the state waits for.
 *   4. What was tried and did not get through to a person is not tried again once the incident is taken on: it is
 *      recorded as skipped. A first attempt is always made; systems are told all the same, they keep books of their own.
 *   5. State holds only what is still to be done: live plans' levels, queued deliveries, and a copy of the incidents.
 */
#ifndef TOCSIN_NOTIFICATION_NOTIFICATION_H
#define TOCSIN_NOTIFICATION_NOTIFICATION_H

#include "shared/program/program.h"

extern const Service notification_service;

/* For the program it runs in: where it sends, and what a pack's ${…} stand for. */
extern const ServiceHooks notification_hooks;

/* What the program gives the handlers (handler->environment); borrowed, and as long as the runtime. */
typedef struct {
	/* Value of a setting ("TOCSIN_WEBHOOK_URL") that ${…} in channels.yaml stands for; NULL: unset or unknown. */
	const char *(*setting)(void *context, const char *name);
	void *context;
	const char *public_url; /* for links, with or without a slash at its end */
} NotificationEnvironment;

#endif
