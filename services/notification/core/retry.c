#include "services/notification/core/retry.h"

#include "shared/base/hash.h"

#include <inttypes.h>
#include <stdio.h>

static const int64_t waits_ms[] = { 2000, 5000, 15000, 60000, 300000, 900000, 3600000, 7200000 };

enum { WAITS = sizeof(waits_ms) / sizeof(waits_ms[0]) };

static int64_t jitter_ms(const Retry *retry, int64_t wait_ms)
{
	char attempt[24];
	snprintf(attempt, sizeof(attempt), "/%" PRId64, retry->attempt);
	Digest digest = DIGEST(retry->key, slice_of(attempt));
	int64_t part = digest.bytes[0] << 8 | digest.bytes[1];
	return wait_ms * RETRY_JITTER_PERCENT / 100 * part / 65536;
}

Instant retry_next(const Retry *retry)
{
	int64_t step = retry->attempt < 1 ? 0 : retry->attempt - 1;
	int64_t wait_ms = waits_ms[step < WAITS ? step : WAITS - 1];
	int64_t requested_ms = retry->retry_after_ms < RETRY_AFTER_MAX_MS ? retry->retry_after_ms : RETRY_AFTER_MAX_MS;
	wait_ms += jitter_ms(retry, wait_ms);
	Instant next = retry->now + (requested_ms > wait_ms ? requested_ms : wait_ms);
	return retry->attempt >= RETRY_LEAST && next > retry->queued_at + RETRY_TOTAL_MS ? INSTANT_NONE : next;
}
