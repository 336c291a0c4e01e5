/*
 * Reasons why a notice is not sent; the policy pack holds a text for each. A notice that cannot be sent is recorded as skipped
 * at once, without another attempt.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_SKIP_H
#define TOCSIN_NOTIFICATION_CORE_SKIP_H

#include "shared/domain/policy.h"

typedef enum {
	SKIP_NONE,
	SKIP_NO_TARGETS, /* the level has no targets */
	SKIP_POLICY_CHANGED, /* the escalation policy or its level no longer exists */
	SKIP_UNKNOWN_TARGET, /* name: the target as written in the policy; of an unknown channel, only its id */
	SKIP_NOBODY_ON_DUTY, /* name: the team */
	SKIP_NO_MAIL_CHANNEL, /* name: the person */
	SKIP_NO_ADDRESS, /* name: the person */
	SKIP_NEEDS_PERSON, /* name: the channel, which can only address people */
	SKIP_NOT_CONFIGURED, /* name: the channel; setting: its missing setting */
	SKIP_DRILL, /* drills do not notify other systems */
	SKIP_TAKEN_ON, /* acknowledged or closed before a repeated attempt */
	SKIP_NO_INCIDENT, /* the incident is not known */
	SKIP_TOO_MANY, /* more recipients than LEVEL_DELIVERIES_MAX */
	SKIP_NOTIFIED, /* all recipients were notified of this level before the plan moved to this policy */
	SKIPS,
} Skip;

/* Appends the reason's text in the first language of the policy. name and setting: see Skip; each may be NULL. */
void skip_write(const Policy *policy, Skip skip, const char *name, const char *setting, Buffer *out);

/* The key of the reason's text in the policy pack, e.g. "skip.drill". */
const char *skip_key(Skip skip);

#endif
