/* Packed headers of a record: NAME NUL VALUE NUL NAME NUL VALUE NUL … Names are lower case; names and values contain no NUL. */
#ifndef TOCSIN_BASE_HEADER_H
#define TOCSIN_BASE_HEADER_H

#include "shared/base/text.h"

#include <stdint.h>

/* The value of the first header with this name, borrowed from headers; SLICE_NONE if no header has this name. */
Slice header_get(Slice headers, const char *name);

/*
 * Removes the first header from *rest. False if *rest is empty, or has only a name without a value; the name is then removed.
 * *name and *value are borrowed from *rest.
 */
bool header_next(Slice *rest, Slice *name, Slice *value);

/* Append a header. A value that contains a NUL is cut at the NUL. If the buffer overflows, it may end with a part of the header. */
void header_add(Buffer *headers, const char *name, Slice value);
void header_add_integer(Buffer *headers, const char *name, int64_t value);

#endif
