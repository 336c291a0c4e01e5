/*
 * One Outbound for several partitions of a service: each is told what became of what it sent itself, and nothing of
 * others'. Keys differ between partitions. What is remembered is what is under way, which the Outbound itself bounds.
 */
#ifndef TOCSIN_IO_OUTBOUND_SHARES_H
#define TOCSIN_IO_OUTBOUND_SHARES_H

#include "shared/io/outbound/outbound.h"

#include <stddef.h>

typedef struct OutboundShares OutboundShares;

/* outside is borrowed. */
OutboundShares *outbound_shares_new(Outbound *outside, size_t count);

/* Nobody uses a part any more. Takes NULL. */
void outbound_shares_free(OutboundShares *parts);

/* The Outbound of one of them; borrowed, never closed. NULL of NULL. */
Outbound *outbound_share(OutboundShares *parts, size_t index);

#endif
