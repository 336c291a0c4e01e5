/*
 * The request headers that make a request conditional (RFC 9110 §13) or repeatable (Idempotency-Key). Pure.
 */
#ifndef TOCSIN_GATEWAY_PRECONDITIONS_H
#define TOCSIN_GATEWAY_PRECONDITIONS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

#define VERSION_ANY INT64_MIN
/* The result for an entity tag that is weak or does not hold a version: no incident has this version. */
#define VERSION_NEVER INT64_C(-1)

/* The version that If-Match requires: "\"7\"" gives 7, NULL and "*" VERSION_ANY, W/"7" VERSION_NEVER. ERROR_INPUT: not one tag. */
Result if_match_read(const char *text, int64_t *version);

/* True when an If-None-Match (NULL: none) names the version, weakly compared, or is "*". */
bool if_none_match_names(const char *text, int64_t version);

enum { IDEMPOTENCY_KEY_MAX = 256 };

/*
 * Copies the value of Idempotency-Key into out, without surrounding blanks and without the double quotes that RFC 8941 prescribes
 * and clients may omit. *given is false when text is NULL; out is then unchanged. ERROR_INPUT unless the value without quotes is 1
 * to 255 printable ASCII characters other than a double quote.
 */
Result idempotency_key_read(const char *text, bool *given, char out[static IDEMPOTENCY_KEY_MAX]);

#endif
