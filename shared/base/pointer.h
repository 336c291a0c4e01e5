/*
 * RFC 6901 pointers ("/people/0/name"): split into segments, and built from Paths, which a traversal of a document keeps on
 * the stack. Nothing is allocated. A pointer has at most FIELD_POINTER - 1 bytes; from a longer one, segments are removed at
 * its end, so that it names a parent.
 */
#ifndef TOCSIN_BASE_POINTER_H
#define TOCSIN_BASE_POINTER_H

#include "shared/base/json.h"

/* A location in a document, linked to the locations that enclose it. */
typedef struct Path {
	const struct Path *up; /* the enclosing location; NULL: this is the whole document */
	const char *name;      /* of the member; NULL: an item of a list */
	size_t index;          /* of the item */
} Path;

/* Writes the pointer to a path. */
void pointer_of_path(const Path *path, char out[static FIELD_POINTER]);

/* Copies a pointer; one of FIELD_POINTER or more bytes is cut to a parent. */
void pointer_copy(const char *pointer, char out[static FIELD_POINTER]);

/* Removes the first segment, still escaped, from *pointer; false if *pointer does not begin with '/'. */
bool pointer_next(const char **pointer, Slice *segment);

/* True when the segment, unescaped, equals name. */
bool pointer_segment_is(Slice segment, Slice name);

/* Reads a segment as an index: decimal without leading zeros; false, with *index untouched, for anything else. */
bool pointer_segment_index(Slice segment, size_t *index);

#endif
