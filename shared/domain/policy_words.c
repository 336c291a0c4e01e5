/* Texts for people, out of the pack's words. */
#include "shared/domain/policy.h"

#include <stdarg.h>
#include <string.h>

enum { VALUES_MAX = 32 };

typedef struct {
	size_t count;
	const char *names[VALUES_MAX], *values[VALUES_MAX];
} Values;

static const char *text_in(const Policy *policy, const char *language, const char *key)
{
	json_t *words = json_object_get(policy_message(policy), "words");
	return json_string_value(json_object_get(json_object_get(words, language), key));
}

static const char *text_of(const Policy *policy, const char *language, const char *key)
{
	const char *text = language != NULL ? text_in(policy, language, key) : NULL;
	if (text == NULL)
		text = text_in(policy, policy_languages(policy)[0], key);
	return text != NULL ? text : key;
}

static const char *value_named(const Values *values, Slice name)
{
	for (size_t i = 0; i < values->count; i++)
		if (slice_is(name, values->names[i]))
			return values->values[i] != NULL ? values->values[i] : "";
	return NULL;
}

/* A name in braces that has no value stays as it is: it is then part of the text. */
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
