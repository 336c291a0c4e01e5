/*
 * Reasons why a notice is not sent; the policy pack holds their texts for people. A step that cannot be taken is recorded as
 * skipped at once.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_SKIP_H
#define TOCSIN_NOTIFICATION_CORE_SKIP_H

#include "shared/domain/policy.h"

typedef enum {
	SKIP_NONE,
	SKIP_NO_TARGETS, /* the level has no targets */
	SKIP_POLICY_CHANGED, /* the escalation policy or its level no longer exists */
	SKIP_UNKNOWN_TARGET, /* name: the target as written in the policy */
	SKIP_NOBODY_ON_DUTY, /* name: the team */
	SKIP_NO_MAIL_CHANNEL, /* name: the person */
	SKIP_NO_ADDRESS, /* name: the person */
	SKIP_NEEDS_PERSON, /* name: the channel, which can only address people */
	SKIP_NOT_CONFIGURED, /* name: the channel; setting: the missing one */
	SKIP_DRILL, /* drills do not notify other systems */
	SKIP_TAKEN_ON, /* acknowledged or closed before a repeated attempt */
	SKIP_NO_INCIDENT, /* the incident is not known */
	SKIP_TOO_MANY, /* more recipients than LEVEL_DELIVERIES_MAX */
	SKIP_NOTIFIED, /* all were notified of this level before the plan moved to this policy */
	SKIPS,
} Skip;

/* Appends the text in the first language of the policy. name and setting may be NULL. */
void skip_write(const Policy *policy, Skip skip, const char *name, const char *setting, Buffer *out);

/* The key of its text in the policy pack: "skip.drill". */
const char *skip_key(Skip skip);

#endif
