#include "shared/base/yaml.h"

#include "shared/base/pointer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Far more than any policy needs; a file of this many nodes is a mistake or an attack. */
enum { YAML_NODES_MAX = 1 << 18 };

/* Places refer to their parents, as paths do: pointers written out would repeat every name for every child. */
typedef struct {
	unsigned line, column;
	size_t parent; /* place of the list or mapping this stands in; the root is its own parent */
	char *name;    /* owned; NULL: an item */
	size_t index;
} Place;

struct YamlMarks {
	Place *list; /* parents stand before their children; the first is the root */
	size_t count, capacity;
};

/* A list or mapping that is not closed yet. */
typedef struct {
	json_t *node; /* the tree's own */
	size_t place;
	char *key; /* owned; a mapping's key whose value has not come yet */
} Frame;

typedef struct {
	yaml_parser_t parser;
	json_t *root;
	YamlMarks *places;
	Frame frames[JSON_DEPTH_MAX];
	size_t depth;
	unsigned documents;
	bool ended;
} Builder;

/* ---- places --------------------------------------------------------------------------------------------------- */

static YamlMarks *places_new(void)
{
	YamlMarks *places = calloc(1, sizeof *places);

	must(places != NULL);
	return places;
}

void yaml_marks_free(YamlMarks *places)
{
	if (!places)
		return;
	for (size_t i = 0; i < places->count; i++)
		free(places->list[i].name);
	free(places->list);
	free(places);
}

static void places_add(YamlMarks *places, Place place)
{
	if (places->count == places->capacity) {
		places->capacity = places->capacity > 0 ? places->capacity * 2 : 64;
		places->list = realloc(places->list, places->capacity * sizeof places->list[0]);
		must(places->list != NULL);
	}
	places->list[places->count++] = place;
}

static bool place_is(const Place *place, Slice segment)
{
	size_t index;

	if (place->name)
		return pointer_segment_is(segment, slice_of(place->name));
	return pointer_segment_index(segment, &index) && index == place->index;
}

/* The child a segment names, or 0 (the root is nobody's child). */
static size_t places_child(const YamlMarks *places, size_t parent, Slice segment)
{
	for (size_t i = parent + 1; i < places->count; i++)
		if (places->list[i].parent == parent && place_is(&places->list[i], segment))
			return i;
	return 0;
}

void yaml_mark(const YamlMarks *places, const char *pointer, unsigned *line, unsigned *column)
{
	size_t at = 0, child = 0;
	Slice segment;

	while (pointer_next(&pointer, &segment) && (child = places_child(places, at, segment)) > 0)
		at = child;
	*line = places->list[at].line;
	*column = places->list[at].column;
}

/* ---- scalars -------------------------------------------------------------------------------------------------- */

static size_t count_digits(const char *text)
{
	return strspn(text, "0123456789");
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)? and nothing else: no exponents, so that 12e4 may be somebody's hash. */
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

/* NULL when it cannot be held: only for a number that is too large. An empty plain scalar ("key:") is null. */
static json_t *plain_value(const char *text, size_t size)
{
	if (size == 0 || strcmp(text, "null") == 0)
		return json_null();
	if (strcmp(text, "true") == 0)
		return json_true();
	if (strcmp(text, "false") == 0)
		return json_false();
	/* The JSON parser knows overflow, and a decimal point in every locale. */
	return is_decimal(text) ? json_loadb(text, size, JSON_DECODE_ANY, NULL) : json_stringn(text, size);
}

/* ---- building ------------------------------------------------------------------------------------------------- */

static Result mistake(yaml_mark_t mark, const char *what)
{
	return result_fail(ERROR_INPUT, "%zu:%zu: %s", mark.line + 1, mark.column + 1, what);
}

static unsigned bounded(size_t number)
{
	return number < UINT_MAX ? (unsigned)number : UINT_MAX;
}

/* Puts a value where it belongs: in the innermost open mapping or list, or at the top. Takes value. */
static void builder_attach(Builder *builder, json_t *value, yaml_mark_t mark)
{
	Place place = { .line = bounded(mark.line + 1), .column = bounded(mark.column + 1) };

	must(value != NULL);
	if (builder->depth == 0) {
		builder->root = value;
	} else {
		Frame *frame = &builder->frames[builder->depth - 1];
		place.parent = frame->place;
		place.name = frame->key;
		place.index = json_array_size(frame->node);
		int put = frame->key ? json_object_set_new(frame->node, frame->key, value)
		                     : json_array_append_new(frame->node, value);
		must(put == 0);
		frame->key = NULL;
	}
	places_add(builder->places, place);
}

static bool wants_key(const Builder *builder)
{
	const Frame *frame = builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;

	return frame && json_is_object(frame->node) && !frame->key;
}

/* What every node must not be. */
static Result check_node(const Builder *builder, yaml_mark_t mark, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor)
		return mistake(mark, "anchors and aliases (&name, *name) are not taken; write it out");
	if (tag)
		return mistake(mark, "tags (!name) are not taken; put quotes around what is to be a string");
	if (builder->places->count == YAML_NODES_MAX)
		return mistake(mark, "there are too many values; at most 262144 are taken");
	return result_ok();
}

static Result take_key(Builder *builder, const char *text, yaml_mark_t mark)
{
	Frame *frame = &builder->frames[builder->depth - 1];

	if (json_object_get(frame->node, text))
		return mistake(mark, "this key stands twice in its mapping; each may stand once");
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
		return mistake(event->start_mark, "a string must not hold a NUL");
	if (wants_key(builder))
		return take_key(builder, text, event->start_mark);
	json_t *value = plain ? plain_value(text, size) : json_stringn(text, size);
	if (!value)
		return mistake(event->start_mark, "this number is too large; put quotes around what is to be a string");
	builder_attach(builder, value, event->start_mark);
	return result_ok();
}

static Result builder_open(Builder *builder, json_t *(*make)(void), yaml_mark_t mark)
{
	if (wants_key(builder))
		return mistake(mark, "a key must be a string, not a list or mapping");
	if (builder->depth == JSON_DEPTH_MAX)
		return mistake(mark, "this is nested too deeply; at most 40 levels are taken");
	json_t *node = make();
	builder_attach(builder, node, mark);
	builder->frames[builder->depth++] = (Frame){ .node = node, .place = builder->places->count - 1 };
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
		return mistake(event->start_mark, "a second document begins here; a file must hold one");
	return result_ok();
}

static Result on_end(Builder *builder, const yaml_event_t *event)
{
	builder->ended = true;
	if (!builder->root)
		return mistake(event->start_mark, "there is nothing in it; a file must hold one document");
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

/* Line and column of a byte, as the parser counts them. */
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
	size_t good = 0;

	if (memchr(bytes.data, '\0', bytes.size))
		return mistake(mark_at(bytes, strlen(bytes.data)), "there is a NUL byte");
	if (text_is_utf8(bytes))
		return result_ok();
	for (size_t end = 1; end <= bytes.size; end++)
		if (text_is_utf8((Slice){ bytes.data + good, end - good }))
			good = end;
	return mistake(mark_at(bytes, good), "this is not well-formed UTF-8");
}

static Result parser_mistake(const Builder *builder, Slice bytes)
{
	const yaml_parser_t *parser = &builder->parser;
	const char *what = parser->problem ? parser->problem : "this is not YAML";

	must(parser->error != YAML_MEMORY_ERROR);
	if (parser->error == YAML_READER_ERROR)
		return mistake(mark_at(bytes, parser->problem_offset), what);
	return mistake(parser->problem_mark, what);
}

static Result read_events(Builder *builder, Slice bytes)
{
	while (!builder->ended) {
		yaml_event_t event;
		if (!yaml_parser_parse(&builder->parser, &event))
			return parser_mistake(builder, bytes);
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
	yaml_marks_free(builder->places);
	yaml_parser_delete(&builder->parser);
}

static Result build(Builder *builder, Slice bytes)
{
	TRY(check_bytes(bytes));
	yaml_parser_set_encoding(&builder->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&builder->parser, (const unsigned char *)bytes.data, bytes.size);
	return read_events(builder, bytes);
}

Result yaml_read(Slice bytes, json_t **tree, YamlMarks **places)
{
	Builder builder = { .places = places_new() };

	must(yaml_parser_initialize(&builder.parser) == 1);
	Result built = build(&builder, bytes.data ? bytes : SLICE(""));
	if (!result_failed(built)) {
		*tree = json_incref(builder.root);
		if (places) {
			*places = builder.places;
			builder.places = NULL;
		}
	}
	builder_release(&builder);
	return built;
}
