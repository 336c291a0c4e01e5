/*
 * The request headers that make a request conditional (RFC 9110 §13) or repeatable (Idempotency-Key). Pure.
 */
#ifndef TOCSIN_GATEWAY_PRECONDITIONS_H
#define TOCSIN_GATEWAY_PRECONDITIONS_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

#define VERSION_ANY INT64_MIN
/* Of an entity tag that is weak or does not hold a version: no incident has this version. */
#define VERSION_NEVER INT64_C(-1)

/* The version that If-Match requires: NULL and "*" give VERSION_ANY, "\"7\"" gives 7. ERROR_INPUT: not one entity tag. */
Result if_match_read(const char *text, int64_t *version);

/* True when an If-None-Match (NULL: none) names the version, weakly compared, or is "*". */
bool if_none_match_names(const char *text, int64_t version);

enum { IDEMPOTENCY_KEY_MAX = 256 };

/*
 * Copies the value of Idempotency-Key into out, without the double quotes that RFC 8941 prescribes and clients may omit. *given
 * is false when text is NULL. ERROR_INPUT unless the value is 1 to 255 printable characters.
 */
Result idempotency_key_read(const char *text, bool *given, char out[static IDEMPOTENCY_KEY_MAX]);

#endif
