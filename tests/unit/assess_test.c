/* Assessment: each criterion, and the verdicts of the default pack for the cases in assess.cases. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/classification/core/assess.h"
#include "shared/domain/documents.h"
#include "tests/unit/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20 };

static Verdict assess_text(const Policy *policy, const char *form, const char *text)
{
	json_t *document JSON_AUTO = NULL, *before JSON_AUTO = NULL;
	Result read = json_read(slice_of(text), &document);
	if (result_failed(read))
		fail_msg("%s: %s", text, read.text);
	before = json_deep_copy(document);
	Verdict verdict = assess(policy, form, document);
	assert_true(json_equal(document, before));
	return verdict;
}

static Policy *with_rules(const char *rules)
{
	const PackChange changes[] = { { "rules.yaml", rules }, { NULL, NULL } };
	return pack_compiled(changes);
}

/* ---- the grade */
static const char *const matrix[IMPORTANCES][LOSSES] = {
	[IMPORTANCE_GENERAL] = { "IV", "IV", "IV", "III" },
	[IMPORTANCE_IMPORTANT] = { "IV", "IV", "III", "II" },
	[IMPORTANCE_ESSENTIAL] = { "IV", "III", "II", "I" },
};
static const char *const by_harm[HARMS] = { "IV", "III", "II", "I" };
static const char *const damage_of[] = { "S", "S", "A", "B" };

static void rules_of_all_cells(Buffer *out)
{
	buffer_text(out, "rules:\n");
	for (int i = 0; i < IMPORTANCES; i++)
		for (int l = 0; l < LOSSES; l++)
			for (int h = 0; h < HARMS; h++)
				buffer_format(out,
					      "  - {id: r%d%d%d, when: [{field: /type, is: t%d%d%d}], "
					      "then: {importance: %s, loss: %s, social_harm: %s}}\n",
					      i, l, h, i, l, h, importance_words[i], loss_words[l], harm_words[h]);
}

static void the_grade_is_the_worse_of_matrix_and_social_harm_in_every_cell(void **state)
{
	Buffer rules;
	(void)state;
	buffer_init(&rules, TEXT_MAX);
	rules_of_all_cells(&rules);
	Policy *policy = with_rules(rules.data);
	for (int i = 0; i < IMPORTANCES; i++)
		for (int l = 0; l < LOSSES; l++)
			for (int h = 0; h < HARMS; h++) {
				char document[64];
				snprintf(document, sizeof document, "{\"type\":\"t%d%d%d\"}", i, l, h);
				Verdict verdict = assess_text(policy, "event", document);
				int cell = choice_of(grade_words, matrix[i][l]),
				    harm = choice_of(grade_words, by_harm[h]);
				int worse = harm < cell ? harm : cell;
				if (verdict.grade != worse)
					fail_msg("%s × %s, harm %s: grade %s", importance_words[i], loss_words[l],
						 harm_words[h], grade_words[verdict.grade]);
				assert_int_equal(verdict.matrix_grade, cell);
				assert_int_equal(verdict.grade_by_harm, harm < cell);
				assert_string_equal(damage_words[verdict.damage_level], damage_of[worse]);
			}
	policy_free(policy);
	buffer_release(&rules);
}

static void the_loss_follows_the_severity_if_no_rule_sets_it(void **state)
{
	static const struct {
		const char *severity, *loss;
	} expected[] = { { "info", "minor" },
			 { "low", "minor" },
			 { "medium", "considerable" },
			 { "high", "serious" },
			 { "critical", "grave" } };
	Policy *policy = with_rules("rules: []\n");
	(void)state;
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		char document[64];
		snprintf(document, sizeof document, "{\"severity\":\"%s\"}", expected[i].severity);
		Verdict verdict = assess_text(policy, "event", document);
		assert_string_equal(loss_words[verdict.loss], expected[i].loss);
		assert_true(verdict.loss_by_severity);
		assert_int_equal(verdict.importance, IMPORTANCE_GENERAL);
	}
	Verdict person = assess_text(policy, "report", "{\"kind\":\"incident\"}");
	assert_int_equal(person.loss, LOSS_MINOR);
	assert_false(person.loss_by_severity);
	policy_free(policy);
}

/* ---- kind, category, severity */
static void without_a_rule_the_defaults_decide(void **state)
{
	Policy *policy = with_rules("rules: []\n");
	(void)state;
	Verdict machine =
		assess_text(policy, "event", "{\"source\":\"ids\",\"title\":\"t\",\"severity\":\"critical\"}");
	assert_null(machine.rule);
	assert_string_equal(kind_words[machine.kind], "event");
	assert_int_equal(machine.kind_by, KIND_BY_DEFAULT);
	assert_string_equal(machine.category, CATEGORY_OTHER);
	assert_string_equal(severity_words[machine.severity], "critical");
	assert_int_equal(machine.flags, 0);
	assert_false(machine.noise);
	Verdict person = assess_text(policy, "report", "{\"kind\":\"weakness\",\"description\":\"d\"}");
	assert_string_equal(kind_words[person.kind], "weakness");
	assert_int_equal(person.kind_by, KIND_BY_REPORTER);
	assert_int_equal(person.severity, -1);
	assert_string_equal(grade_words[person.grade], "IV");
	policy_free(policy);
}

static void an_event_without_severity_counts_as_medium_for_rules_too(void **state)
{
	Policy *policy = with_rules("rules:\n  - {id: r, when: [{field: /severity, is: medium}], then: {}}\n");
	(void)state;
	Verdict event = assess_text(policy, "event", "{\"title\":\"t\"}");
	assert_non_null(event.rule);
	assert_string_equal(severity_words[event.severity], "medium");
	assert_non_null(assess_text(policy, "event", "{\"severity\":null}").rule);
	assert_null(assess_text(policy, "report", "{\"kind\":\"event\"}").rule);
	policy_free(policy);
}

static void the_kind_comes_from_the_rule_then_the_reporter_then_the_category(void **state)
{
	static const struct {
		const char *form, *document, *kind;
		KindDecider by;
	} cases[] = {
		{ "event", "{\"type\":\"both\"}", "incident", KIND_BY_RULE },
		{ "event", "{\"type\":\"category\"}", "weakness", KIND_BY_CATEGORY },
		{ "event", "{\"type\":\"plain\"}", "event", KIND_BY_DEFAULT },
		{ "event", "{\"type\":\"nothing\"}", "event", KIND_BY_DEFAULT },
		{ "report", "{\"kind\":\"event\",\"type\":\"both\"}", "incident", KIND_BY_RULE },
		{ "report", "{\"kind\":\"incident\",\"type\":\"category\"}", "incident", KIND_BY_REPORTER },
		{ "report", "{\"kind\":\"incident\",\"type\":\"noise\"}", "event", KIND_BY_RULE },
		{ "event", "{\"type\":\"noise\"}", "event", KIND_BY_RULE },
	};
	Policy *policy = with_rules(
		"rules:\n"
		"  - {id: both, when: [{field: /type, is: both}], then: {kind: incident, category: \"07001\"}}\n"
		"  - {id: category, when: [{field: /type, is: category}], then: {category: \"07001\"}}\n"
		"  - {id: plain, when: [{field: /type, is: plain}], then: {category: \"01007\"}}\n"
		"  - {id: noise, when: [{field: /type, is: noise}], then: {kind: incident, category: \"07001\", noise: "
		"true}}\n");
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Verdict verdict = assess_text(policy, cases[i].form, cases[i].document);
		if (strcmp(kind_words[verdict.kind], cases[i].kind) != 0 || verdict.kind_by != cases[i].by)
			fail_msg("%s: %s by %d", cases[i].document, kind_words[verdict.kind], verdict.kind_by);
	}
	policy_free(policy);
}

static void a_rule_outweighs_the_senders_severity(void **state)
{
	Policy *policy = with_rules("rules:\n  - {id: r, then: {severity: critical, flags: [emergency]}}\n");
	(void)state;
	Verdict verdict = assess_text(policy, "event", "{\"severity\":\"low\"}");
	assert_string_equal(severity_words[verdict.severity], "critical");
	assert_int_equal(verdict.loss, LOSS_GRAVE);
	assert_int_equal(verdict.flags, 1 << 1);
	policy_free(policy);
}

/* ---- the reason and the record */
static void assert_reason(const Policy *policy, const char *form, const char *document, const char *expected)
{
	Buffer reason;
	Verdict verdict = assess_text(policy, form, document);
	buffer_init(&reason, TEXT_MAX);
	verdict_reason(policy, &verdict, &reason);
	assert_string_equal(reason.data, expected);
	buffer_release(&reason);
}

static void the_reason_states_how_each_value_was_decided(void **state)
{
	Policy *policy = pack_compiled(NULL);
	(void)state;
	assert_reason(policy, "event", "{\"source\":\"edr\",\"title\":\"Ransom note\"}",
		      "Rule ransomware. Kind incident. Category 01007 (Ransomware). Grade II: importance important × loss grave; "
		      "social harm general does not raise it.");
	assert_reason(policy, "report", "{\"kind\":\"event\",\"description\":\"x\",\"type\":\"loss\"}",
		      "Rule loss. Kind event, from the reporter. Category 03011 (Loss of data). Grade IV: importance important × "
		      "loss considerable; social harm general does not raise it.");
	assert_reason(policy, "event", "{\"source\":\"web\",\"title\":\"defaced\"}",
		      "Rule defacement. Kind incident. Category 02009 (Web defacement). Grade III: by social harm considerable, "
		      "which outweighs importance × loss (important × considerable, grade IV).");
	assert_reason(policy, "event", "{\"source\":\"fw\",\"title\":\"port scan\"}",
		      "Rule port-scan-title-noise. Known noise: recorded as a false alarm, nobody is notified. Category 02001 "
		      "(Network scanning and probing). Grade IV: importance general × loss considerable, derived from severity "
		      "medium; social harm general does not raise it.");
	policy_free(policy);
	policy = with_rules("rules: []\n");
	assert_reason(policy, "event", "{\"source\":\"a\",\"title\":\"b\",\"severity\":\"high\"}",
		      "No rule matches. Kind event, by default. Category 10000, by default. Grade IV: importance general × loss "
		      "serious, derived from severity high; social harm general does not raise it.");
	policy_free(policy);
}

static void the_reason_is_in_the_packs_first_language(void **state)
{
	const PackChange changes[] = {
		{ "pack.yaml", "id: p\nversion: 1\ntimezone: Asia/Shanghai\nlanguages: [zh-CN, en]\n" }, { NULL, NULL }
	};
	Policy *policy = pack_compiled(changes);
	(void)state;
	assert_reason(policy, "event", "{\"source\":\"edr\",\"title\":\"Ransom note\"}",
		      "规则 ransomware。 类型：事件。 类别 01007（勒索软件）。 级别 II：重要程度“重要” × "
		      "损失“特别严重”；社会危害“一般”未提高级别。");
	policy_free(policy);
}

static void a_verdict_becomes_the_record_that_response_reads(void **state)
{
	Policy *policy = pack_compiled(NULL);
	Assessment assessment;
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	(void)state;
	Verdict verdict = assess_text(policy, "report",
				      "{\"kind\":\"event\",\"description\":\"gone\",\"type\":\"theft\","
				      "\"data_classification\":\"secret\"}");
	json_t *tree JSON_AUTO = verdict_encode(policy, &verdict, "because");
	assert_true(json_decode(&assessment_table, tree, true, &assessment, &errors));
	assert_string_equal(kind_words[assessment.kind], "incident");
	assert_string_equal(assessment.category, "03003");
	assert_string_equal(severity_words[assessment.severity], "critical");
	assert_string_equal(grade_words[assessment.grade], "II");
	assert_string_equal(damage_words[assessment.damage_level], "S");
	assert_string_equal(assessment.rule, "secret-leak");
	assert_string_equal(assessment.reason, "because");
	assert_string_equal(assessment.policy_version, policy_version(policy));
	assert_int_equal(json_array_size(assessment.flags), 2);
	assert_string_equal(json_string_value(json_array_get(assessment.flags, 1)), "emergency");
	assert_int_equal(assessment.noise, 0);
	policy_free(policy);
	policy = with_rules("rules: []\n");
	verdict = assess_text(policy, "report", "{\"kind\":\"event\",\"description\":\"x\"}");
	json_t *bare JSON_AUTO = verdict_encode(policy, &verdict, NULL);
	assert_true(json_is_null(json_object_get(bare, "rule")));
	assert_true(json_is_null(json_object_get(bare, "severity")));
	assert_int_equal(json_array_size(json_object_get(bare, "flags")), 0);
	policy_free(policy);
}

/* ---- the cases */
static const char *const cases_file = "tests/unit/assess.cases";

static void verdict_line(const Verdict *verdict, char *out, size_t size)
{
	char flags[64] = "";
	for (unsigned i = 0; flag_words[i] != NULL; i++)
		if ((verdict->flags & 1u << i) != 0) {
			strcat(flags, flags[0] != '\0' ? "+" : "");
			strcat(flags, flag_words[i]);
		}
	snprintf(out, size, "%s %s %s %s %s %s %s%s", kind_words[verdict->kind], verdict->category,
		 verdict->severity >= 0 ? severity_words[verdict->severity] : "-", grade_words[verdict->grade],
		 damage_words[verdict->damage_level], flags[0] != '\0' ? flags : "-",
		 verdict->rule != NULL ? verdict->rule->id : "-", verdict->noise ? " noise" : "");
}

/* Splits the line "FORM DOCUMENT -> EXPECTED" in place, so that `line` becomes FORM. False for an empty line or a comment. */
static bool case_cut(char *line, char **document, char **expected)
{
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '\0' || line[0] == '#')
		return false;
	char *arrow = strstr(line, " -> ");
	*document = strchr(line, ' ');
	assert_non_null(arrow);
	assert_non_null(*document);
	*(*document)++ = '\0';
	*arrow = '\0';
	*expected = arrow + 4;
	return true;
}

/* True if the verdict is as expected. Removes the rule that decided the case from `rules`. */
static bool case_holds(const Policy *policy, const char *form, const char *document, const char *expected,
		       unsigned line, json_t *rules)
{
	char found[256];
	Verdict verdict = assess_text(policy, form, document);
	verdict_line(&verdict, found, sizeof found);
	if (verdict.rule != NULL)
		json_object_del(rules, verdict.rule->id);
	if (strcmp(found, expected) != 0)
		print_error("%s:%u: %s\n  instead of %s\n", cases_file, line, found, expected);
	return strcmp(found, expected) == 0;
}

static void the_default_pack_gives_the_expected_verdicts_and_every_rule_has_a_case(void **state)
{
	Policy *policy = pack_compiled(NULL);
	FILE *file = fopen(cases_file, "r");
	char line[2048], *document, *expected;
	unsigned number = 0, wrong = 0;
	json_t *rules JSON_AUTO = json_object(), *rule;
	const char *id;
	size_t i;
	(void)state;
	assert_non_null(file);
	json_array_foreach (json_object_get(policy_message(policy), "rules"), i, rule)
		json_object_set_new(rules, json_string_value(json_object_get(rule, "id")), json_true());
	while (fgets(line, sizeof line, file) != NULL) {
		number++;
		if (case_cut(line, &document, &expected))
			wrong += !case_holds(policy, line, document, expected, number, rules);
	}
	fclose(file);
	json_object_foreach (rules, id, rule)
		print_error("%s: no case is decided by rule %s\n", cases_file, id);
	assert_int_equal(wrong, 0);
	assert_int_equal(json_object_size(rules), 0);
	policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_grade_is_the_worse_of_matrix_and_social_harm_in_every_cell),
		cmocka_unit_test(the_loss_follows_the_severity_if_no_rule_sets_it),
		cmocka_unit_test(without_a_rule_the_defaults_decide),
		cmocka_unit_test(an_event_without_severity_counts_as_medium_for_rules_too),
		cmocka_unit_test(the_kind_comes_from_the_rule_then_the_reporter_then_the_category),
		cmocka_unit_test(a_rule_outweighs_the_senders_severity),
		cmocka_unit_test(the_reason_states_how_each_value_was_decided),
		cmocka_unit_test(the_reason_is_in_the_packs_first_language),
		cmocka_unit_test(a_verdict_becomes_the_record_that_response_reads),
		cmocka_unit_test(the_default_pack_gives_the_expected_verdicts_and_every_rule_has_a_case),
	};
	return cmocka_run_group_tests_name("assess", tests, NULL, NULL);
}
