/* Mail: one for each person and level, in the person's language, with the texts mail.* of the policy pack. */
#include "services/notification/channels/channel.h"

#include "services/notification/core/level.h"
#include "shared/domain/documents.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* NULL: the incident lacks the member, or the member's row does not permit notices to show it. */
static const char *notice_text(const Notice *notice, const char *pointer)
{
	return notice_shows(&incident_table, pointer) ? json_string_value(json_at(notice->incident, pointer)) : NULL;
}

static const char *text_or(const char *text, const char *otherwise)
{
	return text && text[0] ? text : otherwise;
}

/* Ranges of UTF-8 characters, ordered by bytes, that end a line, or change the direction of its text and so disguise the text. */
static const struct {
	const char *first, *last;
} controls[] = {
	{ "\x01", "\x1f" },
	{ "\x7f", "\x7f" },
	{ "\xc2\x80", "\xc2\x9f" },
	{ "\xd8\x9c", "\xd8\x9c" }, /* Arabic letter mark */
	{ "\xe2\x80\x8e", "\xe2\x80\x8f" }, /* left-to-right and right-to-left marks */
	/* NOLINTBEGIN(misc-misleading-bidirectional): escapes are not misleading */
	{ "\xe2\x80\xa8", "\xe2\x80\xae" }, /* line and paragraph separators, embeddings, overrides */
	{ "\xe2\x81\xa6", "\xe2\x81\xa9" }, /* isolates */
	/* NOLINTEND(misc-misleading-bidirectional) */
};

/* The size in bytes of the control character at the beginning of text; 0: there is no control character. */
static size_t control_size(const char *text)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		size_t size = strlen(controls[i].first);
		if (strncmp(text, controls[i].first, size) >= 0 && strncmp(text, controls[i].last, size) <= 0)
			return size;
	}
	return 0;
}

/* Appends text with spaces for control characters, so that a title cannot forge a header or a line of the mail. */
static void line_append(Buffer *out, const char *text)
{
	while (*text) {
		size_t control = control_size(text);
		buffer_byte(out, control > 0 ? ' ' : *text);
		text += control > 0 ? control : 1;
	}
}

static void subject_write(const Notice *notice, Buffer *out)
{
	buffer_text(out, "[Tocsin] [");
	line_append(out, text_or(notice_text(notice, "/severity"), "-"));
	buffer_byte(out, '/');
	line_append(out, text_or(notice_text(notice, "/grade"), "-"));
	buffer_text(out, "] ");
	line_append(out, text_or(notice_text(notice, "/number"), "-"));
	buffer_byte(out, ' ');
	line_append(out, text_or(notice_text(notice, "/title"), ""));
}

/* ---- the lines of the text */

static const char *as_it_is(const Notice *notice, const char *value)
{
	(void)notice;
	return value;
}

static const char *category_name(const Notice *notice, const char *value)
{
	return text_or(policy_category_name(notice->policy, value, notice->language), value);
}

/*
 * Each line shows one member of the incident; it is omitted if the incident lacks the member. word: the key of the text for a
 * value is word followed by the value ("mail.severity.high"); NULL: the value itself is shown.
 */
static const struct {
	const char *key, *pointer, *word;
	const char *(*value)(const Notice *notice, const char *value);
} lines[] = {
	{ "mail.line.number", "/number", NULL, as_it_is },
	{ "mail.line.title", "/title", NULL, as_it_is },
	{ "mail.line.kind", "/kind", "mail.kind.", as_it_is },
	{ "mail.line.severity", "/severity", "mail.severity.", as_it_is },
	{ "mail.line.grade", "/grade", NULL, as_it_is },
	{ "mail.line.category", "/category", NULL, category_name },
	{ "mail.line.reason", "/reason", NULL, as_it_is },
	{ "mail.line.asset", "/asset", NULL, as_it_is },
	{ "mail.line.source", "/source", NULL, as_it_is },
	{ "mail.line.opened", "/opened_at", NULL, as_it_is },
	{ "mail.line.team", "/assignee/team", NULL, as_it_is },
};

enum { VALUE_MAX = 32768 };

static void line_write(const Notice *notice, size_t line, Buffer *out)
{
	const char *value = notice_text(notice, lines[line].pointer);
	Buffer word;
	if (!value || !value[0])
		return;
	buffer_init(&word, VALUE_MAX);
	if (lines[line].word) {
		char key[96];
		snprintf(key, sizeof(key), "%s%s", lines[line].word, value);
		policy_words(notice->policy, notice->language, key, &word, NULL);
	} else {
		line_append(&word, lines[line].value(notice, value));
	}
	policy_words(notice->policy, notice->language, lines[line].key, out, "value", word.data, NULL);
	buffer_byte(out, '\n');
	buffer_release(&word);
}

static void sentence_write(const Notice *notice, const char *key, const char *value, Buffer *out)
{
	policy_words(notice->policy, notice->language, key, out, "value", value, NULL);
	buffer_text(out, "\n\n");
}

static void link_write(const Notice *notice, Buffer *out)
{
	const char *url = text_or(notice->environment->public_url, "");
	size_t size = strlen(url);
	while (size > 0 && url[size - 1] == '/')
		size--;
	buffer_append(out, (Slice){ url, size });
	buffer_text(out, "/v1/incidents/");
	buffer_text(out, text_or(notice_text(notice, "/id"), ""));
}

static void text_write(const Notice *notice, Buffer *out)
{
	char level[24];
	Buffer link;
	snprintf(level, sizeof(level), "%" PRId64, notice->escalation_level);
	if (flags_have_drill(json_object_get(notice->incident, "flags")))
		sentence_write(notice, "mail.drill", "", out);
	sentence_write(notice, notice->escalation_level == 1 ? "mail.opened" : "mail.escalated", level, out);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		line_write(notice, i, out);
	buffer_byte(out, '\n');
	buffer_init(&link, VALUE_MAX);
	link_write(notice, &link);
	sentence_write(notice, "mail.link", link.data, out);
	buffer_release(&link);
	policy_words(notice->policy, notice->language, "mail.footer", out, NULL);
	buffer_byte(out, '\n');
}

static const char *person_name(const Notice *notice)
{
	const char *id = strchr(notice->recipient, ':');
	const PersonPolicy *person = id ? policy_person(notice->policy, id + 1) : NULL;
	return person ? person->name : NULL;
}

static void email_write(const Notice *notice, OutboundMessage *out)
{
	Notice own = *notice;
	own.language = text_or(notice->language, policy_languages(notice->policy)[0]);
	subject_write(&own, &out->subject);
	text_write(&own, &out->body);
	out->message.from = out->from.data;
	out->message.to = own.address;
	out->message.to_name = person_name(&own);
	out->message.subject = out->subject.data;
	out->message.language = own.language;
	out->message.thread = notice_text(&own, "/id");
}

const Channel channel_email = {
	.type = "email",
	.kind = OUTBOUND_MAIL,
	.needs = { { "server", offsetof(ChannelPolicy, server) }, { "from", offsetof(ChannelPolicy, from) } },
	.write = email_write,
};
