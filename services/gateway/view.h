/*
 * The gateway's view: incidents, their timelines and the commands of the last 30 days, folded from journal, deliveries and
 * commands into one SQLite file. An incident has a column for each row of incident_table with FIELD_FILTER, and an index on the
 * column if the row also has FIELD_INDEXED. The parameter q searches the texts of the rows with FIELD_SEARCH. The schema names
 * all rows; a file with other rows is rebuilt, so that every stored document is complete.
 * No decision depends on the view; if the file is deleted, it is rebuilt from these topics.
 * Only the service's thread writes; other threads read through Stores of their own (view_readers.h).
 *
 * The items of a timeline are ordered by time. At the same time entries come before deliveries, entries in the order of their
 * versions, deliveries in the order of their offsets. All of these come from the records. So a rebuilt view has the same order,
 * and cursors stay valid.
 */
#ifndef TOCSIN_GATEWAY_VIEW_H
#define TOCSIN_GATEWAY_VIEW_H

#include "services/gateway/core/cursor.h"
#include "services/gateway/core/filter.h"
#include "shared/runtime/handler.h"
#include "shared/runtime/incident_store.h"

enum { VIEW_SCHEMA_VERSION = 2, VIEW_PAGE_BYTES = 16 << 20, VIEW_DOCUMENT_BYTES = 4 << 20 };
extern const char *const view_schema[];

/* Fills view_schema and the statement that writes an incident; call it before either is used. Any thread, any number of times. */
void view_prepare(void);

/* ---- items of a timeline, as clients read them */
typedef struct {
	Instant at;
	const char *type; /* timeline_words */
	int64_t version;  /* of the incident after the entry; INT64_MIN: none */
	json_t *actor, *data;
} EntryAnswer;
extern const FieldTable entry_table;

/* The data of an item of type delivery. */
typedef struct {
	int64_t escalation_level;
	const char *channel, *recipient, *state, *key, *detail;
} DeliveryAnswer;
extern const FieldTable delivery_answer_table;

/*
 * ---- writing: applies one record within the caller's transaction; ignores records of other types. ERROR_INPUT: the record
 * becomes a dead letter.
 */
Result view_take_journal(IncidentStore *incidents, Store *store, const Record *record);
Result view_take_delivery(Store *store, const Record *record);
/* now: the gateway's clock, which replaces an impossible time of the command's writer (instant_bounded). */
Result view_take_command(Store *store, const Record *record, Instant now);

/* ---- reading. ERROR_NOT_FOUND: no such incident or command; ERROR_AGAIN: the file cannot be read; ERROR_INTERNAL: damaged */

/* Appends the incident's document as JSON. */
Result view_incident(Store *store, Slice id, Buffer *document, int64_t *version);

/* The end of a page: if there are more items, the next page begins after the position `last`. */
typedef struct {
	char last[CURSOR_POSITION_MAX];
	bool more;
} PageEnd;

/*
 * Append a page of documents, "{…},{…}": at most `limit` of them, and at most VIEW_PAGE_BYTES unless the first document alone
 * is larger. `after` is empty for the first page; it may be end->last of the page before.
 */
Result view_incidents(Store *store, const IncidentQuery *query, Slice after, Buffer *items, PageEnd *end);
Result view_timeline(Store *store, Slice incident, Slice after, int64_t limit, Buffer *items, PageEnd *end);

/* *has is true when at least one incident has the category. */
Result view_has_category(Store *store, Slice category, bool *has);

typedef enum { COMMAND_PENDING, COMMAND_DONE, COMMAND_REFUSED } CommandState;
extern const char *const command_states[]; /* "pending", "done", "refused", NULL */

typedef struct {
	char incident[ID_SIZE];
	CommandState state;
	int64_t version; /* of the incident after the command; 0: pending, or there is no such incident */
	char fingerprint[DIGEST_HEX]; /* of the request; empty: not known */
	json_t *problem; /* if refused: {code, detail, allowed, errors}; else NULL. Freed by command_row_release */
} CommandRow;

Result view_command(Store *store, Slice id, CommandRow *out);
void command_row_release(CommandRow *row);

#endif
