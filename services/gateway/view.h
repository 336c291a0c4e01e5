/*
 * The gateway's view: incidents, their timelines and the commands of the last 30 days, folded out of journal, deliveries
 * and commands into one SQLite file. It decides nothing and may be deleted at any time. Writing is the service's (one
 * thread); reading is any thread's, through a Store of its own.
 *
 * Order of a timeline: (time, what, version or place in the log), a function of the records alone, so that a rebuilt
 * view shows the same order and an old cursor still fits.
 */
#ifndef TOCSIN_GATEWAY_VIEW_H
#define TOCSIN_GATEWAY_VIEW_H

#include "services/gateway/core/cursor.h"
#include "services/gateway/core/filter.h"
#include "shared/runtime/handler.h"

enum { VIEW_SCHEMA_VERSION = 1, VIEW_PAGE_BYTES = 16 << 20, VIEW_DOCUMENT_BYTES = 4 << 20 };
extern const char *const view_schema[];

/* ---- writing: one record each, within the caller's transaction. ERROR_INPUT: not understood (dead letter). */
Result view_take_journal(Store *store, const Record *record);
Result view_take_delivery(Store *store, const Record *record);
Result view_take_command(Store *store, const Record *record);

/* ---- reading: ERROR_NOT_FOUND, or ERROR_AGAIN where the file cannot be read */

/* The document as text, appended. */
Result view_incident(Store *store, Slice id, Buffer *document, int64_t *version);

/*
 * A page of documents, "{…},{…}", appended. last is the position to go on from where *more. A page ends early where it
 * would pass VIEW_PAGE_BYTES.
 */
typedef struct {
	char last[CURSOR_POSITION_MAX];
	bool more;
} PageEnd;
Result view_incidents(Store *store, const IncidentQuery *query, Slice after, Buffer *items, PageEnd *end);
Result view_timeline(Store *store, Slice incident, Slice after, int64_t limit, Buffer *items, PageEnd *end);

/* Whether any incident has the category. */
Result view_has_category(Store *store, Slice category, bool *has);

typedef enum { COMMAND_PENDING, COMMAND_DONE, COMMAND_REFUSED } CommandState;
extern const char *const command_states[]; /* "pending", "done", "refused", NULL */

typedef struct {
	char incident[ID_SIZE];
	CommandState state;
	int64_t version; /* of the incident after it; 0 while pending */
	char fingerprint[DIGEST_HEX]; /* of the request; empty: not known */
	json_t *problem; /* refused: {code, detail, allowed}; else NULL. A reference of the row's own */
} CommandRow;

Result view_command(Store *store, Slice id, CommandRow *out);
void command_row_release(CommandRow *row);

#endif
