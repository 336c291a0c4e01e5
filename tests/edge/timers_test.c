/* What every timer store promises, asked of each: the one in SQLite and the one in memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/edge/timers.h"
#include "tests/support/memory_timers.h"
#include "tests/support/scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_MS = 1000, SHOWN_BYTES = 8192 };

typedef struct {
	Timers *timers;
	Scratch scratch;
	char path[SCRATCH_PATH];
	Buffer shown; /* ID@DUE; … */
	bool arm_again, disarm_all;
} Edge;

static Edge *edge_new(void)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	scratch_path(&edge->scratch, "timers.db", edge->path);
	buffer_init(&edge->shown, SHOWN_BYTES);
	return edge;
}

static int sqlite_setup(void **state)
{
	Edge *edge = edge_new();
	*state = edge;
	return result_failed(timers_sqlite_open(edge->path, &edge->timers));
}

static int memory_setup(void **state)
{
	Edge *edge = edge_new();
	edge->timers = memory_timers_new();
	*state = edge;
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	edge->timers->operations->close(edge->timers);
	buffer_release(&edge->shown);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static void arm(Edge *edge, const char *owner, const char *id, Instant due_at)
{
	assert_int_equal(edge->timers->operations->arm(edge->timers, owner, 1, slice_of(id), due_at).kind, ERROR_NONE);
}

static void disarm(Edge *edge, const char *owner, const char *id)
{
	assert_int_equal(edge->timers->operations->disarm(edge->timers, owner, 1, slice_of(id)).kind, ERROR_NONE);
}

static void show(void *context, Slice id, Instant due_at)
{
	Edge *edge = context;
	buffer_append(&edge->shown, id);
	buffer_format(&edge->shown, "@%lld;", (long long)due_at);
	if (edge->arm_again)
		edge->timers->operations->arm(edge->timers, "n/0", 1, id, due_at);
	if (edge->disarm_all)
		edge->timers->operations->disarm(edge->timers, "n/0", 1, id);
}

static void assert_due(Edge *edge, const char *owner, Instant now, size_t max, const char *expected)
{
	buffer_clear(&edge->shown);
	assert_int_equal(edge->timers->operations->due(edge->timers, owner, 1, now, LEASE_MS, max, show, edge).kind,
			 ERROR_NONE);
	assert_string_equal(edge->shown.size == 0 ? "" : edge->shown.data, expected);
}

static Instant next_of(Edge *edge, const char *owner)
{
	return edge->timers->operations->next(edge->timers, owner);
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

static void what_is_due_is_shown_earliest_first_and_the_rest_is_not(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "late", 300);
	arm(edge, "n/0", "early", 100);
	arm(edge, "n/0", "never", 1001);
	arm(edge, "n/0", "b", 200);
	arm(edge, "n/0", "a", 200);
	assert_due(edge, "n/0", 99, 10, "");
	assert_due(edge, "n/0", 1000, 10, "early@100;a@200;b@200;late@300;");
}

static void at_most_max_are_shown_and_the_others_the_next_time(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 1);
	arm(edge, "n/0", "b", 2);
	arm(edge, "n/0", "c", 3);
	assert_due(edge, "n/0", 10, 0, "");
	assert_due(edge, "n/0", 10, 2, "a@1;b@2;");
	assert_due(edge, "n/0", 10, 2, "c@3;");
	assert_due(edge, "n/0", 10, 2, "");
}

static void a_leased_timer_is_shown_again_when_its_lease_is_over(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 5);
	assert_due(edge, "n/0", 10, 9, "a@5;");
	assert_due(edge, "n/0", 10 + LEASE_MS - 1, 9, "");
	assert_due(edge, "n/0", 10 + LEASE_MS, 9, "a@5;");
	assert_due(edge, "n/0", 10 + LEASE_MS, 9, "");
}

static void arming_anew_moves_a_timer_and_ends_its_lease(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 5);
	assert_due(edge, "n/0", 10, 9, "a@5;");
	arm(edge, "n/0", "a", 12);
	assert_due(edge, "n/0", 11, 9, "");
	assert_due(edge, "n/0", 12, 9, "a@12;");
	arm(edge, "n/0", "a", 7);
	assert_due(edge, "n/0", 12, 9, "a@7;");
}

static void a_disarmed_timer_is_gone_leased_or_not(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 5);
	arm(edge, "n/0", "b", 5);
	disarm(edge, "n/0", "a");
	assert_due(edge, "n/0", 10, 9, "b@5;");
	disarm(edge, "n/0", "b");
	disarm(edge, "n/0", "unknown");
	assert_due(edge, "n/0", 10 * LEASE_MS, 9, "");
	assert_int_equal(next_of(edge, "n/0"), INSTANT_NONE);
}

static void owners_do_not_see_each_others_timers(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 5);
	arm(edge, "n/1", "a", 6);
	arm(edge, "n/10", "a", 7);
	disarm(edge, "n/0", "a");
	assert_due(edge, "n/0", 10, 9, "");
	assert_due(edge, "n/1", 10, 9, "a@6;");
	assert_int_equal(next_of(edge, "n/10"), 7);
}

static void next_is_the_earliest_due_time_or_end_of_a_lease(void **state)
{
	Edge *edge = *state;
	assert_int_equal(next_of(edge, "n/0"), INSTANT_NONE);
	arm(edge, "n/0", "b", 70);
	arm(edge, "n/0", "a", 50);
	assert_int_equal(next_of(edge, "n/0"), 50);
	assert_due(edge, "n/0", 60, 9, "a@50;");
	assert_int_equal(next_of(edge, "n/0"), 70);
	assert_due(edge, "n/0", 80, 9, "b@70;");
	assert_int_equal(next_of(edge, "n/0"), 60 + LEASE_MS);
}

static void a_visit_may_arm_and_disarm(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 1);
	arm(edge, "n/0", "b", 2);
	arm(edge, "n/0", "c", 3);
	edge->arm_again = true;
	assert_due(edge, "n/0", 10, 9, "a@1;b@2;c@3;");
	edge->arm_again = false;
	edge->disarm_all = true;
	assert_due(edge, "n/0", 10, 9, "a@1;b@2;c@3;");
	assert_due(edge, "n/0", 10 * LEASE_MS, 9, "");
}

static void an_id_is_1_to_128_bytes_of_any_kind(void **state)
{
	Edge *edge = *state;
	char id[129];
	memset(id, 'i', sizeof id);
	id[1] = '\0';
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, (Slice){ id, 128 }, 1).kind, ERROR_NONE);
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, (Slice){ id, 129 }, 1).kind, ERROR_INPUT);
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, SLICE_NONE, 1).kind, ERROR_INPUT);
	buffer_clear(&edge->shown);
	edge->timers->operations->due(edge->timers, "n/0", 1, 1, LEASE_MS, 9, show, edge);
	assert_int_equal(edge->shown.size, 128 + strlen("@1;"));
	assert_memory_equal(edge->shown.data, id, 128);
}

/* ---- SQLite's alone ---------------------------------------------------------------------------------------------- */

static void timers_are_there_after_closing_and_opening_again(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 5);
	edge->timers->operations->close(edge->timers);
	assert_int_equal(timers_sqlite_open(edge->path, &edge->timers).kind, ERROR_NONE);
	assert_due(edge, "n/0", 10, 9, "a@5;");
}

enum { THREADS = 4, EACH = 300 };

typedef struct {
	Edge *edge;
	int number;
	int shown;
} Worker;

static void count_shown(void *context, Slice id, Instant due_at)
{
	(void)id, (void)due_at;
	((Worker *)context)->shown++;
}

static void *arm_and_fire(void *context)
{
	Worker *worker = context;
	Timers *timers = worker->edge->timers;
	for (int i = 0; i < EACH; i++) {
		char id[32];
		int size = snprintf(id, sizeof id, "%d/%d", worker->number, i);
		timers->operations->arm(timers, "shared", 1, (Slice){ id, (size_t)size }, i);
		timers->operations->due(timers, "shared", 1, EACH, LEASE_MS, 3, count_shown, worker);
	}
	return NULL;
}

static void threads_share_a_store_and_each_timer_is_shown_to_one_of_them(void **state)
{
	Worker workers[THREADS];
	pthread_t threads[THREADS];
	int shown = 0;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (Worker){ .edge = *state, .number = i };
		pthread_create(&threads[i], NULL, arm_and_fire, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		shown += workers[i].shown;
	}
	assert_int_equal(shown, THREADS * EACH);
}

/* ---- memory's alone ---------------------------------------------------------------------------------------------- */

static void a_lost_timer_is_gone_and_a_reset_loses_all(void **state)
{
	Edge *edge = *state;
	arm(edge, "n/0", "a", 1);
	arm(edge, "n/0", "b", 2);
	memory_timers_lose(edge->timers, 2); /* of two: the first */
	assert_int_equal(memory_timers_count(edge->timers), 1);
	assert_due(edge, "n/0", 10, 9, "b@2;");
	memory_timers_reset(edge->timers);
	memory_timers_lose(edge->timers, 0);
	assert_int_equal(memory_timers_count(edge->timers), 0);
	assert_int_equal(next_of(edge, "n/0"), INSTANT_NONE);
}

#define CASES(timers)                                                                                         \
	X(timers, what_is_due_is_shown_earliest_first_and_the_rest_is_not)                                    \
	X(timers, at_most_max_are_shown_and_the_others_the_next_time)                                         \
	X(timers, a_leased_timer_is_shown_again_when_its_lease_is_over)                                       \
	X(timers, arming_anew_moves_a_timer_and_ends_its_lease)                                               \
	X(timers, a_disarmed_timer_is_gone_leased_or_not)                                                     \
	X(timers, owners_do_not_see_each_others_timers)                                                       \
	X(timers, next_is_the_earliest_due_time_or_end_of_a_lease)                                            \
	X(timers, a_visit_may_arm_and_disarm)                                                                 \
	X(timers, an_id_is_1_to_128_bytes_of_any_kind)

#define X(timers, name) { #name " [" #timers "]", name, timers##_setup, teardown, NULL },

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASES(sqlite)
		CASES(memory)
		X(sqlite, timers_are_there_after_closing_and_opening_again)
		X(sqlite, threads_share_a_store_and_each_timer_is_shown_to_one_of_them)
		X(memory, a_lost_timer_is_gone_and_a_reset_loses_all)
	};
	return cmocka_run_group_tests_name("timers", tests, NULL, NULL);
}
