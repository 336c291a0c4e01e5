/*
 * JSON documents by field tables. Every document that enters or leaves a service has a table with one row for each member:
 * name, type, offset in a C struct, bounds. The table is used to check, decode, encode, document and fuzz.
 *
 * A decoded struct BORROWS from the JSON tree that it was decoded from: its strings point into the tree, and its lists and
 * free objects are nodes of the tree. Nothing is copied; the tree must outlive the struct.
 *
 * json_decode reports all errors of a document at once, at most FIELD_ERRORS_MAX, each with an RFC 6901 pointer.
 */
#ifndef TOCSIN_BASE_JSON_H
#define TOCSIN_BASE_JSON_H

#include "shared/base/error.h"
#include "shared/base/instant.h"
#include "shared/base/text.h"

#include <jansson.h>

typedef enum {
	FIELD_TEXT,    /* const char *; bounds in characters; NULL when absent */
	FIELD_INTEGER, /* int64_t; bounds are values; INT64_MIN when absent, so a document must not contain INT64_MIN; a number with
	                  a decimal point, even 1.0, is refused */
	FIELD_BOOLEAN, /* int: 0, 1, -1 when absent */
	FIELD_TIME,    /* Instant; INSTANT_NONE when absent; RFC 3339 in JSON */
	FIELD_CHOICE,  /* int: index into choices, -1 when absent */
	FIELD_OBJECT,  /* a nested struct, decoded by table; all its members are absent if it is absent or {} */
	FIELD_LIST,    /* json_t *, an array; NULL when absent; each item is checked against `item` (for objects: `table`) and
	                  must not be null */
	FIELD_FREE,    /* json_t *, an object with any members; NULL when absent */
	FIELD_ANY,     /* json_t *, any value, unchecked; NULL when absent */
} FieldType;

enum {
	FIELD_REQUIRED = 1,  /* must be present and not null */
	FIELD_PERSONAL = 2,  /* personal data (PIPL, GDPR), for redaction and access records */
	FIELD_NOT_EMPTY = 4, /* an empty text is refused, in strict mode also a blank text; on a list, this applies to its items */
	FIELD_ALWAYS = 8,    /* a complete document has a value for the member, never null, although decoding does not require it;
	                        json_encode writes an object with this flag even if all its members are absent */
	FIELD_OMIT_EMPTY = 16, /* json_encode leaves the member out, instead of writing null, if it is absent or an empty list */
	FIELD_FILTER = 32,   /* only for a text or a choice: the list of incidents has a query parameter, and the gateway's view a
	                        column, with the name of the member */
	FIELD_INDEXED = 64,  /* only with FIELD_FILTER: the column of the view has an index */
	FIELD_SEARCH = 128,  /* a text that the query parameter q searches */
	FIELD_IN_NOTICE = 256,  /* notices written for people (mail) show the member; webhooks send the whole document */
	FIELD_RESTRICTED = 512, /* the member needs more than ordinary clearance: no notice shows it, and webhooks omit it */
};

typedef struct Field Field;
typedef struct FieldTable FieldTable;

/* The form of a text. Decoders do not check it. */
typedef struct {
	const char *pattern;          /* regular expression, for the schemas */
	bool (*matches)(Slice value); /* NULL: list filters accept any text */
	const char *sentence;         /* "a number like …": for the error text of a filter; NULL if matches is NULL */
} TextForm;

struct Field {
	const char *name;
	FieldType type;
	size_t offset;               /* offsetof in the struct */
	unsigned flags;
	int64_t min, max;            /* see FieldType; for a list: number of items; both 0: unbounded; max 0 for a text or
	                                list: no upper bound */
	const char *const *choices;  /* FIELD_CHOICE (and list items): NULL-terminated words; FIELD_TEXT: the words of this
	                                version, only for the schemas: decoders accept any text, as later versions may add
	                                words; or NULL */
	const FieldTable *table;     /* FIELD_OBJECT, or FIELD_LIST of objects; FIELD_FREE: only for the schemas, or NULL */
	FieldType item;              /* FIELD_LIST: type of items when table is NULL; never FIELD_OBJECT or FIELD_LIST */
	size_t item_max;             /* FIELD_LIST of texts: maximum characters in an item; 0: 256 */
	const TextForm *form;        /* FIELD_TEXT; NULL: any form */
	const char *fallback;        /* value that services use if the member is absent, for the schemas; NULL: none */
	const char *since;           /* version of Tocsin that added the member, "0.1"; NULL: the first version */
	const char *sentence;        /* the description in the schemas; may be NULL */
};

typedef enum {
	TABLE_RECORD,  /* unknown members are ignored; null and absent are the same */
	TABLE_REQUEST, /* unknown members are refused; null and absent are the same */
	TABLE_ANSWER,  /* every member is present, null if it has no value */
} TableUse;

struct FieldTable {
	const char *name;   /* "event", "report": used in error texts, and as the name of the schema */
	const Field *fields;
	size_t count;
	size_t size;        /* sizeof the struct */
	TableUse use;
	const char *title, *sentence; /* of the schema proto/schemas/NAME.json; NULL: the table has no schema file */
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
 * Adds an error with a formatted detail, or sets errors->more if the list is full. A pointer that is too long is cut to a parent, a
 * detail at a character boundary.
 */
void field_errors_add(FieldErrors *errors, const char *pointer, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Maximum levels of a document. The gateway accepts 32 levels from senders; a record that contains a sender's document has more. */
enum { JSON_DEPTH_MAX = 40 };

/* Maximum bytes of one character in written JSON: a control character takes up to 6 ("\u0001"), any other at most 4. */
enum { JSON_CHARACTER_MAX = 6 };

/*
 * Parses strictly: UTF-8, no duplicate names, no NUL (raw or escaped), only white space behind the value, depth at most
 * JSON_DEPTH_MAX (the top is level 1), an object at the top. *out is a new reference, untouched on failure. ERROR_INPUT
 * with "line N, column N: fault", columns in characters; the text quotes nothing of the document. ERROR_INTERNAL if memory is
 * exhausted. Thread-safe.
 */
Result json_read(Slice bytes, json_t **out);

/*
 * Levels of objects and lists, the value itself included; 0 if value is neither. Recursive, so only for trees from json_read,
 * whose depth is bounded.
 */
size_t json_depth(json_t *value);

/*
 * Checks tree against table and decodes it into *out (table->size bytes, always fully written). If strict is true, unknown
 * members, and blank texts with FIELD_NOT_EMPTY, are refused; else unknown members are ignored, and blank texts accepted. A null
 * member counts as absent. Adds its errors to errors; true if it found none. After false, *out must not be used. The error
 * for a missing member has the pointer that the member would have.
 */
bool json_decode(const FieldTable *table, json_t *tree, bool strict, void *out, FieldErrors *errors);

/* json_decode without strict, for records from the bus; ERROR_INPUT with only the first error, "event/title: is required". */
Result json_decode_record(const FieldTable *table, json_t *tree, void *out);

/*
 * A new object with all fields of the struct in the order of the table. Absent fields are null, or omitted if FIELD_OMIT_EMPTY.
 * Lists, free objects and FIELD_ANY values are shared with the struct's tree, not copied: do not change them. A nested struct
 * whose members are all absent is itself absent, unless FIELD_REQUIRED or FIELD_ALWAYS. Aborts on a text that is not UTF-8 and
 * on an instant out of range; a decoded struct contains neither.
 */
json_t *json_encode(const FieldTable *table, const void *in);

/* Like json_encode, but without absent fields. FIELD_ALWAYS has no effect; an absent FIELD_REQUIRED object is still written. */
json_t *json_encode_present(const FieldTable *table, const void *in);

/*
 * Sets of members: bit i stands for row i of a table, which has at most 64 rows.
 *
 * fields_clear: fills *out (table->size bytes) with absent values.
 * json_decode_members: decodes the members that the object tree has, null members included, and sets *members to their set; a
 *   tree that is no object has none. Unknown members are ignored. FIELD_REQUIRED has no effect on rows of the table, but has on
 *   rows of nested tables. ERROR_INPUT with the first error; *out must not be used then.
 * json_encode_members: returns a new object with the members of the set; an absent member is null, even with FIELD_OMIT_EMPTY.
 * fields_copy: copies the members of the set from one struct to another. Texts and trees are not duplicated, only their pointers.
 * fields_differing: returns the set of all members of the table whose values differ; texts and trees are compared by content.
 */
enum { FIELD_SET_MAX = 64 };
void fields_clear(const FieldTable *table, void *out);
Result json_decode_members(const FieldTable *table, json_t *tree, void *out, uint64_t *members);
json_t *json_encode_members(const FieldTable *table, const void *in, uint64_t members);
void fields_copy(const FieldTable *table, uint64_t members, const void *from, void *to);
uint64_t fields_differing(const FieldTable *table, const void *one, const void *other);

/* The value of a FIELD_TEXT, or the word of a FIELD_CHOICE, in a struct; NULL if it is absent. Aborts for other types. */
const char *field_text(const Field *field, const void *in);

/*
 * Appends the text of json_encode(table, in), without building a tree. If the text does not fit, out overflows and nothing is
 * appended. Unlike json_encode, it does not check that texts are UTF-8.
 */
void json_write_fields(const FieldTable *table, const void *in, Buffer *out);

/* Appends any value as compact text, members in tree order. If the text does not fit, out overflows and nothing is appended. */
void json_write(json_t *tree, Buffer *out);

/* The value at an RFC 6901 pointer, borrowed; NULL if the tree has no such value. */
json_t *json_at(json_t *tree, const char *pointer);

/* The index of a word in a NULL-terminated list; -1 if the list does not contain it, or word is NULL. */
int choice_of(const char *const *choices, const char *word);

/* Releases a reference at the end of its scope: json_t *tree JSON_AUTO = NULL; */
void json_auto_(json_t **tree);
#define JSON_AUTO __attribute__((cleanup(json_auto_)))

#endif
