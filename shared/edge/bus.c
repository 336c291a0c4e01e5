#include "shared/edge/bus.h"

#include <stdio.h>
#include <string.h>

/* The text before the next NUL of *rest, which is moved behind it. */
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

Slice header_get(Slice headers, const char *name)
{
	size_t name_size = strlen(name);
	while (headers.size > 0) {
		Slice found = take_text(&headers);
		if (headers.size == 0)
			break;
		Slice value = take_text(&headers);
		if (found.size == name_size && memcmp(found.data, name, name_size) == 0)
			return value;
	}
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
