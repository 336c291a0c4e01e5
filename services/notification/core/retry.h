/*
 * When a message that did not get through is tried again. Pure: the jitter comes of the message's key, so a repeat of
 * the computation gives the same time, and a thousand messages to one receiver that comes back do not come at once.
 */
#ifndef TOCSIN_NOTIFICATION_CORE_RETRY_H
#define TOCSIN_NOTIFICATION_CORE_RETRY_H

#include "shared/base/instant.h"

enum {
	RETRY_AFTER_MAX_MS = 3600 * 1000, /* the most a receiver may ask for */
	RETRY_TOTAL_MS = 24 * 3600 * 1000, /* given up after this long */
	RETRY_LEAST = 8, /* but not before so many attempts: we may have been down that long ourselves */
	RETRY_JITTER_PERCENT = 25,
};

typedef struct {
	Slice key;
	int64_t attempt; /* the one that failed, from 1 */
	Instant queued_at, now;
	int64_t retry_after_ms; /* what the receiver asked for, 0: nothing */
} Retry;

/*
 * 2 s, 5 s, 15 s, 1 min, 5 min, 15 min, 1 h, then 2 h each, and up to a quarter of it more; later where the receiver
 * asks for it. INSTANT_NONE: no more.
 */
Instant retry_next(const Retry *retry);

#endif
