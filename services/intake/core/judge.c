#include "services/intake/core/judge.h"

/* More than so many seconds. */
static bool passed(Instant from, Instant to, uint32_t seconds)
{
	return to - from > (int64_t)seconds * 1000;
}

static bool is_over(const Window *window, Instant at)
{
	return window_is_closed(window) || passed(window->last_seen_at, at, window->window_seconds) ||
	       passed(bits_opened_at(window_incident(window)), at, window->cap_seconds);
}

Verdict judge(const Window *window, const Arrival *arrival)
{
	if (!window)
		return JUDGE_OPEN;
	if (arrival->offset < window->through)
		return JUDGE_SKIP;
	/* Time never runs backwards within a key, whatever the clocks of several gateways say. */
	Instant at = arrival->received_at > window->last_seen_at ? arrival->received_at : window->last_seen_at;
	if (is_over(window, at))
		return JUDGE_OPEN;
	return arrival->severity > window->severity ? JUDGE_RAISE : JUDGE_COUNT;
}

bool judge_closing(const Window *window, Bits incident, int64_t offset)
{
	return window && offset >= window->through && !window_is_closed(window) &&
	       bits_equal(window_incident(window), incident);
}
