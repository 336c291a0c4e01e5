/*
 * The recipients of a level: the targets in the policy, resolved at the moment when the level is reached. Pure.
 *
 *   channel:X   one notice to the channel. Channels are other systems: drills do not notify them
 *   team:T      a mail to each of its members on duty
 *   person:P    a mail, through the first channel of type email
 *
 * No recipient is notified twice of the same level, even if the plan moves to another policy and its levels start again. A
 * target that cannot be notified gets a delivery in state skipped, with the reason. A level that would have no delivery gets a
 * skipped delivery to "nobody". The next level is due at a time counted from base_at, whatever the outcome of this level is.
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
	const EscalationPolicy *escalation; /* the plan's escalation policy; NULL: it no longer exists */
	int64_t level; /* from 1 */
	const char *incident_id;
	Instant base_at, now;
	bool known; /* the incident's document exists */
	bool drill;
	json_t *notified; /* object: its member names are the keys of messages queued before; may be NULL */
	LevelMissingSetting missing_setting;
	void *missing_setting_context;
} Level;

/* A new list of 1 to LEVEL_DELIVERIES_MAX objects of delivery_table, in the order of the policy. */
json_t *level_deliveries(const Level *level);

/* True when the flags of an incident, a list of flag_words, contain "drill"; false for NULL. */
bool flags_have_drill(json_t *flags);

/* The key of a message: the same on every attempt. After a reopening base_at and therefore the key differ. */
Id level_message_key(const char *incident_id, Instant base_at, int64_t level, const char *recipient);

#endif
