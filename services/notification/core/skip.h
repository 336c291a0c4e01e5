/*
 * Why a notice is not sent: one word a reason, and its text for people out of the policy pack. A step that cannot be
 * carried out is recorded at once and waits for nothing.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_SKIP_H
#define TOCSIN_NOTIFICATION_CORE_SKIP_H

#include "shared/domain/policy.h"

typedef enum {
	SKIP_NONE,
	SKIP_NO_TARGETS, /* the level names nobody */
	SKIP_POLICY_CHANGED, /* the escalation policy or its level is gone */
	SKIP_UNKNOWN_TARGET, /* name: the target, as the policy names it */
	SKIP_NOBODY_ON_DUTY, /* name: the team */
	SKIP_NO_MAIL_CHANNEL, /* name: the person */
	SKIP_NO_ADDRESS, /* name: the person */
	SKIP_NEEDS_PERSON, /* name: the channel, which writes to people only */
	SKIP_NOT_CONFIGURED, /* name: the channel; setting: what it lacks */
	SKIP_DRILL, /* a drill tells no outside systems */
	SKIP_TAKEN_ON, /* acknowledged or closed before it could be sent */
	SKIP_NO_INCIDENT, /* there is nothing to write about */
	SKIP_TOO_MANY, /* more recipients than a level may have */
	SKIP_NOTIFIED, /* all of them were told of the level before the incident moved to this policy */
	SKIPS,
} Skip;

/* The text in the site's language, appended. name and setting may be NULL. */
void skip_write(const Policy *policy, Skip skip, const char *name, const char *setting, Buffer *out);

/* Key of its words in the policy pack: "skip.drill". */
const char *skip_key(Skip skip);

#endif
