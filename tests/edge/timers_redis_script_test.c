/*
 * The fences of the script that changes timers in Redis, call by call, as they may arrive there: of a deposed owner,
 * late by a connection that was given up, after what they rely on was lost.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/redis/timers_internal.h"
#include "tests/support/redis_server.h"
#include "tests/support/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	Scratch scratch;
	RedisServer server;
	RedisClient *client;
	Script script;
} Edge;

typedef struct {
	const char *what;
	const char *process;
	uint64_t term, call, seen;
	OwnerBegin begin;
	const char *arms, *disarms; /* NULL: none */
	Status expected, peeked; /* what the call is answered, and what its caller would hear by a peek after it */
	const char *then;           /* what is armed after it, by name */
} Case;

static const Case cases[] = {
	{ "nothing is there to go on with", "one", 1, 1, 0, BEGIN_NOT, "a", NULL, STATUS_LOST, STATUS_LOST, "" },
	{ "a beginning", "one", 1, 2, 0, BEGIN_AGAIN, "a", NULL, STATUS_OK, STATUS_OK, "a" },
	{ "the next call", "one", 1, 3, 2, BEGIN_NOT, "b", NULL, STATUS_OK, STATUS_OK, "a b" },
	{ "a call whose predecessor's answer was not seen", "one", 1, 5, 2, BEGIN_NOT, "c", "a", STATUS_OK, STATUS_OK, "b c" },
	{ "that predecessor, late", "one", 1, 4, 2, BEGIN_NOT, "a", "b", STATUS_LATE, STATUS_OK, "b c" },
	{ "the same call again", "one", 1, 5, 2, BEGIN_NOT, "d", NULL, STATUS_LATE, STATUS_OK, "b c" },
	{ "a beginning, late", "one", 1, 1, 0, BEGIN_AGAIN, "d", NULL, STATUS_LATE, STATUS_OK, "b c" },
	{ "what was seen answered is not there", "one", 1, 8, 7, BEGIN_NOT, "d", NULL, STATUS_LOST, STATUS_LOST, "b c" },
	{ "another process in the same term", "two", 1, 9, 5, BEGIN_NOT, "d", NULL, STATUS_LOST, STATUS_LOST, "b c" },
	{ "a new beginning drops what was there", "one", 1, 10, 0, BEGIN_AGAIN, "e", NULL, STATUS_OK, STATUS_OK, "e" },
	{ "the successor", "two", 2, 1, 0, BEGIN_AGAIN, "f", NULL, STATUS_OK, STATUS_OK, "f" },
	{ "the deposed one arms", "one", 1, 11, 10, BEGIN_NOT, "g", NULL, STATUS_FENCED, STATUS_FENCED, "f" },
	{ "the deposed one disarms", "one", 1, 12, 10, BEGIN_NOT, NULL, "f", STATUS_FENCED, STATUS_FENCED, "f" },
	{ "the deposed one begins anew", "one", 1, 13, 0, BEGIN_AGAIN, "g", NULL, STATUS_FENCED, STATUS_FENCED, "f" },
	{ "a greater term without a beginning", "one", 3, 14, 0, BEGIN_NOT, "g", NULL, STATUS_LOST, STATUS_LOST, "f" },
	{ "the first one is the owner again", "one", 3, 15, 0, BEGIN_AGAIN, "h", NULL, STATUS_OK, STATUS_OK, "h" },
	{ "terms are compared as numbers", "one", 10, 16, 0, BEGIN_AGAIN, "i", NULL, STATUS_OK, STATUS_OK, "i" },
	{ "and 9 is less than 10", "two", 9, 17, 0, BEGIN_AGAIN, "j", NULL, STATUS_FENCED, STATUS_FENCED, "i" },
	{ "the owner by its ledger begins over a greater term", "two", 9, 18, 0, BEGIN_OVER, "j", NULL, STATUS_OK, STATUS_OK, "j" },
	{ "and goes on", "two", 9, 19, 18, BEGIN_NOT, "m", NULL, STATUS_OK, STATUS_OK, "j m" },
	{ "that one's next call", "one", 10, 17, 16, BEGIN_NOT, "i", NULL, STATUS_LOST, STATUS_LOST, "j m" },
	{ "a long life", "one", (1ULL << 53) - 1, (1ULL << 53) - 2, 0, BEGIN_AGAIN, "k", NULL, STATUS_OK, STATUS_OK, "k" },
	{ "and on", "one", (1ULL << 53) - 1, (1ULL << 53) - 1, (1ULL << 53) - 2, BEGIN_NOT, "l", NULL, STATUS_OK, STATUS_OK,
	  "k l" },
};

static int setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	*state = edge;
	if (!redis_server_installed())
		return 0;
	scratch_make(&edge->scratch);
	redis_server_init(&edge->server, edge->scratch.directory);
	redis_server_start(&edge->server, NULL);
	script_init(&edge->script);
	RedisClientOptions options = { .url = edge->server.url, .timeout_ms = 5000 };
	return result_failed(redis_client_open(&options, &edge->client)) ||
	       result_failed(script_load(&edge->script, edge->client, "{tocsin}:"));
}

static int teardown(void **state)
{
	Edge *edge = *state;
	redis_client_close(edge->client);
	if (edge->server.pid != 0) {
		script_release(&edge->script);
		redis_server_end(&edge->server, SIGKILL);
		scratch_remove(&edge->scratch);
	}
	free(edge);
	return 0;
}

static void change(RedisTimer *changes, size_t *count, const char *id, Instant due_at)
{
	if (id == NULL)
		return;
	changes[*count].due_at = due_at;
	changes[*count].id_size = strlen(id);
	memcpy(changes[(*count)++].id, id, strlen(id));
}

static RedisAnswer answer_of(Edge *edge)
{
	RedisAnswer answer;
	Result result = redis_client_answer(edge->client, &answer);
	assert_string_equal(result.text, "");
	return answer;
}

static void assert_armed(Edge *edge, const Case *one)
{
	const Slice words[] = { SLICE("ZRANGE"), SLICE("{tocsin}:n/0:show"), SLICE("0"), SLICE("-1") };
	char armed[64] = "";
	redis_client_ask(edge->client, words, 4);
	RedisAnswer answer = answer_of(edge);
	for (size_t i = 0; i < answer.count; i++)
		snprintf(armed + strlen(armed), sizeof armed - strlen(armed), "%s%.*s", i == 0 ? "" : " ",
			 (int)answer.values[i].text.size, answer.values[i].text.data);
	if (strcmp(armed, one->then) != 0)
		fail_msg("%s: \"%s\" is armed, not \"%s\"", one->what, armed, one->then);
}

static void case_run(Edge *edge, const Case *one)
{
	RedisTimer changes[2];
	RedisTimers timers = { .prefix = "{tocsin}:" };
	RedisOwner owner = { .name = "n/0", .term = one->term, .seen = one->seen, .begin = one->begin, .queue = changes };
	RedisOwner *owners = &owner;
	Status status;
	Instant now, next;
	snprintf(timers.process, sizeof timers.process, "%s", one->process);
	change(changes, &owner.queue_count, one->arms, 1);
	change(changes, &owner.queue_count, one->disarms, INSTANT_NONE);
	/* Whatever it does: what it is not allowed to change it must not show either. */
	owner.ask.phase = ASK_WANTED;
	owner.ask.max = one->expected == STATUS_OK ? 0 : 9;
	owner.ask.lease_ms = 1;
	script_step(&edge->script, edge->client, &timers, &owner, one->call);
	RedisAnswer answer = answer_of(edge);
	assert_true(step_read(&answer, &status, &now, &next));
	if (status != one->expected || answer.count != 3)
		fail_msg("%s: answered %d", one->what, (int)status);
	if (status == STATUS_OK)
		assert_int_equal(next, 1);
	script_peek(&edge->script, edge->client, &timers, &owners, 1);
	answer = answer_of(edge);
	assert_true(peek_now(&answer, 1, &now) && peek_read(&answer, 0, &status, &next));
	if (status != one->peeked)
		fail_msg("%s: peeked %d", one->what, (int)status);
	assert_armed(edge, one);
}

static void each_call_changes_what_it_may(void **state)
{
	Edge *edge = *state;
	if (edge->client == NULL)
		skip(); /* no Redis here */
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		case_run(edge, &cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_call_changes_what_it_may, setup, teardown),
	};
	return cmocka_run_group_tests_name("timers_redis_script", tests, NULL, NULL);
}
