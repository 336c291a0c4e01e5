/*
 * One Outside for several partitions of a service: each is told what became of what it sent itself, and nothing of
 * others'. Keys differ between partitions. What is remembered is what is under way, which the Outside itself bounds.
 */
#ifndef TOCSIN_EDGE_OUTSIDE_PARTS_H
#define TOCSIN_EDGE_OUTSIDE_PARTS_H

#include "shared/edge/outside.h"

#include <stddef.h>

typedef struct OutsideParts OutsideParts;

/* outside is borrowed. */
OutsideParts *outside_parts_new(Outside *outside, size_t count);

/* Nobody uses a part any more. Takes NULL. */
void outside_parts_free(OutsideParts *parts);

/* The Outside of one of them; borrowed, never closed. NULL of NULL. */
Outside *outside_part(OutsideParts *parts, size_t index);

#endif
