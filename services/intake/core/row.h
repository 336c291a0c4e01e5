/*
 * What a report record says of its key's window, all of it: "apply" is no more than storing this row, so that a view that
 * missed earlier records of the key is still right. It travels as one packed header, in order that folding a record needs
 * no look into its body:
 *
 *     window: state=0;version=3;count=1017;through=99120;seen=…;window=900;cap=86400;severity=2;reflected=99001;key=…;event=…
 *
 * and, once its incident was reopened, resumed=…: its window and its cap count from there at the earliest.
 *
 * `reflected` and `horizon` tell which rows nobody needs any more: those that ended before the horizon and of which all
 * events stand before the reflected offset, so that no restart will read them again.
 */
#ifndef TOCSIN_INTAKE_ROW_H
#define TOCSIN_INTAKE_ROW_H

#include "services/intake/core/bits.h"

#define WINDOW_HEADER "window"

typedef enum { WINDOW_OPEN, WINDOW_CLOSED } WindowState;

typedef struct {
	Bits key, incident, event; /* event: the last one counted */
	WindowState state;
	int64_t report_version, event_count;
	int64_t through; /* events of the key before this offset are counted */
	Instant last_seen_at;
	Instant resumed_at;      /* when its incident was reopened last; INSTANT_NONE: it was not */
	int64_t window_seconds, cap_seconds;
	int severity;    /* the highest so far; -1: none */
} WindowRow;

typedef struct {
	int64_t reflected; /* offset of events before which everything is reflected, this record included */
	Instant horizon;   /* INSTANT_NONE: prune nothing with this record */
} WindowPrune;

void window_header_write(Buffer *out, const WindowRow *row, const WindowPrune *prune);

/* incident_id is the record's subject. ERROR_INTERNAL: a ledger record of ours is never malformed. */
Result window_header_read(Slice text, Slice incident_id, WindowRow *row, WindowPrune *prune);

/* The header with `through` and `reflected` moved by so much: for another log, whose events stand elsewhere. */
void window_header_move(Slice text, int64_t by, Buffer *out);

/* When the row's key becomes free by itself; at is the record's time, which counts for a closed one. */
Instant window_ends_at(const WindowRow *row, Instant at);

/* A report's body, and the longest document that fits into one beside the rest. */
enum { REPORT_BODY_MAX = 1 << 20, REPORT_DOCUMENT_MAX = REPORT_BODY_MAX - 4096 };

/* Everything a report record's body says; borrowed. */
typedef struct {
	const WindowRow *row;
	const char *form;       /* "event" or "report"; NULL on repeats without a document */
	const char *number;     /* NULL on repeats */
	Instant received_at;    /* of row->event */
	int64_t clock_offset_ms; /* INT64_MIN: not known */
	Slice document;         /* JSON as sent; empty: none */
} ReportBody;

/* The body of ReportRecord; the document's bytes go in as they are. */
void report_body_write(Buffer *out, const ReportBody *body);

#endif
