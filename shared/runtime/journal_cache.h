/*
 * Journal records, decoded once. A handler gets a record of the journal up to four times: when it drafts it, in apply, in derive
 * and in accepted; or in observe and in decide. The cache finds the decoded record by the bytes of the body, so a hit has the
 * same meaning as decoding again. One cache a handler; not thread-safe.
 */
#ifndef TOCSIN_RUNTIME_JOURNAL_CACHE_H
#define TOCSIN_RUNTIME_JOURNAL_CACHE_H

#include "shared/domain/documents.h"

typedef struct JournalCache JournalCache;

/* count: number of records that are kept, a power of two; bodies over JOURNAL_CACHED_MAX bytes are not. */
enum { JOURNAL_CACHED_MAX = 1 << 16 };
JournalCache *journal_cache_new(size_t count);
/* NULL is accepted. */
void journal_cache_free(JournalCache *cache);

/* *out is borrowed until the next call. ERROR_INPUT: the body is not a journal record. */
Result journal_cache_read(JournalCache *cache, Slice body, const JournalRecord **out);

/* Keeps a tree from which body was written; takes it. ERROR_INPUT: it is not a journal record, e.g. a text is too long. */
Result journal_cache_put(JournalCache *cache, Slice body, json_t *tree);

#endif
