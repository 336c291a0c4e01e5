#include "shared/base/skim.h"

#include "shared/base/field.h"
#include "shared/base/walk.h"

/* ---- values by their field ------------------------------------------------------------------------------------ */

static bool field_skim(Walk *walk, const Field *field, void *member);
static bool object_skim(Walk *walk, const FieldTable *table, void *out);

static bool text_skim(Walk *walk, const Field *field, void *member)
{
	WalkString string;
	char *before = walk->text;

	if (!walk_string(walk, &string))
		return false;
	Slice text = string.inside;
	if ((member || string.escaped) && !walk_text(walk, &string, &text))
		return false;
	if ((field->flags & FIELD_NOT_EMPTY) && slice_is_blank(text))
		return false;
	bool short_enough = field->min == 0 && (int64_t)text.size <= field->max;
	if (!short_enough && !field_bounds_hold(field, (int64_t)text_characters(text)))
		return false;
	if (member)
		*(const char **)member = text.data;
	else
		walk->text = before; /* the text was only checked; the next text reuses its memory */
	return true;
}

static bool integer_skim(Walk *walk, const Field *field, void *member)
{
	if (walk_next(walk) == '\0')
		return false;
	const char *start = walk->at;
	int64_t number;
	if (!walk_number(walk) || !slice_integer((Slice){ start, (size_t)(walk->at - start) }, &number))
		return false;
	if (member)
		*(int64_t *)member = number;
	return field_bounds_hold(field, number);
}

static bool boolean_skim(Walk *walk, const Field *field, void *member)
{
	bool value = walk_next(walk) == 't';

	(void)field;
	if (member)
		*(int *)member = value;
	return walk_word(walk, value ? SLICE("true") : SLICE("false"));
}

static bool time_skim(Walk *walk, const Field *field, void *member)
{
	Slice text;
	Instant instant;

	(void)field;
	if (!walk_plain(walk, &text) || result_failed(instant_parse(text, &instant)))
		return false;
	if (member)
		*(Instant *)member = instant;
	return true;
}

static bool choice_skim(Walk *walk, const Field *field, void *member)
{
	Slice word;

	if (!walk_plain(walk, &word))
		return false;
	for (int i = 0; field->choices[i]; i++)
		if (slice_is(word, field->choices[i])) {
			if (member)
				*(int *)member = i;
			return true;
		}
	return false;
}

static bool nested_skim(Walk *walk, const Field *field, void *member)
{
	return object_skim(walk, field->table, member);
}

static bool list_skim(Walk *walk, const Field *field, void *member)
{
	Field item = field_of_items(field);
	int64_t count = 0;

	(void)member;
	if (!walk_enter(walk, '['))
		return false;
	if (walk_next(walk) != ']')
		do
			if (!field_skim(walk, &item, NULL))
				return false;
		while (++count, walk_pass(walk, ','));
	walk_leave(walk);
	return walk_pass(walk, ']') && field_bounds_hold(field, count);
}

static bool free_skim(Walk *walk, const Field *field, void *member)
{
	(void)field, (void)member;
	return walk_object(walk);
}

static bool any_skim(Walk *walk, const Field *field, void *member)
{
	(void)field, (void)member;
	return walk_value(walk);
}

static bool (*const skimmers[])(Walk *walk, const Field *field, void *member) = {
	[FIELD_TEXT] = text_skim,     [FIELD_INTEGER] = integer_skim, [FIELD_BOOLEAN] = boolean_skim,
	[FIELD_TIME] = time_skim,     [FIELD_CHOICE] = choice_skim,   [FIELD_OBJECT] = nested_skim,
	[FIELD_LIST] = list_skim,     [FIELD_FREE] = free_skim,       [FIELD_ANY] = any_skim,
};

/* null means the same as an absent member. */
static bool field_skim(Walk *walk, const Field *field, void *member)
{
	if (walk_next(walk) == 'n')
		return !(field->flags & FIELD_REQUIRED) && walk_word(walk, SLICE("null"));
	return skimmers[field->type](walk, field, member);
}

/* ---- objects by their table ----------------------------------------------------------------------------------- */

/* Compares the first byte before the whole name: it differs for most fields, so the slower comparison is rarely necessary. */
static bool is_named(const Field *field, Slice name)
{
	return name.size > 0 && field->name[0] == name.data[0] && slice_is(name, field->name);
}

/* The index of the field with that name; table->count if the table has no such field. */
static size_t field_find(const FieldTable *table, Slice name)
{
	size_t index = 0;

	while (index < table->count && !is_named(&table->fields[index], name))
		index++;
	return index;
}

static bool member_skim(Walk *walk, const FieldTable *table, void *out, uint64_t *seen)
{
	Slice name;

	if (!walk_plain(walk, &name) || !walk_pass(walk, ':'))
		return false;
	size_t index = field_find(table, name);
	if (index == table->count || (*seen & UINT64_C(1) << index))
		return false;
	*seen |= UINT64_C(1) << index;
	return field_skim(walk, &table->fields[index], out ? (char *)out + table->fields[index].offset : NULL);
}

static bool required_seen(const FieldTable *table, uint64_t seen)
{
	for (size_t i = 0; i < table->count; i++)
		if ((table->fields[i].flags & FIELD_REQUIRED) && !(seen & UINT64_C(1) << i))
			return false;
	return true;
}

/* The caller has filled `out` with absent values. If `out` is NULL, the object is only checked. */
static bool object_skim(Walk *walk, const FieldTable *table, void *out)
{
	uint64_t seen = 0;

	must(table->count <= 64);
	if (!walk_enter(walk, '{'))
		return false;
	if (walk_next(walk) != '}')
		do
			if (!member_skim(walk, table, out, &seen))
				return false;
		while (walk_pass(walk, ','));
	walk_leave(walk);
	return walk_pass(walk, '}') && required_seen(table, seen);
}

bool skim_decode(const FieldTable *table, Slice bytes, void *out, SkimTexts *texts)
{
	if (bytes.size == 0)
		return false;
	Walk walk = { .at = bytes.data, .end = bytes.data + bytes.size,
		      .text = texts->bytes, .texts_end = texts->bytes + sizeof texts->bytes, .levels = SKIM_DEPTH_MAX };
	fields_clear(table, out);
	return object_skim(&walk, table, out) && walk_next(&walk) == '\0' && walk.at == walk.end;
}
