#include "shared/base/yaml.h"

#include "shared/base/pointer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Far more than any policy needs: a file with more nodes is a mistake or an attack. */
enum { YAML_NODES_MAX = 1 << 18 };

/*
 * The position of a node in the file. A mark refers to its parent's mark; if it contained its whole pointer, every name would
 * be stored again for each child.
 */
typedef struct {
	unsigned line, column;
	size_t parent; /* index of the mark of the enclosing list or mapping; the root is its own parent */
	char *name;    /* key in the mapping, owned; NULL: the root, or an item of a list */
	size_t index;  /* of an item: its index in the list */
} Mark;

struct YamlMarks {
	Mark *list; /* parents before their children; the root first */
	size_t count, capacity;
};

/* An open list or mapping. */
typedef struct {
	json_t *node; /* borrowed from the tree */
	size_t mark;      /* index of the node's mark */
	char *key; /* owned; in a mapping, the key that was read and has no value yet; else NULL */
} Frame;

typedef struct {
	yaml_parser_t parser;
	json_t *root;
	YamlMarks *marks;
	Frame frames[JSON_DEPTH_MAX];
	size_t depth;
	unsigned documents;
	bool ended;
} Builder;

/* ---- marks ---------------------------------------------------------------------------------------------------- */

static YamlMarks *marks_new(void)
{
	YamlMarks *marks = calloc(1, sizeof *marks);

	must(marks != NULL);
	return marks;
}

void yaml_marks_free(YamlMarks *marks)
{
	if (!marks)
		return;
	for (size_t i = 0; i < marks->count; i++)
		free(marks->list[i].name);
	free(marks->list);
	free(marks);
}

static void marks_add(YamlMarks *marks, Mark mark)
{
	if (marks->count == marks->capacity) {
		marks->capacity = marks->capacity > 0 ? marks->capacity * 2 : 64;
		marks->list = realloc(marks->list, marks->capacity * sizeof marks->list[0]);
		must(marks->list != NULL);
	}
	marks->list[marks->count++] = mark;
}

static bool mark_is(const Mark *mark, Slice segment)
{
	size_t index;

	if (mark->name)
		return pointer_segment_is(segment, slice_of(mark->name));
	return pointer_segment_index(segment, &index) && index == mark->index;
}

/* The index of the parent's child that the segment names; 0, the index of the root, if there is no such child. */
static size_t marks_child(const YamlMarks *marks, size_t parent, Slice segment)
{
	for (size_t i = parent + 1; i < marks->count; i++)
		if (marks->list[i].parent == parent && mark_is(&marks->list[i], segment))
			return i;
	return 0;
}

void yaml_mark(const YamlMarks *marks, const char *pointer, unsigned *line, unsigned *column)
{
	size_t at = 0, child = 0;
	Slice segment;

	while (pointer_next(&pointer, &segment) && (child = marks_child(marks, at, segment)) > 0)
		at = child;
	*line = marks->list[at].line;
	*column = marks->list[at].column;
}

/* ---- scalars -------------------------------------------------------------------------------------------------- */

static size_t count_digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* True for -?(0|[1-9][0-9]*)(\.[0-9]+)? only. An exponent is not a number here, because a text like 12e4 may be part of a hash. */
static bool is_decimal(const char *text)
{
	const char *whole = text + (*text == '-');
	size_t digits = count_digits(whole);
	const char *rest = whole + digits;

	if (digits == 0 || (whole[0] == '0' && digits > 1))
		return false;
	if (*rest == '.') {
		size_t fraction = count_digits(rest + 1);
		rest += fraction > 0 ? fraction + 1 : 0;
	}
	return *rest == '\0';
}

/* The value of a plain scalar; an empty scalar ("key:") is JSON null. Returns NULL for a number that is too large. */
static json_t *plain_value(const char *text, size_t size)
{
	if (size == 0 || strcmp(text, "null") == 0)
		return json_null();
	if (strcmp(text, "true") == 0)
		return json_true();
	if (strcmp(text, "false") == 0)
		return json_false();
	/* The JSON parser detects overflow, and its decimal point does not depend on the locale. */
	return is_decimal(text) ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : json_stringn(text, size);
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static Result fault_at(yaml_mark_t mark, const char *fault)
{
	return result_fail(ERROR_INPUT, "%zu:%zu: %s", mark.line + 1, mark.column + 1, fault);
}

static unsigned bounded(size_t number)
{
	return number < UINT_MAX ? (unsigned)number : UINT_MAX;
}

/* Adds a value to the innermost open mapping or list, or makes it the root if none is open. Takes over the reference to value. */
static void builder_attach(Builder *builder, json_t *value, yaml_mark_t mark)
{
	Mark entry = { .line = bounded(mark.line + 1), .column = bounded(mark.column + 1) };

	must(value != NULL);
	if (builder->depth == 0) {
		builder->root = value;
	} else {
		Frame *frame = &builder->frames[builder->depth - 1];
		entry.parent = frame->mark;
		entry.name = frame->key;
		entry.index = json_array_size(frame->node);
		int put = frame->key ? json_object_set_new(frame->node, frame->key, value)
		                     : json_array_append_new(frame->node, value);
		must(put == 0);
		frame->key = NULL;
	}
	marks_add(builder->marks, entry);
}

static bool expects_key(const Builder *builder)
{
	const Frame *frame = builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;

	return frame && json_is_object(frame->node) && !frame->key;
}

/* Refuses anchors and tags, and too many nodes. */
static Result check_node(const Builder *builder, yaml_mark_t mark, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return fault_at(mark, "anchors and aliases (&name, *name) are not supported; repeat the value");
	if (tag)
		return fault_at(mark, "tags (!name) are not supported; quote the value if it is a string");
	if (builder->marks->count == YAML_NODES_MAX)
		return fault_at(mark, "too many values; at most 262144 are allowed");
	return result_ok();
}

static Result take_key(Builder *builder, const char *text, yaml_mark_t mark)
{
	Frame *frame = &builder->frames[builder->depth - 1];

	if (json_object_get(frame->node, text))
		return fault_at(mark, "duplicate key in this mapping; keys must be unique");
	frame->key = slice_copy(slice_of(text));
	return result_ok();
}

static Result on_scalar(Builder *builder, const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	size_t size = event->data.scalar.length;
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

	TRY(check_node(builder, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag));
	if (strlen(text) != size)
		return fault_at(event->start_mark, "a string must not contain a NUL");
	if (expects_key(builder))
		return take_key(builder, text, event->start_mark);
	json_t *value = plain ? plain_value(text, size) : json_stringn(text, size);
	if (!value)
		return fault_at(event->start_mark, "this number is too large; quote it if it is a string");
	builder_attach(builder, value, event->start_mark);
	return result_ok();
}

static Result builder_open(Builder *builder, json_t *(*make)(void), yaml_mark_t mark)
{
	if (expects_key(builder))
		return fault_at(mark, "a key must be a string, not a list or mapping");
	if (builder->depth == JSON_DEPTH_MAX)
		return fault_at(mark, "nested too deeply; at most 40 levels are allowed");
	json_t *node = make();
	builder_attach(builder, node, mark);
	builder->frames[builder->depth++] = (Frame){ .node = node, .mark = builder->marks->count - 1 };
	return result_ok();
}

static Result on_mapping(Builder *builder, const yaml_event_t *event)
{
	TRY(check_node(builder, event->start_mark, event->data.mapping_start.anchor, event->data.mapping_start.tag));
	return builder_open(builder, json_object, event->start_mark);
}

static Result on_sequence(Builder *builder, const yaml_event_t *event)
{
	TRY(check_node(builder, event->start_mark, event->data.sequence_start.anchor, event->data.sequence_start.tag));
	return builder_open(builder, json_array, event->start_mark);
}

static Result on_close(Builder *builder, const yaml_event_t *event)
{
	(void)event;
	builder->depth--;
	return result_ok();
}

static Result on_alias(Builder *builder, const yaml_event_t *event)
{
	return check_node(builder, event->start_mark, event->data.alias.anchor, NULL);
}

static Result on_document(Builder *builder, const yaml_event_t *event)
{
	if (builder->documents++ > 0)
		return fault_at(event->start_mark, "a second document begins here; a file must contain exactly one");
	return result_ok();
}

static Result on_end(Builder *builder, const yaml_event_t *event)
{
	builder->ended = true;
	if (!builder->root)
		return fault_at(event->start_mark, "the file is empty; it must contain one document");
	return result_ok();
}

static Result on_event(Builder *builder, const yaml_event_t *event)
{
	static Result (*const handlers[])(Builder *, const yaml_event_t *) = {
		[YAML_STREAM_END_EVENT] = on_end,       [YAML_DOCUMENT_START_EVENT] = on_document,
		[YAML_ALIAS_EVENT] = on_alias,          [YAML_SCALAR_EVENT] = on_scalar,
		[YAML_SEQUENCE_START_EVENT] = on_sequence, [YAML_SEQUENCE_END_EVENT] = on_close,
		[YAML_MAPPING_START_EVENT] = on_mapping,   [YAML_MAPPING_END_EVENT] = on_close,
	};

	return handlers[event->type] ? handlers[event->type](builder, event) : result_ok();
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* Line and column of the byte at offset, counted from 0 as the parser counts them. */
static yaml_mark_t mark_at(Slice bytes, size_t offset)
{
	yaml_mark_t mark = { .index = offset };
	size_t start = 0;

	for (size_t i = 0; i < offset && i < bytes.size; i++)
		if (bytes.data[i] == '\n') {
			mark.line++;
			start = i + 1;
		}
	mark.column = text_characters((Slice){ bytes.data + start, offset - start });
	return mark;
}

static Result check_bytes(Slice bytes)
{
	size_t valid_end = 0;

	if (memchr(bytes.data, '\0', bytes.size))
		return fault_at(mark_at(bytes, strlen(bytes.data)), "there is a NUL byte");
	if (text_is_utf8(bytes))
		return result_ok();
	for (size_t end = 1; end <= bytes.size; end++)
		if (text_is_utf8((Slice){ bytes.data + valid_end, end - valid_end }))
			valid_end = end;
	return fault_at(mark_at(bytes, valid_end), "this is not well-formed UTF-8");
}

static Result parser_error(const Builder *builder, Slice bytes)
{
	const yaml_parser_t *parser = &builder->parser;
	const char *fault = parser->problem ? parser->problem : "this is not YAML";

	must(parser->error != YAML_MEMORY_ERROR);
	if (parser->error == YAML_READER_ERROR)
		return fault_at(mark_at(bytes, parser->problem_offset), fault);
	return fault_at(parser->problem_mark, fault);
}

static Result read_events(Builder *builder, Slice bytes)
{
	while (!builder->ended) {
		yaml_event_t event;
		if (!yaml_parser_parse(&builder->parser, &event))
			return parser_error(builder, bytes);
		Result taken = on_event(builder, &event);
		yaml_event_delete(&event);
		TRY(taken);
	}
	return result_ok();
}

static void builder_release(Builder *builder)
{
	for (size_t i = 0; i < builder->depth; i++)
		free(builder->frames[i].key);
	json_decref(builder->root);
	yaml_marks_free(builder->marks);
	yaml_parser_delete(&builder->parser);
}

static Result build(Builder *builder, Slice bytes)
{
	TRY(check_bytes(bytes));
	yaml_parser_set_encoding(&builder->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&builder->parser, (const unsigned char *)bytes.data, bytes.size);
	return read_events(builder, bytes);
}

Result yaml_read(Slice bytes, json_t **tree, YamlMarks **marks)
{
	Builder builder = { .marks = marks_new() };

	must(yaml_parser_initialize(&builder.parser) == 1);
	Result built = build(&builder, bytes.data ? bytes : SLICE(""));
	if (!result_failed(built)) {
		*tree = json_incref(builder.root);
		if (marks) {
			*marks = builder.marks;
			builder.marks = NULL;
		}
	}
	builder_release(&builder);
	return built;
}
