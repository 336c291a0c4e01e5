/* Compares skim_decode with json_decode. */
#ifndef TOCSIN_TESTS_UNIT_SKIMMED_H
#define TOCSIN_TESTS_UNIT_SKIMMED_H

#include "shared/base/skim.h"

/* Returns the result of skim_decode. If it is true, but json_decode refuses the bytes or decodes other values, aborts. */
bool skim_agrees_with_tree(const FieldTable *table, Slice bytes);

#endif
