/*
 * Conformance of every timer store (SQLite, Redis, in memory) to shared/io/timers.h. Redis uses its own clock. Therefore the common
 * cases arm timers that are already due or far in the future, and wait in real time for the end of a lease.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "shared/io/timers.h"
#include "shared/io/redis/timers.h"
#include "tests/support/memory_timers.h"
#include "tests/support/redis_server.h"
#include "tests/support/scratch.h"
#include "tests/support/succeeds.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEASE_MS = 1000, LONG_MS = 3600000, SHOWN_BYTES = 8192, SLACK_MS = 250, AWAIT_MS = 5000 };

typedef struct {
	Timers *timers;
	Scratch scratch;
	char path[SCRATCH_PATH];
	Buffer shown; /* "ID@DUE;" for each timer, DUE in ms since `began` */
	bool arm_again, disarm_all;
	Instant began, now; /* `now` is the time for stores without a clock of their own */
	bool redis;
	char prefix[64];
} Edge;

static RedisServer server; /* started only if TOCSIN_TEST_REDIS_URL is not set */
static Scratch server_scratch;
static const char *redis_url;

static Edge *edge_new(void)
{
	Edge *edge = calloc(1, sizeof *edge);
	scratch_make(&edge->scratch);
	scratch_path(&edge->scratch, "timers.db", edge->path);
	buffer_init(&edge->shown, SHOWN_BYTES);
	edge->began = edge->now = clock_now();
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

/* Uses a random cluster id, because other tests may use the same server. */
static int redis_setup(void **state)
{
	static const char *const owners[] = { "n/0", "n/1", "n/10", "shared" };
	Edge *edge = edge_new();
	uint64_t random;
	char cluster[32];
	edge->redis = true;
	*state = edge;
	if (redis_url == NULL)
		return 0;
	clock_random(&random, sizeof random);
	snprintf(cluster, sizeof cluster, "test-%016" PRIx64, random);
	snprintf(edge->prefix, sizeof edge->prefix, "{tocsin}:%s:", cluster);
	TimersRedisOptions options = { .url = redis_url, .name = "tocsin-test", .cluster = cluster };
	if (result_failed(timers_redis_open(&options, AWAIT_MS, NULL, NULL, &edge->timers)))
		return 1;
	for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++)
		edge->timers->operations->armed(edge->timers, owners[i], 1);
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	if (edge->timers != NULL)
		edge->timers->operations->close(edge->timers);
	if (edge->timers != NULL && edge->redis)
		redis_delete_keys(redis_url, edge->prefix);
	buffer_release(&edge->shown);
	scratch_remove(&edge->scratch);
	free(edge);
	return 0;
}

static Edge *edge_of(void **state)
{
	Edge *edge = *state;
	if (edge->timers == NULL)
		skip(); /* no Redis is installed */
	return edge;
}

static void arm(Edge *edge, const char *owner, const char *id, int64_t due_ms)
{
	Instant due_at = edge->began + due_ms;
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
	buffer_format(&edge->shown, "@%lld;", (long long)(due_at - edge->began));
	if (edge->arm_again)
		succeeds(edge->timers->operations->arm(edge->timers, "n/0", 1, id, due_at));
	if (edge->disarm_all)
		succeeds(edge->timers->operations->disarm(edge->timers, "n/0", 1, id));
}

static void assert_due(Edge *edge, const char *owner, size_t max, const char *expected)
{
	buffer_clear(&edge->shown);
	assert_int_equal(edge->timers->operations->due(edge->timers, owner, 1, edge->now, LEASE_MS, max, show, edge).kind,
			 ERROR_NONE);
	assert_string_equal(edge->shown.size == 0 ? "" : edge->shown.data, expected);
}

static Instant next_of(Edge *edge, const char *owner)
{
	return edge->timers->operations->next(edge->timers, owner);
}

/* With Redis, `next` changes after a short delay and depends on Redis' clock. So it is polled and compared with a tolerance. */
static void assert_next(Edge *edge, const char *owner, Instant expected)
{
	Instant slack_ms = edge->redis && expected != INSTANT_NONE ? SLACK_MS : 0, until = clock_now() + AWAIT_MS;
	Instant next = next_of(edge, owner);
	while (edge->redis && (next < expected - slack_ms || next > expected + slack_ms) && clock_now() < until) {
		clock_sleep_ms(5);
		next = next_of(edge, owner);
	}
	assert_in_range(next - expected + slack_ms, 0, 2 * slack_ms);
}

/* Lets time pass until the next timer is due: real time with Redis, otherwise the edge's `now`. */
static void pass(Edge *edge, const char *owner)
{
	Instant next = next_of(edge, owner);
	assert_int_not_equal(next, INSTANT_NONE);
	while (edge->redis && clock_now() < next)
		clock_sleep_ms(next - clock_now());
	edge->now = next;
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

static void due_timers_are_shown_earliest_first_and_others_are_not(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "late", -10);
	arm(edge, "n/0", "early", -300);
	arm(edge, "n/0", "never", LONG_MS);
	arm(edge, "n/0", "b", -20);
	arm(edge, "n/0", "a", -20);
	assert_due(edge, "n/0", 10, "early@-300;a@-20;b@-20;late@-10;");
	assert_due(edge, "n/0", 10, "");
}

static void at_most_max_are_shown_and_the_others_next_time(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -3);
	arm(edge, "n/0", "b", -2);
	arm(edge, "n/0", "c", -1);
	assert_due(edge, "n/0", 0, "");
	assert_due(edge, "n/0", 2, "a@-3;b@-2;");
	assert_due(edge, "n/0", 2, "c@-1;");
	assert_due(edge, "n/0", 2, "");
}

static void a_leased_timer_is_shown_again_when_its_lease_is_over(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -5);
	assert_due(edge, "n/0", 9, "a@-5;");
	assert_due(edge, "n/0", 9, "");
	pass(edge, "n/0");
	assert_due(edge, "n/0", 9, "a@-5;");
	assert_due(edge, "n/0", 9, "");
}

static void arming_again_moves_a_timer_and_ends_its_lease(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -5);
	assert_due(edge, "n/0", 9, "a@-5;");
	arm(edge, "n/0", "a", LONG_MS);
	assert_due(edge, "n/0", 9, "");
	assert_next(edge, "n/0", edge->began + LONG_MS);
	arm(edge, "n/0", "a", -3);
	assert_due(edge, "n/0", 9, "a@-3;");
	arm(edge, "n/0", "a", -7);
	assert_due(edge, "n/0", 9, "a@-7;");
}

static void a_disarmed_timer_is_gone_leased_or_not(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -5);
	arm(edge, "n/0", "b", -5);
	disarm(edge, "n/0", "a");
	assert_due(edge, "n/0", 9, "b@-5;");
	disarm(edge, "n/0", "b");
	disarm(edge, "n/0", "unknown");
	assert_next(edge, "n/0", INSTANT_NONE);
	edge->now += 10 * LEASE_MS;
	assert_due(edge, "n/0", 9, "");
}

static void owners_do_not_see_each_others_timers(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -5);
	arm(edge, "n/1", "a", -6);
	arm(edge, "n/10", "a", -7);
	disarm(edge, "n/0", "a");
	assert_due(edge, "n/0", 9, "");
	assert_due(edge, "n/1", 9, "a@-6;");
	assert_next(edge, "n/10", edge->began - 7);
}

static void next_is_the_earliest_due_time_or_end_of_a_lease(void **state)
{
	Edge *edge = edge_of(state);
	assert_next(edge, "n/0", INSTANT_NONE);
	arm(edge, "n/0", "b", 2 * LONG_MS);
	arm(edge, "n/0", "a", LONG_MS);
	assert_next(edge, "n/0", edge->began + LONG_MS);
	arm(edge, "n/0", "now", -1);
	assert_next(edge, "n/0", edge->began - 1);
	edge->now = clock_now();
	assert_due(edge, "n/0", 9, "now@-1;");
	assert_next(edge, "n/0", edge->now + LEASE_MS);
	disarm(edge, "n/0", "now");
	assert_next(edge, "n/0", edge->began + LONG_MS);
}

static void a_visit_may_arm_and_disarm(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -3);
	arm(edge, "n/0", "b", -2);
	arm(edge, "n/0", "c", -1);
	edge->arm_again = true;
	assert_due(edge, "n/0", 9, "a@-3;b@-2;c@-1;");
	edge->arm_again = false;
	edge->disarm_all = true;
	assert_due(edge, "n/0", 9, "a@-3;b@-2;c@-1;");
	assert_next(edge, "n/0", INSTANT_NONE);
	edge->now += 10 * LEASE_MS;
	assert_due(edge, "n/0", 9, "");
}

static void an_id_is_1_to_128_bytes_of_any_kind(void **state)
{
	Edge *edge = edge_of(state);
	Instant due_at = edge->began - 1;
	char id[129];
	memset(id, 'i', sizeof id);
	id[1] = '\0';
	id[2] = '\n';
	id[3] = (char)0xff;
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, (Slice){ id, 128 }, due_at).kind, ERROR_NONE);
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, (Slice){ id, 129 }, due_at).kind, ERROR_INPUT);
	assert_int_equal(edge->timers->operations->arm(edge->timers, "n/0", 1, SLICE_NONE, due_at).kind, ERROR_INPUT);
	buffer_clear(&edge->shown);
	succeeds(edge->timers->operations->due(edge->timers, "n/0", 1, edge->now, LEASE_MS, 9, show, edge));
	assert_int_equal(edge->shown.size, 128 + strlen("@-1;"));
	assert_memory_equal(edge->shown.data, id, 128);
}

/* ---- stores without a clock of their own ------------------------------------------------------------------------- */

static void a_timer_is_due_exactly_at_its_time_and_shown_again_exactly_at_the_end_of_its_lease(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", 100);
	edge->now = edge->began + 99;
	assert_due(edge, "n/0", 9, "");
	edge->now = edge->began + 100;
	assert_due(edge, "n/0", 9, "a@100;");
	assert_int_equal(next_of(edge, "n/0"), edge->began + 100 + LEASE_MS);
	edge->now = edge->began + 100 + LEASE_MS - 1;
	assert_due(edge, "n/0", 9, "");
	edge->now = edge->began + 100 + LEASE_MS;
	assert_due(edge, "n/0", 9, "a@100;");
}

/* ---- SQLite alone ------------------------------------------------------------------------------------------------ */

static void timers_survive_closing_and_reopening(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -5);
	edge->timers->operations->close(edge->timers);
	assert_int_equal(timers_sqlite_open(edge->path, &edge->timers).kind, ERROR_NONE);
	assert_due(edge, "n/0", 9, "a@-5;");
}

/* ---- thread-safe stores ------------------------------------------------------------------------------------------ */

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
		must(!result_failed(timers->operations->arm(timers, "shared", 1, (Slice){ id, (size_t)size }, i)));
		must(!result_failed(timers->operations->due(timers, "shared", 1, EACH, 60 * LEASE_MS, 3, count_shown, worker)));
	}
	return NULL;
}

static void threads_share_a_store_and_each_timer_is_shown_to_one_of_them(void **state)
{
	Edge *edge = edge_of(state);
	Worker workers[THREADS];
	pthread_t threads[THREADS];
	int shown = 0;
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (Worker){ .edge = edge, .number = i };
		pthread_create(&threads[i], NULL, arm_and_fire, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		shown += workers[i].shown;
	}
	assert_int_equal(shown, THREADS * EACH);
}

/* ---- in memory alone --------------------------------------------------------------------------------------------- */

static void a_lost_timer_is_gone_and_a_reset_loses_all(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge, "n/0", "a", -2);
	arm(edge, "n/0", "b", -1);
	memory_timers_lose(edge->timers, 2); /* 2 modulo 2 timers is 0: loses the first */
	assert_int_equal(memory_timers_count(edge->timers), 1);
	assert_due(edge, "n/0", 9, "b@-1;");
	memory_timers_reset(edge->timers);
	memory_timers_lose(edge->timers, 0);
	assert_int_equal(memory_timers_count(edge->timers), 0);
	assert_int_equal(next_of(edge, "n/0"), INSTANT_NONE);
}

#define CASES(timers)                                                     \
	X(timers, due_timers_are_shown_earliest_first_and_others_are_not) \
	X(timers, at_most_max_are_shown_and_the_others_next_time)         \
	X(timers, a_leased_timer_is_shown_again_when_its_lease_is_over)   \
	X(timers, arming_again_moves_a_timer_and_ends_its_lease)          \
	X(timers, a_disarmed_timer_is_gone_leased_or_not)                 \
	X(timers, owners_do_not_see_each_others_timers)                   \
	X(timers, next_is_the_earliest_due_time_or_end_of_a_lease)        \
	X(timers, a_visit_may_arm_and_disarm)                             \
	X(timers, an_id_is_1_to_128_bytes_of_any_kind)

#define X(timers, name) { #name " [" #timers "]", name, timers##_setup, teardown, NULL },

/* Uses TOCSIN_TEST_REDIS_URL if it is set, otherwise starts a server. If none is installed, the cases of Redis are skipped. */
static int redis_find(void **state)
{
	(void)state;
	redis_url = getenv("TOCSIN_TEST_REDIS_URL");
	if (redis_url != NULL || !redis_server_installed())
		return 0;
	scratch_make(&server_scratch);
	redis_server_init(&server, server_scratch.directory);
	redis_server_start(&server, NULL);
	redis_url = server.url;
	return 0;
}

static int redis_stop(void **state)
{
	(void)state;
	if (server.pid == 0)
		return 0;
	redis_server_end(&server, SIGTERM);
	scratch_remove(&server_scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* The rows come from macros, without commas. */
		/* clang-format off */
		CASES(sqlite)
		CASES(redis)
		CASES(memory)
		X(sqlite, a_timer_is_due_exactly_at_its_time_and_shown_again_exactly_at_the_end_of_its_lease)
		X(memory, a_timer_is_due_exactly_at_its_time_and_shown_again_exactly_at_the_end_of_its_lease)
		X(sqlite, timers_survive_closing_and_reopening)
		X(sqlite, threads_share_a_store_and_each_timer_is_shown_to_one_of_them)
		X(redis, threads_share_a_store_and_each_timer_is_shown_to_one_of_them)
		X(memory, a_lost_timer_is_gone_and_a_reset_loses_all)
		/* clang-format on */
	};
	return cmocka_run_group_tests_name("timers", tests, redis_find, redis_stop);
}
