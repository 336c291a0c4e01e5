/* Incidents in memory: changes, and the fold of journal entries in the forms that programs of any version write. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/incident.h"
#include "tests/support/succeeds.h"

#include <string.h>

#define INCIDENT "inc_01m858jhdjd5rf5wtp1m92ym3r"
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { TEXT_MAX = 1 << 16 };

static const Instant AT = INT64_C(1795421730000); /* the time of version 0; each version is one second later */

static json_t *tree_of(const char *text)
{
	json_t *tree = NULL;
	Result read = json_read(slice_of(text), &tree);
	if (result_failed(read))
		fail_msg("%s: %s", text, read.text);
	return tree;
}

/* ---- entries */

/* A new entry. sequence 0: without a sequence, as old programs wrote it. changes and data are JSON texts; NULL: absent. */
static json_t *entry_new(const char *type, int64_t version, int64_t sequence, const char *changes, const char *data)
{
	char at[INSTANT_TEXT];
	instant_format(AT + 1000 * version, at);
	json_t *entry = json_pack("{s:s, s:I, s:s}", "type", type, "version", (json_int_t)version, "at", at);
	if (sequence > 0)
		json_object_set_new(entry, "sequence", json_integer(sequence));
	if (changes)
		json_object_set_new(entry, "changes", tree_of(changes));
	if (data)
		json_object_set_new(entry, "data", tree_of(data));
	return entry;
}

/* Folds one or two entries (second may be NULL) and releases them. The incident keeps references to the values that it needs. */
static Result fold(StoredIncident *stored, json_t *first, json_t *second)
{
	json_t *entries JSON_AUTO = json_array();
	json_array_append_new(entries, first);
	if (second)
		json_array_append_new(entries, second);
	return stored_incident_fold(stored, entries);
}

/* An incident with the entries 1 to version, each of which has a sequence. */
static StoredIncident incident_at(int64_t version)
{
	StoredIncident stored;
	assert_true(stored_incident_new(SLICE(INCIDENT), &stored));
	for (int64_t i = 1; i <= version; i++)
		succeeds(fold(&stored, entry_new(i == 1 ? "opened" : "noted", i, i, i == 1 ? "{\"title\":\"fire\"}" : "{}", NULL),
			      NULL));
	return stored;
}

static void text_write(const StoredIncident *stored, Buffer *out)
{
	buffer_init(out, TEXT_MAX);
	stored_incident_write(stored, out);
	assert_false(out->overflowed);
}

/* ---- the state of an incident before a failure */

typedef struct {
	Buffer document;
	StoredIncident copy; /* a shallow copy */
} Before;

static Before before_of(const StoredIncident *stored)
{
	Before before = { .copy = *stored };
	text_write(stored, &before.document);
	return before;
}

/* Asserts that the incident is as it was at before_of. Releases `before`. */
static void assert_unchanged(const StoredIncident *stored, Before *before)
{
	Buffer document;
	text_write(stored, &document);
	assert_string_equal(document.data, before->document.data);
	assert_int_equal(stored->exists, before->copy.exists);
	assert_string_equal(stored->id.text, before->copy.id.text);
	assert_int_equal(stored->extras.report_version, before->copy.extras.report_version);
	assert_int_equal(stored->extras.noise, before->copy.extras.noise);
	assert_true(stored->extras.base_at == before->copy.extras.base_at);
	assert_int_equal(stored->extras.sequence, before->copy.extras.sequence);
	buffer_release(&document);
	buffer_release(&before->document);
}

/* ---- the order of entries */

static void an_entry_must_have_the_next_version(void **state)
{
	(void)state;
	static const int64_t versions[] = { 1, 2, 3, 5, INT64_MAX };
	StoredIncident stored = incident_at(3);
	for (size_t i = 0; i < COUNT(versions); i++) {
		Before before = before_of(&stored);
		json_t *entry = entry_new("noted", 1, 4, "{\"title\":\"ice\"}", NULL);
		json_object_set_new(entry, "version", json_integer(versions[i]));
		assert_int_equal(fold(&stored, entry, NULL).kind, ERROR_INTERNAL);
		assert_unchanged(&stored, &before);
	}
	succeeds(fold(&stored, entry_new("noted", 4, 4, "{}", NULL), NULL));
	stored_incident_release(&stored);
}

static void an_entry_must_have_the_next_sequence(void **state)
{
	(void)state;
	static const int64_t sequences[] = { 1, 3, 5, INT64_MAX };
	StoredIncident stored = incident_at(3);
	for (size_t i = 0; i < COUNT(sequences); i++) {
		Before before = before_of(&stored);
		Result result = fold(&stored, entry_new("noted", 4, sequences[i], "{\"title\":\"ice\"}", NULL), NULL);
		assert_int_equal(result.kind, ERROR_INTERNAL);
		assert_non_null(strstr(result.text, "sequence"));
		assert_unchanged(&stored, &before);
	}
	succeeds(fold(&stored, entry_new("noted", 4, 4, "{}", NULL), NULL));
	assert_int_equal(stored.extras.sequence, 4);
	stored_incident_release(&stored);
}

static void entries_of_one_record_must_follow_each_other(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	Before before = before_of(&stored);
	assert_int_equal(fold(&stored, entry_new("noted", 3, 3, "{}", NULL), entry_new("noted", 2, 2, "{}", NULL)).kind,
			 ERROR_INTERNAL);
	assert_int_equal(fold(&stored, entry_new("noted", 2, 2, "{}", NULL), entry_new("noted", 2, 2, "{}", NULL)).kind,
			 ERROR_INTERNAL);
	assert_unchanged(&stored, &before);
	succeeds(fold(&stored, entry_new("noted", 2, 2, "{\"title\":\"a\"}", NULL),
		      entry_new("noted", 3, 3, "{\"title\":\"b\"}", NULL)));
	assert_string_equal(stored.incident.title, "b");
	assert_int_equal(stored.incident.version, 3);
	assert_true(stored.incident.updated_at == AT + 3000);
	stored_incident_release(&stored);
}

static void the_first_entry_has_version_1(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(0);
	assert_false(stored.exists);
	assert_int_equal(fold(&stored, entry_new("opened", 2, 1, "{}", NULL), NULL).kind, ERROR_INTERNAL);
	assert_int_equal(fold(&stored, entry_new("opened", 0, 1, "{}", NULL), NULL).kind, ERROR_INPUT);
	assert_false(stored.exists);
	succeeds(fold(&stored, entry_new("opened", 1, 1, "{}", NULL), NULL));
	assert_true(stored.exists);
	stored_incident_release(&stored);
}

/* Old programs wrote no sequence. Their entries are counted, so that the first entry of a later program has the next sequence. */
static void entries_without_a_sequence_are_counted(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(0);
	succeeds(fold(&stored, entry_new("opened", 1, 0, "{}", NULL), entry_new("noted", 2, 0, "{}", NULL)));
	succeeds(fold(&stored, entry_new("noted", 3, 0, "{}", NULL), NULL));
	assert_int_equal(stored.extras.sequence, 3);
	Before before = before_of(&stored);
	assert_int_equal(fold(&stored, entry_new("noted", 4, 1, "{}", NULL), NULL).kind, ERROR_INTERNAL);
	assert_unchanged(&stored, &before);
	succeeds(fold(&stored, entry_new("noted", 4, 4, "{}", NULL), entry_new("noted", 5, 0, "{}", NULL)));
	succeeds(fold(&stored, entry_new("noted", 6, 6, "{}", NULL), NULL));
	assert_int_equal(stored.extras.sequence, 6);
	stored_incident_release(&stored);
}

static void a_record_without_entries_changes_nothing(void **state)
{
	(void)state;
	json_t *none JSON_AUTO = json_array();
	StoredIncident stored = incident_at(0);
	succeeds(stored_incident_fold(&stored, NULL));
	succeeds(stored_incident_fold(&stored, none));
	assert_false(stored.exists);
	assert_int_equal(stored.tree_count, 0);
	stored_incident_release(&stored);
}

/* ---- changes of entries */

static void unknown_members_are_ignored(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	json_t *entry = entry_new("a-type-of-the-future", 2, 2,
				  "{\"title\":\"ice\",\"colour\":\"red\",\"assignee\":{\"team\":\"soc\",\"desk\":7}}",
				  "{\"weather\":[1],\"report_version\":5}");
	json_object_set_new(entry, "mood", json_true());
	succeeds(fold(&stored, entry, NULL));
	assert_string_equal(stored.incident.title, "ice");
	assert_string_equal(stored.incident.assignee.team, "soc");
	assert_int_equal(stored.extras.report_version, 5);
	Buffer document;
	text_write(&stored, &document);
	assert_null(strstr(document.data, "colour"));
	assert_null(strstr(document.data, "desk"));
	buffer_release(&document);
	stored_incident_release(&stored);
}

static void null_clears_a_member_and_an_absent_one_keeps_it(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	succeeds(fold(&stored,
		      entry_new("noted", 2, 2,
				"{\"asset\":\"db\",\"flags\":[\"serious\"],\"assignee\":{\"team\":\"soc\"},\"grade\":\"II\"}", NULL),
		      entry_new("noted", 3, 3, "{\"asset\":null,\"assignee\":null}", NULL)));
	assert_null(stored.incident.asset);
	assert_null(stored.incident.assignee.team);
	assert_int_equal(json_array_size(stored.incident.flags), 1);
	assert_int_equal(stored.incident.grade, 1);
	assert_string_equal(stored.incident.title, "fire");
	stored_incident_release(&stored);
}

static void version_and_time_are_those_of_the_entry(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	succeeds(fold(&stored, entry_new("noted", 2, 2, "{\"version\":70,\"updated_at\":null}", NULL), NULL));
	assert_int_equal(stored.incident.version, 2);
	assert_true(stored.incident.updated_at == AT + 2000);
	succeeds(fold(&stored, entry_new("noted", 3, 3, NULL, NULL), NULL)); /* absent changes change nothing */
	assert_int_equal(stored.incident.version, 3);
	stored_incident_release(&stored);
}

static void a_failure_changes_nothing(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"{\"type\":\"noted\",\"version\":3,\"sequence\":3,\"changes\":{}}", /* no time */
		"{\"type\":\"noted\",\"version\":3,\"sequence\":3,\"at\":\"2026-11-23T08:15:30Z\",\"changes\":{\"title\":7}}",
		"{\"type\":\"noted\",\"version\":3,\"sequence\":3,\"at\":\"2026-11-23T08:15:30Z\",\"changes\":{\"kind\":\"party\"}}",
		"{\"type\":\"noted\",\"version\":3,\"sequence\":3,\"at\":\"2026-11-23T08:15:30Z\",\"changes\":[]}",
		"{\"type\":\"noted\",\"version\":3,\"sequence\":3,\"at\":\"2026-11-23T08:15:30Z\",\"data\":{\"report_version\":\"7\"}}",
		"{\"type\":\"noted\",\"version\":3,\"sequence\":0,\"at\":\"2026-11-23T08:15:30Z\"}",
		"{\"version\":3,\"sequence\":3,\"at\":\"2026-11-23T08:15:30Z\"}",
		"{}",
	};
	StoredIncident stored = incident_at(1);
	for (size_t i = 0; i < COUNT(bad); i++) {
		Before before = before_of(&stored);
		Result result = fold(&stored, entry_new("reopened", 2, 2, "{\"title\":\"ice\",\"links\":[]}", "{\"report_version\":9}"),
				     tree_of(bad[i]));
		assert_int_equal(result.kind, ERROR_INPUT);
		assert_unchanged(&stored, &before);
		assert_int_equal(stored.tree_count, before.copy.tree_count);
	}
	Result result = fold(&stored, entry_new("noted", 2, 2, "{\"title\":7}", NULL), NULL);
	assert_string_equal(result.text, "journal entry: incident/title: must be text, not a number");
	stored_incident_release(&stored);
}

/* ---- many records */

/* Two changes that set every member; one that clears every member that may be null. */
static const char *const changes[] = {
	"{\"id\":\"" INCIDENT "\",\"number\":\"INC-2026-1WQK-AR6H\",\"kind\":\"incident\",\"status\":\"reported\",\"title\":\"a \\\"b\\\"\","
	"\"description\":\"出差途中\\u0001🔥\",\"source\":\"edr-1\",\"severity\":\"critical\",\"grade\":\"II\",\"damage_level\":\"S\","
	"\"category\":\"01007\",\"flags\":[\"serious\"],\"reason\":\"r\",\"rule\":\"ransomware\",\"policy_version\":\"default@1\","
	"\"assignee\":{\"team\":\"soc\",\"person\":\"li\"},"
	"\"acknowledged\":{\"at\":\"2026-11-23T08:17:02.000Z\",\"by\":{\"kind\":\"key\",\"id\":\"0\"}},"
	"\"acknowledge_by\":\"2026-11-23T08:45:30.131Z\",\"escalation_level\":1,\"asset\":\"fs\",\"actor\":\"svc\","
	"\"observables\":[{\"type\":\"ip\",\"value\":\"192.0.2.7\"}],\"correlation_key\":\"r68v9mbg5rj5whh1q57y25cvky\",\"event_count\":1,"
	"\"first_seen_at\":\"2026-11-23T08:15:30.123Z\",\"last_seen_at\":\"2026-11-23T08:15:30.123Z\","
	"\"occurred_at\":\"2026-11-23T08:15:29.900Z\",\"discovered_at\":\"2026-11-23T08:15:29.901Z\","
	"\"reported_at\":\"2026-11-23T08:15:30.123Z\",\"opened_at\":\"2026-11-23T08:15:30.131Z\","
	"\"closed_at\":\"2026-11-23T12:40:11.512Z\","
	"\"resolution\":\"resolved\",\"report\":{\"x\":[1.5,null]},\"links\":[{\"incident_id\":\"inc_1\",\"by\":\"asset\"}]}",
	"{\"title\":\"c\",\"description\":null,\"severity\":\"low\",\"flags\":[],\"assignee\":{\"team\":null,\"person\":\"wu\"},"
	"\"acknowledged\":{\"at\":null,\"by\":null},\"observables\":[],\"event_count\":0,\"report\":{},\"links\":[]}",
	"{\"source\":null,\"severity\":null,\"grade\":null,\"flags\":null,\"assignee\":null,\"acknowledged\":null,"
	"\"acknowledge_by\":null,"
	"\"observables\":null,\"closed_at\":null,\"resolution\":null,\"report\":null,\"links\":null}",
};

/* Merges by hand, as proto/schemas/journal-entry.json describes it: the document of clients, without tables. */
static void merge(json_t *document, const char *text, int64_t version)
{
	json_t *set JSON_AUTO = tree_of(text);
	char at[INSTANT_TEXT];
	instant_format(AT + 1000 * version, at);
	json_object_update(document, set);
	json_object_set_new(document, "version", json_integer(version));
	json_object_set_new(document, "updated_at", json_string(at));
	if (json_is_null(json_object_get(document, "assignee")))
		json_object_set_new(document, "assignee", tree_of("{\"team\":null,\"person\":null}"));
	if (json_is_null(json_object_get(document, "acknowledged")))
		json_object_set_new(document, "acknowledged", tree_of("{\"at\":null,\"by\":null}"));
	if (json_array_size(json_object_get(document, "links")) == 0)
		json_object_del(document, "links");
}

static void assert_document(const StoredIncident *stored, json_t *expected)
{
	Buffer text;
	text_write(stored, &text);
	json_t *document JSON_AUTO = tree_of(text.data);
	if (!json_equal(document, expected))
		fail_msg("version %lld is %s", (long long)stored->incident.version, text.data);
	buffer_release(&text);
}

/* Most changes set one member, so that the others last over several merges of trees. */
static const char *change_at(int64_t version)
{
	switch (version) {
	case 1:
	case 21:
		return changes[0];
	case 5:
		return changes[1];
	case 13:
		return changes[2];
	default:
		return "{\"asset\":\"db\"}";
	}
}

static void an_incident_outlives_the_trees_of_its_first_records(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(0);
	json_t *expected JSON_AUTO = json_object();
	for (int64_t version = 1; version <= 5 * INCIDENT_TREES_MAX; version++) {
		const char *set = change_at(version);
		succeeds(fold(&stored, entry_new("noted", version, version, set, NULL), NULL));
		assert_true(stored.tree_count <= INCIDENT_TREES_MAX);
		assert_string_equal(stored.id.text, INCIDENT);
		assert_int_equal(stored.extras.sequence, version);
		merge(expected, set, version);
		assert_document(&stored, expected);
	}
	stored_incident_release(&stored);
}

static void a_failure_changes_nothing_when_trees_are_merged(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(INCIDENT_TREES_MAX);
	assert_int_equal(stored.tree_count, INCIDENT_TREES_MAX);
	stored.extras.noise = true;
	for (int i = 0; i < 2; i++) {
		Before before = before_of(&stored);
		assert_int_equal(fold(&stored, entry_new("noted", 7, 7, "{\"title\":\"x\"}", NULL), NULL).kind, ERROR_INTERNAL);
		assert_unchanged(&stored, &before);
	}
	succeeds(fold(&stored, entry_new("noted", INCIDENT_TREES_MAX + 1, INCIDENT_TREES_MAX + 1, "{}", NULL), NULL));
	assert_string_equal(stored.incident.title, "fire");
	stored_incident_release(&stored);
}

/* ---- extras */

static void the_highest_report_version_is_kept(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	succeeds(fold(&stored, entry_new("assessed", 2, 2, "{}", "{\"report_version\":4}"),
		      entry_new("assessed", 3, 3, "{}", "{\"report_version\":3}")));
	assert_int_equal(stored.extras.report_version, 4);
	succeeds(fold(&stored, entry_new("noted", 4, 4, "{}", "{\"report_version\":null}"), NULL));
	assert_int_equal(stored.extras.report_version, 4);
	stored_incident_release(&stored);
}

static void an_incident_is_noise_until_it_is_reopened(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(0);
	succeeds(fold(&stored, entry_new("opened", 1, 1, "{}", "{\"noise\":true}"), NULL));
	assert_true(stored.extras.noise);
	succeeds(fold(&stored, entry_new("noted", 2, 2, "{}", "{\"noise\":false}"), NULL)); /* only opened and reopened decide */
	assert_true(stored.extras.noise);
	succeeds(fold(&stored, entry_new("reopened", 3, 3, "{}", "{\"noise\":true}"), NULL));
	assert_false(stored.extras.noise);
	stored_incident_release(&stored);
	stored = incident_at(1);
	assert_false(stored.extras.noise);
	stored_incident_release(&stored);
}

static void escalation_counts_from_the_last_start(void **state)
{
	(void)state;
	static const struct {
		const char *type, *changes;
		bool starts;
	} cases[] = {
		{ "opened", "{}", true },
		{ "noted", "{\"title\":\"t\"}", false },
		{ "escalated", "{\"escalation_level\":1}", false },
		{ "assessed", "{\"escalation_level\":0}", true },
		{ "noted", "{\"escalation_level\":null}", false },
		{ "reopened", "{\"escalation_level\":2}", true },
	};
	StoredIncident stored = incident_at(0);
	Instant base_at = INSTANT_NONE;
	assert_true(stored.extras.base_at == base_at);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t version = (int64_t)i + 1;
		succeeds(fold(&stored, entry_new(cases[i].type, version, version, cases[i].changes, NULL), NULL));
		base_at = cases[i].starts ? AT + 1000 * version : base_at;
		assert_true(stored.extras.base_at == base_at);
	}
	stored_incident_release(&stored);
}

/* ---- stored documents */

static void a_document_survives_writing_and_reading(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(changes); i++) {
		StoredIncident stored = incident_at(1), read;
		succeeds(fold(&stored, entry_new("noted", 2, 2, changes[0], NULL), NULL));
		succeeds(fold(&stored, entry_new("noted", 3, 3, changes[i], NULL), NULL));
		Buffer text, again;
		text_write(&stored, &text);
		succeeds(stored_incident_read(buffer_slice(&text), &read));
		assert_true(read.exists);
		assert_int_equal(fields_differing(&incident_table, &stored.incident, &read.incident) &
					 ~incident_member(offsetof(Incident, links)), 0);
		text_write(&read, &again);
		assert_string_equal(again.data, text.data);
		buffer_release(&text);
		buffer_release(&again);
		stored_incident_release(&stored);
		stored_incident_release(&read);
	}
}

static void an_invalid_document_is_released(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "[]", "{\"title\":", "{\"version\":0}", "{\"version\":1,\"title\":7}" };
	for (size_t i = 0; i < COUNT(bad); i++) {
		StoredIncident read;
		memset(&read, 0x5a, sizeof read);
		assert_int_equal(stored_incident_read(slice_of(bad[i]), &read).kind, ERROR_INPUT);
		assert_int_equal(read.tree_count, 0);
		stored_incident_release(&read);
		assert_false(read.exists);
	}
}

static void an_id_that_is_too_long_is_refused(void **state)
{
	(void)state;
	char text[ID_SIZE + 1];
	StoredIncident stored;
	memset(text, 'i', sizeof text);
	assert_true(stored_incident_new((Slice){ text, ID_SIZE - 1 }, &stored));
	assert_int_equal(strlen(stored.id.text), ID_SIZE - 1);
	stored_incident_release(&stored);
	assert_false(stored_incident_new((Slice){ text, ID_SIZE }, &stored));
	assert_int_equal(stored.id.text[0], 0);
	stored_incident_release(&stored);
}

/* ---- changes */

static void a_change_of_an_incident_sets_each_member_that_it_has(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1), other = incident_at(0);
	IncidentChange none = incident_change_none();
	assert_true(none.members == 0);
	assert_false(incident_change_matters(&none, &stored.incident));
	IncidentChange change = incident_change_of(&stored.incident);
	assert_true(CHANGES(&change, title) && CHANGES(&change, version) && CHANGES(&change, updated_at));
	assert_false(CHANGES(&change, asset) || CHANGES(&change, assignee) || CHANGES(&change, links));
	assert_false(incident_change_matters(&change, &stored.incident));
	assert_true(incident_change_matters(&change, &other.incident));
	incident_change_apply(&change, &other.incident);
	assert_true(fields_differing(&incident_table, &stored.incident, &other.incident) == 0);
	incident_change_release(&change);
	assert_true(change.members == 0);
	stored_incident_release(&stored);
	stored_incident_release(&other);
}

static void a_change_survives_encoding_and_decoding(void **state)
{
	(void)state;
	IncidentChange change = incident_change_none(), decoded;
	CHANGE(&change, title, "ice");
	CHANGE(&change, asset, NULL);
	CHANGE(&change, escalation_level, 0);
	json_t *tree JSON_AUTO = incident_change_encode(&change);
	json_t *expected JSON_AUTO = tree_of("{\"title\":\"ice\",\"escalation_level\":0,\"asset\":null}");
	assert_true(json_equal(tree, expected));
	succeeds(incident_change_decode(tree, &decoded));
	assert_true(decoded.members == change.members);
	assert_true(fields_differing(&incident_table, &decoded.values, &change.values) == 0);
	assert_null(decoded.owned);
	succeeds(incident_change_decode(NULL, &decoded));
	assert_true(decoded.members == 0);
}

static void a_change_to_null_matters_where_the_member_has_a_value(void **state)
{
	(void)state;
	StoredIncident stored = incident_at(1);
	IncidentChange change = incident_change_none();
	CHANGE(&change, asset, NULL);
	assert_false(incident_change_matters(&change, &stored.incident));
	CHANGE(&change, title, NULL);
	assert_true(incident_change_matters(&change, &stored.incident));
	incident_change_apply(&change, &stored.incident);
	assert_null(stored.incident.title);
	assert_int_equal(stored.incident.version, 1);
	stored_incident_release(&stored);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_must_have_the_next_version),
		cmocka_unit_test(an_entry_must_have_the_next_sequence),
		cmocka_unit_test(entries_of_one_record_must_follow_each_other),
		cmocka_unit_test(the_first_entry_has_version_1),
		cmocka_unit_test(entries_without_a_sequence_are_counted),
		cmocka_unit_test(a_record_without_entries_changes_nothing),
		cmocka_unit_test(unknown_members_are_ignored),
		cmocka_unit_test(null_clears_a_member_and_an_absent_one_keeps_it),
		cmocka_unit_test(version_and_time_are_those_of_the_entry),
		cmocka_unit_test(a_failure_changes_nothing),
		cmocka_unit_test(an_incident_outlives_the_trees_of_its_first_records),
		cmocka_unit_test(a_failure_changes_nothing_when_trees_are_merged),
		cmocka_unit_test(the_highest_report_version_is_kept),
		cmocka_unit_test(an_incident_is_noise_until_it_is_reopened),
		cmocka_unit_test(escalation_counts_from_the_last_start),
		cmocka_unit_test(a_document_survives_writing_and_reading),
		cmocka_unit_test(an_invalid_document_is_released),
		cmocka_unit_test(an_id_that_is_too_long_is_refused),
		cmocka_unit_test(a_change_of_an_incident_sets_each_member_that_it_has),
		cmocka_unit_test(a_change_survives_encoding_and_decoding),
		cmocka_unit_test(a_change_to_null_matters_where_the_member_has_a_value),
	};
	return cmocka_run_group_tests_name("incident", tests, NULL, NULL);
}
