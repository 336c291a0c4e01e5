/*
 * Classification rules: their field tables, compilation and matching. A condition on an absent member is false. Patterns have
 * a limit of steps, because an attacker can send a text that a pattern needs minutes to match; at the limit, the condition is
 * false.
 */
#include "shared/domain/policy_rules.h"

#include "shared/domain/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 100000, HEAP_LIMIT_KIBIBYTES = 4096, PATTERN_OPTIONS = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C };

enum { CONDITIONS_MAX = 32, PATTERN_MAX_CHARACTERS = 1024 };

/* ---- rules.yaml */
typedef struct {
	const char *field;
	json_t *is, *in;
	const char *matches;
	json_t *at_least;
} ConditionDocument;

typedef struct {
	const char *id;
	json_t *when;
	struct {
		RuleThen then;
		json_t *flags;
	} then;
} RuleDocument;

static const Field condition_fields[] = {
	ROW_NAME(ConditionDocument, field, FIELD_REQUIRED | FIELD_NOT_EMPTY, "JSON pointer into the event or report"),
	ROW_ANY(ConditionDocument, is, 0, "Equal to this text, number or boolean"),
	ROW_ANY(ConditionDocument, in, 0, "Equal to one of these"),
	ROW_TEXT(ConditionDocument, matches, FIELD_NOT_EMPTY, PATTERN_MAX_CHARACTERS,
		 "A text that contains a match of this regular expression (PCRE2)"),
	ROW_ANY(ConditionDocument, at_least, 0, "This number or more; for /severity, this word or worse"),
};
static const FieldTable condition_table = FIELD_TABLE("a condition", condition_fields, ConditionDocument);

#define THEN_OFFSET(member_) (offsetof(RuleDocument, then.member_) - offsetof(RuleDocument, then))

static const Field then_fields[] = {
	ROW("kind", FIELD_CHOICE, THEN_OFFSET(then.kind), .choices = kind_words),
	ROW("category", FIELD_TEXT, THEN_OFFSET(then.category), .flags = FIELD_NOT_EMPTY, .max = NAME_MAX_CHARACTERS),
	ROW("severity", FIELD_CHOICE, THEN_OFFSET(then.severity), .choices = severity_words),
	ROW("importance", FIELD_CHOICE, THEN_OFFSET(then.importance), .choices = importance_words),
	ROW("loss", FIELD_CHOICE, THEN_OFFSET(then.loss), .choices = loss_words),
	ROW("social_harm", FIELD_CHOICE, THEN_OFFSET(then.social_harm), .choices = harm_words),
	ROW("flags", FIELD_LIST, THEN_OFFSET(flags), .item = FIELD_CHOICE, .choices = flag_words),
	ROW("noise", FIELD_BOOLEAN, THEN_OFFSET(then.noise)),
};
static const FieldTable then_table = {
	.name = "then",
	.fields = then_fields,
	.count = sizeof(then_fields) / sizeof(then_fields[0]),
	.size = sizeof(((RuleDocument *)NULL)->then),
};

static const Field rule_fields[] = {
	ROW_NAME(RuleDocument, id, FIELD_REQUIRED | FIELD_NOT_EMPTY, "Name of the rule in assessments"),
	ROW_OBJECTS(RuleDocument, when, 0, &condition_table, 0, CONDITIONS_MAX, "Conditions, all of which must hold; default: none"),
	ROW_OBJECT(RuleDocument, then, FIELD_REQUIRED, &then_table, "Members of the assessment to set"),
};
const FieldTable rule_table = FIELD_TABLE("a rule", rule_fields, RuleDocument);

/* ---- compiled rules */
typedef struct Condition Condition;
struct Condition {
	bool (*fits)(const Condition *condition, const json_t *value, RuleScratch *scratch);
	const char *field;
	json_t *operand;
	pcre2_code *pattern; /* owned */
	int severity; /* for at_least with a word: its index in severity_words; else -1 */
};

struct Rule {
	RulePolicy policy;
	size_t count;
	Condition conditions[];
};

struct RuleScratch {
	pcre2_match_context *context;
	pcre2_match_data *data;
};

/* ---- patterns */
static pcre2_code *pattern_compile(const char *pattern, int *code, size_t *offset)
{
	return pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PATTERN_OPTIONS, code, offset, NULL);
}

bool pattern_is_valid(const char *pattern, char *reason, size_t reason_size)
{
	char text[160] = "";
	int code;
	size_t offset;
	pcre2_code *compiled = pattern_compile(pattern, &code, &offset);
	pcre2_code_free(compiled);
	if (compiled != NULL)
		return true;
	pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
	snprintf(reason, reason_size, "%s, at character %zu", text, text_characters((Slice){ pattern, offset }) + 1);
	return false;
}

RuleScratch *rule_scratch_new(void)
{
	RuleScratch *scratch = calloc(1, sizeof *scratch);
	must(scratch != NULL);
	scratch->context = pcre2_match_context_create(NULL);
	scratch->data = pcre2_match_data_create(1, NULL);
	must(scratch->context != NULL && scratch->data != NULL);
	pcre2_set_match_limit(scratch->context, MATCH_LIMIT);
	pcre2_set_heap_limit(scratch->context, HEAP_LIMIT_KIBIBYTES);
	return scratch;
}

void rule_scratch_free(RuleScratch *scratch)
{
	if (scratch == NULL)
		return;
	pcre2_match_data_free(scratch->data);
	pcre2_match_context_free(scratch->context);
	free(scratch);
}

/* ---- operators */
static bool values_equal(const json_t *one, const json_t *other)
{
	if (json_is_number(one) && json_is_number(other) && json_typeof(one) != json_typeof(other))
		return json_number_value(one) == json_number_value(other);
	return json_equal(one, other);
}

static bool fits_is(const Condition *condition, const json_t *value, RuleScratch *scratch)
{
	(void)scratch;
	return values_equal(value, condition->operand);
}

static bool fits_in(const Condition *condition, const json_t *value, RuleScratch *scratch)
{
	json_t *item;
	size_t i;
	(void)scratch;
	json_array_foreach (condition->operand, i, item)
		if (values_equal(value, item))
			return true;
	return false;
}

/* PCRE2_NO_UTF_CHECK: the JSON parser has already checked that the text is well-formed UTF-8. */
static bool fits_matches(const Condition *condition, const json_t *value, RuleScratch *scratch)
{
	return json_is_string(value) &&
	       pcre2_match(condition->pattern, (PCRE2_SPTR)json_string_value(value), json_string_length(value), 0,
			   PCRE2_NO_UTF_CHECK, scratch->data, scratch->context) >= 0;
}

static bool fits_at_least(const Condition *condition, const json_t *value, RuleScratch *scratch)
{
	(void)scratch;
	if (condition->severity >= 0)
		return choice_of(severity_words, json_string_value(value)) >= condition->severity;
	return json_is_number(value) && json_number_value(value) >= json_number_value(condition->operand);
}

/* ---- rules */
static Condition condition_compile(json_t *tree)
{
	ConditionDocument document;
	Condition condition = { .severity = -1 };
	int code;
	size_t offset;
	must(!result_failed(json_decode_record(&condition_table, tree, &document)));
	condition.field = document.field;
	if (document.is != NULL) {
		condition.fits = fits_is;
		condition.operand = document.is;
	} else if (document.in != NULL) {
		condition.fits = fits_in;
		condition.operand = document.in;
	} else if (document.matches != NULL) {
		condition.fits = fits_matches;
		condition.pattern = pattern_compile(document.matches, &code, &offset);
		must(condition.pattern != NULL);
		pcre2_jit_compile(condition.pattern, PCRE2_JIT_COMPLETE); /* if this fails, PCRE2 interprets the pattern */
	} else {
		condition.fits = fits_at_least;
		condition.operand = document.at_least;
		condition.severity = choice_of(severity_words, json_string_value(document.at_least));
	}
	return condition;
}

static unsigned flags_mask(json_t *flags)
{
	json_t *flag;
	size_t i;
	unsigned mask = 0;
	json_array_foreach (flags, i, flag)
		mask |= 1u << choice_of(flag_words, json_string_value(flag));
	return mask;
}

Rule *rule_new(json_t *tree)
{
	RuleDocument document;
	must(!result_failed(json_decode_record(&rule_table, tree, &document)));
	size_t count = json_array_size(document.when);
	Rule *rule = calloc(1, sizeof *rule + count * sizeof rule->conditions[0]);
	must(rule != NULL);
	rule->policy = (RulePolicy){ .id = document.id, .then = document.then.then };
	rule->policy.then.flags = flags_mask(document.then.flags);
	for (; rule->count < count; rule->count++)
		rule->conditions[rule->count] = condition_compile(json_array_get(document.when, rule->count));
	return rule;
}

void rule_free(Rule *rule)
{
	if (rule == NULL)
		return;
	for (size_t i = 0; i < rule->count; i++)
		pcre2_code_free(rule->conditions[i].pattern);
	free(rule);
}

const RulePolicy *rule_policy(const Rule *rule)
{
	return &rule->policy;
}

bool rule_fits(const Rule *rule, json_t *document, RuleScratch *scratch)
{
	for (size_t i = 0; i < rule->count; i++) {
		const Condition *condition = &rule->conditions[i];
		const json_t *value = json_at(document, condition->field);
		if (value == NULL || !condition->fits(condition, value, scratch))
			return false;
	}
	return true;
}
