/*
 * Judges an event by the window of its key. Pure: a function of the window and the event's headers, not of the clock or the
 * body. Therefore a second reading of the same events gives the same verdicts, and counts stay exact across restarts.
 */
#ifndef TOCSIN_INTAKE_JUDGE_H
#define TOCSIN_INTAKE_JUDGE_H

#include "services/intake/core/windows.h"

typedef enum {
	JUDGE_SKIP,  /* already counted before a restart */
	JUDGE_COUNT, /* a repeat */
	JUDGE_RAISE, /* a repeat, more severe than all before: reported at once, to be assessed again */
	JUDGE_OPEN,  /* the first of a new incident */
} EventVerdict;

typedef struct {
	Bits key, event;
	int64_t offset;
	Instant received_at;
	int severity; /* -1: none */
} Arrival;

/* window NULL: the key is not known. */
EventVerdict judge(const Window *window, const Arrival *arrival);

/* True when the closing of the incident, read at `offset` of the input, ends the window. */
bool judge_closing(const Window *window, Bits incident, int64_t offset);

/*
 * True when the reopening, read at `offset` of the input with time `at`, returns the key to its incident: the key is not known,
 * or its window is over. An open window keeps the key, whichever incident it belongs to.
 */
bool judge_reopening(const Window *window, int64_t offset, Instant at);

#endif
