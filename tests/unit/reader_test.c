/* When a view (a reader with a store) reports that it has caught up, and when it withdraws that report. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/lone_service.h"
#include "tests/support/memory_bus.h"

#include <stdio.h>

/* ---- a view of two inputs, which stores the id of every record */

typedef struct {
	bool caught_up;
	unsigned reports; /* calls of Service.caught_up */
	int64_t stored;   /* records in the view at the last call of Service.caught_up */
} CaughtUp;

static int64_t records_stored(Store *store)
{
	Statement *row = store_query(store, "SELECT count(*) FROM stored");
	int64_t count = statement_next(row) ? statement_integer(row, 0) : -1;
	assert_false(result_failed(statement_end(row)));
	return count;
}

static Result record_store(Handler *handler, const Record *record)
{
	return store_run(handler->store, "INSERT INTO stored VALUES (?1)", V_TEXT(record->id));
}

/* store_begin asserts that no transaction is open, so all records that were read are committed at the time of the report. */
static void caught_up_report(Handler *handler, bool caught_up)
{
	CaughtUp *report = handler->environment;
	assert_false(result_failed(store_begin(handler->store)));
	store_rollback(handler->store);
	report->caught_up = caught_up;
	report->reports++;
	report->stored = records_stored(handler->store);
}

static const char *const schema[] = { "CREATE TABLE stored (id TEXT)" };

static const Service view_service = {
	.name = "shelf",
	.sentence = "Stores the ids it reads",
	.ledger = TOPICS,
	.single = true,
	.inputs = { { .topic = TOPIC_JOURNAL, .handle = record_store }, { .topic = TOPIC_COMMANDS, .handle = record_store } },
	.input_count = 2,
	.schema = schema,
	.schema_version = 1,
	.caught_up = caught_up_report,
};

static const Instant START = INT64_C(1795421730000);

typedef struct {
	LoneService lone;
	CaughtUp view;
	unsigned appended;
} Shelf;

static Shelf shelf;

static int setup(void **state)
{
	(void)state;
	shelf = (Shelf){ .appended = 0 };
	lone_start(&shelf.lone, &view_service, &shelf.view, NULL, NULL, START);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	lone_stop(&shelf.lone);
	return 0;
}

static void append(TopicId topic, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char id[32];
		snprintf(id, sizeof id, "r%u", shelf.appended++);
		lone_input(&shelf.lone, topic, id, "test.sent.v1", "a", "{}");
	}
}

static void step(void)
{
	bool progressed;
	assert_false(result_failed(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed)));
	assert_int_equal(shelf.view.caught_up, runtime_is_ready(shelf.lone.runtime));
}

/* ---- catching up */

static void a_view_of_empty_logs_has_caught_up_at_once(void **state)
{
	(void)state;
	step();
	assert_true(shelf.view.caught_up);
}

static void a_view_has_caught_up_when_the_records_of_its_start_are_committed(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 2500);
	append(TOPIC_JOURNAL, 500);
	step();
	step();
	assert_int_equal(shelf.view.reports, 0);
	step();
	assert_true(shelf.view.caught_up);
	assert_int_equal(shelf.view.stored, 3000);
	step();
	assert_int_equal(shelf.view.reports, 1);
}

/* Before each step there is a record to read. */
static void steady_load_does_not_keep_a_view_from_catching_up(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 1500);
	for (unsigned steps = 0; steps < 2; steps++) {
		assert_false(shelf.view.caught_up);
		step();
		append(TOPIC_COMMANDS, 600);
	}
	step();
	assert_true(shelf.view.caught_up);
}

/* A view that reads only the records that existed at its start lacks the records that were appended during a long rebuild. */
static void a_view_catches_up_with_records_of_a_long_rebuild(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 4000);
	step();
	append(TOPIC_COMMANDS, 2000);
	for (unsigned steps = 1; steps < 5; steps++)
		step();
	assert_false(shelf.view.caught_up);
	step();
	assert_true(shelf.view.caught_up);
	assert_int_equal(shelf.view.stored, 6000);
}

static void a_view_that_does_not_gain_on_its_writers_has_caught_up_all_the_same(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 2000);
	step();
	append(TOPIC_COMMANDS, 2000);
	step();
	assert_true(shelf.view.caught_up);
}

/*
 * Records may be appended between the moment when the positions are taken and the first batch, which here contains all records of
 * the first round. That more records were appended during this one batch does not show that writing is faster than reading.
 */
static void a_first_round_of_one_batch_does_not_show_that_a_view_falls_behind(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 500);
	runtime_pause(shelf.lone.runtime, true);
	step(); /* takes the positions, and reads nothing */
	append(TOPIC_COMMANDS, 5000);
	runtime_pause(shelf.lone.runtime, false);
	for (unsigned steps = 0; steps < 5; steps++) {
		step();
		assert_int_equal(shelf.view.reports, 0);
	}
	step();
	assert_true(shelf.view.caught_up);
	assert_int_equal(shelf.view.stored, 5500);
}

static void a_complete_state_file_has_caught_up_without_reading(void **state)
{
	(void)state;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	lone_restart(&shelf.lone, false);
	shelf.view.caught_up = false;
	step();
	assert_true(shelf.view.caught_up);
	assert_int_equal(runtime_figures(shelf.lone.runtime).inputs, 0);
}

/* ---- afterwards */

static void an_unreachable_bus_does_not_withdraw_it(void **state)
{
	(void)state;
	bool progressed;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	append(TOPIC_JOURNAL, 10);
	memory_bus_set_away(shelf.lone.bus, true);
	assert_int_equal(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed).kind, ERROR_AGAIN);
	assert_true(shelf.view.caught_up);
	assert_int_equal(shelf.view.reports, 1);
}

static void a_view_withdraws_it_before_its_state_is_dropped(void **state)
{
	(void)state;
	bool progressed;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	assert_true(shelf.view.caught_up);
	/* As if the view was paused while the ledger's owner appended records and trimmed some that the view had not read. */
	append(TOPIC_JOURNAL, 10);
	memory_bus_trim(shelf.lone.bus, TOPIC_JOURNAL, 0, 15);
	assert_int_equal(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed).kind, ERROR_AGAIN);
	assert_true(shelf.view.caught_up);
	memory_bus_set_away(shelf.lone.bus, true);
	assert_int_equal(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed).kind, ERROR_AGAIN);
	assert_false(shelf.view.caught_up);
	assert_false(runtime_is_ready(shelf.lone.runtime));
	assert_int_equal(shelf.view.stored, 10);
	memory_bus_set_away(shelf.lone.bus, false);
	lone_settle(&shelf.lone);
	assert_true(shelf.view.caught_up);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_view_of_empty_logs_has_caught_up_at_once),
		TEST(a_view_has_caught_up_when_the_records_of_its_start_are_committed),
		TEST(steady_load_does_not_keep_a_view_from_catching_up),
		TEST(a_view_catches_up_with_records_of_a_long_rebuild),
		TEST(a_view_that_does_not_gain_on_its_writers_has_caught_up_all_the_same),
		TEST(a_first_round_of_one_batch_does_not_show_that_a_view_falls_behind),
		TEST(a_complete_state_file_has_caught_up_without_reading),
		TEST(an_unreachable_bus_does_not_withdraw_it),
		TEST(a_view_withdraws_it_before_its_state_is_dropped),
	};
	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
