/* Functions shared by the two readers of field tables, field.c and skim.c. Private to shared/base. */
#ifndef TOCSIN_BASE_FIELD_H
#define TOCSIN_BASE_FIELD_H

#include "shared/base/json.h"

/* True when size (of a text: characters; of a list: items; of an integer: its value) is within Field.min and Field.max. */
bool field_bounds_hold(const Field *field, int64_t size);

/* A Field that describes one item of the list, for code that handles single values. */
Field field_of_items(const Field *list);

#endif
