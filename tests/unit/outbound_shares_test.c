#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/outbound/shares.h"

#include <stdio.h>
#include <string.h>

/* ---- the outside: keeps keys until the test lets their outcomes come */

enum { MESSAGES = 8 };

static struct {
	bool full;
	size_t sent, outcomes;
	OutboundOutcome queue[MESSAGES];
	void (*wake)(void *context);
	void *context;
} world;

static Result fake_send(Outbound *outside, const OutboundRequest *message)
{
	(void)outside, (void)message;
	if (world.full)
		return result_fail(ERROR_AGAIN, "full");
	world.sent++;
	return result_ok();
}

static bool fake_outcome(Outbound *outside, OutboundOutcome *out)
{
	(void)outside;
	if (world.outcomes == 0)
		return false;
	*out = world.queue[--world.outcomes];
	return true;
}

static void fake_notify(Outbound *outside, void (*wake)(void *context), void *context)
{
	(void)outside;
	world.wake = wake;
	world.context = context;
}

static const OutboundOperations operations = { fake_send, fake_outcome, fake_notify, NULL };
static Outbound outside = { &operations };

static void outcome_comes(const char *key)
{
	assert_true(world.outcomes < MESSAGES);
	OutboundOutcome *outcome = &world.queue[world.outcomes++];
	*outcome = (OutboundOutcome){ .attempt = 1 };
	assert_true(text_copy(slice_of(key), outcome->key, sizeof outcome->key));
	if (world.wake)
		world.wake(world.context);
}

static OutboundShares *parts;
static Outbound *one, *other;

static int make(void **state)
{
	(void)state;
	memset(&world, 0, sizeof world);
	parts = outbound_shares_new(&outside, 2);
	one = outbound_share(parts, 0);
	other = outbound_share(parts, 1);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	outbound_shares_free(parts);
	assert_null(world.wake);
	return 0;
}

static Result send_key(Outbound *part, const char *key)
{
	return part->operations->send(part, &(OutboundRequest){ .key = key, .attempt = 1 });
}

static void assert_outcome(Outbound *part, const char *key)
{
	OutboundOutcome outcome;
	assert_true(part->operations->outcome(part, &outcome));
	assert_string_equal(outcome.key, key);
}

static void assert_none(Outbound *part)
{
	OutboundOutcome outcome;
	assert_false(part->operations->outcome(part, &outcome));
}

/* ---- tests */

static void each_part_gets_the_outcomes_of_what_it_sent_whoever_asks_first(void **state)
{
	(void)state;
	assert_false(result_failed(send_key(one, "a")));
	assert_false(result_failed(send_key(other, "b")));
	assert_false(result_failed(send_key(one, "c")));
	outcome_comes("a");
	outcome_comes("b");
	outcome_comes("c");
	assert_outcome(other, "b");
	assert_none(other);
	assert_outcome(one, "a");
	assert_outcome(one, "c");
	assert_none(one);
}

static void an_attempt_again_is_another_message(void **state)
{
	(void)state;
	for (int attempt = 0; attempt < 3; attempt++) {
		assert_false(result_failed(send_key(one, "a")));
		outcome_comes("a");
		assert_none(other);
		assert_outcome(one, "a");
	}
	assert_none(one);
}

static void what_was_never_sent_by_a_part_is_nobodys(void **state)
{
	(void)state;
	outcome_comes("x");
	assert_none(one);
	assert_none(other);
	world.full = true;
	assert_int_equal(send_key(one, "a").kind, ERROR_AGAIN);
	outcome_comes("a");
	assert_none(one);
}

static void count_up(void *context)
{
	++*(unsigned *)context;
}

static void every_part_is_woken_until_it_asks_for_it_no_more(void **state)
{
	(void)state;
	unsigned first = 0, second = 0;
	one->operations->notify(one, count_up, &first);
	other->operations->notify(other, count_up, &second);
	outcome_comes("a");
	other->operations->notify(other, NULL, NULL);
	outcome_comes("b");
	assert_int_equal(first, 2);
	assert_int_equal(second, 1);
}

#define PARTS_TEST(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PARTS_TEST(each_part_gets_the_outcomes_of_what_it_sent_whoever_asks_first),
		PARTS_TEST(an_attempt_again_is_another_message),
		PARTS_TEST(what_was_never_sent_by_a_part_is_nobodys),
		PARTS_TEST(every_part_is_woken_until_it_asks_for_it_no_more),
	};
	return cmocka_run_group_tests_name("outside_parts", tests, NULL, NULL);
}
