#include "shared/domain/lifecycle.h"

#include <string.h>

#define STATUS_WORD(name_, word_, kinds_, open_) word_,
const char *const status_words[] = { STATUS_TABLE(STATUS_WORD) NULL };

static const struct {
	unsigned kinds;
	bool open;
} statuses[STATUSES] = {
#define STATUS_ROW(name_, word_, kinds_, open_) [STATUS_##name_] = { (kinds_), (open_) },
	STATUS_TABLE(STATUS_ROW)
};

bool status_exists(int kind, int status)
{
	return kind >= 0 && kind < KINDS && status >= 0 && status < STATUSES && (statuses[status].kinds & 1u << kind) != 0;
}

bool status_is_open(int status)
{
	return status >= 0 && status < STATUSES && statuses[status].open;
}

Status status_of_opening(Kind kind)
{
	static const Status openings[KINDS] = {
		[KIND_EVENT] = STATUS_RECEIVED, [KIND_INCIDENT] = STATUS_REPORTED, [KIND_WEAKNESS] = STATUS_REPORTED,
	};
	return openings[kind];
}

Status status_translated(Status status, Kind from, Kind to)
{
	if (from == to)
		return status;
	if (status_is_open((int)status))
		return status_of_opening(to);
	return status_exists((int)to, (int)status) ? status : STATUS_FALSE_ALARM;
}

/* ---- transitions */

bool transition_next(const char **transitions, Slice *from, Slice *to)
{
	const char *word = *transitions + strspn(*transitions, " ");
	size_t size = strcspn(word, " "), arrow = strcspn(word, "> ");
	*from = (Slice){ word, arrow };
	*to = arrow < size ? (Slice){ word + arrow + 1, size - arrow - 1 } : SLICE_NONE;
	*transitions = word + size;
	return size > 0;
}

static bool from_matches(Slice from, Status status)
{
	if (slice_is(from, "any"))
		return true;
	if (slice_is(from, "open"))
		return statuses[status].open;
	if (slice_is(from, "finished"))
		return !statuses[status].open;
	return slice_is(from, status_words[status]);
}

static Status status_of(Slice word, Status fallback)
{
	for (unsigned status = 0; status < STATUSES; status++)
		if (slice_is(word, status_words[status]))
			return (Status)status;
	return fallback;
}

Transition transition_of(const char *transitions, int kind, int status)
{
	const Transition refused = { .taken = false };
	Slice from, to;
	if (transitions == NULL || !status_exists(kind, status))
		return refused;
	while (transition_next(&transitions, &from, &to))
		if (from_matches(from, (Status)status))
			return (Transition){ .taken = true, .next = status_of(to, (Status)status) };
	return refused;
}
