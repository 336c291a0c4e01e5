/*
 * Checks of references between the parts of a pack, and of values that a field table cannot describe. Values that a field
 * table has refused are skipped. A rule that can never match is an error: nobody would notice it before an incident needs it.
 */
#include "shared/domain/policy_check.h"

#include "shared/base/pointer.h"
#include "shared/domain/documents.h"
#include "shared/domain/policy_rules.h"
#include "shared/domain/policy_tables.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- helpers */
const char *part_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static const char *pointer_at(char out[static FIELD_POINTER], const char *format, ...) __attribute__((format(printf, 2, 3)));

static const char *pointer_at(char out[static FIELD_POINTER], const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(out, FIELD_POINTER, format, arguments);
	va_end(arguments);
	return out;
}

/* The ids of a part, as member names of a new object. NULL: the part is unreadable, so references to it are not checked. */
static json_t *part_ids(json_t *message, const char *part, const char *member)
{
	json_t *rows = json_object_get(message, part), *row, *ids;
	size_t i;
	if (!json_is_array(rows))
		return NULL;
	ids = json_object();
	json_array_foreach (rows, i, row) {
		const char *id = part_text(row, member);
		if (id != NULL)
			json_object_set_new(ids, id, json_true());
	}
	return ids;
}

/* True if id is among ids. True also if ids or id is NULL: there is nothing to check then. */
static bool id_is_known(const json_t *ids, const char *id)
{
	return ids == NULL || id == NULL || json_object_get(ids, id) != NULL;
}

static void check_unique(json_t *message, const char *part, const char *member, FieldErrors *errors)
{
	json_t *rows = json_object_get(message, part), *row, *first JSON_AUTO = json_object();
	char pointer[FIELD_POINTER];
	size_t i;
	json_array_foreach (rows, i, row) {
		const char *id = part_text(row, member);
		if (id == NULL)
			continue;
		if (json_object_get(first, id) != NULL)
			field_errors_add(errors, pointer_at(pointer, "/%s/%zu/%s", part, i, member),
					 "\"%s\" is duplicated; each %s must be unique", id, member);
		json_object_set_new(first, id, json_true());
	}
}

/* True when every byte of text is an ASCII letter, a digit, or one of the bytes in `others`. */
static bool has_only(const char *text, const char *others)
{
	while (isalnum((unsigned char)*text) || (*text != '\0' && strchr(others, *text) != NULL))
		text++;
	return *text == '\0';
}

/* ---- pack.yaml */
static void check_version(const json_t *version, FieldErrors *errors)
{
	const char *text = json_string_value(version);
	if (version == NULL || json_is_null(version) || json_is_integer(version))
		return;
	if (text == NULL || *text == '\0' || strlen(text) > 64 || !has_only(text, "._-"))
		field_errors_add(errors, "/pack/version",
				 "must be a whole number, or 1 to 64 letters, digits, '.', '_' and '-'");
}

/* True for text in the form of a time zone's name. The name is not looked up: this function must not read the zone files. */
static bool is_zone(const char *zone)
{
	return isalpha((unsigned char)zone[0]) && has_only(zone, "/_+-") && strstr(zone, "//") == NULL &&
	       zone[strlen(zone) - 1] != '/';
}

static void check_languages(json_t *languages, FieldErrors *errors)
{
	json_t *item, *seen JSON_AUTO = json_object();
	char pointer[FIELD_POINTER];
	size_t i;
	json_array_foreach (languages, i, item) {
		const char *language = json_string_value(item);
		if (language == NULL || *language == '\0')
			continue;
		pointer_at(pointer, "/pack/languages/%zu", i);
		if (!isalpha((unsigned char)language[0]) || !has_only(language, "-"))
			field_errors_add(errors, pointer, "must be a language tag, for example en or zh-CN");
		if (json_object_get(seen, language) != NULL)
			field_errors_add(errors, pointer, "\"%s\" is duplicated; name each language once", language);
		json_object_set_new(seen, language, json_true());
	}
}

static void check_pack(json_t *message, FieldErrors *errors)
{
	json_t *pack = json_object_get(message, "pack");
	const char *id = part_text(pack, "id"), *zone = part_text(pack, "timezone");
	if (id != NULL && !has_only(id, "._-"))
		field_errors_add(errors, "/pack/id", "must be letters, digits, '.', '_' and '-'");
	check_version(json_object_get(pack, "version"), errors);
	if (zone != NULL && *zone != '\0' && !is_zone(zone))
		field_errors_add(errors, "/pack/timezone", "must be the IANA name of a time zone, for example Asia/Shanghai");
	check_languages(json_object_get(pack, "languages"), errors);
}

/* ---- sources.yaml */
static void check_sources(json_t *message, FieldErrors *errors)
{
	json_t *ids JSON_AUTO = part_ids(message, "sources", "id");
	check_unique(message, "sources", "id", errors);
	if (!id_is_known(ids, "*"))
		field_errors_add(errors, "/sources", "must have a row with id \"*\" for all other sources");
}

static void check_joins(json_t *message, FieldErrors *errors)
{
	check_unique(message, "joins", "by", errors);
}

/* ---- categories.yaml */
static void check_categories(json_t *message, FieldErrors *errors)
{
	json_t *rows = json_object_get(message, "categories"), *row, *name;
	const char *site = json_string_value(json_at(message, "/pack/languages/0")), *language;
	char pointer[FIELD_POINTER];
	size_t i;
	check_unique(message, "categories", "code", errors);
	json_array_foreach (rows, i, row) {
		json_t *names = json_object_get(row, "names");
		if (json_is_object(names) && site != NULL && json_object_get(names, site) == NULL)
			field_errors_add(errors, pointer_at(pointer, "/categories/%zu/names", i),
					 "must have a name in %s, the first language of the pack", site);
		json_object_foreach (names, language, name)
			if (!json_is_string(name))
				field_errors_add(errors, pointer_at(pointer, "/categories/%zu/names/%s", i, language),
						 "must be text");
	}
}

/* ---- contacts.yaml */
static bool is_address(const char *email)
{
	const char *sign = strchr(email, '@');
	for (const char *byte = email; *byte != '\0'; byte++)
		if ((unsigned char)*byte <= ' ' || strchr("<>,;\"\x7f", *byte) != NULL)
			return false;
	return sign != NULL && sign > email && sign[1] != '\0' && strchr(sign + 1, '@') == NULL;
}

static bool language_is_known(json_t *message, const char *language)
{
	json_t *languages = json_at(message, "/pack/languages"), *item;
	size_t i;
	if (!json_is_array(languages))
		return true;
	json_array_foreach (languages, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), language) == 0)
			return true;
	return false;
}

static void check_people(json_t *message, FieldErrors *errors)
{
	json_t *rows = json_object_get(message, "people"), *row;
	char pointer[FIELD_POINTER];
	size_t i;
	check_unique(message, "people", "id", errors);
	json_array_foreach (rows, i, row) {
		const char *email = part_text(row, "email"), *language = part_text(row, "language");
		if (email != NULL && *email != '\0' && !is_address(email))
			field_errors_add(errors, pointer_at(pointer, "/people/%zu/email", i),
					 "must be a mail address, for example li@example.org");
		if (language != NULL && *language != '\0' && !language_is_known(message, language))
			field_errors_add(errors, pointer_at(pointer, "/people/%zu/language", i),
					 "must be one of the languages in pack.yaml");
	}
}

static void check_teams(json_t *message, FieldErrors *errors)
{
	json_t *rows = json_object_get(message, "teams"), *row, *person;
	json_t *people JSON_AUTO = part_ids(message, "people", "id");
	char pointer[FIELD_POINTER];
	size_t i, j;
	check_unique(message, "teams", "id", errors);
	json_array_foreach (rows, i, row)
		json_array_foreach (json_object_get(row, "on_duty"), j, person)
			if (!id_is_known(people, json_string_value(person)))
				field_errors_add(errors, pointer_at(pointer, "/teams/%zu/on_duty/%zu", i, j),
						 "contacts.yaml has no person \"%s\"; name one of people, or add it",
						 json_string_value(person));
}

/* ---- escalation.yaml */
static const struct {
	const char *prefix, *part, *file;
} targets[] = {
	{ "team:", "teams", "contacts.yaml" },
	{ "person:", "people", "contacts.yaml" },
	{ "channel:", "channels", "channels.yaml" },
};

static void check_target(json_t *message, const char *target, const char *pointer, FieldErrors *errors)
{
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		size_t size = strlen(targets[i].prefix);
		if (strncmp(target, targets[i].prefix, size) != 0)
			continue;
		json_t *ids JSON_AUTO = part_ids(message, targets[i].part, "id");
		if (!id_is_known(ids, target + size))
			field_errors_add(errors, pointer, "%s has no %.*s \"%s\"; name one of its %s, or add it", targets[i].file,
					 (int)size - 1, target, target + size, targets[i].part);
		return;
	}
	field_errors_add(errors, pointer, "must be team:ID, person:ID or channel:ID");
}

static void check_levels(json_t *message, json_t *levels, size_t policy, FieldErrors *errors)
{
	json_t *level, *target;
	json_int_t before = -1;
	char pointer[FIELD_POINTER];
	size_t i, j;
	json_array_foreach (levels, i, level) {
		json_t *after = json_object_get(level, "after_seconds");
		if (i > 0 && json_is_integer(after) && json_integer_value(after) <= before)
			field_errors_add(errors,
					 pointer_at(pointer, "/policies/%zu/levels/%zu/after_seconds", policy, i),
					 "must be greater than %lld, the value of the previous level", (long long)before);
		if (json_is_integer(after))
			before = json_integer_value(after);
		json_array_foreach (json_object_get(level, "notify"), j, target)
			if (json_string_length(target) > 0)
				check_target(message, json_string_value(target),
					     pointer_at(pointer, "/policies/%zu/levels/%zu/notify/%zu", policy, i, j),
					     errors);
	}
}

static void check_escalation(json_t *message, FieldErrors *errors)
{
	json_t *rows = json_object_get(message, "policies"), *row;
	json_t *teams JSON_AUTO = part_ids(message, "teams", "id");
	char pointer[FIELD_POINTER];
	size_t i;
	check_unique(message, "policies", "id", errors);
	json_array_foreach (rows, i, row) {
		const char *team = part_text(row, "team");
		if (!id_is_known(teams, team))
			field_errors_add(errors, pointer_at(pointer, "/policies/%zu/team", i),
					 "contacts.yaml has no team \"%s\"; name one of its teams, or add it", team);
		check_levels(message, json_object_get(row, "levels"), i, errors);
	}
}

/* ---- rules.yaml: the fields of events and reports that a condition's pointer can address */
static const Field *field_named(const FieldTable *table, Slice segment)
{
	for (size_t i = 0; i < table->count; i++)
		if (pointer_segment_is(segment, slice_of(table->fields[i].name)))
			return &table->fields[i];
	return NULL;
}

/* Follows a segment into a list; false if the segment is no index. *table: table of the items; NULL: they are not objects. */
static bool list_step(const Field *list, Slice segment, const FieldTable **table)
{
	size_t index;
	*table = list->table;
	return pointer_segment_index(segment, &index);
}

/*
 * True when a document of the table can have a value at pointer. *leaf: the field of that value (for an item of a list, the field
 * of the list); NULL if the value is, or is inside, a FIELD_FREE or FIELD_ANY.
 */
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

/* ---- rules.yaml: conditions */
typedef struct {
	json_t *condition;
	size_t rule, index;
	const Field *leaves[2]; /* field that the condition tests: [0] in an event, [1] in a report; NULL: none */
	FieldErrors *errors;
} ConditionCheck;

/* The pointer to a member of the condition; to the condition itself if member is "". */
static const char *condition_pointer(const ConditionCheck *check, const char *member, char out[static FIELD_POINTER])
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
		field_errors_add(check->errors, condition_pointer(check, "field", pointer), "must be a JSON pointer, for example /title");
	else if (!in_events && !in_reports)
		field_errors_add(check->errors, condition_pointer(check, "field", pointer),
				 "addresses no member of an event or a report");
}

/* False when the tested field, in each document that has it, is a choice of words without value among them. */
static bool word_is_possible(const ConditionCheck *check, const json_t *value)
{
	bool words_only = false;
	for (int i = 0; i < 2; i++) {
		const Field *leaf = check->leaves[i];
		if (leaf == NULL)
			continue;
		if (leaf->type != FIELD_CHOICE || choice_of(leaf->choices, json_string_value(value)) >= 0)
			return true;
		words_only = true;
	}
	return !words_only;
}

static void check_value(const ConditionCheck *check, const json_t *value, const char *pointer)
{
	if (!json_is_string(value) && !json_is_number(value) && !json_is_boolean(value))
		field_errors_add(check->errors, pointer, "must be a text, a number, true or false");
	else if (!word_is_possible(check, value))
		field_errors_add(check->errors, pointer, "must be a word that this field can have");
}

static void check_is(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER];
	check_value(check, value, condition_pointer(check, "is", pointer));
}

static void check_in(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER], member[32];
	json_t *item;
	size_t i;
	if (json_array_size(value) == 0)
		field_errors_add(check->errors, condition_pointer(check, "in", pointer), "must be a list of at least one value");
	json_array_foreach (value, i, item) {
		snprintf(member, sizeof member, "in/%zu", i);
		check_value(check, item, condition_pointer(check, member, pointer));
	}
}

static void check_matches(const ConditionCheck *check, json_t *value)
{
	char pointer[FIELD_POINTER], reason[FIELD_DETAIL - 48];
	if (json_string_length(value) > 0 && !pattern_is_valid(json_string_value(value), reason, sizeof reason))
		field_errors_add(check->errors, condition_pointer(check, "matches", pointer), "must be a regular expression: %s", reason);
}

static void check_at_least(const ConditionCheck *check, json_t *value)
{
	const char *field = part_text(check->condition, "field");
	char pointer[FIELD_POINTER];
	bool severity = field != NULL && strcmp(field, "/severity") == 0;
	condition_pointer(check, "at_least", pointer);
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
		field_errors_add(check->errors, condition_pointer(check, "", pointer),
				 "must have exactly one of is, in, matches, at_least");
}

static void check_rules(json_t *message, FieldErrors *errors)
{
	json_t *rule, *condition, *codes JSON_AUTO = part_ids(message, "categories", "code");
	char pointer[FIELD_POINTER];
	size_t i, j;
	check_unique(message, "rules", "id", errors);
	json_array_foreach (json_object_get(message, "rules"), i, rule) {
		const char *code = part_text(json_object_get(rule, "then"), "category");
		if (!id_is_known(codes, code))
			field_errors_add(errors, pointer_at(pointer, "/rules/%zu/then/category", i),
					 "categories.yaml has no category \"%s\"; name one of its codes, or add it", code);
		json_array_foreach (json_object_get(rule, "when"), j, condition)
			check_condition(
				&(ConditionCheck){ .condition = condition, .rule = i, .index = j, .errors = errors });
	}
}

/* ---- ${TOCSIN_X} */

/* The first "${" in text that does not begin a reference of the form ${TOCSIN_X}; NULL if every "${" does. */
static const char *wrong_setting(const char *text)
{
	static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", prefix[] = "${TOCSIN_";
	while ((text = strstr(text, "${")) != NULL) {
		if (strncmp(text, prefix, sizeof prefix - 1) != 0)
			return text;
		size_t size = strspn(text + sizeof prefix - 1, capitals);
		if (size == 0 || text[sizeof prefix - 1 + size] != '}')
			return text;
		text += sizeof prefix + size;
	}
	return NULL;
}

static void refuse_settings(json_t *node, const Path *path, FieldErrors *errors)
{
	char pointer[FIELD_POINTER];
	const char *name;
	json_t *child;
	size_t i;
	if (json_is_string(node) && strstr(json_string_value(node), "${TOCSIN_") != NULL) {
		pointer_of_path(path, pointer);
		field_errors_add(errors, pointer, "must not name a setting; ${TOCSIN_X} is allowed only in channels.yaml");
	}
	json_array_foreach (node, i, child)
		refuse_settings(child, &(Path){ .up = path, .index = i }, errors);
	json_object_foreach (node, name, child)
		refuse_settings(child, &(Path){ .up = path, .name = name }, errors);
}

static void check_settings(json_t *message, FieldErrors *errors)
{
	const Path whole = { .up = NULL };
	const char *part;
	json_t *node;
	json_object_foreach (message, part, node)
		if (strcmp(part, "channels") != 0)
			refuse_settings(node, &(Path){ .up = &whole, .name = part }, errors);
}

/* ---- channels.yaml */
typedef enum { MEMBER_FORBIDDEN, MEMBER_OPTIONAL, MEMBER_REQUIRED } MemberUse;

typedef struct {
	const char *name;
	MemberUse use[2]; /* by CHANNEL_WEBHOOK, CHANNEL_EMAIL */
	const char *starts[2]; /* permitted beginnings, besides ${TOCSIN_X}; NULL: any beginning */
} ChannelMember;

static const ChannelMember channel_members[] = {
	{ "url", { MEMBER_REQUIRED, MEMBER_FORBIDDEN }, { "https://", "http://" } },
	{ "secret", { MEMBER_OPTIONAL, MEMBER_FORBIDDEN }, { "whsec_", "whsec_" } },
	{ "server", { MEMBER_FORBIDDEN, MEMBER_REQUIRED }, { "smtps://", "smtp://" } },
	{ "from", { MEMBER_FORBIDDEN, MEMBER_REQUIRED }, { NULL, NULL } },
};

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void check_channel_text(const ChannelMember *member, const char *text, const char *pointer, FieldErrors *errors)
{
	if (wrong_setting(text) != NULL)
		field_errors_add(errors, pointer, "must name a setting as ${TOCSIN_X}, with capitals, digits and '_'");
	else if (member->starts[0] != NULL && !starts(text, "${") && !starts(text, member->starts[0]) &&
		 !starts(text, member->starts[1]))
		field_errors_add(errors, pointer, "must begin with %s%s%s, or be a setting, ${TOCSIN_X}", member->starts[0],
				 strcmp(member->starts[0], member->starts[1]) == 0 ? "" : " or ",
				 strcmp(member->starts[0], member->starts[1]) == 0 ? "" : member->starts[1]);
}

static void check_channel(json_t *channel, size_t index, FieldErrors *errors)
{
	const char *word = part_text(channel, "type");
	int type = choice_of(channel_words, word);
	char pointer[FIELD_POINTER];
	for (size_t i = 0; type >= 0 && i < sizeof channel_members / sizeof channel_members[0]; i++) {
		const ChannelMember *member = &channel_members[i];
		json_t *value = json_object_get(channel, member->name);
		bool present = value != NULL && !json_is_null(value);
		if (member->use[type] == MEMBER_REQUIRED && !present)
			field_errors_add(errors, pointer_at(pointer, "/channels/%zu", index),
					 "a channel of type %s must have the member %s", word, member->name);
		pointer_at(pointer, "/channels/%zu/%s", index, member->name);
		if (member->use[type] == MEMBER_FORBIDDEN && present)
			field_errors_add(errors, pointer, "a channel of type %s must not have the member %s", word, member->name);
		else if (json_string_length(value) > 0)
			check_channel_text(member, json_string_value(value), pointer, errors);
	}
}

static void check_channels(json_t *message, FieldErrors *errors)
{
	json_t *channel;
	size_t i;
	check_unique(message, "channels", "id", errors);
	json_array_foreach (json_object_get(message, "channels"), i, channel)
		check_channel(channel, i, errors);
}

/* ---- words: a pack has no words at all (each key is then its own text), or the same keys in all languages */
static void check_texts(json_t *texts, const Path *language, FieldErrors *errors)
{
	char pointer[FIELD_POINTER];
	const char *key;
	json_t *text;
	json_object_foreach (texts, key, text) {
		pointer_of_path(&(Path){ .up = language, .name = key }, pointer);
		if (!json_is_string(text))
			field_errors_add(errors, pointer, "must be text; quote it if it looks like another type");
		else if (text_characters(slice_of(json_string_value(text))) > TEXT_MAX_CHARACTERS)
			field_errors_add(errors, pointer, "must be at most %d characters", TEXT_MAX_CHARACTERS);
	}
}

/* Reports, once each, the keys that another language has and this language does not have. */
static void check_missing_keys(json_t *words, json_t *texts, const Path *language, FieldErrors *errors)
{
	json_t *others, *text, *reported JSON_AUTO = json_object();
	const char *other, *key;
	char pointer[FIELD_POINTER];
	pointer_of_path(language, pointer);
	json_object_foreach (words, other, others)
		json_object_foreach (others, key, text) {
			if (json_object_get(texts, key) != NULL || json_object_get(reported, key) != NULL)
				continue;
			field_errors_add(errors, pointer, "must have the key %s, which words/%s.yaml has", key, other);
			json_object_set_new(reported, key, json_true());
		}
}

static bool pack_has_language(json_t *languages, const char *language)
{
	json_t *item;
	size_t i;
	json_array_foreach (languages, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), language) == 0)
			return true;
	return !json_is_array(languages);
}

static void check_missing_files(json_t *words, json_t *languages, FieldErrors *errors)
{
	json_t *item;
	char pointer[FIELD_POINTER];
	size_t i;
	json_array_foreach (languages, i, item)
		if (json_is_string(item) && json_object_get(words, json_string_value(item)) == NULL)
			field_errors_add(errors, pointer_at(pointer, "/words/%s", json_string_value(item)),
					 "this file is missing; pack.yaml names its language: add the file");
}

static void check_words(json_t *message, FieldErrors *errors)
{
	json_t *words = json_object_get(message, "words"), *texts, *languages = json_at(message, "/pack/languages");
	const Path whole = { .up = NULL }, top = { .up = &whole, .name = "words" };
	const char *language;
	if (json_object_size(words) == 0)
		return;
	check_missing_files(words, languages, errors);
	json_object_foreach (words, language, texts) {
		Path path = { .up = &top, .name = language };
		char pointer[FIELD_POINTER];
		pointer_of_path(&path, pointer);
		if (!pack_has_language(languages, language))
			field_errors_add(errors, pointer,
					 "pack.yaml does not name this language; name it, or remove the file");
		if (!json_is_object(texts))
			continue;
		check_texts(texts, &path, errors);
		check_missing_keys(words, texts, &path, errors);
	}
}

/* ---- the table of checks */
const PackCheck pack_checks[] = {
	{ "pack", check_pack },           { "sources", check_sources },   { "joins", check_joins },
	{ "categories", check_categories },
	{ "rules", check_rules },         { "people", check_people },     { "teams", check_teams },
	{ "policies", check_escalation }, { "channels", check_channels }, { "words", check_words },
	{ "settings", check_settings },
};
const size_t pack_check_count = sizeof pack_checks / sizeof pack_checks[0];
