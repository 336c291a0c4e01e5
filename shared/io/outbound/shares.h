/*
 * Lets several partitions of a service share one Outbound: each partition has a share, which returns only the outcomes of requests
 * that were sent through that share. Different partitions must use different keys. An outcome stays in memory until its share takes
 * it; no limit applies to the number of such outcomes.
 */
#ifndef TOCSIN_IO_OUTBOUND_SHARES_H
#define TOCSIN_IO_OUTBOUND_SHARES_H

#include "shared/io/outbound/outbound.h"

#include <stddef.h>

typedef struct OutboundShares OutboundShares;

/*
 * Makes `count` shares of outbound, borrowed until outbound_shares_free. Other code may not call outbound's notify or outcome.
 * Never NULL.
 */
OutboundShares *outbound_shares_new(Outbound *outbound, size_t count);

/* No share may be in use. Accepts NULL. */
void outbound_shares_free(OutboundShares *shares);

/* The share at `index`, which must be below `count`; borrowed, and without a `close` operation. NULL if shares is NULL. */
Outbound *outbound_share(OutboundShares *shares, size_t index);

#endif
