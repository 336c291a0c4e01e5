/* Compares skim_decode with json_decode. */
#ifndef TOCSIN_TESTS_UNIT_SKIMMED_H
#define TOCSIN_TESTS_UNIT_SKIMMED_H

#include "shared/base/skim.h"

/* The result of skim_decode; aborts if it is true and json_decode refuses the bytes or gives other values. */
bool skim_agrees_with_tree(const FieldTable *table, Slice bytes);

#endif
