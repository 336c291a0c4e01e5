#include "services/gateway/queries.h"

#include "services/gateway/answers.h"
#include "services/gateway/core/preconditions.h"
#include "services/gateway/view.h"

#include <string.h>

enum { LINK_MAX = 6144 };

static const char wrong_parameters[] = "the parameters of this request must be corrected";

/* ---- reading the query string --------------------------------------------------------------------------------- */

typedef struct {
	IncidentQuery *query;
	FieldErrors *errors;
	void (*take)(IncidentQuery *query, const char *name, const char *value, FieldErrors *errors);
} QueryVisit;

static bool query_visit(void *context, const char *name, const char *value)
{
	QueryVisit *visit = context;

	visit->take(visit->query, name, value, visit->errors);
	return true;
}

/* Reads parameters and cursor; *list identifies the list to which cursors belong. False: the request was answered with an error. */
static bool query_read(HttpRequest *request, const Queries *queries, QueryVisit *visit, Digest *list,
		       char after[static CURSOR_POSITION_MAX])
{
	incident_query_init(visit->query);
	http_query_each(request, query_visit, visit);
	Digest filters = incident_query_digest(visit->query);
	*list = DIGEST(slice_of(http_path(request)), SLICE("\0"),
		       ((Slice){ (const char *)filters.bytes, DIGEST_BYTES }));
	after[0] = '\0';
	if (visit->query->cursor[0] != '\0' && visit->errors->count == 0 &&
	    !cursor_read(queries->cursor_key, list, slice_of(visit->query->cursor), after))
		field_errors_add(visit->errors, "cursor",
				 "must be the next_cursor of an earlier response to the same query");
	if (visit->errors->count == 0)
		return true;
	answer_errors(request, PROBLEM_INVALID_PARAMETER, wrong_parameters, visit->errors, visit->query->allowed);
	return false;
}

/* ---- pages ---------------------------------------------------------------------------------------------------- */

static void append_escaped(Buffer *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~,";

	for (; *text != '\0'; text++) {
		if (strchr(plain, *text))
			buffer_byte(out, *text);
		else
			buffer_format(out, "%%%02X", (unsigned)(unsigned char)*text);
	}
}

typedef struct {
	Buffer *out;
	char before; /* '?' before the first parameter, '&' before the others */
} LinkVisit;

static bool link_visit(void *context, const char *name, const char *value)
{
	LinkVisit *visit = context;

	if (strcmp(name, "cursor") == 0)
		return true;
	buffer_byte(visit->out, visit->before);
	append_escaped(visit->out, name);
	buffer_byte(visit->out, '=');
	append_escaped(visit->out, value);
	visit->before = '&';
	return true;
}

/* Writes `</v1/incidents?kind=event&cursor=…>; rel="next"`: the request's query with another cursor (NULL: from the start). */
static void link_write(HttpRequest *request, const char *cursor, const char *relation, Buffer *out)
{
	LinkVisit visit = { .out = out, .before = '?' };

	buffer_byte(out, '<');
	buffer_text(out, http_path(request));
	http_query_each(request, link_visit, &visit);
	if (cursor)
		buffer_format(out, "%ccursor=%s", visit.before, cursor);
	buffer_format(out, ">; rel=\"%s\"", relation);
}

static void page_answer(HttpRequest *request, Slice body, const char *cursor)
{
	HttpResponse response = { .status = 200, .content_type = "application/json", .body = body };
	Buffer link;

	buffer_init(&link, LINK_MAX);
	if (cursor) {
		link_write(request, cursor, "next", &link);
		buffer_text(&link, ", ");
	}
	link_write(request, NULL, "first", &link);
	if (!link.overflowed) { /* otherwise the query is too long for a header; clients use next_cursor */
		response.headers[0].name = "Link";
		response.headers[0].value = link.data;
		response.header_count = 1;
	}
	http_answer(request, &response);
	buffer_release(&link);
}

/* Completes the body, which holds `{"items":[` and the items, and answers with it. */
static void page_finish(HttpRequest *request, const Queries *queries, const Digest *list, const PageEnd *end,
			Buffer *body)
{
	char cursor[CURSOR_TEXT];

	if (end->more)
		cursor_write(queries->cursor_key, list, slice_of(end->last), cursor);
	buffer_text(body, "],\"next_cursor\":");
	if (end->more)
		buffer_format(body, "\"%s\"}", cursor);
	else
		buffer_text(body, "null}");
	page_answer(request, buffer_slice(body), end->more ? cursor : NULL);
}

static void page_begin(Buffer *body)
{
	buffer_init(body, ANSWER_MAX);
	buffer_text(body, "{\"items\":[");
}

/* Reads one page: appends its items and sets *end. */
typedef Result (*PageRead)(Store *store, const void *query, Buffer *items, PageEnd *end);

static void read_and_answer(HttpRequest *request, const Queries *queries, const Digest *list, PageRead read,
			    const void *query)
{
	ViewReader *reader;
	PageEnd end;
	Buffer body;

	if (!view_borrow_or_answer(queries->views, request, &reader))
		return;
	page_begin(&body);
	Result result = read(reader->store, query, &body, &end);
	view_return(reader);
	if (result_failed(result))
		answer_failure(request, result);
	else
		page_finish(request, queries, list, &end, &body);
	buffer_release(&body);
}

/* ---- the list of incidents ------------------------------------------------------------------------------------ */

typedef struct {
	const IncidentQuery *query;
	const char *after;
} ListQuery;

static Result list_read(Store *store, const void *query, Buffer *items, PageEnd *end)
{
	const ListQuery *list = query;

	return view_incidents(store, list->query, slice_of(list->after), items, end);
}

static bool policy_has_category(const Policy *policy, Slice code)
{
	char text[FILTER_BYTES_MAX + 1];

	return text_copy(code, text, sizeof text) && policy_category_name(policy, text, policy_languages(policy)[0]);
}

/*
 * True when the policy in force has the category, or an incident has it from an earlier policy. Also true when this cannot be
 * decided, because there is no policy or the view cannot be read.
 */
static bool category_is_known(const Queries *queries, Slice code)
{
	ViewReader *reader;
	bool known;
	PolicyShare *share = policy_share(queries->policies);
	bool decided = !share || policy_has_category(share->policy, code);

	policy_unshare(share);
	if (decided || result_failed(view_borrow(queries->views, &reader)))
		return true;
	Result result = view_has_category(reader->store, code, &known);
	view_return(reader);
	return result_failed(result) || known;
}

/* False: a category is not known, and the request was answered with an error. */
static bool check_categories(HttpRequest *request, const Queries *queries, const IncidentQuery *query,
			     FieldErrors *errors)
{
	for (size_t i = 0; i < query->count; i++)
		if (strcmp(query->values[i].filter->name, "category") == 0 &&
		    !category_is_known(queries, query->values[i].value))
			field_errors_add(errors, "category", "must be codes of the policy's categories, like 01007");
	if (errors->count > 0)
		answer_errors(request, PROBLEM_INVALID_PARAMETER, wrong_parameters, errors, NULL);
	return errors->count == 0;
}

void query_incidents(HttpRequest *request, void *context)
{
	const Queries *queries = context;
	IncidentQuery query;
	FieldErrors errors = { .count = 0 };
	Digest list;
	char after[CURSOR_POSITION_MAX];
	QueryVisit visit = { .query = &query, .errors = &errors, .take = incident_query_take };

	if (query_read(request, queries, &visit, &list, after) && check_categories(request, queries, &query, &errors))
		read_and_answer(request, queries, &list, list_read, &(ListQuery){ &query, after });
}

/* ---- one incident --------------------------------------------------------------------------------------------- */

static bool parameter_visit(void *context, const char *name, const char *value)
{
	(void)value;
	field_errors_add(context, name, "is not a parameter of this request, which has none: remove it");
	return true;
}

/* Any parameter is unknown here and therefore an error. False: the request was answered with that error. */
static bool check_no_parameters(HttpRequest *request, FieldErrors *errors)
{
	http_query_each(request, parameter_visit, errors);
	if (errors->count > 0)
		answer_errors(request, PROBLEM_INVALID_PARAMETER, wrong_parameters, errors, NULL);
	return errors->count == 0;
}

void query_incident(HttpRequest *request, void *context)
{
	const Queries *queries = context;
	ViewReader *reader;
	FieldErrors errors = { .count = 0 };
	int64_t version;
	Buffer document;

	if (!check_no_parameters(request, &errors) || !view_borrow_or_answer(queries->views, request, &reader))
		return;
	buffer_init(&document, VIEW_DOCUMENT_BYTES);
	Result result = view_incident(reader->store, http_path_value(request, "id"), &document, &version);
	view_return(reader);
	if (result_failed(result))
		answer_failure(request, result);
	else if (if_none_match_names(http_header(request, "If-None-Match"), version))
		answer_not_modified(request, version);
	else
		answer_incident(request, buffer_slice(&document), version);
	buffer_release(&document);
}

/* ---- a timeline --------------------------------------------------------------------------------------------- */

typedef struct {
	Slice incident;
	int64_t limit;
	const char *after;
} TimelineQuery;

static Result timeline_read(Store *store, const void *query, Buffer *items, PageEnd *end)
{
	const TimelineQuery *timeline = query;
	Buffer document;
	int64_t version;

	buffer_init(&document, VIEW_DOCUMENT_BYTES);
	Result result = view_incident(store, timeline->incident, &document, &version);
	buffer_release(&document);
	if (result_failed(result))
		return result;
	return view_timeline(store, timeline->incident, slice_of(timeline->after), timeline->limit, items, end);
}

void query_timeline(HttpRequest *request, void *context)
{
	const Queries *queries = context;
	IncidentQuery query;
	FieldErrors errors = { .count = 0 };
	Digest list;
	char after[CURSOR_POSITION_MAX];
	QueryVisit visit = { .query = &query, .errors = &errors, .take = page_query_take };

	if (query_read(request, queries, &visit, &list, after))
		read_and_answer(request, queries, &list, timeline_read,
				&(TimelineQuery){ http_path_value(request, "id"), query.limit, after });
}
