#include "shared/base/id.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const Instant received_at = 1795421730123; /* 2026-11-23T08:15:30.123Z */

/*
 * The expected ids were computed from the rule in id.h with another implementation of SHA-256. Ids are stored, and those without
 * a domain byte are computed again and compared with stored ids, so no later version may compute different ones: after an
 * upgrade, a command would take effect twice, or a person would be notified twice.
 */
static const struct {
	IdKind kind;
	const char *id;
} of_pairs[] = {
	{ ID_RECORD_OF_INPUT, "rec_7hy1bytw7eg3qm9pvtn9bca2ch" },
	{ ID_RECORD_OF_OWNER, "rec_2ytjf3nav5rewkxcavjwjznz5s" },
	{ ID_PROTOCOL_RECORD, "led_qfgeqx5nh5afr4yg9vq687m3k0" },
	{ ID_IMPORTED_PROTOCOL, "led_ytdpqckww087hz8a4a33hq66sz" },
	{ ID_REPEAT_REPORT, "rep_8df41jqkr6ea8rmvm24s7dw183" },
	{ ID_ATTEMPT, "del_bm66fk9e2qp5b33d3dh7v6x1va" },
	{ ID_ESCALATION, "esc_y01ypf66yn45pwa6kxg9hm4et7" },
	{ ID_CHECKPOINT, "chk_x4czpzdk5hasn88p8ztbgyaj68" },
	{ ID_POLICY, "pol_w0aq5ea04x5qn9w52jpdg5mvj1" },
	{ ID_TABLE_ROW, "out_y9cjyp3dhcyhde6qnf2yz83v08" },
	{ ID_CORRELATION_KEY_OF_ID, "671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_JOIN_KEY, "671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_LINK_PART, "671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_COMMAND_OF_REQUEST, "cmd_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_COMMAND_LINK, "cmd_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_COMMAND_CAMPAIGN, "cmd_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_COMMAND_ESCALATED, "cmd_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_KEY_EVENT, "evt_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_JOIN, "jon_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_ASSESSMENT, "asm_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_OUTPUT, "out_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_MESSAGE, "msg_671ez41e7q9f43xnxa87yg0jjp" },
	{ ID_DEAD_LETTER, "dlt_671ez41e7q9f43xnxa87yg0jjp" },
};

static void ids_of_pairs_never_change(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(of_pairs); i++)
		assert_string_equal(id_of_pair(of_pairs[i].kind, SLICE("first"), SLICE("second")).text, of_pairs[i].id);
	/* Each new kind of id needs a row in of_pairs. */
	assert_int_equal(COUNT(of_pairs), ID_TABLE_ROW - ID_NUMBER + ID_KINDS - ID_CORRELATION_KEY_OF_ID);
}

/* Two kinds, one of them with a domain byte, make different ids of the same two parts. */
static void a_domain_byte_separates_the_kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(of_pairs); i++)
		for (size_t j = 0; j < i; j++) {
			Id one = id_of_pair(of_pairs[i].kind, SLICE("first"), SLICE("second"));
			Id other = id_of_pair(of_pairs[j].kind, SLICE("first"), SLICE("second"));
			bool before = of_pairs[i].kind >= ID_BEFORE_DOMAINS && of_pairs[j].kind >= ID_BEFORE_DOMAINS;
			if (!before && memcmp(one.text + 4, other.text + 4, ID_BASE32 - 4) == 0)
				fail_msg("the kinds %d and %d hash the same", of_pairs[i].kind, of_pairs[j].kind);
		}
}

/* A part may contain the separator, and may look like the end of one part and the beginning of the next. */
static void a_part_of_a_kind_with_a_domain_byte_may_contain_any_byte(void **state)
{
	(void)state;
	static const Slice pairs[][2] = {
		{ { "a\0b", 3 }, { "c", 1 } }, { { "a", 1 }, { "b\0c", 3 } }, { { "a\0b\0c", 5 }, { "", 0 } },
		{ { "", 0 }, { "a\0b\0c", 5 } }, { { "abc", 3 }, { "", 0 } }, { { "", 0 }, { "abc", 3 } },
		{ { "ab", 2 }, { "c", 1 } }, { { "a", 1 }, { "bc", 2 } }, { { "a\0\0\0\1b", 6 }, { "", 0 } },
	};
	for (size_t i = 0; i < COUNT(pairs); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(id_of_pair(ID_RECORD_OF_INPUT, pairs[i][0], pairs[i][1]).text,
						id_of_pair(ID_RECORD_OF_INPUT, pairs[j][0], pairs[j][1]).text);
}

/* The key belongs to an incident in the data directory that upgrade_test.py opens (given.json). */
static void a_correlation_key_is_a_hash_of_members_in_fixed_positions(void **state)
{
	(void)state;
	Slice none = SLICE_NONE, text = SLICE("fs1");
	assert_string_equal(correlation_key_of_members(SLICE("siem"), SLICE("r1"), SLICE("fs1"), SLICE_NONE).text,
			    "z4vbf91rd7zbynd6c6t4hh9x2w");
	const Id keys[] = {
		correlation_key_of_members(text, none, none, none), correlation_key_of_members(none, text, none, none),
		correlation_key_of_members(none, none, text, none), correlation_key_of_members(none, none, none, text),
		id_of_pair(ID_CORRELATION_KEY_OF_ID, text, none),
	};
	for (size_t i = 0; i < COUNT(keys); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(keys[i].text, keys[j].text);
}

#define CORRELATED SLICE("0123456789abcdefghjkmnpqrs")

/*
 * The expected ids were computed with another implementation of SHA-256. Event ids are stored, so no later version may compute
 * different ids.
 */
static void an_event_id_is_its_domain_byte_and_three_parts(void **state)
{
	(void)state;
	assert_string_equal(id_of_event(ID_EVENT_OF_SENDER, SLICE("ids-1"), SLICE("alert-7"), CORRELATED).text,
	                    "evt_k4zgb48s43zhxzfvx8eeqa00ww");
	assert_string_equal(id_of_event(ID_EVENT_OF_REQUEST, SLICE("admin123"), SLICE("k"), SLICE_NONE).text,
	                    "evt_dkvwjtm3s632wny9k1ayx44mse");
	assert_string_equal(id_of_event(ID_REPORT_OF_REQUEST, SLICE("admin123"), SLICE("k"), SLICE_NONE).text,
	                    "evt_9x04jzjhc1xa90abhd9jkxxssc");
}

/* The identities differ in their domain byte, in one part, or only in where one part ends and the next begins. */
static void event_ids_of_different_identities_differ(void **state)
{
	(void)state;
	const Id ids[] = {
		id_of_event(ID_EVENT_OF_SENDER, SLICE("a"), SLICE("b"), CORRELATED),
		id_of_event(ID_EVENT_OF_REQUEST, SLICE("a"), SLICE("b"), CORRELATED),
		id_of_event(ID_REPORT_OF_REQUEST, SLICE("a"), SLICE("b"), CORRELATED),
		id_of_event(ID_EVENT_OF_SENDER, SLICE("a"), SLICE("b"), SLICE_NONE),
		id_of_event(ID_EVENT_OF_SENDER, SLICE("a"), SLICE("b0123456789abcdefghjkmnpqrs"), SLICE_NONE),
		id_of_event(ID_EVENT_OF_SENDER, SLICE("ab"), SLICE(""), CORRELATED),
		id_of_event(ID_EVENT_OF_SENDER, SLICE(""), SLICE("ab"), CORRELATED),
		id_of_event(ID_EVENT_OF_SENDER, SLICE("b"), SLICE("a"), CORRELATED),
		id_of_pair(ID_KEY_EVENT, SLICE("a"), SLICE("b")),
	};

	for (size_t i = 0; i < COUNT(ids); i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(ids[i].text, ids[j].text);
}

static void a_pair_differs_from_its_concatenation(void **state)
{
	(void)state;
	Id one = id_of_pair(ID_KEY_EVENT, SLICE("ab"), SLICE("c"));
	Id other = id_of_pair(ID_KEY_EVENT, SLICE("a"), SLICE("bc"));
	assert_string_not_equal(one.text, other.text);
}

static void derived_ids_count_in_decimal(void **state)
{
	(void)state;
	assert_string_equal(id_derived(ID_MESSAGE, SLICE("evt_x"), 12).text, "msg_d5fbge7yq6p1sarx1k6jqe5nkj");
	assert_string_equal(id_derived(ID_MESSAGE, SLICE("evt_x"), 12).text,
	                    id_of_pair(ID_MESSAGE, SLICE("evt_x"), SLICE("12")).text);
	assert_string_not_equal(id_derived(ID_MESSAGE, SLICE("evt_x"), 1).text, id_derived(ID_MESSAGE, SLICE("evt_x"), 2).text);
	assert_string_equal(id_derived(ID_MESSAGE, SLICE("evt_x"), UINT32_MAX).text,
	                    id_of_pair(ID_MESSAGE, SLICE("evt_x"), SLICE("4294967295")).text);
}

static void random_bytes_become_an_id_bit_by_bit(void **state)
{
	(void)state;
	uint8_t bytes[17];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)i;
	assert_string_equal(id_of_bytes("cmd_", bytes).text, "cmd_000g40r40m30e209185gr38e1w");
	memset(bytes, 0xff, sizeof bytes);
	assert_string_equal(id_of_bytes("", bytes).text, "zzzzzzzzzzzzzzzzzzzzzzzzzz");
	memset(bytes, 0, sizeof bytes);
	assert_string_equal(id_of_bytes("five_", bytes).text, "five_00000000000000000000000000");
}

static void an_incident_id_holds_time_slot_and_hash(void **state)
{
	(void)state;
	assert_string_equal(id_of_incident(received_at, 0xabc, SLICE("evt_x")).text, "inc_01m83qjxabnf3x8kb7jn73g0tp");
}

static void time_and_slot_are_read_from_an_incident_id(void **state)
{
	(void)state;
	static const Instant times[] = { 0, 1, 31, 32, 1795421730123, INSTANT_MAX };

	for (size_t i = 0; i < COUNT(times); i++)
		for (unsigned slot = 0; slot < SLOTS; slot += slot < 64 ? 1 : 63) {
			Id id = id_of_incident(times[i], slot, SLICE("evt_x"));
			unsigned found_slot = SLOTS;
			Instant found = -1;
			assert_true(id_is("inc_", id_slice(&id)));
			assert_true(id_incident_parse(id_slice(&id), &found_slot, &found));
			assert_int_equal(found_slot, slot);
			assert_int_equal(found, times[i]);
		}
}

static void incident_ids_sort_by_time(void **state)
{
	(void)state;
	static const Instant times[] = { 0,    1,             31,            32,            1023,
		                         1024, 1795421730123, 1795421730124, 1795421731000, INSTANT_MAX };

	for (size_t i = 1; i < COUNT(times); i++) {
		Id earlier = id_of_incident(times[i - 1], SLOTS - 1, SLICE("b"));
		Id later = id_of_incident(times[i], 0, SLICE("a"));
		assert_true(strcmp(earlier.text, later.text) < 0);
	}
}

static void different_events_open_different_incidents(void **state)
{
	(void)state;
	assert_string_not_equal(id_of_incident(received_at, 1, SLICE("evt_x")).text,
	                        id_of_incident(received_at, 1, SLICE("evt_y")).text);
}

static void a_text_that_is_not_an_incident_id_is_not_parsed(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"",
		"inc_",
		"inc_01m83qjxabnf732b4gbsn8r2s",
		"inc_01m83qjxabnf732b4gbsn8r2scc",
		"evt_01m83qjxabnf732b4gbsn8r2sc",
		"INC_01m83qjxabnf732b4gbsn8r2sc",
		"inc_01M83QJXABNF732B4GBSN8R2SC",
		"inc_01m83qjxabnf732b4gbsn8r2si",
		"inc_01m83qjxabnf732b4gbsn8r2s ",
		"inc_l1m83qjxabnf732b4gbsn8r2sc",
		"inc_01m83qjxab-f732b4gbsn8r2sc",
		"inc_7zzzzzzzzznf732b4gbsn8r2sc", /* the time fits in 48 bits, but is after the year 9999 */
		"inc_z1m83qjxabnf732b4gbsn8r2sc", /* the first two bits must be zero */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned slot = 4711;
		Instant time = -1;
		if (id_incident_parse(slice_of(cases[i]), &slot, &time) || slot != 4711 || time != -1)
			fail_msg("%s was accepted", cases[i]);
	}
}

static void an_id_has_exactly_its_form(void **state)
{
	(void)state;
	Id id = id_of_pair(ID_KEY_EVENT, SLICE("a"), SLICE("b"));
	Slice whole = id_slice(&id);
	assert_true(id_is("evt_", whole));
	assert_false(id_is("inc_", whole));
	assert_false(id_is("evt", whole));
	assert_false(id_is("", whole));
	assert_false(id_is("evt_", (Slice){ whole.data, whole.size - 1 }));
	assert_false(id_is("evt_", SLICE_NONE));
	assert_false(id_is("evt_", SLICE("evt_0123456789abcdefghjkmnpqr\0")));
	static const char wrong[] = "iloIOUuA-_ ~";
	for (size_t i = 0; wrong[i]; i++) {
		Id bad = id;
		bad.text[10] = wrong[i];
		assert_false(id_is("evt_", id_slice(&bad)));
	}
}

static void the_same_input_gives_the_same_id(void **state)
{
	(void)state;
	assert_string_equal(id_of_incident(received_at, 7, SLICE("evt_x")).text,
	                    id_of_incident(received_at, 7, SLICE("evt_x")).text);
	assert_string_equal(id_of_pair(ID_COMMAND_OF_REQUEST, SLICE("k"), SLICE("1")).text,
	                    id_of_pair(ID_COMMAND_OF_REQUEST, SLICE("k"), SLICE("1")).text);
}

static void an_incident_number_is_the_year_and_40_bits_of_a_hash(void **state)
{
	(void)state;
	char number[NUMBER_SIZE];
	number_of_incident(received_at, SLICE("evt_x"), number);
	assert_string_equal(number, "INC-2026-J3AX-TKA3");
	number_of_incident(0, SLICE("evt_x"), number);
	assert_string_equal(number, "INC-1970-J3AX-TKA3");
	number_of_incident(INSTANT_MAX, SLICE("evt_x"), number);
	assert_string_equal(number, "INC-9999-J3AX-TKA3");
}

static void a_slot_is_murmur2_modulo_4096(void **state)
{
	(void)state;
	assert_int_equal(slot_of(SLICE("21")), (uint32_t)-973932308 % SLOTS);
	assert_int_equal(slot_of(SLICE("foobar")), (uint32_t)-790332482 % SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_pairs_never_change),
		cmocka_unit_test(a_domain_byte_separates_the_kinds),
		cmocka_unit_test(a_part_of_a_kind_with_a_domain_byte_may_contain_any_byte),
		cmocka_unit_test(a_correlation_key_is_a_hash_of_members_in_fixed_positions),
		cmocka_unit_test(an_event_id_is_its_domain_byte_and_three_parts),
		cmocka_unit_test(event_ids_of_different_identities_differ),
		cmocka_unit_test(a_pair_differs_from_its_concatenation),
		cmocka_unit_test(derived_ids_count_in_decimal),
		cmocka_unit_test(random_bytes_become_an_id_bit_by_bit),
		cmocka_unit_test(an_incident_id_holds_time_slot_and_hash),
		cmocka_unit_test(time_and_slot_are_read_from_an_incident_id),
		cmocka_unit_test(incident_ids_sort_by_time),
		cmocka_unit_test(different_events_open_different_incidents),
		cmocka_unit_test(a_text_that_is_not_an_incident_id_is_not_parsed),
		cmocka_unit_test(an_id_has_exactly_its_form),
		cmocka_unit_test(the_same_input_gives_the_same_id),
		cmocka_unit_test(an_incident_number_is_the_year_and_40_bits_of_a_hash),
		cmocka_unit_test(a_slot_is_murmur2_modulo_4096),
	};

	return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
