/*
 * Slice: borrowed bytes with a length, not NUL-terminated. Buffer: owned bytes that grow up to a bound. A parameter of type
 * const char * is NUL-terminated.
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

/* The bytes of a C string, borrowed, without its NUL; SLICE_NONE for NULL. */
Slice slice_of(const char *text);
bool slice_equals(Slice one, Slice other);
bool slice_is(Slice slice, const char *text);
bool slice_starts_with(Slice slice, Slice prefix);

/* True when the slice is empty or has only ASCII white space, U+00A0 and U+3000. */
bool slice_is_blank(Slice slice);

/* A list of words for a message: "a, b, c", or "a, b, …" if not all fit. The caller zeroes the struct before use. */
typedef struct {
	char text[144];
	bool full;
} WordList;

void word_list_add(WordList *list, const char *word);
void word_list_add_all(WordList *list, const char *const *words); /* NULL-terminated */

/* A copy with a NUL behind it; the caller frees it. Aborts if memory is exhausted. */
char *slice_copy(Slice slice);

/* The value of a hexadecimal digit of either case, 0 to 15; -1 for any other byte. */
int hex_digit(char byte);

/* Reads the whole slice as a decimal number: an optional '-', then digits, leading zeros allowed. False, with *out untouched,
 * for any other text and for a number that does not fit. */
bool slice_integer(Slice slice, int64_t *out);

/*
 * A growing byte buffer with at most `max` bytes. An append that would exceed the bound adds nothing and sets `overflowed`;
 * later appends then add nothing either, so a caller may check once at the end. data[size] is NUL from buffer_init on. Bytes to
 * append must not be part of the buffer itself. Aborts if memory is exhausted.
 */
typedef struct {
	char *data;
	size_t size, capacity, max;
	bool overflowed;
} Buffer;

/* An empty buffer. max must be less than SIZE_MAX / 2. */
void buffer_init(Buffer *buffer, size_t max);

/* Frees the memory; the buffer is then empty and may be used again, with the same max. A zeroed struct is accepted. */
void buffer_release(Buffer *buffer);

/* Empties the buffer and clears overflowed; the memory is kept. */
void buffer_clear(Buffer *buffer);

/* Cuts the buffer to `size` bytes; `size` must not exceed the current size. overflowed is unchanged. */
void buffer_cut(Buffer *buffer, size_t size);
void buffer_append(Buffer *buffer, Slice bytes);
void buffer_text(Buffer *buffer, const char *text);
void buffer_byte(Buffer *buffer, char byte);
void buffer_format(Buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
Slice buffer_slice(const Buffer *buffer); /* borrowed until the buffer changes */

/* Appends text as the inside of a JSON string, without quotes: escapes ", \ and bytes below 32. Appends all or nothing. */
void buffer_json_escape(Buffer *buffer, Slice text);

/* True for well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF). */
bool text_is_utf8(Slice text);

/* Number of characters (code points) of well-formed UTF-8. */
size_t text_characters(Slice text);

/* The largest size, at most `size`, at which well-formed UTF-8 can be cut without splitting a character. */
size_t text_cut_size(const char *text, size_t size);

/* Copies text into an array of out_size bytes, with a NUL; false, with out empty, if it does not fit. */
bool text_copy(Slice text, char *out, size_t out_size);

#endif
