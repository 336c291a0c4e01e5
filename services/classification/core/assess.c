#include "services/classification/core/assess.h"

#include "shared/domain/documents.h"
#include "shared/domain/lifecycle.h"

#include <string.h>

enum { SEVERITY_MEDIUM = 2 };

static const RuleThen no_rule = {
	.kind = -1, .severity = -1, .importance = -1, .loss = -1, .social_harm = -1, .noise = -1
};

static int value_or(int value, int otherwise)
{
	return value >= 0 ? value : otherwise;
}

/* The members of a document that the assessment uses besides the rules; -1: absent, or not in the list of words. */
typedef struct {
	int kind, severity;
} Facts;

static const Field fact_fields[] = {
	{ .name = "kind", .type = FIELD_CHOICE, .offset = offsetof(Facts, kind), .choices = kind_words },
	{ .name = "severity", .type = FIELD_CHOICE, .offset = offsetof(Facts, severity), .choices = severity_words },
};
static const FieldTable fact_table = FIELD_TABLE("document", fact_fields, Facts);

static Facts facts_of(json_t *document)
{
	Facts facts;
	if (result_failed(json_decode_record(&fact_table, document, &facts)))
		facts = (Facts){ .kind = -1, .severity = -1 };
	return facts;
}

/* A new reference to the document, or to a copy with severity medium if the document is an event without a severity. */
static json_t *document_completed(json_t *document, bool person)
{
	if (person || facts_of(document).severity >= 0)
		return json_incref(document);
	json_t *completed = json_copy(document);
	json_object_set_new(completed, "severity", json_string(severity_words[SEVERITY_MEDIUM]));
	return completed;
}

/* Step 4 of assess.h. */
static void assess_category(const RuleThen *then, Verdict *verdict)
{
	verdict->category_by_rule = then->category != NULL;
	verdict->category = then->category != NULL ? then->category : CATEGORY_OTHER;
}

/* Steps 2 and 3 of assess.h. Uses the category of step 4. */
static void assess_kind(const Policy *policy, const RuleThen *then, int reporter, bool person, Verdict *verdict)
{
	int by_category = person || !verdict->category_by_rule ? -1 : policy_category_kind(policy, verdict->category);
	const int kinds[KIND_DECIDERS] = {
		[KIND_BY_RULE] = verdict->noise ? KIND_EVENT : then->kind,
		[KIND_BY_REPORTER] = reporter,
		[KIND_BY_CATEGORY] = by_category,
	};
	static const KindDecider order[] = { KIND_BY_RULE, KIND_BY_REPORTER, KIND_BY_CATEGORY };
	verdict->kind = KIND_EVENT;
	verdict->kind_by = KIND_BY_DEFAULT;
	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
		if (kinds[order[i]] >= 0) {
			verdict->kind = kinds[order[i]];
			verdict->kind_by = order[i];
			return;
		}
}

/* Steps 6 to 8 of assess.h. Uses the severity of step 5. */
static void assess_weight(const GradingPolicy *grading, const RuleThen *then, Verdict *verdict)
{
	int expected = verdict->severity >= 0 ? grading->severity_loss[verdict->severity] : LOSS_MINOR;
	verdict->importance = value_or(then->importance, IMPORTANCE_GENERAL);
	verdict->loss_by_severity = then->loss < 0 && verdict->severity >= 0;
	verdict->loss = value_or(then->loss, expected);
	verdict->social_harm = value_or(then->social_harm, HARM_GENERAL);
}

/* Steps 9 and 10 of assess.h. Grades are indexes; 0 is the worst grade. */
static void assess_grade(const GradingPolicy *grading, Verdict *verdict)
{
	int by_harm = grading->harm_grade[verdict->social_harm];
	verdict->matrix_grade = grading->grade[verdict->importance][verdict->loss];
	verdict->grade_by_harm = by_harm < verdict->matrix_grade;
	verdict->grade = verdict->grade_by_harm ? by_harm : verdict->matrix_grade;
	verdict->damage_level = grading->damage[verdict->grade];
}

Verdict assess(const Policy *policy, const char *form, json_t *document)
{
	bool person = form != NULL && strcmp(form, "report") == 0;
	json_t *completed JSON_AUTO = document_completed(document, person);
	Verdict verdict = { .rule = policy_rule(policy, completed) };
	const RuleThen *then = verdict.rule != NULL ? &verdict.rule->then : &no_rule;
	const GradingPolicy *grading = policy_grading(policy);
	const Facts facts = facts_of(completed);
	int reporter = person ? facts.kind : -1;
	verdict.noise = then->noise == 1;
	verdict.flags = then->flags;
	verdict.severity = value_or(then->severity, facts.severity);
	assess_category(then, &verdict);
	assess_kind(policy, then, reporter, person, &verdict);
	assess_weight(grading, then, &verdict);
	assess_grade(grading, &verdict);
	return verdict;
}

/* ---- the reason */
enum { WORD_MAX = 256 };

typedef struct {
	char text[WORD_MAX];
} Word;

/* The pack's text for group and word ("loss." and "serious"); if the text is too long, the word itself. */
static Word word_text(const Policy *policy, const char *group, const char *word)
{
	Word result = { .text = "" };
	Buffer key, text;
	buffer_init(&key, WORD_MAX);
	buffer_init(&text, WORD_MAX - 1);
	buffer_text(&key, group);
	buffer_text(&key, word);
	policy_words(policy, NULL, key.data, &text, NULL);
	if (text.overflowed || !text_copy(buffer_slice(&text), result.text, sizeof result.text))
		text_copy(slice_of(word), result.text, sizeof result.text);
	buffer_release(&key);
	buffer_release(&text);
	return result;
}

static void reason_of_rule(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	if (verdict->rule != NULL)
		policy_words(policy, NULL, "reason.rule", out, "rule", verdict->rule->id, NULL);
	else
		policy_words(policy, NULL, "reason.no-rule", out, NULL);
}

static void reason_of_kind(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	static const char *const keys[KIND_DECIDERS] = {
		[KIND_BY_DEFAULT] = "reason.kind-default",
		[KIND_BY_RULE] = "reason.kind-rule",
		[KIND_BY_REPORTER] = "reason.kind-reporter",
		[KIND_BY_CATEGORY] = "reason.kind-category",
	};
	Word kind = word_text(policy, "kind.", kind_words[verdict->kind]);
	policy_words(policy, NULL, keys[verdict->kind_by], out, "kind", kind.text, NULL);
}

static void reason_of_category(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	const char *name = policy_category_name(policy, verdict->category, policy_languages(policy)[0]);
	policy_words(policy, NULL, verdict->category_by_rule ? "reason.category" : "reason.category-default", out,
		     "code", verdict->category, "name", name != NULL ? name : verdict->category, NULL);
}

static void reason_of_grade(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	const char *key = verdict->grade_by_harm      ? "reason.grade-harm"
			  : verdict->loss_by_severity ? "reason.grade-severity"
						      : "reason.grade-matrix";
	Word importance = word_text(policy, "importance.", importance_words[verdict->importance]);
	Word loss = word_text(policy, "loss.", loss_words[verdict->loss]);
	Word harm = word_text(policy, "harm.", harm_words[verdict->social_harm]);
	Word severity = word_text(policy, "severity.",
					verdict->severity >= 0 ? severity_words[verdict->severity] : "none");
	policy_words(policy, NULL, key, out, "grade", grade_words[verdict->grade], "matrix",
		     grade_words[verdict->matrix_grade], "importance", importance.text, "loss", loss.text, "harm",
		     harm.text, "severity", severity.text, NULL);
}

static void reason_of_noise(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	(void)verdict;
	policy_words(policy, NULL, "reason.noise", out, NULL);
}

void verdict_reason(const Policy *policy, const Verdict *verdict, Buffer *out)
{
	void (*const sentences[])(const Policy *, const Verdict *,
				  Buffer *) = { reason_of_rule, verdict->noise ? reason_of_noise : reason_of_kind,
						reason_of_category, reason_of_grade };
	for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
		if (i > 0)
			buffer_byte(out, ' ');
		sentences[i](policy, verdict, out);
	}
}

/* ---- the document */
static json_t *flags_encode(unsigned flags)
{
	json_t *list = json_array();
	for (unsigned i = 0; flag_words[i] != NULL; i++)
		if ((flags & 1u << i) != 0)
			json_array_append_new(list, json_string(flag_words[i]));
	return list;
}

json_t *verdict_encode(const Policy *policy, const Verdict *verdict, const char *reason)
{
	json_t *flags JSON_AUTO = flags_encode(verdict->flags);
	const Assessment assessment = {
		.kind = verdict->kind,
		.category = verdict->category,
		.severity = verdict->severity,
		.grade = verdict->grade,
		.damage_level = verdict->damage_level,
		.rule = verdict->rule != NULL ? verdict->rule->id : NULL,
		.reason = reason,
		.policy_version = policy_version(policy),
		.flags = flags,
		.noise = verdict->noise,
	};
	return json_encode(&assessment_table, &assessment);
}
