/*
 * The gateway's view: incidents, their timelines and the commands of the last 30 days, folded from journal, deliveries and
 * commands into one SQLite file. It decides nothing and may be deleted at any time. Only the service's thread writes; any
 * thread may read, through its own Store (view_readers.h).
 *
 * A timeline is ordered by (time, entry or delivery, version or offset), a function of the records alone, so that a
 * rebuilt view has the same order and cursors stay valid.
 */
#ifndef TOCSIN_GATEWAY_VIEW_H
#define TOCSIN_GATEWAY_VIEW_H

#include "services/gateway/core/cursor.h"
#include "services/gateway/core/filter.h"
#include "shared/runtime/handler.h"

enum { VIEW_SCHEMA_VERSION = 1, VIEW_PAGE_BYTES = 16 << 20, VIEW_DOCUMENT_BYTES = 4 << 20 };
extern const char *const view_schema[];

/* ---- writing: one record, within the caller's transaction; other types are ignored. ERROR_INPUT: a dead letter. */
Result view_take_journal(Store *store, const Record *record);
Result view_take_delivery(Store *store, const Record *record);
Result view_take_command(Store *store, const Record *record, Instant now);

/* ---- reading: ERROR_NOT_FOUND, or ERROR_AGAIN if the file cannot be read */

/* Appends the document as text. */
Result view_incident(Store *store, Slice id, Buffer *document, int64_t *version);

/* The end of a page: if there are more items, the next page begins after the position `last`. */
typedef struct {
	char last[CURSOR_POSITION_MAX];
	bool more;
} PageEnd;

/*
 * Append a page of documents, "{…},{…}": at most the limit, and no more than VIEW_PAGE_BYTES unless the first alone is
 * larger. `after` is empty at the start; it may be end->last.
 */
Result view_incidents(Store *store, const IncidentQuery *query, Slice after, Buffer *items, PageEnd *end);
Result view_timeline(Store *store, Slice incident, Slice after, int64_t limit, Buffer *items, PageEnd *end);

/* *has: some incident has the category. */
Result view_has_category(Store *store, Slice category, bool *has);

typedef enum { COMMAND_PENDING, COMMAND_DONE, COMMAND_REFUSED } CommandState;
extern const char *const command_states[]; /* "pending", "done", "refused", NULL */

typedef struct {
	char incident[ID_SIZE];
	CommandState state;
	int64_t version; /* of the incident after the command; 0 while pending */
	char fingerprint[DIGEST_HEX]; /* of the request; empty: not known */
	json_t *problem; /* if refused: {code, detail, allowed}; else NULL. Owned: command_row_release */
} CommandRow;

Result view_command(Store *store, Slice id, CommandRow *out);
void command_row_release(CommandRow *row);

#endif
