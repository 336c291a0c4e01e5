#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/gateway/idempotency.h"
#include "services/gateway/waiting.h"

#include <stdio.h>
#include <string.h>

/* A distinct address for each number. There is no request at this address, because the table does not dereference its requests. */
static HttpRequest *request_at(size_t number)
{
	static char requests[WAITING_MAX + 8];
	return (HttpRequest *)(void *)&requests[number];
}

static Wait wait_of(const char *name, const char *fingerprint, size_t number)
{
	Wait wait = { .command = id_of_pair(ID_COMMAND_OF_REQUEST, slice_of(name), SLICE_NONE),
		      .request = request_at(number),
		      .deadline_ms = 1000,
		      .doubt_ms = 6000,
		      .durable = true };
	strcpy(wait.incident, "inc_x");
	strcpy(wait.fingerprint, fingerprint);
	return wait;
}

static Ticket add(Waiting *waiting, const Wait *wait)
{
	Ticket ticket;
	assert_int_equal(waiting_add(waiting, wait, &ticket), WAITING_ADDED);
	return ticket;
}

static void a_request_is_taken_once(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait wait = wait_of("a", "f", 1);
	Ticket ticket = add(waiting, &wait);
	assert_ptr_equal(waiting_take_command(waiting, id_slice(&wait.command)), request_at(1));
	assert_null(waiting_take(waiting, ticket));
	assert_null(waiting_take_command(waiting, id_slice(&wait.command)));
	assert_int_equal(waiting_count(waiting), 0);
	waiting_free(waiting);
}

static void an_old_ticket_is_invalid_for_the_next_request_of_its_row(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait first = wait_of("a", "f", 1), second = wait_of("b", "f", 2);
	Ticket old = add(waiting, &first);
	assert_ptr_equal(waiting_take(waiting, old), request_at(1));
	Ticket new = add(waiting, &second);
	assert_null(waiting_take(waiting, old));
	assert_ptr_equal(waiting_take(waiting, new), request_at(2));
	waiting_free(waiting);
}

static void two_requests_may_wait_for_one_command(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait first = wait_of("a", "f", 1), second = wait_of("a", "f", 2), other = wait_of("a", "g", 3);
	Ticket ticket;
	add(waiting, &first);
	add(waiting, &second);
	assert_int_equal(waiting_add(waiting, &other, &ticket), WAITING_MISMATCH);
	assert_non_null(waiting_take_command(waiting, id_slice(&first.command)));
	assert_non_null(waiting_take_command(waiting, id_slice(&first.command)));
	assert_null(waiting_take_command(waiting, id_slice(&first.command)));
	waiting_free(waiting);
}

static void an_expired_request_is_taken_once_and_its_command_stays_known(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait early = wait_of("a", "f", 1), late = wait_of("b", "f", 2);
	Expired expired;
	char incident[ID_SIZE];
	late.deadline_ms = 2000;
	add(waiting, &early);
	Ticket ticket = add(waiting, &late);
	assert_null(waiting_expire(waiting, 999, false, &expired));
	assert_int_equal(expired.next_ms, 1000);
	assert_ptr_equal(waiting_expire(waiting, 1000, false, &expired), request_at(1));
	assert_string_equal(expired.command.text, early.command.text);
	assert_null(waiting_expire(waiting, 1000, false, &expired));
	assert_int_equal(expired.next_ms, 2000);
	assert_true(waiting_knows(waiting, id_slice(&early.command), incident));
	assert_string_equal(incident, "inc_x");
	assert_null(waiting_take_command(waiting, id_slice(&early.command)));
	assert_false(waiting_knows(waiting, id_slice(&early.command), incident));
	assert_ptr_equal(waiting_take(waiting, ticket), request_at(2));
	waiting_free(waiting);
}

static void a_command_is_pending_only_when_it_is_durable(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait wait = wait_of("a", "f", 1);
	Expired expired;
	wait.durable = false;
	Ticket ticket = add(waiting, &wait);
	assert_null(waiting_expire(waiting, 5000, false, &expired));
	assert_ptr_equal(waiting_durable(waiting, ticket, 5000), request_at(1));
	assert_null(waiting_durable(waiting, ticket, 5000));
	waiting_free(waiting);
}

static void a_command_not_durable_in_time_is_in_doubt_and_forgotten(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait wait = wait_of("a", "f", 1);
	Expired expired;
	char incident[ID_SIZE];
	wait.durable = false;
	Ticket ticket = add(waiting, &wait);
	assert_null(waiting_expire(waiting, 5999, false, &expired));
	assert_int_equal(expired.next_ms, 6000);
	assert_ptr_equal(waiting_expire(waiting, 6000, false, &expired), request_at(1));
	assert_false(expired.durable);
	assert_false(waiting_knows(waiting, id_slice(&wait.command), incident));
	assert_null(waiting_durable(waiting, ticket, 6001));
	waiting_free(waiting);
}

static void draining_expires_only_durable_commands(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait durable = wait_of("a", "f", 1), doubtful = wait_of("b", "f", 2);
	Expired expired;
	doubtful.durable = false;
	add(waiting, &durable);
	Ticket ticket = add(waiting, &doubtful);
	assert_ptr_equal(waiting_expire(waiting, 0, true, &expired), request_at(1));
	assert_true(expired.durable);
	assert_null(waiting_expire(waiting, 0, true, &expired));
	assert_ptr_equal(waiting_take(waiting, ticket), request_at(2));
	waiting_free(waiting);
}

static void a_command_durable_in_time_keeps_waiting(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait wait = wait_of("a", "f", 1);
	Expired expired;
	wait.durable = false;
	Ticket ticket = add(waiting, &wait);
	assert_null(waiting_durable(waiting, ticket, 10));
	assert_ptr_equal(waiting_expire(waiting, 1000, false, &expired), request_at(1));
	waiting_free(waiting);
}

static void fill(Waiting *waiting)
{
	char name[32];
	Ticket ticket;
	for (size_t i = 0; i < WAITING_MAX; i++) {
		snprintf(name, sizeof name, "%zu", i);
		Wait wait = wait_of(name, "f", i);
		assert_int_equal(waiting_add(waiting, &wait, &ticket), WAITING_ADDED);
	}
}

static void a_full_table_reuses_rows_without_a_request(void **state)
{
	(void)state;
	Waiting *waiting = waiting_new();
	Wait more = wait_of("more", "f", WAITING_MAX);
	Ticket ticket;
	Expired expired;
	fill(waiting);
	assert_int_equal(waiting_add(waiting, &more, &ticket), WAITING_FULL);
	assert_non_null(waiting_expire(waiting, 1000, false, &expired));
	assert_int_equal(waiting_add(waiting, &more, &ticket), WAITING_ADDED);
	assert_int_equal(waiting_count(waiting), WAITING_MAX);
	while (waiting_expire(waiting, 1000, false, &expired))
		continue;
	waiting_free(waiting);
}

static void a_key_used_for_two_bodies_is_refused(void **state)
{
	(void)state;
	IdempotencyCache *repeats = idempotency_cache_new();
	Digest one = DIGEST(SLICE("one")), other = DIGEST(SLICE("other"));
	assert_true(idempotency_matches(repeats, &one, SLICE("{}")));
	assert_true(idempotency_matches(repeats, &one, SLICE("{}")));
	assert_false(idempotency_matches(repeats, &one, SLICE("{ }")));
	assert_true(idempotency_matches(repeats, &other, SLICE("{ }")));
	idempotency_cache_free(repeats);
}

static void a_key_is_forgotten_after_the_next_generation(void **state)
{
	enum { GENERATION = 49152 };
	char name[32];
	(void)state;
	IdempotencyCache *repeats = idempotency_cache_new();
	Digest first = DIGEST(SLICE("first"));
	assert_true(idempotency_matches(repeats, &first, SLICE("a")));
	for (int i = 0; i < 3 * GENERATION; i++) {
		snprintf(name, sizeof name, "%d", i);
		Digest request = DIGEST(slice_of(name));
		assert_true(idempotency_matches(repeats, &request, SLICE("a")));
		if (i == GENERATION)
			assert_false(idempotency_matches(repeats, &first, SLICE("b")));
	}
	assert_true(idempotency_matches(repeats, &first, SLICE("b")));
	idempotency_cache_free(repeats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_taken_once),
		cmocka_unit_test(an_old_ticket_is_invalid_for_the_next_request_of_its_row),
		cmocka_unit_test(two_requests_may_wait_for_one_command),
		cmocka_unit_test(an_expired_request_is_taken_once_and_its_command_stays_known),
		cmocka_unit_test(a_command_is_pending_only_when_it_is_durable),
		cmocka_unit_test(a_command_not_durable_in_time_is_in_doubt_and_forgotten),
		cmocka_unit_test(draining_expires_only_durable_commands),
		cmocka_unit_test(a_command_durable_in_time_keeps_waiting),
		cmocka_unit_test(a_full_table_reuses_rows_without_a_request),
		cmocka_unit_test(a_key_used_for_two_bodies_is_refused),
		cmocka_unit_test(a_key_is_forgotten_after_the_next_generation),
	};
	return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}
