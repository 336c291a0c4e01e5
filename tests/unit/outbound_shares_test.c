#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/outbound/shares.h"

#include <stdio.h>
#include <string.h>

/* ---- a fake Outbound: outcomes arrive when the test adds them */

enum { OUTCOMES_MAX = 8 };

static struct {
	bool full;
	size_t sent, outcomes;
	OutboundOutcome queue[OUTCOMES_MAX];
	void (*wake)(void *context);
	void *context;
} fake;

static Result fake_send(Outbound *outbound, const OutboundRequest *request)
{
	(void)outbound, (void)request;
	if (fake.full)
		return result_fail(ERROR_AGAIN, "full");
	fake.sent++;
	return result_ok();
}

static bool fake_outcome(Outbound *outbound, OutboundOutcome *out)
{
	(void)outbound;
	if (fake.outcomes == 0)
		return false;
	*out = fake.queue[--fake.outcomes];
	return true;
}

static void fake_notify(Outbound *outbound, void (*wake)(void *context), void *context)
{
	(void)outbound;
	fake.wake = wake;
	fake.context = context;
}

static const OutboundOperations operations = { fake_send, fake_outcome, fake_notify, NULL };
static Outbound outbound = { &operations };

static void outcome_add(const char *key)
{
	assert_true(fake.outcomes < OUTCOMES_MAX);
	OutboundOutcome *outcome = &fake.queue[fake.outcomes++];
	*outcome = (OutboundOutcome){ .attempt = 1 };
	assert_true(text_copy(slice_of(key), outcome->key, sizeof outcome->key));
	if (fake.wake)
		fake.wake(fake.context);
}

static OutboundShares *shares;
static Outbound *one, *other;

static int make(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof fake);
	shares = outbound_shares_new(&outbound, 2);
	one = outbound_share(shares, 0);
	other = outbound_share(shares, 1);
	return 0;
}

static int drop(void **state)
{
	(void)state;
	outbound_shares_free(shares);
	assert_null(fake.wake);
	return 0;
}

static Result send_key(Outbound *share, const char *key)
{
	return share->operations->send(share, &(OutboundRequest){ .key = key, .attempt = 1 });
}

static void assert_outcome(Outbound *share, const char *key)
{
	OutboundOutcome outcome;
	assert_true(share->operations->outcome(share, &outcome));
	assert_string_equal(outcome.key, key);
}

static void assert_none(Outbound *share)
{
	OutboundOutcome outcome;
	assert_false(share->operations->outcome(share, &outcome));
}

/* ---- tests */

static void each_share_gets_the_outcomes_of_its_own_requests_in_any_order(void **state)
{
	(void)state;
	assert_false(result_failed(send_key(one, "a")));
	assert_false(result_failed(send_key(other, "b")));
	assert_false(result_failed(send_key(one, "c")));
	outcome_add("a");
	outcome_add("b");
	outcome_add("c");
	assert_outcome(other, "b");
	assert_none(other);
	assert_outcome(one, "a");
	assert_outcome(one, "c");
	assert_none(one);
}

static void a_repeated_attempt_is_a_new_request(void **state)
{
	(void)state;
	for (int attempt = 0; attempt < 3; attempt++) {
		assert_false(result_failed(send_key(one, "a")));
		outcome_add("a");
		assert_none(other);
		assert_outcome(one, "a");
	}
	assert_none(one);
}

static void an_outcome_of_no_request_goes_to_no_share(void **state)
{
	(void)state;
	outcome_add("x");
	assert_none(one);
	assert_none(other);
	fake.full = true;
	assert_int_equal(send_key(one, "a").kind, ERROR_AGAIN);
	outcome_add("a");
	assert_none(one);
}

static void count_up(void *context)
{
	++*(unsigned *)context;
}

static void every_share_is_woken_until_it_cancels(void **state)
{
	(void)state;
	unsigned first = 0, second = 0;
	one->operations->notify(one, count_up, &first);
	other->operations->notify(other, count_up, &second);
	outcome_add("a");
	other->operations->notify(other, NULL, NULL);
	outcome_add("b");
	assert_int_equal(first, 2);
	assert_int_equal(second, 1);
}

#define SHARES_TEST(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARES_TEST(each_share_gets_the_outcomes_of_its_own_requests_in_any_order),
		SHARES_TEST(a_repeated_attempt_is_a_new_request),
		SHARES_TEST(an_outcome_of_no_request_goes_to_no_share),
		SHARES_TEST(every_share_is_woken_until_it_cancels),
	};
	return cmocka_run_group_tests_name("outbound_shares", tests, NULL, NULL);
}
