/*
 * Remembers hashes of the bodies of the last 49152 to 98304 requests with an Idempotency-Key, to refuse a key that is used
 * again with another body. Another body may have another correlation key and therefore another id, so requests are identified
 * by the digest of (kind of document, key id, Idempotency-Key) in Accepted, not by the id.
 *
 * Exact counting depends on ids, not on this cache, so the cache may forget requests: it has two generations, and the older
 * is dropped when the younger is full. Thread-safe.
 */
#ifndef TOCSIN_GATEWAY_IDEMPOTENCY_H
#define TOCSIN_GATEWAY_IDEMPOTENCY_H

#include "shared/base/hash.h"

typedef struct IdempotencyCache IdempotencyCache;

IdempotencyCache *idempotency_cache_new(void);
/* Accepts NULL. */
void idempotency_cache_free(IdempotencyCache *cache);

/* False: the request was remembered with another body. True: the request is now remembered with this body. */
bool idempotency_matches(IdempotencyCache *cache, const Digest *request, Slice body);

#endif
