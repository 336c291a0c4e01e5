/*
 * Queries of incidents: checks the parameters of the query string and turns them into SQL. The filters are the rows of
 * incident_table with FIELD_FILTER. Names of columns come only from the rows, and values are always bound. Pure.
 */
#ifndef TOCSIN_GATEWAY_FILTER_H
#define TOCSIN_GATEWAY_FILTER_H

#include "shared/base/hash.h"
#include "shared/domain/documents.h"

enum { FILTER_VALUES_MAX = 64, FILTER_BYTES_MAX = 4096, LIMIT_MAX = 200, LIMIT_DEFAULT = 50 };

typedef struct {
	size_t count;
	struct {
		const Field *filter;
		Slice value; /* in `bytes` */
	} values[FILTER_VALUES_MAX]; /* values of one filter are adjacent */
	bool given[INCIDENT_FIELDS_MAX]; /* by index of the row */
	const char *const *allowed; /* choices of the first filter that has another value; NULL: no filter has */
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
