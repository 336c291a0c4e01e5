/*
 * Webhooks as Standard Webhooks has them: three headers, webhook-id (the same on every attempt, so that a receiver can tell
 * a repeat), webhook-timestamp (of the attempt) and webhook-signature, an HMAC-SHA256 over "id.timestamp.body". Pure.
 */
#ifndef TOCSIN_IO_OUTBOUND_WEBHOOK_H
#define TOCSIN_IO_OUTBOUND_WEBHOOK_H

#include "shared/base/text.h"

enum { WEBHOOK_SECRETS_MAX = 4, WEBHOOK_SECRET_MAX = 64 };

/*
 * Appends the value of webhook-signature, "v1,BASE64". secrets is "whsec_" and the base64 of 1 to WEBHOOK_SECRET_MAX
 * bytes; several by space while one is being replaced give as many signatures. False, and out is unusable, when a secret
 * is none.
 */
bool webhook_sign(const char *secrets, const char *id, int64_t timestamp_s, Slice body, Buffer *out);

/*
 * What an HTTP status means for a webhook, an OUTCOME_ of outbound/outbound.h: 2xx is sent, 410 (Gone) a refusal. Anything else may
 * pass, since those who run a receiver or the proxy before it mend it, and a notice given up is worse than one more attempt;
 * redirections are not followed.
 */
int webhook_outcome(unsigned status);

#endif
