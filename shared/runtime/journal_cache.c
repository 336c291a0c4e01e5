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
	size_t count, next; /* next: the slot to be filled next */
	CachedRecord records[];
};

JournalCache *journal_cache_new(size_t count)
{
	JournalCache *cache = calloc(1, sizeof(*cache) + count * sizeof(cache->records[0]));
	must(cache != NULL && count > 0);
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
	for (size_t i = 0; i < cache->count; i++)
		record_drop(&cache->records[i]);
	free(cache);
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

static CachedRecord *slot_next(JournalCache *cache)
{
	CachedRecord *cached = &cache->records[cache->next];
	cache->next = (cache->next + 1) % cache->count;
	return cached;
}

Result journal_cache_read(JournalCache *cache, Slice body, const JournalRecord **out)
{
	json_t *tree;
	for (size_t i = 0; i < cache->count; i++) {
		CachedRecord *cached = &cache->records[i];
		*out = &cached->record;
		if (cached->body && cached->size == body.size && memcmp(cached->body, body.data, body.size) == 0)
			return result_ok();
	}
	CachedRecord *cached = slot_next(cache);
	*out = &cached->record;
	TRY(json_read(body, &tree));
	return record_fill(cached, body, tree);
}

Result journal_cache_put(JournalCache *cache, Slice body, json_t *tree)
{
	return record_fill(slot_next(cache), body, tree);
}
