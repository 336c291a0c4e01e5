/*
 * YAML read into a JSON tree, with the place of every node kept beside it, so that the same field tables check policy
 * packs and every mistake gets FILE:LINE:COLUMN. Strict on purpose: one document, no anchors, aliases, tags or
 * duplicate keys; plain scalars true, false, null and decimal numbers are what they look like, everything else (yes,
 * on, 0x1f, 010, 2026-01-01, 12e4, ~) is a string; a plain scalar of nothing ("key:") is null. Keys are strings. Depth
 * at most JSON_DEPTH_MAX. Well-formed UTF-8 without NUL. Any kind of value may stand at the top; nothing at all is a
 * mistake.
 */
#ifndef TOCSIN_BASE_YAML_H
#define TOCSIN_BASE_YAML_H

#include "shared/base/json.h"

typedef struct YamlMarks YamlMarks;

/*
 * ERROR_INPUT with "LINE:COLUMN: what" for the first thing that cannot be read. On success *tree is a new reference
 * and *places (may be NULL if not wanted) is owned, to be freed with yaml_marks_free.
 */
Result yaml_read(Slice bytes, json_t **tree, YamlMarks **places);

/* Line and column (from 1) of the node at an RFC 6901 pointer, or of its nearest parent that exists. */
void yaml_mark(const YamlMarks *places, const char *pointer, unsigned *line, unsigned *column);

void yaml_marks_free(YamlMarks *places);

#endif
