/*
 * RFC 6901 pointers ("/people/0/name"): split into segments, and built from the chain of Paths that a traversal of a
 * document keeps on its stack. Nothing is allocated. A pointer has at most FIELD_POINTER - 1 bytes; a longer one loses
 * whole segments from its end, so it names a parent.
 */
#ifndef TOCSIN_BASE_POINTER_H
#define TOCSIN_BASE_POINTER_H

#include "shared/base/json.h"

/* A location in a document; links to its parents. */
typedef struct Path {
	const struct Path *up; /* NULL: the whole document */
	const char *name;      /* a member; NULL: an item */
	size_t index;          /* of the item */
} Path;

/* Writes the pointer to a path. */
void pointer_of_path(const Path *path, char out[static FIELD_POINTER]);

/* Copies a pointer within the bound. */
void pointer_copy(const char *pointer, char out[static FIELD_POINTER]);

/* Removes the first segment, still escaped, from *pointer; false if *pointer does not begin with '/'. */
bool pointer_next(const char **pointer, Slice *segment);

/* True when the escaped segment stands for this name. */
bool pointer_segment_is(Slice segment, Slice name);

/* Reads a segment as an index: decimal without leading zeros; false, with *index untouched, for anything else. */
bool pointer_segment_index(Slice segment, size_t *index);

#endif
