/*
 * Lets several partitions of a service share one Outbound: each has a share, which returns only the outcomes of requests that
 * it sent itself. Keys differ between partitions. The number of remembered requests is bounded by the Outbound.
 */
#ifndef TOCSIN_IO_OUTBOUND_SHARES_H
#define TOCSIN_IO_OUTBOUND_SHARES_H

#include "shared/io/outbound/outbound.h"

#include <stddef.h>

typedef struct OutboundShares OutboundShares;

/* `count` shares of outbound, which is borrowed until outbound_shares_free; nobody else may call its notify. Never NULL. */
OutboundShares *outbound_shares_new(Outbound *outbound, size_t count);

/* No share may be in use. Accepts NULL. */
void outbound_shares_free(OutboundShares *shares);

/* The share at index, which is below count; borrowed, and its close is NULL. Returns NULL if shares is NULL. */
Outbound *outbound_share(OutboundShares *shares, size_t index);

#endif
