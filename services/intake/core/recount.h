/*
 * Counts the events of one partition again and compares with what its ledger of reports states.
 *
 * Two passes. The first takes the accepted reports in their order. While a key belongs to one incident, the rows of that
 * incident (row.h) state how many events of the key stand in a stretch of offsets:
 *
 *     row      opened, through 5      repeated, through 9       opened (another incident), through 13
 *     offsets  4 ──── incident A ───── 9        none        12 ──── incident B ────
 *
 * An opening states its own event, which stands right before its `through`. Each later row of the incident extends the
 * stretch to its own `through`. Between two stretches the key counts to nobody, and events would be lost there. A resumed
 * row of an incident that was forgotten takes over a count that response knew, so its count is where the next sum begins.
 *
 * The second pass takes the events from the first kept one on, drops duplicates by the filter of intake (dedup.h), and adds
 * up the others by stretch. A duplicate whose first occurrence is kept never counts. An event may or may not count where
 *   - the filter's range before it is not wholly kept, so that it may repeat an event that retention dropped;
 *   - its document is too large to be reported, which matters only where it opens or raises;
 *   - its id occurred before only in a record of another partition's, which only a restarted intake notes.
 * Such events allow a range of counts, so retention causes no false alarm. For the same reason a stretch that begins
 * before the first kept event begins at the first row whose `through` is kept, and that row's count is not checked.
 *
 * Rows that an import wrote name offsets of another log. All events of that log were counted when it was exported, so these
 * rows state everything before the position that the import ends with (the first position that follows them).
 *
 * Memory: about 130 bytes for each incident that has a stretch behind the first kept event, and the filter.
 */
#ifndef TOCSIN_INTAKE_RECOUNT_H
#define TOCSIN_INTAKE_RECOUNT_H

#include "services/intake/core/row.h"

typedef struct Recount Recount;

/* A plain sentence about the record at offset, which is one of the events or one of the ledger. */
typedef void (*RecountFinding)(void *context, bool of_events, int64_t offset, const char *text);

typedef struct {
	int64_t first;           /* offset of the oldest kept event; where none is kept: of the next one */
	int64_t generation_size; /* of the filter (seen_generation_size) */
	RecountFinding finding;
	void *context;
} RecountOptions;

Recount *recount_new(const RecountOptions *options);
void recount_free(Recount *recount);

/* ---- first pass: accepted records of the ledger in their order */

/* The ledger is kept from its first record on, so each event it counts stands in a row that is taken. */
void recount_ledger_is_whole(Recount *recount);

typedef enum { RECOUNT_OPENED, RECOUNT_CONTINUED, RECOUNT_RESUMED } RecountStep;

/* carried: an import wrote it. offset: of the record. */
void recount_row(Recount *recount, int64_t offset, RecountStep step, const WindowRow *row, bool carried);

/* All events before this position are reflected in the rows taken so far; after the record's row. */
void recount_position(Recount *recount, int64_t position);

/* ---- second pass: records of events in their order */

typedef enum {
	RECOUNT_UNREAD,    /* without the headers of a record: no filter knows it */
	RECOUNT_MISPLACED, /* belongs to another partition */
	RECOUNT_NOTED,     /* known to the filter, counted by nobody */
	RECOUNT_EVENT,
	RECOUNT_DOUBTFUL,  /* an event that counts only as a repeat: its document cannot be reported */
} RecountKind;

typedef struct {
	RecountKind kind;
	int64_t offset;
	uint64_t fingerprint; /* of its id, but for RECOUNT_UNREAD */
	Bits key, event;      /* of events */
} RecountEvent;

/* The ledger states nothing about events from this offset on. */
int64_t recount_end(const Recount *recount);

/* Records before this offset are not kept any more. */
void recount_kept_from(Recount *recount, int64_t offset);

void recount_event(Recount *recount, const RecountEvent *event);

/* ---- the answer */

typedef struct {
	uint64_t incidents;          /* compared */
	uint64_t events, uncertain;  /* taken, duplicates included; of those: may or may not count */
	uint64_t unchecked;          /* rows whose count cannot be compared: of an import, or of events that are not kept */
	uint64_t findings;
} RecountFigures;

/* Compares, once both passes are done. */
RecountFigures recount_finish(Recount *recount);

#endif
