/* What must hold across the parts of a pack. Whatever a table has refused already is passed over here. */
#include "shared/domain/policy_parts.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- small things */
const char *part_text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

const char *pointer_at(char out[static FIELD_POINTER], const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(out, FIELD_POINTER, format, arguments);
	va_end(arguments);
	return out;
}

json_t *part_ids(json_t *message, const char *part, const char *member)
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

bool id_is_known(const json_t *ids, const char *id)
{
	return ids == NULL || id == NULL || json_object_get(ids, id) != NULL;
}

void check_unique(json_t *message, const char *part, const char *member, FieldErrors *errors)
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
					 "\"%s\" stands twice; each %s may stand once", id, member);
		json_object_set_new(first, id, json_true());
	}
}

static bool every_character(const char *text, const char *others)
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
	if (text == NULL || *text == '\0' || strlen(text) > 64 || !every_character(text, "._-"))
		field_errors_add(errors, "/pack/version",
				 "must be a whole number, or letters, digits, '.', '_' and '-'");
}

/* Whether the zone exists is not for a pure function to say; its shape is. */
static bool is_zone(const char *zone)
{
	return isalpha((unsigned char)zone[0]) && every_character(zone, "/_+-") && strstr(zone, "//") == NULL &&
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
		if (!isalpha((unsigned char)language[0]) || !every_character(language, "-"))
			field_errors_add(errors, pointer, "must be a language tag like en or zh-CN");
		if (json_object_get(seen, language) != NULL)
			field_errors_add(errors, pointer, "\"%s\" stands twice; each language may stand once",
					 language);
		json_object_set_new(seen, language, json_true());
	}
}

static void check_pack(json_t *message, FieldErrors *errors)
{
	json_t *pack = json_object_get(message, "pack");
	const char *id = part_text(pack, "id"), *zone = part_text(pack, "timezone");
	if (id != NULL && !every_character(id, "._-"))
		field_errors_add(errors, "/pack/id", "must be letters, digits, '.', '_' and '-'");
	check_version(json_object_get(pack, "version"), errors);
	if (zone != NULL && *zone != '\0' && !is_zone(zone))
		field_errors_add(errors, "/pack/timezone", "must be the IANA name of a time zone, like Asia/Shanghai");
	check_languages(json_object_get(pack, "languages"), errors);
}

/* ---- sources.yaml */
static void check_sources(json_t *message, FieldErrors *errors)
{
	json_t *ids JSON_AUTO = part_ids(message, "sources", "id");
	check_unique(message, "sources", "id", errors);
	if (!id_is_known(ids, "*"))
		field_errors_add(errors, "/sources", "must have a row with id \"*\", for all sources not named");
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
					 "must have a name in %s, the pack's first language", site);
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
					 "must be a mail address like li@example.org");
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
						 "there is no person \"%s\" in contacts.yaml; name one of people",
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
			field_errors_add(errors, pointer, "there is no %.*s \"%s\" in %s; name one of its %s",
					 (int)size - 1, target, target + size, targets[i].file, targets[i].part);
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
					 "must be more than the %lld of the level before", (long long)before);
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
					 "there is no team \"%s\" in contacts.yaml; name one of its teams", team);
		check_levels(message, json_object_get(row, "levels"), i, errors);
	}
}

/* ---- all of them */
const PackCheck pack_checks[] = {
	{ "pack", check_pack },           { "sources", check_sources },   { "joins", check_joins },
	{ "categories", check_categories },
	{ "rules", check_rules },         { "people", check_people },     { "teams", check_teams },
	{ "policies", check_escalation }, { "channels", check_channels }, { "words", check_words },
	{ "settings", check_settings },
};
const size_t pack_check_count = sizeof pack_checks / sizeof pack_checks[0];
