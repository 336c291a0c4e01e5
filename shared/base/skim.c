#include "shared/base/skim.h"

#include "shared/base/field.h"
#include "shared/base/walk.h"

/* ---- values by their field ------------------------------------------------------------------------------------ */

static bool field_take(Walk *walk, const Field *field, void *place);
static bool object_take(Walk *walk, const FieldTable *table, void *out);

static bool text_take(Walk *walk, const Field *field, void *place)
{
	WalkString string;
	char *before = walk->text;

	if (!walk_string(walk, &string))
		return false;
	Slice text = string.inside;
	if ((place || string.escaped) && !walk_text(walk, &string, &text))
		return false;
	if ((field->flags & FIELD_NOT_EMPTY) && slice_is_blank(text))
		return false;
	bool short_enough = field->min == 0 && (int64_t)text.size <= field->max;
	if (!short_enough && !field_bounds_hold(field, (int64_t)text_characters(text)))
		return false;
	if (place)
		*(const char **)place = text.data;
	else
		walk->text = before; /* nobody wants it */
	return true;
}

static bool integer_take(Walk *walk, const Field *field, void *place)
{
	if (walk_next(walk) == '\0')
		return false;
	const char *start = walk->at;
	int64_t number;
	if (!walk_number(walk) || !slice_integer((Slice){ start, (size_t)(walk->at - start) }, &number))
		return false;
	if (place)
		*(int64_t *)place = number;
	return field_bounds_hold(field, number);
}

static bool boolean_take(Walk *walk, const Field *field, void *place)
{
	bool yes = walk_next(walk) == 't';

	(void)field;
	if (place)
		*(int *)place = yes;
	return walk_word(walk, yes ? SLICE("true") : SLICE("false"));
}

static bool time_take(Walk *walk, const Field *field, void *place)
{
	Slice text;
	Instant instant;

	(void)field;
	if (!walk_plain(walk, &text) || result_failed(instant_parse(text, &instant)))
		return false;
	if (place)
		*(Instant *)place = instant;
	return true;
}

static bool choice_take(Walk *walk, const Field *field, void *place)
{
	Slice word;

	if (!walk_plain(walk, &word))
		return false;
	for (int i = 0; field->choices[i]; i++)
		if (slice_is(word, field->choices[i])) {
			if (place)
				*(int *)place = i;
			return true;
		}
	return false;
}

static bool nested_take(Walk *walk, const Field *field, void *place)
{
	return object_take(walk, field->table, place);
}

static bool list_take(Walk *walk, const Field *field, void *place)
{
	Field item = field_of_items(field);
	int64_t count = 0;

	(void)place;
	if (!walk_enter(walk, '['))
		return false;
	if (walk_next(walk) != ']')
		do
			if (!field_take(walk, &item, NULL))
				return false;
		while (++count, walk_pass(walk, ','));
	walk_leave(walk);
	return walk_pass(walk, ']') && field_bounds_hold(field, count);
}

static bool free_take(Walk *walk, const Field *field, void *place)
{
	(void)field, (void)place;
	return walk_object(walk);
}

static bool any_take(Walk *walk, const Field *field, void *place)
{
	(void)field, (void)place;
	return walk_value(walk);
}

static bool (*const takers[])(Walk *walk, const Field *field, void *place) = {
	[FIELD_TEXT] = text_take,     [FIELD_INTEGER] = integer_take, [FIELD_BOOLEAN] = boolean_take,
	[FIELD_TIME] = time_take,     [FIELD_CHOICE] = choice_take,   [FIELD_OBJECT] = nested_take,
	[FIELD_LIST] = list_take,     [FIELD_FREE] = free_take,       [FIELD_ANY] = any_take,
};

/* null is the same as absent. */
static bool field_take(Walk *walk, const Field *field, void *place)
{
	if (walk_next(walk) == 'n')
		return !(field->flags & FIELD_REQUIRED) && walk_word(walk, SLICE("null"));
	return takers[field->type](walk, field, place);
}

/* ---- objects by their table ----------------------------------------------------------------------------------- */

/* The first byte sorts out nearly all others before any length is looked at. */
static bool is_named(const Field *field, Slice name)
{
	return name.size > 0 && field->name[0] == name.data[0] && slice_is(name, field->name);
}

/* The index of the field of that name, or table->count. */
static size_t field_find(const FieldTable *table, Slice name)
{
	size_t index = 0;

	while (index < table->count && !is_named(&table->fields[index], name))
		index++;
	return index;
}

static bool member_take(Walk *walk, const FieldTable *table, void *out, uint64_t *seen)
{
	Slice name;

	if (!walk_plain(walk, &name) || !walk_pass(walk, ':'))
		return false;
	size_t index = field_find(table, name);
	if (index == table->count || (*seen & UINT64_C(1) << index))
		return false;
	*seen |= UINT64_C(1) << index;
	return field_take(walk, &table->fields[index], out ? (char *)out + table->fields[index].place : NULL);
}

static bool required_seen(const FieldTable *table, uint64_t seen)
{
	for (size_t i = 0; i < table->count; i++)
		if ((table->fields[i].flags & FIELD_REQUIRED) && !(seen & UINT64_C(1) << i))
			return false;
	return true;
}

/* `out` holds absent values already, or is NULL. */
static bool object_take(Walk *walk, const FieldTable *table, void *out)
{
	uint64_t seen = 0;

	must(table->count <= 64);
	if (!walk_enter(walk, '{'))
		return false;
	if (walk_next(walk) != '}')
		do
			if (!member_take(walk, table, out, &seen))
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
	return object_take(&walk, table, out) && walk_next(&walk) == '\0' && walk.at == walk.end;
}
