/*
 * A mail message as RFC 5322 text. Pure. Whatever a subject or a name holds, it stays inside its header: control
 * characters become spaces, and what is not plain ASCII goes into encoded words (RFC 2047) of at most 75 characters, cut
 * between characters, on lines of at most 76.
 */
#ifndef TOCSIN_IO_OUTBOUND_MAIL_H
#define TOCSIN_IO_OUTBOUND_MAIL_H

#include "shared/base/instant.h"
#include "shared/base/text.h"

enum { MAIL_HEADER_TEXT = 512, MAIL_ADDRESS_MAX = 254 };

typedef struct {
	const char *id, *thread, *host; /* Message-ID: <id@host>; thread, or NULL, for References: <thread@host> */
	const char *from, *to; /* addresses that mail_is_address takes */
	const char *to_name; /* or NULL */
	const char *subject;
	const char *language; /* "zh-CN", or NULL */
	Instant date;
	Slice body; /* text, UTF-8 */
} Mail;

/*
 * True for LOCAL@DOMAIN in printable ASCII without spaces, quotes, brackets or control characters, at most
 * MAIL_ADDRESS_MAX bytes: what may stand in an SMTP command as it is.
 */
bool mail_is_address(const char *address);

/* Header and body appended, lines ended by CRLF. Texts of headers longer than MAIL_HEADER_TEXT bytes are cut. */
void mail_write(const Mail *mail, Buffer *out);

/*
 * What an SMTP reply means, an OUTCOME_ of outbound/outbound.h: 4yz will pass, 5yz is a refusal, except that of a login, which those
 * who run the server mend.
 */
int mail_outcome(unsigned reply);

#endif
