/*
 * Sends to the outside world (webhooks, mail) without anybody waiting for them: a bounded set of workers does the calls
 * and the outcomes are collected by whoever asked. The intent was accepted in a ledger before; the key makes a repeat
 * recognisable at the receiver.
 */
#ifndef TOCSIN_IO_OUTBOUND_OUTBOUND_H
#define TOCSIN_IO_OUTBOUND_OUTBOUND_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

typedef struct Outbound Outbound;

typedef enum { OUTBOUND_WEBHOOK, OUTBOUND_MAIL } OutsideKind;

enum { OUTBOUND_KEY = 64, OUTBOUND_DETAIL = 256 };

/* Borrowed for the call. */
typedef struct {
	OutsideKind kind;
	const char *key;     /* msg_…, the same on every attempt */
	int attempt;         /* from 1 */
	const char *url;     /* webhook: https://… ; mail: smtp://[user:password@]host:port, smtps: */
	const char *secret;  /* webhook: whsec_…, or NULL: unsigned */
	const char *from, *to; /* mail: addresses */
	const char *to_name;   /* mail: display name, UTF-8, or NULL */
	const char *subject;   /* mail: UTF-8 */
	const char *language;  /* mail: "zh-CN" for Content-Language */
	const char *thread;    /* mail: incident id, for References */
	Slice body;            /* webhook: JSON; mail: text, UTF-8 */
} OutboundRequest;

typedef struct {
	char key[OUTBOUND_KEY];
	int attempt;
	enum { OUTCOME_SENT, OUTCOME_RETRY, OUTCOME_REFUSED } outcome; /* REFUSED: trying again is useless */
	int64_t retry_after_ms;    /* what the receiver asked for, 0: nothing */
	char detail[OUTBOUND_DETAIL]; /* "HTTP 503", "connection refused": never response bodies or secrets */
} OutboundOutcome;

typedef struct {
	/*
	 * Copies the message and returns at once; ERROR_AGAIN when the queue is full; a key under way already is taken silently;
	 * ERROR_INPUT for a key that is empty, too long or not printable ASCII, no URL, or a body over 1 MiB.
	 */
	Result (*send)(Outbound *outside, const OutboundRequest *message);
	/* Takes one outcome; false when there is none. */
	bool (*outcome)(Outbound *outside, OutboundOutcome *out);
	/* wake is called from a worker whenever an outcome was added; NULL ends that: none is running when this returns. */
	void (*notify)(Outbound *outside, void (*wake)(void *context), void *context);
	/* Waits at most 2 s for calls that run; what is queued and outcomes not taken are dropped. Frees. */
	void (*close)(Outbound *outside);
} OutboundOperations;

struct Outbound {
	const OutboundOperations *operations;
};

typedef struct {
	const char *egress_allow; /* CIDRs by comma or space that webhooks may reach besides public addresses (egress.h); may be
				   * NULL. The mail server is the operator's own setting and is not held to it. */
	const char *mail_host;    /* right-hand side of Message-ID, and our name in EHLO; NULL or no host name: "localhost" */
	unsigned workers;         /* 0: 4; at most 64 */
	unsigned queue_max;       /* 0: 1024 */
} OutboundCurlOptions;

/* Workers on libcurl. ERROR_INPUT for a bad CIDR list. */
Result outbound_curl_open(const OutboundCurlOptions *options, Outbound **out);

#endif
