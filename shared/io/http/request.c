#include "shared/io/http/internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- a request object and its first line ------------------------------------------------------------------------- */

HttpRequest *http_request_new(HttpWorker *worker, struct MHD_Connection *connection)
{
	HttpRequest *request = calloc(1, sizeof(*request));

	must(request != NULL);
	request->listener = worker->listener;
	request->worker = worker;
	request->connection = connection;
	request->socket = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	atomic_store(&request->watch, watch_of(WATCH_IDLE, clock_monotonic_us()));
	return request;
}

static void request_free(HttpRequest *request)
{
	free(request->body);
	free(request);
}

void http_request_release(HttpRequest *request)
{
	int orphaned = ANSWER_ORPHANED;

	if (!atomic_compare_exchange_strong(&request->answer_state, &orphaned, ANSWER_RELEASED))
		request_free(request);
}

static bool request_orphaned(HttpRequest *request)
{
	return atomic_load(&request->answer_state) >= ANSWER_ORPHANED;
}

static void request_watch(HttpRequest *request, WatchPhase phase, int64_t time_us)
{
	atomic_store_explicit(&request->watch, watch_of(phase, time_us), memory_order_release);
}

static int64_t request_deadline_us(const HttpRequest *request)
{
	return request->listener->server->options.request_deadline_ms * 1000;
}

/* The path and query of a request target; the absolute form of RFC 9112 has scheme and host before them. */
static const char *uri_path(const char *uri)
{
	const char *slash;

	if (strncasecmp(uri, "http://", 7) != 0)
		return uri;
	slash = strchr(uri + 7, '/');
	return slash ? slash : "/";
}

static const char *line_fault(const char *uri, const char *path)
{
	if (strchr(uri, ' '))
		return "the path or the query contains a space: send it as %20";
	return strstr(path, "%00") ? "the path or the query contains %00: remove it" : NULL;
}

/* The first line was received: the deadline of the request counts from here. */
void *http_on_line(void *cls, const char *uri, struct MHD_Connection *connection)
{
	HttpRequest *request = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
	const char *path = uri_path(uri);
	size_t size = strcspn(path, "?");

	(void)cls;
	request->started_us = clock_monotonic_us();
	request_watch(request, WATCH_HEAD, request->started_us);
	request->path_too_long = size > HTTP_PATH_MAX;
	request->path_size = size > HTTP_PATH_MAX ? HTTP_PATH_MAX : size;
	memcpy(request->path, path, request->path_size);
	request->path[request->path_size] = '\0';
	request->line_fault = line_fault(uri, path);
	request->line_received = true;
	return request;
}

static void request_measure(const HttpRequest *request)
{
	const char *operation = request->match.route ? request->match.route->operation : "none";
	char code[16] = "closed";

	if (request->status > 0)
		snprintf(code, sizeof(code), "%u", request->status);
	metric_add(METRIC_HTTP_REQUESTS, operation, code, 1);
	metric_observe_us(METRIC_HTTP_SECONDS, operation, NULL, clock_monotonic_us() - request->started_us);
	metric_add(METRIC_HTTP_INFLIGHT, NULL, NULL, -1);
}

/* Prepares the object for the next request of the same connection. */
static void request_reset(HttpRequest *request)
{
	if (request->body_capacity > HTTP_BODY_KEPT) {
		free(request->body);
		request->body = NULL;
		request->body_capacity = 0;
	}
	if (request->response)
		MHD_destroy_response(request->response);
	request->response = NULL;
	request->principal = NULL;
	request->status = 0;
	request->body_size = 0;
	request->body_seen = 0;
	request->match.route = NULL;
	request->match.value_count = 0;
	request->line_received = request->headers_received = request->dispatched = false;
	request->refused = request->too_large = false;
	atomic_store(&request->suspended, false);
	atomic_store(&request->answer_state, ANSWER_OPEN);
}

void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode code)
{
	HttpRequest *request = *context;

	(void)cls, (void)connection;
	if (!request)
		return;
	*context = NULL;
	request->linger |= code == MHD_REQUEST_TERMINATED_WITH_ERROR;
	/* An orphan is not reset: the answering thread still holds it. */
	bool orphaned = request_orphaned(request);
	if (request->headers_received) {
		request_measure(request);
		atomic_fetch_sub(&request->listener->server->inflight, 1);
	}
	if (orphaned)
		return;
	request_reset(request);
	request_watch(request, WATCH_IDLE, clock_monotonic_us());
}

/* ---- refusing ---------------------------------------------------------------------------------------------------- */

static enum MHD_Result request_conclude(HttpRequest *request)
{
	struct MHD_Response *response = request->response;

	request->response = NULL;
	if (atomic_load(&request->answer_state) != ANSWER_SETTLED || !response)
		return MHD_NO;
	/* The client gets the time to read the answer at 16 kB a second in addition to the deadline of a request. */
	int64_t read_us = (int64_t)request->answer_size / 16 * 1000;
	request_watch(request, WATCH_TIMED, clock_monotonic_us() + request_deadline_us(request) + read_us);
	enum MHD_Result result = MHD_queue_response(request->connection, request->status, response);
	MHD_destroy_response(response);
	return result;
}

static void request_refuse(HttpRequest *request, unsigned status, const char *detail)
{
	const HttpServerOptions *options = &request->listener->server->options;

	request->refused = true;
	options->refuse(request, status, detail, options->context);
	must(atomic_load(&request->answer_state) == ANSWER_SETTLED && !atomic_load(&request->suspended));
}

static void refuse_too_large(HttpRequest *request)
{
	size_t body_max = request->match.route->body_max;
	char detail[96];

	if (body_max > 0)
		snprintf(detail, sizeof(detail), "the body is larger than %zu bytes, the maximum of this path", body_max);
	else
		snprintf(detail, sizeof(detail), "this path takes no body: send none");
	request_refuse(request, 413, detail);
}

static void refuse_method(HttpRequest *request)
{
	char detail[sizeof(request->match.allow) + 32];

	snprintf(detail, sizeof(detail), "this path takes %s only", request->match.allow);
	request_refuse(request, 405, detail);
}

static unsigned status_of(ErrorKind kind)
{
	static const unsigned statuses[] = {
		[ERROR_INPUT] = 400,    [ERROR_DENIED] = 401, [ERROR_NOT_FOUND] = 404,
		[ERROR_CONFLICT] = 409, [ERROR_AGAIN] = 503,  [ERROR_INTERNAL] = 500,
	};

	return statuses[kind];
}

static enum MHD_Result head_visit(void *context, enum MHD_ValueKind kind, const char *name, size_t name_size,
				  const char *value, size_t value_size)
{
	(void)kind;
	http_head_add(context, (Slice){ name, name_size }, value ? value : "", value ? value_size : 0);
	return MHD_YES;
}

/* Checks everything but the body. False: the request was refused, for the first reason that applies. */
static bool request_acceptable(HttpRequest *request, const char *fault)
{
	const HttpServer *server = request->listener->server;
	const HttpServerOptions *options = &server->options;
	const HttpRoute *route;

	if (fault)
		return request_refuse(request, 400, fault), false;
	if (request->path_too_long)
		return request_refuse(request, 414, "the path is longer than 512 bytes"), false;
	http_match(options->routes, options->route_count, request->listener->routes, request->method,
		   (Slice){ request->path, request->path_size }, &request->match);
	route = request->match.route;
	if (!route && request->match.allow[0] != '\0')
		return refuse_method(request), false;
	if (!route)
		return request_refuse(request, 404, "no resource has this path"), false;
	if (!route->open) {
		Result admitted = options->admit(request, options->context);
		if (result_failed(admitted))
			return request_refuse(request, status_of(admitted.kind), admitted.text), false;
	}
	return true;
}

static bool body_acceptable(HttpRequest *request)
{
	size_t body_max = request->match.route->body_max;

	if (request->body_declared > (int64_t)(body_max > 0 ? body_max : HTTP_BODY_UNWANTED))
		return refuse_too_large(request), false;
	if (body_max > 0 && request->body_declared != 0 && request->media_fault)
		return request_refuse(request, 415, request->media_fault), false;
	return true;
}

static const char *request_fault(HttpRequest *request, HttpHead *head)
{
	const char *fault;

	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, head_visit, head);
	fault = request->line_fault ? request->line_fault : http_head_fault(head);
	request->close = fault != NULL;
	request->media_fault = http_media_fault(head);
	request->body_declared = fault ? 0 : http_head_length(head);
	return fault;
}

/*
 * Called when the headers were received. If the headers have a fault, or a body follows, a refusal is sent at once and closes the
 * connection.
 */
static enum MHD_Result request_begin(HttpRequest *request, const char *method, const char *version)
{
	HttpServer *server = request->listener->server;
	HttpHead head = { .host_required = strcmp(version, "HTTP/1.0") != 0 };
	const char *fault;

	request->headers_received = true;
	request_watch(request, WATCH_TIMED, request->started_us + request_deadline_us(request));
	request->method = method;
	metric_add(METRIC_HTTP_INFLIGHT, NULL, NULL, 1);
	atomic_fetch_add(&server->inflight, 1);
	if (atomic_load(&server->stopping))
		return MHD_NO;
	fault = request_fault(request, &head);
	if (request_acceptable(request, fault) && body_acceptable(request))
		return MHD_YES;
	if (!request->close && request->body_declared == 0)
		return MHD_YES;
	request->close = request->linger = true;
	return request_conclude(request);
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

static void body_reserve(HttpRequest *request, size_t size)
{
	size_t capacity = request->body_capacity > 0 ? request->body_capacity * 2 : 1024;

	if (size <= request->body_capacity)
		return;
	if (request->body_capacity == 0 && request->body_declared > (int64_t)capacity)
		capacity = (size_t)request->body_declared < HTTP_BODY_FIRST ? (size_t)request->body_declared
									    : HTTP_BODY_FIRST;
	if (capacity < size)
		capacity = size;
	request->body = realloc(request->body, capacity);
	must(request->body != NULL);
	request->body_capacity = capacity;
}

/*
 * Keeps the bytes that the route accepts. If the body is too large, up to HTTP_DRAIN_MAX further bytes are read and dropped, so
 * that the client can still read its answer.
 */
static enum MHD_Result body_take(HttpRequest *request, const char *data, size_t size)
{
	size_t body_max = request->match.route->body_max;
	size_t seen_max = body_max > 0 ? body_max : HTTP_BODY_UNWANTED;

	request->body_seen += size;
	if (request->body_seen > seen_max)
		request->too_large = true;
	if (request->too_large && request->body_seen <= (uint64_t)seen_max + HTTP_DRAIN_MAX)
		return MHD_YES;
	if (request->too_large)
		return http_refuse_directly(request, 413, "the body is larger than this path accepts"), MHD_NO;
	if (body_max == 0)
		return MHD_YES;
	body_reserve(request, request->body_size + size);
	memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	return MHD_YES;
}

/* ---- the handler ------------------------------------------------------------------------------------------------- */

static void request_dispatch(HttpRequest *request)
{
	const HttpServerOptions *options = &request->listener->server->options;
	const HttpRoute *route = request->match.route;

	request->dispatched = true;
	request_watch(request, WATCH_EXEMPT, 0);
	if (request->too_large)
		refuse_too_large(request);
	else
		route->handler(request, route->context ? route->context : options->context);
}

enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *upload, size_t *upload_size, void **context)
{
	HttpRequest *request = *context;

	(void)cls, (void)connection, (void)url;
	if (request->direct)
		return MHD_NO;
	if (!request->headers_received)
		return request_begin(request, method, version);
	if (*upload_size > 0) {
		size_t size = *upload_size;
		*upload_size = 0;
		return body_take(request, upload, size);
	}
	if (!request->dispatched && !request->refused) {
		request_dispatch(request);
		/*
		 * Another thread may already have answered a suspended request; libmicrohttpd calls http_on_access again in any
		 * case.
		 */
		if (atomic_load(&request->suspended))
			return MHD_YES;
		must(atomic_load(&request->answer_state) != ANSWER_OPEN);
	}
	return request_conclude(request);
}

/* ---- access for handlers ----------------------------------------------------------------------------------------- */

const char *http_method(const HttpRequest *request)
{
	return request->method;
}

const char *http_path(const HttpRequest *request)
{
	return request->path;
}

const HttpRoute *http_route(const HttpRequest *request)
{
	return request->match.route;
}

Slice http_path_value(const HttpRequest *request, const char *name)
{
	for (unsigned i = 0; i < request->match.value_count; i++)
		if (slice_is(request->match.values[i].name, name))
			return request->match.values[i].value;
	return SLICE_NONE;
}

const char *http_header(HttpRequest *request, const char *name)
{
	if (request_orphaned(request))
		return NULL; /* the connection is closed or about to be closed */
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *http_query(HttpRequest *request, const char *name)
{
	const char *value = NULL;

	if (!MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value,
					   NULL))
		return NULL;
	return value ? value : "";
}

typedef struct {
	HttpVisit visit;
	void *context;
} QueryVisit;

static enum MHD_Result query_visit(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
	QueryVisit *query = context;

	(void)kind;
	return query->visit(query->context, name, value ? value : "") ? MHD_YES : MHD_NO;
}

void http_query_each(HttpRequest *request, HttpVisit visit, void *context)
{
	QueryVisit query = { visit, context };

	MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, query_visit, &query);
}

Slice http_body(const HttpRequest *request)
{
	return (Slice){ request->body, request->body_size };
}

void http_set_principal(HttpRequest *request, const void *principal)
{
	request->principal = principal;
}

const void *http_principal(const HttpRequest *request)
{
	return request->principal;
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

void http_suspend(HttpRequest *request)
{
	must(request->dispatched && !atomic_load(&request->suspended));
	MHD_suspend_connection(request->connection);
	atomic_store(&request->suspended, true); /* set after the suspension: http_server_stop resumes every request marked here */
}

/*
 * Settles the request: from now on only the calling thread may answer it. False: the server stopped before this answer. The caller
 * must not touch the request any more, which may be freed.
 */
static bool request_settle(HttpRequest *request)
{
	int open = ANSWER_OPEN;

	if (atomic_compare_exchange_strong(&request->answer_state, &open, ANSWER_SETTLED))
		return true;
	must(open >= ANSWER_ORPHANED);
	http_request_release(request);
	return false;
}

/* Hands a settled request back to its connection's thread. The caller must not touch it afterwards. */
static void request_hand_back(HttpRequest *request)
{
	if (atomic_load(&request->suspended))
		MHD_resume_connection(request->connection);
}

void http_answer(HttpRequest *request, const HttpResponse *response)
{
	must(response->status >= 200 && response->status <= 599);
	if (!request_settle(request))
		return;
	request->status = response->status;
	if (request->direct) {
		http_response_send(request, response);
		return;
	}
	request->response = http_response_make(request, response);
	request->answer_size = response->content_type ? response->body.size : 0;
	request_hand_back(request);
}

/* Without a response the connection's thread closes the connection. */
void http_abort(HttpRequest *request)
{
	if (request_settle(request))
		request_hand_back(request);
}
