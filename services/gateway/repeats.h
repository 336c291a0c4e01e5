/*
 * Which body an Idempotency-Key came with: memory of the last hundred thousand or so, for telling a client that it used
 * a key twice for different things. That nothing counts twice does not rest on it (ids do that), so it may forget: two
 * generations, the older is dropped when the younger is full. Thread-safe.
 */
#ifndef TOCSIN_GATEWAY_REPEATS_H
#define TOCSIN_GATEWAY_REPEATS_H

#include "shared/base/hash.h"

typedef struct Repeats Repeats;

Repeats *repeats_new(void);
void repeats_free(Repeats *repeats);

/* False when the id is remembered with another body. Remembers. */
bool repeats_fit(Repeats *repeats, Slice id, Slice body);

#endif
