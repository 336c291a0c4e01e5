/* The rule by which a partition's timers fire (runtime/timer_set.h): from the timer store, and from state while it is away. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/log.h"
#include "shared/runtime/runtime.h"
#include "shared/runtime/state.h"
#include "shared/runtime/timer_set.h"
#include "tests/support/memory_timers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER "n/0"

enum { START = 1000000, GRACE_MS = 500, LEASE_MS = 30000, BATCH = 200, FIRED_MAX = 4096 };

typedef struct {
	Handler handler;
	TimerSet set;
	Timers *timers;
	struct {
		char id[32];
		Instant at;
	} fired[FIRED_MAX];
	size_t count;
	bool removes; /* true: `fire` removes the timer, as for a level; false: it stays leased, as for a message */
} Bench;

static Result fire(Handler *handler, Slice id, Instant due_at)
{
	Bench *bench = handler->environment;
	(void)due_at;
	assert_true(bench->count < FIRED_MAX);
	text_copy(id, bench->fired[bench->count].id, sizeof bench->fired[0].id);
	bench->fired[bench->count++].at = handler->now;
	return bench->removes ? timer_set_disarm(&bench->set, id, true) : result_ok();
}

static const Service service = { .name = "n", .ledger = TOPICS, .fire = fire };

static int setup(void **state)
{
	Bench *bench = calloc(1, sizeof *bench);
	StoreOptions options = runtime_store_options(&service, ":memory:");
	bench->handler = (Handler){ .service = &service, .now = START, .environment = bench };
	bench->timers = memory_timers_new();
	bench->removes = true;
	assert_false(result_failed(store_open(&options, &bench->handler.store, NULL)));
	assert_false(result_failed(state_prepare(bench->handler.store)));
	timer_set_init(&bench->set, &bench->handler, bench->timers, OWNER);
	assert_false(result_failed(timer_set_begin(&bench->set, 1)));
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	Bench *bench = *state;
	timer_set_release(&bench->set);
	bench->timers->operations->close(bench->timers);
	store_close(bench->handler.store);
	free(bench);
	return 0;
}

static size_t step_as(Bench *bench, bool committed)
{
	size_t count = 0;
	assert_false(result_failed(store_begin(bench->handler.store)));
	assert_false(result_failed(timer_set_decide(&bench->set, &count)));
	if (committed) {
		assert_false(result_failed(store_commit(bench->handler.store)));
		timer_set_sync(&bench->set);
	} else {
		store_rollback(bench->handler.store);
		timer_set_forget(&bench->set);
	}
	return count;
}

static void arm(Bench *bench, const char *id, int64_t due_ms)
{
	assert_false(result_failed(timer_set_arm(&bench->set, slice_of(id), START + due_ms, true)));
	timer_set_sync(&bench->set);
}

/* Advances the time to START + until_ms, with a step at each time that timer_set_wake_at returns. Returns the number of steps. */
static size_t pass(Bench *bench, int64_t until_ms)
{
	size_t steps = 0;
	for (Instant wake_at = timer_set_wake_at(&bench->set); wake_at != INSTANT_NONE && wake_at <= START + until_ms;
	     wake_at = timer_set_wake_at(&bench->set)) {
		bench->handler.now = wake_at > bench->handler.now ? wake_at : bench->handler.now;
		step_as(bench, true);
		assert_true(++steps < 10000);
	}
	bench->handler.now = START + until_ms;
	return steps;
}

static void assert_fired(const Bench *bench, size_t index, const char *id, int64_t at_ms)
{
	assert_true(index < bench->count);
	assert_string_equal(bench->fired[index].id, id);
	assert_int_equal(bench->fired[index].at - START, at_ms);
}

/* ---- the timer store is there */

static void a_timer_fires_when_the_store_reports_it(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 5000);
	arm(bench, "b", 3000);
	pass(bench, 60000);
	assert_int_equal(bench->count, 2);
	assert_fired(bench, 0, "b", 3000);
	assert_fired(bench, 1, "a", 5000);
	assert_int_equal(memory_timers_count(bench->timers), 0);
	assert_true(timer_set_wake_at(&bench->set) == INSTANT_NONE);
}

static void a_timer_that_the_store_lost_fires_from_state_after_the_grace(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 5000);
	pass(bench, 1000);
	memory_timers_lose(bench->timers, 0);
	arm(bench, "b", 5001);
	pass(bench, 60000);
	assert_int_equal(bench->count, 2);
	assert_fired(bench, 0, "b", 5001);
	assert_fired(bench, 1, "a", 5000 + GRACE_MS);
}

static void a_timer_that_stays_armed_fires_again_when_its_lease_is_over(void **state)
{
	Bench *bench = *state;
	bench->removes = false;
	arm(bench, "a", 5000);
	pass(bench, 5000 + 2 * LEASE_MS);
	assert_int_equal(bench->count, 3);
	assert_fired(bench, 1, "a", 5000 + LEASE_MS);
	assert_fired(bench, 2, "a", 5000 + 2 * LEASE_MS);
}

static void a_report_of_a_completed_timer_removes_it_from_the_store(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 1000);
	pass(bench, 2000);
	memory_timers_revive(bench->timers, 0);
	assert_int_equal(memory_timers_count(bench->timers), 1);
	pass(bench, 3000);
	assert_int_equal(bench->count, 1);
	assert_int_equal(memory_timers_count(bench->timers), 0);
}

static void a_rollback_ends_the_lease(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 1000);
	pass(bench, 0);
	memory_timers_set_away(bench->timers, true);
	bench->handler.now = START + 1500;
	assert_int_equal(step_as(bench, false), 1);
	assert_int_equal(step_as(bench, true), 1);
	assert_int_equal(step_as(bench, true), 0);
	assert_int_equal(bench->count, 2);
}

/* ---- the timer store is away */

static void timers_fire_on_time_from_state_while_the_store_is_away(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 20000);
	arm(bench, "b", 40000);
	pass(bench, 5000);
	memory_timers_set_away(bench->timers, true);
	arm(bench, "meanwhile", 30000);
	arm(bench, "later", 400000);
	size_t steps = pass(bench, 65000);
	assert_int_equal(bench->count, 3);
	assert_fired(bench, 0, "a", 20000);
	assert_fired(bench, 1, "meanwhile", 30000);
	assert_fired(bench, 2, "b", 40000);
	assert_true(steps < 30); /* pauses grow to 8 s, so the owner does not poll */
	memory_timers_set_away(bench->timers, false);
	pass(bench, 300000);
	assert_int_equal(bench->count, 3);
	assert_int_equal(memory_timers_count(bench->timers), 1);
	pass(bench, 500000);
	assert_fired(bench, 3, "later", 400000); /* reported by the store again */
}

/* The first failure is noticed only after the grace: the owner does not call a store that should report nothing. */
static void an_unnoticed_outage_delays_a_timer_by_the_grace_at_most(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 20000);
	pass(bench, 19999);
	memory_timers_set_away(bench->timers, true);
	pass(bench, 60000);
	assert_int_equal(bench->count, 1);
	assert_fired(bench, 0, "a", 20000 + GRACE_MS);
}

/* The timer of a message is leased while the message is sent. If the store is lost, away or back, the message is not sent twice. */
static void a_lease_holds_whichever_source_fired_the_timer(void **state)
{
	for (int away_first = 0; away_first <= 1; away_first++) {
		Bench *bench = *state;
		int64_t from = away_first * 100000;
		bench->removes = false;
		bench->count = 0;
		arm(bench, "a", from + 1000);
		pass(bench, from);
		memory_timers_set_away(bench->timers, away_first);
		pass(bench, from + 2000);
		assert_int_equal(bench->count, 1);
		memory_timers_set_away(bench->timers, !away_first);
		pass(bench, from + 12000);
		memory_timers_set_away(bench->timers, false);
		pass(bench, from + 22000);
		memory_timers_lose_all(bench->timers);
		pass(bench, from + 1000 + LEASE_MS - 1);
		assert_int_equal(bench->count, 1);
		pass(bench, from + 2000 + LEASE_MS);
		assert_int_equal(bench->count, 2);
		assert_false(result_failed(timer_set_disarm(&bench->set, SLICE("a"), true)));
		timer_set_sync(&bench->set);
	}
}

static void a_store_that_flaps_makes_no_timer_late_and_none_fire_twice(void **state)
{
	Bench *bench = *state;
	char id[32];
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof id, "%03d", i);
		arm(bench, id, 1000 + i * 100);
	}
	for (int i = 0; i < 400; i++) {
		memory_timers_set_away(bench->timers, i % 3 != 0);
		pass(bench, i * 100);
	}
	assert_int_equal(bench->count, 300);
	for (size_t i = 0; i < bench->count; i++) {
		snprintf(id, sizeof id, "%03zu", i);
		assert_string_equal(bench->fired[i].id, id);
		assert_in_range(bench->fired[i].at - START - 1000 - (int64_t)i * 100, 0, GRACE_MS);
	}
}

/* ---- bounds */

static void a_step_fires_a_bounded_number_of_timers(void **state)
{
	Bench *bench = *state;
	char id[32];
	memory_timers_set_away(bench->timers, true);
	for (int i = 0; i < 3 * BATCH; i++) {
		snprintf(id, sizeof id, "%d", i);
		assert_false(result_failed(timer_set_arm(&bench->set, slice_of(id), START + i, true)));
	}
	bench->handler.now = START + 10000;
	for (size_t i = 1; i <= 3; i++) {
		assert_true(timer_set_wake_at(&bench->set) <= bench->handler.now);
		assert_int_equal(step_as(bench, true), BATCH);
		assert_int_equal(bench->count, i * BATCH);
	}
	assert_true(timer_set_wake_at(&bench->set) > bench->handler.now);
}

/* The timers are armed in several steps, so that timers that become due meanwhile fire on time. */
static void an_emptied_store_is_filled_again_piece_by_piece(void **state)
{
	Bench *bench = *state;
	char id[32];
	for (int i = 0; i < 3 * BATCH; i++) {
		snprintf(id, sizeof id, "%d", i);
		arm(bench, id, 3600000);
	}
	arm(bench, "soon", 1000);
	pass(bench, 0);
	memory_timers_lose_all(bench->timers);
	bench->handler.now = START + 1000;
	step_as(bench, true);
	assert_fired(bench, 0, "soon", 1000);
	assert_int_equal(memory_timers_count(bench->timers), 0);
	for (size_t i = 1; i <= 3; i++) {
		step_as(bench, true);
		assert_int_equal(memory_timers_count(bench->timers), i * BATCH);
	}
	pass(bench, 2000);
	assert_int_equal(memory_timers_count(bench->timers), 3 * BATCH);
	assert_int_equal(bench->count, 1);
}

/* ---- terms, clocks and files */

static void nothing_fires_while_the_store_knows_a_greater_epoch(void **state)
{
	Bench *bench = *state;
	arm(bench, "a", 1000);
	pass(bench, 0);
	memory_timers_outlive(bench->timers);
	bench->handler.now = START + 5000;
	assert_int_equal(step_as(bench, true), 0);
	assert_true(bench->set.contested);
	assert_int_equal(bench->count, 0);
	timer_set_confirm(&bench->set); /* a record was accepted: this owner is not superseded */
	pass(bench, 5001);
	assert_int_equal(bench->count, 1);
}

static void a_new_term_ends_leases(void **state)
{
	Bench *bench = *state;
	bench->removes = false;
	arm(bench, "a", 1000);
	pass(bench, 2000);
	assert_false(result_failed(timer_set_begin(&bench->set, 2)));
	pass(bench, 2001);
	assert_int_equal(bench->count, 2);
}

static const TimersOperations *memory_operations;
static Instant store_clock; /* the time of a store with a clock of its own, such as Redis */

static Result due_by_store_clock(Timers *timers, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
				 TimersVisit visit, void *context)
{
	(void)now;
	return memory_operations->due(timers, owner, term, store_clock, lease_ms, max, visit, context);
}

static void clocked_setup(Bench *bench)
{
	static TimersOperations operations;
	memory_operations = bench->timers->operations;
	operations = *memory_operations;
	operations.due = due_by_store_clock;
	bench->timers->operations = &operations;
}

static void a_clock_that_is_set_back_does_not_prolong_a_lease(void **state)
{
	Bench *bench = *state;
	bench->removes = false;
	clocked_setup(bench);
	arm(bench, "a", 1000);
	store_clock = START + 2000;
	pass(bench, 2000);
	assert_int_equal(bench->count, 1);
	bench->handler.now = START - 3600000;
	store_clock += LEASE_MS;
	step_as(bench, true);
	assert_int_equal(bench->count, 2);
	step_as(bench, true);
	assert_int_equal(bench->count, 2);
}

static void the_clock_of_the_store_decides_when_it_is_ahead(void **state)
{
	Bench *bench = *state;
	clocked_setup(bench);
	arm(bench, "a", 5000);
	store_clock = START + 5000;
	bench->handler.now = START + 1000;
	step_as(bench, true); /* arms the timer */
	step_as(bench, true);
	assert_int_equal(bench->count, 1);
}

static void a_state_file_without_leases_is_upgraded(void **state)
{
	static const char *const old[] = { "DROP TABLE runtime_timer",
					   "CREATE TABLE runtime_timer (id TEXT PRIMARY KEY, due INTEGER) WITHOUT ROWID",
					   "CREATE INDEX runtime_timer_due ON runtime_timer (due)",
					   "INSERT INTO runtime_timer VALUES ('a', 1001000)" };
	Bench *bench = *state;
	Store *store = bench->handler.store;
	assert_false(result_failed(store_run_table(store, old, sizeof old / sizeof old[0])));
	assert_false(result_failed(state_prepare(store)));
	pass(bench, 5000);
	assert_int_equal(bench->count, 1);
	assert_fired(bench, 0, "a", 1000);
}

#define X(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		X(a_timer_fires_when_the_store_reports_it),
		X(a_timer_that_the_store_lost_fires_from_state_after_the_grace),
		X(a_timer_that_stays_armed_fires_again_when_its_lease_is_over),
		X(a_report_of_a_completed_timer_removes_it_from_the_store),
		X(a_rollback_ends_the_lease),
		X(timers_fire_on_time_from_state_while_the_store_is_away),
		X(an_unnoticed_outage_delays_a_timer_by_the_grace_at_most),
		X(a_lease_holds_whichever_source_fired_the_timer),
		X(a_store_that_flaps_makes_no_timer_late_and_none_fire_twice),
		X(a_step_fires_a_bounded_number_of_timers),
		X(an_emptied_store_is_filled_again_piece_by_piece),
		X(nothing_fires_while_the_store_knows_a_greater_epoch),
		X(a_new_term_ends_leases),
		X(the_clock_of_the_store_decides_when_it_is_ahead),
		X(a_clock_that_is_set_back_does_not_prolong_a_lease),
		X(a_state_file_without_leases_is_upgraded),
	};
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("timer_set", tests, NULL, NULL);
}
