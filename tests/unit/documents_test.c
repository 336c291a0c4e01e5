/* The tables and bounds of the documents, and the fold of entries into an incident. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/documents.h"
#include "shared/domain/event_header.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/policy.h"
#include "tests/support/incident_document.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

static json_t *tree_of(const char *text)
{
	json_t *tree = NULL;
	Result read = json_read(slice_of(text), &tree);
	if (result_failed(read))
		fail_msg("%s: %s", text, read.text);
	return tree;
}

/* A JSON object with one member, a text with the given number of characters. */
static json_t *with_text(const char *document, const char *member, size_t characters)
{
	json_t *tree = tree_of(document);
	char *text = malloc(characters * 3 + 1);
	assert_non_null(text);
	for (size_t i = 0; i < characters; i++)
		memcpy(text + i * 3, "警", 3);
	text[characters * 3] = '\0';
	json_object_set_new(tree, member, json_string(text));
	free(text);
	return tree;
}

/* ---- bounds */
#define EVENT "{\"source\":\"ids\",\"title\":\"t\"}"
#define REPORT "{\"kind\":\"event\",\"description\":\"d\"}"

static const struct {
	const FieldTable *table;
	const char *document, *member;
	size_t most;
} bounds[] = {
	{ &event_table, EVENT, "title", 512 },
	{ &event_table, EVENT, "source", 256 },
	{ &event_table, EVENT, "id", 256 },
	{ &event_table, EVENT, "type", 256 },
	{ &event_table, EVENT, "rule", 256 },
	{ &event_table, EVENT, "asset", 256 },
	{ &event_table, EVENT, "actor", 256 },
	{ &report_table, REPORT, "title", 512 },
	{ &report_table, REPORT, "description", 8192 },
	{ &report_table, REPORT, "interim_measures", 8192 },
	{ &report_table, REPORT, "project", 256 },
	{ &report_table, REPORT, "asset", 256 },
};

static void a_text_may_have_as_many_characters_as_the_contract_says_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++)
		for (size_t more = 0; more < 2; more++) {
			json_t *tree JSON_AUTO = with_text(bounds[i].document, bounds[i].member, bounds[i].most + more);
			FieldErrors errors = { .count = 0 };
			char scratch[1024], pointer[64] = "/";
			assert_true(bounds[i].table->size <= sizeof scratch);
			bool right = json_decode(bounds[i].table, tree, true, scratch, &errors);
			if (right != (more == 0))
				fail_msg("%s of %zu characters", bounds[i].member, bounds[i].most + more);
			if (more > 0)
				assert_string_equal(errors.list[0].pointer, strcat(pointer, bounds[i].member));
		}
}

static const struct {
	const FieldTable *table;
	const char *document, *pointer; /* pointer: JSON pointer of the expected error; NULL: no error */
} documents[] = {
	{ &event_table, EVENT, NULL },
	{ &event_table, "{\"title\":\"t\"}", "/source" },
	{ &event_table, "{\"source\":\"ids\"}", "/title" },
	{ &event_table, "{\"source\":\"\",\"title\":\"t\"}", "/source" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"\"}", "/title" },
	{ &event_table, "{\"source\":\"ids\",\"title\":null}", "/title" },
	{ &event_table, "{\"source\":\"ids\",\"title\":7}", "/title" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"severity\":\"severe\"}", "/severity" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"severity\":\"critical\"}", NULL },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"colour\":\"red\"}", "/colour" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"id\":\"\"}", "/id" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"occurred_at\":\"yesterday\"}", "/occurred_at" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"occurred_at\":\"2026-11-23T10:00:00+08:00\"}", NULL },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"attributes\":[]}", "/attributes" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"attributes\":{\"any\":{\"thing\":1}}}", NULL },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"observables\":[{\"type\":\"ip\",\"value\":\"::1\"}]}",
	  NULL },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"observables\":[{\"type\":\"car\",\"value\":\"x\"}]}",
	  "/observables/0/type" },
	{ &event_table, "{\"source\":\"ids\",\"title\":\"t\",\"observables\":[{\"type\":\"ip\"}]}",
	  "/observables/0/value" },
	{ &report_table, REPORT, NULL },
	{ &report_table, "{\"description\":\"d\"}", "/kind" },
	{ &report_table, "{\"kind\":\"accident\",\"description\":\"d\"}", "/kind" },
	{ &report_table, "{\"kind\":\"event\"}", "/description" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"type\":\"murder\"}", "/type" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"reporter\":{\"relation\":\"friend\"}}",
	  "/reporter/relation" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"reporter\":{\"age\":7}}", "/reporter/age" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"suspected\":\"yes\"}", "/suspected" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"data_classification\":\"cosmic\"}",
	  "/data_classification" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"business_affected\":true}",
	  "/business_affected" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"origin\":\"client\"}", "/origin" },
	{ &report_table, "{\"kind\":\"event\",\"description\":\"d\",\"first_action\":{\"done_at\":\"now\"}}",
	  "/first_action/done_at" },
};

static void a_document_is_accepted_or_refused_with_the_pointer(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof documents / sizeof documents[0]; i++) {
		json_t *tree JSON_AUTO = tree_of(documents[i].document);
		FieldErrors errors = { .count = 0 };
		char scratch[1024];
		json_decode(documents[i].table, tree, true, scratch, &errors);
		if (documents[i].pointer == NULL && errors.count > 0)
			fail_msg("%s: %s %s", documents[i].document, errors.list[0].pointer, errors.list[0].detail);
		if (documents[i].pointer != NULL && errors.count != 1)
			fail_msg("%s: %zu errors", documents[i].document, errors.count);
		if (documents[i].pointer != NULL)
			assert_string_equal(errors.list[0].pointer, documents[i].pointer);
	}
}

static void sixty_four_observables_are_accepted_and_one_more_is_not(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO = tree_of(EVENT), *list = json_array();
	EventDocument event;
	json_object_set_new(tree, "observables", list);
	for (size_t i = 1; i <= 65; i++) {
		FieldErrors errors = { .count = 0 };
		json_array_append_new(list, json_pack("{s:s, s:s}", "type", "ip", "value", "192.0.2.1"));
		assert_int_equal(json_decode(&event_table, tree, true, &event, &errors), i <= 64);
	}
}

static void a_report_of_a_person_is_decoded_whole(void **state)
{
	(void)state;
	json_t *tree JSON_AUTO =
		tree_of("{\"kind\":\"incident\",\"description\":\"laptop "
			"gone\",\"type\":\"theft\",\"reporter\":{\"name\":\"王芳\","
			"\"contact\":\"wang@example.org\",\"relation\":\"contractor\",\"department\":\"财务\"},"
			"\"suspected\":true,"
			"\"data_classification\":\"top-secret\",\"business_affected\":\"will\",\"origin\":\"project\","
			"\"project\":\"P1\","
			"\"first_action\":{\"done_at\":\"2026-11-23T01:00:00Z\",\"reference\":\"110-7\"}}");
	ReportDocument report;
	FieldErrors errors = { .count = 0 };
	assert_true(json_decode(&report_table, tree, true, &report, &errors));
	assert_string_equal(kind_words[report.kind], "incident");
	assert_string_equal(report_type_words[report.type], "theft");
	assert_string_equal(report.reporter.name, "王芳");
	assert_string_equal(report.reporter.contact, "wang@example.org");
	assert_string_equal(relation_words[report.reporter.relation], "contractor");
	assert_string_equal(report.reporter.department, "财务");
	assert_int_equal(report.suspected, 1);
	assert_string_equal(data_words[report.data_classification], "top-secret");
	assert_string_equal(business_words[report.business_affected], "will");
	assert_string_equal(origin_words[report.origin], "project");
	assert_string_equal(report.project, "P1");
	assert_string_equal(report.first_action.reference, "110-7");
	assert_true(report.first_action.done_at == 1795395600000);
	assert_true(report.occurred_at == INSTANT_NONE);
	assert_null(report.title);
}

/* ---- personal data */
static const Field *field_at(const FieldTable *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->fields[i].name, name) == 0)
			return &table->fields[i];
	fail_msg("%s has no %s", table->name, name);
	return NULL;
}

static void members_with_personal_data_are_marked(void **state)
{
	static const struct {
		const FieldTable *table;
		const char *names[5];
	} marked[] = {
		{ &event_table, { "actor", "observables" } },
		{ &report_table, { "reporter" } },
		{ &actor_table, { "id", "name" } },
		{ &incident_table, { "actor", "observables", "description", "report" } },
		{ &delivery_table, { "recipient", "address" } },
		{ &report_record_table, { "document" } },
		{ &command_record_table, { "actor" } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++)
		for (size_t j = 0; j < 5 && marked[i].names[j] != NULL; j++)
			assert_true(field_at(marked[i].table, marked[i].names[j])->flags & FIELD_PERSONAL);
	const FieldTable *reporter = field_at(&report_table, "reporter")->table;
	assert_true(field_at(reporter, "name")->flags & FIELD_PERSONAL);
	assert_true(field_at(reporter, "contact")->flags & FIELD_PERSONAL);
	assert_true(field_at(field_at(&incident_table, "assignee")->table, "person")->flags & FIELD_PERSONAL);
}

/* ---- encoding and decoding of records */
static const struct {
	const FieldTable *table;
	const char *document;
} records[] = {
	{ &report_record_table, "{\"incident_id\":\"inc_1\",\"number\":\"INC-2026-A-B\",\"event_id\":\"evt_1\","
				"\"correlation_key\":\"k\",\"form\":\"event\","
				"\"report_version\":1,\"event_count\":3,\"through\":7,\"clock_offset_ms\":-120,"
				"\"window_seconds\":900,\"cap_seconds\":86400,"
				"\"received_at\":\"2026-11-23T01:00:00.000Z\",\"last_seen_at\":\"2026-11-23T01:00:00."
				"001Z\",\"document\":{\"a\":1}}" },
	{ &assessment_table,
	  "{\"kind\":\"incident\",\"category\":\"01007\",\"severity\":\"high\",\"grade\":\"II\",\"damage_level\":\"S\","
	  "\"rule\":\"r\","
	  "\"reason\":\"because\",\"policy_version\":\"p@1+0\",\"flags\":[\"serious\"],\"noise\":false}" },
	{ &command_record_table,
	  "{\"incident_id\":\"inc_1\",\"command\":\"note\",\"expected_version\":4,\"actor\":{\"kind\":\"key\"},"
	  "\"arguments\":{\"text\":\"x\"},\"fingerprint\":\"ff\",\"issued_at\":\"2026-11-23T01:00:00.000Z\"}" },
	{ &journal_entry_table, "{\"version\":2,\"sequence\":2,\"type\":\"noted\",\"at\":\"2026-11-23T01:00:00.000Z\",\"actor\":{},"
				"\"data\":{\"text\":\"x\"},\"changes\":{}}" },
	{ &journal_record_table,
	  "{\"incident_id\":\"inc_1\",\"command_id\":\"cmd_1\",\"fingerprint\":\"ff\",\"entries\":[],"
	  "\"problem\":{\"code\":\"x\"},\"version\":3,\"resumption\":{\"event_count\":2},"
	  "\"joins\":[{\"key\":\"k\",\"by\":\"asset\",\"incident_id\":\"inc_1\",\"number\":\"INC-1\","
	  "\"window_seconds\":60,\"open\":true}]}" },
	{ &resumption_table,
	  "{\"report_version\":3,\"event_count\":17,\"last_seen_at\":\"2026-11-23T01:00:00.000Z\",\"severity\":\"high\","
	  "\"window_seconds\":900,\"cap_seconds\":86400}" },
	{ &join_record_table,
	  "{\"key\":\"k\",\"by\":\"actor\",\"window_seconds\":60,\"incidents\":[{\"incident_id\":\"inc_1\","
	  "\"number\":\"INC-1\",\"at\":\"2026-11-23T01:00:00.000Z\"}],\"entered\":\"inc_1\",\"proposed\":false,"
	  "\"campaign\":null}" },
	{ &delivery_record_table,
	  "{\"incident_id\":\"inc_1\",\"policy_id\":\"grave\",\"policy_version\":\"p@1+0\",\"base_at\":\"2026-11-23T01:"
	  "00:00.000Z\","
	  "\"escalation_level\":1,\"levels\":[{\"escalation_level\":2,\"due_at\":\"2026-11-23T01:00:00.000Z\"}],"
	  "\"deliveries\":[{\"key\":\"msg_1\",\"channel\":\"mail\",\"recipient\":\"person:li\",\"escalation_level\":1,"
	  "\"state\":\"queued\",\"attempt\":0,\"next_at\":null,\"detail\":null,\"address\":\"li@example.org\","
	  "\"language\":\"en\"}]}" },
	{ &actor_table, "{\"kind\":\"person\",\"id\":\"li\",\"name\":\"李雷\",\"roles\":[\"handler\"]}" },
};

static void a_record_is_encoded_and_decoded_unchanged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof records / sizeof records[0]; i++) {
		json_t *tree JSON_AUTO = tree_of(records[i].document), *again JSON_AUTO = NULL;
		char scratch[1024];
		FieldErrors errors = { .count = 0 };
		assert_true(records[i].table->size <= sizeof scratch);
		if (!json_decode(records[i].table, tree, true, scratch, &errors))
			fail_msg("%s: %s %s", records[i].table->name, errors.list[0].pointer, errors.list[0].detail);
		again = json_encode(records[i].table, scratch);
		if (!json_equal(tree, again))
			fail_msg("%s: %s", records[i].table->name, json_dumps(again, JSON_COMPACT));
	}
}

static void an_assessment_carries_its_report(void **state)
{
	(void)state;
	Buffer text;
	AssessmentRecord record;
	buffer_init(&text, TEXT_MAX);
	buffer_format(&text, "{\"report\":%s,\"assessment\":%s}", records[0].document, records[1].document);
	json_t *tree JSON_AUTO = tree_of(text.data);
	assert_false(result_failed(json_decode_record(&assessment_record_table, tree, &record)));
	assert_int_equal(record.report.event_count, 3);
	assert_int_equal(record.report.clock_offset_ms, -120);
	assert_non_null(record.report.document);
	assert_string_equal(json_string_value(json_object_get(record.assessment, "grade")), "II");
	buffer_release(&text);
}

/* ---- incidents */
static size_t members_always_present(void)
{
	size_t count = 0;
	for (size_t i = 0; i < incident_table.count; i++)
		count += !(incident_table.fields[i].flags & FIELD_OMIT_EMPTY);
	return count;
}

static void a_new_incident_has_every_member_in_the_order_of_the_table(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new(), *value;
	const char *name;
	size_t i = 0;
	json_object_foreach (incident, name, value) {
		while (incident_table.fields[i].flags & FIELD_OMIT_EMPTY)
			i++;
		assert_string_equal(name, incident_table.fields[i++].name);
		assert_true(json_is_null(value) || json_is_object(value) || strcmp(name, "version") == 0);
	}
	assert_int_equal(json_object_size(incident), members_always_present());
	assert_true(json_is_null(json_at(incident, "/assignee/team")));
	assert_true(json_is_null(json_at(incident, "/acknowledged/by")));
}

static Result enter(json_t *incident, int version, const char *changes)
{
	json_t *parsed = tree_of(changes);
	json_t *entry JSON_AUTO = json_pack("{s:i, s:s, s:s, s:n, s:n, s:o}", "version", version, "type", "noted", "at",
					    "2026-11-23T01:00:00.000Z", "actor", "data", "changes", parsed);
	json_t *before JSON_AUTO = json_deep_copy(entry);
	Result applied = incident_document_apply(incident, entry);
	assert_true(json_equal(entry, before));
	return applied;
}

static void assert_at(json_t *incident, const char *pointer, const char *text)
{
	json_t *value = json_at(incident, pointer);
	if (text == NULL)
		assert_true(json_is_null(value));
	else
		assert_string_equal(json_string_value(value), text);
}

static void entries_make_an_incident(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	assert_false(
		result_failed(enter(incident, 1, "{\"title\":\"t\",\"kind\":\"incident\",\"status\":\"reported\"}")));
	assert_false(result_failed(enter(incident, 2, "{\"status\":\"assessing\",\"flags\":[\"serious\"]}")));
	assert_int_equal(json_integer_value(json_object_get(incident, "version")), 2);
	assert_at(incident, "/title", "t");
	assert_at(incident, "/status", "assessing");
	assert_at(incident, "/updated_at", "2026-11-23T01:00:00.000Z");
	assert_false(result_failed(enter(incident, 3, "{\"title\":null}")));
	assert_at(incident, "/title", NULL);
	assert_int_equal(json_object_size(incident), members_always_present());
}

static void links_are_absent_until_an_entry_sets_them(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	assert_null(json_object_get(incident, "links"));
	json_t *entry JSON_AUTO = tree_of("{\"version\":1,\"type\":\"linked\",\"at\":\"2026-11-23T01:00:00.000Z\","
					  "\"changes\":{\"links\":[{\"incident_id\":\"inc_2\",\"by\":\"asset\"}],"
					  "\"unknown\":1}}");
	assert_false(result_failed(incident_document_apply(incident, entry)));
	assert_string_equal(json_string_value(json_at(incident, "/links/0/incident_id")), "inc_2");
	assert_int_equal(json_object_size(incident), incident_table.count);
	json_t *unlinked JSON_AUTO = tree_of("{\"version\":2,\"type\":\"noted\",\"at\":\"2026-11-23T01:00:00.000Z\","
					     "\"changes\":{\"links\":[]}}");
	assert_false(result_failed(incident_document_apply(incident, unlinked)));
	assert_null(json_object_get(incident, "links"));
}

/* The document of an incident, as every service keeps it, becomes the struct and back without a difference. */
static void an_incident_is_decoded_and_encoded_unchanged(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	Incident decoded;
	assert_false(result_failed(enter(incident, 1, "{\"id\":\"inc_1\",\"kind\":\"weakness\",\"status\":\"planned\","
						      "\"severity\":\"high\",\"grade\":\"III\",\"damage_level\":\"B\","
						      "\"flags\":[\"drill\"],\"event_count\":2,\"acknowledged\":{\"by\":{}}}")));
	assert_false(result_failed(json_decode_record(&incident_table, incident, &decoded)));
	assert_string_equal(kind_words[decoded.kind], "weakness");
	assert_string_equal(status_words[decoded.status], "planned");
	assert_string_equal(severity_words[decoded.severity], "high");
	assert_string_equal(grade_words[decoded.grade], "III");
	assert_string_equal(damage_words[decoded.damage_level], "B");
	assert_int_equal(decoded.resolution, -1);
	assert_null(decoded.links);
	json_t *again JSON_AUTO = json_encode(&incident_table, &decoded);
	assert_true(json_equal(incident, again));
	assert_false(result_failed(enter(incident, 2, "{\"status\":\"closed\",\"resolution\":\"accepted\","
						      "\"links\":[{\"incident_id\":\"inc_2\",\"by\":\"actor\"}]}")));
	assert_false(result_failed(json_decode_record(&incident_table, incident, &decoded)));
	assert_string_equal(resolution_words[decoded.resolution], "accepted");
	json_t *linked JSON_AUTO = json_encode(&incident_table, &decoded);
	assert_true(json_equal(incident, linked));
}

static void a_nested_member_is_replaced_as_a_whole_and_null_clears_it(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	enter(incident, 1, "{\"assignee\":{\"team\":\"soc\"}}");
	enter(incident, 2, "{\"assignee\":{\"person\":\"li\"}}");
	assert_at(incident, "/assignee/team", NULL);
	assert_at(incident, "/assignee/person", "li");
	enter(incident, 3, "{\"assignee\":null}");
	assert_at(incident, "/assignee/team", NULL);
	assert_at(incident, "/assignee/person", NULL);
}

static void unknown_members_of_a_later_version_are_ignored(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	enter(incident, 1, "{\"colour\":\"red\",\"assignee\":{\"robot\":\"r2\",\"team\":\"soc\"}}");
	assert_null(json_object_get(incident, "colour"));
	assert_null(json_at(incident, "/assignee/robot"));
	assert_at(incident, "/assignee/team", "soc");
}

static void an_entry_out_of_order_is_refused_and_changes_nothing(void **state)
{
	(void)state;
	json_t *incident JSON_AUTO = incident_document_new();
	enter(incident, 1, "{\"title\":\"first\"}");
	json_t *before JSON_AUTO = json_deep_copy(incident);
	assert_int_equal(enter(incident, 1, "{\"title\":\"again\"}").kind, ERROR_INTERNAL);
	assert_int_equal(enter(incident, 3, "{\"title\":\"skipped\"}").kind, ERROR_INTERNAL);
	assert_true(json_equal(incident, before));
}

/* ---- the event header */
static void an_event_header_is_written_and_read_back(void **state)
{
	static const EventHeader headers[] = {
		{ .window_seconds = 900, .cap_seconds = 86400, .severity = 2, .clock_offset_ms = -120 },
		{ .window_seconds = 0, .cap_seconds = 0, .severity = -1, .clock_offset_ms = INT64_MIN },
		{ .window_seconds = 31536000, .cap_seconds = 31536000, .severity = 4, .clock_offset_ms = INT64_MAX },
	};
	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		Buffer text;
		EventHeader again;
		buffer_init(&text, 256);
		event_header_write(&text, &headers[i]);
		assert_false(result_failed(event_header_read(buffer_slice(&text), &again)));
		assert_true(again.window_seconds == headers[i].window_seconds &&
			    again.cap_seconds == headers[i].cap_seconds);
		assert_true(again.severity == headers[i].severity &&
			    again.clock_offset_ms == headers[i].clock_offset_ms);
		buffer_release(&text);
	}
}

static void an_event_header_matches_the_contract(void **state)
{
	(void)state;
	Buffer text;
	buffer_init(&text, 256);
	event_header_write(
		&text,
		&(EventHeader){ .window_seconds = 900, .cap_seconds = 86400, .severity = 2, .clock_offset_ms = -120 });
	assert_string_equal(text.data, "window=900;cap=86400;severity=2;clock=-120");
	buffer_release(&text);
}

static void an_invalid_event_header_is_refused_and_the_struct_untouched(void **state)
{
	static const char *const broken[] = { "",
					      "window=900",
					      "cap=900",
					      "window=;cap=1",
					      "window=1;cap=x",
					      "window=-1;cap=1",
					      "window=1;cap=1;severity=5",
					      "window=1;cap=1;clock=soon" };
	(void)state;
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		EventHeader header = { .severity = 77 };
		assert_int_equal(event_header_read(slice_of(broken[i]), &header).kind, ERROR_INPUT);
		assert_int_equal(header.severity, 77);
	}
	EventHeader header;
	assert_false(result_failed(event_header_read(SLICE("window=1;later=thing;cap=2"), &header)));
	assert_int_equal(header.cap_seconds, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_may_have_as_many_characters_as_the_contract_says_and_no_more),
		cmocka_unit_test(a_document_is_accepted_or_refused_with_the_pointer),
		cmocka_unit_test(sixty_four_observables_are_accepted_and_one_more_is_not),
		cmocka_unit_test(a_report_of_a_person_is_decoded_whole),
		cmocka_unit_test(members_with_personal_data_are_marked),
		cmocka_unit_test(a_record_is_encoded_and_decoded_unchanged),
		cmocka_unit_test(an_assessment_carries_its_report),
		cmocka_unit_test(a_new_incident_has_every_member_in_the_order_of_the_table),
		cmocka_unit_test(entries_make_an_incident),
		cmocka_unit_test(links_are_absent_until_an_entry_sets_them),
		cmocka_unit_test(an_incident_is_decoded_and_encoded_unchanged),
		cmocka_unit_test(a_nested_member_is_replaced_as_a_whole_and_null_clears_it),
		cmocka_unit_test(unknown_members_of_a_later_version_are_ignored),
		cmocka_unit_test(an_entry_out_of_order_is_refused_and_changes_nothing),
		cmocka_unit_test(an_event_header_is_written_and_read_back),
		cmocka_unit_test(an_event_header_matches_the_contract),
		cmocka_unit_test(an_invalid_event_header_is_refused_and_the_struct_untouched),
	};
	return cmocka_run_group_tests_name("documents", tests, NULL, NULL);
}
