/*
 * Rules, compiled. A condition on a member that is not there is false; so is a pattern that runs into its limit,
 * because a sender must not be able to buy minutes of our time with a text made for one of our expressions.
 */
#include "shared/domain/policy_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_LIMIT = 100000, HEAP_LIMIT_KIBIBYTES = 4096, PATTERN_OPTIONS = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C };

typedef struct Condition Condition;
struct Condition {
	bool (*fits)(const Condition *condition, const json_t *value, RuleScratch *scratch);
	const char *field;
	json_t *operand;
	pcre2_code *pattern; /* owned */
	int severity; /* at_least on /severity, else -1 */
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

bool pattern_is_wrong(const char *pattern, char *what, size_t what_size)
{
	char text[160] = "";
	int code;
	size_t offset;
	pcre2_code *compiled = pattern_compile(pattern, &code, &offset);
	pcre2_code_free(compiled);
	if (compiled != NULL)
		return false;
	pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text);
	snprintf(what, what_size, "%s, at character %zu", text, text_characters((Slice){ pattern, offset }) + 1);
	return true;
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

/* Texts out of the JSON parser are well-formed UTF-8: no need to look again. */
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
static Condition condition_made(json_t *tree)
{
	ConditionDocument document;
	Condition condition = { .severity = -1 };
	int code;
	size_t offset;
	must(!result_failed(json_decode_own(&condition_table, tree, &document)));
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
		pcre2_jit_compile(condition.pattern, PCRE2_JIT_COMPLETE); /* where it cannot, it is interpreted */
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
	must(!result_failed(json_decode_own(&rule_table, tree, &document)));
	size_t count = json_array_size(document.when);
	Rule *rule = calloc(1, sizeof *rule + count * sizeof rule->conditions[0]);
	must(rule != NULL);
	rule->policy = (RulePolicy){ .id = document.id, .then = document.then.then };
	rule->policy.then.flags = flags_mask(document.then.flags);
	for (; rule->count < count; rule->count++)
		rule->conditions[rule->count] = condition_made(json_array_get(document.when, rule->count));
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
