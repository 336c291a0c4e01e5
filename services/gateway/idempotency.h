/*
 * Remembers hashes of the bodies of the last 49152 to 98304 requests with an Idempotency-Key, to refuse a key that is used
 * again with another body. A request is identified by Accepted.request, the digest of (kind of document, key id,
 * Idempotency-Key). The event's id cannot identify it, because another body may give another correlation key and so another id.
 *
 * The cache may forget requests, because exact counting depends only on ids. It has two generations of at most 49152 requests;
 * when the younger is full, the older is dropped. Thread-safe.
 */
#ifndef TOCSIN_GATEWAY_IDEMPOTENCY_H
#define TOCSIN_GATEWAY_IDEMPOTENCY_H

#include "shared/base/hash.h"

typedef struct IdempotencyCache IdempotencyCache;

IdempotencyCache *idempotency_cache_new(void);
/* Accepts NULL. */
void idempotency_cache_free(IdempotencyCache *cache);

/* False: the same request was seen before with another body. True: the cache now holds the request with this body. */
bool idempotency_matches(IdempotencyCache *cache, const Digest *request, Slice body);

#endif
