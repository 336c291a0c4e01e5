/*
 * Recounting. A case is a table of ledger rows and of events in the log, and the expected finding. Keys, incidents and event ids
 * are small numbers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/core/recount.h"
#include "services/intake/core/dedup.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 12, EVENTS_MAX = 16, NO_POSITION = -1, ENDS = -1 };

typedef struct {
	RecountStep step;
	unsigned incident, key; /* from 1; 0: this row ends the table */
	int64_t count, through;
	int64_t position; /* the position in the log of events that the ledger record states */
	bool carried;
} LedgerRow;

typedef struct {
	int64_t offset;
	unsigned id, key; /* from 1; 0: this event ends the table */
	RecountKind kind;
	bool hole; /* offsets between the previous event and this one: true: their records were dropped; false: other records */
} LogEvent;

typedef struct {
	const char *name;
	int64_t first;
	int64_t generation; /* generation_size of the duplicate filter; 0: 100 */
	bool trimmed;       /* the ledger is trimmed */
	LedgerRow rows[ROWS_MAX];
	LogEvent events[EVENTS_MAX];
	const char *found; /* "": no finding; otherwise part of the text of the only finding */
	unsigned incidents;
} Case;

#define OPENED(incident, key, through, position) { RECOUNT_OPENED, incident, key, 1, through, position, false }
#define COUNTED(incident, key, count, through, position) { RECOUNT_CONTINUED, incident, key, count, through, position, false }
#define RESUMED(incident, key, count, through, position) { RECOUNT_RESUMED, incident, key, count, through, position, false }
#define CARRIED(step, incident, key, count, through) { RECOUNT_##step, incident, key, count, through, NO_POSITION, true }
#define POSITION(position) { RECOUNT_OPENED, 0, 1, 0, 0, position, false }
#define EVENT(offset, id, key) { offset, id, key, RECOUNT_EVENT, false }
#define OTHER(offset, id) { offset, id, 9, RECOUNT_NOTED, false }
#define HOLE(offset, id, key) { offset, id, key, RECOUNT_EVENT, true }

static const Case cases[] = {
	{ "right counts, with a duplicate that was dropped",
	  .rows = { OPENED(1, 1, 1, 1), OPENED(2, 2, 3, 3), COUNTED(1, 1, 3, 5, 5) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 2), EVENT(3, 1, 1), EVENT(4, 4, 1) },
	  .found = "", .incidents = 2 },
	{ "a duplicate that was counted again",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 3, 4, 4) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), OTHER(2, 7), EVENT(3, 1, 1) },
	  .found = "counts 3 events in [0, 4), the log holds 2 different ones", .incidents = 1 },
	{ "a duplicate that opened an incident",
	  .rows = { OPENED(1, 1, 1, 1), OPENED(2, 2, 2, 2) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 1, 2) },
	  .found = "counts 1 events in [1, 2), the log holds 0 different ones", .incidents = 2 },
	{ "events counted after the end of the log",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 9, 9) },
	  .events = { EVENT(0, 1, 1) },
	  .found = "counts 2 events in [0, 9), the log holds 1 different ones", .incidents = 1 },
	{ "a repeated record with one event more",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 1, 1) },
	  .events = { EVENT(0, 1, 1) },
	  .found = "counts 2 events in [0, 1), the log holds 1 different ones", .incidents = 1 },
	{ "a lost event",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 3, 3) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 1) },
	  .found = "counts 2 events in [0, 3), the log holds 3 different ones", .incidents = 1 },
	{ "a lost event of a key without an incident",
	  .rows = { OPENED(1, 1, 1, 1), POSITION(2) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 2) },
	  .found = "is counted by no incident", .incidents = 1 },
	{ "a lost event after the last count",
	  .rows = { OPENED(1, 1, 1, 1), POSITION(2) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1) },
	  .found = "is counted by no incident", .incidents = 1 },
	{ "pending events",
	  .rows = { OPENED(1, 1, 1, 1), OPENED(2, 2, 4, 1) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 3), EVENT(3, 4, 2) },
	  .found = "", .incidents = 2 },
	{ "an id that the filter had dropped", .generation = 2,
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 6, 6) },
	  .events = { EVENT(0, 1, 1), OTHER(1, 11), OTHER(2, 12), OTHER(3, 13), OTHER(4, 14), EVENT(5, 1, 1) },
	  .found = "", .incidents = 1 },

	/* retention */
	{ "nothing kept", .first = 50, .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 30, 50, 50) }, .found = "", .incidents = 0 },
	{ "an incident whose first events were dropped", .first = 50,
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 30, 40, 40), COUNTED(1, 1, 33, 60, 60), COUNTED(1, 1, 35, 70, 70) },
	  .events = { EVENT(50, 1, 1), EVENT(60, 2, 1), EVENT(65, 3, 1) },
	  .found = "", .incidents = 1 },
	{ "events that may repeat dropped ones", .first = 50,
	  .rows = { COUNTED(1, 1, 30, 55, 55), COUNTED(1, 1, 30, 70, 70), OPENED(2, 2, 72, 72) },
	  .events = { EVENT(50, 1, 1), EVENT(60, 2, 1), EVENT(65, 3, 1), EVENT(71, 4, 2), EVENT(74, 5, 2) },
	  .found = "", .incidents = 2 },
	{ "a duplicate of a kept event, counted again", .first = 50,
	  .rows = { COUNTED(1, 1, 30, 55, 55), COUNTED(1, 1, 32, 70, 70) },
	  .events = { EVENT(60, 2, 1), EVENT(65, 2, 1) },
	  .found = "counts 2 events in [55, 70), the log holds 0 to 1 different ones", .incidents = 1 },
	{ "a lost event whose whole filter range is kept", .first = 50, .generation = 10,
	  .rows = { COUNTED(1, 1, 30, 70, 70), COUNTED(1, 1, 30, 80, 80) },
	  .events = { EVENT(50, 1, 1), EVENT(75, 2, 1) },
	  .found = "counts 0 events in [70, 80), the log holds 1 different ones", .incidents = 1 },
	{ "an opening event that was dropped", .first = 50,
	  .rows = { OPENED(1, 1, 50, 50), COUNTED(1, 1, 2, 60, 60) },
	  .events = { EVENT(55, 1, 1) },
	  .found = "", .incidents = 1 },
	{ "a trimmed ledger states nothing about keys whose rows were trimmed", .trimmed = true,
	  .rows = { COUNTED(1, 1, 5, 8, 8), OPENED(2, 2, 11, 11) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 2), EVENT(2, 3, 3), EVENT(10, 4, 2) },
	  .found = "", .incidents = 1 },
	{ "events dropped during the second pass",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 9, 20, 20), COUNTED(1, 1, 10, 31, 31), OPENED(2, 2, 33, 33) },
	  .events = { EVENT(0, 1, 1), HOLE(30, 2, 1), EVENT(32, 3, 2) },
	  .found = "", .incidents = 1 },

	/* closings and reopenings */
	{ "closed: the next event opens another", /* the closing is the record at offset 2 */
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 3, 3), OPENED(2, 1, 4, 4) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), OTHER(2, 7), EVENT(3, 3, 1) },
	  .found = "", .incidents = 2 },
	{ "a key that goes to another incident, with a last count",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 2, 2), OPENED(2, 1, 3, 3) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 1) },
	  .found = "", .incidents = 2 },
	{ "a key that goes to another incident without a last count",
	  .rows = { OPENED(1, 1, 1, 1), OPENED(2, 1, 3, 3) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 1) },
	  .found = "is counted by no incident", .incidents = 2 },
	/* Closed by the record at offset 2, reopened by the record at offset 3. */
	{ "reopened while it was known: pending events count",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 3, 3), RESUMED(1, 1, 2, 4, 4), COUNTED(1, 1, 3, 5, 5) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), OTHER(2, 7), OTHER(3, 8), EVENT(4, 3, 1) },
	  .found = "", .incidents = 1 },
	{ "reopened while it was known, with a duplicate that was counted again",
	  .rows = { OPENED(1, 1, 1, 1), RESUMED(1, 1, 2, 3, 3) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 1, 1), OTHER(2, 7) },
	  .found = "counts 2 events in [0, 3), the log holds 1 different ones", .incidents = 1 },
	{ "reopened after it was pruned: counting continues from the count of response",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 3, 3, 3), RESUMED(1, 1, 2, 5, 5), COUNTED(1, 1, 3, 6, 6) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 1), OTHER(4, 7), EVENT(5, 4, 1) },
	  .found = "", .incidents = 1 },
	{ "reopened after another incident had the key",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 1, 2, 2), OPENED(2, 1, 3, 3), RESUMED(1, 1, 1, 4, 4),
		    COUNTED(1, 1, 2, 5, 5) },
	  .events = { EVENT(0, 1, 1), OTHER(1, 7), EVENT(2, 2, 1), OTHER(3, 8), EVENT(4, 3, 1) },
	  .found = "", .incidents = 2 },
	{ "reopened with a larger count than its last",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 1, 2, 2), OPENED(2, 1, 3, 3), RESUMED(1, 1, 2, 4, 4) },
	  .events = { EVENT(0, 1, 1), OTHER(1, 7), EVENT(2, 2, 1), OTHER(3, 8) },
	  .found = "counts 1 events in [4, 4), the log holds 0 different ones", .incidents = 2 },
	{ "reopened, and no older row of it is kept", .first = 50, .trimmed = true,
	  .rows = { RESUMED(1, 1, 17, 60, 60), COUNTED(1, 1, 18, 62, 62) },
	  .events = { EVENT(55, 1, 1), EVENT(61, 2, 1) },
	  .found = "", .incidents = 1 },

	/* imported */
	{ "imported into a log without events: offsets of the old log are ignored",
	  .rows = { CARRIED(OPENED, 1, 1, 1, -99), CARRIED(CONTINUED, 1, 1, 70, 0), CARRIED(OPENED, 2, 2, 1, -20), POSITION(0),
		    COUNTED(1, 1, 71, 1, 1), OPENED(3, 2, 2, 2) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 2) },
	  .found = "", .incidents = 2 },
	{ "imported with events, from a log that was longer or shorter",
	  .rows = { CARRIED(OPENED, 1, 1, 1, 90), CARRIED(OPENED, 2, 2, 5, -7), POSITION(3), COUNTED(1, 1, 2, 5, 5) },
	  .events = { EVENT(0, 1, 1), EVENT(1, 2, 2), EVENT(2, 3, 3), EVENT(3, 1, 1), EVENT(4, 4, 1) },
	  .found = "", .incidents = 1 },
	{ "imported, and an imported event is counted again",
	  .rows = { CARRIED(OPENED, 1, 1, 1, 3), POSITION(3), COUNTED(1, 1, 2, 4, 4) },
	  .events = { EVENT(0, 1, 1), EVENT(3, 1, 1) },
	  .found = "counts 1 events in [3, 4), the log holds 0", .incidents = 1 },
	{ "imported, and an event that came later is lost",
	  .rows = { CARRIED(OPENED, 1, 1, 1, 3), POSITION(3), POSITION(5) },
	  .events = { EVENT(0, 1, 1), OTHER(1, 7), OTHER(2, 8), EVENT(3, 2, 1), EVENT(4, 2, 1) },
	  .found = "is counted by no incident", .incidents = 0 },
	{ "imported, and the imported events were dropped since", .first = 50,
	  .rows = { CARRIED(OPENED, 1, 1, 1, 3), POSITION(3), COUNTED(1, 1, 9, 60, 60), COUNTED(1, 1, 10, 62, 62) },
	  .events = { EVENT(50, 2, 1), EVENT(61, 3, 1) },
	  .found = "", .incidents = 1 },
	{ "an unfinished import",
	  .rows = { CARRIED(OPENED, 1, 1, 1, 90) }, .events = { EVENT(0, 1, 1) }, .found = "", .incidents = 0 },

	/* records that count for no incident */
	{ "a refused record is in the filter and does not count",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 4, 4) },
	  .events = { EVENT(0, 1, 1), { 1, 2, 1, RECOUNT_NOTED, false }, EVENT(2, 2, 1), EVENT(3, 3, 1) },
	  .found = "", .incidents = 1 },
	{ "a record without headers is not in the filter",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 3, 3) },
	  .events = { EVENT(0, 1, 1), { 1, 2, 1, RECOUNT_UNREAD, false }, EVENT(2, 2, 1) },
	  .found = "", .incidents = 1 },
	{ "a document that cannot be reported may have counted",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 3, 3), COUNTED(1, 1, 2, 4, 4) },
	  .events = { EVENT(0, 1, 1), { 1, 2, 1, RECOUNT_DOUBTFUL, false }, EVENT(2, 3, 1), { 3, 4, 2, RECOUNT_DOUBTFUL, false } },
	  .found = "", .incidents = 1 },
	{ "a document that cannot be reported counts at most once",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 3, 3, 3) },
	  .events = { EVENT(0, 1, 1), { 1, 2, 1, RECOUNT_DOUBTFUL, false }, { 2, 2, 1, RECOUNT_DOUBTFUL, false } },
	  .found = "counts 3 events in [0, 3), the log holds 1 to 2 different ones", .incidents = 1 },
	{ "an event whose id occurred in a record of another partition may count",
	  .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 4, 4) },
	  .events = { EVENT(0, 1, 1), { 1, 2, 1, RECOUNT_MISPLACED, false }, EVENT(2, 2, 1), EVENT(3, 3, 1) },
	  .found = "", .incidents = 1 },
};

/* ---- running a case */

static char findings[1024];

static void finding_take(void *context, bool of_events, int64_t offset, const char *text)
{
	(void)context;
	size_t used = strlen(findings);
	snprintf(findings + used, sizeof(findings) - used, "%s %lld: %s\n", of_events ? "events" : "reports", (long long)offset, text);
}

/* Bits that are spread over the hash index like real keys; numbers with a difference of 256 collide. */
static Bits bits_of(unsigned number)
{
	return (Bits){ .high = number, .low = number * UINT64_C(256) };
}

static void row_take(Recount *recount, const LedgerRow *from, int64_t offset)
{
	WindowRow row = { .key = bits_of(from->key), .incident = bits_of(from->incident), .event_count = from->count,
			  .through = from->through };
	if (from->incident != 0)
		recount_row(recount, offset, from->step, &row, from->carried);
	if (from->position != NO_POSITION)
		recount_position(recount, from->position);
}

static RecountFigures play(const Case *one)
{
	RecountOptions options = { .first = one->first, .generation_size = one->generation ? one->generation : 100,
				   .finding = finding_take };
	Recount *recount = recount_new(&options);
	findings[0] = '\0';
	if (!one->trimmed)
		recount_ledger_is_whole(recount);
	for (int i = 0; i < ROWS_MAX && one->rows[i].key != 0; i++)
		row_take(recount, &one->rows[i], i + 2);
	int64_t next = one->first;
	for (int i = 0; i < EVENTS_MAX && one->events[i].id != 0; i++) {
		const LogEvent *event = &one->events[i];
		for (; next < event->offset && !event->hole; next++)
			recount_event(recount, &(RecountEvent){ .kind = RECOUNT_NOTED, .offset = next,
								.fingerprint = 1000 + (uint64_t)next });
		next = event->offset + 1;
		recount_event(recount, &(RecountEvent){ .kind = event->kind, .offset = event->offset, .fingerprint = event->id,
							.key = bits_of(event->key), .event = bits_of(event->id) });
	}
	RecountFigures figures = recount_finish(recount);
	recount_free(recount);
	return figures;
}

static unsigned lines(const char *text)
{
	unsigned count = 0;
	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static void the_log_is_compared_with_the_counts_of_the_ledger(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Case *one = &cases[i];
		RecountFigures figures = play(one);
		unsigned wanted = one->found[0] != '\0';
		if (lines(findings) != wanted || strstr(findings, one->found) == NULL || figures.incidents != one->incidents ||
		    figures.findings != wanted)
			fail_msg("%s: %llu incidents, found:\n%sexpected: %s", one->name, (unsigned long long)figures.incidents, findings,
				 one->found);
	}
}

static void a_finding_names_the_incident_and_the_last_record_that_counts(void **state)
{
	(void)state;
	const Case one = { .rows = { OPENED(1, 1, 1, 1), COUNTED(1, 1, 2, 2, 2), COUNTED(1, 1, 4, 4, 4) },
			   .events = { EVENT(0, 1, 1), EVENT(1, 2, 1), EVENT(2, 3, 1), EVENT(3, 3, 1) } };
	Id incident = bits_write("inc_", bits_of(1));
	char wanted[256];
	play(&one);
	snprintf(wanted, sizeof(wanted),
		 "reports 4: incident %s: the ledger counts 4 events in [0, 4), the log holds 3 different ones\n", incident.text);
	assert_string_equal(findings, wanted);
}

static void events_that_may_repeat_dropped_ones_are_uncertain(void **state)
{
	(void)state;
	const Case one = { .first = 50, .rows = { COUNTED(1, 1, 30, 55, 55), COUNTED(1, 1, 31, 70, 70) },
			   .events = { EVENT(60, 2, 1), EVENT(65, 2, 1), OTHER(66, 7) } };
	RecountFigures figures = play(&one);
	assert_string_equal(findings, "");
	assert_int_equal(figures.events, 2);
	assert_int_equal(figures.uncertain, 1);
}

/* The rows have more keys than the initial capacity of the index. */
static void many_incidents_are_kept_apart(void **state)
{
	(void)state;
	enum { MANY = 5000 };
	RecountOptions options = { .generation_size = dedup_generation_size(1), .finding = finding_take };
	Recount *recount = recount_new(&options);
	findings[0] = '\0';
	recount_ledger_is_whole(recount);
	for (unsigned i = 0; i < MANY; i++)
		row_take(recount, &(LedgerRow)OPENED(i + 1, i + 1, i + 1, i + 1), i);
	for (unsigned i = 0; i < MANY; i++)
		row_take(recount, &(LedgerRow)COUNTED(i + 1, i + 1, i == 4000 ? 3 : 2, MANY + i + 1, MANY + i + 1), MANY + i);
	for (unsigned i = 0; i < 2 * MANY; i++)
		recount_event(recount, &(RecountEvent){ .kind = RECOUNT_EVENT, .offset = i, .fingerprint = i + 1,
							.key = bits_of(i % MANY + 1), .event = bits_of(i + 1) });
	assert_int_equal(recount_end(recount), 2 * MANY);
	RecountFigures figures = recount_finish(recount);
	assert_int_equal(figures.incidents, MANY);
	assert_int_equal(lines(findings), 1);
	assert_non_null(strstr(findings, "counts 3 events in [4000, 9001), the log holds 2 different ones"));
	recount_free(recount);
}

static void extreme_counts_do_not_overflow(void **state)
{
	(void)state;
	const Case one = { .rows = { COUNTED(1, 1, INT64_MIN, INT64_MIN, 1), COUNTED(1, 1, INT64_MIN, 5, 5),
				     COUNTED(1, 1, INT64_MAX, INT64_MAX, INT64_MAX), RESUMED(1, 1, INT64_MIN, 0, 0),
				     OPENED(2, 1, INT64_MIN, 0) },
			   .events = { EVENT(0, 1, 1), HOLE(INT64_MAX - 1, 2, 1) } };
	RecountFigures figures = play(&one);
	assert_true(figures.findings > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_log_is_compared_with_the_counts_of_the_ledger),
		cmocka_unit_test(a_finding_names_the_incident_and_the_last_record_that_counts),
		cmocka_unit_test(events_that_may_repeat_dropped_ones_are_uncertain),
		cmocka_unit_test(many_incidents_are_kept_apart),
		cmocka_unit_test(extreme_counts_do_not_overflow),
	};
	return cmocka_run_group_tests_name("recount", tests, NULL, NULL);
}
