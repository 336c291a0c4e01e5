/* When a reader with a store, a view, says that it has caught up, and when it takes that back. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/lone_service.h"
#include "tests/support/memory_bus.h"

#include <stdio.h>

/* ---- a view of two inputs, which keeps the id of every record */

typedef struct {
	bool caught_up;
	unsigned told; /* how often it was said */
	int64_t kept;  /* records in the view when it was said last */
} Heard;

static int64_t records_kept(Store *store)
{
	Statement *row = store_query_(store, "SELECT count(*) FROM kept", false, NULL, 0);
	int64_t count = statement_next(row) ? statement_integer(row, 0) : -1;
	assert_false(result_failed(statement_end(row)));
	return count;
}

static Result record_keep(Handler *handler, const Record *record)
{
	return store_run(handler->store, "INSERT INTO kept VALUES (?1)", V_TEXT(record->id));
}

/* Beginning a transaction is an assertion of the store that none is open: what was read is committed. */
static void hear(Handler *handler, bool caught_up)
{
	Heard *heard = handler->environment;
	assert_false(result_failed(store_begin(handler->store)));
	store_rollback(handler->store);
	heard->caught_up = caught_up;
	heard->told++;
	heard->kept = records_kept(handler->store);
}

static const char *const schema[] = { "CREATE TABLE kept (id TEXT)" };

static const Service view_service = {
	.name = "shelf",
	.sentence = "Keeps what it reads",
	.ledger = TOPICS,
	.single = true,
	.inputs = { { .topic = TOPIC_JOURNAL, .handle = record_keep }, { .topic = TOPIC_COMMANDS, .handle = record_keep } },
	.input_count = 2,
	.schema = schema,
	.schema_version = 1,
	.caught_up = hear,
};

static const Instant BEGIN = INT64_C(1795421730000);

typedef struct {
	LoneService lone;
	Heard heard;
	unsigned appended;
} Shelf;

static Shelf shelf;

static int setup(void **state)
{
	(void)state;
	shelf = (Shelf){ .appended = 0 };
	lone_start(&shelf.lone, &view_service, &shelf.heard, NULL, NULL, BEGIN);
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
		lone_input(&shelf.lone, topic, id, "test.told.v1", "a", "{}");
	}
}

static void step(void)
{
	bool progressed;
	assert_false(result_failed(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed)));
	assert_int_equal(shelf.heard.caught_up, runtime_ready(shelf.lone.runtime));
}

/* ---- catching up */

static void a_view_of_empty_logs_has_caught_up_at_once(void **state)
{
	(void)state;
	step();
	assert_true(shelf.heard.caught_up);
}

static void a_view_has_caught_up_when_what_was_there_at_its_start_is_committed(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 2500);
	append(TOPIC_JOURNAL, 500);
	step();
	step();
	assert_int_equal(shelf.heard.told, 0);
	step();
	assert_true(shelf.heard.caught_up);
	assert_int_equal(shelf.heard.kept, 3000);
	step();
	assert_int_equal(shelf.heard.told, 1);
}

/* There is not one moment with nothing to read. */
static void steady_load_does_not_keep_a_view_from_catching_up(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 1500);
	for (unsigned steps = 0; steps < 2; steps++) {
		assert_false(shelf.heard.caught_up);
		step();
		append(TOPIC_COMMANDS, 600);
	}
	step();
	assert_true(shelf.heard.caught_up);
}

/* A view that is caught up only with the time of its start would lack what came during a long rebuild. */
static void a_view_catches_up_with_what_came_during_a_long_rebuild(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 4000);
	step();
	append(TOPIC_COMMANDS, 2000);
	for (unsigned steps = 1; steps < 5; steps++)
		step();
	assert_false(shelf.heard.caught_up);
	step();
	assert_true(shelf.heard.caught_up);
	assert_int_equal(shelf.heard.kept, 6000);
}

static void a_view_that_does_not_gain_on_its_writers_is_read_all_the_same(void **state)
{
	(void)state;
	append(TOPIC_COMMANDS, 2000);
	step();
	append(TOPIC_COMMANDS, 2000);
	step();
	assert_true(shelf.heard.caught_up);
}

static void a_view_that_was_kept_has_caught_up_without_reading(void **state)
{
	(void)state;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	lone_restart(&shelf.lone, false);
	shelf.heard.caught_up = false;
	step();
	assert_true(shelf.heard.caught_up);
	assert_int_equal(runtime_figures(shelf.lone.runtime).inputs, 0);
}

/* ---- afterwards */

static void a_bus_that_goes_away_does_not_take_it_back(void **state)
{
	(void)state;
	bool progressed;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	append(TOPIC_JOURNAL, 10);
	memory_bus_set_away(shelf.lone.bus, true);
	assert_int_equal(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed).kind, ERROR_AGAIN);
	assert_true(shelf.heard.caught_up);
	assert_int_equal(shelf.heard.told, 1);
}

static void a_view_says_that_it_will_be_dropped_while_it_is_still_whole(void **state)
{
	(void)state;
	bool progressed;
	append(TOPIC_JOURNAL, 10);
	lone_settle(&shelf.lone);
	assert_true(shelf.heard.caught_up);
	/* It slept while others went on and cut their ledger behind it. */
	append(TOPIC_JOURNAL, 10);
	memory_bus_trim(shelf.lone.bus, TOPIC_JOURNAL, 0, 15);
	assert_int_equal(runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed).kind, ERROR_AGAIN);
	assert_true(shelf.heard.caught_up);
	memory_bus_set_away(shelf.lone.bus, true);
	(void)runtime_step(shelf.lone.runtime, shelf.lone.now, &progressed);
	assert_false(shelf.heard.caught_up);
	assert_false(runtime_ready(shelf.lone.runtime));
	assert_int_equal(shelf.heard.kept, 10);
	memory_bus_set_away(shelf.lone.bus, false);
	lone_settle(&shelf.lone);
	assert_true(shelf.heard.caught_up);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_view_of_empty_logs_has_caught_up_at_once),
		TEST(a_view_has_caught_up_when_what_was_there_at_its_start_is_committed),
		TEST(steady_load_does_not_keep_a_view_from_catching_up),
		TEST(a_view_catches_up_with_what_came_during_a_long_rebuild),
		TEST(a_view_that_does_not_gain_on_its_writers_is_read_all_the_same),
		TEST(a_view_that_was_kept_has_caught_up_without_reading),
		TEST(a_bus_that_goes_away_does_not_take_it_back),
		TEST(a_view_says_that_it_will_be_dropped_while_it_is_still_whole),
	};
	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
