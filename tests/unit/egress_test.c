#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/outbound/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

static EgressRules rules_of(const char *list)
{
	EgressRules rules;

	memset(&rules, 0x5a, sizeof(rules));
	Result result = egress_parse(list, &rules);
	if (result_failed(result))
		fail_msg("'%s': %s", list, result.text);
	return rules;
}

static struct sockaddr_storage address_of(const char *text)
{
	struct sockaddr_storage storage = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;

	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		storage.ss_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
		storage.ss_family = AF_INET6;
	}
	return storage;
}

static bool allowed(const char *list, const char *address)
{
	EgressRules rules = rules_of(list);
	struct sockaddr_storage storage = address_of(address);

	return egress_allowed(&rules, (struct sockaddr *)&storage);
}

static bool listed(const char *list, const char *address)
{
	EgressRules rules = rules_of(list);
	struct sockaddr_storage storage = address_of(address);

	return egress_listed(&rules, (struct sockaddr *)&storage);
}

static void public_addresses_are_allowed(void **state)
{
	static const char *const addresses[] = {
		"1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255", "100.128.0.0",
		"126.255.255.255", "128.0.0.0",       "169.253.255.255", "169.255.0.0",    "172.15.255.255",
		"172.32.0.0",      "191.255.255.255", "192.0.1.0",       "192.0.3.0",      "192.167.255.255",
		"192.169.0.0",     "198.17.255.255",  "198.20.0.0",      "203.0.112.255",  "203.0.114.0",
		"223.255.255.255", "2400:cb00::1",    "2001:200::1",     "2600::1",        "2001:db7:ffff::1",
		"2003::1",         "3ffe::1",         "::ffff:1.1.1.1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (!allowed(NULL, addresses[i]))
			fail_msg("%s was denied", addresses[i]);
}

static void addresses_that_are_not_public_are_denied(void **state)
{
	static const char *const addresses[] = {
		"0.0.0.0",
		"0.255.255.255",
		"10.0.0.1",
		"10.255.255.255",
		"100.64.0.0",
		"100.127.255.255",
		"127.0.0.1",
		"127.255.255.255",
		"169.254.169.254",
		"172.16.0.0",
		"172.31.255.255",
		"192.0.0.1",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.0.1",
		"192.168.255.255",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.7",
		"203.0.113.7",
		"224.0.0.1",
		"239.255.255.255",
		"240.0.0.1",
		"255.255.255.255",
		"::",
		"::1",
		"::7f00:1",
		"::ffff:127.0.0.1",
		"::ffff:169.254.169.254",
		"::ffff:10.0.0.1",
		"64:ff9b::7f00:1",
		"64:ff9b:1::1",
		"100::1",
		"2001::1",
		"2001:0:1::1",
		"2001:1ff::1",
		"2001:db8::1",
		"2002:7f00:1::1",
		"3fff::1",
		"4000::1",
		"5f00::1",
		"fc00::1",
		"fd00::1",
		"fe80::1",
		"fec0::1",
		"ff02::1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
		if (allowed(NULL, addresses[i]))
			fail_msg("%s was allowed", addresses[i]);
}

static void the_list_of_the_operator_takes_precedence(void **state)
{
	(void)state;
	assert_true(allowed("10.1.0.0/16", "10.1.255.255"));
	assert_false(allowed("10.1.0.0/16", "10.2.0.0"));
	assert_true(allowed("10.0.0.0/8, 127.0.0.1 fd00:1::/32", "127.0.0.1"));
	assert_false(allowed("10.0.0.0/8, 127.0.0.1 fd00:1::/32", "127.0.0.2"));
	assert_true(allowed("10.0.0.0/8, 127.0.0.1 fd00:1::/32", "fd00:1:2::3"));
	assert_false(allowed("10.0.0.0/8, 127.0.0.1 fd00:1::/32", "fd00:2::3"));
	assert_true(allowed("::1", "::1"));
	assert_true(allowed("0.0.0.0/0", "10.0.0.1"));
	assert_false(allowed("0.0.0.0/0", "fd00::1"));
	assert_true(allowed("100.64.0.0/11", "100.95.255.255"));
	assert_false(allowed("100.64.0.0/11", "100.96.0.0"));
}

static void both_spellings_of_an_address_are_equal(void **state)
{
	(void)state;
	assert_true(allowed("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_true(allowed("::ffff:10.0.0.0/104", "10.1.2.3"));
}

static void only_listed_addresses_are_listed(void **state)
{
	(void)state;
	assert_false(listed(NULL, "1.1.1.1"));
	assert_true(listed("1.1.1.0/24", "1.1.1.1"));
	assert_true(listed(" , 10.0.0.0/8 ,", "10.9.9.9"));
}

static void an_unknown_address_family_is_denied(void **state)
{
	EgressRules rules = rules_of("0.0.0.0/0 ::/0");
	struct sockaddr_un local = { .sun_family = AF_UNIX };

	(void)state;
	assert_false(egress_allowed(&rules, (struct sockaddr *)&local));
	assert_false(egress_listed(&rules, (struct sockaddr *)&local));
}

static void an_invalid_list_is_refused(void **state)
{
	static const char *const lists[] = {
		"10.0.0.0/33",          "10.0.0.0/-1", "10.0.0.0/",   "10.0.0.0/x",   "10.0.0/8",
		"10.1.0.0/8",           "::1/129",     "fd00::1/64",  "host.example", "/8",
		"10.0.0.0/8;127.0.0.1", "1.1.1.1 2",   "010.0.0.0/8", "10.0.0.0/8/8"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		EgressRules rules = { .count = 7 };
		Result result = egress_parse(lists[i], &rules);
		if (result.kind != ERROR_INPUT || rules.count != 7)
			fail_msg("'%s' was accepted", lists[i]);
	}
}

static void a_list_is_bounded(void **state)
{
	char list[EGRESS_NETS_MAX * 8 + 16] = "";
	EgressRules rules;

	(void)state;
	for (int i = 0; i < EGRESS_NETS_MAX; i++)
		strcat(list, "1.1.1.1 ");
	assert_int_equal(egress_parse(list, &rules).kind, ERROR_NONE);
	assert_int_equal(rules.count, EGRESS_NETS_MAX);
	strcat(list, "1.1.1.1");
	assert_int_equal(egress_parse(list, &rules).kind, ERROR_INPUT);
}

static void a_url_that_no_call_can_reach_is_refused(void **state)
{
	static const struct {
		const char *list, *url;
		bool usable;
	} rows[] = {
		{ NULL, "https://hooks.example.org/a?token=b", true },
		{ NULL, "https://8.8.8.8:8443/", true },
		{ NULL, "http://hooks.example.org/", false },
		{ "10.0.0.0/8", "http://hooks.example.org/", true }, /* decided when the name is resolved */
		{ "10.0.0.0/8", "http://10.1.2.3:9000/", true },
		{ "10.0.0.0/8", "http://8.8.8.8/", false },
		{ NULL, "https://10.1.2.3/", false },
		{ "10.0.0.0/8", "https://10.1.2.3/", true },
		{ NULL, "https://localhost:9000/", false },
		{ "127.0.0.0/8", "http://LOCALHOST:9000/", true },
		{ "::1", "http://localhost/", true },
		{ "10.0.0.0/8", "http://localhost/", false },
		{ NULL, "https://127.1/", false },
		{ NULL, "https://2130706433/", false },
		{ NULL, "https://[::1]/", false },
		{ NULL, "https://[::ffff:192.168.0.1]/", false },
		{ "fd00::/8", "HTTP://user:word@[fd00::1]:80/", true },
		{ NULL, "https://a-name-of-more-than-forty-six-characters.example.org/", true },
		{ "0.0.0.0/0", "ftp://8.8.8.8/", false },
		{ "0.0.0.0/0", "hooks.example.org", false },
		{ "0.0.0.0/0", "http://", false },
		{ "0.0.0.0/0", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EgressRules rules = rules_of(rows[i].list);
		Result result = egress_url(&rules, rows[i].url);
		if (result_failed(result) == rows[i].usable)
			fail_msg("%s with '%s': %s", rows[i].url, rows[i].list ? rows[i].list : "", result.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(public_addresses_are_allowed),
		cmocka_unit_test(addresses_that_are_not_public_are_denied),
		cmocka_unit_test(the_list_of_the_operator_takes_precedence),
		cmocka_unit_test(both_spellings_of_an_address_are_equal),
		cmocka_unit_test(only_listed_addresses_are_listed),
		cmocka_unit_test(an_unknown_address_family_is_denied),
		cmocka_unit_test(an_invalid_list_is_refused),
		cmocka_unit_test(a_list_is_bounded),
		cmocka_unit_test(a_url_that_no_call_can_reach_is_refused),
	};
	return cmocka_run_group_tests_name("egress", tests, NULL, NULL);
}
