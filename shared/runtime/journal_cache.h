/*
 * The last journal records, decoded: a handler gets a record several times in a row, in decide and in apply, or in observe and in
 * decide. The cache finds a record by the bytes of its body, so a hit means the same as decoding again. One cache a handler; not
 * thread-safe.
 */
#ifndef TOCSIN_RUNTIME_JOURNAL_CACHE_H
#define TOCSIN_RUNTIME_JOURNAL_CACHE_H

#include "shared/domain/documents.h"

typedef struct JournalCache JournalCache;

/* count: number of records to keep, a few, at least 1. Records over JOURNAL_CACHED_MAX bytes are decoded each time. */
enum { JOURNAL_CACHED_MAX = 1 << 16 };
JournalCache *journal_cache_new(size_t count);
/* NULL is accepted. */
void journal_cache_free(JournalCache *cache);

/* *out is borrowed until the next call. ERROR_INPUT: the body is not a journal record. */
Result journal_cache_read(JournalCache *cache, Slice body, const JournalRecord **out);

/*
 * Keeps the tree from which body was written, unless body is larger than JOURNAL_CACHED_MAX. Takes ownership of the tree, also
 * after an error. ERROR_INPUT: the tree is not a journal record, e.g. a text is too long.
 */
Result journal_cache_put(JournalCache *cache, Slice body, json_t *tree);

#endif
