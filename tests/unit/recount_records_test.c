/*
 * How recounting treats each kind of record on the bus. A valid event with the same id follows the record, and no incident counts
 * it. Recounting reports this event as lost, unless the record has put the id into the duplicate filter.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/recount_records.h"
#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/topics.h"
#include "shared/domain/types.h"

#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4 };

#define TIME "2026-11-20T01:00:00.000Z"
#define GOOD_HEADER "window=900;cap=86400;severity=2"

typedef struct {
	const char *name;
	const char *type, *time, *header; /* NULL: the record has no such header */
	const char *key;                  /* NULL: a valid key, which key_in(elsewhere) chooses */
	bool elsewhere;                   /* the key belongs to another partition */
	size_t body;                      /* bytes of the document, which is valid from 60 on */
	/* expected figures for the record and the following event together: events, uncertain events, lost events */
	unsigned events, uncertain, lost;
} Case;

static const Case cases[] = {
	{ "an event", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, false, 100, 2, 0, 1 },
	{ "a person's report", TYPE_REPORT_RECEIVED, TIME, GOOD_HEADER, NULL, false, 100, 2, 0, 1 },
	{ "a closing", TYPE_INCIDENT_CLOSED, TIME, GOOD_HEADER, NULL, false, 2, 1, 0, 0 },
	{ "a closing of no incident", TYPE_INCIDENT_CLOSED, TIME, NULL, NULL, false, 2, 1, 0, 1 },
	{ "a later version", "tocsin.event.received.v9", TIME, GOOD_HEADER, NULL, false, 100, 1, 0, 1 },
	{ "a malformed key", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, "", false, 100, 1, 0, 1 },
	{ "without its header", TYPE_EVENT_RECEIVED, TIME, NULL, NULL, false, 100, 1, 0, 1 },
	{ "a header without a window", TYPE_EVENT_RECEIVED, TIME, "cap=5", NULL, false, 100, 1, 0, 1 },
	{ "without a document", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, false, 0, 2, 1, 0 },
	{ "half a document", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, false, 30, 2, 1, 0 },
	{ "too large a document", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, false, SENDER_BYTES_MAX + 1, 2, 1, 0 },
	{ "a document that just fits", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, false, SENDER_BYTES_MAX, 2, 0, 1 },
	{ "another partition's", TYPE_EVENT_RECEIVED, TIME, GOOD_HEADER, NULL, true, 100, 1, 1, 0 },
	{ "without a time", TYPE_EVENT_RECEIVED, NULL, GOOD_HEADER, NULL, false, 100, 1, 0, 1 },
	{ "a record of the ledger protocol", TYPE_LEDGER_ADVANCED, TIME, GOOD_HEADER, NULL, false, 100, 1, 0, 1 },
};

static unsigned lost;

static void finding_take(void *context, bool of_events, int64_t offset, const char *text)
{
	(void)context, (void)offset, (void)text;
	assert_true(of_events);
	lost++;
}

/* A key of partition 0 of PARTITIONS; elsewhere: of any other partition. */
static Id key_in(bool elsewhere)
{
	for (unsigned number = 0;; number++) {
		Id key = id_of_pair(ID_CORRELATION_KEY_OF_ID, SLICE("key"), (Slice){ (const char *)&number, sizeof(number) });
		if ((slot_of(id_slice(&key)) % PARTITIONS == 0) != elsewhere)
			return key;
	}
}

static void event_take(Recount *recount, int64_t offset, const Case *one)
{
	Id id = id_of_pair(ID_KEY_EVENT, SLICE("source"), SLICE("1")), key = key_in(one->elsewhere);
	Id incident = id_of_incident(1, 0, SLICE("incident")); /* of partition 0 */
	Buffer headers;
	static const char document[] = "{\"source\":\"s\",\"title\":\"t\",\"kind\":\"event\",\"description\":\"d\"}";
	char *body = malloc(one->body + 1);
	assert_non_null(body);
	memset(body, ' ', one->body);
	memcpy(body, document, one->body < sizeof(document) - 1 ? one->body : sizeof(document) - 1);
	buffer_init(&headers, 4096);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", slice_of(one->type));
	if (strcmp(one->type, TYPE_INCIDENT_CLOSED) == 0 && one->header)
		header_add(&headers, "ce_subject", id_slice(&incident));
	if (one->time)
		header_add(&headers, "ce_time", slice_of(one->time));
	if (one->header)
		header_add(&headers, EVENT_HEADER, slice_of(one->header));
	BusRecord record = { .offset = offset, .key = one->key ? slice_of(one->key) : id_slice(&key),
			     .headers = buffer_slice(&headers), .body = { body, one->body } };
	recount_take_event(recount, 0, PARTITIONS, &record);
	buffer_release(&headers);
	free(body);
}

static void events_count_as_intake_counts_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RecountOptions options = { .generation_size = 100, .finding = finding_take };
		Recount *recount = recount_new(&options);
		lost = 0;
		recount_ledger_is_whole(recount);
		recount_position(recount, 0);
		recount_position(recount, 2);
		event_take(recount, 0, &cases[i]);
		event_take(recount, 1, &cases[0]);
		RecountFigures figures = recount_finish(recount);
		if (figures.events != cases[i].events || figures.uncertain != cases[i].uncertain || lost != cases[i].lost)
			fail_msg("%s: %llu events, %llu uncertain, %u lost", cases[i].name, (unsigned long long)figures.events,
				 (unsigned long long)figures.uncertain, lost);
		recount_free(recount);
	}
}

/* ---- reports */

static Result report_take(Recount *recount, const char *type, const char *window, const char *positions)
{
	Id incident = id_of_incident(1000, 7, SLICE("a"));
	Buffer headers;
	buffer_init(&headers, 4096);
	header_add(&headers, "ce_type", slice_of(type));
	header_add(&headers, "ce_subject", id_slice(&incident));
	if (window)
		header_add(&headers, WINDOW_HEADER, slice_of(window));
	if (positions)
		header_add(&headers, "ce_positions", slice_of(positions));
	BusRecord record = { .offset = 7, .headers = buffer_slice(&headers) };
	Result result = recount_take_report(recount, 0, &record);
	buffer_release(&headers);
	return result;
}

static void a_report_states_its_window_and_its_positions(void **state)
{
	(void)state;
	static const char window[] = "state=0;version=1;count=1;through=9;seen=0;window=900;cap=86400;severity=2;reflected=0;"
				     "key=0123456789abcdefghjkmnpqrs;event=evt_0123456789abcdefghjkmnpqrs";
	RecountOptions options = { .generation_size = 100, .finding = finding_take };
	Recount *recount = recount_new(&options);
	assert_false(result_failed(report_take(recount, TYPE_LEDGER_OPENED, NULL, "")));
	assert_false(result_failed(report_take(recount, TYPE_JOIN_KEPT, NULL, "events=3;joins=900;events/2=70")));
	assert_int_equal(recount_end(recount), 3);
	assert_false(result_failed(report_take(recount, TYPE_REPORT_OPENED, window, "events=4;joins=900")));
	assert_int_equal(recount_end(recount), 9);
	assert_int_equal(report_take(recount, TYPE_REPORT_REPEATED, NULL, "events=5").kind, ERROR_INTERNAL);
	assert_false(result_failed(report_take(recount, "tocsin.report.later.v1", NULL, "events=12;joins=900")));
	assert_int_equal(recount_end(recount), 12);
	recount_free(recount);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_count_as_intake_counts_them),
		cmocka_unit_test(a_report_states_its_window_and_its_positions),
	};
	return cmocka_run_group_tests_name("recount_records", tests, NULL, NULL);
}
