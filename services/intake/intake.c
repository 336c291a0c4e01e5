#include "services/intake/intake_internal.h"

#include "services/intake/joins.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <stdlib.h>

enum { SETTLE_MAX = 1000 }; /* reports of repeats in one call of settle */
#define PRUNE_ROWS 64
#define TEXT_(value) #value
#define TEXT(value) TEXT_(value)

/* ---- memory */

static const char *const schema[] = {
	"CREATE TABLE windows (incident TEXT PRIMARY KEY, header TEXT NOT NULL, through INTEGER NOT NULL,"
	" ends_at INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX windows_ends ON windows (ends_at)",
	JOINS_SCHEMA,
};

static Memory *memory_new(unsigned partitions)
{
	Memory *memory = calloc(1, sizeof(*memory));
	must(memory);
	windows_init(&memory->windows);
	dedup_init(&memory->events.filter, dedup_generation_size(partitions));
	dedup_init(&memory->joins.filter, dedup_generation_size(partitions));
	buffer_init(&memory->body, REPORT_BODY_MAX);
	buffer_init(&memory->packed, HEADERS_MAX);
	buffer_init(&memory->headers, HEADERS_MAX);
	return memory;
}

static void memory_clear(Memory *memory)
{
	windows_clear(&memory->windows);
	dedup_clear(&memory->events.filter);
	dedup_clear(&memory->joins.filter);
	memory->events.offset = memory->joins.offset = memory->undecided = -1;
	memory->pruned_at = INSTANT_NONE;
	memory->prune_more = false;
}

static void release(Handler *handler)
{
	Memory *memory = handler->memory;
	if (!memory)
		return;
	windows_release(&memory->windows);
	dedup_release(&memory->events.filter);
	dedup_release(&memory->joins.filter);
	buffer_release(&memory->body);
	buffer_release(&memory->packed);
	buffer_release(&memory->headers);
	free(memory);
	handler->memory = NULL;
}

static Observed *observed_of(const Handler *handler, TopicId topic)
{
	Memory *memory = handler->memory;
	return topic == TOPIC_JOINS ? &memory->joins : &memory->events;
}

static Result state_damaged(const Handler *handler)
{
	return result_fail(ERROR_INTERNAL, "a row of the windows cannot be read: delete $TOCSIN_HOME/intake/%u.db, it is rebuilt from the ledger",
			   handler->partition);
}

static Result restore(Handler *handler)
{
	if (!handler->memory)
		handler->memory = memory_new(handler->partitions);
	Memory *memory = handler->memory;
	memory_clear(memory);
	Statement *rows = store_query(handler->store, "SELECT incident, header FROM windows");
	Result result = result_ok();
	while (!result_failed(result) && statement_next(rows)) {
		WindowRow row;
		WindowPrune prune;
		result = window_header_read(statement_slice(rows, 1), statement_slice(rows, 0), &row, &prune);
		if (!result_failed(result))
			windows_put(&memory->windows, &row);
	}
	Result ended = statement_end(rows);
	return result_failed(result) ? state_damaged(handler) : ended;
}

/* ---- positions */

/* State reflects an announcement of a join once it is decided, but an event only once a record states a count with this event. */
static int64_t position(Handler *handler, TopicId topic, unsigned partition, int64_t next)
{
	(void)partition;
	return topic == TOPIC_EVENTS ? events_reflected(handler->memory, next) : next;
}

static int64_t replay_from(Handler *handler, TopicId topic, int64_t from)
{
	return dedup_replay_from(&observed_of(handler, topic)->filter, from);
}

/* ---- apply: stores the row of the key, which the record states */

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
	return result_failed(result) ? state_damaged(handler) : ended;
}

static Result apply(Handler *handler, const Record *record)
{
	Memory *memory = handler->memory;
	if (slice_is(record->type, TYPE_JOIN_KEPT))
		return join_apply(handler, record);
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

/* ---- inputs */

static Result arrival_check(const Record *input, unsigned partitions)
{
	Arrival arrival;
	EventHeader header;
	(void)partitions;
	return arrival_read(input, &arrival, &header);
}

typedef struct {
	const char *type;
	TopicId topic;
	Result (*check)(const Record *input, unsigned partitions); /* reads key and headers only; join_check reads the body, too */
	Result (*decide)(Handler *handler, const Record *input);
} Decision;

static const Decision decisions[] = {
	{ TYPE_EVENT_RECEIVED, TOPIC_EVENTS, arrival_check, decide_arrival },
	{ TYPE_REPORT_RECEIVED, TOPIC_EVENTS, arrival_check, decide_arrival },
	{ TYPE_INCIDENT_CLOSED, TOPIC_EVENTS, change_check, decide_closing },
	{ TYPE_INCIDENT_REOPENED, TOPIC_EVENTS, change_check, decide_reopening },
	{ TYPE_JOIN_ANNOUNCED, TOPIC_JOINS, join_check, join_decide },
};

/* NULL: a record type of a later version, or of another topic. */
static const Decision *decision_of(const Record *input)
{
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++)
		if (decisions[i].topic == input->topic && slice_is(input->type, decisions[i].type))
			return &decisions[i];
	return NULL;
}

/*
 * Called for every record of the stream in order. After a restart, also called again for records before the accepted position. Only
 * a record that can be decided enters the filter: if a malformed record did, a later valid record with its id would be a duplicate.
 */
static Result observe(Handler *handler, const Record *input)
{
	Observed *observed = observed_of(handler, input->topic);
	const Decision *decision = decision_of(input);
	if (input->offset <= observed->offset)
		return result_ok();
	bool valid = decision && !result_failed(decision->check(input, handler->partitions));
	observed->duplicate = valid && dedup_add(&observed->filter, input->offset, fingerprint_of(input->id));
	observed->offset = input->offset;
	return result_ok();
}

static Result decide(Handler *handler, const Record *input)
{
	const Observed *observed = observed_of(handler, input->topic);
	Record bounded = *input; /* any program may write to the streams, with any ce_time */
	bounded.time = instant_bounded(input->time, handler->now);
	must(input->offset == observed->offset);
	const Decision *decision = decision_of(input);
	return decision && !observed->duplicate ? decision->decide(handler, &bounded) : result_ok();
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

/* A row states its whole window or join key, so an old record is needed only while state has a row of its incident or key. */
static Result needed(Handler *handler, const Record *old, bool *needed)
{
	if (slice_is(old->type, TYPE_JOIN_KEPT))
		return join_needed(handler, old, needed);
	Statement *row = store_query(handler->store, "SELECT 1 FROM windows WHERE incident = ?1", V_TEXT(old->subject));
	*needed = statement_next(row);
	return statement_end(row);
}

const Service intake_service = {
	.name = "intake",
	.sentence = "removes duplicates, counts repeats, and correlates events into reports",
	.ledger = TOPIC_REPORTS,
	.inputs = {
		{ .topic = TOPIC_EVENTS, .keys_only = true, .observe = observe, .decide = decide },
		{ .topic = TOPIC_JOINS, .observe = observe, .decide = decide },
	},
	.input_count = 2,
	.outputs = { TOPIC_COMMANDS },
	.output_count = 1,
	.schema = schema,
	.schema_version = sizeof(schema) / sizeof(schema[0]),
	.restore = restore,
	.release = release,
	.apply = apply,
	.derive = join_derive,
	.settle = settle,
	.position = position,
	.replay_from = replay_from,
	.offsets = { WINDOW_HEADER, window_header_move },
	.needed = needed,
};
