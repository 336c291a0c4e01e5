/*
 * Sends webhooks and mail asynchronously: a bounded set of workers makes the calls, and the caller collects the outcomes. The
 * decision to send is in a ledger before `send` is called. Delivery is at-least-once; the key lets the receiver recognise a
 * repeat.
 */
#ifndef TOCSIN_IO_OUTBOUND_OUTBOUND_H
#define TOCSIN_IO_OUTBOUND_OUTBOUND_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

typedef struct Outbound Outbound;

typedef enum { OUTBOUND_WEBHOOK, OUTBOUND_MAIL } OutboundKind;

enum { OUTBOUND_KEY = 64, OUTBOUND_DETAIL = 256 };

/* A request of a service to send one message. Borrowed for the call. */
typedef struct {
	OutboundKind kind;
	const char *key;     /* msg_…, the same on every attempt; printable ASCII without spaces, below OUTBOUND_KEY bytes */
	int attempt;         /* from 1 */
	const char *url;     /* webhook: https://…; mail: smtp://[user:password@]host:port, or smtps: */
	const char *secret;  /* webhook: whsec_…; NULL: unsigned */
	const char *from, *to; /* mail: addresses */
	const char *to_name;   /* mail: display name, UTF-8, or NULL */
	const char *subject;   /* mail: UTF-8, or NULL */
	const char *language;  /* mail: "zh-CN" for Content-Language, or NULL */
	const char *thread;    /* mail: incident id for References, or NULL */
	Slice body;            /* webhook: JSON; mail: text, UTF-8; at most 1 MiB */
} OutboundRequest;

typedef struct {
	char key[OUTBOUND_KEY];
	int attempt;
	enum { OUTCOME_SENT, OUTCOME_RETRY, OUTCOME_REFUSED } outcome; /* REFUSED: do not retry */
	int64_t retry_after_ms;    /* with OUTCOME_RETRY: requested by the receiver, at most a day; 0: not requested */
	char detail[OUTBOUND_DETAIL]; /* "HTTP 503", "Connection refused": never response bodies or secrets */
} OutboundOutcome;

typedef struct {
	/*
	 * Copies the request and returns at once. If a request with the same key is queued or being sent, or its outcome was not
	 * taken, returns OK and ignores the new request: an owner that lost track of the first request gets its outcome.
	 * ERROR_AGAIN: the queue is full. ERROR_INPUT: the key is empty, too long or has other characters than printable ASCII
	 * without spaces, the URL is NULL, or the body is larger than 1 MiB.
	 */
	Result (*send)(Outbound *outbound, const OutboundRequest *request);
	/* Moves one available outcome to *out. False: no outcome is available. */
	bool (*outcome)(Outbound *outbound, OutboundOutcome *out);
	/* A worker calls `wake` after each added outcome. After notify(NULL) has returned, no call is running or will begin. */
	void (*notify)(Outbound *outbound, void (*wake)(void *context), void *context);
	/* Waits at most 2 s for running calls, drops queued requests and outcomes, frees. NULL in a share (shares.h). */
	void (*close)(Outbound *outbound);
} OutboundOperations;

struct Outbound {
	const OutboundOperations *operations;
};

typedef struct {
	const char *egress_allow; /* CIDRs, separated by commas or spaces, that webhooks may reach in addition to public
				   * addresses (egress.h); NULL: none. The mail server is not checked. */
	const char *mail_host;    /* right-hand side of Message-ID, and name in EHLO; NULL or invalid: "localhost" */
	unsigned workers;         /* 0: 4; more than 64 count as 64 */
	unsigned queue_max;       /* limit of queued requests, and of outcomes not taken; 0: 1024 */
} OutboundCurlOptions;

/* Workers on libcurl. The options are copied. ERROR_INPUT: egress_allow is invalid. */
Result outbound_curl_open(const OutboundCurlOptions *options, Outbound **out);

#endif
