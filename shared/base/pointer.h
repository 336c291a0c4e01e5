/*
 * RFC 6901 pointers ("/people/0/name"), both ways: taken apart segment by segment, and built from the chain of places
 * a walk through a document keeps on its stack. Nothing is allocated; a pointer is at most FIELD_POINTER - 1 bytes, and
 * one that does not fit loses whole segments from its end: it then names a parent, never something else.
 */
#ifndef TOCSIN_BASE_POINTER_H
#define TOCSIN_BASE_POINTER_H

#include "shared/base/json.h"

/* Where in a document one is. */
typedef struct Path {
	const struct Path *up; /* NULL: the whole document */
	const char *name;      /* a member; NULL: an item */
	size_t index;          /* of the item */
} Path;

/* The pointer to a path. */
void pointer_of_path(const Path *path, char out[static FIELD_POINTER]);

/* A copy within the bound. */
void pointer_copy(const char *pointer, char out[static FIELD_POINTER]);

/* Moves *pointer behind its first segment, which is still escaped; false at the end and where no '/' stands. */
bool pointer_next(const char **pointer, Slice *segment);

/* True when an escaped segment means this name. */
bool pointer_segment_is(Slice segment, Slice name);

/* A segment as the index of an item: decimal without leading zeros; false, *index untouched, for anything else. */
bool pointer_segment_index(Slice segment, size_t *index);

#endif
