/*
 * Queries of incidents: checks the parameters of the query string against one table of filters and turns them into SQL.
 * Names of columns come only from the table, and values are always bound. Pure.
 */
#ifndef TOCSIN_GATEWAY_FILTER_H
#define TOCSIN_GATEWAY_FILTER_H

#include "shared/base/hash.h"
#include "shared/base/json.h"

typedef struct {
	const char *name; /* of the parameter and of the column */
	const char *const *choices; /* NULL: any text */
	bool (*matches)(Slice value);  /* NULL: any */
	const char *shape;          /* of values that match, for error texts */
} Filter;

extern const Filter incident_filters[];
extern const size_t incident_filter_count;

enum { FILTER_VALUES_MAX = 64, FILTER_BYTES_MAX = 4096, LIMIT_MAX = 200, LIMIT_DEFAULT = 50 };

typedef struct {
	size_t count;
	struct {
		const Filter *filter;
		Slice value; /* in `bytes` */
	} values[FILTER_VALUES_MAX]; /* values of one filter are adjacent */
	bool given[16]; /* by index of the filter */
	const char *const *allowed; /* choices of the first filter with a wrong value; NULL: none */
	Slice text; /* q in lower case; empty: none */
	bool text_given, limit_given, cursor_given;
	int64_t limit;
	char cursor[256]; /* as given, not verified; empty: none */
	size_t used;
	char bytes[FILTER_BYTES_MAX];
} IncidentQuery;

void incident_query_init(IncidentQuery *query);

/* Takes one parameter of the query string; copies it. Adds its errors, with the parameter's name as pointer. */
void incident_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* incident_query_take for lists that have only limit and cursor. */
void page_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* Identifies the list, for its cursors: digest of the filters, without limit and cursor. */
Digest incident_query_digest(const IncidentQuery *query);

/*
 * Writes "SELECT id, document FROM incidents WHERE … ORDER BY id DESC LIMIT n" for one row more than the limit, newest
 * first, after the incident id `after` (empty: from the start). values are ?1, ?2 …, all of them text, borrowed from query
 * and after.
 */
enum { QUERY_VALUES_MAX = FILTER_VALUES_MAX + 2 };
void incident_query_sql(const IncidentQuery *query, Slice after, Buffer *sql, Slice values[static QUERY_VALUES_MAX],
			size_t *count);

/* Lower-cases ASCII letters in place; q and the column that it searches are both folded so. */
void text_lower(char *text, size_t size);

#endif
