#include "services/gateway/core/filter.h"

#include "shared/domain/documents.h"
#include "shared/domain/lifecycle.h"
#include "shared/domain/policy.h"

#include <stdio.h>
#include <string.h>

/* INC-<year>-XXXX-XXXX, the last eight in upper-case base32 (shared/base/id.h). */
static bool is_number(Slice value)
{
	static const char shape[] = "INC-yyyy-XXXX-XXXX", digits[] = "0123456789", letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

	if (value.size != sizeof shape - 1)
		return false;
	for (size_t i = 0; i < value.size; i++) {
		const char *any = shape[i] == 'y' ? digits : shape[i] == 'X' ? letters : NULL;
		if (any ? !memchr(any, value.data[i], strlen(any)) : value.data[i] != shape[i])
			return false;
	}
	return true;
}

const Filter incident_filters[] = {
	{ .name = "kind", .choices = kind_words },
	{ .name = "status", .choices = status_words },
	{ .name = "grade", .choices = grade_words },
	{ .name = "severity", .choices = severity_words },
	{ .name = "source" },
	{ .name = "category" },
	{ .name = "number", .matches = is_number, .shape = "a number like INC-2026-7K3M-9QRX" },
	{ .name = "correlation_key" },
};
const size_t incident_filter_count = sizeof incident_filters / sizeof incident_filters[0];

static const char names[] =
	"kind, status, grade, severity, source, category, number, correlation_key, q, limit, cursor";

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

static void take_value(IncidentQuery *query, const Filter *filter, Slice value, FieldErrors *errors)
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
	if (filter->matches && !filter->matches(value)) {
		field_errors_add(errors, filter->name, "must be %s", filter->shape);
		return;
	}
	if (query->count == FILTER_VALUES_MAX || !keep(query, value, &query->values[query->count].value)) {
		field_errors_add(errors, filter->name, "exceeds the limit of %d values or %d bytes for all filters",
				 FILTER_VALUES_MAX, FILTER_BYTES_MAX);
		return;
	}
	query->values[query->count++].filter = filter;
}

static void take_filter(IncidentQuery *query, const Filter *filter, const char *value, FieldErrors *errors)
{
	size_t number = (size_t)(filter - incident_filters);

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

void incident_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors)
{
	if (!text_is_utf8(slice_of(value))) { /* incidents hold only UTF-8 */
		field_errors_add(errors, name, "must be UTF-8, with bytes outside ASCII as %%XX");
		return;
	}
	for (size_t i = 0; i < incident_filter_count; i++)
		if (strcmp(incident_filters[i].name, name) == 0) {
			take_filter(query, &incident_filters[i], value, errors);
			return;
		}
	if (!take_parameter(query, name, value, false, errors))
		field_errors_add(errors, name, "is not a parameter of this list; parameters are %s", names);
}

void page_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors)
{
	if (!take_parameter(query, name, value, true, errors))
		field_errors_add(errors, name, "is not a parameter of this list; parameters are limit, cursor");
}

/* ---- digest and SQL -------------------------------------------------------------------------------------------- */

Digest incident_query_digest(const IncidentQuery *query)
{
	const Slice end = SLICE("\0");
	Slice parts[4 * FILTER_VALUES_MAX + 2];
	size_t count = 0;

	for (size_t number = 0; number < incident_filter_count; number++)
		for (size_t i = 0; i < query->count; i++) {
			if (query->values[i].filter != &incident_filters[number])
				continue;
			parts[count++] = slice_of(incident_filters[number].name);
			parts[count++] = end;
			parts[count++] = query->values[i].value;
			parts[count++] = end;
		}
	parts[count++] = SLICE("q\0");
	parts[count++] = query->text;
	return digest_of(parts, count);
}

static void write_values(const IncidentQuery *query, const Filter *filter, Buffer *sql, Slice *values, size_t *count)
{
	const char *before = "";

	buffer_format(sql, " AND %s IN (", filter->name);
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
	for (size_t number = 0; number < incident_filter_count; number++)
		if (query->given[number])
			write_values(query, &incident_filters[number], sql, values, count);
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
