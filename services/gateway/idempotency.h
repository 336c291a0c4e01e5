/*
 * The body that an Idempotency-Key came with: memory of the last 49152 to 98304 of them, for telling a client that it used
 * a key twice for different things. An event of another body may have another correlation key and so another id, so the
 * memory goes by the digest of (kind of document, key id, Idempotency-Key) that stands in Accepted, never by the id. The
 * rule that nothing counts twice does not rest on it (ids do that), so it may forget: two generations, the older is
 * dropped when the younger is full. Thread-safe.
 */
#ifndef TOCSIN_GATEWAY_IDEMPOTENCY_H
#define TOCSIN_GATEWAY_IDEMPOTENCY_H

#include "shared/base/hash.h"

typedef struct IdempotencyCache IdempotencyCache;

IdempotencyCache *idempotency_cache_new(void);
void idempotency_cache_free(IdempotencyCache *repeats);

/* False when the request is remembered with another body. Remembers. */
bool idempotency_matches(IdempotencyCache *repeats, const Digest *request, Slice body);

#endif
