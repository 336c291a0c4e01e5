/*
 * One walk over the bytes of a JSON document: the grammar of skim.h, whose fields know nothing of bytes. Private to shared/base.
 *
 * Every function goes on with true, standing behind what it passed, and gives up with false: what is wrong, or rare. Space
 * before what is asked for is passed over. Nothing behind `end` is read.
 */
#ifndef TOCSIN_BASE_WALK_H
#define TOCSIN_BASE_WALK_H

#include "shared/base/text.h"

/* Of an object without a table: more members are rare, and each name is compared with all before it. */
enum { WALK_MEMBERS_MAX = 32 };

typedef struct {
	const char *at, *end;
	char *text, *texts_end; /* where the next text goes */
	unsigned levels;        /* how many may still be entered */
} Walk;

/* The inside of a string as it stands in the document, well-formed UTF-8. */
typedef struct {
	Slice inside;
	bool escaped; /* and whether each escape is one, nobody has looked yet */
} WalkString;

/* The next byte, which stays where it is; NUL at the end. */
char walk_next(Walk *walk);

bool walk_pass(Walk *walk, char byte);
bool walk_word(Walk *walk, Slice word); /* no space before it */

bool walk_string(Walk *walk, WalkString *out);

/* A string without escapes: a name, a word, a time. */
bool walk_plain(Walk *walk, Slice *out);

/* The text a string means, written where texts go with a NUL behind it; false also when there is no room. */
bool walk_text(Walk *walk, const WalkString *string, Slice *out);

/* A number of at most 18 digits on either side of its point, without an exponent; not at the end, and no space before it. */
bool walk_number(Walk *walk);

/* Whole values: any, and an object of any members. */
bool walk_value(Walk *walk);
bool walk_object(Walk *walk);

/* Into an object or a list by its opening, and out again behind its closing, which the caller passes. */
bool walk_enter(Walk *walk, char opening);
void walk_leave(Walk *walk);

#endif
