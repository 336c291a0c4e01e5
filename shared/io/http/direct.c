/*
 * Answers that go past libmicrohttpd, straight to the socket, because it cannot send them any more (a body is under way),
 * would send its own, or never sees the connection. They are made by the same `refuse` callback as all others, are small, and
 * are the last on their connection.
 */
#include "shared/io/http/internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { FULL_LOG_US = 10000000 };

void http_refuse_directly(HttpRequest *request, unsigned status, const char *detail)
{
	const HttpServerOptions *options = &request->listener->server->options;
	char code[16];

	request->direct = request->refused = request->close = request->linger = true;
	options->refuse(request, status, detail, options->context);
	must(atomic_load(&request->answer_state) != ANSWER_OPEN);
	shutdown(request->socket, SHUT_WR);
	snprintf(code, sizeof(code), "%u", status);
	if (!request->begun) /* else it is counted where it ends */
		metric_add(METRIC_HTTP_REQUESTS, "none", code, 1);
}

/* ---- above the limit ------------------------------------------------------------------------------------------- */

/* Said once in a while: a flood has thousands, and the metric counts them all. */
static void full_log(const HttpListener *listener)
{
	static _Atomic int64_t quiet_until_us;

	if (log_due(&quiet_until_us, FULL_LOG_US))
		log_line(LOG_WARN, "http", "connections-full", L_STRING("address", listener->address),
			 L_INTEGER("most", listener->connections_max));
}

void http_refuse_connection(HttpListener *listener, int socket)
{
	HttpRequest request = { .listener = listener, .socket = socket };

	full_log(listener);
	http_refuse_directly(&request, 503, "there are too many connections; try again");
	http_linger_take(listener->server->linger, socket);
}

/* ---- a length that is none ------------------------------------------------------------------------------------- */

/* Of the worker's own requests only: libmicrohttpd lets no other thread look at their headers. */
static bool length_unsound(HttpRequest *request)
{
	const char *length;

	if (!request->lined || request->begun || request->direct)
		return false;
	length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");
	return length && !http_length_sound(slice_of(length));
}

static void length_refuse(HttpRequest *request)
{
	const char *length = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Content-Length");

	if (length[0] != '\0' && length[strspn(length, "0123456789")] == '\0')
		http_refuse_directly(request, 413, "the body is larger than any path takes");
	else
		http_refuse_directly(request, 400, "Content-Length must be one number");
}

/*
 * libmicrohttpd 0.9.75 answers such a length itself, and writes the headers of that answer twice. It does not say which
 * connection it means, but it is one of those whose headers are coming in, and all of these that have such a length would get
 * the same answer. What libmicrohttpd writes afterwards fails, since the sending side has ended.
 */
void http_refuse_length(HttpWorker *worker)
{
	HttpServer *server = worker->listener->server;

	pthread_mutex_lock(&server->mutex);
	for (HttpRequest *request = server->first; request; request = request->next)
		if (request->worker == worker && length_unsound(request))
			length_refuse(request);
	pthread_mutex_unlock(&server->mutex);
}
