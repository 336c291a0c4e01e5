/* What all readers of field tables share. Private to shared/base. */
#ifndef TOCSIN_BASE_FIELD_H
#define TOCSIN_BASE_FIELD_H

#include "shared/base/json.h"

/* Every member absent. */
void fields_clear(const FieldTable *table, void *out);

/* Whether what is bounded (characters, a value, items) is within; 0 as an upper bound of many is none. */
bool field_bounds_hold(const Field *field, int64_t size);

/* What an item of a list must be, as a field of its own. */
Field field_of_items(const Field *list);

#endif
