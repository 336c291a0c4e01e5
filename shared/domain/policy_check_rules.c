/* Checks of rules.yaml. A rule that could never fit is a mistake: it would fail silently, on the day it is needed. */
#include "shared/base/pointer.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy_parts.h"

#include <stdio.h>
#include <string.h>

/* ---- fields: what a pointer may lead to in an event or a report */
static const Field *field_named(const FieldTable *table, Slice segment)
{
	for (size_t i = 0; i < table->count; i++)
		if (pointer_segment_is(segment, slice_of(table->fields[i].name)))
			return &table->fields[i];
	return NULL;
}

/* Steps into a list; false when the segment is no index, or the list has no members to go on with. */
static bool list_step(const Field *list, Slice segment, const FieldTable **table)
{
	size_t index;
	*table = list->table;
	return pointer_segment_index(segment, &index);
}

/* True when documents of the table may have something at pointer; *leaf: its field, NULL inside free objects. */
static bool pointer_leads(const FieldTable *table, const char *pointer, const Field **leaf)
{
	const Field *list = NULL;
	Slice segment;
	*leaf = NULL;
	while (pointer_next(&pointer, &segment)) {
		if (list != NULL) {
			if (!list_step(list, segment, &table))
				return false;
			list = NULL;
			continue;
		}
		*leaf = table != NULL ? field_named(table, segment) : NULL;
		if (*leaf == NULL)
			return false;
		if ((*leaf)->type == FIELD_FREE || (*leaf)->type == FIELD_ANY) {
			*leaf = NULL;
			return true;
		}
		list = (*leaf)->type == FIELD_LIST ? *leaf : NULL;
		table = (*leaf)->type == FIELD_OBJECT ? (*leaf)->table : NULL;
	}
	return *pointer == '\0';
}

/* ---- conditions */
typedef struct {
	json_t *condition;
	size_t rule, index;
	const Field *leaves[2]; /* in events, in reports */
	FieldErrors *errors;
} ConditionCheck;

static const char *place(const ConditionCheck *check, const char *member, char out[static FIELD_POINTER])
{
	return pointer_at(out, "/rules/%zu/when/%zu%s%s", check->rule, check->index, *member != '\0' ? "/" : "",
			  member);
}

static void check_field(ConditionCheck *check)
{
	const char *field = part_text(check->condition, "field");
	char pointer[FIELD_POINTER];
	if (field == NULL || *field == '\0')
		return;
	bool in_events = pointer_leads(&event_table, field, &check->leaves[0]);
	bool in_reports = pointer_leads(&report_table, field, &check->leaves[1]);
	if (*field != '/')
		field_errors_add(check->errors, place(check, "field", pointer), "must be a JSON pointer like /title");
	else if (!in_events && !in_reports)
		field_errors_add(check->errors, place(check, "field", pointer),
				 "leads to nothing that an event or a report can have");
}

/* False when the field takes only words, and this is none of them. */
static bool word_is_possible(const ConditionCheck *check, const json_t *value)
{
	bool any_words = false;
	for (int i = 0; i < 2; i++) {
		const Field *leaf = check->leaves[i];
		if (leaf == NULL)
			continue;
		if (leaf->type != FIELD_CHOICE || choice_of(leaf->choices, json_string_value(value)) >= 0)
			return true;
		any_words = true;
	}
	return !any_words;
}

static void check_value(const ConditionCheck *check, const json_t *value, const char *pointer)
{
	if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
		field_errors_add(check->errors, pointer, "must be a text, a number, true or false");
	else if (!word_is_possible(check, value))
		field_errors_add(check->errors, pointer, "is none of the words this field can have");
}

static void check_is(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER];
	check_value(check, value, place(check, "is", pointer));
}

static void check_in(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER], member[32];
	json_t *item;
	size_t i;
	if (json_array_size(value) == 0)
		field_errors_add(check->errors, place(check, "in", pointer), "must be a list of at least one value");
	json_array_foreach (value, i, item) {
		snprintf(member, sizeof member, "in/%zu", i);
		check_value(check, item, place(check, member, pointer));
	}
}

static void check_matches(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER], what[FIELD_DETAIL - 48];
	if (json_string_length(value) > 0 && pattern_is_wrong(json_string_value(value), what, sizeof what))
		field_errors_add(check->errors, place(check, "matches", pointer), "is no regular expression: %s", what);
}

static void check_at_least(const ConditionCheck *check, json_t *value)
{
	const char *field = part_text(check->condition, "field");
	char pointer[FIELD_POINTER];
	bool severity = field != NULL && strcmp(field, "/severity") == 0;
	place(check, "at_least", pointer);
	if (severity && choice_of(severity_words, json_string_value(value)) < 0)
		field_errors_add(check->errors, pointer, "must be one of info, low, medium, high, critical");
	else if (!severity && !json_is_number(value))
		field_errors_add(check->errors, pointer, "must be a number (words only for /severity)");
}

static const struct {
	const char *name;
	void (*check)(const ConditionCheck *check, json_t *value);
} operators[] = {
	{ "is", check_is }, { "in", check_in }, { "matches", check_matches }, { "at_least", check_at_least }
};

static void check_condition(ConditionCheck *check)
{
	char pointer[FIELD_POINTER];
	unsigned count = 0;
	if (!json_is_object(check->condition))
		return;
	check_field(check);
	for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
		json_t *value = json_object_get(check->condition, operators[i].name);
		if (value == NULL || json_is_null(value))
			continue;
		operators[i].check(check, value);
		count++;
	}
	if (count != 1)
		field_errors_add(check->errors, place(check, "", pointer),
				 "must have exactly one of is, in, matches, at_least");
}

void check_rules(json_t *message, FieldErrors *errors)
{
	json_t *rule, *condition, *codes JSON_AUTO = part_ids(message, "categories", "code");
	char pointer[FIELD_POINTER];
	size_t i, j;
	check_unique(message, "rules", "id", errors);
	json_array_foreach (json_object_get(message, "rules"), i, rule) {
		const char *code = part_text(json_object_get(rule, "then"), "category");
		if (!id_is_known(codes, code))
			field_errors_add(errors, pointer_at(pointer, "/rules/%zu/then/category", i),
					 "there is no category \"%s\" in categories.yaml; name one of its codes", code);
		json_array_foreach (json_object_get(rule, "when"), j, condition)
			check_condition(
				&(ConditionCheck){ .condition = condition, .rule = i, .index = j, .errors = errors });
	}
}
