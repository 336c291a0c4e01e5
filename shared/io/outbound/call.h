/* Makes one synchronous call through libcurl. Private to outbound/curl.c. */
#ifndef TOCSIN_IO_OUTBOUND_CALL_H
#define TOCSIN_IO_OUTBOUND_CALL_H

#include "shared/io/outbound/egress.h"
#include "shared/io/outbound/outbound.h"

#include <curl/curl.h>
#include <stdatomic.h>

enum { OUTBOUND_HOST = 128 };

typedef struct {
	EgressRules egress;
	char host[OUTBOUND_HOST]; /* our host name in EHLO and Message-ID */
	atomic_bool abort; /* true: calls end within a second */
} OutboundCallSettings;

/* Sets all of *out. Resets curl's options, so a thread may use one curl handle for all its calls. The key must be valid. */
void outbound_call(CURL *curl, const OutboundCallSettings *settings, const OutboundRequest *request, OutboundOutcome *out);

#endif
