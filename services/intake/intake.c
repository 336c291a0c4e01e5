#include "services/intake/intake.h"

#include "services/intake/core/judge.h"
#include "services/intake/core/seen.h"

#include "shared/domain/event_header.h"
#include "shared/domain/types.h"
#include "shared/edge/bus.h"

#include <stdlib.h>

enum {
	SEEN_RECORDS = 1 << 21,    /* ids a generation of the duplicate filter holds, over all partitions */
	SETTLE_MAX = 1000,         /* updates a batch at most */
	PRUNE_EVERY_MS = 10000,    /* of record time */
	PRUNE_SLACK_MS = 3600000,  /* clocks of gateways may differ by so much and no open window is lost */
	BODY_MAX = 1 << 20,
	BODY_FRAME = 4096,         /* what a report says besides the document */
	HEADERS_MAX = 4096,
};
#define PRUNE_ROWS 64
#define TEXT_(value) #value
#define TEXT(value) TEXT_(value)

typedef struct {
	Windows windows;
	Seen seen;
	int64_t observed_offset; /* of the last event observed, and whether it was there before */
	bool observed_before;
	int64_t undecided;       /* an event that the next draft does not cover although its turn has come; -1: none */
	Instant pruned_at;
	bool prune_more;
	Buffer body, packed, headers;
} Memory;

/* ---- life */

static const char *const schema[] = {
	"CREATE TABLE windows (incident TEXT PRIMARY KEY, header TEXT NOT NULL, through INTEGER NOT NULL,"
	" ends_at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX windows_ends ON windows (ends_at)",
};

static Memory *memory_new(unsigned partitions)
{
	Memory *memory = calloc(1, sizeof(*memory));
	must(memory);
	windows_init(&memory->windows);
	seen_init(&memory->seen, SEEN_RECORDS / (int64_t)(partitions ? partitions : 1));
	buffer_init(&memory->body, BODY_MAX);
	buffer_init(&memory->packed, HEADERS_MAX);
	buffer_init(&memory->headers, HEADERS_MAX);
	return memory;
}

static void memory_clear(Memory *memory)
{
	windows_clear(&memory->windows);
	seen_clear(&memory->seen);
	memory->observed_offset = memory->undecided = -1;
	memory->pruned_at = INSTANT_NONE;
	memory->prune_more = false;
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory)
		return;
	windows_release(&memory->windows);
	seen_release(&memory->seen);
	buffer_release(&memory->body);
	buffer_release(&memory->packed);
	buffer_release(&memory->headers);
	free(memory);
	handler->memory = NULL;
}

static Result restore(Handler *handler)
{
	if (!handler->memory)
		handler->memory = memory_new(handler->partitions);
	Memory *memory = handler->memory;
	memory_clear(memory);
	Statement *rows = store_query_(handler->store, "SELECT incident, header FROM windows", false, NULL, 0);
	Result result = result_ok();
	while (!result_failed(result) && statement_next(rows)) {
		WindowRow row;
		WindowPrune prune;
		result = window_header_read(statement_slice(rows, 1), statement_slice(rows, 0), &row, &prune);
		if (!result_failed(result))
			windows_put(&memory->windows, &row);
	}
	Result ended = statement_end(rows);
	return result_failed(result) ? result : ended;
}

/* ---- how far the input is reflected */

static int64_t position(Handler *handler, TopicId topic, unsigned partition, int64_t next)
{
	(void)topic;
	(void)partition;
	const Memory *memory = handler->memory;
	int64_t until = memory->undecided >= 0 && memory->undecided < next ? memory->undecided : next;
	int64_t reflected = windows_reflected(&memory->windows, until);
	return reflected < until ? reflected : until;
}

static int64_t replay_from(Handler *handler, TopicId topic, int64_t from)
{
	(void)topic;
	const Memory *memory = handler->memory;
	return seen_replay_from(&memory->seen, from);
}

/* ---- apply: a record is its key's row */

static Result rows_prune(Handler *handler, const WindowPrune *prune)
{
	Memory *memory = handler->memory;
	Statement *rows = store_query(handler->store,
				      "DELETE FROM windows WHERE incident IN (SELECT incident FROM windows WHERE ends_at < ?1"
				      " AND through <= ?2 ORDER BY ends_at, incident LIMIT " TEXT(PRUNE_ROWS) ")"
				      " RETURNING incident, header",
				      V_INTEGER(prune->horizon), V_INTEGER(prune->reflected));
	Result result = result_ok();
	int count = 0;
	for (; !result_failed(result) && statement_next(rows); count++) {
		WindowRow row;
		WindowPrune unused;
		result = window_header_read(statement_slice(rows, 1), statement_slice(rows, 0), &row, &unused);
		if (!result_failed(result))
			windows_remove(&memory->windows, row.key, row.incident);
	}
	memory->prune_more = count == PRUNE_ROWS;
	Result ended = statement_end(rows);
	return result_failed(result) ? result : ended;
}

static Result apply(Handler *handler, const Record *record)
{
	Memory *memory = handler->memory;
	Slice header = header_get(record->headers, WINDOW_HEADER);
	WindowRow row;
	WindowPrune prune;
	TRY(window_header_read(header, record->subject, &row, &prune));
	windows_put(&memory->windows, &row);
	TRY(store_run(handler->store,
		      "INSERT INTO windows VALUES (?1, ?2, ?3, ?4) ON CONFLICT (incident) DO UPDATE"
		      " SET header = excluded.header, through = excluded.through, ends_at = excluded.ends_at",
		      V_TEXT(record->subject), V_TEXT(header), V_INTEGER(row.through),
		      V_INTEGER(window_ends_at(&row, record->time))));
	return prune.horizon == INSTANT_NONE ? result_ok() : rows_prune(handler, &prune);
}

/* ---- drafting */

/*
 * What this record may take along of the rows nobody needs: now and then, all the time when there are too many. A window
 * with something pending is not over, however late its next record is: so nothing that ended after the first pending event.
 */
static Instant horizon_of(Memory *memory, Instant at)
{
	if (memory->windows.count >= WINDOWS_MAX)
		return INT64_MAX;
	if (!memory->prune_more && memory->pruned_at != INSTANT_NONE && at < memory->pruned_at + PRUNE_EVERY_MS)
		return INSTANT_NONE;
	memory->pruned_at = at;
	Instant pending_at = windows_reflected_at(&memory->windows, at);
	return (pending_at < at ? pending_at : at) - PRUNE_SLACK_MS;
}

/* A position that is certainly behind none of what the next draft leaves open; the draft's own may be further on. */
static int64_t reflected_before(Handler *handler)
{
	const Memory *memory = handler->memory;
	return position(handler, TOPIC_EVENTS, handler->partition, memory->observed_offset);
}

typedef struct {
	const char *type;
	Slice id; /* empty: of the input */
	Instant at;
} ReportDraft;

static Result draft(Handler *handler, const ReportDraft *report, const ReportBody *body)
{
	Memory *memory = handler->memory;
	WindowPrune prune = { .reflected = reflected_before(handler), .horizon = horizon_of(memory, report->at) };
	buffer_clear(&memory->body);
	report_body_write(&memory->body, body);
	buffer_clear(&memory->packed);
	window_header_write(&memory->packed, body->row, &prune);
	buffer_clear(&memory->headers);
	header_add(&memory->headers, WINDOW_HEADER, buffer_slice(&memory->packed));
	must(!memory->body.overflowed && !memory->packed.overflowed && !memory->headers.overflowed);
	Id incident = bits_write("inc_", body->row->incident);
	return handler_draft(handler, &(Draft){ .id = report->id,
						.type = slice_of(report->type),
						.subject = id_slice(&incident),
						.body = buffer_slice(&memory->body),
						.headers = buffer_slice(&memory->headers),
						.time = report->at });
}

/* What was counted and not yet reported. */
static Result draft_repeat(Handler *handler, const Window *window)
{
	WindowRow row = window_row(window);
	row.report_version++;
	Id incident = bits_write("inc_", row.incident);
	Id id = id_derived("rep_", id_slice(&incident), (unsigned)row.report_version);
	ReportDraft report = { .type = TYPE_REPORT_REPEATED, .id = id_slice(&id), .at = row.last_seen_at };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .received_at = row.last_seen_at, .clock_offset_ms = INT64_MIN });
}

/* ---- decide: what an event is to its key */

typedef struct {
	const Record *input;
	Arrival arrival;
	EventHeader header;
	Window *window; /* NULL: the key is not known */
} Turn;

static const char *form_of(const Record *input)
{
	return slice_is(input->type, TYPE_REPORT_RECEIVED) ? "report" : "event";
}

static Result document_read(Handler *handler, const Record *input, Slice *document)
{
	TRY(handler_body(handler, input, document));
	if (document->size == 0 || document->size > BODY_MAX - BODY_FRAME)
		return result_fail(ERROR_INPUT, "the document is empty or too large to be reported");
	return result_ok();
}

static Result turn_skip(Handler *handler, Turn *turn)
{
	(void)handler;
	(void)turn;
	return result_ok();
}

static Result turn_count(Handler *handler, Turn *turn)
{
	Memory *memory = handler->memory;
	const Arrival *arrival = &turn->arrival;
	windows_count(&memory->windows, turn->window, arrival->event, arrival->offset, arrival->received_at);
	return result_ok();
}

/* Worse than any before: with the document, so that it is assessed anew. */
static Result turn_raise(Handler *handler, Turn *turn)
{
	Slice document;
	TRY(document_read(handler, turn->input, &document));
	TRY(turn_count(handler, turn));
	WindowRow row = window_row(turn->window);
	row.report_version++;
	row.severity = turn->arrival.severity;
	ReportDraft report = { .type = TYPE_REPORT_REPEATED, .at = row.last_seen_at };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .form = form_of(turn->input), .received_at = turn->arrival.received_at,
				    .clock_offset_ms = turn->header.clock_offset_ms, .document = document });
}

static WindowRow row_opened(const Turn *turn, const Id *incident)
{
	const Arrival *arrival = &turn->arrival;
	WindowRow row = { .key = arrival->key, .event = arrival->event, .state = WINDOW_OPEN, .report_version = 1,
			  .event_count = 1, .through = arrival->offset + 1, .last_seen_at = arrival->received_at,
			  .window_seconds = turn->header.window_seconds, .cap_seconds = turn->header.cap_seconds,
			  .severity = arrival->severity };
	must(bits_read_incident(id_slice(incident), &row.incident));
	return row;
}

static Result turn_open(Handler *handler, Turn *turn)
{
	Memory *memory = handler->memory;
	const Record *input = turn->input;
	Slice document;
	char number[NUMBER_SIZE];
	TRY(document_read(handler, input, &document));
	if (turn->window && window_is_pending(turn->window)) {
		/* The old incident's last count is a record of its own: if only that one is accepted, this event comes again. */
		memory->undecided = input->offset;
		TRY(draft_repeat(handler, turn->window));
		memory->undecided = -1;
	}
	Id incident = id_of_incident(input->time, slot_of(input->key), input->id);
	number_of_incident(input->time, input->id, number);
	WindowRow row = row_opened(turn, &incident);
	ReportDraft report = { .type = TYPE_REPORT_OPENED, .at = input->time };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .form = form_of(input), .number = number, .received_at = input->time,
				    .clock_offset_ms = turn->header.clock_offset_ms, .document = document });
}

static Result (*const turns[])(Handler *handler, Turn *turn) = {
	[JUDGE_SKIP] = turn_skip,
	[JUDGE_COUNT] = turn_count,
	[JUDGE_RAISE] = turn_raise,
	[JUDGE_OPEN] = turn_open,
};

static Result decide_arrival(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	Turn turn = { .input = input, .arrival = { .offset = input->offset, .received_at = input->time } };
	if (!bits_read(input->key, &turn.arrival.key) || !bits_read_event(input->id, &turn.arrival.event))
		return result_fail(ERROR_INPUT, "an event's key is 26 base32 characters, its id evt_ and 26 more");
	TRY(event_header_read(header_get(input->headers, EVENT_HEADER), &turn.header));
	turn.arrival.severity = turn.header.severity;
	turn.window = windows_find(&memory->windows, turn.arrival.key);
	return turns[judge(turn.window, &turn.arrival)](handler, &turn);
}

/* The incident was closed: the key's next event opens another. */
static Result decide_closing(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	Bits key, incident;
	if (!bits_read(input->key, &key) || !bits_read_incident(input->subject, &incident))
		return result_fail(ERROR_INPUT, "a closing names a correlation key and an incident");
	const Window *window = windows_find(&memory->windows, key);
	if (!judge_closing(window, incident, input->offset))
		return result_ok();
	WindowRow row = window_row(window);
	row.state = WINDOW_CLOSED;
	row.report_version++;
	row.through = input->offset + 1;
	ReportDraft report = { .type = TYPE_REPORT_RELEASED, .at = input->time };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .received_at = row.last_seen_at, .clock_offset_ms = INT64_MIN });
}

static const struct {
	const char *type;
	Result (*decide)(Handler *handler, const Record *input);
} decisions[] = {
	{ TYPE_EVENT_RECEIVED, decide_arrival },
	{ TYPE_REPORT_RECEIVED, decide_arrival },
	{ TYPE_INCIDENT_CLOSED, decide_closing },
};

/* Every record of the stream, also those before the accepted position that a restart reads again, passes here in order. */
static Result observe(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	if (input->offset <= memory->observed_offset)
		return result_ok();
	memory->observed_before = seen_add(&memory->seen, input->offset, fingerprint_of(input->id));
	memory->observed_offset = input->offset;
	return result_ok();
}

static Result decide(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	must(input->offset == memory->observed_offset);
	if (memory->observed_before)
		return result_ok();
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
		if (slice_is(input->type, decisions[i].type))
			return decisions[i].decide(handler, input);
	return result_ok(); /* a later version's */
}

static Result settle(Handler *handler, Instant now, Instant *wake_at)
{
	Memory *memory = handler->memory;
	Window *window;
	for (int drafted = 0; drafted < SETTLE_MAX && (window = windows_due(&memory->windows, now)); drafted++)
		TRY(draft_repeat(handler, window));
	*wake_at = windows_wake_at(&memory->windows, now);
	return result_ok();
}

/* A row states all of its window, so an old record is needed only while its window is known. */
static Result needed(Handler *handler, const Record *old, bool *needed)
{
	Statement *row = store_query(handler->store, "SELECT 1 FROM windows WHERE incident = ?1", V_TEXT(old->subject));
	*needed = statement_next(row);
	return statement_end(row);
}

const Service intake_service = {
	.name = "intake",
	.sentence = "Drops duplicates, counts repeats, puts related events together into one report",
	.ledger = TOPIC_REPORTS,
	.inputs = { { .topic = TOPIC_EVENTS, .keys_only = true, .observe = observe, .decide = decide } },
	.input_count = 1,
	.schema = schema,
	.schema_version = sizeof(schema) / sizeof(schema[0]),
	.restore = restore,
	.release = release,
	.apply = apply,
	.settle = settle,
	.position = position,
	.replay_from = replay_from,
	.needed = needed,
};
