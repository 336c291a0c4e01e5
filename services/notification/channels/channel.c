#include "services/notification/channels/channel.h"

#include <stdio.h>
#include <string.h>

enum { SENDS_TO = 0 }; /* of a type's needs: the first (channel.h) */
enum { ADDRESS_MAX = 8192, SUBJECT_MAX = 8192, BODY_MAX = 1 << 20 };

static const Channel *const channels[] = { &channel_webhook, &channel_email };

const Channel *channel_of_type(const char *type)
{
	for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
		if (type && strcmp(channels[i]->type, type) == 0)
			return channels[i];
	return NULL;
}

/* ---- settings in channels.yaml */

static bool lacks_name(char lack[static CHANNEL_MISSING], const char *name)
{
	snprintf(lack, CHANNEL_MISSING, "%s", name);
	return false;
}

/* "${NAME}" at *text: its value, and *text moved behind it. */
static bool reference_resolve(const NotificationEnvironment *environment, const char **text, Buffer *out,
			      char lack[static CHANNEL_MISSING])
{
	const char *begin = *text + 2, *end = strchr(begin, '}');
	char name[CHANNEL_MISSING];
	if (!end || !text_copy((Slice){ begin, (size_t)(end - begin) }, name, sizeof(name)))
		return lacks_name(lack, *text);
	const char *value = environment->setting(environment->context, name);
	if (!value || !value[0])
		return lacks_name(lack, name);
	buffer_text(out, value);
	*text = end + 1;
	return true;
}

bool setting_resolve(const NotificationEnvironment *environment, const char *text, const char *name, Buffer *out,
		     char lack[static CHANNEL_MISSING])
{
	if (!text || !text[0])
		return lacks_name(lack, name);
	while (*text) {
		const char *reference = strstr(text, "${");
		size_t plain = reference ? (size_t)(reference - text) : strlen(text);
		buffer_append(out, (Slice){ text, plain });
		text += plain;
		if (reference && !reference_resolve(environment, &text, out, lack))
			return false;
	}
	return out->overflowed ? lacks_name(lack, name) : true;
}

static void buffer_wipe(Buffer *buffer)
{
	if (buffer->capacity > 0)
		explicit_bzero(buffer->data, buffer->capacity);
	buffer_release(buffer);
}

static bool need_resolve(const Channel *type, size_t need, const ChannelPolicy *channel,
			 const NotificationEnvironment *environment, Buffer *out, char lack[static CHANNEL_MISSING])
{
	const char *text = *(const char *const *)((const char *)channel + type->needs[need].place);
	return setting_resolve(environment, text, type->needs[need].name, out, lack);
}

bool channel_missing_setting(const ChannelPolicy *channel, const NotificationEnvironment *environment,
		   char lack[static CHANNEL_MISSING])
{
	const Channel *type = channel_of_type(channel->type);
	bool whole = type || lacks_name(lack, "type");
	for (size_t i = 0; whole && i < CHANNEL_NEEDS_MAX && type->needs[i].name; i++) {
		Buffer value;
		buffer_init(&value, ADDRESS_MAX);
		whole = need_resolve(type, i, channel, environment, &value, lack);
		buffer_wipe(&value);
	}
	return !whole;
}

Result channel_allowed(const ChannelPolicy *channel, const NotificationEnvironment *environment, const EgressRules *egress)
{
	const Channel *type = channel_of_type(channel->type);
	char lack[CHANNEL_MISSING];
	Result result = result_ok();
	Buffer url;
	if (!type || type->kind != OUTBOUND_WEBHOOK)
		return result;
	buffer_init(&url, ADDRESS_MAX);
	if (need_resolve(type, SENDS_TO, channel, environment, &url, lack))
		result = egress_url(egress, url.data);
	buffer_wipe(&url);
	return result;
}

/* ---- letters */

static Result addresses_write(const Notice *notice, const Channel *type, OutboundMessage *letter)
{
	char lack[CHANNEL_MISSING];
	Buffer *const places[CHANNEL_NEEDS_MAX] = { &letter->url, &letter->from };
	for (size_t i = 0; i < CHANNEL_NEEDS_MAX && type->needs[i].name; i++)
		if (!need_resolve(type, i, notice->channel, notice->environment, places[i], lack))
			return result_fail(ERROR_INPUT, "%s is not set", lack);
	/* A pack may name a secret that a site does not use: then its webhooks are unsigned. */
	if (!setting_resolve(notice->environment, notice->channel->secret, "secret", &letter->secret, lack))
		buffer_clear(&letter->secret);
	return result_ok();
}

Result outbound_message_write(const Notice *notice, OutboundMessage *letter)
{
	const Channel *type = channel_of_type(notice->channel->type);
	*letter = (OutboundMessage){ .message = { .key = notice->key, .attempt = (int)notice->attempt } };
	buffer_init(&letter->url, ADDRESS_MAX);
	buffer_init(&letter->secret, ADDRESS_MAX);
	buffer_init(&letter->from, ADDRESS_MAX);
	buffer_init(&letter->subject, SUBJECT_MAX);
	buffer_init(&letter->body, BODY_MAX);
	if (!type)
		return result_fail(ERROR_INPUT, "there is no channel of type %s", notice->channel->type);
	TRY(addresses_write(notice, type, letter));
	letter->message.kind = type->kind;
	letter->message.url = letter->url.data;
	letter->message.secret = letter->secret.size > 0 ? letter->secret.data : NULL;
	type->write(notice, letter);
	if (letter->subject.overflowed || letter->body.overflowed)
		return result_fail(ERROR_INPUT, "the message is too large");
	letter->message.body = buffer_slice(&letter->body);
	return result_ok();
}

void outbound_message_release(OutboundMessage *letter)
{
	buffer_wipe(&letter->url);
	buffer_wipe(&letter->secret);
	buffer_release(&letter->from);
	buffer_release(&letter->subject);
	buffer_release(&letter->body);
}
