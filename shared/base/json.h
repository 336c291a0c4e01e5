/*
 * JSON documents by field tables. Every document that enters or leaves a service has a table with one row a member: name,
 * type, offset in a C struct, bounds. The table is used to check, decode, encode, document and fuzz.
 *
 * A decoded struct BORROWS from its tree: strings point into it, and lists and free objects are nodes of it. The tree must
 * outlive the struct; nothing is copied.
 *
 * A decoder reports all errors at once, at most FIELD_ERRORS_MAX, each with an RFC 6901 pointer.
 */
#ifndef TOCSIN_BASE_JSON_H
#define TOCSIN_BASE_JSON_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

#include <jansson.h>

typedef enum {
	FIELD_TEXT,    /* const char *; bounds in characters; NULL when absent */
	FIELD_INTEGER, /* int64_t; bounds are values; INT64_MIN when absent, so INT64_MIN itself is refused; so is 1.0 */
	FIELD_BOOLEAN, /* int: 0, 1, -1 when absent */
	FIELD_TIME,    /* Instant; INSTANT_NONE when absent; RFC 3339 in JSON */
	FIELD_CHOICE,  /* int: index into choices, -1 when absent */
	FIELD_OBJECT,  /* a nested struct, decoded by table; all members absent when it is absent or {} */
	FIELD_LIST,    /* json_t *, an array; each item is checked against `item` (or `table`, for objects) and not null;
	                  NULL when absent */
	FIELD_FREE,    /* json_t *, an object with any members; NULL when absent */
	FIELD_ANY,     /* json_t *, any value, unchecked; NULL when absent */
} FieldType;

enum {
	FIELD_REQUIRED = 1,  /* must be present and not null */
	FIELD_PERSONAL = 2,  /* personal data (PIPL, GDPR), for redaction and access records */
	FIELD_NOT_EMPTY = 4, /* an empty text is refused, in strict mode also a blank one; on a list: such an item */
};

typedef struct Field Field;
typedef struct FieldTable FieldTable;

struct Field {
	const char *name;
	FieldType type;
	size_t offset;               /* offsetof in the struct */
	unsigned flags;
	int64_t min, max;            /* see FieldType; both 0: unbounded; of a list: number of items; a text or list with
	                                max 0 has no upper bound */
	const char *const *choices;  /* FIELD_CHOICE (and list items): NULL-terminated words */
	const FieldTable *table;     /* FIELD_OBJECT, or FIELD_LIST of objects */
	FieldType item;              /* FIELD_LIST: type of items when table is NULL; no FIELD_OBJECT, no FIELD_LIST */
	size_t item_max;             /* FIELD_LIST of texts: characters in an item; 0: 256 */
	const char *since;           /* version of Tocsin that added the member, "0.1"; NULL: the first */
	const char *sentence;        /* the description in the schemas; may be NULL */
};

struct FieldTable {
	const char *name;   /* "event", "report": in schemas and errors */
	const Field *fields;
	size_t count;
	size_t size;        /* sizeof the struct */
};

#define FIELD_TABLE(table_name, fields_, struct_) \
	{ .name = (table_name), .fields = (fields_), .count = sizeof(fields_) / sizeof((fields_)[0]), \
	  .size = sizeof(struct_) }

enum { FIELD_ERRORS_MAX = 32, FIELD_POINTER = 192, FIELD_DETAIL = 192 };

typedef struct {
	char pointer[FIELD_POINTER]; /* RFC 6901; "" is the whole document; a pointer that is too long is cut to a parent */
	char detail[FIELD_DETAIL];   /* the requirement that is not met, for people: "must be …", "is required" */
} FieldError;

/* Set count to 0 and more to false before use; the list need not be cleared. */
typedef struct {
	size_t count;
	bool more; /* further errors did not fit */
	FieldError list[FIELD_ERRORS_MAX];
} FieldErrors;

/* Adds an error with a formatted detail, or sets more if the list is full. Pointer and detail are cut to their sizes. */
void field_errors_add(FieldErrors *errors, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The gateway accepts 32 levels from senders; records that contain such a document need some more. */
enum { JSON_DEPTH_MAX = 40 };

/* Bytes of a character in written JSON, at most: \u0001 has as many; 4 suffice for others. */
enum { JSON_CHARACTER_MAX = 6 };

/*
 * Parses strictly: UTF-8, no duplicate names, no NUL (raw or escaped), nothing behind the value, depth at most
 * JSON_DEPTH_MAX (the top is level 1), an object at the top. *out is a new reference, untouched on failure. ERROR_INPUT
 * with "line N, column N: fault", columns in characters; the text quotes nothing of the document. Thread-safe.
 */
Result json_read(Slice bytes, json_t **out);

/* Levels of objects and lists, the value itself included; 0 for a text or a number. Recursive: for trees from json_read. */
size_t json_depth(json_t *value);

/*
 * Checks tree against table and decodes it into *out (table->size bytes, always fully written). strict refuses unknown
 * members; otherwise they are ignored. null equals absent. Adds to errors and returns true if it added none; do not use
 * *out after false. The error for a missing member points to where it should be.
 */
bool json_decode(const FieldTable *table, json_t *tree, bool strict, void *out, FieldErrors *errors);

/* Lenient decoding of records from the bus, as json_decode; ERROR_INPUT with the first error, "event/title: is required". */
Result json_decode_record(const FieldTable *table, json_t *tree, void *out);

/*
 * A new object with all fields of the struct in the order of the table; absent ones are null. Lists, free objects and
 * FIELD_ANY values are shared with the struct's tree, not copied: do not change them. A nested struct whose members are all
 * absent is itself absent, unless FIELD_REQUIRED. Aborts on a text that is not UTF-8 and on an instant out of range; a
 * decoded struct contains neither.
 */
json_t *json_encode(const FieldTable *table, const void *in);

/* Like json_encode, but without absent fields. */
json_t *json_encode_present(const FieldTable *table, const void *in);

/* Appends any value as compact text, members in their order. If it does not fit, out overflows and nothing is appended. */
void json_write(json_t *tree, Buffer *out);

/* The value at an RFC 6901 pointer, borrowed; NULL if there is none. */
json_t *json_at(json_t *tree, const char *pointer);

/* The index of a word in a NULL-terminated list; -1 if it is absent or NULL. */
int choice_of(const char *const *choices, const char *word);

/* Releases a reference at the end of its scope: json_t *tree JSON_AUTO = NULL; */
void json_auto_(json_t **tree);
#define JSON_AUTO __attribute__((cleanup(json_auto_)))

#endif
