/*
 * Channels: convert a notice into a message to be sent. A type of channel is one struct Channel. A new type needs a file, a row
 * in channel.c, and its word and members in shared/domain (CONTRIBUTING, "Where is it?").
 * This code does not send or wait, and it reads settings through NotificationEnvironment, so that tests can supply them.
 */
#ifndef TOCSIN_NOTIFICATION_CHANNELS_CHANNEL_H
#define TOCSIN_NOTIFICATION_CHANNELS_CHANNEL_H

#include "services/notification/notification.h"
#include "shared/io/outbound/egress.h"

enum { CHANNEL_MISSING = 64, CHANNEL_NEEDS_MAX = 2 }; /* CHANNEL_MISSING: bytes of a setting's name */

/* A notice to one recipient; all members are borrowed. */
typedef struct {
	const Policy *policy;
	const ChannelPolicy *channel;
	const NotificationEnvironment *environment;
	json_t *incident; /* the current document */
	const char *key, *recipient; /* key: "msg_…"; recipient: "person:li" */
	const char *address, *language; /* of a recipient that is a person; else NULL */
	int64_t escalation_level, attempt; /* attempt: number of this attempt, from 1 */
	Instant reached_at; /* time at which the level was reached */
} Notice;

/* An outbound request, and the buffers that it borrows. */
typedef struct {
	OutboundRequest message;
	Buffer url, secret, from, subject, body;
} OutboundMessage;

typedef struct {
	const char *type; /* in channels.yaml */
	OutboundKind kind;
	/* Members of ChannelPolicy that the channel requires; the first is its address. */
	struct {
		const char *name;
		size_t offset; /* in ChannelPolicy */
	} needs[CHANNEL_NEEDS_MAX];
	/* Fills the body and, for mail, subject, sender and recipient. Url, secret and key are already set. */
	void (*write)(const Notice *notice, OutboundMessage *out);
} Channel;

/*
 * The members of the incident that notices may show. People read those whose rows have FIELD_IN_NOTICE; programs get the whole
 * document; neither gets rows with FIELD_RESTRICTED.
 */

/* True when each row that the pointer names ("/assignee/team": two rows) has FIELD_IN_NOTICE and not FIELD_RESTRICTED. */
bool notice_shows(const FieldTable *table, const char *pointer);

/* The document without the members of rows with FIELD_RESTRICTED: a new reference, to document itself if no row has the flag. */
json_t *notice_document(const FieldTable *table, json_t *document);

/* The body of a webhook. */
typedef struct {
	json_t *incident;
	int64_t escalation_level;
	const char *recipient;
} WebhookData;

typedef struct {
	int type; /* 0: incident.opened, 1: incident.escalated */
	Instant timestamp;
	WebhookData data;
} WebhookBody;
extern const FieldTable webhook_table;

extern const Channel channel_webhook, channel_email;

/* NULL: unknown type. */
const Channel *channel_of_type(const char *type);

/*
 * True when the channel cannot be used. missing then names the setting that is not set ("TOCSIN_WEBHOOK_URL"), the member that is
 * absent or too long ("url"), or "type" if the type is unknown.
 */
bool channel_missing_setting(const ChannelPolicy *channel, const NotificationEnvironment *environment,
		   char missing[static CHANNEL_MISSING]);

/* ERROR_INPUT with the remedy: the egress rules forbid the URL of a webhook (egress_url). OK if it is not set, and for mail. */
Result channel_allowed(const ChannelPolicy *channel, const NotificationEnvironment *environment, const EgressRules *egress);

/* ERROR_INPUT: a setting is missing, the type is unknown, or the message is too large. Always call outbound_message_release. */
Result outbound_message_write(const Notice *notice, OutboundMessage *out);
void outbound_message_release(OutboundMessage *message); /* wipes url and secret */

/*
 * Appends text with every ${NAME} replaced by the value of that setting. False in three cases: a setting is unset or empty, and
 * missing is its name; text is NULL, empty or too long, and missing is `name`; a ${ is malformed, and missing is text from there.
 */
bool setting_resolve(const NotificationEnvironment *environment, const char *text, const char *name, Buffer *out,
		     char missing[static CHANNEL_MISSING]);

#endif
