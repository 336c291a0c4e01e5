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
	bool (*matches)(Slice value);  /* NULL: every value matches */
	const char *shape;          /* for error texts: describes the values that match */
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
	bool given[16]; /* given[i]: the query has the filter incident_filters[i] */
	const char *const *allowed; /* choices of the first filter with a wrong value; NULL: none */
	Slice text; /* q in lower case; empty: none */
	bool text_given, limit_given, cursor_given;
	int64_t limit;
	char cursor[256]; /* as given, not verified; empty: none */
	size_t used; /* bytes used of `bytes` */
	char bytes[FILTER_BYTES_MAX];
} IncidentQuery;

void incident_query_init(IncidentQuery *query);

/* Copies one parameter of the query string into the query. Adds its errors to errors, under the parameter's name. */
void incident_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* Like incident_query_take, but for lists whose only parameters are limit and cursor. */
void page_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* The digest of filters and q, without limit and cursor: a cursor is valid only for queries with the same digest. */
Digest incident_query_digest(const IncidentQuery *query);

/*
 * Writes "SELECT id, document FROM incidents WHERE … ORDER BY id DESC LIMIT n", which reads one row more than the limit, newest
 * first, after the incident id `after` (empty: from the start). values: the texts to bind to ?1, ?2 …, borrowed from query and
 * after.
 */
enum { QUERY_VALUES_MAX = FILTER_VALUES_MAX + 2 };
void incident_query_sql(const IncidentQuery *query, Slice after, Buffer *sql, Slice values[static QUERY_VALUES_MAX],
			size_t *count);

/* Lower-cases ASCII letters in place. Applied to q and to the searched column, so that the search ignores case. */
void text_lower(char *text, size_t size);

#endif
