#include "shared/io/outbound/mail.h"

#include "shared/base/hash.h"
#include "shared/io/outbound/outbound.h"

#include <stdio.h>
#include <string.h>

enum {
	LINE_MAX_SIZE = 76, /* bytes of a header line with encoded words, and of a base64 line */
	BASE64_LINE = LINE_MAX_SIZE / 4 * 3,
	WORD_FRAME = 12, /* "=?UTF-8?B?" and "?=" */
	WORD_MAX = 75,
};

/* ---- texts in headers -------------------------------------------------------------------------------------------- */

/* Number of bytes of the UTF-8 character that begins with this byte. */
static size_t character_size(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xe0)
		return 2;
	return first < 0xf0 ? 3 : 4;
}

/* Size of the longest prefix that has at most max bytes and consists of whole characters; the text must be UTF-8. */
static size_t whole_characters(Slice text, size_t max)
{
	size_t size = 0;

	while (size < text.size) {
		size_t next = size + character_size((unsigned char)text.data[size]);
		if (next > max || next > text.size)
			break;
		size = next;
	}
	return size;
}

/* Copies the text for a header: without control characters, valid UTF-8, at most MAIL_HEADER_TEXT bytes. */
static Slice text_clean(const char *text, char out[static MAIL_HEADER_TEXT])
{
	Slice given = slice_of(text);
	bool utf8 = text_is_utf8(given);
	size_t size = given.size < MAIL_HEADER_TEXT ? given.size : MAIL_HEADER_TEXT;

	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)given.data[i];
		out[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
		if (c >= 0x80 && !utf8)
			out[i] = '?';
	}
	return (Slice){ out, utf8 ? whole_characters((Slice){ out, size }, size) : size };
}

static bool text_is_plain(Slice text)
{
	for (size_t i = 0; i < text.size; i++)
		if ((unsigned char)text.data[i] >= 0x80 ||
		    (text.data[i] == '=' && i + 1 < text.size && text.data[i + 1] == '?'))
			return false;
	return true;
}

/* Appends the text as encoded words; the first begins at the given column of its line. */
static void words_append(Buffer *out, Slice text, size_t column)
{
	while (text.size > 0) {
		size_t room = LINE_MAX_SIZE - column < WORD_MAX ? LINE_MAX_SIZE - column : WORD_MAX;
		size_t size = whole_characters(text, (room - WORD_FRAME) / 4 * 3);
		buffer_text(out, "=?UTF-8?B?");
		base64_append(out, (Slice){ text.data, size });
		buffer_text(out, "?=");
		text = (Slice){ text.data + size, text.size - size };
		if (text.size > 0)
			buffer_text(out, "\r\n ");
		column = 1;
	}
}

static void subject_append(Buffer *out, const char *subject)
{
	char copy[MAIL_HEADER_TEXT];
	Slice text = text_clean(subject, copy);
	static const Slice name = SLICE("Subject: ");

	buffer_append(out, name);
	if (text_is_plain(text) && name.size + text.size <= LINE_MAX_SIZE)
		buffer_append(out, text);
	else
		words_append(out, text, name.size);
	buffer_text(out, "\r\n");
}

/* A name is always written as encoded words, which need no escaping of the special characters of mail. */
static void to_append(Buffer *out, const char *to_name, const char *to)
{
	char copy[MAIL_HEADER_TEXT];
	Slice name = text_clean(to_name, copy);

	buffer_text(out, "To: ");
	if (name.size > 0) {
		words_append(out, name, strlen("To: "));
		buffer_text(out, "\r\n ");
	}
	buffer_format(out, "<%s>\r\n", to);
}

/* Appends a language, or one side of a message id's @. All characters except letters, digits and . _ - become hyphens. */
static void id_part_append(Buffer *out, const char *text)
{
	for (; *text != '\0'; text++) {
		bool fits = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') ||
			    (*text >= 'A' && *text <= 'Z') || strchr("._-", *text) != NULL;
		buffer_byte(out, fits ? *text : '-');
	}
}

static void id_append(Buffer *out, const char *name, const char *id, const char *host)
{
	buffer_format(out, "%s: <", name);
	id_part_append(out, id);
	buffer_byte(out, '@');
	id_part_append(out, host);
	buffer_text(out, ">\r\n");
}

/* ---- the message ------------------------------------------------------------------------------------------------- */

static void body_append(Buffer *out, Slice body)
{
	for (size_t at = 0; at < body.size; at += BASE64_LINE) {
		size_t size = body.size - at < BASE64_LINE ? body.size - at : BASE64_LINE;
		base64_append(out, (Slice){ body.data + at, size });
		buffer_text(out, "\r\n");
	}
}

void mail_write(const Mail *mail, Buffer *out)
{
	char date[INSTANT_MAIL_TEXT];

	buffer_format(out, "Date: %s\r\n", instant_format_mail(mail->date, date));
	buffer_format(out, "From: <%s>\r\n", mail->from);
	to_append(out, mail->to_name, mail->to);
	subject_append(out, mail->subject);
	id_append(out, "Message-ID", mail->id, mail->host);
	if (mail->thread)
		id_append(out, "References", mail->thread, mail->host);
	buffer_text(out, "Auto-Submitted: auto-generated\r\n");
	if (mail->language) {
		buffer_text(out, "Content-Language: ");
		id_part_append(out, mail->language);
		buffer_text(out, "\r\n");
	}
	buffer_text(out, "MIME-Version: 1.0\r\n"
			 "Content-Type: text/plain; charset=utf-8\r\n"
			 "Content-Transfer-Encoding: base64\r\n"
			 "\r\n");
	body_append(out, mail->body);
}

bool mail_is_address(const char *address)
{
	const char *at = address ? strrchr(address, '@') : NULL;

	if (!at || at == address || at[1] == '\0' || strlen(address) > MAIL_ADDRESS_MAX)
		return false;
	for (const char *c = address; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("<>()[]\\,;:\"", *c) || (*c == '@' && c != at))
			return false;
	return true;
}

int mail_outcome(unsigned reply)
{
	static const unsigned logins[] = { 530, 534, 535, 538 };

	if (reply >= 200 && reply <= 299)
		return OUTCOME_SENT;
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
		if (reply == logins[i])
			return OUTCOME_RETRY;
	return reply >= 500 && reply <= 599 ? OUTCOME_REFUSED : OUTCOME_RETRY;
}
