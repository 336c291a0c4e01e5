/* Packed headers of a record: NAME 0 VALUE 0 NAME 0 VALUE 0 … Names are lower case; values contain no NUL. */
#ifndef TOCSIN_BASE_HEADER_H
#define TOCSIN_BASE_HEADER_H

#include "shared/base/text.h"

#include <stdint.h>

/* The value of a header, borrowed from headers; SLICE_NONE if it is absent. */
Slice header_get(Slice headers, const char *name);

/* Removes the first header from *rest; false if none is left. name and value are borrowed from *rest. */
bool header_next(Slice *rest, Slice *name, Slice *value);

/* Append a header. A value that contains a NUL is cut at the NUL. */
void header_add(Buffer *headers, const char *name, Slice value);
void header_add_integer(Buffer *headers, const char *name, int64_t value);

#endif
