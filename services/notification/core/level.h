/*
 * The recipients of a level: the targets in the policy, resolved at the moment when the level is reached. Pure.
 *
 *   channel:X   one notice to the channel. Channels are other systems: drills do not notify them
 *   team:T      a mail to each of its members on duty
 *   person:P    a mail, through the first channel of type email
 *
 * A person gets at most one mail for a level, also when the plan moves to another policy and its levels start again. Every
 * other target leaves a delivery: one that cannot be notified in state skipped with the reason, a level without targets one
 * to "nobody". The outcome of a level does not change the time of the next one, which counts from the opening.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_LEVEL_H
#define TOCSIN_NOTIFICATION_CORE_LEVEL_H

#include "shared/base/id.h"
#include "shared/domain/policy.h"

enum { LEVEL_DELIVERIES_MAX = 256, LEVEL_MISSING = 64 };

/* Type of the channels that address people. */
#define LEVEL_MAIL "email"

/* True when the channel cannot be used; missing is then the name of the setting or member that is not set. */
typedef bool (*LevelMissingSetting)(void *context, const ChannelPolicy *channel, char missing[static LEVEL_MISSING]);

typedef struct {
	const Policy *policy; /* in force now */
	const EscalationPolicy *escalation; /* that of the plan; NULL: it no longer exists */
	int64_t level; /* from 1 */
	const char *incident_id;
	Instant base_at, now;
	bool known; /* the incident's document exists */
	bool drill;
	json_t *notified; /* object whose member names are keys of messages queued before; NULL: none */
	LevelMissingSetting missing_setting;
	void *missing_setting_context;
} Level;

/* A new list of 1 to LEVEL_DELIVERIES_MAX objects of delivery_table, in the order of the policy. */
json_t *level_deliveries(const Level *level);

/* True when the incident has the flag "drill". */
bool incident_is_drill(json_t *incident);

/* The key of a message: the same on every attempt, different after a reopening. */
Id level_message_key(const char *incident_id, Instant base_at, int64_t level, const char *recipient);

#endif
