/*
 * Which ids were there before: 64-bit fingerprints in two generations, cut by OFFSET, so that "duplicate" is a pure
 * function of the input stream and a restart that reads the same stretch again comes to the same verdicts.
 *
 *     offset   0        G        2G       3G
 *              |--------|--------|--------|--
 *                        previous  current      an id is known if it stood in the current or the previous generation
 *
 * So an id is remembered for at least G and at most 2 G records. A verdict is wrong only if two different ids share 64 bits
 * of SHA-256. Tables grow with what they hold: an idle partition costs nothing, a full generation 8 × 4/3 bytes an id.
 */
#ifndef TOCSIN_INTAKE_CORE_DEDUP_H
#define TOCSIN_INTAKE_CORE_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint64_t *slots; /* 0: free */
	size_t capacity, count;
} DedupGeneration;

typedef struct {
	int64_t generation_size; /* G, in records */
	int64_t generation;      /* number of the current one; -1: nothing seen yet */
	DedupGeneration current, previous;
} DedupFilter;

/* G of each of so many partitions: all of them together remember DEDUP_RECORDS ids in a generation. */
enum { DEDUP_RECORDS = 1 << 21 };
int64_t seen_generation_size(unsigned partitions);

/* generation_size is at least 1. */
void dedup_init(DedupFilter *seen, int64_t generation_size);
void dedup_release(DedupFilter *seen);

/* Forgets everything. */
void dedup_clear(DedupFilter *seen);

/*
 * Notes the id at offset and tells whether it was there before. Offsets rise; the fingerprint is not 0. What stood in
 * generations before the previous one is forgotten.
 */
bool dedup_add(DedupFilter *seen, int64_t offset, uint64_t fingerprint);

/* True where dedup_add would tell that the id was there before; offset is not before the last one noted. Notes nothing. */
bool seen_knows(const DedupFilter *seen, int64_t offset, uint64_t fingerprint);

/* From where the stream must be read again so that verdicts from position on come out the same. */
int64_t dedup_replay_from(const DedupFilter *seen, int64_t position);

#endif
