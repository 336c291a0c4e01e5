/*
 * The fast reader for documents that senders post: decodes by field table in one pass over the bytes, without a tree and
 * without allocating. Decoding with json.h takes nine times as long.
 *
 * If skim_decode returns true, json_read and a strict json_decode accept the same bytes and give the same values. If it
 * returns false, the document is invalid, or valid with something rare that this reader does not support (numbers with an
 * exponent, escapes in names, objects with very many members). The caller then decides with json.h, which also reports errors.
 * tests/fuzz/document_fuzz.c compares the two readers.
 */
#ifndef TOCSIN_BASE_SKIM_H
#define TOCSIN_BASE_SKIM_H

#include "shared/base/json.h"

enum {
	SKIM_DEPTH_MAX = 16,   /* levels; the top is level 1 */
	SKIM_TEXTS_MAX = 4096, /* bytes of all decoded texts, each with its NUL, plus one text of a list, decoded for its check */
};

/* Memory of the struct's texts; it must outlive the struct. */
typedef struct {
	char bytes[SKIM_TEXTS_MAX];
} SkimTexts;

/*
 * True: *out (table->size bytes) is decoded as by json_decode, with two differences: its texts are borrowed from *texts, and
 * lists, free objects and FIELD_ANY values are only checked and are NULL in *out. False: use json.h; *out is undefined. A
 * table has at most 64 fields.
 */
bool skim_decode(const FieldTable *table, Slice bytes, void *out, SkimTexts *texts);

#endif
