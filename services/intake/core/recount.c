#include "services/intake/core/recount.h"

#include "services/intake/core/dedup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NONE = 0, FIRST_CAPACITY = 256, NOT_KNOWN = -1 }; /* stretches are numbered from 1; 0 is no stretch */

/* The events of one key in [from, to). By the ledger they raised the count of one incident from `base` to `count`. */
typedef struct {
	Bits key, incident;
	int64_t from, to; /* NOT_KNOWN: imported, and the position of the import is not known yet */
	int64_t base, count;
	int64_t certain, uncertain; /* events of the second pass that surely count; that may count */
	int64_t row;                /* offset of the last record that states this stretch */
	uint32_t next;              /* number of the key's next stretch */
	uint32_t earlier;           /* number of the previous stretch of the same incident */
	bool opened, compared;
} Stretch;

/* The stretches of a key: the one that the second pass has reached, and the last one. */
typedef struct {
	uint32_t current, last;
} KeyStretches;

struct Recount {
	RecountOptions options;
	Stretch *stretches;
	uint32_t count, capacity;
	KeyStretches *index;
	uint32_t index_size; /* a power of two, or 0 */
	uint32_t keys;
	bool whole;            /* recount_ledger_is_whole was called */
	int64_t position, top; /* the greatest position stated; the greatest end of a stretch */
	int64_t stated_from;   /* events from here on are lost unless a row states them */
	bool import_open;      /* imported rows wait for the position of their import */
	DedupFilter filter, misplaced;
	int64_t kept_from, next; /* all kept events in [kept_from, next) were taken */
	RecountFigures figures;
};

Recount *recount_new(const RecountOptions *options)
{
	Recount *recount = calloc(1, sizeof(*recount));
	must(recount);
	recount->options = *options;
	recount->position = recount->top = 0;
	recount->stated_from = INT64_MAX;
	recount->kept_from = recount->next = options->first;
	dedup_init(&recount->filter, options->generation_size);
	dedup_init(&recount->misplaced, options->generation_size);
	return recount;
}

void recount_free(Recount *recount)
{
	if (!recount)
		return;
	dedup_release(&recount->filter);
	dedup_release(&recount->misplaced);
	free(recount->stretches);
	free(recount->index);
	free(recount);
}

static void finding_report(Recount *recount, bool of_events, int64_t offset, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void finding_report(Recount *recount, bool of_events, int64_t offset, const char *format, ...)
{
	char text[RESULT_TEXT];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	recount->figures.findings++;
	recount->options.finding(recount->options.context, of_events, offset, text);
}

/* ---- stretches by key: open addressing over the bits of the key, which are uniform */

static Stretch *stretch_at(const Recount *recount, uint32_t number)
{
	return number == NONE ? NULL : &recount->stretches[number - 1];
}

static KeyStretches *index_find(const Recount *recount, Bits key)
{
	uint32_t mask = recount->index_size - 1, i = (uint32_t)key.low & mask;
	while (recount->index[i].last != NONE && !bits_equal(stretch_at(recount, recount->index[i].last)->key, key))
		i = (i + 1) & mask;
	return &recount->index[i];
}

static void index_grow(Recount *recount)
{
	KeyStretches *before = recount->index;
	uint32_t count = recount->index_size;
	recount->index_size = count ? count * 2 : FIRST_CAPACITY;
	recount->index = calloc(recount->index_size, sizeof(*recount->index));
	must(recount->index);
	for (uint32_t i = 0; i < count; i++)
		if (before[i].last != NONE)
			*index_find(recount, stretch_at(recount, before[i].last)->key) = before[i];
	free(before);
}

/* The key's stretches; both NONE: the key has no stretch yet. */
static KeyStretches *key_stretches(Recount *recount, Bits key)
{
	if ((recount->keys + 1) * 4 > recount->index_size * 3)
		index_grow(recount);
	return index_find(recount, key);
}

static Stretch *stretch_add(Recount *recount, const Stretch *stretch)
{
	KeyStretches *stretches = key_stretches(recount, stretch->key);
	if (recount->count == recount->capacity) {
		recount->capacity = recount->capacity ? recount->capacity * 2 : FIRST_CAPACITY;
		recount->stretches = realloc(recount->stretches, recount->capacity * sizeof(*recount->stretches));
		must(recount->stretches);
	}
	uint32_t number = ++recount->count;
	recount->stretches[number - 1] = *stretch;
	recount->keys += stretches->last == NONE;
	if (stretches->last == NONE)
		stretches->current = number;
	else
		stretch_at(recount, stretches->last)->next = number;
	stretches->last = number;
	return stretch_at(recount, number);
}

/* The last stretch of the incident among those of its key; NONE: it has none. */
static uint32_t stretch_of(const Recount *recount, const KeyStretches *stretches, Bits incident)
{
	uint32_t found = NONE;
	for (uint32_t i = stretches->current; i != NONE; i = stretch_at(recount, i)->next)
		if (bits_equal(stretch_at(recount, i)->incident, incident))
			found = i;
	return found;
}

/* ---- first pass */

void recount_ledger_is_whole(Recount *recount)
{
	recount->whole = true;
}

static int64_t later(int64_t one, int64_t other)
{
	return one > other ? one : other;
}

static void imported_row_take(Recount *recount, Stretch *last, const Stretch *begun)
{
	recount->import_open = true;
	if (last && last->to == NOT_KNOWN && bits_equal(last->incident, begun->incident)) {
		last->base = last->count = begun->count;
		return;
	}
	Stretch *added = stretch_add(recount, begun);
	added->from = added->to = NOT_KNOWN;
}

/*
 * Extends the last stretch of the key if the row continues the incident of that stretch. A resumed row whose count is smaller than
 * that of the previous row begins a new stretch: intake had pruned the incident and took the count of response, and no event of the
 * key was counted in between.
 */
static bool stretch_extend(const Recount *recount, Stretch *last, RecountStep step, const Stretch *begun)
{
	if (!last || step == RECOUNT_OPENED || !bits_equal(last->incident, begun->incident) ||
	    (step == RECOUNT_RESUMED && begun->count < last->count))
		return false;
	if (last->to < recount->options.first) { /* the events before `begun` are not completely kept */
		last->from = begun->to;
		last->base = begun->count;
	}
	last->to = begun->to;
	last->count = begun->count;
	last->row = begun->row;
	return true;
}

/* An incident that had the key before continues from its last count, or from the count of the new row if that is smaller. */
static void stretch_resume(const Recount *recount, Stretch *begun, uint32_t earlier)
{
	begun->earlier = earlier;
	int64_t counted = stretch_at(recount, earlier)->count;
	if (begun->count > counted)
		begun->base = counted;
}

void recount_row(Recount *recount, int64_t offset, RecountStep step, const WindowRow *row, bool imported)
{
	const KeyStretches *stretches = key_stretches(recount, row->key);
	Stretch *last = stretch_at(recount, stretches->last);
	Stretch begun = { .key = row->key, .incident = row->incident, .base = row->event_count, .count = row->event_count,
			  .row = offset };
	if (imported) {
		recount->figures.unchecked++;
		imported_row_take(recount, last, &begun);
		return;
	}
	/* The `through` of a key does not decrease: a row with a smaller `through` ends where the row before it ends. */
	int64_t end = last ? later(row->through, last->to) : row->through;
	if (end < recount->options.first) {
		recount->figures.unchecked++;
		return;
	}
	begun.from = begun.to = end;
	recount->top = later(recount->top, end);
	if (stretch_extend(recount, last, step, &begun))
		return;
	uint32_t earlier = stretch_of(recount, stretches, row->incident);
	if (step == RECOUNT_OPENED && end > recount->options.first) {
		begun.opened = true;
		begun.base = 0;
		begun.from = last ? later(end - 1, last->to) : end - 1;
	} else if (earlier != NONE) {
		stretch_resume(recount, &begun, earlier);
	}
	stretch_add(recount, &begun);
}

/* The imported rows cover everything before the position of the import. */
static void import_end(Recount *recount, int64_t position)
{
	for (uint32_t i = 0; i < recount->count; i++)
		if (recount->stretches[i].to == NOT_KNOWN)
			recount->stretches[i].from = recount->stretches[i].to = position;
	recount->import_open = false;
}

void recount_position(Recount *recount, int64_t position)
{
	if (recount->import_open)
		import_end(recount, position);
	if (recount->whole && recount->stated_from == INT64_MAX)
		recount->stated_from = position;
	recount->position = later(recount->position, position);
}

/* ---- second pass */

int64_t recount_end(const Recount *recount)
{
	return later(recount->position, recount->top);
}

void recount_kept_from(Recount *recount, int64_t offset)
{
	if (offset <= recount->next)
		return;
	recount->kept_from = recount->next = offset;
}

/* The key's stretch that contains the offset. If it returns NULL, *lost is true if a row should have counted the event. */
static Stretch *stretch_holding(Recount *recount, Bits key, int64_t offset, bool *lost)
{
	KeyStretches *stretches = key_stretches(recount, key);
	Stretch *current = stretch_at(recount, stretches->current);
	*lost = offset >= recount->stated_from && offset < recount->position;
	if (!current)
		return NULL;
	for (Stretch *next; (next = stretch_at(recount, current->next)) != NULL && next->from <= offset; current = next)
		stretches->current = current->next;
	if (offset >= current->from && offset < current->to)
		return current;
	if (offset < current->from)
		*lost = *lost && current->opened; /* without an opening, an earlier row that is not kept may count the event */
	else
		*lost = current->to != NOT_KNOWN && (current->next != NONE || offset < recount->position);
	return NULL;
}

/* True if retention dropped records that intake's filter remembered at this offset. */
static bool range_is_cut(const Recount *recount, int64_t offset)
{
	return recount->kept_from > dedup_replay_from(&recount->filter, offset);
}

static void event_count(Recount *recount, const RecountEvent *event, bool certain)
{
	bool lost;
	Stretch *stretch = stretch_holding(recount, event->key, event->offset, &lost);
	recount->figures.uncertain += !certain;
	if (stretch) {
		*(certain ? &stretch->certain : &stretch->uncertain) += 1;
	} else if (certain && lost) {
		Id id = bits_write("evt_", event->event), key = bits_write("", event->key);
		finding_report(recount, true, event->offset, "%s of key %s is counted by no incident: it was lost", id.text, key.text);
	}
}

void recount_event(Recount *recount, const RecountEvent *event)
{
	recount_kept_from(recount, event->offset);
	if (event->offset < recount->next)
		return;
	recount->next = event->offset + 1;
	if (event->kind == RECOUNT_UNREAD)
		return;
	if (event->kind == RECOUNT_MISPLACED) {
		dedup_add(&recount->misplaced, event->offset, event->fingerprint);
		return;
	}
	bool before = dedup_add(&recount->filter, event->offset, event->fingerprint);
	if (event->kind == RECOUNT_NOTED)
		return;
	recount->figures.events++;
	if (before)
		return;
	bool certain = event->kind == RECOUNT_EVENT && !range_is_cut(recount, event->offset) &&
		       !dedup_knows(&recount->misplaced, event->offset, event->fingerprint);
	event_count(recount, event, certain);
}

/* ---- the result */

static void stretch_report(Recount *recount, const Stretch *stretch, int64_t stated)
{
	Id incident = bits_write("inc_", stretch->incident);
	char most[32] = "";
	if (stretch->uncertain > 0)
		snprintf(most, sizeof(most), " to %" PRId64, stretch->certain + stretch->uncertain);
	finding_report(recount, false, stretch->row,
	     "incident %s: the ledger counts %" PRId64 " events in [%" PRId64 ", %" PRId64 "), the log holds %" PRId64
	     "%s different ones",
	     incident.text, stated, stretch->from, stretch->to, stretch->certain, most);
}

static void stretch_compare(Recount *recount, Stretch *stretch)
{
	const Stretch *earlier = stretch_at(recount, stretch->earlier);
	bool counted = earlier && earlier->compared;
	int64_t stated;
	stretch->compared = counted;
	if (stretch->to == NOT_KNOWN || stretch->from < recount->kept_from)
		return;
	if (__builtin_sub_overflow(stretch->count, stretch->base, &stated))
		stated = INT64_MAX; /* out of range: the count is wrong */
	if (stretch->from == stretch->to && stated == 0)
		return;
	stretch->compared = true;
	recount->figures.incidents += !counted;
	if (stated < stretch->certain || stated > stretch->certain + stretch->uncertain)
		stretch_report(recount, stretch, stated);
}

RecountFigures recount_finish(Recount *recount)
{
	for (uint32_t i = 0; i < recount->count; i++)
		stretch_compare(recount, &recount->stretches[i]);
	return recount->figures;
}
