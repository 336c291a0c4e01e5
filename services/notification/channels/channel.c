#include "services/notification/channels/channel.h"

#include <stdio.h>
#include <string.h>

enum { NEED_ADDRESS = 0 }; /* index of the address in Channel.needs */
enum { ADDRESS_MAX = 8192, SUBJECT_MAX = 8192, BODY_MAX = 1 << 20 };

static const Channel *const channels[] = { &channel_webhook, &channel_email };

const Channel *channel_of_type(const char *type)
{
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		if (type && strcmp(channels[i]->type, type) == 0)
			return channels[i];
	return NULL;
}

/* ---- members that notices may show */

static const Field *row_of(const FieldTable *table, Slice name)
{
	for (size_t i = 0; table && i < table->count; i++)
		if (slice_is(name, table->fields[i].name))
			return &table->fields[i];
	return NULL;
}

bool notice_shows(const FieldTable *table, const char *pointer)
{
	while (*pointer == '/') {
		size_t size = strcspn(++pointer, "/");
		const Field *row = row_of(table, (Slice){ pointer, size });
		if (!row || (row->flags & (FIELD_IN_NOTICE | FIELD_RESTRICTED)) != FIELD_IN_NOTICE)
			return false;
		table = row->type == FIELD_OBJECT ? row->table : NULL;
		pointer += size;
	}
	return *pointer == '\0';
}

static bool has_restricted(const FieldTable *table)
{
	for (size_t i = 0; i < table->count; i++) {
		const Field *row = &table->fields[i];
		if ((row->flags & FIELD_RESTRICTED) || (row->type == FIELD_OBJECT && has_restricted(row->table)))
			return true;
	}
	return false;
}

json_t *notice_document(const FieldTable *table, json_t *document)
{
	if (!json_is_object(document) || !has_restricted(table))
		return json_incref(document);
	json_t *shown = json_copy(document);
	must(shown != NULL);
	for (size_t i = 0; i < table->count; i++) {
		const Field *row = &table->fields[i];
		json_t *value = json_object_get(shown, row->name);
		if (row->flags & FIELD_RESTRICTED)
			json_object_del(shown, row->name);
		else if (value && row->type == FIELD_OBJECT)
			must(json_object_set_new(shown, row->name, notice_document(row->table, value)) == 0);
	}
	return shown;
}

/* ---- settings in channels.yaml */

static bool missing_name(char missing[static CHANNEL_MISSING], const char *name)
{
	snprintf(missing, CHANNEL_MISSING, "%s", name);
	return false;
}

/* *text points to "${NAME}": appends the value and moves *text after it. */
static bool reference_resolve(const NotificationEnvironment *environment, const char **text, Buffer *out,
			      char missing[static CHANNEL_MISSING])
{
	const char *begin = *text + 2, *end = strchr(begin, '}');
	char name[CHANNEL_MISSING];
	if (!end || !text_copy((Slice){ begin, (size_t)(end - begin) }, name, sizeof(name)))
		return missing_name(missing, *text);
	const char *value = environment->setting(environment->context, name);
	if (!value || !value[0])
		return missing_name(missing, name);
	buffer_text(out, value);
	*text = end + 1;
	return true;
}

bool setting_resolve(const NotificationEnvironment *environment, const char *text, const char *name, Buffer *out,
		     char missing[static CHANNEL_MISSING])
{
	if (!text || !text[0])
		return missing_name(missing, name);
	while (*text) {
		const char *reference = strstr(text, "${");
		size_t plain = reference ? (size_t)(reference - text) : strlen(text);
		buffer_append(out, (Slice){ text, plain });
		text += plain;
		if (reference && !reference_resolve(environment, &text, out, missing))
			return false;
	}
	return out->overflowed ? missing_name(missing, name) : true;
}

static void buffer_wipe(Buffer *buffer)
{
	if (buffer->capacity > 0)
		explicit_bzero(buffer->data, buffer->capacity);
	buffer_release(buffer);
}

static bool need_resolve(const Channel *type, size_t need, const ChannelPolicy *channel,
			 const NotificationEnvironment *environment, Buffer *out, char missing[static CHANNEL_MISSING])
{
	const char *text = *(const char *const *)((const char *)channel + type->needs[need].offset);
	return setting_resolve(environment, text, type->needs[need].name, out, missing);
}

bool channel_missing_setting(const ChannelPolicy *channel, const NotificationEnvironment *environment,
		   char missing[static CHANNEL_MISSING])
{
	const Channel *type = channel_of_type(channel->type);
	bool complete = type || missing_name(missing, "type");
	for (size_t i = 0; complete && i < CHANNEL_NEEDS_MAX && type->needs[i].name; i++) {
		Buffer value;
		buffer_init(&value, ADDRESS_MAX);
		complete = need_resolve(type, i, channel, environment, &value, missing);
		buffer_wipe(&value);
	}
	return !complete;
}

Result channel_allowed(const ChannelPolicy *channel, const NotificationEnvironment *environment, const EgressRules *egress)
{
	const Channel *type = channel_of_type(channel->type);
	char missing[CHANNEL_MISSING];
	Result result = result_ok();
	Buffer url;
	if (!type || type->kind != OUTBOUND_WEBHOOK)
		return result;
	buffer_init(&url, ADDRESS_MAX);
	if (need_resolve(type, NEED_ADDRESS, channel, environment, &url, missing))
		result = egress_url(egress, url.data);
	buffer_wipe(&url);
	return result;
}

/* ---- messages */

static Result addresses_write(const Notice *notice, const Channel *type, OutboundMessage *out)
{
	char missing[CHANNEL_MISSING];
	Buffer *const values[CHANNEL_NEEDS_MAX] = { &out->url, &out->from };
	for (size_t i = 0; i < CHANNEL_NEEDS_MAX && type->needs[i].name; i++)
		if (!need_resolve(type, i, notice->channel, notice->environment, values[i], missing))
			return result_fail(ERROR_INPUT, "%s is not set", missing);
	/* If the pack refers to a secret that is not set, the webhook is sent unsigned. */
	if (!setting_resolve(notice->environment, notice->channel->secret, "secret", &out->secret, missing))
		buffer_clear(&out->secret);
	return result_ok();
}

Result outbound_message_write(const Notice *notice, OutboundMessage *out)
{
	const Channel *type = channel_of_type(notice->channel->type);
	*out = (OutboundMessage){ .message = { .key = notice->key, .attempt = (int)notice->attempt } };
	buffer_init(&out->url, ADDRESS_MAX);
	buffer_init(&out->secret, ADDRESS_MAX);
	buffer_init(&out->from, ADDRESS_MAX);
	buffer_init(&out->subject, SUBJECT_MAX);
	buffer_init(&out->body, BODY_MAX);
	if (!type)
		return result_fail(ERROR_INPUT, "channels.yaml: %s is not a type of channel: set type to webhook or email", notice->channel->type);
	TRY(addresses_write(notice, type, out));
	out->message.kind = type->kind;
	out->message.url = out->url.data;
	out->message.secret = out->secret.size > 0 ? out->secret.data : NULL;
	type->write(notice, out);
	if (out->subject.overflowed || out->body.overflowed)
		return result_fail(ERROR_INPUT, "the message is too large: subject %d, body %d bytes at most", SUBJECT_MAX, BODY_MAX);
	out->message.body = buffer_slice(&out->body);
	return result_ok();
}

void outbound_message_release(OutboundMessage *message)
{
	buffer_wipe(&message->url);
	buffer_wipe(&message->secret);
	buffer_release(&message->from);
	buffer_release(&message->subject);
	buffer_release(&message->body);
}
