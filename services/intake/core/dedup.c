#include "services/intake/core/dedup.h"

#include "shared/base/error.h"

#include <stdlib.h>

enum { CAPACITY_FIRST = 1024 };

/* The index of the first entry to try. Fingerprints are uniform, so they are scaled to the capacity; no division is needed. */
static size_t entry_first(const DedupGeneration *generation, uint64_t fingerprint)
{
	return (size_t)(((unsigned __int128)fingerprint * generation->capacity) >> 64);
}

/* The entry of the fingerprint, or the free one to use for it. */
static uint64_t *entry_find(const DedupGeneration *generation, uint64_t fingerprint)
{
	size_t i = entry_first(generation, fingerprint);
	while (generation->entries[i] && generation->entries[i] != fingerprint)
		i = i + 1 == generation->capacity ? 0 : i + 1;
	return &generation->entries[i];
}

static bool generation_has(const DedupGeneration *generation, uint64_t fingerprint)
{
	return generation->capacity && *entry_find(generation, fingerprint);
}

static void generation_release(DedupGeneration *generation)
{
	free(generation->entries);
	*generation = (DedupGeneration){ 0 };
}

/* Twice the capacity, but not more than a full generation needs when three quarters are used. */
static size_t capacity_next(size_t capacity, int64_t generation_size)
{
	size_t full = (size_t)generation_size + (size_t)generation_size / 3 + 2;
	size_t next = capacity ? capacity * 2 : CAPACITY_FIRST;
	return next < full ? next : full;
}

static void generation_grow(DedupGeneration *generation, int64_t generation_size)
{
	DedupGeneration grown = { .capacity = capacity_next(generation->capacity, generation_size) };
	grown.entries = calloc(grown.capacity, sizeof(*grown.entries));
	must(grown.entries);
	for (size_t i = 0; i < generation->capacity; i++)
		if (generation->entries[i])
			*entry_find(&grown, generation->entries[i]) = generation->entries[i];
	grown.count = generation->count;
	free(generation->entries);
	*generation = grown;
}

/* False if the fingerprint is there already. There is always a free entry: a generation holds at most generation_size ids. */
static bool generation_add(DedupGeneration *generation, int64_t generation_size, uint64_t fingerprint)
{
	if (generation->count * 4 >= generation->capacity * 3)
		generation_grow(generation, generation_size);
	uint64_t *entry = entry_find(generation, fingerprint);
	if (*entry)
		return false;
	*entry = fingerprint;
	generation->count++;
	return true;
}

int64_t dedup_generation_size(unsigned partitions)
{
	return DEDUP_RECORDS / (int64_t)(partitions ? partitions : 1);
}

void dedup_init(DedupFilter *filter, int64_t generation_size)
{
	must(generation_size >= 1);
	*filter = (DedupFilter){ .generation_size = generation_size, .generation = -1 };
}

void dedup_release(DedupFilter *filter)
{
	generation_release(&filter->current);
	generation_release(&filter->previous);
}

void dedup_clear(DedupFilter *filter)
{
	dedup_release(filter);
	filter->generation = -1;
}

static void dedup_next_generation(DedupFilter *filter, int64_t generation)
{
	must(generation > filter->generation);
	generation_release(&filter->previous);
	if (generation == filter->generation + 1)
		filter->previous = filter->current;
	else
		generation_release(&filter->current);
	filter->current = (DedupGeneration){ 0 };
	filter->generation = generation;
}

bool dedup_add(DedupFilter *filter, int64_t offset, uint64_t fingerprint)
{
	must(fingerprint != 0);
	int64_t generation = offset / filter->generation_size;
	if (generation != filter->generation)
		dedup_next_generation(filter, generation);
	bool added = generation_add(&filter->current, filter->generation_size, fingerprint);
	return !added || generation_has(&filter->previous, fingerprint);
}

bool dedup_knows(const DedupFilter *filter, int64_t offset, uint64_t fingerprint)
{
	int64_t ahead = offset / filter->generation_size - filter->generation;
	if (filter->generation < 0 || ahead > 1)
		return false;
	return generation_has(&filter->current, fingerprint) || (ahead == 0 && generation_has(&filter->previous, fingerprint));
}

int64_t dedup_replay_from(const DedupFilter *filter, int64_t position)
{
	int64_t generation = position / filter->generation_size;
	return generation > 0 ? (generation - 1) * filter->generation_size : 0;
}
