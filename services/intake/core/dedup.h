/*
 * The deduplication filter: 64-bit fingerprints of ids in two generations, which are cut by offset. Therefore "duplicate" is
 * a pure function of the input stream, and a restart that reads the same records again comes to the same verdicts.
 *
 *     offset   0        G        2G       3G
 *              |--------|--------|--------|--
 *                        previous  current      an id is known if it occurred in the current or the previous generation
 *
 * An id is remembered for at least G and at most 2 G records. A verdict is wrong only if two different ids share 64 bits of
 * SHA-256. Tables grow with their content: an idle partition needs no memory, a full generation 8 × 4/3 bytes for each id.
 */
#ifndef TOCSIN_INTAKE_CORE_DEDUP_H
#define TOCSIN_INTAKE_CORE_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t *entries; /* fingerprints by open addressing; 0: free */
	size_t capacity, count; /* entries in all, entries used */
} DedupGeneration;

typedef struct {
	int64_t generation_size; /* G, in records */
	int64_t generation;      /* number of the current generation; -1: empty filter */
	DedupGeneration current, previous;
} DedupFilter;

/* G for one partition, such that the generations of all partitions together remember DEDUP_RECORDS ids. */
enum { DEDUP_RECORDS = 1 << 21 };
int64_t dedup_generation_size(unsigned partitions);

/* generation_size is at least 1. */
void dedup_init(DedupFilter *filter, int64_t generation_size);
void dedup_release(DedupFilter *filter);

/* Empties the filter; it can be used again. */
void dedup_clear(DedupFilter *filter);

/*
 * Adds the id at offset. True if the id is known already: the record is a duplicate. Offsets increase; the fingerprint is not 0.
 * Generations before the previous one are dropped.
 */
bool dedup_add(DedupFilter *filter, int64_t offset, uint64_t fingerprint);

/* True when dedup_add would find the id known. Adds nothing. offset must not be less than the last offset added. */
bool dedup_knows(const DedupFilter *filter, int64_t offset, uint64_t fingerprint);

/* The offset from which the stream must be read again, so that verdicts from position on are the same. */
int64_t dedup_replay_from(const DedupFilter *filter, int64_t position);

#endif
