/* Timers in a real Redis that is stopped, killed, flushed or paused, and in a server that answers nonsense. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "shared/io/redis/timers.h"
#include "tests/support/redis_server.h"
#include "tests/support/scratch.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LEASE_MS = 60000, LONG_MS = 3600000, AWAIT_MS = 10000, STUCK_MS = 700, SHOWN_BYTES = 4096 };

#define OWNER "n/0"
#define SHOW "{tocsin}:log-1:n/0:show"
#define DATA "{tocsin}:log-1:n/0:data"

typedef struct {
	RedisServer server;
	Scratch scratch;
	Timers *timers;
	Buffer shown;
} Edge;

static Result edge_open(Edge *edge, const char *url, int64_t wait_ms, Timers **out)
{
	(void)edge;
	TimersRedisOptions options = { .url = url, .name = "tocsin-test", .cluster = "log-1" };
	return timers_redis_open(&options, wait_ms, NULL, NULL, out);
}

static int setup_with(void **state, const char *const *options)
{
	Edge *edge = calloc(1, sizeof *edge);
	*state = edge;
	scratch_make(&edge->scratch);
	buffer_init(&edge->shown, SHOWN_BYTES);
	if (!redis_server_installed())
		return 0;
	redis_server_init(&edge->server, edge->scratch.directory);
	redis_server_start(&edge->server, options);
	return result_failed(edge_open(edge, edge->server.url, AWAIT_MS, &edge->timers));
}

static int setup(void **state)
{
	return setup_with(state, NULL);
}

static const char *const durable[] = { "--appendonly", "yes", "--appendfsync", "always", NULL };

static int durable_setup(void **state)
{
	return setup_with(state, durable);
}

static int teardown(void **state)
{
	Edge *edge = *state;
	if (edge->timers != NULL)
		edge->timers->operations->close(edge->timers);
	if (edge->server.pid != 0)
		kill(edge->server.pid, SIGCONT);
	redis_server_end(&edge->server, SIGKILL);
	scratch_remove(&edge->scratch);
	buffer_release(&edge->shown);
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

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static void arm(Timers *timers, uint64_t term, const char *id, int64_t due_ms)
{
	Result result = timers->operations->arm(timers, OWNER, term, slice_of(id), clock_now() + due_ms);
	assert_int_equal(result.kind, ERROR_NONE);
}

static void disarm(Timers *timers, uint64_t term, const char *id)
{
	assert_int_equal(timers->operations->disarm(timers, OWNER, term, slice_of(id)).kind, ERROR_NONE);
}

static void armed(Timers *timers, uint64_t term)
{
	timers->operations->armed(timers, OWNER, term);
}

static void show(void *context, Slice id, Instant due_at)
{
	(void)due_at;
	buffer_append(context, id);
	buffer_byte(context, ';');
}

static Result due(Edge *edge, Timers *timers, uint64_t term)
{
	buffer_clear(&edge->shown);
	return timers->operations->due(timers, OWNER, term, 0, LEASE_MS, 100, show, &edge->shown);
}

static void assert_due(Edge *edge, Timers *timers, uint64_t term, const char *expected)
{
	Result result = due(edge, timers, term);
	assert_string_equal(result.text, "");
	assert_string_equal(edge->shown.size == 0 ? "" : edge->shown.data, expected);
}

static void assert_fenced(Edge *edge, Timers *timers, uint64_t term)
{
	for (Instant until = clock_now() + AWAIT_MS; clock_now() < until; clock_sleep_ms(5))
		if (due(edge, timers, term).kind == ERROR_CONFLICT)
			break;
	assert_int_equal(due(edge, timers, term).kind, ERROR_CONFLICT);
	assert_int_equal(edge->shown.size, 0);
	assert_true(timers->operations->next(timers, OWNER) == INSTANT_NONE);
}

static bool await(bool (*there)(Timers *timers), Timers *timers)
{
	for (Instant until = clock_now() + AWAIT_MS; clock_now() < until; clock_sleep_ms(5))
		if (there(timers))
			return true;
	return false;
}

static bool healthy(Timers *timers)
{
	return !result_failed(timers->operations->health(timers));
}

static bool unhealthy(Timers *timers)
{
	return !healthy(timers);
}

/* True if `next` is not after now, so that `due` must be called: a timer is due, timers were lost, or the owner is superseded. */
static bool asks_for_due(Timers *timers)
{
	Instant next = timers->operations->next(timers, OWNER);
	return next != INSTANT_NONE && next <= clock_now();
}

static bool has_no_next(Timers *timers)
{
	return timers->operations->next(timers, OWNER) == INSTANT_NONE;
}

static void assert_count(Edge *edge, int64_t expected)
{
	int64_t count = -1;
	for (Instant until = clock_now() + AWAIT_MS; count != expected && clock_now() < until; clock_sleep_ms(5))
		count = redis_number(edge->server.url, "ZCARD " SHOW);
	assert_int_equal(count, expected);
	assert_int_equal(redis_number(edge->server.url, "HLEN " DATA), expected);
}

static void command(Edge *edge, const char *words)
{
	Result result = redis_command(edge->server.url, words);
	assert_string_equal(result.text, "");
}

/* Waits until the loss is reported, then arms timers again as the runtime does; the timer "again" is due at once. */
static void assert_lost_and_armed_again(Edge *edge, uint64_t term)
{
	assert_true(await(healthy, edge->timers));
	assert_true(await(asks_for_due, edge->timers));
	assert_int_equal(due(edge, edge->timers, term).kind, ERROR_NOT_FOUND);
	/* The loss is reported until the timers are armed again. */
	assert_int_equal(due(edge, edge->timers, term).kind, ERROR_NOT_FOUND);
	arm(edge->timers, term, "again", -1);
	arm(edge->timers, term, "later", LONG_MS);
	armed(edge->timers, term);
	assert_due(edge, edge->timers, term, "again;");
	assert_count(edge, 2);
}

static void two_timers(Edge *edge)
{
	arm(edge->timers, 1, "a", LONG_MS);
	arm(edge->timers, 1, "b", LONG_MS);
	armed(edge->timers, 1);
	assert_due(edge, edge->timers, 1, "");
	assert_count(edge, 2);
}

/* ---- losses ------------------------------------------------------------------------------------------------------ */

static void no_timer_is_shown_until_all_are_armed(void **state)
{
	Edge *edge = edge_of(state);
	assert_int_equal(edge->timers->operations->next(edge->timers, OWNER), INSTANT_NONE);
	arm(edge->timers, 1, "a", -1);
	assert_int_equal(due(edge, edge->timers, 1).kind, ERROR_NOT_FOUND);
	armed(edge->timers, 1);
	assert_due(edge, edge->timers, 1, "a;");
}

static void flushall_is_detected(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	command(edge, "FLUSHALL");
	assert_lost_and_armed_again(edge, 1);
}

static void flushall_is_detected_for_an_owner_without_timers(void **state)
{
	Edge *edge = edge_of(state);
	armed(edge->timers, 1);
	assert_due(edge, edge->timers, 1, "");
	assert_true(has_no_next(edge->timers));
	for (Instant until = clock_now() + AWAIT_MS; clock_now() < until; clock_sleep_ms(5))
		if (redis_number(edge->server.url, "EXISTS {tocsin}:log-1:n/0:state") == 1)
			break;
	command(edge, "FLUSHALL");
	assert_lost_and_armed_again(edge, 1);
}

static void a_loss_while_arming_is_not_missed(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge->timers, 1, "first", -1);
	assert_count(edge, 1);
	command(edge, "FLUSHALL");
	arm(edge->timers, 1, "second", -1);
	armed(edge->timers, 1);
	assert_int_equal(due(edge, edge->timers, 1).kind, ERROR_NOT_FOUND);
	assert_lost_and_armed_again(edge, 1);
}

static void evicted_and_deleted_keys_are_detected(void **state)
{
	static const char *const deletions[] = { "DEL " DATA, "DEL " SHOW, "ZREM " SHOW " again", "HDEL " DATA " later",
					     "DEL {tocsin}:log-1:n/0:state" };
	Edge *edge = edge_of(state);
	arm(edge->timers, 1, "again", LONG_MS);
	arm(edge->timers, 1, "later", LONG_MS);
	armed(edge->timers, 1);
	assert_count(edge, 2);
	for (size_t i = 0; i < sizeof deletions / sizeof deletions[0]; i++) {
		command(edge, deletions[i]);
		assert_lost_and_armed_again(edge, 1);
	}
}

static void a_due_timer_without_data_is_a_loss_although_the_counts_agree(void **state)
{
	Edge *edge = edge_of(state);
	arm(edge->timers, 1, "soon", 400);
	armed(edge->timers, 1);
	assert_count(edge, 1);
	command(edge, "HSET " DATA " other 5");
	command(edge, "HDEL " DATA " soon");
	assert_true(await(asks_for_due, edge->timers));
	assert_lost_and_armed_again(edge, 1);
}

static void a_server_that_restarts_empty_is_detected(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	redis_server_end(&edge->server, SIGKILL);
	assert_true(await(unhealthy, edge->timers));
	redis_server_start(&edge->server, NULL);
	assert_lost_and_armed_again(edge, 1);
}

static void a_server_that_restarts_with_old_data_is_detected(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	command(edge, "SAVE");
	arm(edge->timers, 1, "c", LONG_MS);
	assert_count(edge, 3);
	redis_server_end(&edge->server, SIGKILL);
	assert_true(await(unhealthy, edge->timers));
	redis_server_start(&edge->server, NULL);
	assert_int_equal(redis_number(edge->server.url, "ZCARD " SHOW), 2);
	assert_lost_and_armed_again(edge, 1);
}

static void a_server_that_restarts_with_its_data_continues(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	arm(edge->timers, 1, "leased", -1);
	assert_due(edge, edge->timers, 1, "leased;");
	redis_server_end(&edge->server, SIGKILL);
	assert_true(await(unhealthy, edge->timers));
	assert_due(edge, edge->timers, 1, ""); /* succeeds without Redis, because no timer is due */
	arm(edge->timers, 1, "meanwhile", -1);
	redis_server_start(&edge->server, durable);
	assert_true(await(healthy, edge->timers));
	assert_due(edge, edge->timers, 1, "meanwhile;");
	assert_count(edge, 4);
}

static void too_many_changes_while_redis_is_away_count_as_a_loss(void **state)
{
	Edge *edge = edge_of(state);
	char id[32];
	two_timers(edge);
	redis_server_end(&edge->server, SIGKILL);
	assert_true(await(unhealthy, edge->timers));
	for (int i = 0; i < 2000; i++) {
		snprintf(id, sizeof id, "%d", i);
		arm(edge->timers, 1, id, LONG_MS);
	}
	assert_int_equal(due(edge, edge->timers, 1).kind, ERROR_AGAIN);
	redis_server_start(&edge->server, NULL);
	assert_lost_and_armed_again(edge, 1);
}

static void scripts_that_were_flushed_are_loaded_again(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	command(edge, "SCRIPT FLUSH");
	assert_true(await(unhealthy, edge->timers));
	assert_true(await(healthy, edge->timers));
	arm(edge->timers, 1, "c", -1);
	Result result = due(edge, edge->timers, 1);
	if (result.kind == ERROR_NOT_FOUND) /* the call of `arm` found no script in Redis, so its timers count as lost */
		assert_lost_and_armed_again(edge, 1);
	else
		assert_string_equal(edge->shown.data, "c;");
}

/* ---- a server that pauses or refuses ----------------------------------------------------------------------------- */

static void assert_quick(Edge *edge, ErrorKind expected)
{
	Instant began = clock_now();
	arm(edge->timers, 1, "quick", -1);
	assert_in_range(clock_now() - began, 0, 100);
	assert_int_equal(due(edge, edge->timers, 1).kind, expected);
	assert_in_range(clock_now() - began, 0, STUCK_MS);
}

static void a_server_that_pauses_blocks_no_caller_and_is_reconnected(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	for (int stopped = 0; stopped <= 1; stopped++) {
		Instant began = clock_now();
		if (stopped)
			kill(edge->server.pid, SIGSTOP);
		else
			command(edge, "CLIENT PAUSE 2500 ALL");
		arm(edge->timers, 1, "held up", -1);
		assert_quick(edge, ERROR_AGAIN);
		assert_true(await(unhealthy, edge->timers));
		Instant next = edge->timers->operations->next(edge->timers, OWNER);
		/* `next` is in the future, so that a caller that waits for this time does not loop without a pause. */
		assert_true(next > clock_now());
		clock_sleep_ms(began + 2500 > clock_now() ? began + 2500 - clock_now() : 0);
		kill(edge->server.pid, SIGCONT);
		assert_lost_and_armed_again(edge, 1);
	}
}

static void a_late_call_over_an_abandoned_connection_changes_nothing(void **state)
{
	Edge *edge = edge_of(state);
	two_timers(edge);
	kill(edge->server.pid, SIGSTOP);
	arm(edge->timers, 1, "ghost", -1);
	disarm(edge->timers, 1, "a");
	assert_true(await(unhealthy, edge->timers));
	assert_int_equal(due(edge, edge->timers, 1).kind, ERROR_AGAIN);
	kill(edge->server.pid, SIGCONT);
	assert_lost_and_armed_again(edge, 1);
	/* The calls of the old connection have no effect: the reset dropped it, or Redis refused the calls as late. */
	assert_due(edge, edge->timers, 1, "");
	assert_count(edge, 2);
}

static void a_refusal_is_reported_and_recovered_from(void **state)
{
	static const struct {
		const char *refuse, *allow, *word;
	} refusals[] = {
		{ "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "replica" },
		{ "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "memory" },
		{ "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "too few replicas" },
	};
	Edge *edge = edge_of(state);
	two_timers(edge);
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		command(edge, refusals[i].refuse);
		arm(edge->timers, 1, "refused", -1);
		assert_true(await(unhealthy, edge->timers));
		assert_non_null(strstr(edge->timers->operations->health(edge->timers).text, refusals[i].word));
		/*
		 * A replica answers requests, but must stay unhealthy. The time is fixed, because a retry has no visible effect.
		 */
		for (Instant until = clock_now() + 700; i == 0 && clock_now() < until; clock_sleep_ms(5))
			assert_true(unhealthy(edge->timers));
		command(edge, refusals[i].allow);
		for (Instant until = clock_now() + AWAIT_MS; clock_now() < until; clock_sleep_ms(5)) {
			/* Until `allow` has taken effect, the client may connect and be refused again. */
			assert_true(await(asks_for_due, edge->timers));
			if (due(edge, edge->timers, 1).kind == ERROR_NOT_FOUND)
				break;
		}
		arm(edge->timers, 1, "again", -1);
		armed(edge->timers, 1);
		assert_due(edge, edge->timers, 1, "again;");
	}
}

/* ---- terms ------------------------------------------------------------------------------------------------------- */

static void a_superseded_owner_changes_nothing_and_is_shown_nothing(void **state)
{
	Edge *edge = edge_of(state);
	Timers *next = NULL;
	two_timers(edge);
	arm(edge->timers, 1, "old", -1);
	assert_count(edge, 3);
	assert_int_equal(edge_open(edge, edge->server.socket_url, AWAIT_MS, &next).kind, ERROR_NONE);
	arm(next, 2, "new", -1);
	arm(next, 2, "kept", LONG_MS);
	armed(next, 2);
	assert_count(edge, 2); /* only the timers of term 2 are left */
	arm(edge->timers, 1, "late", -1);
	disarm(edge->timers, 1, "kept");
	assert_fenced(edge, edge->timers, 1);
	arm(edge->timers, 1, "later", -1);
	armed(edge->timers, 1);
	assert_fenced(edge, edge->timers, 1);
	assert_due(edge, next, 2, "new;");
	assert_count(edge, 2);
	/* Only term 1 is superseded. The process of term 1 may arm timers under a greater term. */
	arm(edge->timers, 3, "third", -1);
	armed(edge->timers, 3);
	assert_due(edge, edge->timers, 3, "third;");
	arm(edge->timers, 3, "fourth", -1);
	assert_due(edge, edge->timers, 2, "");
	assert_due(edge, edge->timers, 3, "fourth;");
	next->operations->close(next);
}

static void a_superseded_owner_is_notified_without_a_call(void **state)
{
	Edge *edge = edge_of(state);
	Timers *next = NULL;
	arm(edge->timers, 1, "kept", LONG_MS);
	armed(edge->timers, 1);
	assert_due(edge, edge->timers, 1, "");
	assert_false(asks_for_due(edge->timers));
	assert_int_equal(edge_open(edge, edge->server.url, AWAIT_MS, &next).kind, ERROR_NONE);
	armed(next, 2);
	assert_true(await(asks_for_due, edge->timers));
	assert_fenced(edge, edge->timers, 1);
	next->operations->close(next);
}

/* When topics are recreated on a cluster, epochs begin at 1 again, but Redis still has timers of former, greater terms. */
static void the_owner_by_its_ledger_takes_over_timers_of_greater_terms(void **state)
{
	Edge *edge = edge_of(state);
	Timers *next = NULL;
	arm(edge->timers, 57, "left", -1);
	armed(edge->timers, 57);
	assert_due(edge, edge->timers, 57, "left;");
	assert_int_equal(edge_open(edge, edge->server.url, AWAIT_MS, &next).kind, ERROR_NONE);
	armed(next, 2);
	assert_fenced(edge, next, 2);
	next->operations->take(next, OWNER, 2);
	assert_int_equal(due(edge, next, 2).kind, ERROR_NOT_FOUND);
	arm(next, 2, "new", -1);
	armed(next, 2);
	assert_due(edge, next, 2, "new;");
	assert_count(edge, 1);
	/* Here the caller of `take` was not the owner by its ledger. The true owner notices, arms again and has the timers back. */
	assert_true(await(asks_for_due, edge->timers));
	assert_int_equal(due(edge, edge->timers, 57).kind, ERROR_NOT_FOUND);
	arm(edge->timers, 57, "owner's", -1);
	armed(edge->timers, 57);
	assert_due(edge, edge->timers, 57, "owner's;");
	assert_fenced(edge, next, 2);
	next->operations->close(next);
}

typedef struct {
	Edge *edge;
	Result result;
} Asker;

static void *ask_of_term_one(void *context)
{
	Asker *asker = context;
	asker->result = due(asker->edge, asker->edge->timers, 1);
	return NULL;
}

static void an_answer_to_an_earlier_term_is_ignored(void **state)
{
	Edge *edge = edge_of(state);
	Asker asker = { .edge = edge };
	pthread_t thread;
	two_timers(edge);
	kill(edge->server.pid, SIGSTOP);
	arm(edge->timers, 1, "old", -1);
	pthread_create(&thread, NULL, ask_of_term_one, &asker);
	clock_sleep_ms(200); /* time for the thread's call to be sent */
	arm(edge->timers, 2, "new", -1);
	pthread_join(thread, NULL);
	assert_string_equal(asker.result.text, "");
	assert_int_equal(edge->shown.size, 0);
	kill(edge->server.pid, SIGCONT);
	armed(edge->timers, 2);
	assert_due(edge, edge->timers, 2, "new;");
	assert_count(edge, 1);
}

static void timers_and_terms_of_another_log_are_separate(void **state)
{
	Edge *edge = edge_of(state);
	Timers *other = NULL;
	TimersRedisOptions options = { .url = edge->server.url, .cluster = "log-2" };
	arm(edge->timers, 57, "a", -1);
	armed(edge->timers, 57);
	assert_due(edge, edge->timers, 57, "a;");
	assert_int_equal(timers_redis_open(&options, AWAIT_MS, NULL, NULL, &other).kind, ERROR_NONE);
	armed(other, 1);
	arm(other, 1, "b", -1);
	assert_due(edge, other, 1, "b;");
	other->operations->close(other);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void an_unreachable_server_is_reported_in_time(void **state)
{
	Timers *timers = NULL;
	Instant began = clock_now();
	Result result = edge_open(*state, "redis://127.0.0.1:1/0", 600, &timers);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_string_equal(result.text, "Redis at 127.0.0.1:1 cannot be reached: Connection refused");
	assert_in_range(clock_now() - began, 600, 3000);
	assert_null(timers);
}

static bool stop_at_once(void *context)
{
	(*(int *)context)++;
	return true;
}

static void opening_can_be_stopped(void **state)
{
	(void)state;
	Timers *timers = NULL;
	int asked = 0;
	Instant began = clock_now();
	TimersRedisOptions options = { .url = "redis://127.0.0.1:1/0" };
	assert_int_equal(timers_redis_open(&options, 60000, stop_at_once, &asked, &timers).kind, ERROR_AGAIN);
	assert_int_equal(asked, 1);
	assert_in_range(clock_now() - began, 0, 5000);
}

static void assert_denied(Edge *edge, const char *access, const char *words)
{
	char url[256];
	Timers *timers = NULL;
	snprintf(url, sizeof url, "redis://%s127.0.0.1:%d/%s", access, edge->server.port, strstr(words, "99") ? "99" : "0");
	Result result = edge_open(edge, url, 0, &timers);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, words));
	assert_null(strstr(result.text, "s3cret"));
}

static void a_denied_access_is_reported_without_the_password(void **state)
{
	Edge *edge = edge_of(state);
	Timers *timers = NULL;
	char url[256];
	assert_denied(edge, "", "database 99");
	assert_denied(edge, ":s3cret@", "signing in");
	command(edge, "ACL SETUSER tocsin on >s3cret@/% ~{tocsin}:* +@all");
	assert_denied(edge, "tocsin:wrong-s3cret@", "refuses the user or the password");
	snprintf(url, sizeof url, "redis://tocsin:s3cret%%40%%2f%%25@127.0.0.1:%d", edge->server.port);
	assert_int_equal(edge_open(edge, url, AWAIT_MS, &timers).kind, ERROR_NONE);
	timers->operations->close(timers);
	command(edge, "ACL SETUSER tocsin -evalsha");
	assert_int_equal(edge_open(edge, url, 300, &timers).kind, ERROR_AGAIN);
	command(edge, "CONFIG SET requirepass s3cret");
	assert_denied(edge, "", "requires a password");
	assert_denied(edge, ":not-s3cret@", "refuses the user or the password");
}

static void urls_are_accepted_or_refused(void **state)
{
	(void)state;
	static const char *const right[] = {
		"redis://127.0.0.1:6379/0", "redis://redis", "redis://redis/", "redis://redis:1/15", "redis://[::1]:6379/0",
		"redis://[::1]", "redis://:p@h/0", "redis://u:p@h", "redis://u:%40%3a@h", "redis://u:a@b@h", "unix:///run/r.sock",
		"unix://u:p@/run/r.sock", "unix://:p@/r",
	};
	static const char *const wrong[] = {
		"", "redis", "redis:", "redis://", "redis:///0", "http://h", "rediss://h", "redis://h:0", "redis://h:65536",
		"redis://h:", "redis://h:6379x", "redis://h/x", "redis://h/-1", "redis://h/1/2", "redis://h/0?x", "redis://u@h",
		"redis://u:@h", "redis://u:p@", "redis://u:%4@h", "redis://u:%@h", "redis://u:%00@h", "redis://u:%zz@h",
		"redis://a b", "redis://::1", "redis://[::1", "redis://[]", "redis://[::1]x", "unix://", "unix:///", "unix://path",
		"unix://u@/p", "redis://u:pass/word@h:1/0",
	};
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
		if (redis_url_check(right[i]) != NULL)
			fail_msg("%s is refused", right[i]);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (redis_url_check(wrong[i]) == NULL)
			fail_msg("%s is accepted", wrong[i]);
	char long_one[2000] = "redis://";
	memset(long_one + 8, 'h', sizeof long_one - 9);
	assert_non_null(redis_url_check(long_one));
	Timers *timers = NULL;
	Result result = edge_open(*state, "redis://u:s3cret@", 0, &timers);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_null(strstr(result.text, "s3cret"));
}

static void a_unix_socket_works_too(void **state)
{
	Edge *edge = edge_of(state);
	Timers *timers = NULL;
	assert_int_equal(edge_open(edge, edge->server.socket_url, AWAIT_MS, &timers).kind, ERROR_NONE);
	arm(timers, 1, "a", -1);
	armed(timers, 1);
	assert_due(edge, timers, 1, "a;");
	timers->operations->close(timers);
	assert_int_equal(edge_open(edge, "unix:///missing/redis.sock", 0, &timers).kind, ERROR_AGAIN);
}

/* ---- a server that is not Redis ---------------------------------------------------------------------------------- */

typedef struct {
	int listener, port;
	const char *answer;
	size_t size;
	pthread_t thread;
	atomic_bool ends;
} Nonsense;

static void *nonsense_run(void *context)
{
	Nonsense *nonsense = context;
	char asked[4096];
	while (!atomic_load(&nonsense->ends)) {
		int fd = accept(nonsense->listener, NULL, NULL);
		if (fd >= 0 && recv(fd, asked, sizeof asked, 0) > 0)
			(void)!send(fd, nonsense->answer, nonsense->size, MSG_NOSIGNAL);
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

static void nonsense_start(Nonsense *nonsense)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof address;
	nonsense->listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(nonsense->listener, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(nonsense->listener, 5), 0);
	assert_int_equal(getsockname(nonsense->listener, (struct sockaddr *)&address, &size), 0);
	nonsense->port = ntohs(address.sin_port);
	pthread_create(&nonsense->thread, NULL, nonsense_run, nonsense);
}

static void nonsense_end(Nonsense *nonsense)
{
	atomic_store(&nonsense->ends, true);
	shutdown(nonsense->listener, SHUT_RDWR);
	pthread_join(nonsense->thread, NULL);
	close(nonsense->listener);
}

static void nonsense_is_reported_as_unreachable(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n", ":7\r\n", "$-1\r\n", "*-1\r\n", "*0\r\n", "$5\r\nabc", "\r\n", "",
		"*2147483647\r\n", "*4294967295\r\n:1\r\n", "$9223372036854775807\r\n", "*1\r\n*1\r\n*1\r\n:1\r\n", "-\r\n",
		"*3\r\n$40\r\n0123456789012345678901234567890123456789\r\n:1\r\n*1\r\n:1\r\n", "-ERR s3cret\r\n", "$-7\r\n",
		"-LOADING s3cret\r\n", ":99999999999999999999999\r\n", "*1\r\n$-5\r\n", "*1\r\n-ERR s3cret\r\n",
	};
	Nonsense nonsense = { 0 };
	nonsense_start(&nonsense);
	char url[64];
	snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", nonsense.port);
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		nonsense.answer = answers[i];
		nonsense.size = strlen(answers[i]);
		Timers *timers = NULL;
		TimersRedisOptions options = { .url = url };
		Result result = timers_redis_open(&options, 0, NULL, NULL, &timers);
		assert_int_equal(result.kind, ERROR_AGAIN);
		assert_null(strstr(result.text, "s3cret"));
	}
	nonsense_end(&nonsense);
	(void)state;
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

enum { OWNERS = 12, EACH = 834 };

typedef struct {
	Timers *timers;
	char owner[16];
	int shown[EACH];
	int total;
} Worker;

static void count(void *context, Slice id, Instant due_at)
{
	Worker *worker = context;
	int64_t number;
	(void)due_at;
	must(slice_integer(id, &number) && number >= 0 && number < EACH);
	worker->shown[number]++;
	worker->total++;
	must(!result_failed(worker->timers->operations->disarm(worker->timers, worker->owner, 7, id)));
}

static void *work(void *context)
{
	Worker *worker = context;
	const TimersOperations *operations = worker->timers->operations;
	char id[16];
	for (int i = 0; i < EACH; i++) {
		int size = snprintf(id, sizeof id, "%d", i);
		Instant due_at = clock_now() - EACH + i;
		must(!result_failed(operations->arm(worker->timers, worker->owner, 7, (Slice){ id, (size_t)size }, due_at)));
		(void)operations->next(worker->timers, worker->owner);
	}
	operations->armed(worker->timers, worker->owner, 7);
	for (Instant until = clock_now() + 6 * AWAIT_MS; worker->total < EACH && clock_now() < until;)
		must(!result_failed(operations->due(worker->timers, worker->owner, 7, 0, LEASE_MS, 200, count, worker)));
	must(!result_failed(operations->due(worker->timers, worker->owner, 7, 0, LEASE_MS, 200, count, worker)));
	return NULL;
}

static void ten_thousand_timers_of_twelve_owners_are_each_shown_once(void **state)
{
	Edge *edge = edge_of(state);
	Worker *workers = calloc(OWNERS, sizeof *workers);
	pthread_t threads[OWNERS];
	char words[64];
	for (int i = 0; i < OWNERS; i++) {
		workers[i].timers = edge->timers;
		snprintf(workers[i].owner, sizeof workers[i].owner, "many/%d", i);
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (int i = 0; i < OWNERS; i++) {
		pthread_join(threads[i], NULL);
		for (int k = 0; k < EACH; k++)
			assert_int_equal(workers[i].shown[k], 1);
	}
	for (int i = 0; i < OWNERS; i++) {
		int64_t left = -1;
		snprintf(words, sizeof words, "ZCARD {tocsin}:log-1:many/%d:show", i);
		for (Instant until = clock_now() + AWAIT_MS; left != 0 && clock_now() < until;)
			left = redis_number(edge->server.url, words);
		assert_int_equal(left, 0);
	}
	free(workers);
}

#define X(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		X(no_timer_is_shown_until_all_are_armed),
		X(flushall_is_detected),
		X(flushall_is_detected_for_an_owner_without_timers),
		X(a_loss_while_arming_is_not_missed),
		X(evicted_and_deleted_keys_are_detected),
		X(a_due_timer_without_data_is_a_loss_although_the_counts_agree),
		X(a_server_that_restarts_empty_is_detected),
		X(a_server_that_restarts_with_old_data_is_detected),
		cmocka_unit_test_setup_teardown(a_server_that_restarts_with_its_data_continues, durable_setup, teardown),
		X(too_many_changes_while_redis_is_away_count_as_a_loss),
		X(scripts_that_were_flushed_are_loaded_again),
		X(a_server_that_pauses_blocks_no_caller_and_is_reconnected),
		X(a_late_call_over_an_abandoned_connection_changes_nothing),
		X(a_refusal_is_reported_and_recovered_from),
		X(a_superseded_owner_changes_nothing_and_is_shown_nothing),
		X(a_superseded_owner_is_notified_without_a_call),
		X(the_owner_by_its_ledger_takes_over_timers_of_greater_terms),
		X(an_answer_to_an_earlier_term_is_ignored),
		X(timers_and_terms_of_another_log_are_separate),
		cmocka_unit_test(an_unreachable_server_is_reported_in_time),
		cmocka_unit_test(opening_can_be_stopped),
		X(a_denied_access_is_reported_without_the_password),
		cmocka_unit_test(urls_are_accepted_or_refused),
		X(a_unix_socket_works_too),
		cmocka_unit_test(nonsense_is_reported_as_unreachable),
		X(ten_thousand_timers_of_twelve_owners_are_each_shown_once),
	};
	return cmocka_run_group_tests_name("timers_redis", tests, NULL, NULL);
}
