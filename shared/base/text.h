/*
 * Bytes with a length (Slice, borrowed) and bytes that grow up to a bound (Buffer, owned). Nothing here assumes a NUL
 * at the end unless it says so.
 */
#ifndef TOCSIN_BASE_TEXT_H
#define TOCSIN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes. data may be NULL only when size is 0. */
typedef struct {
	const char *data;
	size_t size;
} Slice;

#define SLICE(literal) ((Slice){ (literal), sizeof(literal) - 1 })
#define SLICE_NONE ((Slice){ NULL, 0 })

/* The slice of a C string; NULL gives the empty slice. */
Slice slice_of(const char *text);
bool slice_equals(Slice one, Slice other);
bool slice_is(Slice slice, const char *text);
bool slice_starts(Slice slice, Slice prefix);

/* True where nothing stands that a person would see: ASCII's white space, U+00A0 and U+3000 alone, or nothing at all. */
bool slice_is_blank(Slice slice);

/* Words for people: "a, b, c", or "a, b, …" where not all fit. Begins all zeroes. */
typedef struct {
	char text[144];
	bool full;
} WordList;

void word_list_add(WordList *list, const char *word);
void word_list_add_all(WordList *list, const char *const *words); /* NULL ends them */

/* A copy with a NUL behind it, to be freed by the caller; never NULL (aborts when memory is gone). */
char *slice_copy(Slice slice);

/* 0 to 15, of either case; -1: no hexadecimal digit. */
int hex_digit(char byte);

/* A decimal number, the whole slice, optional '-', leading zeros taken; false, *out untouched, for anything else. */
bool slice_integer(Slice slice, int64_t *out);

/*
 * A growing byte buffer, at most `max` bytes from birth. An append that would pass the bound adds nothing and sets
 * `overflowed` for good: all later appends add nothing either, so a caller may append freely and look once at the end.
 * data always has a NUL behind size. Bytes to append must not lie in the buffer itself. Aborts when memory is gone.
 */
typedef struct {
	char *data;
	size_t size, capacity, max;
	bool overflowed;
} Buffer;

void buffer_init(Buffer *buffer, size_t max);

/* Frees the memory; the buffer is empty and may be used again. A zeroed struct that was never initialised is taken. */
void buffer_release(Buffer *buffer);

/* Empty and no longer overflowed; the memory is kept. */
void buffer_clear(Buffer *buffer);

/* Back to an earlier size (at most the present one). overflowed stays as it is. */
void buffer_cut(Buffer *buffer, size_t size);
void buffer_append(Buffer *buffer, Slice bytes);
void buffer_text(Buffer *buffer, const char *text);
void buffer_byte(Buffer *buffer, char byte);
void buffer_format(Buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
Slice buffer_slice(const Buffer *buffer);

/* Append text as the inside of a JSON string, quotes not included: escapes ", \ and control bytes. All or nothing. */
void buffer_json_escape(Buffer *buffer, Slice text);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(Slice text);

/* Number of characters (code points) of well-formed UTF-8. */
size_t text_characters(Slice text);

/* The largest size, at most the given one, at which UTF-8 text can be cut without splitting a character. */
size_t text_whole(const char *text, size_t size);

/* Copy text into a fixed array with a NUL; false, and out empty, when it does not fit. */
bool text_copy(Slice text, char *out, size_t out_size);

#endif
