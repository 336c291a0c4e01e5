#include "shared/runtime/replay.h"

#include "shared/base/hash.h"
#include "shared/domain/documents.h"
#include "shared/domain/types.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a map of texts to numbers: open addressing; 64 bits of SHA-256 represent a text */

typedef struct {
	uint64_t fingerprint; /* never 0 in use */
	int64_t number;
} Cell;

typedef struct {
	Cell *cells;
	size_t used, room; /* room: a power of two, or 0 */
} Map;

static uint64_t fingerprint_of(Slice text)
{
	Digest digest = DIGEST(text);
	uint64_t fingerprint;
	memcpy(&fingerprint, digest.bytes, sizeof fingerprint);
	return fingerprint == 0 ? 1 : fingerprint;
}

static Cell *cell_of(Cell *cells, size_t room, uint64_t fingerprint)
{
	size_t at = (size_t)fingerprint & (room - 1);
	while (cells[at].fingerprint != 0 && cells[at].fingerprint != fingerprint)
		at = (at + 1) & (room - 1);
	return &cells[at];
}

static void map_grow(Map *map)
{
	size_t room = map->room == 0 ? 1024 : map->room * 2;
	Cell *cells = calloc(room, sizeof *cells);
	must(cells != NULL);
	for (size_t i = 0; i < map->room; i++)
		if (map->cells[i].fingerprint != 0)
			*cell_of(cells, room, map->cells[i].fingerprint) = map->cells[i];
	free(map->cells);
	map->cells = cells;
	map->room = room;
}

/* Points to the number of the text, which is initially 0; valid until the next call. */
static int64_t *map_at(Map *map, Slice text)
{
	if (map->used * 4 >= map->room * 3)
		map_grow(map);
	uint64_t fingerprint = fingerprint_of(text);
	Cell *cell = cell_of(map->cells, map->room, fingerprint);
	map->used += cell->fingerprint == 0;
	cell->fingerprint = fingerprint;
	return &cell->number;
}

/* ---- the replay */

struct Replay {
	TopicId ledger;
	unsigned partition;
	ReplayFinding finding;
	void *context;
	ReplayAccepted accepted;
	void *accepted_context;
	LedgerCursor cursor;
	LedgerPositions positions;
	ReplayFigures figures;
	Map ids, versions, sequences;
	bool began;
	bool entered_at_claim; /* the trimmed log begins at a claim or its opening: the opening's ce_prev cannot be checked */
};

Replay *replay_new(TopicId ledger, unsigned partition, ReplayFinding finding, void *context)
{
	Replay *replay = calloc(1, sizeof *replay);
	must(replay != NULL);
	replay->ledger = ledger;
	replay->partition = partition;
	replay->finding = finding;
	replay->context = context;
	return replay;
}

void replay_free(Replay *replay)
{
	if (replay == NULL)
		return;
	free(replay->ids.cells);
	free(replay->versions.cells);
	free(replay->sequences.cells);
	free(replay);
}

void replay_on_accepted(Replay *replay, ReplayAccepted accepted, void *context)
{
	replay->accepted = accepted;
	replay->accepted_context = context;
}

static void report(Replay *replay, int64_t offset, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void report(Replay *replay, int64_t offset, const char *format, ...)
{
	char text[RESULT_TEXT];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	replay->figures.findings++;
	replay->finding(replay->context, offset, text);
}

static bool is_bookkeeping(Slice type)
{
	return slice_is(type, TYPE_LEDGER_CLAIMED) || slice_is(type, TYPE_LEDGER_OPENED) ||
	       slice_is(type, TYPE_LEDGER_ADVANCED);
}

static void check_opening(Replay *replay, const BusRecord *record)
{
	const LedgerCursor *cursor = &replay->cursor;
	char expected[48];
	bool comparable = !replay->entered_at_claim;
	replay->entered_at_claim = false;
	int size = snprintf(expected, sizeof expected, "%" PRIu64 ".%" PRIu64, cursor->prev_epoch, cursor->prev_seq);
	Slice previous = header_get(record->headers, "ce_prev");
	if (comparable && !slice_equals(previous, (Slice){ expected, (size_t)size }))
		report(replay, record->offset,
		     "its owner had read up to %.*s, but %s is before its claim: accepted records are lost",
		     (int)previous.size, previous.data == NULL ? "" : previous.data, expected);
}

static int64_t position_before(const LedgerPositions *positions, unsigned topic, unsigned partition)
{
	for (size_t i = 0; i < positions->count; i++)
		if (positions->list[i].topic == topic && positions->list[i].partition == partition)
			return positions->list[i].position;
	return 0;
}

static void check_positions(Replay *replay, const BusRecord *record)
{
	LedgerPositions now;
	Slice text = header_get(record->headers, "ce_positions");
	if (text.size == 0)
		return;
	if (result_failed(ledger_positions_read(text, replay->partition, &now))) {
		report(replay, record->offset, "its ce_positions header is malformed");
		return;
	}
	for (size_t i = 0; i < now.count; i++) {
		int64_t before = position_before(&replay->positions, now.list[i].topic, now.list[i].partition);
		if (now.list[i].position < before)
			report(replay, record->offset, "the position in %s/%u goes back from %" PRId64 " to %" PRId64,
			     topics[now.list[i].topic].short_name, now.list[i].partition, before, now.list[i].position);
	}
	replay->positions = now;
}

static void check_id(Replay *replay, const BusRecord *record)
{
	Slice id = header_get(record->headers, "ce_id");
	int64_t *first = map_at(&replay->ids, id);
	if (*first != 0)
		report(replay, record->offset, "%.*s was accepted before, at offset %" PRId64 ": an input was counted twice",
		     (int)id.size, id.data == NULL ? "" : id.data, *first - 1);
	*first = record->offset + 1;
}

/* The sequence counts the entries of an incident and its entities; an entry of an old program has no sequence. */
static void check_sequence(Replay *replay, const BusRecord *record, int64_t *last, json_t *entry)
{
	json_t *member = json_object_get(entry, "sequence");
	int64_t next = *last < INT64_MAX ? *last + 1 : INT64_MAX;
	int64_t sequence = json_is_integer(member) ? (int64_t)json_integer_value(member) : next;
	if (sequence != next)
		report(replay, record->offset, "sequence %" PRId64 " of an incident follows sequence %" PRId64, sequence, *last);
	*last = sequence;
}

static void check_entry(Replay *replay, const BusRecord *record, int64_t *last, json_t *entry)
{
	int64_t version = (int64_t)json_integer_value(json_object_get(entry, "version"));
	if (*last == INT64_MAX || version != *last + 1)
		report(replay, record->offset, "version %" PRId64 " of an incident follows version %" PRId64, version,
		     *last);
	*last = version;
}

static void check_versions(Replay *replay, const BusRecord *record)
{
	json_t *body JSON_AUTO = NULL;
	size_t index;
	json_t *entry;
	if (result_failed(json_read(record->body, &body))) {
		report(replay, record->offset, "its body is not a JSON document");
		return;
	}
	Slice incident = slice_of(json_string_value(json_object_get(body, "incident_id")));
	int64_t *version = map_at(&replay->versions, incident), *sequence = map_at(&replay->sequences, incident);
	json_array_foreach (json_object_get(body, "entries"), index, entry) {
		check_entry(replay, record, version, entry);
		check_sequence(replay, record, sequence, entry);
	}
}

static void accept(Replay *replay, const BusRecord *record)
{
	Slice type = header_get(record->headers, "ce_type");
	replay->figures.accepted++;
	if (slice_is(type, TYPE_LEDGER_OPENED))
		check_opening(replay, record);
	else if (replay->cursor.seq == 1)
		report(replay, record->offset, "the first record after a claim is not an opening record");
	check_positions(replay, record);
	if (replay->accepted)
		replay->accepted(replay->accepted_context, record);
	if (is_bookkeeping(type))
		return;
	check_id(replay, record);
	if (slice_is(type, TYPE_JOURNAL_ENTERED))
		check_versions(replay, record);
}

/* Sets the cursor at the first record kept. True if the record is accepted by definition, as the first one of a trimmed log. */
static bool begin(Replay *replay, const BusRecord *record)
{
	LedgerMark mark;
	bool marked = !result_failed(ledger_mark_read(record->headers, &mark));
	/* A record without a readable mark is dropped, and the log begins at the next one that has a mark. */
	replay->began = marked || record->offset == 0;
	replay->cursor.next = record->offset;
	replay->entered_at_claim = record->offset > 0 && marked && (mark.claim || mark.seq == 1);
	if (record->offset == 0 || !marked || mark.claim)
		return false;
	replay->cursor = ledger_enter(&mark, record->offset);
	return true;
}

static void check_offset(Replay *replay, const BusRecord *record)
{
	if (!replay->began || record->offset == replay->cursor.next)
		return;
	replay->figures.holes++;
	report(replay, record->offset, "offset %" PRId64 " was expected: records are missing", replay->cursor.next);
	replay->cursor.next = record->offset;
}

void replay_take(Replay *replay, const BusRecord *record)
{
	LedgerMark mark;
	replay->figures.records++;
	check_offset(replay, record);
	if (!replay->began && begin(replay, record)) {
		accept(replay, record);
		return;
	}
	uint64_t owner = replay->cursor.owner;
	LedgerVerdict verdict = ledger_judge(&replay->cursor, record->headers, &mark);
	if (verdict == LEDGER_ACCEPT) {
		accept(replay, record);
	} else if (verdict == LEDGER_CLAIMED) {
		replay->figures.claims++;
		replay->figures.takeovers += replay->figures.claims > 1 && owner != replay->cursor.owner;
	} else {
		replay->figures.dropped++;
		replay->figures.unknown_writers += mark.epoch == 0;
	}
}

ReplayFigures replay_figures(const Replay *replay)
{
	return replay->figures;
}

const LedgerPositions *replay_positions(const Replay *replay)
{
	return &replay->positions;
}
