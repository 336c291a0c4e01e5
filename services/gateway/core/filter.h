/*
 * What a list of incidents is asked for: the query's parameters checked against one table of filters, and turned into
 * SQL. Names of columns come from the table only, values are always bound. Pure.
 */
#ifndef TOCSIN_GATEWAY_FILTER_H
#define TOCSIN_GATEWAY_FILTER_H

#include "shared/base/hash.h"
#include "shared/base/json.h"

typedef struct {
	const char *name; /* of the parameter and of the column */
	const char *const *choices; /* NULL: any text */
	bool (*fits)(Slice value);  /* NULL: any */
	const char *shape;          /* what fits, for people */
} Filter;

extern const Filter incident_filters[];
extern const size_t incident_filter_count;
extern const char *const status_words[]; /* every status an incident of any kind may have */

enum { FILTER_VALUES_MAX = 64, FILTER_BYTES_MAX = 4096, LIMIT_MAX = 200, LIMIT_DEFAULT = 50 };

typedef struct {
	size_t count;
	struct {
		const Filter *filter;
		Slice value; /* in bytes */
	} values[FILTER_VALUES_MAX]; /* values of one filter stand together */
	bool given[16]; /* by number of filter */
	const char *const *allowed; /* choices of the first filter that got a wrong value; else NULL */
	Slice text; /* q, in lower case; empty: not asked for */
	bool text_given, limit_given, cursor_given;
	int64_t limit;
	char cursor[256]; /* as given, not yet read; empty: none */
	size_t used;
	char bytes[FILTER_BYTES_MAX];
} IncidentQuery;

void incident_query_init(IncidentQuery *query);

/*
 * Takes one parameter of the query string. What is wrong goes to errors, with the parameter's name as pointer and the
 * names or values that would be right. Copies.
 */
void incident_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* The same for lists that know only limit and cursor. */
void page_query_take(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);

/* What makes this list another list than others, for its cursors: the filters, not limit and cursor. */
Digest incident_query_digest(const IncidentQuery *query);

/*
 * "SELECT id, document FROM incidents WHERE … ORDER BY id DESC LIMIT n" for one row more than the limit, newest first,
 * after the incident id `after` (empty: from the start). values stand for ?1, ?2 …, all of them text; borrows.
 */
enum { QUERY_VALUES_MAX = FILTER_VALUES_MAX + 2 };
void incident_query_sql(const IncidentQuery *query, Slice after, Buffer *sql, Slice values[static QUERY_VALUES_MAX],
			size_t *count);

/* ASCII letters in lower case, everything else as it is: what q and the column it looks into have in common. */
void text_lower(char *text, size_t size);

#endif
