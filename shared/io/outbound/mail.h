/*
 * A mail message as RFC 5322 text. Pure. Subject and name cannot break out of their headers: ASCII control characters become
 * spaces, and in text that is not UTF-8 each non-ASCII byte becomes a question mark. A name is always written as encoded words (RFC
 * 2047); a subject only if it is not ASCII, contains "=?" or is too long for its line. Encoded words have at most 75 characters,
 * never split a character, and stand on lines of at most 76 characters.
 */
#ifndef TOCSIN_IO_OUTBOUND_MAIL_H
#define TOCSIN_IO_OUTBOUND_MAIL_H

#include "shared/base/instant.h"
#include "shared/base/text.h"

enum { MAIL_HEADER_TEXT = 512, MAIL_ADDRESS_MAX = 254 };

typedef struct {
	const char *id, *thread, *host; /* Message-ID: <id@host>; References: <thread@host>, omitted if NULL */
	const char *from, *to; /* addresses for which mail_is_address is true */
	const char *to_name; /* or NULL */
	const char *subject;
	const char *language; /* "zh-CN", or NULL */
	Instant date;
	Slice body; /* text, UTF-8 */
} Mail;

/*
 * True for LOCAL@DOMAIN, both not empty, in printable ASCII with one '@', without spaces and without any of <>()[]\,;:", at most
 * MAIL_ADDRESS_MAX bytes: safe in an SMTP command without escaping. False for NULL.
 */
bool mail_is_address(const char *address);

/* Appends header and body; lines end with CRLF. Subject and name are cut to MAIL_HEADER_TEXT bytes. */
void mail_write(const Mail *mail, Buffer *out);

/*
 * Converts an SMTP reply to an OUTCOME_ (outbound/outbound.h): SENT for 2yz, REFUSED for 5yz, otherwise RETRY. Exception: failed
 * logins (530, 534, 535, 538) are RETRY, because the operator can correct the login.
 */
int mail_outcome(unsigned reply);

#endif
