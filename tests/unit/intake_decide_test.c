/*
 * Intake's handlers without the runtime, on a stream of events and a ledger. The ledger may accept any prefix of a batch. The last
 * count of every incident must equal the count of a simple reference implementation, the oracle. Recounting (core/recount.h) must
 * find every forged count. On an honest ledger it must find nothing, whichever part of the stream and of the ledger is still kept.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/core/recount.h"
#include "services/intake/core/row.h"
#include "services/intake/core/dedup.h"
#include "services/intake/intake.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795421730000);

enum { EVENTS_MAX = 4000, LEDGER_MAX = 12000, PARTITIONS = 1 << 15, GENERATION = 64, KEYS = 12, INCIDENTS_MAX = 4000 };

/* ---- a stream of events */

typedef struct {
	const char *type;
	Id id, key, subject;
	Instant time;
	int severity;
	int64_t report_version, event_count; /* only of a reopening: the values of the incident in response */
	Buffer headers;
} Event;

typedef struct {
	char *bytes; /* id, type, subject, headers and body, concatenated */
	Slice id, type, subject, headers, body;
	Instant time;
	int64_t position;
} Entry;

typedef struct {
	Event events[EVENTS_MAX];
	int64_t event_count;
	Entry ledger[LEDGER_MAX]; /* the accepted records, followed by the drafts of the current batch */
	size_t accepted, drafted;
	Store *store;
	Handler handler;
	int64_t next;     /* offset of the next input */
	Instant now, wake_at;
	bool refuse_bodies;
	bool clocks_differ; /* the owner's clock stays at `now`, even if events have later times */
} World;

static World *world; /* global, because the replaced functions of the runtime get only a Handler */

static Id key_of(unsigned number)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", number);
	return id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE("key"), slice_of(text));
}

static Id event_id_of(unsigned number)
{
	char text[16];
	snprintf(text, sizeof(text), "%u", number);
	return id_of_pair(ID_KEY_EVENT, SLICE("source"), slice_of(text));
}

static Event *event_add(const char *type, unsigned id, unsigned key, Instant time, int severity)
{
	assert_true(world->event_count < EVENTS_MAX);
	Event *event = &world->events[world->event_count++];
	*event = (Event){ .type = type, .id = event_id_of(id), .key = key_of(key), .time = time, .severity = severity };
	Buffer text;
	buffer_init(&text, 256);
	event_header_write(&text, &(EventHeader){ .window_seconds = 10, .cap_seconds = 60, .severity = severity,
						  .clock_offset_ms = INT64_MIN });
	buffer_init(&event->headers, 512);
	header_add(&event->headers, EVENT_HEADER, buffer_slice(&text));
	buffer_release(&text);
	return event;
}

static void closing_add(unsigned id, unsigned key, Slice incident_id, Instant time)
{
	Event *event = event_add(TYPE_INCIDENT_CLOSED, id, key, time, -1);
	assert_true(text_copy(incident_id, event->subject.text, sizeof(event->subject.text)));
}

static Event *reopening_add(unsigned id, unsigned key, Slice incident_id, Instant time, int64_t report_version, int64_t event_count)
{
	Event *event = event_add(TYPE_INCIDENT_REOPENED, id, key, time, -1);
	assert_true(text_copy(incident_id, event->subject.text, sizeof(event->subject.text)));
	event->report_version = report_version;
	event->event_count = event_count;
	return event;
}

/* ---- functions that replace those of the runtime */

static Slice copy_to(char **at, Slice from)
{
	Slice copy = { *at, from.size };
	if (from.size)
		memcpy(*at, from.data, from.size);
	*at += from.size;
	return copy;
}

static Record entry_record(const Entry *entry)
{
	return (Record){ .topic = TOPIC_REPORTS, .offset = -1, .id = entry->id, .type = entry->type, .key = entry->subject,
			 .subject = entry->subject, .headers = entry->headers, .body = entry->body, .time = entry->time };
}

Result handler_draft(Handler *handler, const Draft *draft)
{
	assert_true(world->drafted < LEDGER_MAX);
	Entry *entry = &world->ledger[world->drafted++];
	char number[24];
	snprintf(number, sizeof(number), "rec-%zu", world->drafted);
	Slice id = draft->id.size ? draft->id : slice_of(number);
	char *at = malloc(id.size + draft->type.size + draft->subject.size + draft->headers.size + draft->body.size + 1);
	entry->bytes = at;
	entry->id = copy_to(&at, id);
	entry->type = copy_to(&at, draft->type);
	entry->subject = copy_to(&at, draft->subject);
	entry->headers = copy_to(&at, draft->headers);
	entry->body = copy_to(&at, draft->body);
	entry->time = handler->now;
	Record record = entry_record(entry);
	TRY(intake_service.apply(handler, &record));
	entry->position = intake_service.position(handler, TOPIC_EVENTS, 0, world->next);
	return result_ok();
}

Result handler_body(Handler *handler, const Record *input, Slice *body)
{
	(void)handler;
	static char text[256];
	const Event *event = &world->events[input->offset];
	if (world->refuse_bodies)
		return result_fail(ERROR_AGAIN, "not now");
	if (strcmp(event->type, TYPE_INCIDENT_REOPENED) == 0)
		snprintf(text, sizeof(text),
			 "{\"report_version\":%lld,\"event_count\":%lld,\"last_seen_at\":\"2026-11-20T01:00:00.000Z\","
			 "\"severity\":\"low\",\"window_seconds\":10,\"cap_seconds\":60}",
			 (long long)event->report_version, (long long)event->event_count);
	else if (strcmp(event->type, TYPE_REPORT_RECEIVED) == 0)
		snprintf(text, sizeof(text), "{\"kind\":\"event\",\"description\":\"report %lld\"}", (long long)input->offset);
	else
		snprintf(text, sizeof(text), "{\"source\":\"s\",\"title\":\"event %lld\"}", (long long)input->offset);
	*body = slice_of(text);
	return result_ok();
}

/* Never called here: joins are tested with the real runtime (intake_join_test.c). */
Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft)
{
	(void)handler, (void)topic, (void)slot, (void)draft;
	fail();
	return result_ok();
}

/* ---- the world */

static void store_new(void)
{
	StoreOptions options = { .path = ":memory:", .steps = intake_service.schema, .version = intake_service.schema_version };
	assert_false(result_failed(store_open(&options, &world->store, NULL)));
	world->handler.store = world->store;
}

static void world_new(void)
{
	world = calloc(1, sizeof(*world));
	world->handler = (Handler){ .service = &intake_service, .partitions = PARTITIONS };
	world->now = T0;
	world->wake_at = INSTANT_NONE;
	store_new();
	assert_false(result_failed(intake_service.restore(&world->handler)));
}

static void world_free(void)
{
	intake_service.release(&world->handler);
	store_close(world->store);
	for (int64_t i = 0; i < world->event_count; i++)
		buffer_release(&world->events[i].headers);
	for (size_t i = 0; i < world->drafted; i++)
		free(world->ledger[i].bytes);
	free(world);
	world = NULL;
}

static Record event_record(int64_t offset)
{
	const Event *event = &world->events[offset];
	return (Record){ .topic = TOPIC_EVENTS, .partition = slot_of(slice_of(event->key.text)) % PARTITIONS, .offset = offset,
			 .key = slice_of(event->key.text), .id = slice_of(event->id.text),
			 .type = slice_of(event->type), .subject = slice_of(event->subject.text), .time = event->time,
			 .headers = buffer_slice(&event->headers) };
}

static Result input_take(int64_t offset)
{
	Record record = event_record(offset);
	world->next = offset + 1;
	if (!world->clocks_differ && record.time > world->handler.now)
		world->handler.now = record.time; /* the owner's clock is not behind that of the gateway */
	TRY(intake_service.inputs[0].observe(&world->handler, &record));
	return intake_service.inputs[0].decide(&world->handler, &record);
}

static void batch_begin(void)
{
	assert_false(result_failed(store_begin(world->store)));
	world->handler.now = world->now;
}

/* Decides at most `most` events and settles the batch. None of its drafts is accepted yet. */
static void batch_decide(int64_t most)
{
	batch_begin();
	int64_t until = world->next + most < world->event_count ? world->next + most : world->event_count;
	for (int64_t offset = world->next; offset < until; offset++)
		assert_false(result_failed(input_take(offset)));
	assert_false(result_failed(intake_service.settle(&world->handler, world->now, &world->wake_at)));
}

static void ledger_follow(size_t from)
{
	for (size_t i = from; i < world->accepted; i++) {
		Record record = entry_record(&world->ledger[i]);
		assert_false(result_failed(intake_service.apply(&world->handler, &record)));
	}
}

static void ledger_cut(size_t accepted)
{
	for (size_t i = accepted; i < world->drafted; i++)
		free(world->ledger[i].bytes);
	world->drafted = accepted;
	/* Positions of accepted records do not decrease. */
	for (size_t i = world->accepted; i < accepted; i++)
		assert_true(i == 0 || world->ledger[i].position >= world->ledger[i - 1].position);
	world->accepted = accepted;
}

static void batch_accept(void)
{
	ledger_cut(world->drafted);
	assert_false(result_failed(store_commit(world->store)));
}

/* Only the first `kept` drafts of the batch are accepted. Then the owner restarts, without its state file if file_lost. */
static void batch_doubt(size_t kept, bool file_lost)
{
	size_t before = world->accepted;
	store_rollback(world->store);
	ledger_cut(before + kept);
	if (file_lost) {
		store_close(world->store);
		store_new();
		before = 0;
	}
	assert_false(result_failed(intake_service.restore(&world->handler)));
	ledger_follow(before);
	world->next = world->accepted ? world->ledger[world->accepted - 1].position : 0;
	for (int64_t offset = intake_service.replay_from(&world->handler, TOPIC_EVENTS, world->next); offset < world->next;
	     offset++) {
		Record record = event_record(offset);
		assert_false(result_failed(intake_service.inputs[0].observe(&world->handler, &record)));
	}
}

static void run_to_rest(void)
{
	do {
		batch_decide(100);
		batch_accept();
		if (world->wake_at != INSTANT_NONE && world->wake_at > world->now)
			world->now = world->wake_at;
	} while (world->next < world->event_count || world->wake_at != INSTANT_NONE);
}

/* ---- the oracle: a simple reference implementation that reads the whole stream */

typedef struct {
	Id incident;
	Instant opened_at, last_seen_at, resumed_at;
	int64_t count, last_offset;
	int severity;
	bool closed;
} Case;

typedef struct {
	Case cases[INCIDENTS_MAX];
	size_t count;
	Case *of_key[KEYS];
} Oracle;

static bool is_duplicate(int64_t offset)
{
	int64_t from = (offset / GENERATION - 1) * GENERATION;
	for (int64_t earlier = from < 0 ? 0 : from; earlier < offset; earlier++)
		if (strcmp(world->events[earlier].id.text, world->events[offset].id.text) == 0)
			return true;
	return false;
}

static unsigned key_number(const Event *event)
{
	for (unsigned number = 0; number < KEYS; number++) {
		Id key = key_of(number);
		if (strcmp(key.text, event->key.text) == 0)
			return number;
	}
	fail();
	return 0;
}

static Instant later(Instant one, Instant other)
{
	return one > other ? one : other;
}

static bool case_takes(const Case *one, Instant at)
{
	return one && !one->closed && at - later(one->last_seen_at, one->resumed_at) <= 10000 &&
	       at - later(one->opened_at, one->resumed_at) <= 60000;
}

static void oracle_reopen(Oracle *oracle, Case **of_key, const Event *event)
{
	if (case_takes(*of_key, *of_key ? later(event->time, (*of_key)->last_seen_at) : 0))
		return;
	for (size_t i = 0; i < oracle->count; i++)
		if (strcmp(oracle->cases[i].incident.text, event->subject.text) == 0)
			*of_key = &oracle->cases[i];
	assert_string_equal((*of_key)->incident.text, event->subject.text);
	(*of_key)->closed = false;
	(*of_key)->resumed_at = event->time;
}

static void oracle_take(Oracle *oracle, int64_t offset)
{
	const Event *event = &world->events[offset];
	Case **of_key = &oracle->of_key[key_number(event)];
	if (is_duplicate(offset))
		return;
	if (strcmp(event->type, TYPE_INCIDENT_CLOSED) == 0) {
		if (*of_key && strcmp((*of_key)->incident.text, event->subject.text) == 0)
			(*of_key)->closed = true;
		return;
	}
	if (strcmp(event->type, TYPE_INCIDENT_REOPENED) == 0) {
		oracle_reopen(oracle, of_key, event);
		return;
	}
	Instant at = *of_key && (*of_key)->last_seen_at > event->time ? (*of_key)->last_seen_at : event->time;
	if (!case_takes(*of_key, at)) {
		assert_true(oracle->count < INCIDENTS_MAX);
		*of_key = &oracle->cases[oracle->count++];
		**of_key = (Case){ .incident = id_of_incident(event->time, slot_of(slice_of(event->key.text)),
							      slice_of(event->id.text)),
				   .opened_at = event->time, .resumed_at = INSTANT_NONE, .severity = event->severity };
		at = event->time;
	}
	(*of_key)->count++;
	(*of_key)->last_seen_at = at;
	(*of_key)->last_offset = offset;
	if (event->severity > (*of_key)->severity)
		(*of_key)->severity = event->severity;
}

/* ---- counts in the ledger */

typedef struct {
	WindowRow row;
	int opened;
} Stated;

static Stated ledger_states(Slice incident_id)
{
	Stated stated = { .opened = 0 };
	for (size_t i = 0; i < world->accepted; i++) {
		const Entry *entry = &world->ledger[i];
		WindowPrune prune;
		WindowRow row;
		if (!slice_equals(entry->subject, incident_id))
			continue;
		assert_false(result_failed(window_header_read(header_get(entry->headers, WINDOW_HEADER), entry->subject, &row,
							       &prune)));
		assert_int_equal(row.report_version, stated.row.report_version + 1);
		assert_true(row.event_count >= stated.row.event_count);
		stated.opened += slice_is(entry->type, TYPE_REPORT_OPENED);
		assert_int_equal(slice_is(entry->type, TYPE_REPORT_OPENED), row.report_version == 1);
		stated.row = row;
	}
	return stated;
}

/* ---- recounting */

typedef struct {
	int64_t first; /* offset of the first event that the stream still has */
	/*
	 * ledger_from: the first record of the ledger that is still kept. forged_from: from this record on, the count of its
	 * incident is one too high (LEDGER_MAX: no count is forged).
	 */
	size_t ledger_from, forged_from;
} Left;

static char recount_finding_text[512];

static void recount_found(void *context, bool of_events, int64_t offset, const char *text)
{
	(void)context;
	snprintf(recount_finding_text, sizeof(recount_finding_text), "%s %lld: %s", of_events ? "event" : "report", (long long)offset, text);
}

static RecountStep step_of(const Entry *entry)
{
	if (slice_is(entry->type, TYPE_REPORT_OPENED))
		return RECOUNT_OPENED;
	return slice_is(entry->type, TYPE_REPORT_RESUMED) ? RECOUNT_RESUMED : RECOUNT_CONTINUED;
}

static void recount_ledger(Recount *recount, const Left *left)
{
	if (left->ledger_from == 0)
		recount_ledger_is_whole(recount);
	for (size_t i = left->ledger_from; i < world->accepted; i++) {
		const Entry *entry = &world->ledger[i];
		WindowRow row;
		WindowPrune unused;
		assert_false(result_failed(
			window_header_read(header_get(entry->headers, WINDOW_HEADER), entry->subject, &row, &unused)));
		row.event_count += i >= left->forged_from && slice_equals(entry->subject, world->ledger[left->forged_from].subject);
		recount_row(recount, (int64_t)i, step_of(entry), &row, false);
		recount_position(recount, entry->position);
	}
}

static RecountFigures recount_left(const Left *left)
{
	RecountOptions options = { .first = left->first, .generation_size = dedup_generation_size(PARTITIONS),
				   .finding = recount_found };
	Recount *recount = recount_new(&options);
	recount_finding_text[0] = '\0';
	recount_ledger(recount, left);
	for (int64_t offset = left->first; offset < world->event_count; offset++) {
		Record record = event_record(offset);
		bool counts = slice_is(record.type, TYPE_EVENT_RECEIVED);
		RecountEvent event = { .kind = counts ? RECOUNT_EVENT : RECOUNT_NOTED, .offset = offset,
				       .fingerprint = fingerprint_of(record.id) };
		assert_true(bits_read(record.key, &event.key) && bits_read_event(record.id, &event.event));
		recount_event(recount, &event);
	}
	RecountFigures figures = recount_finish(recount);
	recount_free(recount);
	return figures;
}

static void assert_recount_agrees(size_t incidents)
{
	Left whole = { .forged_from = LEDGER_MAX };
	assert_int_equal(recount_left(&whole).incidents, incidents);
	assert_string_equal(recount_finding_text, "");
	for (int tries = 0; tries < 8; tries++) {
		Left left = { .first = rand() % (world->event_count + 1), .ledger_from = (size_t)rand() % world->accepted,
			      .forged_from = LEDGER_MAX };
		(void)recount_left(&left);
		assert_string_equal(recount_finding_text, "");
		Left forged = { .forged_from = (size_t)rand() % world->accepted };
		(void)recount_left(&forged);
		assert_string_not_equal(recount_finding_text, "");
	}
}

static void assert_ledger_is_what_the_oracle_says(void)
{
	Oracle *oracle = calloc(1, sizeof(*oracle));
	size_t opened = 0;
	for (int64_t offset = 0; offset < world->event_count; offset++)
		oracle_take(oracle, offset);
	for (size_t i = 0; i < oracle->count; i++) {
		const Case *one = &oracle->cases[i];
		Stated stated = ledger_states(slice_of(one->incident.text));
		assert_int_equal(stated.opened, 1);
		assert_int_equal(stated.row.event_count, one->count);
		assert_int_equal(stated.row.last_seen_at, one->last_seen_at);
		assert_int_equal(stated.row.severity, one->severity);
		Id last = bits_write("evt_", stated.row.event);
		assert_string_equal(last.text, world->events[one->last_offset].id.text);
	}
	for (size_t i = 0; i < world->accepted; i++)
		opened += slice_is(world->ledger[i].type, TYPE_REPORT_OPENED);
	assert_int_equal(opened, oracle->count);
	assert_recount_agrees(oracle->count);
	free(oracle);
}

/* ---- state */

/* All rows of the store as one text. */
static char *rows_text(Store *store)
{
	Buffer text;
	buffer_init(&text, 1 << 22);
	Statement *rows = store_query(store, "SELECT incident, header, through, ends_at FROM windows ORDER BY incident");
	while (statement_next(rows)) {
		buffer_append(&text, statement_slice(rows, 0));
		buffer_append(&text, statement_slice(rows, 1));
		buffer_format(&text, " %lld %lld\n", (long long)statement_integer(rows, 2), (long long)statement_integer(rows, 3));
	}
	assert_false(result_failed(statement_end(rows)));
	assert_false(text.overflowed);
	char *copy = slice_copy(buffer_slice(&text));
	buffer_release(&text);
	return copy;
}

static void assert_state_is_a_fold_of_the_ledger(void)
{
	char *live = rows_text(world->store);
	batch_begin();
	batch_doubt(0, true);
	char *rebuilt = rows_text(world->store);
	assert_string_equal(live, rebuilt);
	free(live);
	free(rebuilt);
}

/* ---- tests */

static const Entry *last_entry(void)
{
	assert_true(world->accepted > 0);
	return &world->ledger[world->accepted - 1];
}

static json_t *body_of(const Entry *entry, ReportRecord *out)
{
	json_t *tree = NULL;
	assert_false(result_failed(json_read(entry->body, &tree)));
	assert_false(result_failed(json_decode_record(&report_record_table, tree, out)));
	return tree;
}

static void the_first_event_of_a_key_opens_with_its_document(void **state)
{
	(void)state;
	ReportRecord report;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	batch_decide(10);
	batch_accept();
	assert_int_equal(world->accepted, 1);
	assert_true(slice_is(last_entry()->type, TYPE_REPORT_OPENED));
	assert_int_equal(last_entry()->time, T0);
	assert_int_equal(last_entry()->position, 1);
	json_t *tree = body_of(last_entry(), &report);
	Id key = key_of(1), event = event_id_of(1);
	char number[NUMBER_SIZE];
	number_of_incident(T0, slice_of(event.text), number);
	assert_string_equal(report.number, number);
	assert_string_equal(report.form, "event");
	assert_string_equal(report.correlation_key, key.text);
	assert_string_equal(report.event_id, event.text);
	assert_int_equal(report.report_version, 1);
	assert_string_equal(json_string_value(json_object_get(report.document, "title")), "event 0");
	json_decref(tree);
	world_free();
}

static void a_duplicate_changes_nothing(void **state)
{
	(void)state;
	world_new();
	for (int i = 0; i < 5; i++)
		event_add(TYPE_EVENT_RECEIVED, 1, 1, T0 + i, 2);
	run_to_rest();
	assert_int_equal(world->accepted, 1);
	world_free();
}

static void the_repeats_of_a_second_are_one_record(void **state)
{
	(void)state;
	ReportRecord report;
	world_new();
	for (unsigned i = 0; i < 1000; i++)
		event_add(TYPE_EVENT_RECEIVED, i, 1, T0 + i, 2);
	batch_decide(1000);
	batch_accept();
	assert_int_equal(world->accepted, 1);
	assert_int_equal(intake_service.position(&world->handler, TOPIC_EVENTS, 0, world->next), 1);
	world->now += 1000;
	run_to_rest();
	assert_int_equal(world->accepted, 2);
	assert_int_equal(last_entry()->position, 1000);
	json_t *tree = body_of(last_entry(), &report);
	assert_true(slice_is(last_entry()->type, TYPE_REPORT_REPEATED));
	assert_int_equal(report.event_count, 1000);
	assert_int_equal(report.report_version, 2);
	assert_int_equal(report.last_seen_at, T0 + 999);
	assert_null(report.document);
	Id id = id_of_pair(ID_REPEAT_REPORT, slice_of(report.incident_id), SLICE("2:1000"));
	assert_true(slice_is(last_entry()->id, id.text));
	json_decref(tree);
	world_free();
}

static void a_repeat_needs_no_body(void **state)
{
	(void)state;
	world_new();
	for (unsigned i = 0; i < 10; i++)
		event_add(TYPE_EVENT_RECEIVED, i, 1, T0 + i, 2);
	batch_decide(1);
	batch_accept();
	world->refuse_bodies = true;
	run_to_rest();
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void a_worse_event_is_reported_at_once_with_its_document(void **state)
{
	(void)state;
	ReportRecord report;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 1);
	event_add(TYPE_EVENT_RECEIVED, 2, 1, T0 + 1, 1);
	event_add(TYPE_EVENT_RECEIVED, 3, 1, T0 + 2, 4);
	event_add(TYPE_EVENT_RECEIVED, 4, 1, T0 + 3, 4);
	batch_decide(10);
	batch_accept();
	assert_int_equal(world->accepted, 2);
	json_t *tree = body_of(last_entry(), &report);
	assert_int_equal(report.event_count, 3);
	assert_string_equal(report.form, "event");
	assert_string_equal(json_string_value(json_object_get(report.document, "title")), "event 2");
	json_decref(tree);
	assert_int_equal(intake_service.position(&world->handler, TOPIC_EVENTS, 0, world->next), 3);
	run_to_rest();
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void a_closing_releases_the_key_with_the_final_count(void **state)
{
	(void)state;
	ReportRecord report;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	batch_decide(10);
	batch_accept();
	Slice incident = last_entry()->subject;
	event_add(TYPE_EVENT_RECEIVED, 2, 1, T0 + 1, 2);
	closing_add(3, 1, incident, T0 + 2);
	closing_add(4, 1, incident, T0 + 3);
	batch_decide(10);
	batch_accept();
	assert_int_equal(world->accepted, 2);
	assert_true(slice_is(last_entry()->type, TYPE_REPORT_RELEASED));
	json_t *tree = body_of(last_entry(), &report);
	assert_int_equal(report.event_count, 2);
	json_decref(tree);
	event_add(TYPE_EVENT_RECEIVED, 5, 1, T0 + 4, 2);
	batch_decide(10);
	batch_accept();
	assert_int_equal(world->accepted, 3);
	assert_true(slice_is(last_entry()->type, TYPE_REPORT_OPENED));
	assert_false(slice_equals(last_entry()->subject, incident));
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static Slice opened_and_closed(unsigned id, Instant at)
{
	event_add(TYPE_EVENT_RECEIVED, id, 1, at, 2);
	batch_decide(10);
	batch_accept();
	Slice incident = last_entry()->subject;
	closing_add(id + 1, 1, incident, at + 1);
	batch_decide(10);
	batch_accept();
	return incident;
}

static void a_reopened_incident_counts_the_keys_next_event(void **state)
{
	(void)state;
	world_new();
	Slice incident = opened_and_closed(1, T0);
	reopening_add(3, 1, incident, T0 + 40000, 1, 1);
	event_add(TYPE_EVENT_RECEIVED, 4, 1, T0 + 50000, 2);
	run_to_rest();
	assert_true(slice_equals(last_entry()->subject, incident));
	assert_true(slice_is(world->ledger[2].type, TYPE_REPORT_RESUMED));
	assert_int_equal(ledger_states(incident).row.event_count, 2);
	assert_ledger_is_what_the_oracle_says();
	assert_state_is_a_fold_of_the_ledger();
	world_free();
}

static void a_reopened_incident_leaves_the_key_to_a_newer_one_that_takes_it(void **state)
{
	(void)state;
	world_new();
	Slice first = opened_and_closed(1, T0);
	event_add(TYPE_EVENT_RECEIVED, 3, 1, T0 + 2000, 2);
	reopening_add(4, 1, first, T0 + 3000, 2, 1);
	event_add(TYPE_EVENT_RECEIVED, 5, 1, T0 + 4000, 2);
	run_to_rest();
	assert_false(slice_equals(last_entry()->subject, first));
	assert_int_equal(ledger_states(last_entry()->subject).row.event_count, 2);
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void a_reopened_incident_takes_the_key_back_when_the_newer_one_is_over(void **state)
{
	(void)state;
	world_new();
	Slice first = opened_and_closed(1, T0);
	event_add(TYPE_EVENT_RECEIVED, 3, 1, T0 + 2000, 2);
	/* This event is pending when the window is over, so the last count of its incident is drafted before the resumption. */
	event_add(TYPE_EVENT_RECEIVED, 4, 1, T0 + 3000, 2);
	reopening_add(5, 1, first, T0 + 20000, 2, 1);
	event_add(TYPE_EVENT_RECEIVED, 6, 1, T0 + 21000, 2);
	batch_decide(10);
	assert_true(slice_is(world->ledger[world->drafted - 2].type, TYPE_REPORT_REPEATED));
	assert_true(slice_is(world->ledger[world->drafted - 1].type, TYPE_REPORT_RESUMED));
	batch_doubt(world->drafted - world->accepted - 1, true); /* the last count is accepted, the resumption is not */
	run_to_rest();
	assert_int_equal(ledger_states(first).row.event_count, 2);
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void a_reopened_incident_whose_row_was_pruned_continues_from_the_count_of_response(void **state)
{
	(void)state;
	const Instant days_later = T0 + INT64_C(3) * 86400000;
	world_new();
	Slice incident = opened_and_closed(1, T0);
	world->now = days_later;
	event_add(TYPE_EVENT_RECEIVED, 3, 2, days_later - 100000, 2); /* this late time prunes the row of `incident` */
	event_add(TYPE_EVENT_RECEIVED, 4, 3, days_later - 50000, 2);
	batch_decide(10);
	batch_accept();
	char *rows = rows_text(world->store);
	assert_null(memmem(rows, strlen(rows), incident.data, incident.size));
	free(rows);
	reopening_add(5, 1, incident, days_later, 7, 19);
	event_add(TYPE_EVENT_RECEIVED, 6, 1, days_later + 1000, 4);
	run_to_rest();
	WindowRow row;
	WindowPrune prune;
	assert_true(slice_equals(last_entry()->subject, incident));
	assert_false(result_failed(window_header_read(header_get(last_entry()->headers, WINDOW_HEADER), incident, &row, &prune)));
	assert_int_equal(row.report_version, 9); /* 8: resumed; 9: repeated, because the last event is more severe */
	assert_int_equal(row.event_count, 20);
	assert_int_equal(row.severity, 4);
	assert_state_is_a_fold_of_the_ledger();
	world_free();
}

static void a_closing_of_another_incident_is_ignored(void **state)
{
	(void)state;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	const Id keys[] = { key_of(1), key_of(2) };
	for (unsigned i = 0; i < 2; i++) {
		Id other = id_of_incident(T0, slot_of(id_slice(&keys[i])), SLICE("other"));
		closing_add(2 + i, 1 + i, slice_of(other.text), T0 + 1);
	}
	event_add(TYPE_EVENT_RECEIVED, 4, 1, T0 + 2, 2);
	run_to_rest();
	assert_int_equal(world->accepted, 2);
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void the_last_count_of_the_old_incident_precedes_a_new_one(void **state)
{
	(void)state;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event_add(TYPE_EVENT_RECEIVED, 2, 1, T0 + 1, 2);
	event_add(TYPE_EVENT_RECEIVED, 3, 1, T0 + 20000, 2);
	batch_decide(10);
	assert_int_equal(world->drafted, 3);
	assert_true(slice_is(world->ledger[1].type, TYPE_REPORT_REPEATED));
	/* The position of the last count excludes the event that opens the new incident. */
	assert_int_equal(world->ledger[1].position, 2);
	assert_int_equal(world->ledger[2].position, 3);
	batch_doubt(2, false);
	run_to_rest();
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void a_persons_report_keeps_its_form(void **state)
{
	(void)state;
	ReportRecord report;
	world_new();
	event_add(TYPE_REPORT_RECEIVED, 1, 1, T0, -1);
	run_to_rest();
	json_t *tree = body_of(last_entry(), &report);
	assert_string_equal(report.form, "report");
	json_decref(tree);
	world_free();
}

static void a_malformed_event_is_refused_and_drafts_nothing(void **state)
{
	(void)state;
	world_new();
	Event *event = event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event->key.text[0] = 'u'; /* no letter of the alphabet of ids */
	event = event_add(TYPE_EVENT_RECEIVED, 2, 1, T0, 2);
	buffer_clear(&event->headers);
	event = event_add(TYPE_EVENT_RECEIVED, 3, 1, T0, 2);
	snprintf(event->id.text, sizeof(event->id.text), "not an id");
	closing_add(4, 1, SLICE("inc_nonsense"), T0);
	event_add("tocsin.event.later.v9", 5, 1, T0, 2);
	batch_begin();
	for (int64_t offset = 0; offset < 4; offset++)
		assert_int_equal(input_take(offset).kind, ERROR_INPUT);
	assert_false(result_failed(input_take(4)));
	assert_int_equal(world->drafted, 0);
	batch_accept();
	world_free();
}

static void rows_that_are_over_are_pruned_from_store_and_memory(void **state)
{
	(void)state;
	world_new();
	for (unsigned key = 0; key < 5; key++)
		event_add(TYPE_EVENT_RECEIVED, key, key, T0, 2);
	event_add(TYPE_EVENT_RECEIVED, 10, 5, T0 + 1000000, 2);
	event_add(TYPE_EVENT_RECEIVED, 11, 6, T0 + 8000000, 2);
	event_add(TYPE_EVENT_RECEIVED, 12, 7, T0 + 8000001, 2);
	world->now = T0 + 8000001;
	run_to_rest();
	char *rows = rows_text(world->store);
	size_t lines = 0;
	for (const char *at = rows; *at; at++)
		lines += *at == '\n';
	free(rows);
	assert_int_equal(lines, 2);
	assert_state_is_a_fold_of_the_ledger();
	world_free();
}

/* The clock of the gateway that received event 4 is wrong by `off`. */
static void a_wrong_clock_neither_ends_windows_nor_keeps_them(int64_t off)
{
	world_new();
	world->clocks_differ = true;
	world->now = T0 + 2000;
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event_add(TYPE_EVENT_RECEIVED, 2, 2, T0 + 1, 2);
	event_add(TYPE_EVENT_RECEIVED, 3, 1, T0 + 2, 2);
	batch_decide(10);
	batch_accept();
	event_add(TYPE_EVENT_RECEIVED, 4, 3, world->now + off, 2);
	batch_decide(10);
	batch_accept();
	assert_int_equal(last_entry()->time, world->now);
	/* All three windows take events, so that none opens an incident. */
	for (unsigned key = 1; key <= 3; key++)
		event_add(TYPE_EVENT_RECEIVED, 10 + key, key, T0 + 5000, 2);
	world->now = T0 + 6000;
	batch_decide(10);
	batch_accept();
	run_to_rest();
	size_t opened = 0;
	for (size_t i = 0; i < world->accepted; i++)
		opened += slice_is(world->ledger[i].type, TYPE_REPORT_OPENED);
	assert_int_equal(opened, 3);
	/* After ten seconds without events the window of event 4 is over, like all other windows. */
	event_add(TYPE_EVENT_RECEIVED, 20, 3, T0 + 30000, 2);
	world->now = T0 + 30000;
	batch_decide(10);
	batch_accept();
	assert_true(slice_is(last_entry()->type, TYPE_REPORT_OPENED));
	assert_state_is_a_fold_of_the_ledger();
	world_free();
}

static void a_gateway_with_a_wrong_clock_ends_no_window_and_keeps_none(void **state)
{
	(void)state;
	a_wrong_clock_neither_ends_windows_nor_keeps_them(INT64_C(400) * 86400000);
	a_wrong_clock_neither_ends_windows_nor_keeps_them(INT64_C(-400) * 86400000);
	a_wrong_clock_neither_ends_windows_nor_keeps_them(INT64_C(40) * 86400000);
	a_wrong_clock_neither_ends_windows_nor_keeps_them(INT64_C(-40) * 86400000);
}

/* A malformed record must not make the sender's own record a duplicate. */
static void a_malformed_event_with_the_id_of_another_hides_it_not(void **state)
{
	(void)state;
	world_new();
	Event *event = event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	buffer_clear(&event->headers);
	event = event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event->key.text[0] = 'u';
	event_add("tocsin.event.later.v9", 1, 1, T0, 2);
	closing_add(1, 1, SLICE("inc_nonsense"), T0);
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	batch_begin();
	for (int64_t offset = 0; offset < 4; offset++)
		assert_int_equal(input_take(offset).kind, offset == 2 ? ERROR_NONE : ERROR_INPUT);
	assert_false(result_failed(input_take(4)));
	assert_int_equal(world->drafted, 1);
	batch_accept();
	world_free();
}

static void a_row_stays_while_a_restart_would_read_its_events_again(Instant third_at)
{
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event_add(TYPE_EVENT_RECEIVED, 2, 1, T0 + 1, 2); /* not reported yet, so the position stays before this event */
	/* The window of this event is over long before the next event, but this event is after the position. */
	event_add(TYPE_EVENT_RECEIVED, 3, 2, third_at, 2);
	event_add(TYPE_EVENT_RECEIVED, 4, 3, T0 + 8000000, 2);
	batch_decide(10);
	batch_accept();
	assert_int_equal(world->accepted, 3);
	batch_begin();
	batch_doubt(0, false);
	assert_int_equal(world->next, 1);
	run_to_rest();
	assert_ledger_is_what_the_oracle_says();
	world_free();
}

static void rows_stay_while_a_restart_would_read_their_events_again(void **state)
{
	(void)state;
	a_row_stays_while_a_restart_would_read_its_events_again(T0 + 2);
	/* As if the clock of the gateway that received event 3 was hours behind. */
	a_row_stays_while_a_restart_would_read_its_events_again(T0 - 8000000);
}

/* `restore` without reading the stream again leaves the filter empty, so the duplicate is counted. Recounting must find this. */
static void recounting_finds_a_filter_that_was_rebuilt_only_in_part(void **state)
{
	(void)state;
	world_new();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0, 2);
	event_add(TYPE_EVENT_RECEIVED, 2, 1, T0 + 1, 2);
	run_to_rest();
	assert_ledger_is_what_the_oracle_says();
	event_add(TYPE_EVENT_RECEIVED, 1, 1, T0 + 2, 2);
	assert_false(result_failed(intake_service.restore(&world->handler)));
	run_to_rest();
	(void)recount_left(&(Left){ .forged_from = LEDGER_MAX });
	assert_non_null(strstr(recount_finding_text, "the ledger counts 3 events in [0, 3), the log holds 2 different ones"));
	assert_true(slice_starts_with(slice_of(strstr(recount_finding_text, "inc_")), last_entry()->subject));
	world_free();
}

/* ---- batches that are accepted only in part, and crashes, at random; then the counts are checked */

/* A random next time: mostly a little later, sometimes later by more than a window, sometimes a little earlier. */
static Instant time_next(Instant at)
{
	int dice = rand() % 100;
	if (dice < 4)
		return at + 9000 + rand() % 4000;
	if (dice < 8)
		return at - rand() % 3000;
	return at + rand() % 300;
}

static void closing_or_reopening_maybe(unsigned id, Instant at)
{
	if (world->accepted == 0 || rand() % 20)
		return;
	const Entry *entry = &world->ledger[world->accepted - 1 - (size_t)rand() % (world->accepted < 20 ? world->accepted : 20)];
	WindowRow row;
	WindowPrune prune;
	assert_false(result_failed(window_header_read(header_get(entry->headers, WINDOW_HEADER), entry->subject, &row, &prune)));
	Id key = bits_write("", row.key);
	Event wanted = { .key = key };
	if (rand() % 2)
		closing_add(id, key_number(&wanted), entry->subject, at);
	else
		reopening_add(id, key_number(&wanted), entry->subject, at, row.report_version, row.event_count);
}

static void events_grow(unsigned *id, Instant *at)
{
	for (int i = rand() % 60; i > 0 && world->event_count < EVENTS_MAX - 2; i--) {
		*at = time_next(*at);
		bool again = rand() % 10 == 0 && *id > 0;
		unsigned number = again ? *id - 1 - (unsigned)rand() % (*id < 150 ? *id : 150) : (*id)++;
		event_add(TYPE_EVENT_RECEIVED, number, (unsigned)rand() % 3 ? number % 4 : number % KEYS, *at,
			  rand() % 50 ? 1 : rand() % 5);
		closing_or_reopening_maybe(1000000 + *id, *at);
	}
}

static void storm(unsigned seed)
{
	unsigned id = 0;
	Instant at = T0;
	srand(seed);
	world_new();
	while (world->event_count < 2500) {
		events_grow(&id, &at);
		batch_decide(1 + rand() % 80);
		size_t drafted = world->drafted - world->accepted;
		if (rand() % 4)
			batch_accept();
		else
			batch_doubt((size_t)rand() % (drafted + 1), rand() % 3 == 0);
		world->now += rand() % 700;
	}
	run_to_rest();
	assert_int_equal(intake_service.position(&world->handler, TOPIC_EVENTS, 0, world->next), world->event_count);
	assert_ledger_is_what_the_oracle_says();
	assert_state_is_a_fold_of_the_ledger();
	world_free();
}

static void no_crash_loses_an_event_or_counts_one_twice(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 25; seed++)
		storm(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_event_of_a_key_opens_with_its_document),
		cmocka_unit_test(a_duplicate_changes_nothing),
		cmocka_unit_test(the_repeats_of_a_second_are_one_record),
		cmocka_unit_test(a_repeat_needs_no_body),
		cmocka_unit_test(a_worse_event_is_reported_at_once_with_its_document),
		cmocka_unit_test(a_closing_releases_the_key_with_the_final_count),
		cmocka_unit_test(a_reopened_incident_counts_the_keys_next_event),
		cmocka_unit_test(a_reopened_incident_leaves_the_key_to_a_newer_one_that_takes_it),
		cmocka_unit_test(a_reopened_incident_takes_the_key_back_when_the_newer_one_is_over),
		cmocka_unit_test(a_reopened_incident_whose_row_was_pruned_continues_from_the_count_of_response),
		cmocka_unit_test(a_closing_of_another_incident_is_ignored),
		cmocka_unit_test(the_last_count_of_the_old_incident_precedes_a_new_one),
		cmocka_unit_test(a_persons_report_keeps_its_form),
		cmocka_unit_test(a_malformed_event_is_refused_and_drafts_nothing),
		cmocka_unit_test(rows_that_are_over_are_pruned_from_store_and_memory),
		cmocka_unit_test(a_malformed_event_with_the_id_of_another_hides_it_not),
		cmocka_unit_test(a_gateway_with_a_wrong_clock_ends_no_window_and_keeps_none),
		cmocka_unit_test(rows_stay_while_a_restart_would_read_their_events_again),
		cmocka_unit_test(recounting_finds_a_filter_that_was_rebuilt_only_in_part),
		cmocka_unit_test(no_crash_loses_an_event_or_counts_one_twice),
	};
	return cmocka_run_group_tests_name("intake_decide", tests, NULL, NULL);
}
