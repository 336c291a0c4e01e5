/*
 * The fast reader for documents that senders post: decodes by field table in one pass over the bytes, without a tree and
 * without allocating. Decoding with json.h takes nine times as long.
 *
 * If skim_decode returns true, json_read and a strict json_decode accept the same bytes and give the same values. If it
 * returns false, the document is invalid, or it is valid but has a feature that this reader does not support (for example numbers
 * with an exponent, escapes in names, or too many members, levels or bytes of text). The caller then decides with json.h, which
 * also reports errors.
 * tests/fuzz/document_fuzz.c compares the two readers.
 */
#ifndef TOCSIN_BASE_SKIM_H
#define TOCSIN_BASE_SKIM_H

#include "shared/base/json.h"

enum {
	SKIM_DEPTH_MAX = 16,   /* levels; the top is level 1 */
	SKIM_TEXTS_MAX = 4096, /* bytes of all decoded texts with their NULs, and of a list item while it is checked */
};

/* Memory for the texts of a decoded struct; it must outlive the struct. */
typedef struct {
	char bytes[SKIM_TEXTS_MAX];
} SkimTexts;

/*
 * True: *out (table->size bytes) is decoded as by json_decode, with two differences: the texts in *out are borrowed from *texts,
 * and lists, free objects and FIELD_ANY values are only checked and are NULL in *out. False: use json.h; *out is undefined.
 * table, and each table nested in it, must have at most 64 fields.
 */
bool skim_decode(const FieldTable *table, Slice bytes, void *out, SkimTexts *texts);

#endif
