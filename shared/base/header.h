/*
 * Packed headers of a record: NAME 0 VALUE 0 NAME 0 VALUE 0 …; names lower case, no NUL in values.
 */
#ifndef TOCSIN_BASE_HEADER_H
#define TOCSIN_BASE_HEADER_H

#include "shared/base/text.h"

#include <stdint.h>

/* Value of a packed header, or the empty slice (data NULL) where it is not there. */
Slice header_get(Slice headers, const char *name);

/* Takes the first one off a packed list; false when there is none left. */
bool header_next(Slice *rest, Slice *name, Slice *value);

/* Append one to a packed list. A value that holds a NUL is cut there. */
void header_add(Buffer *headers, const char *name, Slice value);
void header_add_integer(Buffer *headers, const char *name, int64_t value);

#endif
