/* Functions shared by the two readers of field tables, field.c and skim.c. Private to shared/base. */
#ifndef TOCSIN_BASE_FIELD_H
#define TOCSIN_BASE_FIELD_H

#include "shared/base/json.h"

/* Fills *out (table->size bytes) with absent values. */
void fields_clear(const FieldTable *table, void *out);

/* True when size (characters, a value, or items) is within the bounds of the field; see Field.min. */
bool field_bounds_hold(const Field *field, int64_t size);

/* The field that describes one item of a list. */
Field field_of_items(const Field *list);

#endif
