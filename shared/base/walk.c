#include "shared/base/walk.h"

#include <string.h>

/* ---- bytes ---------------------------------------------------------------------------------------------------- */

/* Classes of bytes in a string; 0: an ordinary ASCII character. */
enum { BYTE_QUOTE = 1, BYTE_ESCAPE, BYTE_HIGH, BYTE_CONTROL };

static const unsigned char string_bytes[256] = {
	[0 ... 31] = BYTE_CONTROL,
	['"'] = BYTE_QUOTE,
	['\\'] = BYTE_ESCAPE,
	[128 ... 255] = BYTE_HIGH,
};

static void space_pass(Walk *walk)
{
	while (walk->at < walk->end && (*walk->at == ' ' || *walk->at == '\n' || *walk->at == '\r' || *walk->at == '\t'))
		walk->at++;
}

char walk_next(Walk *walk)
{
	space_pass(walk);
	return walk->at < walk->end ? *walk->at : '\0';
}

bool walk_pass(Walk *walk, char byte)
{
	if (walk_next(walk) != byte)
		return false;
	walk->at++;
	return true;
}

bool walk_word(Walk *walk, Slice word)
{
	if ((size_t)(walk->end - walk->at) < word.size || memcmp(walk->at, word.data, word.size) != 0)
		return false;
	walk->at += word.size;
	return true;
}

/* ---- strings -------------------------------------------------------------------------------------------------- */

bool walk_string(Walk *walk, WalkString *out)
{
	bool high = false;

	if (!walk_pass(walk, '"'))
		return false;
	const char *start = walk->at, *at = start;
	out->escaped = false;
	for (unsigned class = 0; class != BYTE_QUOTE; at++) {
		if (at >= walk->end)
			return false;
		class = string_bytes[(unsigned char)*at];
		if (class == BYTE_CONTROL)
			return false;
		high |= class == BYTE_HIGH;
		if (class == BYTE_ESCAPE) {
			out->escaped = true;
			if (++at == walk->end) /* skip the byte after a backslash: an escaped quote does not end the string */
				return false;
		}
	}
	walk->at = at;
	out->inside = (Slice){ start, (size_t)(at - 1 - start) };
	return !high || text_is_utf8(out->inside);
}

/* The value of the escape "\uXXXX" at `at`; -1 if the escape is malformed. */
static int32_t unit_read(const char *at, const char *end)
{
	int32_t unit = 0;

	if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return -1;
	for (int i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);
		if (digit < 0)
			return -1;
		unit = unit << 4 | digit;
	}
	return unit;
}

/*
 * Reads a character of one or two UTF-16 units ("\uXXXX") and moves *at behind it. -1 if the escape is malformed, and for
 * NUL, which texts must not contain.
 */
static int32_t character_read(const char **at, const char *end)
{
	int32_t unit = unit_read(*at, end);

	*at += 6;
	if (unit <= 0 || (unit >= 0xDC00 && unit <= 0xDFFF))
		return -1;
	if (unit < 0xD800 || unit > 0xDFFF)
		return unit;
	int32_t low = unit_read(*at, end);
	*at += 6;
	return low >= 0xDC00 && low <= 0xDFFF ? 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00) : -1;
}

static size_t character_write(int32_t character, char out[static 4])
{
	if (character < 0x80) {
		out[0] = (char)character;
		return 1;
	}
	size_t size = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
	for (size_t i = size - 1; i > 0; i--, character >>= 6)
		out[i] = (char)(0x80 | (character & 0x3F));
	static const unsigned char leads[] = { [2] = 0xC0, [3] = 0xE0, [4] = 0xF0 };
	out[0] = (char)(leads[size] | character);
	return size;
}

/* Decodes the escape at *at into out, moves *at behind it and returns the number of bytes in out; 0 if the escape is malformed. */
static size_t escape_read(const char **at, const char *end, char out[static 4])
{
	static const char escapes[] = "\"\\/bfnrt", decoded[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (end - *at >= 2 && (*at)[1] == 'u') {
		int32_t character = character_read(at, end);
		return character < 0 ? 0 : character_write(character, out);
	}
	if (end - *at < 2 || !(found = memchr(escapes, (*at)[1], sizeof escapes - 1)))
		return 0;
	out[0] = decoded[found - escapes];
	*at += 2;
	return 1;
}

/* True when all escapes of the string are valid; for strings that are only checked, not decoded. */
static bool escapes_are_valid(const WalkString *string)
{
	const char *end = string->inside.data + string->inside.size;
	char bytes[4];

	if (!string->escaped)
		return true;
	for (const char *at = string->inside.data; at < end;)
		if (*at != '\\')
			at++;
		else if (escape_read(&at, end, bytes) == 0)
			return false;
	return true;
}

/* Appends to the memory for texts; false if the bytes and a NUL do not fit. */
static bool bytes_put(Walk *walk, const char *bytes, size_t size)
{
	if ((size_t)(walk->texts_end - walk->text) <= size)
		return false;
	memcpy(walk->text, bytes, size);
	walk->text += size;
	return true;
}

static bool escaped_put(Walk *walk, Slice inside)
{
	const char *end = inside.data + inside.size;
	char bytes[4];

	for (const char *at = inside.data; at < end;) {
		size_t size = 1;
		if (*at != '\\')
			bytes[0] = *at++;
		else if ((size = escape_read(&at, end, bytes)) == 0)
			return false;
		if (!bytes_put(walk, bytes, size))
			return false;
	}
	return true;
}

bool walk_text(Walk *walk, const WalkString *string, Slice *out)
{
	char *start = walk->text;

	if (!(string->escaped ? escaped_put(walk, string->inside) : bytes_put(walk, string->inside.data, string->inside.size)))
		return false;
	*out = (Slice){ start, (size_t)(walk->text - start) };
	*walk->text++ = '\0';
	return true;
}

bool walk_plain(Walk *walk, Slice *out)
{
	WalkString string;

	if (!walk_string(walk, &string) || string.escaped)
		return false;
	*out = string.inside;
	return true;
}

/* ---- numbers -------------------------------------------------------------------------------------------------- */

enum { DIGITS_MAX = 18 }; /* a number of 19 digits may exceed an int64_t */

static bool digits_pass(Walk *walk)
{
	const char *start = walk->at;

	while (walk->at < walk->end && *walk->at >= '0' && *walk->at <= '9')
		walk->at++;
	return walk->at > start && walk->at - start <= DIGITS_MAX;
}

bool walk_number(Walk *walk)
{
	if (*walk->at == '-')
		walk->at++;
	const char *first = walk->at;
	if (!digits_pass(walk) || (*first == '0' && walk->at - first > 1))
		return false;
	if (walk->at < walk->end && *walk->at == '.') {
		walk->at++;
		if (!digits_pass(walk))
			return false;
	}
	return walk->at == walk->end || (*walk->at != 'e' && *walk->at != 'E');
}

/* ---- values of any kind --------------------------------------------------------------------------------------- */

static bool members_pass(Walk *walk)
{
	Slice names[WALK_MEMBERS_MAX];
	size_t count = 0;

	if (walk_next(walk) == '}')
		return walk_pass(walk, '}');
	do {
		if (count == WALK_MEMBERS_MAX || !walk_plain(walk, &names[count]))
			return false;
		for (size_t i = 0; i < count; i++)
			if (slice_equals(names[i], names[count]))
				return false;
		count++;
		if (!walk_pass(walk, ':') || !walk_value(walk))
			return false;
	} while (walk_pass(walk, ','));
	return walk_pass(walk, '}');
}

static bool items_pass(Walk *walk)
{
	if (walk_next(walk) == ']')
		return walk_pass(walk, ']');
	do
		if (!walk_value(walk))
			return false;
	while (walk_pass(walk, ','));
	return walk_pass(walk, ']');
}

bool walk_enter(Walk *walk, char opening)
{
	if (walk->levels == 0 || !walk_pass(walk, opening))
		return false;
	walk->levels--;
	return true;
}

void walk_leave(Walk *walk)
{
	walk->levels++;
}

static bool inside_pass(Walk *walk, char opening, bool (*inside)(Walk *walk))
{
	if (!walk_enter(walk, opening) || !inside(walk))
		return false;
	walk_leave(walk);
	return true;
}

bool walk_object(Walk *walk)
{
	return inside_pass(walk, '{', members_pass);
}

bool walk_value(Walk *walk)
{
	WalkString string;

	switch (walk_next(walk)) {
	case '{': return walk_object(walk);
	case '[': return inside_pass(walk, '[', items_pass);
	case '"': return walk_string(walk, &string) && escapes_are_valid(&string);
	case 't': return walk_word(walk, SLICE("true"));
	case 'f': return walk_word(walk, SLICE("false"));
	case 'n': return walk_word(walk, SLICE("null"));
	default: return walk->at < walk->end && walk_number(walk);
	}
}
