/* One call to the outside through libcurl: from a message to its outcome, waiting for it. Private to outside_curl.c. */
#ifndef TOCSIN_EDGE_OUTSIDE_CALL_H
#define TOCSIN_EDGE_OUTSIDE_CALL_H

#include "shared/edge/egress.h"
#include "shared/edge/outside.h"

#include <curl/curl.h>
#include <stdatomic.h>

enum { OUTSIDE_HOST = 128 };

typedef struct {
	EgressRules egress;
	char host[OUTSIDE_HOST]; /* how we name ourselves in mail */
	atomic_bool abort; /* set: calls end within a second */
} OutsideCallSettings;

/* curl is reused for the next call; out->key and attempt are set as well. */
void outside_call(CURL *curl, const OutsideCallSettings *settings, const OutsideMessage *message, OutsideOutcome *out);

#endif
