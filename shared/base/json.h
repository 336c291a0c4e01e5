/*
 * JSON documents by field tables. Every document that enters or leaves a service has a table with one row for each member:
 * name, type, offset in a C struct, bounds. The table is used to check, decode, encode, document and fuzz.
 *
 * A decoded struct BORROWS from the JSON tree that it was decoded from: its strings point into the tree, and its lists and
 * free objects are nodes of the tree. Nothing is copied; the tree must outlive the struct.
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
	FIELD_INTEGER, /* int64_t; bounds are values; INT64_MIN when absent, so INT64_MIN in a document is refused, and so is 1.0 */
	FIELD_BOOLEAN, /* int: 0, 1, -1 when absent */
	FIELD_TIME,    /* Instant; INSTANT_NONE when absent; RFC 3339 in JSON */
	FIELD_CHOICE,  /* int: index into choices, -1 when absent */
	FIELD_OBJECT,  /* a nested struct, decoded by table; all members absent when it is absent or {} */
	FIELD_LIST,    /* json_t *, an array; NULL when absent; each item is checked against `item` (for objects: `table`) and
	                  must not be null */
	FIELD_FREE,    /* json_t *, an object with any members; NULL when absent */
	FIELD_ANY,     /* json_t *, any value, unchecked; NULL when absent */
} FieldType;

enum {
	FIELD_REQUIRED = 1,  /* must be present and not null */
	FIELD_PERSONAL = 2,  /* personal data (PIPL, GDPR), for redaction and access records */
	FIELD_NOT_EMPTY = 4, /* an empty text is refused, in strict mode also a blank text; for a list: its items */
	FIELD_ALWAYS = 8,    /* a complete document has a value, never null, although decoding does not require it;
	                        json_encode writes such an object even if all its members are absent */
	FIELD_OMIT_EMPTY = 16, /* json_encode leaves it out if it is absent or an empty list, instead of writing null */
	FIELD_FILTER = 32,   /* lists have a query parameter of its name, and views a column; a text or a choice */
	FIELD_INDEXED = 64,  /* the column of the view has an index */
	FIELD_SEARCH = 128,  /* a text that the query parameter q searches */
	FIELD_IN_NOTICE = 256,  /* messages to people show it; others send the whole document */
	FIELD_RESTRICTED = 512, /* needs more than ordinary clearance: no notice of any kind shows it */
};

typedef struct Field Field;
typedef struct FieldTable FieldTable;

/* The form of a text. Decoders do not check it. */
typedef struct {
	const char *pattern;          /* regular expression, for the schemas */
	bool (*matches)(Slice value); /* NULL: list filters take any text */
	const char *sentence;         /* "a number like …": for the error text of a filter; NULL if matches is */
} TextForm;

struct Field {
	const char *name;
	FieldType type;
	size_t offset;               /* offsetof in the struct */
	unsigned flags;
	int64_t min, max;            /* see FieldType; for a list: number of items; both 0: unbounded; max 0 for a text or
	                                list: no upper bound */
	const char *const *choices;  /* FIELD_CHOICE (and list items): NULL-terminated words; of a FIELD_TEXT: its present
	                                words, for the schemas; decoders take those of a later version, too */
	const FieldTable *table;     /* FIELD_OBJECT, or FIELD_LIST of objects; FIELD_FREE: for the schemas, or NULL */
	FieldType item;              /* FIELD_LIST: type of items when table is NULL; never FIELD_OBJECT or FIELD_LIST */
	size_t item_max;             /* FIELD_LIST of texts: characters in an item; 0: 256 */
	const TextForm *form;        /* FIELD_TEXT; NULL: any */
	const char *fallback;        /* value that stands for an absent one, for the schemas; NULL: none */
	const char *since;           /* version of Tocsin that added the member, "0.1"; NULL: the first */
	const char *sentence;        /* the description in the schemas; may be NULL */
};

typedef enum {
	TABLE_RECORD,  /* unknown members are ignored; null and absent are the same */
	TABLE_REQUEST, /* unknown members are refused; null and absent are the same */
	TABLE_ANSWER,  /* every member is present, null if it has no value */
} TableUse;

struct FieldTable {
	const char *name;   /* "event", "report": in errors, and of the schema */
	const Field *fields;
	size_t count;
	size_t size;        /* sizeof the struct */
	TableUse use;
	const char *title, *sentence; /* of the schema proto/schemas/NAME.json; NULL: a part of other documents */
};

#define FIELD_TABLE(table_name, fields_, struct_) \
	{ .name = (table_name), .fields = (fields_), .count = sizeof(fields_) / sizeof((fields_)[0]), \
	  .size = sizeof(struct_) }
#define FIELD_DOCUMENT(table_name, fields_, struct_, use_, title_, sentence_)                                          \
	{ .name = (table_name), .fields = (fields_), .count = sizeof(fields_) / sizeof((fields_)[0]),                  \
	  .size = sizeof(struct_), .use = (use_), .title = (title_), .sentence = (sentence_) }

enum { FIELD_ERRORS_MAX = 32, FIELD_POINTER = 192, FIELD_DETAIL = 192 };

typedef struct {
	char pointer[FIELD_POINTER]; /* RFC 6901; "" is the whole document; a pointer that is too long is cut to a parent */
	char detail[FIELD_DETAIL];   /* the requirement that is not met, for people: "must be …", "is required" */
} FieldError;

/*
 * FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 }; releases the list at the end of its scope. The list has 12 KiB, too much
 * for the stack of a thread; the first error allocates it, so that a correct document costs nothing.
 */
typedef struct {
	size_t count;
	bool more; /* further errors did not fit */
	FieldError *list; /* room for FIELD_ERRORS_MAX; NULL: there was no error */
} FieldErrors;

void field_errors_release(FieldErrors *errors);
#define FIELD_ERRORS_AUTO __attribute__((cleanup(field_errors_release)))

/*
 * Adds an error with a formatted detail, or sets more if the list is full. A pointer that is too long is cut to a parent, a
 * detail at a character boundary.
 */
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
 * *out after false. The error for a missing member has the pointer that the member would have.
 */
bool json_decode(const FieldTable *table, json_t *tree, bool strict, void *out, FieldErrors *errors);

/* Lenient decoding of records from the bus, as json_decode; ERROR_INPUT with the first error, "event/title: is required". */
Result json_decode_record(const FieldTable *table, json_t *tree, void *out);

/*
 * A new object with all fields of the struct in the order of the table; absent ones are null, or omitted if FIELD_OMIT_EMPTY.
 * Lists, free objects and FIELD_ANY values are shared with the struct's tree, not copied: do not change them. A nested struct
 * whose members are all absent is itself absent, unless FIELD_REQUIRED or FIELD_ALWAYS. Aborts on a text that is not UTF-8 and
 * on an instant out of range; a decoded struct contains neither.
 */
json_t *json_encode(const FieldTable *table, const void *in);

/* Like json_encode, but without absent fields; FIELD_ALWAYS has no effect. */
json_t *json_encode_present(const FieldTable *table, const void *in);

/*
 * Sets of members: bit i stands for row i of a table, which has at most 64 rows.
 *
 * fields_clear fills *out (table->size bytes) with absent values. json_decode_members decodes the members that an object has and
 * sets *members to them, null included; FIELD_REQUIRED has no effect, and unknown members are ignored; ERROR_INPUT with the first
 * error. json_encode_members is a new object with the members of the set, absent ones null. fields_copy copies the members of
 * the set between two structs, borrowed values as pointers. fields_differing is the set of those that differ by value.
 */
enum { FIELD_SET_MAX = 64 };
void fields_clear(const FieldTable *table, void *out);
Result json_decode_members(const FieldTable *table, json_t *tree, void *out, uint64_t *members);
json_t *json_encode_members(const FieldTable *table, const void *in, uint64_t members);
void fields_copy(const FieldTable *table, uint64_t members, const void *from, void *to);
uint64_t fields_differing(const FieldTable *table, const void *one, const void *other);

/* The value of a FIELD_TEXT, or the word of a FIELD_CHOICE, in a struct; NULL if it is absent. */
const char *field_text(const Field *field, const void *in);

/* Appends the text of json_encode(table, in), without building a tree. If it does not fit, out overflows and nothing is appended. */
void json_write_fields(const FieldTable *table, const void *in, Buffer *out);

/* Appends any value as compact text, members in tree order. If it does not fit, out overflows and nothing is appended. */
void json_write(json_t *tree, Buffer *out);

/* The value at an RFC 6901 pointer, borrowed; NULL if there is none. */
json_t *json_at(json_t *tree, const char *pointer);

/* The index of a word in a NULL-terminated list; -1 if it is absent or NULL. */
int choice_of(const char *const *choices, const char *word);

/* Releases a reference at the end of its scope: json_t *tree JSON_AUTO = NULL; */
void json_auto_(json_t **tree);
#define JSON_AUTO __attribute__((cleanup(json_auto_)))

#endif
