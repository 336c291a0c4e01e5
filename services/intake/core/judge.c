#include "services/intake/core/judge.h"

/* True if `to` is more than this many seconds after `from`. */
static bool passed(Instant from, Instant to, uint32_t seconds)
{
	return to - from > (int64_t)seconds * 1000;
}

static Instant later(Instant one, Instant other)
{
	return one > other ? one : other;
}

/*
 * A reopening restarts both the window and the cap. Without a reopening, resumed_at is INSTANT_NONE, the smallest Instant,
 * so later() ignores it.
 */
static bool is_over(const Window *window, Instant at)
{
	return window_is_closed(window) ||
	       passed(later(window->last_seen_at, window->resumed_at), at, window->window_seconds) ||
	       passed(later(bits_opened_at(window_incident(window)), window->resumed_at), at, window->cap_seconds);
}

EventVerdict judge(const Window *window, const Arrival *arrival)
{
	if (!window)
		return JUDGE_OPEN;
	if (arrival->offset < window->through)
		return JUDGE_SKIP;
	/* Time does not go back within a key, although the clocks of gateways differ. */
	Instant at = later(arrival->received_at, window->last_seen_at);
	if (is_over(window, at))
		return JUDGE_OPEN;
	return arrival->severity > window->severity ? JUDGE_RAISE : JUDGE_COUNT;
}

bool judge_closing(const Window *window, Bits incident, int64_t offset)
{
	return window && offset >= window->through && !window_is_closed(window) &&
	       bits_equal(window_incident(window), incident);
}

bool judge_reopening(const Window *window, int64_t offset, Instant at)
{
	return !window || (offset >= window->through && is_over(window, later(at, window->last_seen_at)));
}
