#include "tests/unit/every_type.h"

#include <stddef.h>

static const char *const severities[] = { "info", "low", "medium", "high", "critical", NULL };
static const char *const relations[] = { "employee", "visitor", NULL };
static const char *const flags[] = { "serious", "emergency", NULL };

static const Field person_fields[] = {
	{ .name = "name", .type = FIELD_TEXT, .offset = offsetof(Person, name), .flags = FIELD_REQUIRED, .max = 8 },
	{ .name = "contact", .type = FIELD_TEXT, .offset = offsetof(Person, contact), .flags = FIELD_PERSONAL },
	{ .name = "relation", .type = FIELD_CHOICE, .offset = offsetof(Person, relation), .choices = relations },
};
const FieldTable document_person_table = FIELD_TABLE("person", person_fields, Person);

static const Field document_fields[] = {
	{ .name = "title", .type = FIELD_TEXT, .offset = offsetof(Document, title),
	  .flags = FIELD_REQUIRED | FIELD_NOT_EMPTY, .max = 6 },
	{ .name = "note", .type = FIELD_TEXT, .offset = offsetof(Document, note) },
	{ .name = "code", .type = FIELD_TEXT, .offset = offsetof(Document, code), .min = 2, .max = 4 },
	{ .name = "count", .type = FIELD_INTEGER, .offset = offsetof(Document, count), .min = 1, .max = 10 },
	{ .name = "offset", .type = FIELD_INTEGER, .offset = offsetof(Document, offset) },
	{ .name = "suspected", .type = FIELD_BOOLEAN, .offset = offsetof(Document, suspected) },
	{ .name = "occurred_at", .type = FIELD_TIME, .offset = offsetof(Document, occurred_at) },
	{ .name = "severity", .type = FIELD_CHOICE, .offset = offsetof(Document, severity), .choices = severities },
	{ .name = "reporter", .type = FIELD_OBJECT, .offset = offsetof(Document, reporter), .table = &document_person_table },
	{ .name = "tags", .type = FIELD_LIST, .offset = offsetof(Document, tags), .flags = FIELD_NOT_EMPTY, .max = 3,
	  .item_max = 4 },
	{ .name = "flags", .type = FIELD_LIST, .offset = offsetof(Document, flags), .min = 1, .item = FIELD_CHOICE,
	  .choices = flags },
	{ .name = "people", .type = FIELD_LIST, .offset = offsetof(Document, people), .table = &document_person_table },
	{ .name = "attributes", .type = FIELD_FREE, .offset = offsetof(Document, attributes) },
	{ .name = "anything", .type = FIELD_ANY, .offset = offsetof(Document, anything) },
};
const FieldTable document_table = FIELD_TABLE("document", document_fields, Document);
