/*
 * The windows of a partition in memory: one entry for each correlation key, found by open addressing over the key's bits.
 *
 * An entry may be ahead of its row (core/row.h): then its `event_count`, `last_seen_at` and `event` include events that are counted
 * but not reported. Such an entry is pending and is in two lists:
 *
 *     pending            ordered by pending_from, the first offset not reported; the first entry limits windows_reflected
 *     fresh or waiting   fresh before the first check; then waiting, ordered by the next check, CHECK_MS after the previous check
 *
 * Invariants: an entry is in `pending` exactly when pending_from >= 0, and then in exactly one of `fresh` and `waiting`.
 * Entries do not move: a pointer is valid until windows_remove, windows_clear or windows_release.
 *
 * There is no clock here. Counting uses only the time of records; windows_due uses the time it is given, and decides only
 * when counted events are reported.
 */
#ifndef TOCSIN_INTAKE_WINDOWS_H
#define TOCSIN_INTAKE_WINDOWS_H

#include "services/intake/core/row.h"

enum {
	WINDOWS_MAX = 1 << 22,     /* entries; from this number on, the rows that end first are pruned (decide.c) */
	COALESCE_MS = 1000,        /* least time between two reports of a key */
	CHECK_MS = 500,            /* between two checks; without an event between them the key is quiet and its count is reported */
	COALESCE_STEPS = 6,        /* 1, 2, 4, 8, 16, 30 s between reports while the key keeps repeating */
};

typedef struct {
	uint64_t key_high, key_low, incident_high, incident_low, event_high, event_low;
	Instant last_seen_at, resumed_at;
	int64_t event_count, through;
	int64_t pending_from;         /* first offset not reported; -1: all events are reported */
	Instant pending_at;           /* time of the event at pending_from */
	uint32_t window_seconds, cap_seconds, report_version;
	uint8_t tops;                 /* Bits.top of key (bits 0, 1) and event (bits 2, 3) */
	int8_t severity;
	uint8_t flags;
	uint8_t step;                 /* index of the current interval between reports (COALESCE_STEPS) */
	uint32_t updated_ms, check_ms; /* low 32 bits of a time in ms: of the last report, of the next check */
	uint32_t pending_next, pending_previous, check_next, check_previous;
} Window;

typedef struct {
	uint32_t first, last;
} WindowList;

typedef struct {
	Window **chunks;
	uint32_t used, capacity, free_first; /* entries ever used; entries in chunks; first free entry */
	uint32_t count;
	uint32_t *index;  /* numbers of entries, from 1; 0: free */
	uint32_t index_size;
	WindowList pending, fresh, waiting;
} Windows;

void windows_init(Windows *windows);
void windows_release(Windows *windows);

/* Removes all entries; the table can be used again. */
void windows_clear(Windows *windows);

/* NULL: the key is not known. */
Window *windows_find(const Windows *windows, Bits key);

/*
 * Sets the key's entry to the row; the entry is not pending afterwards. A row whose `through` is smaller than the entry's changes
 * nothing: the entry belongs to a newer incident.
 */
void windows_put(Windows *windows, const WindowRow *row);

/* Removes the key's entry if it belongs to the incident and is not pending. */
void windows_remove(Windows *windows, Bits key, Bits incident);

/* The entry as a row, pending events included. */
WindowRow window_row(const Window *window);
Bits window_incident(const Window *window);
bool window_is_closed(const Window *window);
bool window_is_pending(const Window *window);

/* Counts an event received at `at`. last_seen_at does not go back. */
void windows_count(Windows *windows, Window *window, Bits event, int64_t offset, Instant at);

/* The smallest offset that is counted but not reported, or `none`. */
int64_t windows_reflected(const Windows *windows, int64_t none);

/*
 * The time of the event at windows_reflected, or `none`. Times increase with offsets, except for differences between the clocks
 * of gateways.
 */
Instant windows_reflected_at(const Windows *windows, Instant none);

/* An entry to report now, or NULL. Its next interval is set already. The caller drafts a report, whose apply calls windows_put. */
Window *windows_due(Windows *windows, Instant now);

/* When to call windows_due again; INSTANT_NONE: no entry is pending. */
Instant windows_wake_at(const Windows *windows, Instant now);

#endif
