#include "services/gateway/idempotency.h"

#include "shared/base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = 1 << 16, ENTRIES_FULL = ENTRIES / 4 * 3 };

typedef struct {
	uint64_t request; /* hash_of Accepted.request; 0: the entry is free */
	uint64_t body;
} Entry;

struct IdempotencyCache {
	pthread_mutex_t mutex;
	Entry *young, *old; /* hash tables of ENTRIES entries, open addressing */
	size_t count; /* used entries of young */
};

static Entry *entries_new(void)
{
	Entry *entries = calloc(ENTRIES, sizeof *entries);

	must(entries != NULL);
	return entries;
}

IdempotencyCache *idempotency_cache_new(void)
{
	IdempotencyCache *cache = calloc(1, sizeof *cache);

	must(cache != NULL && pthread_mutex_init(&cache->mutex, NULL) == 0);
	cache->young = entries_new();
	cache->old = entries_new();
	return cache;
}

void idempotency_cache_free(IdempotencyCache *cache)
{
	if (!cache)
		return;
	pthread_mutex_destroy(&cache->mutex);
	free(cache->young);
	free(cache->old);
	free(cache);
}

/* 63 bits of the digest. The lowest bit is always 1, so that the result is never 0. */
static uint64_t hash_of(const Digest *digest)
{
	uint64_t hash;

	memcpy(&hash, digest->bytes, sizeof hash);
	return hash | 1;
}

/* The entry of the request; if it has none, the free entry to use for it. */
static Entry *entry_find(Entry *entries, uint64_t request)
{
	size_t at = (size_t)(request >> 1) % ENTRIES;

	while (entries[at].request != 0 && entries[at].request != request)
		at = (at + 1) % ENTRIES;
	return &entries[at];
}

static void generation_drop(IdempotencyCache *cache)
{
	Entry *emptied = cache->old;

	cache->old = cache->young;
	cache->young = emptied;
	memset(emptied, 0, ENTRIES * sizeof *emptied);
	cache->count = 0;
}

static bool match(IdempotencyCache *cache, Entry wanted)
{
	const Entry *old = entry_find(cache->old, wanted.request);
	Entry *young = entry_find(cache->young, wanted.request);

	if (young->request == wanted.request)
		return young->body == wanted.body;
	if (old->request == wanted.request && old->body != wanted.body)
		return false;
	*young = wanted;
	if (++cache->count == ENTRIES_FULL)
		generation_drop(cache);
	return true;
}

bool idempotency_matches(IdempotencyCache *cache, const Digest *request, Slice body)
{
	Digest digest = DIGEST(body);
	Entry wanted = { hash_of(request), hash_of(&digest) };

	pthread_mutex_lock(&cache->mutex);
	bool matches = match(cache, wanted);
	pthread_mutex_unlock(&cache->mutex);
	return matches;
}
