/*
 * The time of the next attempt to send a message. Each wait has a jitter, so that a receiver that recovers does not get a
 * thousand messages at once. Pure: the jitter is derived from key and attempt, so a repeated computation gives the same time.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_RETRY_H
#define TOCSIN_NOTIFICATION_CORE_RETRY_H

#include "shared/base/instant.h"

enum {
	RETRY_AFTER_MAX_MS = 3600 * 1000, /* a longer Retry-After of a receiver is reduced to this time */
	RETRY_TOTAL_MS = 24 * 3600 * 1000, /* no further attempt is made later than this after the message was queued */
	RETRY_LEAST = 8, /* but this many attempts are made in any case, because Tocsin itself may have been down */
	RETRY_JITTER_PERCENT = 25,
};

typedef struct {
	Slice key;
	int64_t attempt; /* number of the failed attempt, from 1 */
	Instant queued_at, now;
	int64_t retry_after_ms; /* the receiver's Retry-After; 0: none */
} Retry;

/*
 * 2 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, then every 2 h, each plus a jitter of up to a quarter; later if the receiver
 * requests it. INSTANT_NONE: no further attempt.
 */
Instant retry_next(const Retry *retry);

#endif
