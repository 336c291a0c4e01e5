#include "services/intake/core/windows.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = 0, CHUNK = 1024, INDEX_FIRST = 1024 }; /* entries are numbered from 1, so 0 is no entry */

enum {
	FLAG_CLOSED = 1,
	FLAG_UPDATED = 2, /* updated_ms is set */
	FLAG_FRESH = 4,   /* in the list `fresh`; a pending entry without it is in `waiting` */
	FLAG_TOUCHED = 8, /* counted an event since the last check */
};

static const uint16_t intervals_ms[COALESCE_STEPS] = { 1000, 2000, 4000, 8000, 16000, 30000 };

/* ---- entries and the index */

static Window *entry_at(const Windows *windows, uint32_t number)
{
	return &windows->chunks[(number - 1) / CHUNK][(number - 1) % CHUNK];
}

static bool entry_has_key(const Window *window, Bits key)
{
	return window->key_high == key.high && window->key_low == key.low && (window->tops & 3u) == key.top;
}

static Bits entry_key(const Window *window)
{
	return (Bits){ .high = window->key_high, .low = window->key_low, .top = window->tops & 3u };
}

/* The index cell of the key's entry, or the free one to use for it. Keys are uniform, so their low bits are the hash. */
static uint32_t *index_find(const Windows *windows, Bits key)
{
	uint32_t mask = windows->index_size - 1;
	uint32_t i = (uint32_t)key.low & mask;
	while (windows->index[i] && !entry_has_key(entry_at(windows, windows->index[i]), key))
		i = (i + 1) & mask;
	return &windows->index[i];
}

static void index_grow(Windows *windows)
{
	uint32_t *before = windows->index;
	uint32_t size = windows->index_size;
	windows->index_size = size ? size * 2 : INDEX_FIRST;
	windows->index = calloc(windows->index_size, sizeof(*windows->index));
	must(windows->index);
	for (uint32_t i = 0; i < size; i++)
		if (before[i])
			*index_find(windows, entry_key(entry_at(windows, before[i]))) = before[i];
	free(before);
}

/* Removes a cell without a tombstone: moves later cells of the same probe run into the hole where their home cell allows it. */
static void index_remove(Windows *windows, uint32_t *cell)
{
	uint32_t mask = windows->index_size - 1;
	uint32_t hole = (uint32_t)(cell - windows->index);
	for (uint32_t i = (hole + 1) & mask; windows->index[i]; i = (i + 1) & mask) {
		uint32_t home = (uint32_t)entry_at(windows, windows->index[i])->key_low & mask;
		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		windows->index[hole] = windows->index[i];
		hole = i;
	}
	windows->index[hole] = NONE;
}

static void chunk_add(Windows *windows)
{
	uint32_t chunk = windows->capacity / CHUNK;
	windows->chunks = realloc(windows->chunks, (chunk + 1) * sizeof(*windows->chunks));
	must(windows->chunks);
	windows->chunks[chunk] = calloc(CHUNK, sizeof(**windows->chunks));
	must(windows->chunks[chunk]);
	windows->capacity += CHUNK;
}

static uint32_t entry_allocate(Windows *windows)
{
	uint32_t number = windows->free_first;
	if (number != NONE) {
		windows->free_first = entry_at(windows, number)->pending_next;
		return number;
	}
	if (windows->used == windows->capacity)
		chunk_add(windows);
	return ++windows->used;
}

static Window *entry_add(Windows *windows, Bits key)
{
	if ((windows->count + 1) * 4 > windows->index_size * 3)
		index_grow(windows);
	uint32_t number = entry_allocate(windows);
	Window *window = entry_at(windows, number);
	*window = (Window){ .key_high = key.high, .key_low = key.low, .tops = key.top, .pending_from = -1, .through = -1,
			     .resumed_at = INSTANT_NONE };
	*index_find(windows, key) = number;
	windows->count++;
	return window;
}

/* ---- lists: through the pending links or through the check links */

typedef struct {
	size_t next, previous; /* offsets of the links in Window */
} Links;

static const Links by_pending = { offsetof(Window, pending_next), offsetof(Window, pending_previous) };
static const Links by_check = { offsetof(Window, check_next), offsetof(Window, check_previous) };

static uint32_t *link_of(Window *window, size_t offset)
{
	return (uint32_t *)((char *)window + offset);
}

static void list_append(const Windows *windows, WindowList *list, const Links *links, uint32_t number)
{
	Window *window = entry_at(windows, number);
	*link_of(window, links->next) = NONE;
	*link_of(window, links->previous) = list->last;
	if (list->last != NONE)
		*link_of(entry_at(windows, list->last), links->next) = number;
	else
		list->first = number;
	list->last = number;
}

static void list_remove(const Windows *windows, WindowList *list, const Links *links, Window *window)
{
	uint32_t next = *link_of(window, links->next), previous = *link_of(window, links->previous);
	if (previous != NONE)
		*link_of(entry_at(windows, previous), links->next) = next;
	else
		list->first = next;
	if (next != NONE)
		*link_of(entry_at(windows, next), links->previous) = previous;
	else
		list->last = previous;
}

static WindowList *check_list(Windows *windows, const Window *window)
{
	return window->flags & FLAG_FRESH ? &windows->fresh : &windows->waiting;
}

static void pending_end(Windows *windows, Window *window)
{
	if (window->pending_from < 0)
		return;
	list_remove(windows, &windows->pending, &by_pending, window);
	list_remove(windows, check_list(windows, window), &by_check, window);
	window->pending_from = -1;
	window->flags &= (uint8_t)~(FLAG_FRESH | FLAG_TOUCHED);
}

/* ---- the table */

void windows_init(Windows *windows)
{
	*windows = (Windows){ 0 };
}

void windows_release(Windows *windows)
{
	for (uint32_t i = 0; i < windows->capacity / CHUNK; i++)
		free(windows->chunks[i]);
	free(windows->chunks);
	free(windows->index);
	*windows = (Windows){ 0 };
}

void windows_clear(Windows *windows)
{
	windows_release(windows);
}

Window *windows_find(const Windows *windows, Bits key)
{
	if (windows->index_size == 0)
		return NULL;
	uint32_t number = *index_find(windows, key);
	return number ? entry_at(windows, number) : NULL;
}

static uint32_t clamped(int64_t value)
{
	return value < 0 ? 0 : value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static bool entry_is_of(const Window *window, Bits incident)
{
	return window->incident_high == incident.high && window->incident_low == incident.low;
}

void windows_put(Windows *windows, const WindowRow *row)
{
	Window *window = windows_find(windows, row->key);
	if (!window)
		window = entry_add(windows, row->key);
	else if (window->through > row->through)
		return;
	pending_end(windows, window);
	if (!entry_is_of(window, row->incident)) {
		window->flags = 0;
		window->step = 0;
	}
	window->incident_high = row->incident.high;
	window->incident_low = row->incident.low;
	window->event_high = row->event.high;
	window->event_low = row->event.low;
	window->tops = (uint8_t)(row->key.top | (unsigned)row->event.top << 2);
	window->last_seen_at = row->last_seen_at;
	window->resumed_at = row->resumed_at;
	window->event_count = row->event_count;
	window->through = row->through;
	window->window_seconds = clamped(row->window_seconds);
	window->cap_seconds = clamped(row->cap_seconds);
	window->report_version = clamped(row->report_version);
	window->severity = (int8_t)row->severity;
	if (row->state == WINDOW_CLOSED)
		window->flags |= FLAG_CLOSED;
	else
		window->flags &= (uint8_t)~FLAG_CLOSED;
}

void windows_remove(Windows *windows, Bits key, Bits incident)
{
	if (windows->index_size == 0)
		return;
	uint32_t *cell = index_find(windows, key);
	uint32_t number = *cell;
	if (!number || !entry_is_of(entry_at(windows, number), incident) || window_is_pending(entry_at(windows, number)))
		return;
	index_remove(windows, cell);
	entry_at(windows, number)->pending_next = windows->free_first;
	windows->free_first = number;
	windows->count--;
}

/* ---- one entry */

WindowRow window_row(const Window *window)
{
	return (WindowRow){
		.key = entry_key(window),
		.incident = window_incident(window),
		.event = { .high = window->event_high, .low = window->event_low, .top = (uint8_t)(window->tops >> 2 & 3u) },
		.state = window_is_closed(window) ? WINDOW_CLOSED : WINDOW_OPEN,
		.report_version = window->report_version,
		.event_count = window->event_count,
		.through = window->through,
		.last_seen_at = window->last_seen_at,
		.resumed_at = window->resumed_at,
		.window_seconds = window->window_seconds,
		.cap_seconds = window->cap_seconds,
		.severity = window->severity,
	};
}

Bits window_incident(const Window *window)
{
	return (Bits){ .high = window->incident_high, .low = window->incident_low };
}

bool window_is_closed(const Window *window)
{
	return window->flags & FLAG_CLOSED;
}

bool window_is_pending(const Window *window)
{
	return window->pending_from >= 0;
}

/* ---- counting and reporting */

void windows_count(Windows *windows, Window *window, Bits event, int64_t offset, Instant at)
{
	window->event_count++;
	window->event_high = event.high;
	window->event_low = event.low;
	window->tops = (uint8_t)((window->tops & 3u) | (unsigned)event.top << 2);
	window->through = offset + 1;
	if (at > window->last_seen_at)
		window->last_seen_at = at;
	window->flags |= FLAG_TOUCHED;
	if (window_is_pending(window))
		return;
	window->pending_from = offset;
	window->pending_at = at;
	window->flags |= FLAG_FRESH;
	uint32_t number = *index_find(windows, entry_key(window));
	list_append(windows, &windows->pending, &by_pending, number);
	list_append(windows, &windows->fresh, &by_check, number);
}

int64_t windows_reflected(const Windows *windows, int64_t none)
{
	return windows->pending.first == NONE ? none : entry_at(windows, windows->pending.first)->pending_from;
}

Instant windows_reflected_at(const Windows *windows, Instant none)
{
	return windows->pending.first == NONE ? none : entry_at(windows, windows->pending.first)->pending_at;
}

/* Milliseconds from `from` to now; `from` is the low bits of a time at most 24 days from now. */
static int32_t passed_ms(uint32_t from, Instant now)
{
	return (int32_t)((uint32_t)now - from);
}

/* Sets the next check to CHECK_MS from now, and moves the entry to the end of `waiting`. */
static void check_later(Windows *windows, uint32_t number, Instant now)
{
	Window *window = entry_at(windows, number);
	list_remove(windows, check_list(windows, window), &by_check, window);
	window->flags &= (uint8_t)~(FLAG_FRESH | FLAG_TOUCHED);
	window->check_ms = (uint32_t)now + CHECK_MS;
	list_append(windows, &windows->waiting, &by_check, number);
}

static void interval_begin(Window *window, Instant now, bool quiet)
{
	window->step = quiet ? 0 : (uint8_t)(window->step + 1 < COALESCE_STEPS ? window->step + 1 : window->step);
	window->updated_ms = (uint32_t)now;
	window->flags |= FLAG_UPDATED;
}

static bool interval_over(const Window *window, Instant now)
{
	return passed_ms(window->updated_ms, now) >= intervals_ms[window->step];
}

/* True if the last report is at least COALESCE_MS ago, or if the clock was set back. */
static bool update_allowed(const Window *window, Instant now)
{
	int32_t passed = passed_ms(window->updated_ms, now);
	return passed < 0 || passed >= COALESCE_MS;
}

/* The first fresh entry whose interval since the last report is over: it is due at once. The others move to `waiting`. */
static Window *fresh_due(Windows *windows, Instant now)
{
	while (windows->fresh.first != NONE) {
		uint32_t number = windows->fresh.first;
		Window *window = entry_at(windows, number);
		if ((window->flags & FLAG_UPDATED) && interval_over(window, now)) {
			interval_begin(window, now, false);
			return window;
		}
		if (!(window->flags & FLAG_UPDATED)) {
			window->updated_ms = (uint32_t)now;
			window->flags |= FLAG_UPDATED;
		}
		check_later(windows, number, now);
	}
	return NULL;
}

/* Time until the first check of `waiting`. A check more than CHECK_MS ahead means that the clock was set back; it is due now. */
static int32_t waiting_ms(const Windows *windows, Instant now)
{
	int32_t left = -passed_ms(entry_at(windows, windows->waiting.first)->check_ms, now);
	return left > CHECK_MS || left < 0 ? 0 : left;
}

Window *windows_due(Windows *windows, Instant now)
{
	Window *window = fresh_due(windows, now);
	while (!window && windows->waiting.first != NONE && waiting_ms(windows, now) == 0) {
		uint32_t number = windows->waiting.first;
		Window *head = entry_at(windows, number);
		bool quiet = !(head->flags & FLAG_TOUCHED);
		if ((quiet && update_allowed(head, now)) || interval_over(head, now)) {
			interval_begin(head, now, quiet);
			window = head;
		} else {
			check_later(windows, number, now);
		}
	}
	return window;
}

Instant windows_wake_at(const Windows *windows, Instant now)
{
	if (windows->fresh.first != NONE)
		return now;
	return windows->waiting.first == NONE ? INSTANT_NONE : now + waiting_ms(windows, now);
}
