/*
 * What an event is to the window of its key. Pure: of the window, and of what stands in the event's headers; never of the
 * clock, never of its body. Reading the same stretch of events again gives the same verdicts, which is what makes counting
 * exact across restarts.
 */
#ifndef TOCSIN_INTAKE_JUDGE_H
#define TOCSIN_INTAKE_JUDGE_H

#include "services/intake/core/windows.h"

typedef enum {
	JUDGE_SKIP,  /* counted already, before a restart */
	JUDGE_COUNT, /* one more of the same */
	JUDGE_RAISE, /* one more, and worse than any before: to be assessed anew at once */
	JUDGE_OPEN,  /* the first of a new incident */
} Verdict;

typedef struct {
	Bits key, event;
	int64_t offset;
	Instant received_at;
	int severity; /* -1: none */
} Arrival;

/* window is NULL where the key is not known. */
Verdict judge(const Window *window, const Arrival *arrival);

/* True when a closing of the incident at that offset ends the window. */
bool judge_closing(const Window *window, Bits incident, int64_t offset);

/*
 * True when a reopening at that offset, made at that time, gives its incident the key again: the key is not known, or its
 * window takes no more events. One that still does keeps the key, whichever incident it is of.
 */
bool judge_reopening(const Window *window, int64_t offset, Instant at);

#endif
