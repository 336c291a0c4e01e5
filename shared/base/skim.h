/*
 * The fast path for documents of senders: decodes by field table in one pass over the bytes, without a tree and without
 * allocating. The tree of json.h takes nine times as long.
 *
 * True means: json_read and a strict json_decode accept the same bytes and give the same values. False means only that this
 * reader does not handle the document: it is invalid, or valid but rare (numbers with an exponent, escapes in names, objects
 * with very many members). The caller then uses json.h, which also reports the errors; nothing is refused here.
 * tests/fuzz/document_fuzz.c compares the two readers.
 */
#ifndef TOCSIN_BASE_SKIM_H
#define TOCSIN_BASE_SKIM_H

#include "shared/base/json.h"

enum {
	SKIM_DEPTH_MAX = 16,   /* levels, the top being the first */
	SKIM_TEXTS_MAX = 4096, /* bytes of all decoded texts, each with its NUL, plus one escaped text of a list */
};

/* Memory of the struct's texts; it must outlive the struct. */
typedef struct {
	char bytes[SKIM_TEXTS_MAX];
} SkimTexts;

/*
 * True: *out (table->size bytes) is decoded as by json_decode, with its texts borrowed from *texts; but lists, free objects
 * and FIELD_ANY values are only checked, and are NULL in *out. False: use json.h; *out is undefined. A table has at most 64
 * fields.
 */
bool skim_decode(const FieldTable *table, Slice bytes, void *out, SkimTexts *texts);

#endif
