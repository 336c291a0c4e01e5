#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/hash.h"
#include "shared/io/outbound/mail.h"
#include "shared/io/outbound/outbound.h"

#include <stdio.h>
#include <string.h>

static const Mail plain = {
	.id = "msg_0123456789abcdefghjkmnpqrs",
	.thread = "inc_0123456789abcdefghjkmnpqrs",
	.host = "tocsin.example",
	.from = "tocsin@tocsin.example",
	.to = "li@soc.example",
	.subject = "Web shell on web1",
	.language = "en",
	.date = 1795421730000,
	.body = { "Hello\n", 6 },
};

static Buffer written(const Mail *mail)
{
	Buffer out;

	buffer_init(&out, 1 << 20);
	mail_write(mail, &out);
	assert_false(out.overflowed);
	return out;
}

/* Writes the value of a header to `out`, unfolded and decoded. Asserts that no encoded word of the value is too long. */
static void header_read(const Buffer *mail, const char *name, Buffer *out)
{
	char start[64];
	buffer_init(out, 65536);
	snprintf(start, sizeof(start), "\r\n%s: ", name);
	const char *at = strstr(mail->data, start);

	assert_non_null(at);
	at += strlen(start);
	while (*at != '\r' || at[2] == ' ') {
		size_t word = strncmp(at, "=?UTF-8?B?", 10) == 0 ? strcspn(at + 10, "?") : 0;
		if (*at == '\r') {
			at += 3;
		} else if (word > 0) {
			size_t before = out->size;
			assert_true(word + 12 <= 75);
			assert_true(base64_decode((Slice){ at + 10, word }, out));
			assert_true(text_is_utf8((Slice){ out->data + before, out->size - before }));
			at += 10 + word + 2;
		} else {
			buffer_byte(out, *at++);
		}
	}
}

static void assert_lines_are_short(const Buffer *mail)
{
	const char *line = mail->data;

	while (*line != '\0') {
		const char *end = strstr(line, "\r\n");
		assert_non_null(end);
		assert_true(end - line <= 78);
		assert_null(memchr(line, '\n', (size_t)(end - line)));
		assert_null(memchr(line, '\r', (size_t)(end - line)));
		line = end + 2;
	}
}

static void a_plain_message_is_written_whole(void **state)
{
	Buffer out = written(&plain);

	(void)state;
	assert_string_equal(out.data, "Date: Mon, 23 Nov 2026 08:15:30 +0000\r\n"
				      "From: <tocsin@tocsin.example>\r\n"
				      "To: <li@soc.example>\r\n"
				      "Subject: Web shell on web1\r\n"
				      "Message-ID: <msg_0123456789abcdefghjkmnpqrs@tocsin.example>\r\n"
				      "References: <inc_0123456789abcdefghjkmnpqrs@tocsin.example>\r\n"
				      "Auto-Submitted: auto-generated\r\n"
				      "Content-Language: en\r\n"
				      "MIME-Version: 1.0\r\n"
				      "Content-Type: text/plain; charset=utf-8\r\n"
				      "Content-Transfer-Encoding: base64\r\n"
				      "\r\n"
				      "SGVsbG8K\r\n");
	buffer_release(&out);
}

static void missing_values_are_omitted(void **state)
{
	Mail mail = plain;
	mail.thread = mail.language = NULL;
	Buffer out = written(&mail);

	(void)state;
	assert_null(strstr(out.data, "References"));
	assert_null(strstr(out.data, "Content-Language"));
	buffer_release(&out);
}

/* Tries all lengths, so that encoded words have to be split at every byte of a multi-byte character. */
static void texts_in_any_script_are_decoded_unchanged(void **state)
{
	static const char *const pieces[] = { "严重", "é", "\xf0\x9f\x94\xa5", "a", "告警 x" };
	char subject[MAIL_HEADER_TEXT];
	Mail mail = plain;

	(void)state;
	for (size_t round = 0; round < 5; round++) {
		subject[0] = '\0';
		for (size_t i = round; strlen(subject) + 10 < sizeof(subject); i++) {
			strcat(subject, pieces[(i * i + round) % 5]);
			mail.subject = mail.to_name = subject;
			Buffer out = written(&mail), read;
			assert_lines_are_short(&out);
			header_read(&out, "Subject", &read);
			assert_string_equal(read.data, subject);
			buffer_release(&read);
			header_read(&out, "To", &read);
			assert_memory_equal(read.data, subject, strlen(subject));
			assert_string_equal(read.data + strlen(subject), "<li@soc.example>");
			buffer_release(&read);
			buffer_release(&out);
		}
	}
}

static void a_long_plain_subject_is_folded(void **state)
{
	char subject[301];
	Mail mail = plain;

	(void)state;
	memset(subject, 'x', 300);
	subject[300] = '\0';
	mail.subject = subject;
	Buffer out = written(&mail), read;
	assert_lines_are_short(&out);
	header_read(&out, "Subject", &read);
	assert_string_equal(read.data, subject);
	buffer_release(&read);
	buffer_release(&out);
}

static void a_subject_cannot_end_its_header(void **state)
{
	Mail mail = plain;
	mail.subject = "a\r\nBcc: eve@evil.example\r\n\r\nbody";
	mail.to_name = "b\nX-Evil: 1";
	mail.thread = "inc_1>\r\nX-Evil: 1";
	mail.language = "en\r\nX-Evil: 1";
	Buffer out = written(&mail);

	(void)state;
	assert_null(strstr(out.data, "\nBcc"));
	assert_null(strstr(out.data, "\nX-Evil"));
	assert_non_null(strstr(out.data, "Subject: a  Bcc: eve@evil.example    body\r\n"));
	assert_lines_are_short(&out);
	buffer_release(&out);
}

static void a_text_like_an_encoded_word_is_encoded(void **state)
{
	Mail mail = plain;
	mail.subject = "=?UTF-8?B?ZXZpbA==?=";
	Buffer out = written(&mail), read;

	(void)state;
	assert_null(strstr(out.data, "ZXZpbA==?="));
	header_read(&out, "Subject", &read);
	assert_string_equal(read.data, mail.subject);
	buffer_release(&read);
	buffer_release(&out);
}

static void invalid_utf8_becomes_question_marks(void **state)
{
	Mail mail = plain;
	mail.subject = "a\xff\xc3";
	Buffer out = written(&mail);

	(void)state;
	assert_non_null(strstr(out.data, "Subject: a??\r\n"));
	buffer_release(&out);
}

static void a_long_text_is_cut_between_characters(void **state)
{
	char subject[MAIL_HEADER_TEXT * 2];
	Mail mail = plain;

	(void)state;
	subject[0] = 'x';
	for (size_t i = 1; i + 3 < sizeof(subject); i += 3)
		memcpy(subject + i, "严", 4);
	mail.subject = subject;
	Buffer out = written(&mail), read;
	header_read(&out, "Subject", &read);
	assert_true(read.size > MAIL_HEADER_TEXT - 4 && read.size <= MAIL_HEADER_TEXT);
	assert_memory_equal(read.data, subject, read.size);
	buffer_release(&read);
	buffer_release(&out);
}

static void a_body_of_any_length_is_decoded_unchanged(void **state)
{
	char body[300];
	Mail mail = plain;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char)('a' + i % 26);
	for (size_t size = 0; size <= sizeof(body); size++) {
		Buffer read;
		mail.body = (Slice){ body, size };
		Buffer out = written(&mail);
		buffer_init(&read, sizeof(body));
		assert_lines_are_short(&out);
		for (const char *line = strstr(out.data, "\r\n\r\n") + 4; *line != '\0';
		     line = strstr(line, "\r\n") + 2)
			assert_true(base64_decode((Slice){ line, strcspn(line, "\r") }, &read));
		assert_true(slice_equals(buffer_slice(&read), mail.body));
		buffer_release(&read);
		buffer_release(&out);
	}
}

static void addresses_that_could_inject_are_refused(void **state)
{
	static const char *const bad[] = {
		"",       "li",    "@a",      "li@",      "li@a@b",      "li @a", "li@a\r\nRCPT TO:<x@y>",
		"<li@a>", "li@a>", "\"l\"@a", "li@a,b@c", "l\xc3\xa9@a", "li@a;", "li@[1.2.3.4]",
		NULL
	};
	char longest[MAIL_ADDRESS_MAX + 2];

	(void)state;
	assert_true(mail_is_address("li@soc.example"));
	assert_true(mail_is_address("first.last+tag@sub.soc.example"));
	for (size_t i = 0; bad[i]; i++)
		if (mail_is_address(bad[i]))
			fail_msg("'%s' was accepted", bad[i]);
	assert_false(mail_is_address(NULL));
	memset(longest, 'a', sizeof(longest));
	longest[1] = '@';
	longest[MAIL_ADDRESS_MAX] = '\0';
	assert_true(mail_is_address(longest));
	longest[MAIL_ADDRESS_MAX] = 'a';
	longest[MAIL_ADDRESS_MAX + 1] = '\0';
	assert_false(mail_is_address(longest));
}

static void replies_map_to_outcomes(void **state)
{
	(void)state;
	assert_int_equal(mail_outcome(250), OUTCOME_SENT);
	assert_int_equal(mail_outcome(354), OUTCOME_RETRY);
	assert_int_equal(mail_outcome(421), OUTCOME_RETRY);
	assert_int_equal(mail_outcome(451), OUTCOME_RETRY);
	assert_int_equal(mail_outcome(535), OUTCOME_RETRY);
	assert_int_equal(mail_outcome(550), OUTCOME_REFUSED);
	assert_int_equal(mail_outcome(554), OUTCOME_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_message_is_written_whole),
		cmocka_unit_test(missing_values_are_omitted),
		cmocka_unit_test(texts_in_any_script_are_decoded_unchanged),
		cmocka_unit_test(a_long_plain_subject_is_folded),
		cmocka_unit_test(a_subject_cannot_end_its_header),
		cmocka_unit_test(a_text_like_an_encoded_word_is_encoded),
		cmocka_unit_test(invalid_utf8_becomes_question_marks),
		cmocka_unit_test(a_long_text_is_cut_between_characters),
		cmocka_unit_test(a_body_of_any_length_is_decoded_unchanged),
		cmocka_unit_test(addresses_that_could_inject_are_refused),
		cmocka_unit_test(replies_map_to_outcomes),
	};
	return cmocka_run_group_tests_name("mail", tests, NULL, NULL);
}
