/*
 * A compiled pack. Texts are borrowed from the message. Each part of the pack is one array. Look-ups by id search a sorted
 * index: they must be fast, because the gateway looks up the source of every event.
 */
#include "shared/domain/policy.h"

#include "shared/domain/documents.h"
#include "shared/domain/policy_check.h"
#include "shared/domain/policy_rules.h"
#include "shared/domain/policy_tables.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	const char *id;
	const void *row;
} IndexEntry;

typedef struct {
	size_t count;
	IndexEntry *entries; /* sorted by id */
} Index;

typedef struct {
	EscalationPolicy policy;
	unsigned kinds, grades; /* bit i: kind_words[i], grade_words[i]; 0: any */
} Escalation;

struct Policy {
	json_t *message;
	MessageDocument document;
	const char **languages;
	SourcePolicy *sources;
	JoinPolicy *joins;
	size_t join_count;
	PersonPolicy *people;
	TeamPolicy *teams;
	Escalation *escalations;
	size_t escalation_count;
	ChannelPolicy *channels;
	size_t channel_count;
	CategoryDocument *categories;
	Rule **rules;
	size_t rule_count;
	Index source_index, person_index, team_index, channel_index, category_index;
	const SourcePolicy *any_source;
};

enum { WINDOW_SECONDS = 900, CAP_SECONDS = 86400 };

/* ---- memory and indices */
static void *array_new(size_t count, size_t size)
{
	void *array = calloc(count > 0 ? count : 1, size);
	must(array != NULL);
	return array;
}

static int by_id(const void *one, const void *other)
{
	return strcmp(((const IndexEntry *)one)->id, ((const IndexEntry *)other)->id);
}

static Index index_new(size_t count)
{
	return (Index){ .entries = array_new(count, sizeof(IndexEntry)) };
}

static void index_add(Index *index, const char *id, const void *row)
{
	index->entries[index->count++] = (IndexEntry){ id, row };
}

static void index_sort(Index *index)
{
	qsort(index->entries, index->count, sizeof index->entries[0], by_id);
}

static const void *index_find(const Index *index, const char *id)
{
	const IndexEntry wanted = { .id = id };
	const IndexEntry *found = NULL;
	if (id != NULL)
		found = bsearch(&wanted, index->entries, index->count, sizeof wanted, by_id);
	return found != NULL ? found->row : NULL;
}

/* Decodes rows[i]. The message has passed the checks, so decoding cannot fail. */
static void row_decode(const FieldTable *table, json_t *rows, size_t i, void *out)
{
	must(!result_failed(json_decode_record(table, json_array_get(rows, i), out)));
}

static unsigned words_mask(json_t *list, const char *const *words)
{
	unsigned mask = 0;
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item)
		mask |= 1u << choice_of(words, json_string_value(item));
	return mask;
}

/* ---- compilation: one function for each part of the pack */
static void languages_compile(Policy *policy)
{
	json_t *languages = policy->document.pack.languages, *item;
	size_t i;
	policy->languages = array_new(json_array_size(languages) + 1, sizeof policy->languages[0]);
	json_array_foreach (languages, i, item)
		policy->languages[i] = json_string_value(item);
}

static bool list_has(json_t *list, const char *word)
{
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item)
		if (strcmp(json_string_value(item), word) == 0)
			return true;
	return false;
}

static SourcePolicy source_compile(const SourceDocument *document)
{
	bool set = document->correlate != NULL;
	return (SourcePolicy){
		.by_source = !set || list_has(document->correlate, "source"),
		.by_rule = !set || list_has(document->correlate, "rule"),
		.by_asset = !set || list_has(document->correlate, "asset"),
		.by_actor = set && list_has(document->correlate, "actor"),
		.window_seconds = document->window_seconds != INT64_MIN ? document->window_seconds : WINDOW_SECONDS,
		.cap_seconds = document->cap_seconds != INT64_MIN ? document->cap_seconds : CAP_SECONDS,
	};
}

static void sources_compile(Policy *policy)
{
	json_t *rows = policy->document.sources;
	size_t count = json_array_size(rows);
	policy->sources = array_new(count, sizeof policy->sources[0]);
	policy->source_index = index_new(count);
	for (size_t i = 0; i < count; i++) {
		SourceDocument document;
		row_decode(&source_table, rows, i, &document);
		policy->sources[i] = source_compile(&document);
		index_add(&policy->source_index, document.id, &policy->sources[i]);
	}
	index_sort(&policy->source_index);
	policy->any_source = index_find(&policy->source_index, "*");
}

static void joins_compile(Policy *policy)
{
	size_t count = json_array_size(policy->document.joins);
	policy->joins = array_new(count, sizeof policy->joins[0]);
	for (; policy->join_count < count; policy->join_count++)
		row_decode(&join_policy_table, policy->document.joins, policy->join_count, &policy->joins[policy->join_count]);
}

static void categories_compile(Policy *policy)
{
	json_t *rows = policy->document.categories;
	size_t count = json_array_size(rows);
	policy->categories = array_new(count, sizeof policy->categories[0]);
	policy->category_index = index_new(count);
	for (size_t i = 0; i < count; i++) {
		row_decode(&category_table, rows, i, &policy->categories[i]);
		index_add(&policy->category_index, policy->categories[i].code, &policy->categories[i]);
	}
	index_sort(&policy->category_index);
}

static void people_compile(Policy *policy)
{
	json_t *rows = policy->document.people;
	size_t count = json_array_size(rows);
	policy->people = array_new(count, sizeof policy->people[0]);
	policy->person_index = index_new(count);
	for (size_t i = 0; i < count; i++) {
		PersonPolicy *person = &policy->people[i];
		row_decode(&person_table, rows, i, person);
		if (person->name == NULL)
			person->name = person->id;
		if (person->language == NULL)
			person->language = policy->languages[0];
		index_add(&policy->person_index, person->id, person);
	}
	index_sort(&policy->person_index);
}

static void teams_compile(Policy *policy)
{
	json_t *rows = policy->document.teams, *item;
	size_t count = json_array_size(rows), j;
	policy->teams = array_new(count, sizeof policy->teams[0]);
	policy->team_index = index_new(count);
	for (size_t i = 0; i < count; i++) {
		TeamDocument document;
		row_decode(&team_table, rows, i, &document);
		const PersonPolicy **on_duty = array_new(json_array_size(document.on_duty), sizeof *on_duty);
		json_array_foreach (document.on_duty, j, item)
			on_duty[j] = index_find(&policy->person_index, json_string_value(item));
		policy->teams[i] = (TeamPolicy){ .id = document.id,
						 .name = document.name != NULL ? document.name : document.id,
						 .on_duty_count = json_array_size(document.on_duty),
						 .on_duty = on_duty };
		index_add(&policy->team_index, document.id, &policy->teams[i]);
	}
	index_sort(&policy->team_index);
}

static EscalationLevel level_compile(json_t *rows, size_t index)
{
	LevelDocument document;
	json_t *item;
	size_t i;
	row_decode(&level_table, rows, index, &document);
	const char **notify = array_new(json_array_size(document.notify), sizeof *notify);
	json_array_foreach (document.notify, i, item)
		notify[i] = json_string_value(item);
	return (EscalationLevel){ .after_seconds = document.after_seconds,
				  .notify_count = json_array_size(document.notify),
				  .notify = notify };
}

static void escalations_compile(Policy *policy)
{
	json_t *rows = policy->document.policies;
	policy->escalation_count = json_array_size(rows);
	policy->escalations = array_new(policy->escalation_count, sizeof policy->escalations[0]);
	for (size_t i = 0; i < policy->escalation_count; i++) {
		EscalationDocument document;
		row_decode(&escalation_table, rows, i, &document);
		size_t count = json_array_size(document.levels);
		EscalationLevel *levels = array_new(count, sizeof *levels);
		for (size_t j = 0; j < count; j++)
			levels[j] = level_compile(document.levels, j);
		policy->escalations[i] = (Escalation){
			.policy = { .id = document.id, .team = document.team, .level_count = count, .levels = levels },
			.kinds = words_mask(document.when.kinds, kind_words),
			.grades = words_mask(document.when.grades, grade_words),
		};
	}
}

static void channels_compile(Policy *policy)
{
	json_t *rows = policy->document.channels;
	policy->channel_count = json_array_size(rows);
	policy->channels = array_new(policy->channel_count, sizeof policy->channels[0]);
	policy->channel_index = index_new(policy->channel_count);
	for (size_t i = 0; i < policy->channel_count; i++) {
		ChannelDocument document;
		row_decode(&channel_table, rows, i, &document);
		policy->channels[i] = (ChannelPolicy){ .id = document.id,
						       .type = channel_words[document.type],
						       .url = document.url,
						       .server = document.server,
						       .secret = document.secret,
						       .from = document.from };
		index_add(&policy->channel_index, document.id, &policy->channels[i]);
	}
	index_sort(&policy->channel_index);
}

static void rules_compile(Policy *policy)
{
	size_t count = json_array_size(policy->document.rules);
	policy->rules = array_new(count, sizeof policy->rules[0]);
	for (; policy->rule_count < count; policy->rule_count++)
		policy->rules[policy->rule_count] =
			rule_new(json_array_get(policy->document.rules, policy->rule_count));
}

/* ---- the pack */
static Result message_check(json_t *message, MessageDocument *document)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	json_decode(&message_table, message, false, document, &errors);
	for (size_t i = 0; i < pack_check_count && errors.count == 0; i++)
		pack_checks[i].check(message, &errors);
	return errors.count == 0
		       ? result_ok()
		       : result_fail(ERROR_INPUT, "policy: %s: %s", errors.list[0].pointer, errors.list[0].detail);
}

Result policy_compile(json_t *message, Policy **out)
{
	MessageDocument document;
	TRY(message_check(message, &document));
	Policy *policy = array_new(1, sizeof *policy);
	policy->message = json_incref(message);
	policy->document = document;
	languages_compile(policy);
	sources_compile(policy);
	joins_compile(policy);
	categories_compile(policy);
	people_compile(policy);
	teams_compile(policy);
	escalations_compile(policy);
	channels_compile(policy);
	rules_compile(policy);
	*out = policy;
	return result_ok();
}

static void rows_free(Policy *policy)
{
	for (size_t i = 0; i < policy->team_index.count; i++)
		free((void *)(uintptr_t)policy->teams[i].on_duty);
	for (size_t i = 0; i < policy->escalation_count; i++) {
		const EscalationPolicy *escalation = &policy->escalations[i].policy;
		for (size_t j = 0; j < escalation->level_count; j++)
			free((void *)(uintptr_t)escalation->levels[j].notify);
		free((void *)(uintptr_t)escalation->levels);
	}
	for (size_t i = 0; i < policy->rule_count; i++)
		rule_free(policy->rules[i]);
}

void policy_free(Policy *policy)
{
	if (policy == NULL)
		return;
	rows_free(policy);
	void *const arrays[] = {
		policy->languages,
		policy->sources,
		policy->joins,
		policy->people,
		policy->teams,
		policy->escalations,
		policy->channels,
		policy->categories,
		policy->rules,
		policy->source_index.entries,
		policy->person_index.entries,
		policy->team_index.entries,
		policy->channel_index.entries,
		policy->category_index.entries,
	};
	for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
		free(arrays[i]);
	json_decref(policy->message);
	free(policy);
}

/* ---- queries */
const char *policy_version(const Policy *policy)
{
	return policy->document.policy_version;
}

json_t *policy_message(const Policy *policy)
{
	return policy->message;
}

const char *const *policy_languages(const Policy *policy)
{
	return policy->languages;
}

const SourcePolicy *policy_source(const Policy *policy, const char *source)
{
	const SourcePolicy *found = index_find(&policy->source_index, source);
	return found != NULL ? found : policy->any_source;
}

const JoinPolicy *policy_join(const Policy *policy, const char *by)
{
	for (size_t i = 0; i < policy->join_count; i++)
		if (policy->joins[i].by == choice_of(join_words, by))
			return &policy->joins[i];
	return NULL;
}

const PersonPolicy *policy_person(const Policy *policy, const char *id)
{
	return index_find(&policy->person_index, id);
}

const TeamPolicy *policy_team(const Policy *policy, const char *id)
{
	return index_find(&policy->team_index, id);
}

/* index: into the list of words from which the mask was made; -1 (unknown) fits only a mask without bits. */
static bool mask_fits(unsigned mask, int index)
{
	return mask == 0 || (index >= 0 && (mask & 1u << index) != 0);
}

const EscalationPolicy *policy_escalation(const Policy *policy, int kind, int grade)
{
	for (size_t i = 0; i < policy->escalation_count; i++)
		if (mask_fits(policy->escalations[i].kinds, kind) && mask_fits(policy->escalations[i].grades, grade))
			return &policy->escalations[i].policy;
	return NULL;
}

/* base plus seconds (not negative), at most INSTANT_MAX. */
static Instant seconds_after(Instant base, int64_t seconds)
{
	int64_t after;
	bool overflows = __builtin_mul_overflow(seconds, 1000, &after) || __builtin_add_overflow(base, after, &after);
	return overflows || after > INSTANT_MAX ? INSTANT_MAX : after;
}

Instant policy_acknowledge_by(const Policy *policy, int kind, int grade, Instant base)
{
	const EscalationPolicy *escalation = policy_escalation(policy, kind, grade);
	for (size_t i = 0; escalation != NULL && i < escalation->level_count; i++)
		if (escalation->levels[i].after_seconds > 0)
			return seconds_after(base, escalation->levels[i].after_seconds);
	return INSTANT_NONE;
}

const EscalationPolicy *policy_escalation_by_id(const Policy *policy, const char *id)
{
	for (size_t i = 0; id != NULL && i < policy->escalation_count; i++)
		if (strcmp(policy->escalations[i].policy.id, id) == 0)
			return &policy->escalations[i].policy;
	return NULL;
}

size_t policy_escalation_count(const Policy *policy)
{
	return policy->escalation_count;
}

const ChannelPolicy *policy_channels(const Policy *policy, size_t *count)
{
	*count = policy->channel_count;
	return policy->channels;
}

const ChannelPolicy *policy_channel(const Policy *policy, const char *id)
{
	return index_find(&policy->channel_index, id);
}

const ChannelPolicy *policy_channel_of_type(const Policy *policy, const char *type)
{
	for (size_t i = 0; i < policy->channel_count; i++)
		if (strcmp(policy->channels[i].type, type) == 0)
			return &policy->channels[i];
	return NULL;
}

const char *policy_category_name(const Policy *policy, const char *code, const char *language)
{
	const CategoryDocument *category = index_find(&policy->category_index, code);
	if (category == NULL)
		return NULL;
	const char *name = json_string_value(json_object_get(category->names, language));
	return name != NULL ? name : json_string_value(json_object_get(category->names, policy->languages[0]));
}

int policy_category_kind(const Policy *policy, const char *code)
{
	const CategoryDocument *category = index_find(&policy->category_index, code);
	return category != NULL ? category->kind : -1;
}

size_t policy_rule_count(const Policy *policy)
{
	return policy->rule_count;
}

const RulePolicy *policy_rule(const Policy *policy, json_t *document)
{
	RuleScratch *scratch = rule_scratch_new();
	const RulePolicy *found = NULL;
	for (size_t i = 0; found == NULL && i < policy->rule_count; i++)
		if (rule_fits(policy->rules[i], document, scratch))
			found = rule_policy(policy->rules[i]);
	rule_scratch_free(scratch);
	return found;
}

const GradingPolicy *policy_grading(const Policy *policy)
{
	return &policy->document.grading;
}

/* ---- texts for people */
enum { VALUES_MAX = 32 };

typedef struct {
	size_t count;
	const char *names[VALUES_MAX], *values[VALUES_MAX];
} Values;

static const char *text_in(const Policy *policy, const char *language, const char *key)
{
	json_t *words = json_object_get(policy->message, "words");
	return json_string_value(json_object_get(json_object_get(words, language), key));
}

static const char *text_of(const Policy *policy, const char *language, const char *key)
{
	const char *text = language != NULL ? text_in(policy, language, key) : NULL;
	if (text == NULL)
		text = text_in(policy, policy->languages[0], key);
	return text != NULL ? text : key;
}

static const char *value_named(const Values *values, Slice name)
{
	for (size_t i = 0; i < values->count; i++)
		if (slice_is(name, values->names[i]))
			return values->values[i] != NULL ? values->values[i] : "";
	return NULL;
}

/* Replaces {name} by its value. If values has no such name, {name} is copied unchanged. */
static void text_fill(Buffer *out, const char *text, const Values *values)
{
	while (*text != '\0') {
		size_t plain = strcspn(text, "{");
		buffer_append(out, (Slice){ text, plain });
		text += plain;
		if (*text == '\0')
			return;
		size_t size = strcspn(text + 1, "{}");
		const char *value = text[1 + size] == '}' ? value_named(values, (Slice){ text + 1, size }) : NULL;
		if (value != NULL)
			buffer_text(out, value);
		else
			buffer_byte(out, '{');
		text += value != NULL ? size + 2 : 1;
	}
}

void policy_words(const Policy *policy, const char *language, const char *key, Buffer *out, ...)
{
	Values values = { .count = 0 };
	const char *name;
	va_list arguments;
	va_start(arguments, out);
	while ((name = va_arg(arguments, const char *)) != NULL) {
		must(values.count < VALUES_MAX);
		values.names[values.count] = name;
		values.values[values.count++] = va_arg(arguments, const char *);
	}
	va_end(arguments);
	text_fill(out, text_of(policy, language, key), &values);
}
