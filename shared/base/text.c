#include "shared/base/text.h"

#include "shared/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- slices --------------------------------------------------------------------------------------------------- */

Slice slice_of(const char *text)
{
	return text ? (Slice){ text, strlen(text) } : SLICE_NONE;
}

bool slice_equals(Slice one, Slice other)
{
	return one.size == other.size && (one.size == 0 || memcmp(one.data, other.data, one.size) == 0);
}

bool slice_is(Slice slice, const char *text)
{
	return slice_equals(slice, slice_of(text));
}

bool slice_starts_with(Slice slice, Slice prefix)
{
	return slice.size >= prefix.size && slice_equals((Slice){ slice.data, prefix.size }, prefix);
}

bool slice_is_blank(Slice slice)
{
	const Slice blanks[] = { SLICE(" "),  SLICE("\t"), SLICE("\n"),       SLICE("\r"),
		                 SLICE("\v"), SLICE("\f"), SLICE("\xc2\xa0"), SLICE("\xe3\x80\x80") };

	while (slice.size > 0) {
		size_t i = 0;
		while (i < sizeof blanks / sizeof blanks[0] && !slice_starts_with(slice, blanks[i]))
			i++;
		if (i == sizeof blanks / sizeof blanks[0])
			return false;
		slice = (Slice){ slice.data + blanks[i].size, slice.size - blanks[i].size };
	}
	return true;
}

void word_list_add(WordList *list, const char *word)
{
	static const char ellipsis[] = ", …";
	size_t used = strlen(list->text);
	const char *between = used > 0 ? ", " : "";

	if (list->full)
		return;
	list->full = used + strlen(between) + strlen(word) + sizeof ellipsis > sizeof list->text;
	if (list->full)
		memcpy(list->text + used, used > 0 ? ellipsis : ellipsis + 2, sizeof ellipsis - (used > 0 ? 0 : 2));
	else
		snprintf(list->text + used, sizeof list->text - used, "%s%s", between, word);
}

void word_list_add_all(WordList *list, const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		word_list_add(list, words[i]);
}

char *slice_copy(Slice slice)
{
	char *copy = malloc(slice.size + 1);

	must(copy != NULL);
	if (slice.size > 0)
		memcpy(copy, slice.data, slice.size);
	copy[slice.size] = '\0';
	return copy;
}

int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	char lower = (char)(byte | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool slice_integer(Slice slice, int64_t *out)
{
	bool negative = slice.size > 0 && slice.data[0] == '-';
	size_t first = negative ? 1 : 0;
	int64_t value = 0;

	if (slice.size == first)
		return false;
	/* Builds the negative number, because INT64_MIN has no positive counterpart. */
	for (size_t i = first; i < slice.size; i++) {
		unsigned digit = (unsigned)(unsigned char)slice.data[i] - '0';
		if (digit > 9 || __builtin_mul_overflow(value, (int64_t)10, &value) ||
		    __builtin_sub_overflow(value, (int64_t)digit, &value))
			return false;
	}
	if (!negative && value == INT64_MIN)
		return false;
	*out = negative ? value : -value;
	return true;
}

/* ---- buffers -------------------------------------------------------------------------------------------------- */

enum { BUFFER_FIRST = 64 };

/* `data` of every buffer that has not allocated yet, so that data[size] is NUL from the start. Never written. */
static char empty_data[1];

void buffer_init(Buffer *buffer, size_t max)
{
	must(max < SIZE_MAX / 2);
	*buffer = (Buffer){ .data = empty_data, .max = max };
}

void buffer_release(Buffer *buffer)
{
	if (buffer->capacity > 0)
		free(buffer->data);
	*buffer = (Buffer){ .data = empty_data, .max = buffer->max };
}

void buffer_clear(Buffer *buffer)
{
	buffer->overflowed = false;
	buffer_cut(buffer, 0);
}

void buffer_cut(Buffer *buffer, size_t size)
{
	must(size <= buffer->size);
	buffer->size = size;
	if (buffer->capacity > 0)
		buffer->data[size] = '\0';
}

/* Ensures capacity for `more` further bytes and a NUL: doubles the capacity as often as needed, up to the bound. */
static void buffer_grow(Buffer *buffer, size_t more)
{
	size_t needed = buffer->size + more + 1;

	if (needed <= buffer->capacity)
		return;
	size_t capacity = buffer->capacity > 0 ? buffer->capacity : BUFFER_FIRST;
	while (capacity < needed)
		capacity *= 2;
	if (capacity > buffer->max + 1)
		capacity = buffer->max + 1;
	char *data = realloc(buffer->capacity > 0 ? buffer->data : NULL, capacity);
	must(data != NULL);
	buffer->data = data;
	buffer->capacity = capacity;
}

/* Ensures capacity for `more` further bytes; false, with overflowed set, if they exceed max or the buffer had overflowed before. */
static bool buffer_reserve(Buffer *buffer, size_t more)
{
	if (buffer->overflowed || more > buffer->max - buffer->size) {
		buffer->overflowed = true;
		return false;
	}
	buffer_grow(buffer, more);
	return true;
}

void buffer_append(Buffer *buffer, Slice bytes)
{
	if (bytes.size == 0 || !buffer_reserve(buffer, bytes.size))
		return;
	memcpy(buffer->data + buffer->size, bytes.data, bytes.size);
	buffer->size += bytes.size;
	buffer->data[buffer->size] = '\0';
}

void buffer_text(Buffer *buffer, const char *text)
{
	buffer_append(buffer, slice_of(text));
}

void buffer_byte(Buffer *buffer, char byte)
{
	buffer_append(buffer, (Slice){ &byte, 1 });
}

void buffer_format(Buffer *buffer, const char *format, ...)
{
	va_list arguments, again;

	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	must(length >= 0);
	if (length > 0 && buffer_reserve(buffer, (size_t)length)) {
		vsnprintf(buffer->data + buffer->size, (size_t)length + 1, format, again);
		buffer->size += (size_t)length;
	}
	va_end(again);
	va_end(arguments);
}

Slice buffer_slice(const Buffer *buffer)
{
	return (Slice){ buffer->data, buffer->size };
}

/* ---- JSON strings --------------------------------------------------------------------------------------------- */

static bool needs_escape(char byte)
{
	return (unsigned char)byte < 0x20 || byte == '"' || byte == '\\';
}

static void escape_byte(Buffer *buffer, char byte)
{
	static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (const char *form = short_forms; *form; form += 2)
		if (form[0] == byte) {
			buffer_append(buffer, (Slice){ (char[]){ '\\', form[1] }, 2 });
			return;
		}
	buffer_format(buffer, "\\u%04x", (unsigned)(unsigned char)byte);
}

void buffer_json_escape(Buffer *buffer, Slice text)
{
	size_t before = buffer->size;
	size_t run = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (!needs_escape(text.data[i]))
			continue;
		buffer_append(buffer, (Slice){ text.data + run, i - run });
		escape_byte(buffer, text.data[i]);
		run = i + 1;
	}
	if (run < text.size)
		buffer_append(buffer, (Slice){ text.data + run, text.size - run });
	if (buffer->overflowed)
		buffer_cut(buffer, before);
}

/* ---- UTF-8 ---------------------------------------------------------------------------------------------------- */

/* Characters whose first byte is from first to last: their size, and the range of their second byte. RFC 3629, section 4. */
typedef struct {
	unsigned char first, last;
	unsigned char size;
	unsigned char second_low, second_high;
} Lead;

static const Lead leads[] = {
	{ 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
	{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
	{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const Lead *lead_of(unsigned char byte)
{
	for (size_t i = 0; i < sizeof leads / sizeof leads[0]; i++)
		if (byte >= leads[i].first && byte <= leads[i].last)
			return &leads[i];
	return NULL;
}

static bool is_continuation(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* The size of the character at `at`; 0 if it is malformed. */
static size_t character_size(const unsigned char *at, size_t left)
{
	const Lead *lead = lead_of(at[0]);

	if (!lead || lead->size > left)
		return 0;
	if (lead->size > 1 && (at[1] < lead->second_low || at[1] > lead->second_high))
		return 0;
	for (size_t i = 2; i < lead->size; i++)
		if (!is_continuation(at[i]))
			return 0;
	return lead->size;
}

static bool eight_are_ascii(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool text_is_utf8(Slice text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	size_t at = 0;

	while (at < text.size) {
		size_t left = text.size - at;
		size_t step = left >= 8 && eight_are_ascii(bytes + at) ? 8 : character_size(bytes + at, left);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

size_t text_characters(Slice text)
{
	size_t count = 0;

	for (size_t i = 0; i < text.size; i++)
		count += !is_continuation((unsigned char)text.data[i]);
	return count;
}

size_t text_cut_size(const char *text, size_t size)
{
	size_t lead = size;

	while (lead > 0 && size - lead < 4 && is_continuation((unsigned char)text[lead - 1]))
		lead--;
	if (lead == 0)
		return size;
	const Lead *form = lead_of((unsigned char)text[lead - 1]);
	return form && lead - 1 + form->size > size ? lead - 1 : size;
}

bool text_copy(Slice text, char *out, size_t out_size)
{
	must(out_size > 0);
	bool fits = text.size < out_size;

	if (fits && text.size > 0)
		memcpy(out, text.data, text.size);
	out[fits ? text.size : 0] = '\0';
	return fits;
}
