/*
 * A scanner over the bytes of a JSON document, used by skim.c. Private to shared/base.
 *
 * Unless noted, a function skips white space, reads one element and returns true with `at` behind it; false if the element is
 * malformed, or rare and therefore not supported. It never reads behind `end`.
 */
#ifndef TOCSIN_BASE_WALK_H
#define TOCSIN_BASE_WALK_H

#include "shared/base/text.h"

/* Members of an object without a table: more are rare, and each name is compared with all previous ones. */
enum { WALK_MEMBERS_MAX = 32 };

typedef struct {
	const char *at, *end;
	char *text, *texts_end; /* memory for decoded texts: the next free byte, the end */
	unsigned levels;        /* levels that may still be entered */
} Walk;

/* The inside of a string in the document, well-formed UTF-8. */
typedef struct {
	Slice inside;
	bool escaped; /* it contains escapes, not checked yet */
} WalkString;

/* The next byte, not consumed; NUL at the end. */
char walk_next(Walk *walk);

bool walk_pass(Walk *walk, char byte);
bool walk_word(Walk *walk, Slice word); /* skips no white space */

bool walk_string(Walk *walk, WalkString *out);

/* A string without escapes: a name, a choice, a time. */
bool walk_plain(Walk *walk, Slice *out);

/* Decodes a string into the memory for texts, with a NUL behind it; false also if it does not fit. */
bool walk_text(Walk *walk, const WalkString *string, Slice *out);

/* A number with at most 18 digits on either side of its point and no exponent. Skips no white space; `at` is not the end. */
bool walk_number(Walk *walk);

/* A whole value; a whole object with any members. */
bool walk_value(Walk *walk);
bool walk_object(Walk *walk);

/* Enters an object or a list by its opening byte; leaves it before the caller reads the closing byte. */
bool walk_enter(Walk *walk, char opening);
void walk_leave(Walk *walk);

#endif
