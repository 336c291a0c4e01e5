/* Skimming compared with reading by a tree. */
#ifndef TOCSIN_TESTS_UNIT_SKIMMED_H
#define TOCSIN_TESTS_UNIT_SKIMMED_H

#include "shared/base/skim.h"

/* Whether skimming is sure of the bytes; aborts where it is and reading by a tree refuses them, or gives another struct. */
bool skimmed_alike(const FieldTable *table, Slice bytes);

#endif
