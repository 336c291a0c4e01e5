/*
 * The windows of a partition in memory: one entry a correlation key, found by open addressing over the key's own bits.
 *
 * An entry knows more than its row (core/row.h): `event_count`, `last_seen_at` and `event` include events that were counted
 * but not yet reported. Such an entry is PENDING and stands in two lists:
 *
 *     pending   ordered by pending_from, the first offset not yet reported: its head is how far the input is reflected
 *     fresh, then waiting   ordered by when to look at it next: one look is due a second after the one before
 *
 * Invariants: an entry stands in `pending` exactly when pending_from >= 0, and then in exactly one of `fresh`, `waiting`.
 * Entries never move, so a pointer is good until windows_remove, windows_clear or windows_release.
 *
 * No clock inside. Counting needs no time but the record's; only windows_due looks at the time it is given, and what it
 * decides is merely when counted events are reported.
 */
#ifndef TOCSIN_INTAKE_WINDOWS_H
#define TOCSIN_INTAKE_WINDOWS_H

#include "services/intake/core/row.h"

enum {
	WINDOWS_MAX = 1 << 22,     /* entries; above it the ones that end first are given up (see intake.c) */
	COALESCE_MS = 1000,        /* an update a key at most this often */
	LOOK_MS = 500,             /* no event between two looks: the key is quiet, its count is reported */
	COALESCE_STEPS = 6,        /* 1, 2, 4, 8, 16, 30 s while it keeps repeating */
};

typedef struct {
	uint64_t key_high, key_low, incident_high, incident_low, event_high, event_low;
	Instant last_seen_at, resumed_at;
	int64_t event_count, through;
	int64_t pending_from;         /* -1: all of it is reported */
	Instant pending_at;           /* when the event at pending_from was received */
	uint32_t window_seconds, cap_seconds, report_version;
	uint8_t tops;                 /* the two first bits of key (0, 1) and event (2, 3) */
	int8_t severity;
	uint8_t marks;
	uint8_t step;                 /* of the coalescing interval */
	uint32_t updated_ms, check_ms; /* low bits of a time in ms: when last reported, when to look again */
	uint32_t pending_next, pending_previous, check_next, check_previous;
} Window;

typedef struct {
	uint32_t first, last;
} WindowList;

typedef struct {
	Window **chunks;
	uint32_t used, room, free_first; /* entries ever taken; entries in chunks; list of free ones */
	uint32_t count;
	uint32_t *index;  /* number of the entry + 1; 0: free */
	uint32_t index_size;
	WindowList pending, fresh, waiting;
} Windows;

void windows_init(Windows *windows);
void windows_release(Windows *windows);
void windows_clear(Windows *windows);

/* NULL: no window of that key is known. */
Window *windows_find(const Windows *windows, Bits key);

/*
 * Makes the key's entry what the row says; nothing of it is pending afterwards. A row that is behind the entry (its
 * `through` is smaller) changes nothing: a newer incident of the key is known.
 */
void windows_put(Windows *windows, const WindowRow *row);

/* Removes the key's entry if it is still of that incident and nothing of it is pending. */
void windows_remove(Windows *windows, Bits key, Bits incident);

/* What the entry would be as a row. */
WindowRow window_row(const Window *window);
Bits window_incident(const Window *window);
bool window_is_closed(const Window *window);
bool window_is_pending(const Window *window);

/* Counts an event received at `at` (moved up to last_seen_at where it is earlier). */
void windows_count(Windows *windows, Window *window, Bits event, int64_t offset, Instant at);

/* The smallest offset that is counted and not yet reported, or `none`. */
int64_t windows_reflected(const Windows *windows, int64_t none);

/* When that event was received, or `none`. Offsets follow the time but for the differences of gateways' clocks. */
Instant windows_reflected_at(const Windows *windows, Instant none);

/* An entry to be reported now, its next interval already set; NULL: none is due. windows_put must follow. */
Window *windows_due(Windows *windows, Instant now);

/* When windows_due should be asked again; INSTANT_NONE: nothing is pending. */
Instant windows_wake_at(const Windows *windows, Instant now);

#endif
