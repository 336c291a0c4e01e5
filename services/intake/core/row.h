/*
 * The row of a window, which every report record states completely: `apply` only stores it, so a view that missed earlier
 * records of the key is still correct. It is one packed header, so that folding a record does not need the body:
 *
 *     window: state=0;version=3;count=1017;through=99120;seen=…;window=900;cap=86400;severity=2;reflected=99001;key=…;event=…
 *
 * and resumed=… once its incident was reopened: window and cap are then measured from the reopening, the window from the last
 * event if that is later.
 *
 * `reflected` and `horizon` select the rows to prune: those that ended before the horizon and whose events all lie before the
 * reflected offset, so that no restart reads them again.
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
	Instant resumed_at;      /* last reopening of the incident; INSTANT_NONE: none */
	int64_t window_seconds, cap_seconds;
	int severity;    /* the highest so far; -1: none */
} WindowRow;

typedef struct {
	int64_t reflected; /* all events before this offset are reflected in the records up to this one */
	Instant horizon;   /* INSTANT_NONE: prune nothing with this record */
} WindowPrune;

void window_header_write(Buffer *out, const WindowRow *row, const WindowPrune *prune);

/* incident_id is the record's subject. ERROR_INTERNAL: malformed, which a record of the ledger never is. */
Result window_header_read(Slice text, Slice incident_id, WindowRow *row, WindowPrune *prune);

/* Appends the header with `by` added to `through` and `reflected`, for a log in which events have other offsets. */
void window_header_move(Slice text, int64_t by, Buffer *out);

/* When the window ends if it is not closed before; for a closed window, `at`, the time of the record that closed it. */
Instant window_ends_at(const WindowRow *row, Instant at);

/* Bytes of a report's body; the document that it embeds has at most SENDER_BYTES_MAX. */
enum { REPORT_BODY_MAX = 1 << 20 };

/* The content of a report record's body; borrowed. */
typedef struct {
	const WindowRow *row;
	const char *form;       /* "event" or "report"; NULL on repeats without a document */
	const char *number;     /* NULL on repeats */
	Instant received_at;    /* of row->event */
	int64_t clock_offset_ms; /* INT64_MIN: not known */
	Slice document;         /* JSON as sent; empty: none */
} ReportBody;

/* Appends the body of a ReportRecord; the document is embedded byte for byte. */
void report_body_write(Buffer *out, const ReportBody *body);

#endif
