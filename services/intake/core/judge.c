#include "services/intake/core/judge.h"

/* More than so many seconds. */
static bool passed(Instant from, Instant to, uint32_t seconds)
{
	return to - from > (int64_t)seconds * 1000;
}

static Instant later(Instant one, Instant other)
{
	return one > other ? one : other;
}

/* A reopening counts like the opening, and like an event. INSTANT_NONE is before everything. */
static bool is_over(const Window *window, Instant at)
{
	return window_is_closed(window) ||
	       passed(later(window->last_seen_at, window->resumed_at), at, window->window_seconds) ||
	       passed(later(bits_opened_at(window_incident(window)), window->resumed_at), at, window->cap_seconds);
}

Verdict judge(const Window *window, const Arrival *arrival)
{
	if (!window)
		return JUDGE_OPEN;
	if (arrival->offset < window->through)
		return JUDGE_SKIP;
	/* Time never runs backwards within a key, whatever the clocks of several gateways say. */
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
