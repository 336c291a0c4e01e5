/*
 * A sender's document read by its field table in one walk over its bytes, without a tree and without memory: for the hot
 * path; the tree of json.h takes nine times as long.
 *
 * It is only ever sure or not. Sure means: json_read and a strict json_decode take these bytes too, and the struct holds the
 * same values. Whatever is wrong with a document, and much that is right but rare (numbers with an exponent, escapes in
 * names, objects of very many members), makes it not sure; the caller then reads by json.h, which also says what is wrong.
 * So nothing is ever refused here. tests/fuzz/document_fuzz.c compares the two.
 */
#ifndef TOCSIN_BASE_SKIM_H
#define TOCSIN_BASE_SKIM_H

#include "shared/base/json.h"

enum {
	SKIM_DEPTH_MAX = 16,   /* levels, the top being the first: deeper is not sure */
	SKIM_TEXTS_MAX = 4096, /* bytes of all texts that are given, each with its NUL, and of one in a list that has escapes */
};

/* Where the struct's texts lie; it must live as long as the struct. */
typedef struct {
	char bytes[SKIM_TEXTS_MAX];
} SkimTexts;

/*
 * True when sure: *out (table->size bytes) is then decoded as json_decode would, its texts borrowed from *texts; but lists,
 * free objects and any values are only checked, and NULL. False: nothing is known, and *out is not to be used. No more than
 * 64 fields a table.
 */
bool skim_decode(const FieldTable *table, Slice bytes, void *out, SkimTexts *texts);

#endif
