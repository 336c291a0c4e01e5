#include "shared/base/header.h"

#include <stdio.h>
#include <string.h>

/* Removes and returns the text of *rest up to the next NUL, and removes that NUL. */
static Slice take_text(Slice *rest)
{
	const char *nul = memchr(rest->data, '\0', rest->size);
	size_t size = nul == NULL ? rest->size : (size_t)(nul - rest->data);
	Slice text = { rest->data, size };
	size_t taken = nul == NULL ? size : size + 1;
	rest->data += taken;
	rest->size -= taken;
	return text;
}

bool header_next(Slice *rest, Slice *name, Slice *value)
{
	if (rest->size == 0)
		return false;
	*name = take_text(rest);
	if (rest->size == 0)
		return false;
	*value = take_text(rest);
	return true;
}

Slice header_get(Slice headers, const char *name)
{
	Slice found, value;
	while (header_next(&headers, &found, &value))
		if (slice_is(found, name))
			return value;
	return SLICE_NONE;
}

void header_add(Buffer *headers, const char *name, Slice value)
{
	const char *nul = value.size == 0 ? NULL : memchr(value.data, '\0', value.size);
	if (nul != NULL)
		value.size = (size_t)(nul - value.data);
	buffer_text(headers, name);
	buffer_byte(headers, '\0');
	buffer_append(headers, value);
	buffer_byte(headers, '\0');
}

void header_add_integer(Buffer *headers, const char *name, int64_t value)
{
	char text[24];
	int size = snprintf(text, sizeof text, "%lld", (long long)value);
	header_add(headers, name, (Slice){ text, (size_t)size });
}
