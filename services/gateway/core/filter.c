#include "services/gateway/core/filter.h"

#include <stdio.h>
#include <string.h>

static bool is_filter(size_t number)
{
	return incident_table.fields[number].flags & FIELD_FILTER;
}

void incident_query_init(IncidentQuery *query)
{
	*query = (IncidentQuery){ .limit = LIMIT_DEFAULT };
}

void text_lower(char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] + 'a' - 'A');
}

/* ---- taking parameters ---------------------------------------------------------------------------------------- */

/* Copies value into query->bytes. False: no space is left. */
static bool keep(IncidentQuery *query, Slice value, Slice *out)
{
	if (value.size > sizeof query->bytes - query->used)
		return false;
	char *copy = query->bytes + query->used;
	memcpy(copy, value.data, value.size);
	query->used += value.size;
	*out = (Slice){ copy, value.size };
	return true;
}

static bool is_choice(const char *const *choices, Slice value)
{
	for (size_t i = 0; choices[i]; i++)
		if (slice_is(value, choices[i]))
			return true;
	return false;
}

static void take_value(IncidentQuery *query, const Field *filter, Slice value, FieldErrors *errors)
{
	if (filter->choices && !is_choice(filter->choices, value)) {
		WordList choices = { .text = "" };
		word_list_add_all(&choices, filter->choices);
		query->allowed = query->allowed ? query->allowed : filter->choices;
		field_errors_add(errors, filter->name, "must be one of %s", choices.text);
		return;
	}
	if (value.size == 0) {
		field_errors_add(errors, filter->name, "must not be empty");
		return;
	}
	if (filter->form && filter->form->matches && !filter->form->matches(value)) {
		field_errors_add(errors, filter->name, "must be %s", filter->form->sentence);
		return;
	}
	if (query->count == FILTER_VALUES_MAX || !keep(query, value, &query->values[query->count].value)) {
		field_errors_add(errors, filter->name, "exceeds the limit of %d values or %d bytes for all filters",
				 FILTER_VALUES_MAX, FILTER_BYTES_MAX);
		return;
	}
	query->values[query->count++].filter = filter;
}

static void take_filter(IncidentQuery *query, const Field *filter, const char *value, FieldErrors *errors)
{
	size_t number = (size_t)(filter - incident_table.fields);

	if (query->given[number]) {
		field_errors_add(errors, filter->name, "must be given once; separate alternatives by commas");
		return;
	}
	query->given[number] = true;
	for (const char *at = value;; at++) {
		size_t size = strcspn(at, ",");
		take_value(query, filter, (Slice){ at, size }, errors);
		at += size;
		if (*at == '\0')
			break;
	}
}

static void take_text(IncidentQuery *query, const char *value, FieldErrors *errors)
{
	size_t begin = query->used;

	if (query->text_given || !keep(query, slice_of(value), &query->text))
		field_errors_add(errors, "q", "must be given once, and filters and q have at most %d bytes together", FILTER_BYTES_MAX);
	text_lower(query->bytes + begin, query->used - begin);
	query->text_given = true;
}

static void take_limit(IncidentQuery *query, const char *value, FieldErrors *errors)
{
	bool number = slice_integer(slice_of(value), &query->limit);

	if (query->limit_given || !number || query->limit < 1 || query->limit > LIMIT_MAX)
		field_errors_add(errors, "limit", "must be given once and be a whole number from 1 to %d", LIMIT_MAX);
	query->limit_given = true;
}

static void take_cursor(IncidentQuery *query, const char *value, FieldErrors *errors)
{
	if (query->cursor_given || *value == '\0' || !text_copy(slice_of(value), query->cursor, sizeof query->cursor))
		field_errors_add(errors, "cursor", "must be given once and be the next_cursor of an earlier response");
	query->cursor_given = true;
}

typedef struct {
	const char *name;
	void (*take)(IncidentQuery *query, const char *value, FieldErrors *errors);
	bool page; /* every list has this parameter */
} Parameter;

static const Parameter parameters[] = {
	{ "q", take_text, false },
	{ "limit", take_limit, true },
	{ "cursor", take_cursor, true },
};

static bool take_parameter(IncidentQuery *query, const char *name, const char *value, bool page_only,
			   FieldErrors *errors)
{
	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
		if ((parameters[i].page || !page_only) && strcmp(parameters[i].name, name) == 0) {
			parameters[i].take(query, value, errors);
			return true;
		}
	return false;
}

static void refuse_name(const char *name, bool page_only, FieldErrors *errors)
{
	WordList names = { .text = "" };

	for (size_t i = 0; i < incident_table.count && !page_only; i++)
		if (is_filter(i))
			word_list_add(&names, incident_table.fields[i].name);
	for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++)
		if (parameters[i].page || !page_only)
			word_list_add(&names, parameters[i].name);
	field_errors_add(errors, name, "is not a parameter of this list; parameters are %s", names.text);
}

void incident_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors)
{
	if (!text_is_utf8(slice_of(value))) { /* incidents hold only UTF-8 */
		field_errors_add(errors, name, "must be UTF-8, with bytes outside ASCII as %%XX");
		return;
	}
	for (size_t i = 0; i < incident_table.count; i++)
		if (is_filter(i) && strcmp(incident_table.fields[i].name, name) == 0) {
			take_filter(query, &incident_table.fields[i], value, errors);
			return;
		}
	if (!take_parameter(query, name, value, false, errors))
		refuse_name(name, false, errors);
}

void page_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors)
{
	if (!take_parameter(query, name, value, true, errors))
		refuse_name(name, true, errors);
}

/* ---- digest and SQL -------------------------------------------------------------------------------------------- */

Digest incident_query_digest(const IncidentQuery *query)
{
	const Slice end = SLICE("\0");
	Slice parts[4 * FILTER_VALUES_MAX + 2];
	size_t count = 0;

	for (size_t number = 0; number < incident_table.count; number++)
		for (size_t i = 0; i < query->count; i++) {
			if (query->values[i].filter != &incident_table.fields[number])
				continue;
			parts[count++] = slice_of(incident_table.fields[number].name);
			parts[count++] = end;
			parts[count++] = query->values[i].value;
			parts[count++] = end;
		}
	parts[count++] = SLICE("q\0");
	parts[count++] = query->text;
	return digest_of(parts, count);
}

static void write_values(const IncidentQuery *query, const Field *filter, Buffer *sql, Slice *values, size_t *count)
{
	const char *before = "";

	buffer_format(sql, " AND \"%s\" IN (", filter->name);
	for (size_t i = 0; i < query->count; i++) {
		if (query->values[i].filter != filter)
			continue;
		values[(*count)++] = query->values[i].value;
		buffer_format(sql, "%s?%zu", before, *count);
		before = ",";
	}
	buffer_byte(sql, ')');
}

void incident_query_sql(const IncidentQuery *query, Slice after, Buffer *sql, Slice values[static QUERY_VALUES_MAX],
			size_t *count)
{
	*count = 0;
	buffer_text(sql, "SELECT id, document FROM incidents WHERE 1");
	for (size_t number = 0; number < incident_table.count; number++)
		if (query->given[number])
			write_values(query, &incident_table.fields[number], sql, values, count);
	if (query->text.size > 0) {
		values[(*count)++] = query->text;
		buffer_format(sql, " AND instr(search, ?%zu) > 0", *count);
	}
	if (after.size > 0) {
		values[(*count)++] = after;
		buffer_format(sql, " AND id < ?%zu", *count);
	}
	buffer_format(sql, " ORDER BY id DESC LIMIT %d", (int)query->limit + 1);
}
