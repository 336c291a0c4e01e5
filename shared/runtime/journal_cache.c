#include "shared/runtime/journal_cache.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
	char *body; /* owned; NULL: the slot is empty */
	size_t size;
	json_t *tree; /* owned */
	JournalRecord record; /* borrows from tree */
} CachedRecord;

struct JournalCache {
	size_t count;
	CachedRecord large; /* the last record that is too large to be kept */
	CachedRecord records[];
};

JournalCache *journal_cache_new(size_t count)
{
	JournalCache *cache = calloc(1, sizeof(*cache) + count * sizeof(cache->records[0]));
	must(cache != NULL && count > 0 && (count & (count - 1)) == 0);
	cache->count = count;
	return cache;
}

static void record_drop(CachedRecord *cached)
{
	free(cached->body);
	json_decref(cached->tree);
	*cached = (CachedRecord){ .body = NULL };
}

void journal_cache_free(JournalCache *cache)
{
	if (!cache)
		return;
	record_drop(&cache->large);
	for (size_t i = 0; i < cache->count; i++)
		record_drop(&cache->records[i]);
	free(cache);
}

/* FNV-1a; a collision only replaces another record. */
static CachedRecord *record_at(JournalCache *cache, Slice body)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	if (body.size > JOURNAL_CACHED_MAX)
		return &cache->large;
	for (size_t i = 0; i < body.size; i++)
		hash = (hash ^ (uint8_t)body.data[i]) * UINT64_C(1099511628211);
	return &cache->records[(hash ^ hash >> 32) & (cache->count - 1)];
}

/* Takes the tree. */
static Result record_fill(CachedRecord *cached, Slice body, json_t *tree)
{
	record_drop(cached);
	cached->tree = tree;
	TRY(json_decode_record(&journal_record_table, tree, &cached->record));
	if (body.size > JOURNAL_CACHED_MAX)
		return result_ok();
	cached->body = slice_copy(body);
	cached->size = body.size;
	return result_ok();
}

Result journal_cache_read(JournalCache *cache, Slice body, const JournalRecord **out)
{
	CachedRecord *cached = record_at(cache, body);
	json_t *tree;
	*out = &cached->record;
	if (cached->body && cached->size == body.size && memcmp(cached->body, body.data, body.size) == 0)
		return result_ok();
	TRY(json_read(body, &tree));
	return record_fill(cached, body, tree);
}

Result journal_cache_put(JournalCache *cache, Slice body, json_t *tree)
{
	return record_fill(record_at(cache, body), body, tree);
}
