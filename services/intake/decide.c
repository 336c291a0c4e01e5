/* Decides events, closings and reopenings, and drafts the reports. */
#include "services/intake/intake_internal.h"

#include "shared/domain/documents.h"
#include "shared/domain/types.h"
#include "shared/io/bus.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	PRUNE_EVERY_MS = 10000,   /* in the time of the inputs */
	PRUNE_SLACK_MS = 3600000, /* clocks of gateways may differ by this much before a window is pruned too early */
	COUNT_MAX = 1 << 30,      /* of the events and report versions of a resumed incident */
};

/* ---- drafting */

/*
 * The record of time `at` may delete rows that ended before the returned time; INSTANT_NONE: it deletes none. Normally rows are
 * deleted every PRUNE_EVERY_MS, and the horizon lies before the first pending event: a row does not state the pending events of its
 * window, so a row may seem to have ended although the window has not. While there are WINDOWS_MAX windows, every record deletes
 * the rows that end first.
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

int64_t events_reflected(const Memory *memory, int64_t next)
{
	int64_t until = memory->undecided >= 0 && memory->undecided < next ? memory->undecided : next;
	int64_t reflected = windows_reflected(&memory->windows, until);
	return reflected < until ? reflected : until;
}

typedef struct {
	const char *type;
	Slice id; /* empty: derived from the input's id */
	Instant at; /* time of the input or of the last event, for horizon_of */
} ReportDraft;

static Result draft(Handler *handler, const ReportDraft *report, const ReportBody *body)
{
	Memory *memory = handler->memory;
	/* `reflected` is not after the first event that stays pending. The record's position, computed later, may be greater. */
	WindowPrune prune = { .reflected = events_reflected(memory, memory->events.offset),
			      .horizon = horizon_of(memory, report->at) };
	buffer_clear(&memory->body);
	report_body_write(&memory->body, body);
	buffer_clear(&memory->packed);
	window_header_write(&memory->packed, body->row, &prune);
	buffer_clear(&memory->headers);
	header_add(&memory->headers, WINDOW_HEADER, buffer_slice(&memory->packed));
	if (memory->body.overflowed || memory->packed.overflowed || memory->headers.overflowed)
		return result_fail(ERROR_INTERNAL, "a report does not fit into a record although its document was checked: this is a defect of Tocsin");
	Id incident = bits_write("inc_", body->row->incident);
	return handler_draft(handler, &(Draft){ .id = report->id,
						.type = slice_of(report->type),
						.subject = id_slice(&incident),
						.body = buffer_slice(&memory->body),
						.headers = buffer_slice(&memory->headers) });
}

Result draft_repeat(Handler *handler, const Window *window)
{
	WindowRow row = window_row(window);
	row.report_version++;
	char name[48];
	snprintf(name, sizeof(name), "%" PRId64 ":%" PRId64, row.report_version, row.through);
	Id incident = bits_write("inc_", row.incident);
	Id id = id_of_pair(ID_REPEAT_REPORT, id_slice(&incident), slice_of(name));
	ReportDraft report = { .type = TYPE_REPORT_REPEATED, .id = id_slice(&id), .at = row.last_seen_at };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .received_at = row.last_seen_at, .clock_offset_ms = INT64_MIN });
}

/* ---- events */

typedef struct {
	const Record *input;
	Arrival arrival;
	EventHeader header;
	Window *window; /* of the event's key; NULL: the key is not known */
} EventContext;

static const char *form_of(const Record *input)
{
	return slice_is(input->type, TYPE_REPORT_RECEIVED) ? "report" : "event";
}

static Result document_read(Handler *handler, const Record *input, Slice *document)
{
	TRY(handler_body(handler, input, document));
	return document_check(slice_is(input->type, TYPE_REPORT_RECEIVED), *document);
}

static Result event_skip(Handler *handler, EventContext *event)
{
	(void)handler;
	(void)event;
	return result_ok();
}

static Result event_count(Handler *handler, EventContext *event)
{
	Memory *memory = handler->memory;
	const Arrival *arrival = &event->arrival;
	windows_count(&memory->windows, event->window, arrival->event, arrival->offset, arrival->received_at);
	return result_ok();
}

/* The event is more severe than all before: the report embeds the document, so that the incident is assessed again. */
static Result event_raise(Handler *handler, EventContext *event)
{
	Slice document;
	TRY(document_read(handler, event->input, &document));
	TRY(event_count(handler, event));
	WindowRow row = window_row(event->window);
	row.report_version++;
	row.severity = event->arrival.severity;
	ReportDraft report = { .type = TYPE_REPORT_REPEATED, .at = row.last_seen_at };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .form = form_of(event->input), .received_at = event->arrival.received_at,
				    .clock_offset_ms = event->header.clock_offset_ms, .document = document });
}

static WindowRow row_opened(const EventContext *event, Bits incident)
{
	const Arrival *arrival = &event->arrival;
	return (WindowRow){
		.key = arrival->key,
		.incident = incident,
		.event = arrival->event,
		.state = WINDOW_OPEN,
		.report_version = 1,
		.event_count = 1,
		.through = arrival->offset + 1,
		.last_seen_at = arrival->received_at,
		.resumed_at = INSTANT_NONE,
		.window_seconds = event->header.window_seconds,
		.cap_seconds = event->header.cap_seconds,
		.severity = arrival->severity,
	};
}

/*
 * Reports the pending count before the input gives the key to another incident. The report is a separate record that states a
 * position before the input (`undecided`). So after a crash between the two records the input is read again, and only the second
 * record is drafted.
 */
static Result draft_last_count(Handler *handler, const Record *input, const Window *window)
{
	Memory *memory = handler->memory;
	if (!window || !window_is_pending(window))
		return result_ok();
	memory->undecided = input->offset;
	TRY(draft_repeat(handler, window));
	memory->undecided = -1;
	return result_ok();
}

static Result event_open(Handler *handler, EventContext *event)
{
	const Record *input = event->input;
	Slice document;
	Bits bits;
	char number[NUMBER_SIZE];
	TRY(document_read(handler, input, &document));
	TRY(draft_last_count(handler, input, event->window));
	Id incident = id_of_incident(input->time, slot_of(input->key), input->id);
	number_of_incident(input->time, input->id, number);
	if (!bits_read_incident(id_slice(&incident), &bits))
		return result_fail(ERROR_INTERNAL, "%s is no incident id", incident.text);
	WindowRow row = row_opened(event, bits);
	ReportDraft report = { .type = TYPE_REPORT_OPENED, .at = input->time };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .form = form_of(input), .number = number, .received_at = input->time,
				    .clock_offset_ms = event->header.clock_offset_ms, .document = document });
}

static Result (*const effects[])(Handler *handler, EventContext *event) = {
	[JUDGE_SKIP] = event_skip,
	[JUDGE_COUNT] = event_count,
	[JUDGE_RAISE] = event_raise,
	[JUDGE_OPEN] = event_open,
};

Result arrival_read(const Record *input, Arrival *arrival, EventHeader *header)
{
	*arrival = (Arrival){ .offset = input->offset, .received_at = input->time };
	if (!bits_read(input->key, &arrival->key) || !bits_read_event(input->id, &arrival->event))
		return result_fail(ERROR_INPUT, "the key must be 26 base32 characters, and ce_id must be evt_ and 26 more");
	TRY(event_header_read(header_get(input->headers, EVENT_HEADER), header));
	arrival->severity = header->severity;
	return result_ok();
}

Result decide_arrival(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	EventContext event = { .input = input };
	TRY(arrival_read(input, &event.arrival, &event.header));
	event.window = windows_find(&memory->windows, event.arrival.key);
	return effects[judge(event.window, &event.arrival)](handler, &event);
}

/* ---- closings and reopenings */

/* The record must be in the partition of its incident, because this partition's ledger gets the report that follows. */
static Result key_read(const Record *input, unsigned partitions, Bits *key, Bits *incident)
{
	unsigned slot;
	Instant opened_at;
	if (!bits_read(input->key, key) || !id_incident_parse(input->subject, &slot, &opened_at) ||
	    !bits_read_incident(input->subject, incident))
		return result_fail(ERROR_INPUT, "the record's key must be 26 base32 characters, and ce_subject inc_ and 26 more");
	return slot % partitions == input->partition ? result_ok() :
						       result_fail(ERROR_INPUT, "the record is not in the partition of its incident");
}

Result change_check(const Record *input, unsigned partitions)
{
	Bits key, incident;
	return key_read(input, partitions, &key, &incident);
}

/* After a closing, the next event of the key opens another incident. */
Result decide_closing(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	Bits key, incident;
	TRY(key_read(input, handler->partitions, &key, &incident));
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

/* The row of an incident whose key now belongs to another incident; *kept false: the row was pruned. */
static Result row_kept(Handler *handler, const Record *input, WindowRow *row, bool *kept)
{
	WindowPrune unused;
	Result result = result_ok();
	Statement *rows = store_query(handler->store, "SELECT header FROM windows WHERE incident = ?1", V_TEXT(input->subject));
	*kept = statement_next(rows);
	if (*kept)
		result = window_header_read(statement_slice(rows, 0), input->subject, row, &unused);
	Result ended = statement_end(rows);
	return result_failed(result) ? result : ended;
}

/*
 * The row of the reopened incident. If intake still has the row, the count is exact. If the row was pruned, the count is the
 * one that response had at the reopening; repeats that had not reached response by then are lost from the count.
 */
static Result row_resumed(Handler *handler, const Record *input, const Resumption *resumption, const Window *window,
			  WindowRow *row)
{
	Bits key = row->key, incident = row->incident;
	bool kept = window && bits_equal(window_incident(window), incident);
	if (kept)
		*row = window_row(window);
	else
		TRY(row_kept(handler, input, row, &kept));
	if (!kept) {
		*row = (WindowRow){ .key = key, .incident = incident, .report_version = resumption->report_version,
				    .event_count = resumption->event_count, .last_seen_at = resumption->last_seen_at,
				    .severity = resumption->severity };
		if (!bits_read_event(input->id, &row->event))
			return result_fail(ERROR_INPUT, "ce_id must be evt_ and 26 base32 characters");
	}
	row->state = WINDOW_OPEN;
	row->report_version++;
	row->through = input->offset + 1;
	row->resumed_at = input->time;
	row->window_seconds = resumption->window_seconds;
	row->cap_seconds = resumption->cap_seconds;
	return result_ok();
}

static Result resumption_read(Handler *handler, const Record *input, Resumption *out)
{
	Slice body;
	json_t *tree JSON_AUTO = NULL;
	TRY(handler_body(handler, input, &body));
	TRY(json_read(body, &tree));
	TRY(json_decode_record(&resumption_table, tree, out)); /* numbers and a time: *out borrows nothing from the tree */
	if (out->event_count > COUNT_MAX || out->report_version > COUNT_MAX)
		return result_fail(ERROR_INPUT, "event_count and report_version must be at most %d: both go on counting", COUNT_MAX);
	return result_ok();
}

/* After a reopening, the next event of the key counts for the reopened incident, unless the key has a window that takes events. */
Result decide_reopening(Handler *handler, const Record *input)
{
	Memory *memory = handler->memory;
	Resumption resumption;
	WindowRow row = { .resumed_at = INSTANT_NONE };
	TRY(key_read(input, handler->partitions, &row.key, &row.incident));
	const Window *window = windows_find(&memory->windows, row.key);
	if (!judge_reopening(window, input->offset, input->time))
		return result_ok();
	TRY(resumption_read(handler, input, &resumption));
	TRY(row_resumed(handler, input, &resumption, window, &row));
	if (window && !bits_equal(window_incident(window), row.incident))
		TRY(draft_last_count(handler, input, window));
	ReportDraft report = { .type = TYPE_REPORT_RESUMED, .at = input->time };
	return draft(handler, &report,
		     &(ReportBody){ .row = &row, .received_at = row.last_seen_at, .clock_offset_ms = INT64_MIN });
}
