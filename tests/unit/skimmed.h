/* Compares skim_decode with json_decode. */
#ifndef TOCSIN_TESTS_UNIT_SKIMMED_H
#define TOCSIN_TESTS_UNIT_SKIMMED_H

#include "shared/base/skim.h"

/*
 * Returns the result of skim_decode. If skim_decode accepts the bytes, json_decode must accept them and decode the same values of
 * the members that skim_decode stores. Otherwise aborts.
 */
bool skim_agrees_with_tree(const FieldTable *table, Slice bytes);

#endif
