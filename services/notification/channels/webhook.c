/* Webhooks: {type, timestamp, data: {incident, escalation_level, recipient}}; `shared/io/outbound` signs them (Standard Webhooks). */
#include "services/notification/channels/channel.h"

#include "shared/domain/documents.h"
#include "shared/domain/rows.h"

static const char *const type_words[] = { "incident.opened", "incident.escalated", NULL };

static const Field data_fields[] = {
	ROW_FREE(WebhookData, incident, FIELD_REQUIRED, "The whole incident at the time of sending", .table = &incident_table),
	ROW_INTEGER(WebhookData, escalation_level, FIELD_REQUIRED, 1, INT64_MAX, "The level that was reached"),
	ROW_TEXT(WebhookData, recipient, FIELD_REQUIRED | FIELD_PERSONAL, 0, "channel: followed by the channel's id"),
};
static const FieldTable data_table = FIELD_TABLE("webhook-data", data_fields, WebhookData);

static const Field body_fields[] = {
	ROW_CHOICE(WebhookBody, type, FIELD_REQUIRED, type_words, "incident.opened at level 1, else incident.escalated"),
	ROW_TIME(WebhookBody, timestamp, FIELD_REQUIRED,
		 "Time at which the level was reached; the same on every attempt"),
	ROW_OBJECT(WebhookBody, data, FIELD_REQUIRED, &data_table, "The incident, the level and the recipient"),
};
const FieldTable webhook_table =
	FIELD_DOCUMENT("webhook", body_fields, WebhookBody, TABLE_ANSWER, "Webhook",
		       "Body of the requests that Tocsin sends to a webhook channel, with Standard Webhooks headers.");

static void webhook_write(const Notice *notice, OutboundMessage *out)
{
	json_t *incident JSON_AUTO = notice_document(&incident_table, notice->incident);
	WebhookBody body = { .type = notice->escalation_level > 1,
			     .timestamp = notice->reached_at,
			     .data = { .incident = incident,
				       .escalation_level = notice->escalation_level,
				       .recipient = notice->recipient } };
	json_t *tree JSON_AUTO = json_encode(&webhook_table, &body);
	json_write(tree, &out->body);
}

const Channel channel_webhook = {
	.type = "webhook",
	.kind = OUTBOUND_WEBHOOK,
	.needs = { { "url", offsetof(ChannelPolicy, url) } },
	.write = webhook_write,
};
