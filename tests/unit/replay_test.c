#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/types.h"
#include "shared/runtime/replay.h"

#include <stdio.h>
#include <string.h>

/* A ledger record of a test, before it is encoded. */
typedef struct {
	int64_t offset;
	uint64_t epoch, owner, seq;
	const char *type, *id, *previous, *positions, *body;
} Row;

#define CLAIM(offset_, epoch_, owner_)                                                                                 \
	{                                                                                                              \
		offset_, epoch_, owner_, 0, TYPE_LEDGER_CLAIMED, "led_c", NULL, NULL, "{}"                             \
	}
#define OPEN(offset_, epoch_, owner_, previous_)                                                                       \
	{                                                                                                              \
		offset_, epoch_, owner_, 1, TYPE_LEDGER_OPENED, "led_o", previous_, NULL, "{}"                         \
	}
#define ENTRY(offset_, epoch_, owner_, seq_, id_, positions_, version_)                                                \
	{                                                                                                              \
		offset_, epoch_, owner_, seq_, TYPE_JOURNAL_ENTERED, id_, NULL, positions_,                            \
			"{\"incident_id\":\"inc_1\",\"entries\":[{\"version\":" #version_ "}]}"                        \
	}

static char findings[512];

static void finding_take(void *context, int64_t offset, const char *text)
{
	(void)context;
	size_t used = strlen(findings);
	snprintf(findings + used, sizeof findings - used, "%lld: %s\n", (long long)offset, text);
}

static void row_take(Replay *replay, const Row *row)
{
	Buffer headers;
	LedgerMark mark = { row->seq == 0, row->epoch, row->owner, row->seq };
	buffer_init(&headers, 4096);
	header_add(&headers, "ce_id", slice_of(row->id));
	header_add(&headers, "ce_type", slice_of(row->type));
	ledger_mark_write(&headers, &mark);
	if (row->previous != NULL)
		header_add(&headers, "ce_prev", slice_of(row->previous));
	if (row->positions != NULL)
		header_add(&headers, "ce_positions", slice_of(row->positions));
	BusRecord record = { .offset = row->offset, .headers = buffer_slice(&headers), .body = slice_of(row->body) };
	replay_take(replay, &record);
	buffer_release(&headers);
}

static ReplayFigures replay_rows(const Row *rows, size_t count)
{
	Replay *replay = replay_new(TOPIC_JOURNAL, 0, finding_take, NULL);
	findings[0] = '\0';
	for (size_t i = 0; i < count; i++)
		row_take(replay, &rows[i]);
	ReplayFigures figures = replay_figures(replay);
	replay_free(replay);
	return figures;
}
#define REPLAY(rows) replay_rows((rows), sizeof(rows) / sizeof(rows)[0])

static void a_ledger_with_a_takeover_and_a_late_record_holds(void **state)
{
	(void)state;
	const Row rows[] = {
		CLAIM(0, 1, 7),
		OPEN(1, 1, 7, "0.0"),
		ENTRY(2, 1, 7, 2, "a", "commands=1", 1),
		CLAIM(3, 2, 8),
		ENTRY(4, 1, 7, 3, "b", "commands=2", 2),
		OPEN(5, 2, 8, "1.2"),
		ENTRY(6, 2, 8, 2, "b", "commands=2", 2),
	};
	ReplayFigures figures = REPLAY(rows);
	assert_string_equal(findings, "");
	assert_int_equal(figures.records, 7);
	assert_int_equal(figures.accepted, 4);
	assert_int_equal(figures.claims, 2);
	assert_int_equal(figures.takeovers, 1);
	assert_int_equal(figures.dropped, 1);
}

#define UNKNOWN(offset_)                                                                                               \
	{                                                                                                              \
		offset_, 0, 9, 1, "x", "x", NULL, NULL, "?"                                                            \
	}

static void records_of_unknown_writers_are_counted_and_dropped(void **state)
{
	(void)state;
	const Row rows[] = {
		UNKNOWN(0),
		CLAIM(1, 1, 7),
		UNKNOWN(2),
		OPEN(3, 1, 7, "0.0"),
		ENTRY(4, 1, 7, 2, "a", "commands=1", 1),
	};
	const Row trimmed[] = { UNKNOWN(40), ENTRY(41, 3, 7, 5, "a", "commands=1", 1), ENTRY(42, 3, 7, 6, "b", "commands=2", 2) };
	ReplayFigures figures = REPLAY(rows);
	assert_string_equal(findings, "");
	assert_true(figures.accepted == 2 && figures.dropped == 2 && figures.unknown_writers == 2);
	figures = REPLAY(trimmed);
	assert_string_equal(findings, "");
	assert_true(figures.accepted == 2 && figures.dropped == 1 && figures.unknown_writers == 1);
}

static void a_missing_offset_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(3, 1, 7, 2, "a", "commands=1", 1) };
	assert_int_equal(REPLAY(rows).holes, 1);
	assert_non_null(strstr(findings, "3: offset 2 was expected"));
}

static void an_opening_by_an_owner_that_read_less_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(2, 1, 7, 2, "a", "commands=1", 1),
			     CLAIM(3, 2, 8), OPEN(4, 2, 8, "1.1") };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "4: its owner had read up to 1.1, but 1.2"));
}

static void an_input_that_counts_twice_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(2, 1, 7, 2, "a", "commands=1", 1),
			     ENTRY(3, 1, 7, 3, "a", "commands=2", 2) };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "3: a was accepted before, at offset 2"));
}

static void a_version_that_does_not_follow_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(2, 1, 7, 2, "a", "commands=1", 1),
			     ENTRY(3, 1, 7, 3, "b", "commands=2", 3) };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "3: version 3 of an incident follows version 1"));
}

/* The first entry is one of an old program, without a sequence. */
static void a_sequence_with_a_gap_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(2, 1, 7, 2, "a", "commands=1", 1),
			     { 3, 1, 7, 3, TYPE_JOURNAL_ENTERED, "b", NULL, "commands=2",
			       "{\"incident_id\":\"inc_1\",\"entries\":[{\"version\":2,\"sequence\":2},{\"version\":3,\"sequence\":4}]}" } };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "3: sequence 4 of an incident follows sequence 2"));
}

static void a_position_that_goes_back_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), OPEN(1, 1, 7, "0.0"), ENTRY(2, 1, 7, 2, "a", "commands=5", 1),
			     ENTRY(3, 1, 7, 3, "b", "commands=4", 2) };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "3: the position in commands/0 goes back from 5 to 4"));
}

static void an_owner_that_does_not_open_is_found(void **state)
{
	(void)state;
	const Row rows[] = { CLAIM(0, 1, 7), ENTRY(1, 1, 7, 1, "a", "commands=1", 1) };
	assert_int_equal(REPLAY(rows).findings, 1);
	assert_non_null(strstr(findings, "1: the first record after a claim is not an opening record"));
}

static void a_trimmed_ledger_begins_with_an_accepted_record(void **state)
{
	(void)state;
	const Row rows[] = { OPEN(40, 3, 7, "2.9"), ENTRY(41, 3, 7, 2, "a", "commands=9", 1) };
	assert_int_equal(REPLAY(rows).accepted, 2);
	const Row claimed[] = { CLAIM(40, 3, 7), OPEN(41, 3, 7, "2.9"), ENTRY(42, 3, 7, 2, "a", "commands=9", 1) };
	assert_int_equal(REPLAY(claimed).findings, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ledger_with_a_takeover_and_a_late_record_holds),
		cmocka_unit_test(records_of_unknown_writers_are_counted_and_dropped),
		cmocka_unit_test(a_missing_offset_is_found),
		cmocka_unit_test(an_opening_by_an_owner_that_read_less_is_found),
		cmocka_unit_test(an_input_that_counts_twice_is_found),
		cmocka_unit_test(a_version_that_does_not_follow_is_found),
		cmocka_unit_test(a_sequence_with_a_gap_is_found),
		cmocka_unit_test(a_position_that_goes_back_is_found),
		cmocka_unit_test(an_owner_that_does_not_open_is_found),
		cmocka_unit_test(a_trimmed_ledger_begins_with_an_accepted_record),
	};
	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
