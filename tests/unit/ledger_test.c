#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "shared/domain/topics.h"
#include "shared/io/bus.h"
#include "shared/domain/ledger.h"

/* ---- the ledger rule, as tables of records and expected verdicts */

typedef struct {
	const char *name;
	LedgerMark mark;
	LedgerVerdict verdict;
} Step;

#define CLAIM(epoch_, owner_) { .claim = true, .epoch = (epoch_), .owner = (owner_) }
#define ENTRY(epoch_, owner_, seq_) { .epoch = (epoch_), .owner = (owner_), .seq = (seq_) }

static void play(const Step *steps, size_t count, LedgerCursor *cursor)
{
	for (size_t i = 0; i < count; i++) {
		LedgerVerdict verdict = ledger_take(cursor, &steps[i].mark);
		if (verdict != steps[i].verdict)
			fail_msg("step %zu, %s: verdict %d instead of %d", i, steps[i].name, (int)verdict, (int)steps[i].verdict);
		assert_int_equal(cursor->next, (int64_t)i + 1);
	}
}

#define PLAY(steps, cursor) play(steps, sizeof(steps) / sizeof((steps)[0]), cursor)

static void an_owner_writes_in_its_epoch_without_a_gap(void **state)
{
	(void)state;
	static const Step steps[] = {
		{ "an entry before any claim", ENTRY(1, 7, 1), LEDGER_DROP },
		{ "the claim", CLAIM(1, 7), LEDGER_CLAIMED },
		{ "its first entry", ENTRY(1, 7, 1), LEDGER_ACCEPT },
		{ "its second", ENTRY(1, 7, 2), LEDGER_ACCEPT },
		{ "the second again", ENTRY(1, 7, 2), LEDGER_DROP },
		{ "after a gap", ENTRY(1, 7, 4), LEDGER_DROP },
		{ "the gap filled", ENTRY(1, 7, 3), LEDGER_ACCEPT },
	};
	LedgerCursor cursor = { 0 };
	PLAY(steps, &cursor);
	assert_int_equal(cursor.seq, 3);
}

static void a_higher_claim_supersedes_and_a_zombie_is_dropped(void **state)
{
	(void)state;
	static const Step steps[] = {
		{ "A claims", CLAIM(1, 0xa), LEDGER_CLAIMED },
		{ "A writes", ENTRY(1, 0xa, 1), LEDGER_ACCEPT },
		{ "B claims the next", CLAIM(2, 0xb), LEDGER_CLAIMED },
		{ "A writes on, unaware", ENTRY(1, 0xa, 2), LEDGER_DROP },
		{ "B opens", ENTRY(2, 0xb, 1), LEDGER_ACCEPT },
		{ "C claims the same epoch too late", CLAIM(2, 0xc), LEDGER_DROP },
		{ "C writes as if it had won", ENTRY(2, 0xc, 2), LEDGER_DROP },
		{ "an old claim arrives late", CLAIM(1, 0xa), LEDGER_DROP },
		{ "B goes on", ENTRY(2, 0xb, 2), LEDGER_ACCEPT },
	};
	LedgerCursor cursor = { 0 };
	PLAY(steps, &cursor);
	assert_int_equal(cursor.prev_epoch, 1);
	assert_int_equal(cursor.prev_seq, 1);
}

static void a_reader_that_enters_behind_an_accepted_record_agrees(void **state)
{
	(void)state;
	LedgerMark accepted = ENTRY(4, 9, 17), following = ENTRY(4, 9, 18), stale = ENTRY(4, 9, 17);
	LedgerCursor cursor = ledger_enter(&accepted, 100);
	assert_int_equal(cursor.next, 101);
	assert_int_equal(ledger_take(&cursor, &stale), LEDGER_DROP);
	assert_int_equal(ledger_take(&cursor, &following), LEDGER_ACCEPT);
	assert_int_equal(cursor.next, 103);
}

/* ---- headers */

static void a_mark_is_read_as_it_was_written(void **state)
{
	(void)state;
	static const LedgerMark marks[] = { CLAIM(1, UINT64_MAX), ENTRY(12, 0x00ff, 3), ENTRY(1LL << 53, 1, 1LL << 53) };
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		Buffer headers;
		LedgerMark read;
		buffer_init(&headers, 1024);
		header_add(&headers, "ce_id", SLICE("x"));
		ledger_mark_write(&headers, &marks[i]);
		assert_false(result_failed(ledger_mark_read(buffer_slice(&headers), &read)));
		assert_int_equal(read.claim, marks[i].claim);
		assert_true(read.epoch == marks[i].epoch && read.owner == marks[i].owner && read.seq == marks[i].seq);
		buffer_release(&headers);
	}
}

static void a_record_without_a_mark_is_dropped(void **state)
{
	(void)state;
	static const char *const marks[][3] = {
		{ "1", "not hex", "1" }, { "0", "1", "1" },    { "-1", "1", "1" },	   { " 5", "1", "1" },
		{ "+5", "1", "1" },	 { "5", "0x1", "1" },  { "5", "1", "0x1" },	   { "5", "1", "" },
		{ "", "1", "1" },	 { "1e3", "1", "1" },  { "9007199254740993", "1", "1" },
		{ "99999999999999999999", "1", "1" },	       { "5", "ffffffffffffffff0", "1" },
	};
	LedgerCursor cursor = { .epoch = 4, .owner = 1, .seq = 7, .next = 20 };
	LedgerMark mark;
	Buffer headers;
	buffer_init(&headers, 1024);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		buffer_clear(&headers);
		header_add(&headers, "ce_epoch", slice_of(marks[i][0]));
		header_add(&headers, "ce_owner", slice_of(marks[i][1]));
		header_add(&headers, "ce_seq", slice_of(marks[i][2]));
		assert_int_equal(ledger_mark_read(buffer_slice(&headers), &mark).kind, ERROR_INPUT);
		assert_int_equal(ledger_judge(&cursor, buffer_slice(&headers), &mark), LEDGER_DROP);
		assert_true(mark.epoch == 0 && cursor.next == 21 + (int64_t)i);
	}
	assert_int_equal(ledger_judge(&cursor, SLICE_NONE, &mark), LEDGER_DROP);
	assert_true(cursor.epoch == 4 && cursor.owner == 1 && cursor.seq == 7);
	buffer_release(&headers);
}

static void positions_are_read_as_they_were_written(void **state)
{
	(void)state;
	LedgerPositions positions = { .count = 2 }, read;
	positions.list[0].topic = TOPIC_COMMANDS;
	positions.list[0].partition = 5;
	positions.list[0].position = 9912;
	positions.list[1].topic = TOPIC_JOURNAL;
	positions.list[1].partition = 3;
	positions.list[1].position = 12;
	Buffer text;
	buffer_init(&text, 1024);
	ledger_positions_write(&text, 5, &positions);
	assert_string_equal(text.data, "commands=9912;journal/3=12");
	assert_false(result_failed(ledger_positions_read(buffer_slice(&text), 5, &read)));
	assert_int_equal(read.count, 2);
	assert_int_equal(read.list[0].partition, 5);
	assert_int_equal(read.list[1].partition, 3);
	assert_int_equal(read.list[1].position, 12);
	buffer_release(&text);
}

static void positions_that_cannot_be_read_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[] = { "commands", "commands=", "commands=-1", "nothing=1", "commands=1;;",
					     "commands/x=1", "commands/99=1", "=1", "commands=1x" };
	LedgerPositions positions;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ledger_positions_read(slice_of(wrong[i]), 0, &positions).kind, ERROR_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_owner_writes_in_its_epoch_without_a_gap),
		cmocka_unit_test(a_higher_claim_supersedes_and_a_zombie_is_dropped),
		cmocka_unit_test(a_reader_that_enters_behind_an_accepted_record_agrees),
		cmocka_unit_test(a_mark_is_read_as_it_was_written),
		cmocka_unit_test(a_record_without_a_mark_is_dropped),
		cmocka_unit_test(positions_are_read_as_they_were_written),
		cmocka_unit_test(positions_that_cannot_be_read_are_refused),
	};
	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
