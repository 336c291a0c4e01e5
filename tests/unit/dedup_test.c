#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/intake/core/bits.h"
#include "services/intake/core/dedup.h"

#include <stdlib.h>
#include <string.h>

enum { G = 100 };

static uint64_t print_of(uint64_t number)
{
	uint64_t mixed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
	mixed ^= mixed >> 29;
	return mixed ? mixed : 1;
}

static void an_id_is_known_after_it_was_added(void **state)
{
	(void)state;
	DedupFilter filter;
	dedup_init(&filter, G);
	assert_false(dedup_add(&filter, 0, 7));
	assert_false(dedup_add(&filter, 1, 8));
	assert_true(dedup_add(&filter, 2, 7));
	assert_true(dedup_add(&filter, 3, 8));
	dedup_release(&filter);
}

static void an_id_is_known_in_its_own_and_the_next_generation(void **state)
{
	(void)state;
	DedupFilter filter;
	dedup_init(&filter, G);
	assert_false(dedup_add(&filter, 5, 7));
	assert_false(dedup_add(&filter, 2 * G - 1, 9));
	assert_false(dedup_add(&filter, 2 * G, 11));
	assert_false(dedup_add(&filter, 2 * G + 1, 7)); /* generation 0 is dropped */
	assert_true(dedup_add(&filter, 2 * G + 2, 9));
	dedup_release(&filter);
}

static void a_lookup_answers_as_adding_would_and_adds_nothing(void **state)
{
	(void)state;
	DedupFilter filter;
	dedup_init(&filter, G);
	assert_false(dedup_knows(&filter, 0, 7));
	assert_false(dedup_add(&filter, 5, 7));
	assert_true(dedup_knows(&filter, 6, 7));
	assert_false(dedup_knows(&filter, 6, 8));
	assert_true(dedup_knows(&filter, 2 * G - 1, 7));
	assert_false(dedup_knows(&filter, 2 * G, 7));
	assert_false(dedup_add(&filter, G, 8));
	assert_true(dedup_knows(&filter, 2 * G - 1, 7));
	assert_true(dedup_knows(&filter, 2 * G, 8));
	assert_false(dedup_knows(&filter, 2 * G, 7));
	dedup_release(&filter);
}

static void partitions_share_the_number_of_remembered_ids(void **state)
{
	(void)state;
	assert_int_equal(dedup_generation_size(1), DEDUP_RECORDS);
	assert_int_equal(dedup_generation_size(8) * 8, DEDUP_RECORDS);
	assert_int_equal(dedup_generation_size(0), DEDUP_RECORDS);
}

static void a_repeat_keeps_an_id_known(void **state)
{
	(void)state;
	DedupFilter filter;
	dedup_init(&filter, G);
	assert_false(dedup_add(&filter, 0, 7));
	for (int64_t generation = 1; generation < 6; generation++)
		assert_true(dedup_add(&filter, generation * G, 7));
	dedup_release(&filter);
}

static void a_gap_of_a_generation_empties_the_filter(void **state)
{
	(void)state;
	DedupFilter filter;
	dedup_init(&filter, G);
	assert_false(dedup_add(&filter, 0, 7));
	assert_false(dedup_add(&filter, 2 * G, 7));
	dedup_release(&filter);
}

/*
 * The definition of a repeat, computed without a filter: compares the record with all earlier records that a filter must remember.
 */
static bool known_by_definition(const uint64_t *prints, int64_t offset)
{
	int64_t from = (offset / G - 1) * G;
	for (int64_t earlier = from < 0 ? 0 : from; earlier < offset; earlier++)
		if (prints[earlier] == prints[offset])
			return true;
	return false;
}

static void verdicts_follow_the_definition(void **state)
{
	(void)state;
	enum { RECORDS = 12 * G };
	uint64_t prints[RECORDS];
	DedupFilter filter;
	srand(11);
	dedup_init(&filter, G);
	for (int64_t offset = 0; offset < RECORDS; offset++) {
		prints[offset] = print_of((uint64_t)rand() % 300);
		assert_int_equal(dedup_add(&filter, offset, prints[offset]), known_by_definition(prints, offset));
	}
	dedup_release(&filter);
}

static void reading_again_from_the_replay_offset_gives_the_same_verdicts(void **state)
{
	(void)state;
	enum { RECORDS = 7 * G };
	bool first[RECORDS];
	DedupFilter filter;
	dedup_init(&filter, G);
	for (int64_t offset = 0; offset < RECORDS; offset++)
		first[offset] = dedup_add(&filter, offset, print_of((uint64_t)(offset * offset) % 311));
	for (int64_t position = 0; position < RECORDS; position += 13) {
		dedup_clear(&filter);
		for (int64_t offset = dedup_replay_from(&filter, position); offset < RECORDS; offset++) {
			bool verdict = dedup_add(&filter, offset, print_of((uint64_t)(offset * offset) % 311));
			if (offset >= position)
				assert_int_equal(verdict, first[offset]);
		}
	}
	dedup_release(&filter);
}

static void a_full_generation_of_different_ids_has_a_bounded_table(void **state)
{
	(void)state;
	enum { FULL = 200000 };
	DedupFilter filter;
	dedup_init(&filter, FULL);
	assert_null(filter.current.entries); /* an empty filter allocates nothing */
	for (int64_t offset = 0; offset < FULL; offset++)
		assert_false(dedup_add(&filter, offset, print_of((uint64_t)offset)));
	assert_true(filter.current.capacity <= (size_t)FULL + FULL / 3 + 2);
	for (int64_t i = 0; i < FULL; i++)
		assert_true(dedup_add(&filter, FULL + i, print_of((uint64_t)i)));
	dedup_release(&filter);
}

static void fingerprints_of_ids_differ_and_are_never_zero(void **state)
{
	(void)state;
	Slice ids[] = { SLICE("evt_00000000000000000000000000"), SLICE("evt_00000000000000000000000001"),
			SLICE("evt_0000000000000zzzzzzzzzzzzz"), SLICE("something else"), SLICE("") };
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++) {
			assert_true(fingerprint_of(ids[i]) != 0);
			/* ids[0] and ids[1] share a fingerprint, because 0 is replaced by 1. All other pairs must differ. */
			if (i != k && i + k != 1)
				assert_true(fingerprint_of(ids[i]) != fingerprint_of(ids[k]));
		}
}

static void ids_survive_being_packed(void **state)
{
	(void)state;
	Slice texts[] = { SLICE("00000000000000000000000000"), SLICE("zzzzzzzzzzzzzzzzzzzzzzzzzz"),
			  SLICE("0123456789abcdefghjkmnpqrs"), SLICE("g000000000000g000000000000"),
			  SLICE("8zzzzzzzzzzzz8zzzzzzzzzzzz") };
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		Bits bits;
		assert_true(bits_read(texts[i], &bits));
		Id back = bits_write("", bits);
		assert_true(slice_equals(id_slice(&back), texts[i]));
	}
}

static void an_incident_id_contains_its_opening_time(void **state)
{
	(void)state;
	Instant at = INT64_C(1795421730123);
	Id id = id_of_incident(at, 4095, SLICE("evt_0123456789abcdefghjkmnpqrs"));
	Bits bits;
	assert_true(bits_read_incident(id_slice(&id), &bits));
	assert_int_equal(bits_opened_at(bits), at);
	Id back = bits_write("inc_", bits);
	assert_string_equal(back.text, id.text);
}

static void malformed_ids_are_refused(void **state)
{
	(void)state;
	Bits bits;
	assert_false(bits_read(SLICE("0123456789abcdefghjkmnpqr"), &bits));
	assert_false(bits_read(SLICE("0123456789abcdefghjkmnpqrst"), &bits));
	assert_false(bits_read(SLICE("0123456789abcdefghijkmnpqr"), &bits)); /* no i in the alphabet */
	assert_false(bits_read(SLICE("0123456789ABCDEFGHJKMNPQRS"), &bits));
	assert_false(bits_read_incident(SLICE("evt_0123456789abcdefghjkmnpqrs"), &bits));
	assert_false(bits_read_event(SLICE("inc_0123456789abcdefghjkmnpqrs"), &bits));
	assert_false(bits_read_event(SLICE("evt_"), &bits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_known_after_it_was_added),
		cmocka_unit_test(an_id_is_known_in_its_own_and_the_next_generation),
		cmocka_unit_test(a_lookup_answers_as_adding_would_and_adds_nothing),
		cmocka_unit_test(partitions_share_the_number_of_remembered_ids),
		cmocka_unit_test(a_repeat_keeps_an_id_known),
		cmocka_unit_test(a_gap_of_a_generation_empties_the_filter),
		cmocka_unit_test(verdicts_follow_the_definition),
		cmocka_unit_test(reading_again_from_the_replay_offset_gives_the_same_verdicts),
		cmocka_unit_test(a_full_generation_of_different_ids_has_a_bounded_table),
		cmocka_unit_test(fingerprints_of_ids_differ_and_are_never_zero),
		cmocka_unit_test(ids_survive_being_packed),
		cmocka_unit_test(an_incident_id_contains_its_opening_time),
		cmocka_unit_test(malformed_ids_are_refused),
	};
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
