/* The incidents of a store: loading, folding, saving, and rows or records that are damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/runtime/incident_store.h"
#include "tests/support/succeeds.h"

#include <stdio.h>
#include <string.h>

/* ---- a store whose table has a column of the service's own */

static const char *const schema[] = { "CREATE TABLE incidents (" INCIDENT_COLUMNS ", colour TEXT NOT NULL DEFAULT 'red')" };

static Store *store;
static IncidentStore incidents;

static int setup(void **state)
{
	(void)state;
	const StoreOptions options = { .path = ":memory:", .steps = schema, .version = 1 };
	succeeds(store_open(&options, &store, NULL));
	incident_store_init(&incidents);
	return 0;
}

static json_t *tree; /* the tree of the last record that record_of returned */

static int teardown(void **state)
{
	(void)state;
	incident_store_release(&incidents);
	store_close(store);
	json_decref(tree);
	tree = NULL;
	return 0;
}

/* ---- records */

/* A record with the entries `first` to `last` of an incident; each sets the title to its version. Borrowed until the next call. */
static const JournalRecord *record_of(const char *id, int first, int last)
{
	static JournalRecord record;
	json_decref(tree);
	tree = json_pack("{s:s, s:[]}", "incident_id", id, "entries");
	for (int i = first; i <= last; i++) {
		char title[32];
		snprintf(title, sizeof title, "%s at %d", id, i);
		json_array_append_new(json_object_get(tree, "entries"),
				      json_pack("{s:s, s:i, s:i, s:s, s:{s:s}, s:{s:i, s:b}}", "type", i == 1 ? "opened" : "noted",
						"version", i, "sequence", i, "at", "2026-11-23T08:15:30.000Z", "changes", "title",
						title, "data", "report_version", 10 + i, "noise", i == 1));
	}
	succeeds(json_decode_record(&journal_record_table, tree, &record));
	return &record;
}

static void fold_and_save(const char *id, int first, int last)
{
	const StoredIncident *stored;
	succeeds(incident_store_fold(&incidents, store, record_of(id, first, last), &stored));
	succeeds(incident_store_save(&incidents, store));
}

static const StoredIncident *load(const char *id)
{
	const StoredIncident *stored;
	succeeds(incident_store_load(&incidents, store, slice_of(id), &stored));
	return stored;
}

static void assert_at(const StoredIncident *stored, const char *id, int version)
{
	char title[32];
	snprintf(title, sizeof title, "%s at %d", id, version);
	assert_true(stored->exists);
	assert_string_equal(stored->id.text, id);
	assert_int_equal(stored->incident.version, version);
	assert_string_equal(stored->incident.title, title);
	assert_int_equal(stored->extras.sequence, version);
	assert_int_equal(stored->extras.report_version, 10 + version);
	assert_true(stored->extras.noise);
	assert_true(stored->extras.base_at == stored->incident.updated_at);
}

static void assert_absent(const StoredIncident *stored)
{
	assert_false(stored->exists);
	assert_int_equal(stored->incident.version, 0);
	assert_null(stored->incident.title);
	assert_int_equal(stored->extras.sequence, 0);
}

/* ---- loading and saving */

static void an_unknown_incident_does_not_exist(void **state)
{
	(void)state;
	assert_absent(load("inc_a"));
	assert_string_equal(load("inc_a")->id.text, "inc_a");
}

static void a_saved_incident_is_loaded_with_its_extras(void **state)
{
	(void)state;
	fold_and_save("inc_a", 1, 3);
	assert_at(load("inc_a"), "inc_a", 3);
	incident_store_forget(&incidents);
	assert_at(load("inc_a"), "inc_a", 3);
	fold_and_save("inc_a", 4, 4);
	incident_store_forget(&incidents);
	assert_at(load("inc_a"), "inc_a", 4);
}

static void a_save_replaces_all_extras(void **state)
{
	(void)state;
	const StoredIncident *stored;
	fold_and_save("inc_a", 1, 1);
	const JournalRecord *record = record_of("inc_a", 2, 2);
	json_t *entry = json_array_get(record->entries, 0);
	json_object_set_new(entry, "type", json_string("reopened"));
	json_object_set_new(entry, "at", json_string("2026-11-24T08:15:30.000Z"));
	succeeds(incident_store_fold(&incidents, store, record, &stored));
	succeeds(incident_store_save(&incidents, store));
	IncidentExtras before = stored->extras;
	incident_store_forget(&incidents);
	IncidentExtras after = load("inc_a")->extras;
	assert_int_equal(after.report_version, 12);
	assert_int_equal(after.sequence, 2);
	assert_false(after.noise);
	assert_true(after.base_at == before.base_at && after.base_at == INT64_C(1795421730000) + 86400000);
}

static void a_fold_without_a_save_is_lost_when_it_is_forgotten(void **state)
{
	(void)state;
	const StoredIncident *stored;
	fold_and_save("inc_a", 1, 1);
	succeeds(incident_store_fold(&incidents, store, record_of("inc_a", 2, 3), &stored));
	assert_at(stored, "inc_a", 3);
	assert_at(load("inc_a"), "inc_a", 3);
	incident_store_forget(&incidents);
	assert_at(load("inc_a"), "inc_a", 1);
}

static void a_rolled_back_incident_does_not_exist_once_it_is_forgotten(void **state)
{
	(void)state;
	succeeds(store_begin(store));
	fold_and_save("inc_a", 1, 2);
	store_rollback(store);
	incident_store_forget(&incidents);
	assert_absent(load("inc_a"));
	fold_and_save("inc_a", 1, 1);
}

static void incidents_that_alternate_do_not_mix(void **state)
{
	(void)state;
	for (int version = 1; version <= 3 * INCIDENT_TREES_MAX; version++) {
		fold_and_save("inc_a", version, version);
		fold_and_save("inc_b", 2 * version - 1, 2 * version);
		assert_at(load("inc_a"), "inc_a", version);
		assert_absent(load("inc_ab"));
	}
	assert_at(load("inc_b"), "inc_b", 6 * INCIDENT_TREES_MAX);
}

/* The text of the id belongs to the loaded incident, which incident_store_load replaces. A service does this to follow a link. */
static void an_incident_is_loaded_by_an_id_of_the_last_one(void **state)
{
	(void)state;
	const StoredIncident *stored;
	fold_and_save("inc_b", 1, 1);
	const JournalRecord *record = record_of("inc_a", 1, 1);
	json_object_set_new(json_object_get(json_array_get(record->entries, 0), "changes"), "asset", json_string("inc_b"));
	succeeds(incident_store_fold(&incidents, store, record, &stored));
	succeeds(incident_store_save(&incidents, store));
	incident_store_forget(&incidents);
	stored = load("inc_a");
	succeeds(incident_store_load(&incidents, store, slice_of(stored->incident.asset), &stored));
	assert_at(stored, "inc_b", 1);
}

static void the_last_incident_stays_decoded_until_it_is_forgotten(void **state)
{
	(void)state;
	fold_and_save("inc_a", 1, 1);
	succeeds(store_run(store, "UPDATE incidents SET sequence = 9"));
	assert_at(load("inc_a"), "inc_a", 1);
	incident_store_forget(&incidents);
	assert_int_equal(load("inc_a")->extras.sequence, 9);
}

static void columns_of_the_service_survive_a_save(void **state)
{
	(void)state;
	fold_and_save("inc_a", 1, 1);
	succeeds(store_run(store, "UPDATE incidents SET colour = 'blue'"));
	fold_and_save("inc_a", 2, 2);
	Statement *row = store_query(store, "SELECT colour, id FROM incidents");
	assert_true(statement_next(row));
	assert_true(slice_is(statement_slice(row, 0), "blue"));
	assert_true(slice_is(statement_slice(row, 1), "inc_a"));
	assert_false(statement_next(row));
	succeeds(statement_end(row));
}

/* ---- copies */

static void a_copy_follows_new_entries_and_ignores_those_it_includes(void **state)
{
	(void)state;
	const StoredIncident *stored;
	succeeds(incident_store_follow(&incidents, store, record_of("inc_a", 1, 2), &stored));
	assert_at(stored, "inc_a", 2);
	succeeds(incident_store_save(&incidents, store));
	for (int i = 0; i < 2; i++) {
		succeeds(incident_store_follow(&incidents, store, record_of("inc_a", 1, 2), &stored));
		assert_null(stored);
		succeeds(incident_store_follow(&incidents, store, record_of("inc_a", 1, 1), &stored));
		assert_null(stored);
		assert_at(load("inc_a"), "inc_a", 2);
		incident_store_forget(&incidents); /* the second round compares with the row in the store */
	}
	succeeds(incident_store_follow(&incidents, store, record_of("inc_a", 3, 3), &stored));
	assert_at(stored, "inc_a", 3);
}

static void a_record_without_entries_is_included(void **state)
{
	(void)state;
	const StoredIncident *stored;
	succeeds(incident_store_follow(&incidents, store, record_of("inc_a", 1, 0), &stored));
	assert_null(stored);
	assert_absent(load("inc_a"));
}

static void a_copy_does_not_skip_entries(void **state)
{
	(void)state;
	const StoredIncident *stored;
	fold_and_save("inc_a", 1, 2);
	assert_int_equal(incident_store_follow(&incidents, store, record_of("inc_a", 4, 4), &stored).kind, ERROR_INTERNAL);
	assert_int_equal(incident_store_follow(&incidents, store, record_of("inc_a", 2, 3), &stored).kind, ERROR_INTERNAL);
	assert_at(load("inc_a"), "inc_a", 2);
}

/* ---- damage */

static void a_record_without_a_usable_id_is_refused(void **state)
{
	(void)state;
	static const char *const ids[] = { "", "inc_0123456789012345678901234567", "inc_01234567890123456789012345678901234567" };
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
		const StoredIncident *stored;
		assert_int_equal(incident_store_fold(&incidents, store, record_of(ids[i], 1, 1), &stored).kind, ERROR_INPUT);
		assert_int_equal(incident_store_follow(&incidents, store, record_of(ids[i], 1, 1), &stored).kind, ERROR_INPUT);
		assert_absent(load(ids[i]));
	}
	fold_and_save("inc_a", 1, 1);
}

static void a_damaged_row_is_reported_each_time_and_does_not_affect_others(void **state)
{
	(void)state;
	fold_and_save("inc_a", 1, 1);
	fold_and_save("inc_b", 1, 1);
	succeeds(store_run(store, "UPDATE incidents SET document = '{\"version\":0}' WHERE id = 'inc_a'"));
	for (int i = 0; i < 2; i++) {
		const StoredIncident *stored;
		Result result = incident_store_load(&incidents, store, SLICE("inc_a"), &stored);
		assert_int_equal(result.kind, ERROR_INTERNAL);
		assert_non_null(strstr(result.text, "inc_a"));
		assert_non_null(strstr(result.text, "delete the state file"));
		assert_absent(stored);
		assert_int_equal(incident_store_fold(&incidents, store, record_of("inc_a", 1, 1), &stored).kind, ERROR_INTERNAL);
		assert_at(load("inc_b"), "inc_b", 1);
	}
}

static void an_invalid_entry_leaves_the_incident_as_it_was(void **state)
{
	(void)state;
	const StoredIncident *stored;
	fold_and_save("inc_a", 1, 1);
	const JournalRecord *record = record_of("inc_a", 2, 3);
	json_object_set_new(json_object_get(json_array_get(record->entries, 1), "changes"), "title", json_integer(7));
	assert_int_equal(incident_store_fold(&incidents, store, record, &stored).kind, ERROR_INPUT);
	assert_at(load("inc_a"), "inc_a", 1);
	succeeds(incident_store_save(&incidents, store));
	incident_store_forget(&incidents);
	assert_at(load("inc_a"), "inc_a", 1);
}

/* `report` is a free object. In a journal record its members have no bounds; only the size of the record is bounded. */
static void a_document_that_is_too_large_is_not_saved(void **state)
{
	(void)state;
	static char large[INCIDENT_DOCUMENT_MAX];
	const StoredIncident *stored;
	Slice text;
	fold_and_save("inc_a", 1, 1);
	memset(large, 'x', sizeof large - 1);
	const JournalRecord *record = record_of("inc_a", 2, 2);
	json_object_set_new(json_object_get(json_array_get(record->entries, 0), "changes"), "report", json_pack("{s:s}", "x", large));
	succeeds(incident_store_fold(&incidents, store, record, &stored));
	assert_int_equal(incident_store_text(&incidents, &text).kind, ERROR_INTERNAL);
	Result result = incident_store_save(&incidents, store);
	assert_int_equal(result.kind, ERROR_INTERNAL);
	assert_non_null(strstr(result.text, "inc_a"));
	/* The entry that was not saved is forgotten: a copy that gets it again must not take it for included. */
	assert_at(load("inc_a"), "inc_a", 1);
	fold_and_save("inc_a", 2, 2);
	succeeds(incident_store_text(&incidents, &text));
	assert_non_null(strstr(text.data, "\"title\":\"inc_a at 2\""));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_unknown_incident_does_not_exist),
		TEST(a_saved_incident_is_loaded_with_its_extras),
		TEST(a_save_replaces_all_extras),
		TEST(a_fold_without_a_save_is_lost_when_it_is_forgotten),
		TEST(a_rolled_back_incident_does_not_exist_once_it_is_forgotten),
		TEST(incidents_that_alternate_do_not_mix),
		TEST(an_incident_is_loaded_by_an_id_of_the_last_one),
		TEST(the_last_incident_stays_decoded_until_it_is_forgotten),
		TEST(columns_of_the_service_survive_a_save),
		TEST(a_copy_follows_new_entries_and_ignores_those_it_includes),
		TEST(a_record_without_entries_is_included),
		TEST(a_copy_does_not_skip_entries),
		TEST(a_record_without_a_usable_id_is_refused),
		TEST(a_damaged_row_is_reported_each_time_and_does_not_affect_others),
		TEST(an_invalid_entry_leaves_the_incident_as_it_was),
		TEST(a_document_that_is_too_large_is_not_saved),
	};
	return cmocka_run_group_tests_name("incident_store", tests, NULL, NULL);
}
