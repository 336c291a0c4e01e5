/* One call to the outside through libcurl: from a message to its outcome, waiting for it. Private to outbound/curl.c. */
#ifndef TOCSIN_IO_OUTBOUND_CALL_H
#define TOCSIN_IO_OUTBOUND_CALL_H

#include "shared/io/outbound/egress.h"
#include "shared/io/outbound/outbound.h"

#include <curl/curl.h>
#include <stdatomic.h>

enum { OUTBOUND_HOST = 128 };

typedef struct {
	EgressRules egress;
	char host[OUTBOUND_HOST]; /* how we name ourselves in mail */
	atomic_bool abort; /* set: calls end within a second */
} OutboundCallSettings;

/* curl is reused for the next call; out->key and attempt are set as well. */
void outbound_call(CURL *curl, const OutboundCallSettings *settings, const OutboundRequest *message, OutboundOutcome *out);

#endif
