/*
 * Counts the events of one partition again and compares the sums with the counts that its ledger of reports states.
 *
 * There are two passes. The first takes the accepted reports in their order. While a key belongs to one incident, the rows of
 * that incident (row.h) state how many events of the key lie in a stretch of offsets:
 *
 *     row      opened, through 5      repeated, through 9       opened (another incident), through 13
 *     offsets  4 ──── incident A ───── 9        none        12 ──── incident B ────
 *
 * An opening counts its own event, the last one before its `through`. Each later row of the incident extends the stretch to
 * its own `through`. Between two stretches the key belongs to no incident, and an event there would be lost. A resumed row of
 * a pruned incident takes the count that response had, so the next sum begins at the count of that row.
 *
 * The second pass takes the kept events, drops duplicates by intake's filter (dedup.h), and counts the others of each stretch.
 * A duplicate whose first occurrence is kept never counts. It is uncertain whether an event counts if
 *   - the offsets before it that the filter remembers are not all kept, so that it may repeat an event that retention dropped;
 *   - its document is invalid, which matters only if it opens an incident or raises the severity;
 *   - its id occurred before only in a misplaced record (RECOUNT_MISPLACED), which intake may or may not have added to its filter.
 * Such events allow a range of counts, so retention causes no false alarm. For the same reason, a stretch that begins before
 * the first kept event is shortened to begin at the first row whose `through` is kept, and that row's count is not checked.
 *
 * Imported rows name offsets of another log. All events of that log were counted when it was exported, so these rows cover
 * everything before the position at which the import ends (the first position that the ledger states after them).
 *
 * Memory: about 130 bytes for each incident with a stretch after the first kept event, and the filter.
 */
#ifndef TOCSIN_INTAKE_RECOUNT_H
#define TOCSIN_INTAKE_RECOUNT_H

#include "services/intake/core/row.h"

typedef struct Recount Recount;

/* text: a sentence about the record at this offset of the topic of events (of_events) or of the ledger; borrowed for the call. */
typedef void (*RecountFinding)(void *context, bool of_events, int64_t offset, const char *text);

typedef struct {
	int64_t first;           /* offset of the oldest kept event; if none is kept, the offset that the next event will have */
	int64_t generation_size; /* of the filter, in records (dedup_generation_size) */
	RecountFinding finding;
	void *context;
} RecountOptions;

/* Copies options; context stays the caller's. */
Recount *recount_new(const RecountOptions *options);

/* Accepts NULL. */
void recount_free(Recount *recount);

/* ---- first pass: accepted records of the ledger in their order */

/* Call it if the ledger is complete from its first record: then a row must count every event from the first stated position on. */
void recount_ledger_is_whole(Recount *recount);

typedef enum { RECOUNT_OPENED, RECOUNT_CONTINUED, RECOUNT_RESUMED } RecountStep;

/* imported: an import wrote the row. offset: of the record. */
void recount_row(Recount *recount, int64_t offset, RecountStep step, const WindowRow *row, bool imported);

/* All events before this position are reflected in the rows taken so far. Call it after the row of the same record. */
void recount_position(Recount *recount, int64_t position);

/* ---- second pass: records of events in their order */

typedef enum {
	RECOUNT_UNREAD,    /* malformed, or of an unknown type: not in the filter */
	RECOUNT_MISPLACED, /* its key belongs to another partition */
	RECOUNT_NOTED,     /* in the filter, counted by no incident */
	RECOUNT_EVENT,
	RECOUNT_DOUBTFUL,  /* an event that counts only as a repeat, because its document is invalid */
} RecountKind;

typedef struct {
	RecountKind kind;
	int64_t offset;
	uint64_t fingerprint; /* of its id; unused if RECOUNT_UNREAD */
	Bits key, event;      /* of RECOUNT_EVENT and RECOUNT_DOUBTFUL */
} RecountEvent;

/* The offset from which on the ledger states nothing about events. */
int64_t recount_end(const Recount *recount);

/*
 * Call it if retention dropped events while the recount ran. offset: of the oldest event still kept. The dropped events are those
 * after the last event taken (if none was taken: from options.first on) and before offset.
 */
void recount_kept_from(Recount *recount, int64_t offset);

void recount_event(Recount *recount, const RecountEvent *event);

/* ---- the result */

typedef struct {
	uint64_t incidents;          /* incidents whose counts were compared */
	uint64_t events, uncertain;  /* events taken, duplicates included; the part of them that may or may not count */
	uint64_t unchecked;          /* rows whose count cannot be compared: of an import, or of events that are not kept */
	uint64_t findings;
} RecountFigures;

/* Compares after both passes; reports findings. Call it once. */
RecountFigures recount_finish(Recount *recount);

#endif
