/* Webhooks: {type, timestamp, data: {incident, escalation_level, recipient}}; `shared/io/outbound` signs them (Standard Webhooks). */
#include "services/notification/channels/channel.h"

#include "shared/domain/documents.h"

typedef struct {
	json_t *incident;
	int64_t escalation_level;
	const char *recipient;
} WebhookData;

typedef struct {
	const char *type;
	Instant timestamp;
	json_t *data;
} WebhookBody;

static const Field data_fields[] = {
	{ .name = "incident",
	  .type = FIELD_FREE,
	  .offset = offsetof(WebhookData, incident),
	  .flags = FIELD_REQUIRED,
	  .sentence = "The whole incident at the time of sending" },
	{ .name = "escalation_level",
	  .type = FIELD_INTEGER,
	  .offset = offsetof(WebhookData, escalation_level),
	  .flags = FIELD_REQUIRED,
	  .min = 1,
	  .max = INT64_MAX,
	  .sentence = "The level that was reached" },
	{ .name = "recipient",
	  .type = FIELD_TEXT,
	  .offset = offsetof(WebhookData, recipient),
	  .flags = FIELD_REQUIRED,
	  .sentence = "channel: followed by the channel's id" },
};
static const FieldTable data_table = FIELD_TABLE("webhook-data", data_fields, WebhookData);

static const Field body_fields[] = {
	{ .name = "type",
	  .type = FIELD_TEXT,
	  .offset = offsetof(WebhookBody, type),
	  .flags = FIELD_REQUIRED,
	  .sentence = "incident.opened at level 1, else incident.escalated" },
	{ .name = "timestamp",
	  .type = FIELD_TIME,
	  .offset = offsetof(WebhookBody, timestamp),
	  .flags = FIELD_REQUIRED,
	  .sentence = "Time at which the level was reached; the same on every attempt" },
	{ .name = "data",
	  .type = FIELD_FREE,
	  .offset = offsetof(WebhookBody, data),
	  .flags = FIELD_REQUIRED,
	  .sentence = "The incident, the level and the recipient" },
};
static const FieldTable body_table = FIELD_TABLE("webhook", body_fields, WebhookBody);

static void webhook_write(const Notice *notice, OutboundMessage *out)
{
	WebhookData data = { .incident = notice->incident,
			     .escalation_level = notice->escalation_level,
			     .recipient = notice->recipient };
	json_t *data_tree JSON_AUTO = json_encode(&data_table, &data);
	WebhookBody body = { .type = notice->escalation_level == 1 ? "incident.opened" : "incident.escalated",
			     .timestamp = notice->reached_at,
			     .data = data_tree };
	json_t *tree JSON_AUTO = json_encode(&body_table, &body);
	json_write(tree, &out->body);
}

const Channel channel_webhook = {
	.type = "webhook",
	.kind = OUTBOUND_WEBHOOK,
	.needs = { { "url", offsetof(ChannelPolicy, url) } },
	.write = webhook_write,
};
