#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/response/core/decide.h"
#include "services/response/core/opening.h"
#include "services/response/response.h"
#include "shared/domain/types.h"
#include "tests/support/incident_document.h"
#include "tests/support/lone_service.h"
#include "tests/support/metric_value.h"
#include "tests/support/notify_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const Instant T0 = INT64_C(1795419330000); /* 2026-11-23T07:35:30Z */
#define INCIDENT "inc_0r3zx6m1pg0000000000000001"
#define KEY "0123456789abcdefghjkmnpqrs"

static Policy *policy;

static int policy_make(void **state)
{
	(void)state;
	policy = notify_pack();
	return 0;
}

static int policy_drop(void **state)
{
	(void)state;
	policy_free(policy);
	return 0;
}

/* ---- inputs */

static json_t *parsed(const char *text)
{
	json_t *tree = NULL;
	Result result = json_read(slice_of(text), &tree);
	if (result_failed(result))
		fail_msg("%s: %s", result.text, text);
	return tree;
}

static const char event_text[] = "{\"source\":\"ids-1\",\"title\":\"Port scan\",\"asset\":\"web-01\",\"actor\":\"10.0.0.9\","
				 "\"observables\":[{\"type\":\"ip\",\"value\":\"10.0.0.9\"}]}";

static json_t *assessment_new(const char *kind, const char *grade, bool noise)
{
	json_t *assessment = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[s], s:b}", "kind", kind, "category", "01007",
				       "severity", "high", "grade", grade, "damage_level", "S", "rule", "r1", "reason", "because",
				       "policy_version", "site@1+0", "flags", "serious", "noise", noise);
	assert_non_null(assessment);
	return assessment;
}

/* A record of classification's ledger. Takes ownership of assessment and document, which may be NULL. */
static json_t *record_tree(int version, int count, const char *form, json_t *assessment, json_t *document)
{
	json_t *report = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:o?}", "incident_id", INCIDENT, "number",
				   "INC-2026-0000-0001", "event_id", "evt_" KEY, "correlation_key", KEY, "form", form,
				   "report_version", version, "event_count", count, "received_at", "2026-11-23T07:35:00.000Z",
				   "last_seen_at", version > 1 ? "2026-11-23T07:36:00.000Z" : "2026-11-23T07:35:00.000Z",
				   "document", document);
	json_t *record = json_pack("{s:o, s:o?}", "report", report, "assessment", assessment);
	assert_non_null(record);
	return record;
}

static AssessmentRecord decoded(json_t *tree)
{
	AssessmentRecord record;
	assert_false(result_failed(json_decode_record(&assessment_record_table, tree, &record)));
	return record;
}

static const char *text_at(json_t *tree, const char *pointer)
{
	return json_string_value(json_at(tree, pointer));
}

/* ---- incidents and entries */

static void entries_fold(json_t *incident, json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		assert_false(result_failed(incident_document_apply(incident, json_array_get(list, i))));
}

static void assert_types(json_t *list, const char *types)
{
	char text[256] = "";
	for (size_t i = 0; i < json_array_size(list); i++) {
		strcat(text, i ? " " : "");
		strcat(text, json_string_value(json_object_get(json_array_get(list, i), "type")));
	}
	assert_string_equal(text, types);
}

/* Decides an opening, checks the types of its entries, and returns the incident folded from them. */
static json_t *opened_with(json_t *assessment, const char *form, json_t *document, Instant now, const char *types)
{
	json_t *tree = record_tree(1, 1, form, assessment, document);
	AssessmentRecord record = decoded(tree);
	Entries entries;
	Incident opened;
	Result result = opening_decide(&record, policy, now, &entries, &opened);
	if (result_failed(result))
		fail_msg("%s", result.text);
	json_t *incident = incident_document_new();
	entries_fold(incident, entries.list);
	assert_types(entries.list, types);
	assert_int_equal(entries.version, (int64_t)json_array_size(entries.list));
	json_decref(entries.list);
	json_decref(tree);
	return incident;
}

static json_t *opened(const char *kind, const char *grade)
{
	bool given = strcmp(kind, "incident") == 0 && grade[0] == 'I' && strlen(grade) < 3 && strcmp(grade, "IV") != 0;
	return opened_with(assessment_new(kind, grade, false), "event", parsed(event_text), T0,
			   given ? "opened assessed assigned" : "opened assessed");
}

/* ---- opening */

static void an_event_opens_an_incident_with_all_its_members(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_string_equal(text_at(incident, "/id"), INCIDENT);
	assert_string_equal(text_at(incident, "/number"), "INC-2026-0000-0001");
	assert_string_equal(text_at(incident, "/kind"), "incident");
	assert_string_equal(text_at(incident, "/status"), "reported");
	assert_int_equal(json_integer_value(json_at(incident, "/version")), 3);
	assert_string_equal(text_at(incident, "/title"), "Port scan");
	assert_string_equal(text_at(incident, "/source"), "ids-1");
	assert_string_equal(text_at(incident, "/severity"), "high");
	assert_string_equal(text_at(incident, "/grade"), "II");
	assert_string_equal(text_at(incident, "/damage_level"), "S");
	assert_string_equal(text_at(incident, "/category"), "01007");
	assert_string_equal(text_at(incident, "/flags/0"), "serious");
	assert_string_equal(text_at(incident, "/reason"), "because");
	assert_string_equal(text_at(incident, "/rule"), "r1");
	assert_string_equal(text_at(incident, "/policy_version"), "site@1+0");
	assert_string_equal(text_at(incident, "/assignee/team"), "soc");
	assert_string_equal(text_at(incident, "/assignee/person"), "li");
	assert_true(json_is_null(json_at(incident, "/acknowledged/at")));
	/* 60 s after T0: when the first level that has a delay is due. */
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:30.000Z");
	assert_int_equal(json_integer_value(json_at(incident, "/escalation_level")), 0);
	assert_string_equal(text_at(incident, "/asset"), "web-01");
	assert_string_equal(text_at(incident, "/actor"), "10.0.0.9");
	assert_string_equal(text_at(incident, "/observables/0/value"), "10.0.0.9");
	assert_string_equal(text_at(incident, "/correlation_key"), KEY);
	assert_int_equal(json_integer_value(json_at(incident, "/event_count")), 1);
	assert_string_equal(text_at(incident, "/first_seen_at"), "2026-11-23T07:35:00.000Z");
	assert_string_equal(text_at(incident, "/occurred_at"), "2026-11-23T07:35:00.000Z");
	assert_string_equal(text_at(incident, "/reported_at"), "2026-11-23T07:35:00.000Z");
	assert_string_equal(text_at(incident, "/opened_at"), "2026-11-23T07:35:30.000Z");
	assert_string_equal(text_at(incident, "/updated_at"), "2026-11-23T07:35:30.000Z");
	assert_true(json_is_null(json_at(incident, "/closed_at")));
	assert_true(json_is_null(json_at(incident, "/report")));
	assert_int_equal(json_object_size(incident), incident_table.count - 1); /* it has no links */
	json_decref(incident);
}

static void every_kind_opens_in_its_own_status(void **state)
{
	(void)state;
	static const char *const kinds[][2] = { { "event", "received" }, { "incident", "reported" }, { "weakness", "reported" } };
	for (size_t i = 0; i < 3; i++) {
		json_t *incident = opened(kinds[i][0], "IV");
		assert_string_equal(text_at(incident, "/status"), kinds[i][1]);
		assert_true(json_is_null(json_at(incident, "/acknowledge_by")));
		assert_true(json_is_null(json_at(incident, "/assignee/team")));
		json_decref(incident);
	}
}

static void a_policy_without_a_team_assigns_nobody_but_sets_acknowledge_by(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "III");
	assert_true(json_is_null(json_at(incident, "/assignee/team")));
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T08:35:30.000Z");
	json_decref(incident);
}

static void noise_opens_as_an_unassigned_false_alarm(void **state)
{
	(void)state;
	json_t *incident = opened_with(assessment_new("event", "IV", true), "event", parsed(event_text), T0, "opened assessed");
	assert_string_equal(text_at(incident, "/status"), "false-alarm");
	assert_string_equal(text_at(incident, "/closed_at"), "2026-11-23T07:35:30.000Z");
	assert_true(json_is_null(json_at(incident, "/acknowledge_by")));
	json_decref(incident);
}

static void a_persons_report_is_kept_in_its_incident(void **state)
{
	(void)state;
	json_t *document = parsed("{\"kind\":\"incident\",\"description\":\"\\n  Laptop stolen\\nfrom the train\",\"asset\":\"nb-7\","
				  "\"discovered_at\":\"2026-11-23T07:00:00Z\",\"reporter\":{\"name\":\"Li\"}}");
	json_t *incident = opened_with(assessment_new("incident", "II", false), "report", document, T0, "opened assessed assigned");
	assert_string_equal(text_at(incident, "/title"), "Laptop stolen");
	assert_string_equal(text_at(incident, "/description"), "\n  Laptop stolen\nfrom the train");
	assert_string_equal(text_at(incident, "/source"), "person");
	assert_string_equal(text_at(incident, "/report/reporter/name"), "Li");
	assert_string_equal(text_at(incident, "/discovered_at"), "2026-11-23T07:00:00.000Z");
	assert_true(json_is_null(json_at(incident, "/occurred_at")));
	json_decref(incident);
}

static void a_blank_description_is_titled_with_the_number(void **state)
{
	(void)state;
	json_t *incident = opened_with(assessment_new("event", "IV", false), "report",
				       parsed("{\"kind\":\"event\",\"description\":\"  \\n \"}"), T0, "opened assessed");
	assert_string_equal(text_at(incident, "/title"), "INC-2026-0000-0001");
	json_decref(incident);
}

static void an_opening_without_assessment_or_document_is_refused(void **state)
{
	(void)state;
	json_t *trees[] = {
		record_tree(1, 1, "event", NULL, parsed(event_text)),
		record_tree(1, 1, "event", assessment_new("incident", "I", false), NULL),
		record_tree(1, 1, "event", assessment_new("accident", "I", false), parsed(event_text)),
		record_tree(1, 1, "event", assessment_new("incident", "I", false), parsed("{\"title\":\"no source\"}")),
		record_tree(1, 1, "report", assessment_new("incident", "I", false), parsed(event_text)),
	};
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		AssessmentRecord record = decoded(trees[i]);
		Entries entries;
		Incident opened;
		assert_int_equal(opening_decide(&record, policy, T0, &entries, &opened).kind, ERROR_INPUT);
		json_decref(trees[i]);
	}
}

static void assert_title(const char *description, const char *expected)
{
	Buffer title;
	buffer_init(&title, 1024);
	title_of_description(slice_of(description), &title);
	assert_string_equal(title.size ? title.data : "", expected);
	buffer_release(&title);
}

static void a_title_is_the_first_line_cut_between_words(void **state)
{
	(void)state;
	char words[256] = "", long_word[200], chinese[1024] = "", expected[1024] = "";
	assert_title("one line", "one line");
	assert_title("\r\n\tfirst\r\nsecond", "first");
	assert_title("", "");
	for (int i = 0; i < 30; i++)
		strcat(words, "abcd ");
	assert_title(words, "abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd abcd "
			    "abcd abcd abcd abcd…");
	memset(long_word, 'x', 150);
	long_word[150] = '\0';
	snprintf(expected, sizeof(expected), "%.119s…", long_word);
	assert_title(long_word, expected);
	expected[0] = '\0';
	for (int i = 0; i < 150; i++) {
		strcat(chinese, "失");
		strcat(expected, i < 119 ? "失" : i == 119 ? "…" : "");
	}
	assert_title(chinese, expected);
	chinese[3 * TITLE_CUT] = '\0';
	assert_title(chinese, chinese);
}

/* ---- later reports */

/* Extras of an incident that was opened at T0 and whose escalation was never restarted. */
static IncidentExtras extras_of(json_t *incident, bool noise)
{
	return (IncidentExtras){ .report_version = 1, .noise = noise, .base_at = incident ? T0 : INSTANT_NONE,
				 .sequence = json_integer_value(json_object_get(incident, "version")) };
}

static json_t *repeated(json_t *incident, bool noise, json_t *tree, Instant now, const char *types)
{
	AssessmentRecord record = decoded(tree);
	Entries entries;
	IncidentExtras extras = extras_of(incident, noise);
	Incident before;
	incident_document_read(incident, &before);
	assert_false(result_failed(repeat_decide(&before, &extras, &record, policy, now, &entries)));
	assert_types(entries.list, types);
	entries_fold(incident, entries.list);
	json_decref(tree);
	return entries.list;
}

static void counts_of_repeats_never_decrease(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	json_t *entries = repeated(incident, false, record_tree(2, 7, "event", NULL, NULL), T0 + 1, "repeated");
	assert_int_equal(json_integer_value(json_at(incident, "/event_count")), 7);
	assert_string_equal(text_at(incident, "/last_seen_at"), "2026-11-23T07:36:00.000Z");
	assert_int_equal(json_integer_value(json_at(entries, "/0/data/report_version")), 2);
	json_decref(entries);
	json_decref(repeated(incident, false, record_tree(3, 5, "event", NULL, NULL), T0 + 2, ""));
	assert_int_equal(json_integer_value(json_at(incident, "/event_count")), 7);
	json_decref(incident);
}

static void a_worse_assessment_takes_effect_and_acknowledge_by_becomes_earlier(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "III");
	json_t *entries = repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
				   T0 + 1000, "repeated assessed assigned");
	assert_string_equal(text_at(incident, "/grade"), "I");
	assert_string_equal(text_at(incident, "/status"), "reported");
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:30.000Z"); /* counted from the opening */
	assert_null(json_at(entries, "/1/changes/escalation_level"));
	assert_null(json_at(entries, "/1/data/was"));
	json_decref(entries);
	json_decref(repeated(incident, false, record_tree(3, 2, "event", assessment_new("incident", "I", false), NULL), T0 + 2000,
			     ""));
	json_decref(incident);
}

static void a_worse_assessment_never_makes_acknowledge_by_later(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	json_object_set_new(incident, "acknowledge_by", json_string("2026-11-23T07:36:00.000Z"));
	json_decref(repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
			     T0 + 1000, "repeated assessed"));
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:00.000Z");
	json_decref(incident);
}

static void escalation_without_a_former_policy_starts_with_the_assessment(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "IV"); /* no escalation policy applies */
	json_t *entries = repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
				   T0 + 1000, "repeated assessed assigned");
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:31.000Z");
	StoredIncident stored;
	assert_true(stored_incident_new(SLICE(INCIDENT), &stored));
	stored.incident.version = stored.extras.sequence = 2; /* the opening made two entries */
	assert_false(result_failed(stored_incident_fold(&stored, entries)));
	assert_int_equal(stored.extras.base_at, T0 + 1000);
	assert_int_equal(stored.extras.report_version, 2);
	assert_int_equal(stored.extras.sequence, 5);
	stored_incident_release(&stored);
	json_decref(entries);
	json_decref(incident);
}

static void an_acknowledged_incident_that_gets_worse_stays_acknowledged(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "III");
	json_object_set_new(incident, "status", json_string("assessing"));
	json_object_set_new(incident, "acknowledged", json_pack("{s:s, s:{}}", "at", "2026-11-23T07:35:31.000Z", "by"));
	json_decref(repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
			     T0 + 1000, "repeated assessed assigned"));
	assert_string_equal(text_at(incident, "/grade"), "I");
	assert_string_equal(text_at(incident, "/status"), "assessing");
	assert_string_equal(text_at(incident, "/acknowledged/at"), "2026-11-23T07:35:31.000Z");
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T08:35:30.000Z");
	json_decref(incident);
}

static void an_acknowledgement_of_an_event_does_not_cover_the_incident_it_becomes(void **state)
{
	(void)state;
	json_t *incident = opened("event", "IV");
	json_object_set_new(incident, "status", json_string("triaging"));
	json_object_set_new(incident, "acknowledged", json_pack("{s:s, s:{s:s}}", "at", "2026-11-23T07:35:31.000Z", "by", "id", "k1"));
	json_t *entries = repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
				   T0 + 1000, "repeated assessed assigned");
	assert_string_equal(text_at(incident, "/kind"), "incident");
	assert_string_equal(text_at(incident, "/status"), "reported");
	assert_true(json_is_null(json_at(incident, "/acknowledged/at")));
	assert_true(json_is_null(json_at(incident, "/acknowledged/by")));
	assert_int_equal(json_integer_value(json_at(incident, "/escalation_level")), 0);
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:31.000Z");
	assert_string_equal(text_at(entries, "/1/data/was/kind"), "event"); /* the entry keeps the former kind */
	assert_string_equal(text_at(entries, "/1/data/was/acknowledged/by/id"), "k1");
	json_decref(entries);
	json_decref(incident);
}

static void a_milder_assessment_changes_nothing(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	json_decref(repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "III", false), parsed(event_text)),
			     T0 + 1000, "repeated"));
	json_decref(repeated(incident, false, record_tree(3, 3, "event", assessment_new("event", "I", false), parsed(event_text)),
			     T0 + 2000, "repeated"));
	assert_string_equal(text_at(incident, "/grade"), "II");
	assert_string_equal(text_at(incident, "/kind"), "incident");
	json_decref(incident);
}

static void an_event_that_becomes_an_incident_starts_escalation(void **state)
{
	(void)state;
	json_t *incident = opened("event", "IV");
	json_decref(repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
			     T0 + 1000, "repeated assessed assigned"));
	assert_string_equal(text_at(incident, "/kind"), "incident");
	assert_string_equal(text_at(incident, "/status"), "reported");
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:31.000Z");
	json_decref(incident);
}

static void repeats_of_a_closed_incident_are_counted_but_not_assessed(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	json_object_set_new(incident, "status", json_string("closed"));
	json_decref(repeated(incident, false, record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)),
			     T0 + 1, "repeated"));
	assert_string_equal(text_at(incident, "/grade"), "II");
	json_decref(incident);
}

static void noise_that_is_reassessed_is_reopened(void **state)
{
	(void)state;
	json_t *incident = opened_with(assessment_new("event", "IV", true), "event", parsed(event_text), T0, "opened assessed");
	json_decref(repeated(incident, true, record_tree(2, 2, "event", assessment_new("event", "IV", true), parsed(event_text)),
			     T0 + 1, "repeated"));
	json_decref(repeated(incident, true, record_tree(3, 3, "event", assessment_new("incident", "I", false), parsed(event_text)),
			     T0 + 1000, "repeated assessed reopened assigned"));
	assert_string_equal(text_at(incident, "/kind"), "incident");
	assert_string_equal(text_at(incident, "/status"), "reopened");
	assert_true(json_is_null(json_at(incident, "/closed_at")));
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:31.000Z");
	assert_string_equal(text_at(incident, "/assignee/team"), "soc");
	json_decref(incident);
}

static void times_increase_with_each_record_of_an_incident(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	json_t *entries = repeated(incident, false, record_tree(2, 2, "event", NULL, NULL), T0 - 60000, "repeated");
	assert_string_equal(text_at(entries, "/0/at"), "2026-11-23T07:35:30.001Z");
	json_decref(entries);
	json_decref(incident);
}

/* ---- commands */

static const char administrator[] = "{\"kind\":\"key\",\"id\":\"k1\",\"name\":\"admin\",\"roles\":[\"administrator\"]}";
static const char notification[] = "{\"kind\":\"system\",\"id\":\"notification\",\"name\":\"Tocsin\",\"roles\":[]}";
static const char auditor[] = "{\"kind\":\"person\",\"id\":\"p1\",\"name\":\"A\",\"roles\":[\"auditor\"]}";

/* Decides a command and folds its entries; the caller releases the decision. */
static Decision asked(json_t *incident, const char *actor_text, int64_t expected_version, const char *command,
		      const char *arguments_text, Instant now)
{
	json_t *actor_tree = parsed(actor_text), *arguments = parsed(arguments_text);
	CommandRecord record = { .incident_id = INCIDENT, .command = command, .expected_version = expected_version,
				 .actor = actor_tree, .arguments = arguments, .issued_at = now };
	Actor actor;
	assert_false(result_failed(json_decode_record(&actor_table, actor_tree, &actor)));
	IncidentExtras extras = extras_of(incident, false);
	Incident before;
	if (incident)
		incident_document_read(incident, &before);
	Decision decision = command_decide(incident ? &before : NULL, &extras, &record, &actor, policy, now);
	if (decision.kind == DECIDED_ENTERED) {
		assert_in_range(json_array_size(decision.entries.list), 1, 2);
		entries_fold(incident, decision.entries.list);
		assert_int_equal(decision.version, json_integer_value(json_at(incident, "/version")));
	} else {
		assert_int_equal(json_array_size(decision.entries.list), 0);
	}
	json_decref(actor_tree);
	json_decref(arguments);
	return decision;
}

static void assert_decided(json_t *incident, const char *command, const char *arguments, DecisionKind kind)
{
	Decision decision = asked(incident, administrator, INT64_MIN, command, arguments, T0 + 5000);
	assert_int_equal(decision.kind, kind);
	decision_release(&decision);
}

static void assert_refused(json_t *incident, const char *actor, int64_t version, const char *command, const char *arguments,
			   const char *code, const char *pointer)
{
	Decision decision = asked(incident, actor, version, command, arguments, T0 + 5000);
	assert_int_equal(decision.kind, DECIDED_REFUSED);
	assert_string_equal(text_at(decision.problem, "/code"), code);
	assert_int_equal(json_is_array(json_at(decision.problem, "/allowed")), strcmp(code, "transition-refused") == 0);
	if (pointer)
		assert_string_equal(text_at(decision.problem, "/errors/0/pointer"), pointer);
	else
		assert_true(json_is_null(json_at(decision.problem, "/errors")));
	decision_release(&decision);
}

#define CLOSE "{\"resolution\":\"resolved\",\"reason\":\"patched\"}"
#define REASON "{\"reason\":\"so it is\"}"

static void an_incident_is_acknowledged_closed_and_reopened(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_decided(incident, "acknowledge", "{\"note\":\"on it\"}", DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/status"), "assessing");
	assert_string_equal(text_at(incident, "/acknowledged/at"), "2026-11-23T07:35:35.000Z");
	assert_string_equal(text_at(incident, "/acknowledged/by/id"), "k1");
	assert_decided(incident, "acknowledge", "{}", DECIDED_UNCHANGED);
	assert_int_equal(json_integer_value(json_at(incident, "/version")), 4);
	assert_decided(incident, "note", "{\"text\":\"hm\"}", DECIDED_ENTERED);
	assert_decided(incident, "close", CLOSE, DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/status"), "closed");
	assert_string_equal(text_at(incident, "/resolution"), "resolved");
	assert_string_equal(text_at(incident, "/closed_at"), "2026-11-23T07:35:35.002Z");
	assert_decided(incident, "reopen", REASON, DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/status"), "reopened");
	/*
	 * After an outage all these commands may be in one batch. The second escalation still has another time, hence other message
	 * ids.
	 */
	assert_string_equal(text_at(incident, "/updated_at"), "2026-11-23T07:35:35.003Z");
	assert_true(json_is_null(json_at(incident, "/acknowledged/at")));
	assert_true(json_is_null(json_at(incident, "/acknowledged/by")));
	assert_true(json_is_null(json_at(incident, "/closed_at")));
	assert_true(json_is_null(json_at(incident, "/resolution")));
	assert_string_equal(text_at(incident, "/acknowledge_by"), "2026-11-23T07:36:35.003Z");
	assert_int_equal(json_integer_value(json_at(incident, "/escalation_level")), 0);
	assert_decided(incident, "acknowledge", "{}", DECIDED_ENTERED);
	assert_decided(incident, "false-alarm", REASON, DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/status"), "false-alarm");
	assert_string_equal(text_at(incident, "/closed_at"), "2026-11-23T07:35:35.005Z");
	json_decref(incident);
}

static void a_weakness_is_acknowledged_once_without_a_change_of_status(void **state)
{
	(void)state;
	json_t *weakness = opened("weakness", "IV");
	assert_decided(weakness, "acknowledge", "{}", DECIDED_ENTERED);
	assert_string_equal(text_at(weakness, "/status"), "reported");
	assert_decided(weakness, "acknowledge", "{}", DECIDED_UNCHANGED);
	json_decref(weakness);
}

static void a_reopened_event_can_be_acknowledged(void **state)
{
	(void)state;
	json_t *event = opened("event", "IV");
	assert_decided(event, "close", CLOSE, DECIDED_ENTERED);
	assert_string_equal(text_at(event, "/status"), "informational");
	assert_decided(event, "reopen", REASON, DECIDED_ENTERED);
	assert_string_equal(text_at(event, "/status"), "triaging");
	assert_decided(event, "acknowledge", "{}", DECIDED_ENTERED);
	assert_string_equal(text_at(event, "/status"), "triaging");
	json_decref(event);
}

static void assert_status(json_t *incident, const char *command, const char *arguments, const char *status)
{
	assert_decided(incident, command, arguments, DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/status"), status);
}

static void an_incident_goes_through_its_phases(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_refused(incident, administrator, INT64_MIN, "contain", "{}", "transition-refused", NULL);
	assert_status(incident, "confirm", "{\"reason\":\"seen on two hosts\"}", "confirmed");
	assert_string_equal(text_at(incident, "/acknowledged/by/id"), "k1"); /* confirming also acknowledges */
	assert_refused(incident, administrator, INT64_MIN, "confirm", "{}", "transition-refused", NULL);
	assert_status(incident, "contain", "{\"note\":\"isolated\"}", "containing");
	assert_status(incident, "eradicate", "{}", "eradicating");
	assert_status(incident, "contain", "{}", "containing"); /* containment may be repeated */
	assert_status(incident, "eradicate", "{}", "eradicating");
	assert_status(incident, "recover", "{}", "recovering");
	assert_status(incident, "review", "{}", "reviewing");
	assert_string_equal(text_at(incident, "/acknowledged/at"), "2026-11-23T07:35:35.000Z"); /* the first one is kept */
	assert_status(incident, "close", CLOSE, "closed");
	json_decref(incident);
}

static void a_cancelled_incident_is_closed_and_can_be_reopened(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_refused(incident, administrator, INT64_MIN, "cancel", "{}", "validation-failed", "/reason");
	Decision decision = asked(incident, administrator, INT64_MIN, "cancel", REASON, T0 + 5000);
	assert_types(decision.entries.list, "cancelled");
	assert_int_equal(decision.entries.effect, RECORD_CLOSES);
	assert_string_equal(text_at(decision.entries.list, "/0/changes/correlation_key"), KEY);
	decision_release(&decision);
	assert_string_equal(text_at(incident, "/closed_at"), "2026-11-23T07:35:35.000Z");
	assert_true(json_is_null(json_at(incident, "/resolution")));
	assert_status(incident, "reopen", REASON, "reopened");
	assert_true(json_is_null(json_at(incident, "/closed_at")));
	json_decref(incident);
}

static void a_weakness_is_corrected_and_verified(void **state)
{
	(void)state;
	json_t *weakness = opened("weakness", "IV");
	assert_refused(weakness, administrator, INT64_MIN, "fix", "{}", "transition-refused", NULL);
	assert_status(weakness, "validate", "{}", "validated");
	assert_status(weakness, "plan", "{}", "planned");
	assert_status(weakness, "fix", "{}", "fixing");
	assert_status(weakness, "verify", "{}", "verified");
	assert_status(weakness, "fix", "{\"note\":\"it did not hold\"}", "fixing");
	assert_status(weakness, "verify", "{}", "verified");
	assert_status(weakness, "close", CLOSE, "closed");
	json_decref(weakness);
}

static void a_promoted_event_keeps_its_number_and_escalates_as_an_incident(void **state)
{
	(void)state;
	json_t *event = opened("event", "II");
	char *number = strdup(text_at(event, "/number"));
	assert_decided(event, "acknowledge", "{}", DECIDED_ENTERED);
	assert_refused(event, administrator, INT64_MIN, "promote", "{\"kind\":\"event\",\"reason\":\"x\"}", "validation-failed", "/kind");
	assert_refused(event, administrator, INT64_MIN, "promote", "{\"kind\":\"incident\"}", "validation-failed", "/reason");
	Decision decision = asked(event, administrator, INT64_MIN, "promote", "{\"kind\":\"incident\",\"reason\":\"real\"}", T0 + 5000);
	assert_types(decision.entries.list, "promoted assigned");
	decision_release(&decision);
	assert_string_equal(text_at(event, "/kind"), "incident");
	assert_string_equal(text_at(event, "/status"), "reported");
	assert_string_equal(text_at(event, "/number"), number);
	assert_true(json_is_null(json_at(event, "/acknowledged/at")));
	assert_string_equal(text_at(event, "/assignee/team"), "soc");
	assert_string_equal(text_at(event, "/acknowledge_by"), "2026-11-23T07:36:35.001Z");
	assert_refused(event, administrator, INT64_MIN, "promote", "{\"kind\":\"weakness\",\"reason\":\"x\"}", "transition-refused", NULL);
	free(number);
	json_decref(event);
}

static void assigning_sets_team_and_person(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_decided(incident, "assign", "{\"person\":\"ann\"}", DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/assignee/team"), "soc");
	assert_string_equal(text_at(incident, "/assignee/person"), "ann");
	assert_decided(incident, "assign", "{\"team\":\"night\"}", DECIDED_ENTERED);
	assert_string_equal(text_at(incident, "/assignee/team"), "night");
	assert_true(json_is_null(json_at(incident, "/assignee/person")));
	json_decref(incident);
}

static void the_first_failed_check_refuses_a_command(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_refused(NULL, auditor, 9, "close", "{}", "not-found", NULL);
	assert_refused(incident, administrator, INT64_MIN, "explode", "{}", "not-found", NULL);
	assert_refused(incident, auditor, 9, "close", "{}", "forbidden", NULL);
	assert_refused(incident, administrator, 9, "close", "{\"reason\":\"x\"}", "validation-failed", "/resolution");
	assert_refused(incident, administrator, INT64_MIN, "assign", "{}", "validation-failed", "");
	assert_refused(incident, administrator, INT64_MIN, "assign", "{\"team\":\"none\"}", "validation-failed", "/team");
	assert_refused(incident, administrator, INT64_MIN, "assign", "{\"team\":\"soc\",\"person\":\"none\"}", "validation-failed",
		       "/person");
	assert_refused(incident, administrator, 9, "reopen", REASON, "version-conflict", NULL);
	assert_refused(incident, administrator, 3, "reopen", REASON, "transition-refused", NULL);
	assert_refused(incident, administrator, INT64_MIN, "escalated", "{\"escalation_level\":1}", "forbidden", NULL);
	assert_refused(incident, notification, INT64_MIN, "close", CLOSE, "forbidden", NULL);
	assert_int_equal(json_integer_value(json_at(incident, "/version")), 3);
	json_decref(incident);
}

static void a_refused_transition_lists_the_allowed_commands(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_decided(incident, "close", CLOSE, DECIDED_ENTERED);
	Decision decision = asked(incident, administrator, INT64_MIN, "acknowledge", "{}", T0);
	char *allowed = json_dumps(json_at(decision.problem, "/allowed"), JSON_COMPACT);
	assert_string_equal(allowed, "[\"note\",\"reopen\"]");
	assert_int_equal(decision.version, 4);
	free(allowed);
	decision_release(&decision);
	json_decref(incident);
}

static void assert_escalated(json_t *incident, int level, DecisionKind kind)
{
	char arguments[64];
	snprintf(arguments, sizeof(arguments), "{\"escalation_level\":%d}", level);
	Decision decision = asked(incident, notification, INT64_MIN, "escalated", arguments, T0 + 9000);
	assert_int_equal(decision.kind, kind);
	decision_release(&decision);
}

static void escalation_rises_until_an_acknowledgement(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_escalated(incident, 1, DECIDED_ENTERED);
	assert_escalated(incident, 1, DECIDED_NOTHING);
	assert_escalated(incident, 2, DECIDED_ENTERED);
	assert_escalated(incident, 1, DECIDED_NOTHING);
	assert_int_equal(json_integer_value(json_at(incident, "/escalation_level")), 2);
	assert_escalated(NULL, 1, DECIDED_NOTHING);
	assert_decided(incident, "acknowledge", "{}", DECIDED_ENTERED);
	assert_escalated(incident, 3, DECIDED_NOTHING);
	json_decref(incident);
}

static void a_level_of_a_superseded_plan_is_ignored(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	Decision decision = asked(incident, notification, INT64_MIN, "escalated",
				  "{\"escalation_level\":2,\"base_at\":\"2026-11-23T07:35:29.999Z\"}", T0 + 9000);
	assert_int_equal(decision.kind, DECIDED_NOTHING);
	decision_release(&decision);
	decision = asked(incident, notification, INT64_MIN, "escalated",
			 "{\"escalation_level\":2,\"base_at\":\"2026-11-23T07:35:30.000Z\"}", T0 + 9000);
	assert_int_equal(decision.kind, DECIDED_ENTERED);
	assert_int_equal(json_object_size(json_at(decision.entries.list, "/0/data")), 1);
	decision_release(&decision);
	json_decref(incident);
}

/* ---- links */

#define OTHER "inc_0r3zx6m1pg0000000000000002"

static void assert_linked(json_t *incident, const char *other, const char *by, DecisionKind kind)
{
	char arguments[256];
	snprintf(arguments, sizeof(arguments), "{\"incident_id\":\"%s\",\"number\":\"INC-2026-0000-0002\",\"by\":\"%s\"}", other, by);
	Decision decision = asked(incident, notification, INT64_MIN, "link", arguments, T0 + 9000);
	assert_int_equal(decision.kind, kind);
	if (kind == DECIDED_ENTERED) {
		assert_types(decision.entries.list, "linked");
		assert_string_equal(text_at(decision.entries.list, "/0/data/incident_id"), other);
		assert_string_equal(text_at(decision.entries.list, "/0/data/number"), "INC-2026-0000-0002");
		assert_string_equal(text_at(decision.entries.list, "/0/data/key"), strcmp(by, "asset") ? "10.0.0.9" : "web-01");
	}
	decision_release(&decision);
}

static void a_link_is_recorded_once_for_each_shared_member(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	assert_linked(incident, OTHER, "asset", DECIDED_ENTERED);
	assert_linked(incident, OTHER, "asset", DECIDED_NOTHING);
	assert_linked(incident, OTHER, "actor", DECIDED_ENTERED);
	char *links = json_dumps(json_object_get(incident, "links"), JSON_COMPACT);
	assert_string_equal(links, "[{\"incident_id\":\"" OTHER "\",\"by\":\"asset\"},{\"incident_id\":\"" OTHER "\",\"by\":\"actor\"}]");
	free(links);
	assert_decided(incident, "close", CLOSE, DECIDED_ENTERED);
	/* A link command may be in flight when the incident is closed; it is still recorded. */
	assert_linked(incident, INCIDENT, "asset", DECIDED_ENTERED);
	assert_linked(NULL, OTHER, "asset", DECIDED_NOTHING);
	assert_refused(incident, administrator, INT64_MIN, "link", "{}", "forbidden", NULL);
	json_decref(incident);
}

static void an_incident_has_at_most_the_maximum_of_links(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	for (int i = 0; i < INCIDENT_LINKS_MAX; i++) {
		char other[40];
		snprintf(other, sizeof(other), "inc_0r3zx6m1pg0000000000000%03d", i);
		assert_linked(incident, other, "asset", DECIDED_ENTERED);
	}
	assert_linked(incident, "inc_0r3zx6m1pg0000000000000999", "asset", DECIDED_NOTHING);
	json_decref(incident);
}

static void a_campaign_is_a_note(void **state)
{
	(void)state;
	json_t *incident = opened("incident", "II");
	Decision decision = asked(incident, notification, INT64_MIN, "campaign", "{\"by\":\"asset\",\"count\":64}", T0 + 9000);
	assert_int_equal(decision.kind, DECIDED_ENTERED);
	assert_types(decision.entries.list, "noted");
	/* The key of the text, because this policy pack has no such text. */
	assert_string_equal(text_at(decision.entries.list, "/0/data/text"), "join.campaign");
	decision_release(&decision);
	json_decref(incident);
}

/* ---- the service, run by the runtime */

static void input_assessment(LoneService *lone, const char *id, json_t *tree)
{
	char *body = json_dumps(tree, JSON_COMPACT);
	bool repeat = json_is_null(json_at(tree, "/assessment")) || !json_at(tree, "/assessment");
	lone_input(lone, TOPIC_ASSESSMENTS, id, repeat ? TYPE_ASSESSED_REPEAT : TYPE_ASSESSED, INCIDENT, body);
	free(body);
	json_decref(tree);
}

static void input_command(LoneService *lone, const char *id, const char *actor, const char *command, const char *arguments)
{
	char body[1024];
	snprintf(body, sizeof(body),
		 "{\"incident_id\":\"" INCIDENT "\",\"command\":\"%s\",\"actor\":%s,\"arguments\":%s,\"fingerprint\":\"ff\","
		 "\"issued_at\":\"2026-11-23T07:35:00.000Z\"}",
		 command, actor, arguments);
	lone_input(lone, TOPIC_COMMANDS, id, TYPE_COMMAND, INCIDENT, body);
}

static json_t *output(const LoneService *lone, TopicId topic, const char *type, size_t nth, BusRecord *record)
{
	assert_true(lone_output(lone, topic, type, nth, record));
	json_t *tree = NULL;
	assert_false(result_failed(json_read(record->body, &tree)));
	return tree;
}

static void service_opened(LoneService *lone)
{
	lone_start(lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(lone, "ass_1", record_tree(1, 1, "event", assessment_new("incident", "II", false), parsed(event_text)));
	lone_settle(lone);
}

static char *stored_document(LoneService *lone)
{
	Statement *row = store_query(lone->store, "SELECT document || report_version || noise || base_at FROM incidents");
	char *text = statement_next(row) ? slice_copy(statement_slice(row, 0)) : NULL;
	assert_false(result_failed(statement_end(row)));
	return text;
}

static void a_repeated_assessment_makes_one_record(void **state)
{
	(void)state;
	LoneService lone;
	BusRecord record;
	service_opened(&lone);
	input_assessment(&lone, "ass_1", record_tree(1, 1, "event", assessment_new("incident", "II", false), parsed(event_text)));
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 1);
	json_t *journal = output(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED, 0, &record);
	assert_types(json_at(journal, "/entries"), "opened assessed assigned");
	assert_int_equal(json_integer_value(json_at(journal, "/version")), 3);
	json_decref(journal);
	lone_stop(&lone);
}

/*
 * Neither the clock of a command's writer nor the entries of an incident that are ahead of the clock make response forget the
 * commands: a repeat would take effect again.
 */
static void a_time_400_days_ahead_makes_response_forget_no_command(void **state)
{
	(void)state;
	static const Instant ahead = INT64_C(400) * 86400000;
	LoneService lone;
	service_opened(&lone);
	input_command(&lone, "cmd_1", administrator, "note", "{\"text\":\"a\"}");
	lone_settle(&lone);
	lone.now = T0 + ahead; /* the owner's clock is ahead while the grade rises */
	input_assessment(&lone, "ass_2", record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)));
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 3);
	input_command(&lone, "cmd_2", administrator, "note", "{\"text\":\"b\"}"); /* its writer's clock is ahead */
	lone.now = T0 + 1000;
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 4);
	input_command(&lone, "cmd_1", administrator, "note", "{\"text\":\"a\"}");
	input_command(&lone, "cmd_2", administrator, "note", "{\"text\":\"b\"}");
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 4);
	assert_int_equal(lone.failure.kind, ERROR_NONE);
	lone_stop(&lone);
}

/*
 * When outputs of classification are lost, it sends them again in order. So a repeat may arrive before the opening of its incident,
 * and then a second time after the opening.
 */
static void a_repeat_before_its_opening_waits_for_it(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(&lone, "ass_2", record_tree(2, 2, "event", NULL, NULL));
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 0);
	input_assessment(&lone, "ass_1", record_tree(1, 1, "event", assessment_new("incident", "II", false), parsed(event_text)));
	input_assessment(&lone, "ass_2", record_tree(2, 2, "event", NULL, NULL));
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 2);
	char *document = stored_document(&lone);
	assert_non_null(strstr(document, "\"event_count\":2"));
	free(document);
	lone_stop(&lone);
}

/* Another program may write assessments: a time ahead of the clock would hide the times of all later events. */
static void an_assessment_with_a_time_ahead_of_the_clock_gets_the_time_of_the_clock(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(&lone, "ass_1", record_tree(1, 1, "event", assessment_new("incident", "II", false), parsed(event_text)));
	json_t *ahead = record_tree(2, 2, "event", NULL, NULL);
	json_object_set_new(json_object_get(ahead, "report"), "last_seen_at", json_string("9999-01-01T00:00:00.000Z"));
	input_assessment(&lone, "ass_2", ahead);
	input_assessment(&lone, "ass_3", record_tree(3, 3, "event", NULL, NULL));
	lone_settle(&lone);
	char *document = stored_document(&lone);
	assert_non_null(strstr(document, "\"event_count\":3"));
	assert_null(strstr(document, "9999"));
	free(document);
	lone_stop(&lone);
}

static void an_invalid_record_becomes_a_dead_letter(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(&lone, "ass_2", record_tree(1, 1, "event", assessment_new("incident", "II", false), NULL));
	lone_input(&lone, TOPIC_COMMANDS, "cmd_1", TYPE_COMMAND, INCIDENT, "{\"command\":7}");
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 0);
	assert_int_equal(lone_outputs(&lone, TOPIC_DEAD_LETTERS, TYPE_DEAD_LETTER), 2);
	lone_stop(&lone);
}

static void every_command_is_answered_once(void **state)
{
	(void)state;
	LoneService lone;
	BusRecord record;
	service_opened(&lone);
	for (int i = 0; i < 2; i++) {
		input_command(&lone, "cmd_1", administrator, "acknowledge", "{}");
		input_command(&lone, "cmd_2", administrator, "acknowledge", "{}");
		input_command(&lone, "cmd_3", administrator, "reopen", REASON);
		lone_settle(&lone);
		if (i == 0)
			lone_restart(&lone, true);
	}
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 2);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_UNCHANGED), 1);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_REFUSED), 1);
	json_t *journal = output(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_REFUSED, 0, &record);
	assert_true(slice_is(header_get(record.headers, "ce_cause"), "cmd_3"));
	assert_string_equal(text_at(journal, "/command_id"), "cmd_3");
	assert_string_equal(text_at(journal, "/fingerprint"), "ff");
	assert_string_equal(text_at(journal, "/problem/code"), "transition-refused");
	assert_int_equal(json_integer_value(json_at(journal, "/version")), 4);
	json_decref(journal);
	lone_stop(&lone);
}

static void a_command_is_forgotten_after_thirty_days(void **state)
{
	(void)state;
	LoneService lone;
	service_opened(&lone);
	input_command(&lone, "cmd_1", administrator, "note", "{\"text\":\"a\"}");
	lone_settle(&lone);
	lone.now += 31LL * 86400000;
	input_command(&lone, "cmd_2", administrator, "note", "{\"text\":\"b\"}");
	lone_settle(&lone);
	Statement *row = store_query(lone.store, "SELECT group_concat(id) FROM commands");
	assert_true(statement_next(row));
	assert_true(slice_is(statement_slice(row, 0), "cmd_2"));
	assert_false(result_failed(statement_end(row)));
	lone_stop(&lone);
}

static void closing_releases_the_key_in_intake(void **state)
{
	(void)state;
	LoneService lone;
	BusRecord record;
	service_opened(&lone);
	input_command(&lone, "cmd_1", administrator, "note", "{\"text\":\"a\"}");
	input_command(&lone, "cmd_2", administrator, "close", CLOSE);
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_EVENTS, TYPE_INCIDENT_CLOSED), 1);
	assert_true(lone_output(&lone, TOPIC_EVENTS, TYPE_INCIDENT_CLOSED, 0, &record));
	assert_true(slice_is(record.key, KEY));
	assert_true(slice_is(header_get(record.headers, "ce_subject"), INCIDENT));
	lone_stop(&lone);
}

static void reopening_restores_the_key_in_intake(void **state)
{
	(void)state;
	LoneService lone;
	BusRecord record;
	Resumption said;
	service_opened(&lone);
	input_assessment(&lone, "ass_2", record_tree(2, 9, "event", NULL, NULL));
	lone_settle(&lone);
	input_command(&lone, "cmd_1", administrator, "close", CLOSE);
	input_command(&lone, "cmd_2", administrator, "reopen", REASON);
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_EVENTS, TYPE_INCIDENT_CLOSED), 1);
	assert_int_equal(lone_outputs(&lone, TOPIC_EVENTS, TYPE_INCIDENT_REOPENED), 1);
	json_t *body = output(&lone, TOPIC_EVENTS, TYPE_INCIDENT_REOPENED, 0, &record);
	assert_true(slice_is(record.key, KEY));
	assert_true(slice_is(header_get(record.headers, "ce_subject"), INCIDENT));
	assert_false(result_failed(json_decode_record(&resumption_table, body, &said)));
	assert_int_equal(said.report_version, 2);
	assert_int_equal(said.event_count, 9);
	assert_int_equal(said.window_seconds, 900);
	assert_int_equal(said.cap_seconds, 86400);
	json_decref(body);
	lone_stop(&lone);
}

static void noise_keeps_its_key(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(&lone, "ass_1", record_tree(1, 1, "event", assessment_new("event", "IV", true), parsed(event_text)));
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 1);
	assert_int_equal(lone_outputs(&lone, TOPIC_EVENTS, TYPE_INCIDENT_CLOSED), 0);
	input_assessment(&lone, "ass_2", record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)));
	lone_settle(&lone);
	char *document = stored_document(&lone);
	assert_non_null(strstr(document, "\"status\":\"reopened\""));
	free(document);
	lone_stop(&lone);
}

static void noise_closed_by_a_person_as_false_alarm_stays_closed(void **state)
{
	(void)state;
	LoneService lone;
	lone_start(&lone, &response_service, NULL, NULL, policy, T0);
	input_assessment(&lone, "ass_1", record_tree(1, 1, "event", assessment_new("event", "IV", true), parsed(event_text)));
	lone_settle(&lone);
	input_command(&lone, "cmd_1", administrator, "reopen", REASON);
	input_command(&lone, "cmd_2", administrator, "false-alarm", REASON);
	lone_settle(&lone);
	input_assessment(&lone, "ass_2", record_tree(2, 2, "event", assessment_new("incident", "I", false), parsed(event_text)));
	lone_settle(&lone);
	char *document = stored_document(&lone);
	assert_non_null(strstr(document, "\"status\":\"false-alarm\""));
	assert_non_null(strstr(document, "\"event_count\":2"));
	free(document);
	lone_stop(&lone);
}

static void an_opening_is_counted_once_and_not_during_a_replay(void **state)
{
	(void)state;
	static const char *const series = "tocsin_incidents_opened_total{kind=\"incident\",grade=\"II\"}";
	LoneService lone;
	int64_t before = metric_value(series);
	service_opened(&lone);
	assert_int_equal(metric_value(series), before + 1);
	input_assessment(&lone, "ass_2", record_tree(2, 7, "event", NULL, NULL));
	input_command(&lone, "cmd_1", administrator, "acknowledge", "{}");
	lone_settle(&lone);
	lone_restart(&lone, true);
	lone_settle(&lone);
	assert_int_equal(lone_outputs(&lone, TOPIC_JOURNAL, TYPE_JOURNAL_ENTERED), 3);
	assert_int_equal(metric_value(series), before + 1);
	lone_stop(&lone);
}

static void state_is_a_fold_of_the_journal(void **state)
{
	(void)state;
	LoneService lone;
	service_opened(&lone);
	input_command(&lone, "cmd_1", administrator, "acknowledge", "{}");
	input_assessment(&lone, "ass_2", record_tree(2, 9, "event", NULL, NULL));
	input_command(&lone, "cmd_2", administrator, "close", CLOSE);
	input_command(&lone, "cmd_3", administrator, "close", CLOSE);
	lone_settle(&lone);
	char *live = stored_document(&lone);
	assert_non_null(live);
	lone_restart(&lone, true);
	lone_settle(&lone);
	char *rebuilt = stored_document(&lone);
	assert_non_null(rebuilt);
	assert_string_equal(live, rebuilt);
	free(live);
	free(rebuilt);
	lone_stop(&lone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_opens_an_incident_with_all_its_members),
		cmocka_unit_test(every_kind_opens_in_its_own_status),
		cmocka_unit_test(a_policy_without_a_team_assigns_nobody_but_sets_acknowledge_by),
		cmocka_unit_test(noise_opens_as_an_unassigned_false_alarm),
		cmocka_unit_test(a_persons_report_is_kept_in_its_incident),
		cmocka_unit_test(a_blank_description_is_titled_with_the_number),
		cmocka_unit_test(an_opening_without_assessment_or_document_is_refused),
		cmocka_unit_test(a_title_is_the_first_line_cut_between_words),
		cmocka_unit_test(counts_of_repeats_never_decrease),
		cmocka_unit_test(a_worse_assessment_takes_effect_and_acknowledge_by_becomes_earlier),
		cmocka_unit_test(a_worse_assessment_never_makes_acknowledge_by_later),
		cmocka_unit_test(escalation_without_a_former_policy_starts_with_the_assessment),
		cmocka_unit_test(an_acknowledged_incident_that_gets_worse_stays_acknowledged),
		cmocka_unit_test(an_acknowledgement_of_an_event_does_not_cover_the_incident_it_becomes),
		cmocka_unit_test(a_milder_assessment_changes_nothing),
		cmocka_unit_test(an_event_that_becomes_an_incident_starts_escalation),
		cmocka_unit_test(repeats_of_a_closed_incident_are_counted_but_not_assessed),
		cmocka_unit_test(noise_that_is_reassessed_is_reopened),
		cmocka_unit_test(times_increase_with_each_record_of_an_incident),
		cmocka_unit_test(an_incident_is_acknowledged_closed_and_reopened),
		cmocka_unit_test(a_weakness_is_acknowledged_once_without_a_change_of_status),
		cmocka_unit_test(a_reopened_event_can_be_acknowledged),
		cmocka_unit_test(an_incident_goes_through_its_phases),
		cmocka_unit_test(a_cancelled_incident_is_closed_and_can_be_reopened),
		cmocka_unit_test(a_weakness_is_corrected_and_verified),
		cmocka_unit_test(a_promoted_event_keeps_its_number_and_escalates_as_an_incident),
		cmocka_unit_test(assigning_sets_team_and_person),
		cmocka_unit_test(the_first_failed_check_refuses_a_command),
		cmocka_unit_test(a_refused_transition_lists_the_allowed_commands),
		cmocka_unit_test(escalation_rises_until_an_acknowledgement),
		cmocka_unit_test(a_level_of_a_superseded_plan_is_ignored),
		cmocka_unit_test(a_link_is_recorded_once_for_each_shared_member),
		cmocka_unit_test(an_incident_has_at_most_the_maximum_of_links),
		cmocka_unit_test(a_campaign_is_a_note),
		cmocka_unit_test(a_repeated_assessment_makes_one_record),
		cmocka_unit_test(a_time_400_days_ahead_makes_response_forget_no_command),
		cmocka_unit_test(a_repeat_before_its_opening_waits_for_it),
		cmocka_unit_test(an_assessment_with_a_time_ahead_of_the_clock_gets_the_time_of_the_clock),
		cmocka_unit_test(an_invalid_record_becomes_a_dead_letter),
		cmocka_unit_test(every_command_is_answered_once),
		cmocka_unit_test(a_command_is_forgotten_after_thirty_days),
		cmocka_unit_test(closing_releases_the_key_in_intake),
		cmocka_unit_test(reopening_restores_the_key_in_intake),
		cmocka_unit_test(noise_keeps_its_key),
		cmocka_unit_test(noise_closed_by_a_person_as_false_alarm_stays_closed),
		cmocka_unit_test(an_opening_is_counted_once_and_not_during_a_replay),
		cmocka_unit_test(state_is_a_fold_of_the_journal),
	};
	return cmocka_run_group_tests_name("response_decide", tests, policy_make, policy_drop);
}
