/*
 * RFC 6901 pointers ("/people/0/name"): split into segments, and built from Paths, which a traversal of a document keeps on
 * the stack. Nothing is allocated. A written pointer has at most FIELD_POINTER - 1 bytes: a longer pointer loses segments at its
 * end, so that it names a parent.
 */
#ifndef TOCSIN_BASE_POINTER_H
#define TOCSIN_BASE_POINTER_H

#include "shared/base/json.h"

/* A location in a document, linked to the locations that enclose it. */
typedef struct Path {
	const struct Path *up; /* the enclosing location; NULL: this is the whole document */
	const char *name;      /* name of the member; NULL: an item of a list */
	size_t index;          /* of an item: its index in the list */
} Path;

/* Writes the pointer to a path. */
void pointer_of_path(const Path *path, char out[static FIELD_POINTER]);

/* Copies a pointer; a pointer of FIELD_POINTER or more bytes is cut to a parent. */
void pointer_copy(const char *pointer, char out[static FIELD_POINTER]);

/*
 * Moves *pointer behind its first segment and sets *segment to that segment, borrowed and still escaped. False, with both
 * untouched, if *pointer does not begin with '/'.
 */
bool pointer_next(const char **pointer, Slice *segment);

/* True when the segment, unescaped, equals name. */
bool pointer_segment_is(Slice segment, Slice name);

/* Reads a segment as an index: decimal, no leading zeros, at most INT64_MAX. False, with *index untouched, for anything else. */
bool pointer_segment_index(Slice segment, size_t *index);

#endif
