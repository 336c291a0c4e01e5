/* The cache of journal records: the records that it holds, and its errors for bodies that are not journal records. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/runtime/journal_cache.h"
#include "tests/support/succeeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT = 3, BODY_MAX = 160 };

static JournalCache *cache;

static int setup(void **state)
{
	(void)state;
	cache = journal_cache_new(KEPT);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_cache_free(cache);
	return 0;
}

/* The body of a record of version `number`. */
static const char *body_write(int number, char out[static BODY_MAX])
{
	snprintf(out, BODY_MAX, "{\"incident_id\":\"inc_a\",\"version\":%d,\"entries\":[]}", number);
	return out;
}

/* Reads the record of version `number`. Returns a new reference to its entries: the same list while the cache holds the record. */
static json_t *entries_read(int number)
{
	char body[BODY_MAX];
	const JournalRecord *record;
	succeeds(journal_cache_read(cache, slice_of(body_write(number, body)), &record));
	memset(body, 'x', sizeof body); /* the cache and the record borrow nothing from the body */
	assert_string_equal(record->incident_id, "inc_a");
	assert_int_equal(record->version, number);
	assert_non_null(record->entries);
	return json_incref(record->entries);
}

/* True if the cache held the record of version `number` with these entries. Releases the caller's reference to `entries`. */
static bool was_held(int number, json_t *entries)
{
	json_t *now = entries_read(number);
	bool same = now == entries;
	json_decref(now);
	json_decref(entries);
	return same;
}

/* ---- hits and misses */

static void a_record_is_found_by_the_bytes_of_its_body(void **state)
{
	(void)state;
	json_t *first = entries_read(1), *second = entries_read(2);
	assert_true(first != second);
	assert_true(was_held(1, first));
	assert_true(was_held(2, second));
}

static void bodies_that_differ_in_one_byte_are_different_records(void **state)
{
	(void)state;
	static const char *const bodies[] = {
		"{\"incident_id\":\"inc_a\",\"version\":1}",
		"{\"incident_id\":\"inc_a\",\"version\":2}",
		"{\"incident_id\":\"inc_a\",\"version\":1} ",
	};
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 3; i++) {
			const JournalRecord *record;
			succeeds(journal_cache_read(cache, slice_of(bodies[i]), &record));
			assert_int_equal(record->version, i == 1 ? 2 : 1);
		}
	const JournalRecord *record;
	Slice prefix = { bodies[0], strlen(bodies[0]) - 1 };
	assert_int_equal(journal_cache_read(cache, prefix, &record).kind, ERROR_INPUT);
}

static void as_many_records_are_held_as_the_cache_was_made_for(void **state)
{
	(void)state;
	json_t *entries[KEPT + 1];
	for (int i = 0; i < KEPT; i++)
		entries[i] = entries_read(i);
	for (int i = 0; i < KEPT; i++)
		assert_true(was_held(i, json_incref(entries[i])));
	entries[KEPT] = entries_read(KEPT); /* replaces the oldest record */
	for (int i = 1; i <= KEPT; i++)
		assert_true(was_held(i, entries[i]));
	assert_false(was_held(0, entries[0]));
}

static void a_cache_of_one_record_holds_the_last(void **state)
{
	(void)state;
	journal_cache_free(cache);
	cache = journal_cache_new(1);
	json_t *first = entries_read(1);
	assert_true(was_held(1, json_incref(first)));
	json_t *second = entries_read(2);
	assert_true(was_held(2, second));
	assert_false(was_held(1, first));
}

/* ---- records that the service writes */

static void a_record_that_was_put_is_read_without_decoding_its_body(void **state)
{
	(void)state;
	char body[BODY_MAX];
	json_t *tree = NULL;
	succeeds(json_read(slice_of(body_write(4, body)), &tree));
	json_t *entries = json_incref(json_object_get(tree, "entries"));
	succeeds(journal_cache_put(cache, slice_of(body), tree));
	assert_true(was_held(4, entries));
}

static void a_tree_that_is_no_journal_record_is_refused_and_freed(void **state)
{
	(void)state;
	const JournalRecord *record;
	json_t *tree = json_pack("{s:i}", "version", 1);
	Result result = journal_cache_put(cache, SLICE("{\"version\":1}"), tree);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_string_equal(result.text, "journal-record/incident_id: is required");
	assert_int_equal(journal_cache_read(cache, SLICE("{\"version\":1}"), &record).kind, ERROR_INPUT);
}

/* ---- large bodies */

/* The body of a journal record, `size` bytes long; the caller frees the body. */
static char *large_body(size_t size)
{
	static const char start[] = "{\"version\":7,\"entries\":[],\"incident_id\":\"inc_a\",\"problem\":{\"detail\":\"";
	static const char end[] = "\"}}";
	char *body = malloc(size + 1);
	assert_non_null(body);
	assert_true(size > sizeof start + sizeof end);
	memset(body, 'x', size);
	memcpy(body, start, sizeof start - 1);
	memcpy(body + size - (sizeof end - 1), end, sizeof end);
	return body;
}

/* Reads the same body twice. True if the second read returned the record of the first read. */
static bool is_held(const char *body)
{
	const JournalRecord *record;
	succeeds(journal_cache_read(cache, slice_of(body), &record));
	assert_int_equal(record->version, 7);
	json_t *entries JSON_AUTO = json_incref(record->entries);
	succeeds(journal_cache_read(cache, slice_of(body), &record));
	assert_int_equal(record->version, 7);
	return record->entries == entries;
}

static void a_body_over_the_bound_is_decoded_each_time(void **state)
{
	(void)state;
	for (size_t more = 0; more < 2; more++) {
		char *body = large_body(JOURNAL_CACHED_MAX + more);
		assert_int_equal(is_held(body), more == 0);
		free(body);
	}
}

static void a_large_record_that_was_put_is_decoded_from_its_body(void **state)
{
	(void)state;
	char *body = large_body(JOURNAL_CACHED_MAX + 1);
	json_t *tree = NULL;
	succeeds(json_read(slice_of(body), &tree));
	succeeds(journal_cache_put(cache, slice_of(body), tree));
	assert_false(is_held(body));
	free(body);
}

/* ---- bodies that are no journal record */

static void a_body_that_is_no_journal_record_is_an_error_each_time(void **state)
{
	(void)state;
	static const char *const bodies[] = { "", "{", "[]", "{}", "{\"incident_id\":7}",
					      "{\"incident_id\":\"inc_a\",\"entries\":[{\"version\":0}]}" };
	for (size_t round = 0; round < 3; round++)
		for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
			const JournalRecord *record;
			assert_int_equal(journal_cache_read(cache, slice_of(bodies[i]), &record).kind, ERROR_INPUT);
		}
	json_t *entries = entries_read(1);
	assert_true(was_held(1, entries));
}

static void no_cache_can_be_freed(void **state)
{
	(void)state;
	journal_cache_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_is_found_by_the_bytes_of_its_body),
		TEST(bodies_that_differ_in_one_byte_are_different_records),
		TEST(as_many_records_are_held_as_the_cache_was_made_for),
		TEST(a_cache_of_one_record_holds_the_last),
		TEST(a_record_that_was_put_is_read_without_decoding_its_body),
		TEST(a_tree_that_is_no_journal_record_is_refused_and_freed),
		TEST(a_body_over_the_bound_is_decoded_each_time),
		TEST(a_large_record_that_was_put_is_decoded_from_its_body),
		TEST(a_body_that_is_no_journal_record_is_an_error_each_time),
		cmocka_unit_test(no_cache_can_be_freed),
	};
	return cmocka_run_group_tests_name("journal_cache", tests, NULL, NULL);
}
