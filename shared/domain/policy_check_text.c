/* Checks of the texts in a pack: words in all languages, channels, and where settings may be named. */
#include "shared/base/pointer.h"
#include "shared/domain/policy_parts.h"
#include "shared/domain/rows.h"

#include <string.h>

/* ---- ${TOCSIN_X} */

/* The first "${" that names no setting of Tocsin, or NULL. */
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
		field_errors_add(errors, pointer, "names a setting; ${TOCSIN_X} may stand only in channels.yaml");
	}
	json_array_foreach (node, i, child)
		refuse_settings(child, &(Path){ .up = path, .index = i }, errors);
	json_object_foreach (node, name, child)
		refuse_settings(child, &(Path){ .up = path, .name = name }, errors);
}

void check_settings(json_t *message, FieldErrors *errors)
{
	const Path whole = { .up = NULL };
	const char *part;
	json_t *node;
	json_object_foreach (message, part, node)
		if (strcmp(part, "channels") != 0)
			refuse_settings(node, &(Path){ .up = &whole, .name = part }, errors);
}

/* ---- channels.yaml */
enum { FORBIDDEN, ALLOWED, WANTED };

typedef struct {
	const char *name;
	int wanted[2]; /* by type: webhook, email */
	const char *starts[2]; /* what a text that is no setting begins with; NULL: anything */
} ChannelMember;

static const ChannelMember channel_members[] = {
	{ "url", { WANTED, FORBIDDEN }, { "https://", "http://" } },
	{ "secret", { ALLOWED, FORBIDDEN }, { "whsec_", "whsec_" } },
	{ "server", { FORBIDDEN, WANTED }, { "smtps://", "smtp://" } },
	{ "from", { FORBIDDEN, WANTED }, { NULL, NULL } },
};

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void check_channel_text(const ChannelMember *member, const char *text, const char *pointer, FieldErrors *errors)
{
	if (wrong_setting(text) != NULL)
		field_errors_add(errors, pointer, "a setting is named as ${TOCSIN_X}, in capitals, digits and '_'");
	else if (member->starts[0] != NULL && !starts(text, "${") && !starts(text, member->starts[0]) &&
		 !starts(text, member->starts[1]))
		field_errors_add(errors, pointer, "must begin with %s%s%s, or be a ${TOCSIN_X}", member->starts[0],
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
		bool there = value != NULL && !json_is_null(value);
		if (member->wanted[type] == WANTED && !there)
			field_errors_add(errors, pointer_at(pointer, "/channels/%zu", index),
					 "a channel of type %s must have %s", word, member->name);
		pointer_at(pointer, "/channels/%zu/%s", index, member->name);
		if (member->wanted[type] == FORBIDDEN && there)
			field_errors_add(errors, pointer, "a channel of type %s has no %s", word, member->name);
		else if (json_string_length(value) > 0)
			check_channel_text(member, json_string_value(value), pointer, errors);
	}
}

void check_channels(json_t *message, FieldErrors *errors)
{
	json_t *channel;
	size_t i;
	check_unique(message, "channels", "id", errors);
	json_array_foreach (json_object_get(message, "channels"), i, channel)
		check_channel(channel, i, errors);
}

/* ---- words: no words at all are allowed (keys then stand for themselves), half of them are not */
static void check_texts(json_t *texts, const Path *language, FieldErrors *errors)
{
	char pointer[FIELD_POINTER];
	const char *key;
	json_t *text;
	json_object_foreach (texts, key, text) {
		pointer_of_path(&(Path){ .up = language, .name = key }, pointer);
		if (!json_is_string(text))
			field_errors_add(errors, pointer, "must be text, in quotes where it looks like something else");
		else if (text_characters(slice_of(json_string_value(text))) > TEXT_MAX_CHARACTERS)
			field_errors_add(errors, pointer, "must be at most %d characters", TEXT_MAX_CHARACTERS);
	}
}

/* Keys of the others that this language lacks. */
static void check_missing_keys(json_t *words, json_t *texts, const Path *language, FieldErrors *errors)
{
	json_t *others, *text, *told JSON_AUTO = json_object();
	const char *other, *key;
	char pointer[FIELD_POINTER];
	pointer_of_path(language, pointer);
	json_object_foreach (words, other, others)
		json_object_foreach (others, key, text) {
			if (json_object_get(texts, key) != NULL || json_object_get(told, key) != NULL)
				continue;
			field_errors_add(errors, pointer, "must have the key %s, which words/%s.yaml has", key, other);
			json_object_set_new(told, key, json_true());
		}
}

static bool pack_speaks(json_t *languages, const char *language)
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
					 "this file is missing; pack.yaml names its language");
}

void check_words(json_t *message, FieldErrors *errors)
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
		if (!pack_speaks(languages, language))
			field_errors_add(errors, pointer,
					 "pack.yaml does not name this language; name it or take the file away");
		if (!json_is_object(texts))
			continue;
		check_texts(texts, &path, errors);
		check_missing_keys(words, texts, &path, errors);
	}
}
