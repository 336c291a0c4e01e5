#include "services/gateway/idempotency.h"

#include "shared/base/error.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 1 << 16, PLACES_FULL = PLACES / 4 * 3 };

typedef struct {
	uint64_t request; /* 0: free */
	uint64_t body;
} Place;

struct IdempotencyCache {
	pthread_mutex_t mutex;
	Place *young, *old; /* PLACES each, open addressing */
	size_t count; /* in young */
};

static Place *places_new(void)
{
	Place *places = calloc(PLACES, sizeof *places);

	must(places != NULL);
	return places;
}

IdempotencyCache *idempotency_cache_new(void)
{
	IdempotencyCache *repeats = calloc(1, sizeof *repeats);

	must(repeats != NULL && pthread_mutex_init(&repeats->mutex, NULL) == 0);
	repeats->young = places_new();
	repeats->old = places_new();
	return repeats;
}

void idempotency_cache_free(IdempotencyCache *repeats)
{
	if (!repeats)
		return;
	pthread_mutex_destroy(&repeats->mutex);
	free(repeats->young);
	free(repeats->old);
	free(repeats);
}

/* 64 bits of a hash, never 0. */
static uint64_t shortened(const Digest *digest)
{
	uint64_t hash;

	memcpy(&hash, digest->bytes, sizeof hash);
	return hash | 1;
}

/* The place of a request, or the free one where it would go. */
static Place *place_of(Place *places, uint64_t request)
{
	size_t at = (size_t)(request >> 1) % PLACES;

	while (places[at].request != 0 && places[at].request != request)
		at = (at + 1) % PLACES;
	return &places[at];
}

static void generation_turn(IdempotencyCache *repeats)
{
	Place *emptied = repeats->old;

	repeats->old = repeats->young;
	repeats->young = emptied;
	memset(emptied, 0, PLACES * sizeof *emptied);
	repeats->count = 0;
}

static bool fit(IdempotencyCache *repeats, Place wanted)
{
	const Place *old = place_of(repeats->old, wanted.request);
	Place *young = place_of(repeats->young, wanted.request);

	if (young->request == wanted.request)
		return young->body == wanted.body;
	if (old->request == wanted.request && old->body != wanted.body)
		return false;
	*young = wanted;
	if (++repeats->count == PLACES_FULL)
		generation_turn(repeats);
	return true;
}

bool idempotency_matches(IdempotencyCache *repeats, const Digest *request, Slice body)
{
	Digest digest = DIGEST(body);
	Place wanted = { shortened(request), shortened(&digest) };

	pthread_mutex_lock(&repeats->mutex);
	bool fits = fit(repeats, wanted);
	pthread_mutex_unlock(&repeats->mutex);
	return fits;
}
