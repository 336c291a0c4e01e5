/*
 * Who is told at a level: the targets the policy names, resolved at the moment the level is reached. Pure.
 *
 *   channel:X   one notice to the channel. These are other systems: a drill does not tell them
 *   team:T      a mail to each of its people on duty
 *   person:P    a mail, through the first channel of type email
 *
 * Nobody gets two mails of one level, nor a second one when the incident moves to another policy and its levels begin
 * again: who was told of a level is left out of it. Every target leaves a trace: what cannot be carried out is a delivery in state
 * skipped with the reason, a level without targets one to "nobody". Whatever becomes of a level, the next one keeps its
 * own time: seconds count from the opening, and people were promised them so.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_LEVEL_H
#define TOCSIN_NOTIFICATION_CORE_LEVEL_H

#include "shared/base/id.h"
#include "shared/domain/policy.h"

enum { LEVEL_DELIVERIES_MAX = 256, LEVEL_MISSING = 64 };

/* Type of the channel that writes to people. */
#define LEVEL_MAIL "email"

/* True when the channel cannot be used; lack is then the setting or member that is not set. */
typedef bool (*LevelMissingSetting)(void *context, const ChannelPolicy *channel, char lack[static LEVEL_MISSING]);

typedef struct {
	const Policy *policy; /* in force now */
	const EscalationPolicy *escalation; /* the incident's, or NULL: gone */
	int64_t level; /* from 1 */
	const char *incident_id;
	Instant base_at, now;
	bool known; /* the incident's document is there */
	bool drill;
	json_t *notified; /* an object whose names are the keys of messages sent before; NULL: none */
	LevelMissingSetting missing_setting;
	void *missing_setting_context;
} Level;

/* A new list of delivery_table objects, never empty, in the policy's order. */
json_t *level_deliveries(const Level *level);

/* True when the incident is flagged as a drill. */
bool incident_is_drill(json_t *incident);

/* The message's key: the same on every attempt, another one after a reopening. */
Id level_message_key(const char *incident_id, Instant base_at, int64_t level, const char *recipient);

#endif
