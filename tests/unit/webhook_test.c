#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/outbound/outbound.h"
#include "shared/io/outbound/webhook.h"

#include <string.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"

static bool sign(const char *secrets, Slice body, Buffer *out)
{
	buffer_init(out, 4096);
	return webhook_sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, out);
}

/* The test vector of the Standard Webhooks reference libraries. */
static void the_published_vector_is_reproduced(void **state)
{
	Buffer signature;

	(void)state;
	assert_true(sign(SECRET, SLICE("{\"test\": 2432232314}"), &signature));
	assert_string_equal(signature.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
	buffer_release(&signature);
}

static void every_part_changes_the_signature(void **state)
{
	Buffer one, other;

	(void)state;
	assert_true(sign(SECRET, SLICE("{}"), &one));
	assert_true(sign(SECRET, SLICE("{ }"), &other));
	assert_string_not_equal(one.data, other.data);
	buffer_clear(&other);
	assert_true(webhook_sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265331, SLICE("{}"), &other));
	assert_string_not_equal(one.data, other.data);
	buffer_clear(&other);
	assert_true(webhook_sign(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJel", 1614265330, SLICE("{}"), &other));
	assert_string_not_equal(one.data, other.data);
	buffer_release(&one);
	buffer_release(&other);
}

static void two_secrets_give_two_signatures(void **state)
{
	Buffer both, first, second;

	(void)state;
	assert_true(sign(SECRET " " OTHER, SLICE("{}"), &both));
	assert_true(sign(SECRET, SLICE("{}"), &first));
	assert_true(sign(OTHER, SLICE("{}"), &second));
	buffer_byte(&first, ' ');
	buffer_append(&first, buffer_slice(&second));
	assert_string_equal(both.data, first.data);
	buffer_release(&both);
	buffer_release(&first);
	buffer_release(&second);
}

static void an_invalid_secret_signs_nothing(void **state)
{
	static const char *const secrets[] = { "",
					       " ",
					       "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
					       "whsec_",
					       "whsec_###",
					       "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
					       SECRET " x",
					       SECRET " " SECRET " " SECRET " " SECRET " " SECRET };

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		Buffer signature;
		if (sign(secrets[i], SLICE("{}"), &signature))
			fail_msg("'%s' signed", secrets[i]);
		buffer_release(&signature);
	}
}

static void a_signature_that_does_not_fit_fails(void **state)
{
	Buffer small;

	(void)state;
	buffer_init(&small, 20);
	assert_false(webhook_sign(SECRET, "msg_1", 1, SLICE("{}"), &small));
	buffer_release(&small);
}

static void statuses_map_to_outcomes(void **state)
{
	static const struct {
		unsigned status;
		int outcome;
	} cases[] = {
		{ 200, OUTCOME_SENT },    { 202, OUTCOME_SENT }, { 204, OUTCOME_SENT }, { 299, OUTCOME_SENT },
		{ 301, OUTCOME_RETRY },   { 302, OUTCOME_RETRY }, { 304, OUTCOME_RETRY }, { 400, OUTCOME_RETRY },
		{ 401, OUTCOME_RETRY },   { 404, OUTCOME_RETRY }, { 408, OUTCOME_RETRY }, { 409, OUTCOME_RETRY },
		{ 410, OUTCOME_REFUSED }, { 413, OUTCOME_RETRY }, { 429, OUTCOME_RETRY }, { 500, OUTCOME_RETRY },
		{ 503, OUTCOME_RETRY },   { 599, OUTCOME_RETRY }, { 100, OUTCOME_RETRY }, { 300, OUTCOME_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (webhook_outcome(cases[i].status) != cases[i].outcome)
			fail_msg("%u", cases[i].status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_published_vector_is_reproduced),
		cmocka_unit_test(every_part_changes_the_signature),
		cmocka_unit_test(two_secrets_give_two_signatures),
		cmocka_unit_test(an_invalid_secret_signs_nothing),
		cmocka_unit_test(a_signature_that_does_not_fit_fails),
		cmocka_unit_test(statuses_map_to_outcomes),
	};
	return cmocka_run_group_tests_name("webhook", tests, NULL, NULL);
}
