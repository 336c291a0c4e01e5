/*
 * A scanner over the bytes of a JSON document, used by skim.c. Private to shared/base.
 *
 * Unless noted, a function skips white space, reads one element and returns true with `at` behind that element. It returns
 * false if the element is malformed, or has a rare form that this scanner does not support; `at` is then undefined. No function
 * reads behind `end`.
 */
#ifndef TOCSIN_BASE_WALK_H
#define TOCSIN_BASE_WALK_H

#include "shared/base/text.h"

/*
 * Maximum number of members of an object without a table. Each name is compared with all previous ones, so the time grows
 * with the square of their number; objects with more members are rare.
 */
enum { WALK_MEMBERS_MAX = 32 };

typedef struct {
	const char *at, *end;
	char *text, *texts_end; /* memory for decoded texts: its next free byte, and its end */
	unsigned levels;        /* levels that may still be entered */
} Walk;

/* The inside of a string in the document, well-formed UTF-8. */
typedef struct {
	Slice inside;
	bool escaped; /* the string contains escapes, which are not checked yet */
} WalkString;

/* Skips white space and returns the next byte without consuming it; NUL at the end. */
char walk_next(Walk *walk);

/* Reads the given byte. */
bool walk_pass(Walk *walk, char byte);

/* Reads exactly the given word. Skips no white space. */
bool walk_word(Walk *walk, Slice word);

bool walk_string(Walk *walk, WalkString *out);

/* A string without escapes; for names, choices and times. False if it has escapes. */
bool walk_plain(Walk *walk, Slice *out);

/*
 * Decodes a string that walk_string has read into the memory for texts, with a NUL behind it; false if an escape is invalid or
 * the text does not fit. Does not move `at`.
 */
bool walk_text(Walk *walk, const WalkString *string, Slice *out);

/* A number with at most 18 digits on either side of its point and no exponent. Skips no white space; `at` must be before `end`. */
bool walk_number(Walk *walk);

/* walk_value: a value of any type. walk_object: an object with any members. Both only check the element. */
bool walk_value(Walk *walk);
bool walk_object(Walk *walk);

/*
 * walk_enter reads the opening byte of an object or list; false also if no level may be entered any more. The caller calls
 * walk_leave before it reads the closing byte.
 */
bool walk_enter(Walk *walk, char opening);
void walk_leave(Walk *walk);

#endif
