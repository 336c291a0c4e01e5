/*
 * The headers of an answer, and direct answers. A direct answer is written straight to the socket, because libmicrohttpd can no
 * longer send it (a body is being received), would send an answer of its own, or was never given the connection. The `refuse`
 * callback makes direct answers like all other refusals. A direct answer is small, and the last answer on its connection.
 */
#include "shared/io/http/internal.h"

#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

typedef struct {
	const char *name, *value;
} Header;

/* The headers of the handler and those that the server adds. */
typedef struct {
	Header list[1 + HTTP_HEADERS_MAX + HTTP_HEADERS_ADDED];
	size_t count;
} HeaderList;

enum { DIRECT_ANSWER_MAX = 128 * 1024, DATE_LINE = 64, LIMIT_LOG_PAUSE_US = 10000000 };

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static bool header_given(const HttpResponse *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcasecmp(response->headers[i].name, name) == 0)
			return true;
	return false;
}

/* Adds the header, unless its value is NULL or holds a line end. */
static void header_put(HeaderList *headers, const char *name, const char *value)
{
	if (!value || strpbrk(value, "\r\n") != NULL)
		return;
	must(headers->count < sizeof(headers->list) / sizeof(headers->list[0]));
	headers->list[headers->count++] = (Header){ name, value };
}

static void header_default(HeaderList *headers, const HttpResponse *response, const char *name, const char *value)
{
	if (!header_given(response, name))
		header_put(headers, name, value);
}

static void headers_list(const HttpRequest *request, const HttpResponse *response, HeaderList *out)
{
	out->count = 0;
	must(response->header_count <= HTTP_HEADERS_MAX);
	header_put(out, "Content-Type", response->content_type);
	for (size_t i = 0; i < response->header_count; i++)
		header_put(out, response->headers[i].name, response->headers[i].value);
	header_default(out, response, "X-Content-Type-Options", "nosniff");
	header_default(out, response, "Cache-Control", "no-store");
	if (response->status == 401)
		header_default(out, response, "WWW-Authenticate", "Bearer");
	if (response->status == 405)
		header_put(out, "Allow", request->match.allow);
	if (response->status == 503 && !request->connection)
		header_default(out, response, "Retry-After", "1");
	if (request->close || atomic_load_explicit(&request->listener->server->quiesced, memory_order_relaxed))
		header_put(out, "Connection", "close");
}

static Slice body_of(const HttpResponse *response)
{
	return response->content_type && response->body.size > 0 ? response->body : SLICE("");
}

struct MHD_Response *http_response_make(const HttpRequest *request, const HttpResponse *response)
{
	Slice body = body_of(response);
	HeaderList headers;
	struct MHD_Response *made =
		MHD_create_response_from_buffer(body.size, (void *)(uintptr_t)body.data,
						body.size > 0 ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);

	must(made != NULL);
	headers_list(request, response, &headers);
	for (size_t i = 0; i < headers.count; i++)
		MHD_add_response_header(made, headers.list[i].name, headers.list[i].value);
	return made;
}

/* ---- direct answers ---------------------------------------------------------------------------------------------- */

static void date_write(Buffer *out)
{
	char text[DATE_LINE];
	time_t now = time(NULL);
	struct tm parts;

	if (gmtime_r(&now, &parts) && strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts) > 0)
		buffer_text(out, text);
}

void http_response_send(const HttpRequest *request, const HttpResponse *response)
{
	Slice body = body_of(response);
	HeaderList headers;
	Buffer out;

	buffer_init(&out, DIRECT_ANSWER_MAX);
	buffer_format(&out, "HTTP/1.1 %u %s\r\n", response->status, MHD_get_reason_phrase_for(response->status));
	date_write(&out);
	headers_list(request, response, &headers);
	for (size_t i = 0; i < headers.count; i++)
		buffer_format(&out, "%s: %s\r\n", headers.list[i].name, headers.list[i].value);
	buffer_format(&out, "Content-Length: %zu\r\n\r\n", body.size);
	buffer_append(&out, body);
	if (!out.overflowed)
		send(request->socket, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_release(&out);
}

void http_refuse_directly(HttpRequest *request, unsigned status, const char *detail)
{
	const HttpServerOptions *options = &request->listener->server->options;
	char code[16];

	request->direct = request->refused = request->close = request->linger = true;
	options->refuse(request, status, detail, options->context);
	must(atomic_load(&request->answer_state) != ANSWER_OPEN);
	shutdown(request->socket, SHUT_WR);
	snprintf(code, sizeof(code), "%u", status);
	if (!request->headers_received) /* otherwise http_on_completed counts the request */
		metric_add(METRIC_HTTP_REQUESTS, "none", code, 1);
}

/* ---- above the limit --------------------------------------------------------------------------------------------- */

/* Logged at most once in LIMIT_LOG_PAUSE_US; the metric counts every refusal. */
static void limit_log(const HttpListener *listener)
{
	static _Atomic int64_t quiet_until_us;

	if (log_due(&quiet_until_us, LIMIT_LOG_PAUSE_US))
		log_line(LOG_WARN, "http", "connections-full", L_STRING("address", listener->address),
			 L_INTEGER("most", listener->connections_max));
}

void http_refuse_connection(HttpListener *listener, int socket)
{
	HttpRequest request = { .listener = listener, .socket = socket };

	limit_log(listener);
	http_refuse_directly(&request, 503, "the server has as many connections as it takes: try again later");
	http_linger_take(listener->server->linger, socket);
}

/* ---- an invalid Content-Length ----------------------------------------------------------------------------------- */

/* Called for the worker's own requests only: libmicrohttpd lets no other thread read their headers. */
static bool length_is_invalid(HttpRequest *request)
{
	const char *length;

	if (!request->line_received || request->headers_received || request->direct)
		return false;
	length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
	return length && !http_length_is_valid(slice_of(length));
}

static void length_refuse(HttpRequest *request)
{
	const char *length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");

	if (length[0] != '\0' && length[strspn(length, "0123456789")] == '\0')
		http_refuse_directly(request, 413, "the body is larger than any path accepts");
	else
		http_refuse_directly(request, 400, "Content-Length must be one decimal number");
}

/*
 * libmicrohttpd 0.9.75 answers an invalid Content-Length itself and writes the headers of that answer twice. Its log message does
 * not name the connection. Therefore this function refuses each connection of the worker that has sent an invalid length and is
 * still sending headers. libmicrohttpd's own answer then fails, because the socket is shut for sending.
 */
void http_refuse_length(HttpWorker *worker)
{
	HttpServer *server = worker->listener->server;

	pthread_mutex_lock(&server->mutex);
	for (HttpRequest *request = server->first; request; request = request->next)
		if (request->worker == worker && length_is_invalid(request))
			length_refuse(request);
	pthread_mutex_unlock(&server->mutex);
}
