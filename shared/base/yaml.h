/*
 * Reads YAML into a JSON tree and records line and column of every node, so that field tables can check policy
 * packs and every error has FILE:LINE:COLUMN. Strict on purpose: one document; no anchors, aliases, tags or duplicate keys; a key
 * is a scalar and read as a string; depth at most JSON_DEPTH_MAX, at most 262144 values; well-formed UTF-8 without NUL. The
 * plain scalars true, false, null and decimal numbers have their JSON type, and a number that is too large for its type is an
 * error. An empty plain scalar ("key:") is null; all other plain scalars (yes, on, 0x1f, 010, 2026-01-01, 12e4, ~) are strings.
 * The top may be any value, but an empty file is an error.
 */
#ifndef TOCSIN_BASE_YAML_H
#define TOCSIN_BASE_YAML_H

#include "shared/base/json.h"

typedef struct YamlMarks YamlMarks;

/*
 * ERROR_INPUT with "LINE:COLUMN: fault" for the first error; *tree and *marks are then untouched. On success *tree is a new
 * reference, and the caller frees *marks with yaml_marks_free. marks may be NULL.
 */
Result yaml_read(Slice bytes, json_t **tree, YamlMarks **marks);

/* Line and column, from 1, of the node at an RFC 6901 pointer, or of the nearest parent that exists. */
void yaml_mark(const YamlMarks *marks, const char *pointer, unsigned *line, unsigned *column);

/* NULL is accepted. */
void yaml_marks_free(YamlMarks *marks);

#endif
