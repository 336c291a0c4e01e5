#include "services/gateway/core/preconditions.h"

#include <string.h>

/* The text without leading and trailing blanks. */
static Slice trimmed(const char *text)
{
	text += strspn(text, " \t");
	size_t size = strlen(text);

	while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t'))
		size--;
	return (Slice){ text, size };
}

/* Removes one entity tag from the front of *rest. *inside: the text between its quotes; *weak: it begins with W/. */
static bool tag_take(Slice *rest, Slice *inside, bool *weak)
{
	*weak = slice_starts_with(*rest, SLICE("W/"));
	size_t begin = *weak ? 3 : 1;

	if (rest->size < begin + 1 || rest->data[begin - 1] != '"')
		return false;
	const char *end = memchr(rest->data + begin, '"', rest->size - begin);
	if (!end)
		return false;
	*inside = (Slice){ rest->data + begin, (size_t)(end - rest->data) - begin };
	size_t used = (size_t)(end - rest->data) + 1;
	*rest = (Slice){ rest->data + used, rest->size - used };
	return true;
}

/* The version in an entity tag; VERSION_NEVER unless it is a number without sign and leading zeros. */
static int64_t tag_version(Slice inside)
{
	int64_t version;
	bool plain = inside.size > 0 && inside.data[0] >= '1' && inside.data[0] <= '9';

	return plain && slice_integer(inside, &version) ? version : VERSION_NEVER;
}

Result if_match_read(const char *text, int64_t *version)
{
	*version = VERSION_ANY;
	if (!text)
		return result_ok();
	Slice rest = trimmed(text), inside;
	bool weak;
	if (slice_is(rest, "*"))
		return result_ok();
	if (!tag_take(&rest, &inside, &weak) || rest.size > 0)
		return result_fail(ERROR_INPUT, "If-Match must be one entity tag like the ETag of a response (\"7\"), or *");
	*version = weak ? VERSION_NEVER : tag_version(inside);
	return result_ok();
}

bool if_none_match_names(const char *text, int64_t version)
{
	if (!text)
		return false;
	Slice rest = trimmed(text), inside;
	bool weak;
	if (slice_is(rest, "*"))
		return true;
	while (tag_take(&rest, &inside, &weak)) {
		if (tag_version(inside) == version)
			return true;
		while (rest.size > 0 && memchr(", \t", rest.data[0], 3))
			rest = (Slice){ rest.data + 1, rest.size - 1 };
	}
	return false;
}

Result idempotency_key_read(const char *text, bool *given, char out[static IDEMPOTENCY_KEY_MAX])
{
	*given = text != NULL;
	if (!text)
		return result_ok();
	Slice key = trimmed(text);
	if (key.size >= 2 && key.data[0] == '"' && key.data[key.size - 1] == '"')
		key = (Slice){ key.data + 1, key.size - 2 };
	bool right = key.size > 0 && key.size < IDEMPOTENCY_KEY_MAX;
	for (size_t i = 0; right && i < key.size; i++)
		right = key.data[i] >= ' ' && key.data[i] <= '~' && key.data[i] != '"';
	if (!right)
		return result_fail(ERROR_INPUT,
				   "Idempotency-Key must be 1 to 255 printable ASCII characters, preferably in double quotes");
	must(text_copy(key, out, IDEMPOTENCY_KEY_MAX));
	return result_ok();
}
