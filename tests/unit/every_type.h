/* A document with a member of every type, for tests of the readers of field tables. */
#ifndef TOCSIN_TESTS_UNIT_EVERY_TYPE_H
#define TOCSIN_TESTS_UNIT_EVERY_TYPE_H

#include "shared/base/json.h"

typedef struct {
	const char *name, *contact;
	int relation;
} Person;

typedef struct {
	const char *title, *note, *code;
	int64_t count, offset;
	int suspected;
	Instant occurred_at;
	int severity;
	Person reporter;
	json_t *tags, *flags, *people;
	json_t *attributes, *anything;
} Document;

extern const FieldTable document_table, document_person_table;

#endif
