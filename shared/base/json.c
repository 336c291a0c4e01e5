#include "shared/base/json.h"

#include "shared/base/pointer.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- reading -------------------------------------------------------------------------------------------------- */

/*
 * Clients choose the names of members. A client that knew the hash seed could choose names with equal hashes and so
 * slow the server down. Therefore the seed is random, and set before the first document is parsed.
 */
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void seed(void)
{
	json_object_seed(0);
}

/* Texts used instead of the parser's messages, because the parser's messages quote the document. */
static const char *const parser_faults[] = {
	[json_error_stack_overflow] = "is nested too deeply",
	[json_error_invalid_utf8] = "is not well-formed UTF-8",
	[json_error_premature_end_of_input] = "ends too early",
	[json_error_end_of_input_expected] = "has bytes behind the document; nothing may follow it",
	[json_error_invalid_syntax] = "is not JSON",
	[json_error_null_character] = "has a NUL (\\u0000), which no text may contain",
	[json_error_null_byte_in_key] = "has a NUL in a member's name",
	[json_error_duplicate_key] = "has a duplicate member in an object; names must be unique",
	[json_error_numeric_overflow] = "has a number that is too large",
};

static Result parser_error(const json_error_t *error)
{
	size_t code = (size_t)json_error_code(error);
	const char *fault = code < sizeof parser_faults / sizeof parser_faults[0] ? parser_faults[code] : NULL;

	if (code == json_error_out_of_memory)
		return result_fail(ERROR_INTERNAL, "out of memory while reading a document");
	if (!fault)
		fault = "is not JSON";
	return result_fail(ERROR_INPUT, "line %d, column %d: %s", error->line, error->column, fault);
}

/* An error at the byte at offset, as "line N, column N: fault". Columns count characters, as those of the parser do. */
static Result fault_at(Slice bytes, size_t offset, const char *fault)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < offset; i++)
		if (bytes.data[i] == '\n') {
			line++;
			start = i + 1;
		}
	size_t column = text_characters((Slice){ bytes.data + start, offset - start }) + 1;
	return result_fail(ERROR_INPUT, "line %zu, column %zu: %s", line, column, fault);
}

/* The offset behind the string whose opening quote is at `at`; greater than bytes.size if the string is not closed. */
static size_t string_end(Slice bytes, size_t at)
{
	for (at++; at < bytes.size && bytes.data[at] != '"'; at++)
		if (bytes.data[at] == '\\')
			at++;
	return at + 1;
}

/*
 * Runs before the parser, because the parser permits 2048 levels, and builds a tree of nested lists that takes forty times the
 * memory of its text before the depth of the tree could be checked.
 */
static Result check_depth(Slice bytes)
{
	size_t depth = 0;

	for (size_t at = 0; at < bytes.size;) {
		char byte = bytes.data[at];
		if (byte == '"') {
			at = string_end(bytes, at);
			continue;
		}
		if ((byte == '{' || byte == '[') && ++depth > JSON_DEPTH_MAX)
			return fault_at(bytes, at, "is nested too deeply");
		if ((byte == '}' || byte == ']') && depth > 0)
			depth--;
		at++;
	}
	return result_ok();
}

static Result check_top(Slice bytes)
{
	size_t at = 0;

	while (at < bytes.size && memchr(" \t\r\n", bytes.data[at], 4))
		at++;
	if (at == bytes.size)
		return fault_at(bytes, at, "is empty; must be a JSON object");
	return bytes.data[at] == '{' ? result_ok() : fault_at(bytes, at, "must be a JSON object, beginning with {");
}

Result json_read(Slice bytes, json_t **out)
{
	json_error_t error;

	must(pthread_once(&seeded, seed) == 0);
	if (!bytes.data)
		bytes = SLICE("");
	TRY(check_top(bytes));
	const char *nul = memchr(bytes.data, '\0', bytes.size);
	if (nul)
		return fault_at(bytes, (size_t)(nul - bytes.data), "has a NUL byte");
	TRY(check_depth(bytes));
	json_t *tree = json_loadb(bytes.data, bytes.size, JSON_REJECT_DUPLICATES, &error);
	if (!tree)
		return parser_error(&error);
	*out = tree;
	return result_ok();
}

size_t json_depth(json_t *value)
{
	size_t deepest = 0, index;
	const char *name;
	json_t *child;

	json_object_foreach (value, name, child) {
		size_t depth = json_depth(child);
		deepest = depth > deepest ? depth : deepest;
	}
	json_array_foreach (value, index, child) {
		size_t depth = json_depth(child);
		deepest = depth > deepest ? depth : deepest;
	}
	return json_is_object(value) || json_is_array(value) ? deepest + 1 : deepest;
}

/* ---- writing -------------------------------------------------------------------------------------------------- */

static int write_piece(const char *bytes, size_t size, void *buffer)
{
	buffer_append(buffer, (Slice){ bytes, size });
	return ((const Buffer *)buffer)->overflowed ? -1 : 0;
}

void json_write(json_t *tree, Buffer *out)
{
	size_t before = out->size;
	int written = json_dump_callback(tree, write_piece, out, JSON_COMPACT | JSON_ENCODE_ANY);

	if (out->overflowed)
		buffer_cut(out, before);
	else
		must(written == 0);
}

/* ---- pointers ------------------------------------------------------------------------------------------------- */

static json_t *member_at(json_t *object, Slice segment)
{
	const char *name;
	json_t *value;

	if (segment.size == 0 || !memchr(segment.data, '~', segment.size))
		return json_object_getn(object, segment.data, segment.size);
	json_object_foreach (object, name, value)
		if (pointer_segment_is(segment, slice_of(name)))
			return value;
	return NULL;
}

static json_t *child_at(json_t *tree, Slice segment)
{
	size_t index;

	if (json_is_object(tree))
		return member_at(tree, segment);
	return json_is_array(tree) && pointer_segment_index(segment, &index) ? json_array_get(tree, index) : NULL;
}

json_t *json_at(json_t *tree, const char *pointer)
{
	Slice segment;

	while (tree && pointer_next(&pointer, &segment))
		tree = child_at(tree, segment);
	return *pointer == '\0' ? tree : NULL;
}

/* ---- errors --------------------------------------------------------------------------------------------------- */

void field_errors_add(FieldErrors *errors, const char *pointer, const char *format, ...)
{
	va_list arguments;

	if (errors->count == FIELD_ERRORS_MAX) {
		errors->more = true;
		return;
	}
	if (!errors->list)
		errors->list = malloc(FIELD_ERRORS_MAX * sizeof *errors->list);
	must(errors->list);
	FieldError *error = &errors->list[errors->count++];
	pointer_copy(pointer, error->pointer);
	va_start(arguments, format);
	int length = vsnprintf(error->detail, sizeof error->detail, format, arguments);
	va_end(arguments);
	must(length >= 0);
	if ((size_t)length >= sizeof error->detail)
		error->detail[text_cut_size(error->detail, sizeof error->detail - 1)] = '\0';
}

void field_errors_release(FieldErrors *errors)
{
	free(errors->list);
	*errors = (FieldErrors){ .count = 0 };
}

/* ---- choices, cleanup --------------------------------------------------------------------------------------------- */

int choice_of(const char *const *choices, const char *word)
{
	for (int i = 0; word && choices[i]; i++)
		if (strcmp(choices[i], word) == 0)
			return i;
	return -1;
}

void json_auto_(json_t **tree)
{
	json_decref(*tree);
}
