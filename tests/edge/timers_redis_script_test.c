/*
 * The script that fences calls to the timers in Redis. The cases are one sequence of calls: from an owner, from a superseded owner,
 * late over an abandoned connection, and after a loss of data.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/redis/timers_script.h"
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
	const char *name;
	const char *process;
	uint64_t term, call, answered;
	StepReset reset;
	const char *arms, *disarms; /* timer ids; NULL: none */
	ScriptStatus expected, peeked; /* the answer to the call, and the answer to a following peek by the same caller */
	const char *then;              /* ids of the timers that are armed after the call */
} Case;

static const Case cases[] = {
	{ "a first call without a reset", "one", 1, 1, 0, RESET_NONE, "a", NULL, STATUS_LOST, STATUS_LOST, "" },
	{ "a reset", "one", 1, 2, 0, RESET_TERM, "a", NULL, STATUS_OK, STATUS_OK, "a" },
	{ "the next call", "one", 1, 3, 2, RESET_NONE, "b", NULL, STATUS_OK, STATUS_OK, "a b" },
	{ "a call after one without an answer", "one", 1, 5, 2, RESET_NONE, "c", "a", STATUS_OK, STATUS_OK, "b c" },
	{ "the one without an answer, late", "one", 1, 4, 2, RESET_NONE, "a", "b", STATUS_LATE, STATUS_OK, "b c" },
	{ "the same call again", "one", 1, 5, 2, RESET_NONE, "d", NULL, STATUS_LATE, STATUS_OK, "b c" },
	{ "a reset, late", "one", 1, 1, 0, RESET_TERM, "d", NULL, STATUS_LATE, STATUS_OK, "b c" },
	{ "the last answered call is missing", "one", 1, 8, 7, RESET_NONE, "d", NULL, STATUS_LOST, STATUS_LOST, "b c" },
	{ "another process in the same term", "two", 1, 9, 5, RESET_NONE, "d", NULL, STATUS_LOST, STATUS_LOST, "b c" },
	{ "a new reset drops all timers", "one", 1, 10, 0, RESET_TERM, "e", NULL, STATUS_OK, STATUS_OK, "e" },
	{ "the successor", "two", 2, 1, 0, RESET_TERM, "f", NULL, STATUS_OK, STATUS_OK, "f" },
	{ "the superseded owner arms", "one", 1, 11, 10, RESET_NONE, "g", NULL, STATUS_FENCED, STATUS_FENCED, "f" },
	{ "the superseded owner disarms", "one", 1, 12, 10, RESET_NONE, NULL, "f", STATUS_FENCED, STATUS_FENCED, "f" },
	{ "the superseded owner resets", "one", 1, 13, 0, RESET_TERM, "g", NULL, STATUS_FENCED, STATUS_FENCED, "f" },
	{ "a greater term without a reset", "one", 3, 14, 0, RESET_NONE, "g", NULL, STATUS_LOST, STATUS_LOST, "f" },
	{ "the first one is the owner again", "one", 3, 15, 0, RESET_TERM, "h", NULL, STATUS_OK, STATUS_OK, "h" },
	{ "terms are compared as numbers", "one", 10, 16, 0, RESET_TERM, "i", NULL, STATUS_OK, STATUS_OK, "i" },
	{ "and 9 is less than 10", "two", 9, 17, 0, RESET_TERM, "j", NULL, STATUS_FENCED, STATUS_FENCED, "i" },
	{ "the owner by its ledger overrides a greater term", "two", 9, 18, 0, RESET_OVERRIDE, "j", NULL, STATUS_OK, STATUS_OK, "j" },
	{ "and continues", "two", 9, 19, 18, RESET_NONE, "m", NULL, STATUS_OK, STATUS_OK, "j m" },
	{ "the next call of the greater term", "one", 10, 17, 16, RESET_NONE, "i", NULL, STATUS_LOST, STATUS_LOST, "j m" },
	{ "the greatest numbers", "one", (1ULL << 53) - 1, (1ULL << 53) - 2, 0, RESET_TERM, "k", NULL, STATUS_OK, STATUS_OK, "k" },
	{ "and the next call", "one", (1ULL << 53) - 1, (1ULL << 53) - 1, (1ULL << 53) - 2, RESET_NONE, "l", NULL, STATUS_OK, STATUS_OK,
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
	script_init(&edge->script, "{tocsin}:", "");
	RedisClientOptions options = { .url = edge->server.url, .timeout_ms = 5000 };
	return result_failed(redis_client_open(&options, &edge->client)) ||
	       result_failed(script_load(&edge->script, edge->client));
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
	Result result = redis_client_receive(edge->client, &answer);
	assert_string_equal(result.text, "");
	return answer;
}

static void assert_armed(Edge *edge, const Case *one)
{
	const Slice words[] = { SLICE("ZRANGE"), SLICE("{tocsin}:n/0:show"), SLICE("0"), SLICE("-1") };
	char armed[64] = "";
	redis_client_send(edge->client, words, 4);
	RedisAnswer answer = answer_of(edge);
	for (size_t i = 0; i < answer.count; i++)
		snprintf(armed + strlen(armed), sizeof armed - strlen(armed), "%s%.*s", i == 0 ? "" : " ",
			 (int)answer.values[i].text.size, answer.values[i].text.data);
	if (strcmp(armed, one->then) != 0)
		fail_msg("%s: \"%s\" is armed, not \"%s\"", one->name, armed, one->then);
}

static void case_run(Edge *edge, const Case *one)
{
	RedisTimer changes[2];
	/* Only calls that must be refused request due timers (max > 0), to check that they are shown none. */
	ScriptStep step = { .owner = "n/0", .term = one->term, .call = one->call, .answered = one->answered, .reset = one->reset,
			    .changes = changes, .max = one->expected == STATUS_OK ? 0 : 9, .lease_ms = 1 };
	ScriptPeek peek = { .owner = "n/0", .term = one->term, .answered = one->answered };
	ScriptStatus status;
	Instant now, next;
	edge->script.process = one->process;
	change(changes, &step.change_count, one->arms, 1);
	change(changes, &step.change_count, one->disarms, INSTANT_NONE);
	script_step(&edge->script, edge->client, &step);
	RedisAnswer answer = answer_of(edge);
	assert_true(step_read(&answer, &status, &now, &next));
	if (status != one->expected || answer.count != 3)
		fail_msg("%s: answered %d", one->name, (int)status);
	if (status == STATUS_OK)
		assert_int_equal(next, 1);
	script_peek(&edge->script, edge->client, &peek, 1);
	answer = answer_of(edge);
	assert_true(peek_now(&answer, 1, &now) && peek_read(&answer, 0, &status, &next));
	if (status != one->peeked)
		fail_msg("%s: peeked %d", one->name, (int)status);
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
