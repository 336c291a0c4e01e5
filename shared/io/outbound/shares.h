/*
 * Lets several partitions of a service share one Outbound: each partition has a share, which returns only the outcomes of
 * requests that were sent through it. Keys differ between partitions. The limits of the Outbound bound the number of requests
 * that are remembered.
 */
#ifndef TOCSIN_IO_OUTBOUND_SHARES_H
#define TOCSIN_IO_OUTBOUND_SHARES_H

#include "shared/io/outbound/outbound.h"

#include <stddef.h>

typedef struct OutboundShares OutboundShares;

/* Makes `count` shares of outbound, which is borrowed until outbound_shares_free; no other code may call its notify. Never NULL. */
OutboundShares *outbound_shares_new(Outbound *outbound, size_t count);

/* No share may be in use. Accepts NULL. */
void outbound_shares_free(OutboundShares *shares);

/* The share at index, which is below count; borrowed, and its close is NULL. Returns NULL if shares is NULL. */
Outbound *outbound_share(OutboundShares *shares, size_t index);

#endif
