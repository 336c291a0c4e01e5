/*
 * Webhooks as specified by Standard Webhooks, with three headers: webhook-id (the same on every attempt, so that a receiver
 * recognises a repeat), webhook-timestamp (of the attempt) and webhook-signature, an HMAC-SHA256 over "id.timestamp.body". Pure.
 */
#ifndef TOCSIN_IO_OUTBOUND_WEBHOOK_H
#define TOCSIN_IO_OUTBOUND_WEBHOOK_H

#include "shared/base/text.h"

enum { WEBHOOK_SECRETS_MAX = 4, WEBHOOK_SECRET_MAX = 64 };

/*
 * Appends the value of webhook-signature, "v1,BASE64". A secret is "whsec_" and the base64 of 1 to WEBHOOK_SECRET_MAX bytes. For
 * rotation, `secrets` may hold up to WEBHOOK_SECRETS_MAX secrets separated by spaces, and each gives one signature. False, and out
 * must not be used: `secrets` has no secret, too many or an invalid one, or out is too small.
 */
bool webhook_sign(const char *secrets, const char *id, int64_t timestamp_s, Slice body, Buffer *out);

/*
 * Converts an HTTP status to an OUTCOME_ (outbound/outbound.h): SENT for 2xx, REFUSED for 410 (Gone), otherwise RETRY: somebody
 * can correct the receiver or a proxy, and a lost notification is worse than one more attempt. Redirections are not followed.
 */
int webhook_outcome(unsigned status);

#endif
