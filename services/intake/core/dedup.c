#include "services/intake/core/dedup.h"

#include "shared/base/error.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 1024 };

/* Where a fingerprint belongs: fingerprints are uniform, so their size says it without a division. */
static size_t slot_first(const DedupGeneration *generation, uint64_t fingerprint)
{
	return (size_t)(((unsigned __int128)fingerprint * generation->capacity) >> 64);
}

/* The slot that holds the fingerprint, or the free one where it would go. */
static uint64_t *slot_find(const DedupGeneration *generation, uint64_t fingerprint)
{
	size_t i = slot_first(generation, fingerprint);
	while (generation->slots[i] && generation->slots[i] != fingerprint)
		i = i + 1 == generation->capacity ? 0 : i + 1;
	return &generation->slots[i];
}

static bool generation_has(const DedupGeneration *generation, uint64_t fingerprint)
{
	return generation->capacity && *slot_find(generation, fingerprint);
}

static void generation_release(DedupGeneration *generation)
{
	free(generation->slots);
	*generation = (DedupGeneration){ 0 };
}

/* Twice the room, but never more than a full generation needs at three quarters. */
static size_t capacity_next(size_t capacity, int64_t generation_size)
{
	size_t full = (size_t)generation_size + (size_t)generation_size / 3 + 2;
	size_t next = capacity ? capacity * 2 : CAPACITY_FIRST;
	return next < full ? next : full;
}

static void generation_grow(DedupGeneration *generation, int64_t generation_size)
{
	DedupGeneration grown = { .capacity = capacity_next(generation->capacity, generation_size) };
	grown.slots = calloc(grown.capacity, sizeof(*grown.slots));
	must(grown.slots);
	for (size_t i = 0; i < generation->capacity; i++)
		if (generation->slots[i])
			*slot_find(&grown, generation->slots[i]) = generation->slots[i];
	grown.count = generation->count;
	free(generation->slots);
	*generation = grown;
}

/* False when it was there. A generation holds at most its size in ids, so there is always a free slot. */
static bool generation_add(DedupGeneration *generation, int64_t generation_size, uint64_t fingerprint)
{
	if (generation->count * 4 >= generation->capacity * 3)
		generation_grow(generation, generation_size);
	uint64_t *slot = slot_find(generation, fingerprint);
	if (*slot)
		return false;
	*slot = fingerprint;
	generation->count++;
	return true;
}

int64_t seen_generation_size(unsigned partitions)
{
	return DEDUP_RECORDS / (int64_t)(partitions ? partitions : 1);
}

void dedup_init(DedupFilter *seen, int64_t generation_size)
{
	must(generation_size >= 1);
	*seen = (DedupFilter){ .generation_size = generation_size, .generation = -1 };
}

void dedup_release(DedupFilter *seen)
{
	generation_release(&seen->current);
	generation_release(&seen->previous);
}

void dedup_clear(DedupFilter *seen)
{
	dedup_release(seen);
	seen->generation = -1;
}

static void dedup_next_generation(DedupFilter *seen, int64_t generation)
{
	must(generation > seen->generation);
	generation_release(&seen->previous);
	if (generation == seen->generation + 1)
		seen->previous = seen->current;
	else
		generation_release(&seen->current);
	seen->current = (DedupGeneration){ 0 };
	seen->generation = generation;
}

bool dedup_add(DedupFilter *seen, int64_t offset, uint64_t fingerprint)
{
	must(fingerprint != 0);
	int64_t generation = offset / seen->generation_size;
	if (generation != seen->generation)
		dedup_next_generation(seen, generation);
	bool added = generation_add(&seen->current, seen->generation_size, fingerprint);
	return !added || generation_has(&seen->previous, fingerprint);
}

bool seen_knows(const DedupFilter *seen, int64_t offset, uint64_t fingerprint)
{
	int64_t turns = offset / seen->generation_size - seen->generation;
	if (seen->generation < 0 || turns > 1)
		return false;
	return generation_has(&seen->current, fingerprint) || (turns == 0 && generation_has(&seen->previous, fingerprint));
}

int64_t dedup_replay_from(const DedupFilter *seen, int64_t position)
{
	int64_t generation = position / seen->generation_size;
	return generation > 0 ? (generation - 1) * seen->generation_size : 0;
}
