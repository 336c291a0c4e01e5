/*
 * Channels: how a notice becomes a message to the outside. A channel is one struct in one table; adding one is adding a
 * file and a row. Nothing here sends or waits; settings are asked for through the environment, so all is testable.
 */
#ifndef TOCSIN_NOTIFICATION_CHANNELS_CHANNEL_H
#define TOCSIN_NOTIFICATION_CHANNELS_CHANNEL_H

#include "services/notification/notification.h"
#include "shared/io/outbound/egress.h"

enum { CHANNEL_MISSING = 64, CHANNEL_NEEDS_MAX = 2 };

/* What is to be said to whom; borrowed. */
typedef struct {
	const Policy *policy;
	const ChannelPolicy *channel;
	const NotificationEnvironment *environment;
	json_t *incident; /* the current document */
	const char *key, *recipient; /* msg_…, "person:li" */
	const char *address, *language; /* of a person, else NULL */
	int64_t escalation_level, attempt; /* attempt: this one, from 1 */
	Instant reached_at; /* when the level was reached */
} Notice;

/* A message with the memory it points into. */
typedef struct {
	OutboundRequest message;
	Buffer url, secret, from, subject, body;
} OutboundMessage;

typedef struct {
	const char *type; /* in channels.yaml */
	OutsideKind kind;
	/* Members of ChannelPolicy without which it is not set up; the first is where it sends to. */
	struct {
		const char *name;
		size_t place;
	} needs[CHANNEL_NEEDS_MAX];
	/* Fills what is the channel's own: subject, body, to. Address, key and secret are there already. */
	void (*write)(const Notice *notice, OutboundMessage *letter);
} Channel;

extern const Channel channel_webhook, channel_email;

/* NULL: there is no such type. */
const Channel *channel_of_type(const char *type);

/* True when the channel is not set up; lack is the setting or member that is not set ("TOCSIN_WEBHOOK_URL", "url"). */
bool channel_missing_setting(const ChannelPolicy *channel, const NotificationEnvironment *environment,
		   char lack[static CHANNEL_MISSING]);

/* ERROR_INPUT, with what to do: the channel is set up, but nothing could ever be sent to where it sends (egress_url). */
Result channel_allowed(const ChannelPolicy *channel, const NotificationEnvironment *environment, const EgressRules *egress);

/* ERROR_INPUT: the channel is not set up (any more), or the message is too large. Release letter in any case. */
Result outbound_message_write(const Notice *notice, OutboundMessage *letter);
void outbound_message_release(OutboundMessage *letter); /* wipes what may hold secrets */

/*
 * text with every ${NAME} replaced by its setting, appended. false, lack naming it, where one is unset; an empty or
 * absent text lacks `name` itself.
 */
bool setting_resolve(const NotificationEnvironment *environment, const char *text, const char *name, Buffer *out,
		     char lack[static CHANNEL_MISSING]);

#endif
