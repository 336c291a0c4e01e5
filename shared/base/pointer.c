#include "shared/base/pointer.h"

#include <stdio.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------------------------- */

static bool put(char out[static FIELD_POINTER], size_t *used, const char *bytes, size_t size)
{
	if (*used + size >= FIELD_POINTER)
		return false;
	memcpy(out + *used, bytes, size);
	*used += size;
	return true;
}

static bool put_name(char out[static FIELD_POINTER], size_t *used, const char *name)
{
	bool fits = put(out, used, "/", 1);

	for (; fits && *name; name++)
		fits = *name == '~'   ? put(out, used, "~0", 2)
		       : *name == '/' ? put(out, used, "~1", 2)
		                      : put(out, used, name, 1);
	return fits;
}

/* False if a segment did not fit; this segment and all segments behind it are then left out. */
static bool put_path(char out[static FIELD_POINTER], size_t *used, const Path *path)
{
	char index[24];

	if (!path->up)
		return true;
	if (!put_path(out, used, path->up))
		return false;
	size_t before = *used;
	snprintf(index, sizeof index, "%zu", path->index);
	bool fits = put_name(out, used, path->name ? path->name : index);
	if (!fits)
		*used = before;
	return fits;
}

void pointer_of_path(const Path *path, char out[static FIELD_POINTER])
{
	size_t used = 0;

	put_path(out, &used, path);
	out[used] = '\0';
}

void pointer_copy(const char *pointer, char out[static FIELD_POINTER])
{
	size_t size = strlen(pointer);

	if (size >= FIELD_POINTER) {
		size = FIELD_POINTER - 1;
		while (size > 0 && pointer[size] != '/')
			size--;
	}
	memcpy(out, pointer, size);
	out[size] = '\0';
}

/* ---- splitting ----------------------------------------------------------------------------------------------- */

bool pointer_next(const char **pointer, Slice *segment)
{
	if (**pointer != '/')
		return false;
	const char *start = *pointer + 1;
	size_t size = strcspn(start, "/");

	*segment = (Slice){ start, size };
	*pointer = start + size;
	return true;
}

/* Removes the next byte of a segment and returns it unescaped; -1 at the end, -2 for an escape other than ~0 and ~1. */
static int next_byte(Slice *segment)
{
	if (segment->size == 0)
		return -1;
	const char *at = segment->data;
	size_t taken = at[0] == '~' ? 2 : 1;

	if (taken == 2 && (segment->size < 2 || (at[1] != '0' && at[1] != '1')))
		return -2;
	*segment = (Slice){ at + taken, segment->size - taken };
	return taken == 1 ? (unsigned char)at[0] : at[1] == '0' ? '~' : '/';
}

bool pointer_segment_is(Slice segment, Slice name)
{
	for (size_t i = 0; i < name.size; i++)
		if (next_byte(&segment) != (unsigned char)name.data[i])
			return false;
	return segment.size == 0;
}

bool pointer_segment_index(Slice segment, size_t *index)
{
	int64_t number;
	bool plain = segment.size > 0 && segment.data[0] != '-' && (segment.data[0] != '0' || segment.size == 1);

	if (!plain || !slice_integer(segment, &number))
		return false;
	*index = (size_t)number;
	return true;
}
