#include "shared/base/field.h"

#include "shared/base/pointer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct {
	bool strict;
	bool failed;
	FieldErrors *errors;
} Decoding;

enum { ITEM_CHARACTERS = 256 };

/* ---- errors --------------------------------------------------------------------------------------------------- */

static void report_error(Decoding *decoding, const Path *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void report_error(Decoding *decoding, const Path *path, const char *format, ...)
{
	/*
	 * vsnprintf may cut in the middle of a character. detail is larger than FieldError.detail, so field_errors_add then cuts
	 * the text again, at a character boundary.
	 */
	char pointer[FIELD_POINTER], detail[FIELD_DETAIL + 4];
	va_list arguments;

	pointer_of_path(path, pointer);
	va_start(arguments, format);
	int length = vsnprintf(detail, sizeof detail, format, arguments);
	va_end(arguments);
	must(length >= 0);
	field_errors_add(decoding->errors, pointer, "%s", detail);
	decoding->failed = true;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object",  [JSON_ARRAY] = "a list",  [JSON_STRING] = "text",
		[JSON_INTEGER] = "a number",  [JSON_REAL] = "a number", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",       [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

/* ---- decoding one value --------------------------------------------------------------------------------------- */

/*
 * The functions of one FieldType. `member` points to the struct's member; if `member` is NULL, `read` only checks the value.
 * `write` returns NULL for an absent value. Only these functions and those of skim.c depend on how a type is stored in a struct.
 */
typedef struct {
	void (*clear)(const Field *field, void *member);
	void (*read)(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member);
	json_t *(*write)(const Field *field, const void *member, bool present_only);
	bool (*print)(const Field *field, const void *member, Buffer *out); /* appends JSON text; false: absent, nothing appended */
	bool (*equal)(const Field *field, const void *one, const void *other);
	size_t size; /* bytes of the member; 0: Field.table->size */
} FieldKind;

static const FieldKind kinds[FIELD_ANY + 1];

static void field_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member);
static void object_read(Decoding *decoding, const FieldTable *table, json_t *tree, const Path *path, void *out);
static json_t *object_write(const FieldTable *table, const void *in, bool present_only, size_t *present);
static size_t object_print(const FieldTable *table, const void *in, Buffer *out);

bool field_bounds_hold(const Field *field, int64_t size)
{
	bool unbounded = field->min == 0 && field->max == 0;
	bool open_above = field->max == 0 && field->type != FIELD_INTEGER;

	return unbounded || (size >= field->min && (open_above || size <= field->max));
}

static void check_bounds(Decoding *decoding, const Field *field, int64_t size, const Path *path, const char *unit)
{
	long long min = field->min, max = field->max;
	bool counted = field->type != FIELD_INTEGER;
	const char *verb = field->type == FIELD_LIST ? "have" : "be";

	if (field_bounds_hold(field, size))
		return;
	if (!counted)
		report_error(decoding, path, "must be from %lld to %lld", min, max);
	else if (size < min)
		report_error(decoding, path, "must %s at least %lld %s", verb, min, unit);
	else
		report_error(decoding, path, "must %s at most %lld %s", verb, max, unit);
}

/* The text of a value, or NULL after reporting an error. */
static const char *text_value(Decoding *decoding, json_t *value, const Path *path)
{
	const char *text = json_string_value(value);

	if (!text)
		report_error(decoding, path, "must be text, not %s", type_name(value));
	else if (strlen(text) == json_string_length(value))
		return text;
	else
		report_error(decoding, path, "must not contain a NUL");
	return NULL;
}

static void text_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	const char *text = text_value(decoding, value, path);
	Slice slice = slice_of(text);

	if (!text)
		return;
	if (slice.size == 0 && (field->flags & FIELD_NOT_EMPTY))
		report_error(decoding, path, "must not be empty");
	else if (decoding->strict && (field->flags & FIELD_NOT_EMPTY) && slice_is_blank(slice))
		report_error(decoding, path, "must not be blank");
	/* A text has at most as many characters as bytes, so characters are counted only if the bytes exceed max, or min is set. */
	else if (field->min > 0 || (field->max > 0 && (int64_t)slice.size > field->max))
		check_bounds(decoding, field, (int64_t)text_characters(slice), path, "characters");
	if (member)
		*(const char **)member = text;
}

static void integer_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	if (!json_is_integer(value)) {
		report_error(decoding, path, "must be a whole number, not %s",
		         json_is_real(value) ? "a fraction" : type_name(value));
		return;
	}
	int64_t number = json_integer_value(value);
	if (number == INT64_MIN) /* in a struct, INT64_MIN means absent */
		report_error(decoding, path, "must be at least %lld", (long long)INT64_MIN + 1);
	else
		check_bounds(decoding, field, number, path, "");
	if (member)
		*(int64_t *)member = number;
}

static void boolean_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	(void)field;
	if (!json_is_boolean(value))
		report_error(decoding, path, "must be true or false, not %s", type_name(value));
	else if (member)
		*(int *)member = json_is_true(value);
}

static void time_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	const char *text = text_value(decoding, value, path);
	Instant instant;

	(void)field;
	if (!text)
		return;
	Result read = instant_parse(slice_of(text), &instant);
	if (result_failed(read))
		report_error(decoding, path, "%s", read.text);
	else if (member)
		*(Instant *)member = instant;
}

static void choice_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	int choice = json_string_length(value) > 0 ? choice_of(field->choices, json_string_value(value)) : -1;

	if (choice >= 0 && strlen(field->choices[choice]) == json_string_length(value)) {
		if (member)
			*(int *)member = choice;
		return;
	}
	WordList words = { .text = "" };

	word_list_add_all(&words, field->choices);
	report_error(decoding, path, "must be one of %s", words.text);
}

static void nested_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	object_read(decoding, field->table, value, path, member);
}

Field field_of_items(const Field *list)
{
	Field item = { .name = list->name, .type = list->table ? FIELD_OBJECT : list->item, .choices = list->choices,
		       .table = list->table, .flags = FIELD_REQUIRED | (list->flags & FIELD_NOT_EMPTY) };

	must(list->table || (item.type != FIELD_OBJECT && item.type != FIELD_LIST));
	if (item.type == FIELD_TEXT)
		item.max = list->item_max > 0 ? (int64_t)list->item_max : ITEM_CHARACTERS;
	return item;
}

static void list_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	Field item = field_of_items(field);

	if (!json_is_array(value)) {
		report_error(decoding, path, "must be a list, not %s", type_name(value));
		return;
	}
	check_bounds(decoding, field, (int64_t)json_array_size(value), path, "items");
	for (size_t i = 0; i < json_array_size(value); i++)
		field_read(decoding, &item, json_array_get(value, i), &(Path){ .up = path, .index = i }, NULL);
	if (member)
		*(json_t **)member = value;
}

static void free_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	(void)field;
	if (!json_is_object(value))
		report_error(decoding, path, "must be an object, not %s", type_name(value));
	else if (member)
		*(json_t **)member = value;
}

static void any_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	(void)decoding, (void)field, (void)path;
	if (member)
		*(json_t **)member = value;
}

/* ---- absent values -------------------------------------------------------------------------------------------- */

static void text_clear(const Field *field, void *member)
{
	(void)field;
	*(const char **)member = NULL;
}

static void integer_clear(const Field *field, void *member)
{
	(void)field;
	*(int64_t *)member = INT64_MIN;
}

static void word_clear(const Field *field, void *member)
{
	(void)field;
	*(int *)member = -1;
}

static void nested_clear(const Field *field, void *member)
{
	fields_clear(field->table, member);
}

static void tree_clear(const Field *field, void *member)
{
	(void)field;
	*(json_t **)member = NULL;
}

/* ---- encoding one value --------------------------------------------------------------------------------------- */

static json_t *allocated(json_t *value)
{
	must(value != NULL);
	return value;
}

static json_t *text_write(const Field *field, const void *member, bool present_only)
{
	const char *text = *(const char *const *)member;

	(void)field, (void)present_only;
	return text ? allocated(json_string(text)) : NULL;
}

static json_t *integer_write(const Field *field, const void *member, bool present_only)
{
	int64_t number = *(const int64_t *)member;

	(void)field, (void)present_only;
	return number != INT64_MIN ? allocated(json_integer(number)) : NULL;
}

static json_t *boolean_write(const Field *field, const void *member, bool present_only)
{
	int boolean = *(const int *)member;

	(void)field, (void)present_only;
	return boolean >= 0 ? json_boolean(boolean) : NULL;
}

static json_t *time_write(const Field *field, const void *member, bool present_only)
{
	Instant instant = *(const Instant *)member;
	char text[INSTANT_TEXT];

	(void)field, (void)present_only;
	if (instant == INSTANT_NONE)
		return NULL;
	instant_format(instant, text);
	return allocated(json_string_nocheck(text));
}

static json_t *choice_write(const Field *field, const void *member, bool present_only)
{
	int choice = *(const int *)member;

	(void)present_only;
	return choice >= 0 ? allocated(json_string(field->choices[choice])) : NULL;
}

/* Decoding an absent object makes all members of the nested struct absent; encoding does the reverse. */
static json_t *nested_write(const Field *field, const void *member, bool present_only)
{
	size_t present;
	json_t *object = object_write(field->table, member, present_only, &present);
	unsigned kept = present_only ? FIELD_REQUIRED : FIELD_REQUIRED | FIELD_ALWAYS;

	if (present > 0 || (field->flags & kept))
		return object;
	json_decref(object);
	return NULL;
}

static json_t *tree_write(const Field *field, const void *member, bool present_only)
{
	(void)field, (void)present_only;
	return json_incref(*(json_t *const *)member);
}

/* ---- printing one value --------------------------------------------------------------------------------------- */

/*
 * json_write writes a control character as \u001F, buffer_json_escape as \u001f. buffer_json_escape must keep its lower-case
 * digits, because the hashes of the audit log depend on them; so the digits are changed here. Of the four digits of a control
 * character, only the last can be a letter.
 */
static void escapes_to_upper(char *escaped)
{
	for (char *at = strchr(escaped, '\\'); at; at = strchr(at + 2, '\\'))
		if (at[1] == 'u' && at[5] >= 'a')
			at[5] = (char)(at[5] - 'a' + 'A');
}

static bool quoted_print(Buffer *out, const char *text)
{
	if (!text)
		return false;
	buffer_byte(out, '"');
	size_t before = out->size;
	buffer_json_escape(out, slice_of(text));
	if (out->size > before)
		escapes_to_upper(out->data + before);
	buffer_byte(out, '"');
	return true;
}

/*
 * Restores the size and the overflow flag that out had before an absent value was printed: the text without that value may fit.
 */
static void print_undo(Buffer *out, size_t size, bool overflowed)
{
	buffer_cut(out, size);
	out->overflowed = overflowed;
}

static bool text_print(const Field *field, const void *member, Buffer *out)
{
	(void)field;
	return quoted_print(out, *(const char *const *)member);
}

static bool integer_print(const Field *field, const void *member, Buffer *out)
{
	int64_t number = *(const int64_t *)member;

	(void)field;
	if (number == INT64_MIN)
		return false;
	buffer_format(out, "%" PRId64, number);
	return true;
}

static bool boolean_print(const Field *field, const void *member, Buffer *out)
{
	int boolean = *(const int *)member;

	(void)field;
	if (boolean < 0)
		return false;
	buffer_text(out, boolean ? "true" : "false");
	return true;
}

static bool time_print(const Field *field, const void *member, Buffer *out)
{
	Instant instant = *(const Instant *)member;
	char text[INSTANT_TEXT];

	(void)field;
	if (instant == INSTANT_NONE)
		return false;
	instant_format(instant, text);
	return quoted_print(out, text);
}

static bool choice_print(const Field *field, const void *member, Buffer *out)
{
	int choice = *(const int *)member;

	return choice >= 0 && quoted_print(out, field->choices[choice]);
}

static bool nested_print(const Field *field, const void *member, Buffer *out)
{
	size_t before = out->size;
	bool overflowed = out->overflowed;

	if (object_print(field->table, member, out) > 0 || (field->flags & (FIELD_REQUIRED | FIELD_ALWAYS)))
		return true;
	print_undo(out, before, overflowed);
	return false;
}

static bool tree_print(const Field *field, const void *member, Buffer *out)
{
	json_t *tree = *(json_t *const *)member;
	bool omitted = (field->flags & FIELD_OMIT_EMPTY) && json_is_array(tree) && json_array_size(tree) == 0;

	if (!tree || omitted)
		return false;
	json_write(tree, out);
	return true;
}

/* ---- comparing two values ------------------------------------------------------------------------------------- */

static bool text_equal(const Field *field, const void *one, const void *other)
{
	const char *left = *(const char *const *)one, *right = *(const char *const *)other;

	(void)field;
	return left && right ? strcmp(left, right) == 0 : left == right;
}

static bool integer_equal(const Field *field, const void *one, const void *other)
{
	(void)field;
	return *(const int64_t *)one == *(const int64_t *)other;
}

static bool word_equal(const Field *field, const void *one, const void *other)
{
	(void)field;
	return *(const int *)one == *(const int *)other;
}

static bool nested_equal(const Field *field, const void *one, const void *other)
{
	return fields_differing(field->table, one, other) == 0;
}

static bool tree_equal(const Field *field, const void *one, const void *other)
{
	json_t *left = *(json_t *const *)one, *right = *(json_t *const *)other;

	(void)field;
	return left && right ? json_equal(left, right) : left == right;
}

/* ---- the types ------------------------------------------------------------------------------------------------ */

static const FieldKind kinds[FIELD_ANY + 1] = {
	[FIELD_TEXT] = { text_clear, text_read, text_write, text_print, text_equal, sizeof(const char *) },
	[FIELD_INTEGER] = { integer_clear, integer_read, integer_write, integer_print, integer_equal, sizeof(int64_t) },
	[FIELD_BOOLEAN] = { word_clear, boolean_read, boolean_write, boolean_print, word_equal, sizeof(int) },
	[FIELD_TIME] = { integer_clear, time_read, time_write, time_print, integer_equal, sizeof(Instant) },
	[FIELD_CHOICE] = { word_clear, choice_read, choice_write, choice_print, word_equal, sizeof(int) },
	[FIELD_OBJECT] = { nested_clear, nested_read, nested_write, nested_print, nested_equal, 0 },
	[FIELD_LIST] = { tree_clear, list_read, tree_write, tree_print, tree_equal, sizeof(json_t *) },
	[FIELD_FREE] = { tree_clear, free_read, tree_write, tree_print, tree_equal, sizeof(json_t *) },
	[FIELD_ANY] = { tree_clear, any_read, tree_write, tree_print, tree_equal, sizeof(json_t *) },
};

/* ---- whole documents ------------------------------------------------------------------------------------------ */

static void *member_in(const Field *field, void *out)
{
	return out ? (char *)out + field->offset : NULL;
}

void fields_clear(const FieldTable *table, void *out)
{
	memset(out, 0, table->size);
	for (size_t i = 0; i < table->count; i++)
		kinds[table->fields[i].type].clear(&table->fields[i], member_in(&table->fields[i], out));
}

static void field_read(Decoding *decoding, const Field *field, json_t *value, const Path *path, void *member)
{
	bool absent = !value || json_is_null(value);

	if (!absent)
		kinds[field->type].read(decoding, field, value, path, member);
	else if (field->flags & FIELD_REQUIRED)
		report_error(decoding, path, "%s", value ? "is required and must not be null" : "is required");
}

static bool table_knows(const FieldTable *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->fields[i].name, name) == 0)
			return true;
	return false;
}

static void report_unknown(Decoding *decoding, const FieldTable *table, json_t *tree, const Path *path)
{
	WordList words = { .text = "" };
	const char *name;
	json_t *value;

	for (size_t i = 0; i < table->count; i++)
		word_list_add(&words, table->fields[i].name);
	json_object_foreach (tree, name, value)
		if (!table_knows(table, name))
			report_error(decoding, &(Path){ .up = path, .name = name },
			         "is not a member of %s; members are %s", table->name, words.text);
}

/* The caller has filled `out` with absent values. If `out` is NULL, the object is only checked. */
static void object_read(Decoding *decoding, const FieldTable *table, json_t *tree, const Path *path, void *out)
{
	size_t known = 0;

	if (!json_is_object(tree)) {
		report_error(decoding, path, "must be an object%s%s", tree ? ", not " : "", tree ? type_name(tree) : "");
		return;
	}
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		json_t *value = json_object_get(tree, field->name);
		known += value != NULL;
		field_read(decoding, field, value, &(Path){ .up = path, .name = field->name }, member_in(field, out));
	}
	if (decoding->strict && known < json_object_size(tree))
		report_unknown(decoding, table, tree, path);
}

static json_t *value_write(const Field *field, const void *member, bool present_only)
{
	json_t *value = kinds[field->type].write(field, member, present_only);

	if (!value || !(field->flags & FIELD_OMIT_EMPTY) || !json_is_array(value) || json_array_size(value) > 0)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *object_write(const FieldTable *table, const void *in, bool present_only, size_t *present)
{
	json_t *object = allocated(json_object());

	*present = 0;
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		json_t *value = value_write(field, (const char *)in + field->offset, present_only);
		*present += value != NULL;
		if (!value && !present_only && !(field->flags & FIELD_OMIT_EMPTY))
			value = json_null();
		if (value)
			must(json_object_set_new_nocheck(object, field->name, value) == 0);
	}
	return object;
}

/*
 * Prints the members as a JSON object: an absent member as null or, with FIELD_OMIT_EMPTY, not at all. Returns the number of those
 * that are present.
 */
static size_t object_print(const FieldTable *table, const void *in, Buffer *out)
{
	size_t present = 0;
	char before = '{';

	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		size_t start = out->size;
		bool overflowed = out->overflowed;
		buffer_byte(out, before);
		quoted_print(out, field->name);
		buffer_byte(out, ':');
		if (kinds[field->type].print(field, (const char *)in + field->offset, out)) {
			present++;
		} else if (field->flags & FIELD_OMIT_EMPTY) {
			print_undo(out, start, overflowed);
			continue;
		} else {
			buffer_text(out, "null");
		}
		before = ',';
	}
	buffer_text(out, before == '{' ? "{}" : "}");
	return present;
}

void json_write_fields(const FieldTable *table, const void *in, Buffer *out)
{
	size_t before = out->size;

	object_print(table, in, out);
	if (out->overflowed)
		buffer_cut(out, before);
}

/* ---- sets of members ------------------------------------------------------------------------------------------ */

static bool is_member(const FieldTable *table, size_t row, uint64_t members)
{
	must(table->count <= FIELD_SET_MAX);
	return (members >> row & 1) != 0;
}

/* The index of the row with this name; table->count if no row has it. */
static size_t row_of(const FieldTable *table, const char *name)
{
	size_t row = 0;

	while (row < table->count && strcmp(table->fields[row].name, name) != 0)
		row++;
	return row;
}

Result json_decode_members(const FieldTable *table, json_t *tree, void *out, uint64_t *members)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };
	Decoding decoding = { .errors = &errors };
	const Path top = { .up = NULL };
	const char *name;
	json_t *value;

	*members = 0;
	fields_clear(table, out);
	json_object_foreach (tree, name, value) {
		size_t row = row_of(table, name);
		const Field *field = &table->fields[row];
		if (row == table->count)
			continue;
		if (!json_is_null(value))
			kinds[field->type].read(&decoding, field, value, &(Path){ .up = &top, .name = name },
						member_in(field, out));
		*members |= (uint64_t)1 << row;
	}
	if (!decoding.failed)
		return result_ok();
	return result_fail(ERROR_INPUT, "%s%s: %s", table->name, errors.list[0].pointer, errors.list[0].detail);
}

json_t *json_encode_members(const FieldTable *table, const void *in, uint64_t members)
{
	json_t *object = allocated(json_object());

	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		if (!is_member(table, i, members))
			continue;
		json_t *value = kinds[field->type].write(field, (const char *)in + field->offset, false);
		must(json_object_set_new_nocheck(object, field->name, value ? value : json_null()) == 0);
	}
	return object;
}

void fields_copy(const FieldTable *table, uint64_t members, const void *from, void *to)
{
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		size_t size = kinds[field->type].size;
		if (is_member(table, i, members))
			memcpy((char *)to + field->offset, (const char *)from + field->offset, size ? size : field->table->size);
	}
}

uint64_t fields_differing(const FieldTable *table, const void *one, const void *other)
{
	uint64_t members = 0;

	must(table->count <= FIELD_SET_MAX);
	for (size_t i = 0; i < table->count; i++) {
		const Field *field = &table->fields[i];
		if (!kinds[field->type].equal(field, (const char *)one + field->offset, (const char *)other + field->offset))
			members |= (uint64_t)1 << i;
	}
	return members;
}

const char *field_text(const Field *field, const void *in)
{
	const void *member = (const char *)in + field->offset;

	if (field->type == FIELD_TEXT)
		return *(const char *const *)member;
	must(field->type == FIELD_CHOICE);
	return *(const int *)member >= 0 ? field->choices[*(const int *)member] : NULL;
}

bool json_decode(const FieldTable *table, json_t *tree, bool strict, void *out, FieldErrors *errors)
{
	Decoding decoding = { .strict = strict, .errors = errors };

	fields_clear(table, out);
	object_read(&decoding, table, tree, &(Path){ .up = NULL }, out);
	return !decoding.failed;
}

Result json_decode_record(const FieldTable *table, json_t *tree, void *out)
{
	FieldErrors errors FIELD_ERRORS_AUTO = { .count = 0 };

	if (json_decode(table, tree, false, out, &errors))
		return result_ok();
	const FieldError *first = &errors.list[0];
	return result_fail(ERROR_INPUT, "%s%s: %s", table->name, first->pointer, first->detail);
}

json_t *json_encode(const FieldTable *table, const void *in)
{
	size_t present;

	return object_write(table, in, false, &present);
}

json_t *json_encode_present(const FieldTable *table, const void *in)
{
	size_t present;

	return object_write(table, in, true, &present);
}
