/*
 * JSON documents by field tables. Every document that crosses a border is one table: a row a member, with its name,
 * type, place in a C struct, bounds. The same table checks, decodes, encodes, documents and feeds fuzzing.
 *
 * A decoded struct BORROWS from the tree it was decoded from: strings point into it, lists and free objects are the
 * tree's own nodes. The tree must outlive the struct; nothing is copied.
 *
 * Errors carry RFC 6901 pointers, all of them at once (at most FIELD_ERRORS_MAX).
 */
#ifndef TOCSIN_BASE_JSON_H
#define TOCSIN_BASE_JSON_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

#include <jansson.h>

typedef enum {
	FIELD_TEXT,    /* const char *; bounds in characters; NULL when absent */
	FIELD_INTEGER, /* int64_t; bounds are values; INT64_MIN when absent, and therefore refused; 1.0 is no integer */
	FIELD_BOOLEAN, /* int: 0, 1, -1 when absent */
	FIELD_TIME,    /* Instant; INSTANT_NONE when absent; RFC 3339 in JSON */
	FIELD_CHOICE,  /* int: index into choices, -1 when absent */
	FIELD_OBJECT,  /* a nested struct at this place, decoded by table; all absent values when absent, or when {} */
	FIELD_LIST,    /* json_t *, an array; each item checked against `item` (or `table`, for objects), none null;
	                  NULL when absent */
	FIELD_FREE,    /* json_t *, an object of any members; NULL when absent */
	FIELD_ANY,     /* json_t *, anything, unchecked; NULL when absent */
} FieldType;

enum {
	FIELD_REQUIRED = 1,  /* must be there and not null */
	FIELD_PERSONAL = 2,  /* personal data (PIPL, GDPR): what redaction and access tracking look for */
	FIELD_NOT_EMPTY = 4, /* a text of no characters is refused, where read strictly one of blanks too; on a list: such an item */
};

typedef struct Field Field;
typedef struct FieldTable FieldTable;

struct Field {
	const char *name;
	FieldType type;
	size_t place;                /* offsetof in the struct */
	unsigned flags;
	int64_t min, max;            /* see FieldType; both 0: unbounded; a list: number of items; in texts and lists a
	                                max of 0 is no upper bound */
	const char *const *choices;  /* FIELD_CHOICE (and list items): NULL-terminated words */
	const FieldTable *table;     /* FIELD_OBJECT, or FIELD_LIST of objects */
	FieldType item;              /* FIELD_LIST: type of items when table is NULL; no FIELD_OBJECT, no FIELD_LIST */
	size_t item_max;             /* FIELD_LIST of texts: characters an item; 0: 256 */
	const char *since;           /* version of the project in which the member came, "0.1"; NULL: from the start */
	const char *sentence;        /* what it means, for documentation; may be NULL */
};

struct FieldTable {
	const char *name;   /* "event", "report": for schemas and messages */
	const Field *fields;
	size_t count;
	size_t size;        /* sizeof the struct */
};

#define FIELD_TABLE(table_name, fields_, struct_) \
	{ .name = (table_name), .fields = (fields_), .count = sizeof(fields_) / sizeof((fields_)[0]), \
	  .size = sizeof(struct_) }

enum { FIELD_ERRORS_MAX = 32, FIELD_POINTER = 192, FIELD_DETAIL = 192 };

typedef struct {
	char pointer[FIELD_POINTER]; /* RFC 6901, "" is the whole document; of one that is too long, a parent */
	char detail[FIELD_DETAIL];   /* what is wrong and what would be right; for people */
} FieldError;

/* Begins with count 0 and more false; the list need not be cleared. */
typedef struct {
	size_t count;
	bool more; /* there were more than fit */
	FieldError list[FIELD_ERRORS_MAX];
} FieldErrors;

/* Add one, the detail formatted. */
void field_errors_add(FieldErrors *errors, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Senders may nest 32 levels (gateway); our records that carry their documents need some more. */
enum { JSON_DEPTH_MAX = 40 };

/*
 * Parse bytes strictly: UTF-8, no duplicate names, no NUL (raw or escaped), nothing behind the value, depth at most
 * JSON_DEPTH_MAX (the top is level 1), an object at the top. *out is a new reference, untouched on failure. ERROR_INPUT
 * with "line N, column N: what", columns in characters; nothing of the document is quoted. Thread-safe.
 */
Result json_read(Slice bytes, json_t **out);

/*
 * Check tree against table and decode it into *out (size bytes of table->size; always fully written). strict refuses
 * members the table does not know; otherwise they are ignored. Adds to errors; true when it found nothing wrong. null
 * is the same as absent. A missing member's error points to where it should be. Members of wrong type are left absent,
 * but the struct is not to be used after false. Details are predicates: "must be …", "is required".
 */
bool json_decode(const FieldTable *table, json_t *tree, bool strict, void *out, FieldErrors *errors);

/* Lenient decode of our own documents from the bus; ERROR_INPUT with the first mistake, "event/title: is required". */
Result json_decode_own(const FieldTable *table, json_t *tree, void *out);

/*
 * A new object of all fields of the struct; absent ones are null. Field order is table order. Lists, free objects and
 * any values are shared with the struct's tree, not copied: do not change them. A nested struct of absent values only
 * is itself absent, unless FIELD_REQUIRED. Aborts on a text that is no UTF-8 or an instant out of range, of which
 * decoding leaves none.
 */
json_t *json_encode(const FieldTable *table, const void *in);

/* The same, but absent fields are left out. */
json_t *json_encode_present(const FieldTable *table, const void *in);

/* Compact text of any value, members in their order, appended whole or, when out overflows, not at all. */
void json_write(json_t *tree, Buffer *out);

/* What stands at an RFC 6901 pointer, borrowed, or NULL. */
json_t *json_at(json_t *tree, const char *pointer);

/* Index of a word in a NULL-terminated list, or -1. */
int choice_of(const char *const *choices, const char *word);

/* Give a new reference to its owner's cleanup: json_t *tree JSON_AUTO = NULL; */
void json_auto_(json_t **tree);
#define JSON_AUTO __attribute__((cleanup(json_auto_)))

#endif
