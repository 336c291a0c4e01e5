/*
 * libmicrohttpd's threads. Each is a daemon of its own, and connections are counted and dealt out here, since libmicrohttpd
 * 0.9.75 must never meet its own limit: a worker that is given one connection more leaves its mutex locked and never runs
 * again, nor ends when the daemon is stopped.
 *
 * A worker is given at most 126. libmicrohttpd asks epoll for 128 events at a time, and when it got exactly 128 it asks
 * again, with the full timeout, before it looks at any: with 128 connections that became ready at once the worker slept for
 * up to 30 seconds with all of them waiting (seen at 256 connections on two workers). So there are more workers than cores;
 * measured, 8 on two cores are as fast as 2.
 */
#include "shared/io/http/internal.h"

#include "shared/io/system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WORKER_CONNECTIONS = 126,
	WORKER_CONNECTIONS_OF_LIBRARY = 1000, /* never met: a connection closed here may for a moment be open there */
	WORKERS_LEAST = 8,
	WORKERS_A_CORE = 4,
	CONNECTION_MEMORY = 16384, /* of a connection, cleared at every request: measured the best of 8192 to 65536 */
	IDLE_TIMEOUT_SECONDS = 30,
	DESCRIPTORS_OF_OTHERS = 192, /* files, databases, brokers */
	CONNECTIONS_LEAST = 16,
	OPS_SHARE = 8, /* of the descriptors, where operations have a listener of their own: one in eight */
};

/* ---- connections ----------------------------------------------------------------------------------------------- */

static void list_add(HttpServer *server, HttpRequest *request)
{
	pthread_mutex_lock(&server->mutex);
	request->next = server->first;
	if (server->first)
		server->first->previous = request;
	server->first = request;
	pthread_mutex_unlock(&server->mutex);
}

static void list_remove(HttpServer *server, HttpRequest *request)
{
	pthread_mutex_lock(&server->mutex);
	if (request->previous)
		request->previous->next = request->next;
	else
		server->first = request->next;
	if (request->next)
		request->next->previous = request->previous;
	pthread_mutex_unlock(&server->mutex);
}

/* Closing the socket now would reset the connection: the client still sends, or what it sent was not read. */
static bool connection_lingers(const HttpRequest *request)
{
	int unread = 0;

	if (atomic_load(&request->listener->server->stopping))
		return false;
	return request->linger || (ioctl(request->socket, FIONREAD, &unread) == 0 && unread > 0);
}

/* Closed is told before the socket is closed, so whoever holds the mutex may use the sockets of the list. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	HttpWorker *worker = cls;
	HttpServer *server = worker->listener->server;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		HttpRequest *request = http_request_new(worker, connection);
		*context = request;
		list_add(server, request);
		return;
	}
	HttpRequest *request = *context;
	*context = NULL;
	list_remove(server, request);
	if (connection_lingers(request))
		http_linger_take(server->linger, fcntl(request->socket, F_DUPFD_CLOEXEC, 0));
	http_request_leave(request);
	atomic_fetch_sub(&worker->connections, 1);
}

/* The one with the fewest connections, and how many all have together. */
static HttpWorker *worker_with_fewest(HttpListener *listener, unsigned *out)
{
	HttpWorker *best = &listener->workers[0];
	unsigned all = 0, fewest = UINT_MAX;

	for (unsigned i = 0; i < listener->worker_count; i++) {
		unsigned count = atomic_load(&listener->workers[i].connections);
		all += count;
		if (count < fewest) {
			fewest = count;
			best = &listener->workers[i];
		}
	}
	*out = all;
	return best;
}

bool http_workers_take(HttpListener *listener, int socket, const struct sockaddr *from, socklen_t from_size)
{
	unsigned connections;
	HttpWorker *worker = worker_with_fewest(listener, &connections);

	http_watch_make_room(listener, connections);
	if (connections >= listener->connections_max || atomic_load(&worker->connections) >= WORKER_CONNECTIONS)
		return false;
	atomic_fetch_add(&worker->connections, 1);
	/* Where it fails, the socket is closed, and nobody is told. */
	if (MHD_add_connection(worker->daemon, socket, from, from_size) != MHD_YES)
		atomic_fetch_sub(&worker->connections, 1);
	return true;
}

/* ---- threads --------------------------------------------------------------------------------------------------- */

static void on_message(void *cls, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
static void on_message(void *cls, const char *format, va_list arguments)
{
	char text[256];
	int size;

	if (strstr(format, "Content-Length"))
		http_refuse_length(cls);
	if (!log_enabled(LOG_DEBUG))
		return;
	size = vsnprintf(text, sizeof(text), format, arguments);
	text[strcspn(text, "\r\n")] = '\0';
	if (size > 0)
		log_line(LOG_DEBUG, "http", "library-message", L_STRING("message", text));
}

static unsigned threads_of(const HttpServerOptions *options)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	long workers = cores > 0 ? cores * WORKERS_A_CORE : 1;

	if (options->threads > 0)
		return options->threads;
	return workers > WORKERS_LEAST ? (unsigned)workers : WORKERS_LEAST;
}

/* A share of the descriptors the process may open, so that connections never take those that the rest of it needs. */
static unsigned connections_of(const HttpListener *listener)
{
	const HttpServer *server = listener->server;
	unsigned most = listener->worker_count * WORKER_CONNECTIONS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return most;
	rlim_t others = DESCRIPTORS_OF_OTHERS + HTTP_LINGER_MAX;
	rlim_t room = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
	if (server->options.ops_listen)
		room = listener == &server->ops ? room / OPS_SHARE : room - room / OPS_SHARE;
	if (room < CONNECTIONS_LEAST)
		room = CONNECTIONS_LEAST;
	return room < most ? (unsigned)room : most;
}

static Result worker_start(HttpWorker *worker)
{
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_message, worker },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_line, worker->listener },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, worker },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, worker->listener },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, WORKER_CONNECTIONS_OF_LIBRARY, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_SECONDS, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL }, /* what it would refuse, by a broken answer or none, is refused here */
		{ MHD_OPTION_END, 0, NULL },
	};

	worker->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, http_on_access, worker->listener, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!worker->daemon)
		return result_fail(ERROR_AGAIN, "the HTTP server cannot start: %s", strerror(errno));
	return result_ok();
}

Result http_workers_start(HttpListener *listener)
{
	listener->worker_count = threads_of(&listener->server->options);
	listener->connections_max = connections_of(listener);
	listener->workers = calloc(listener->worker_count, sizeof(*listener->workers));
	must(listener->workers != NULL);
	for (unsigned i = 0; i < listener->worker_count; i++) {
		listener->workers[i].listener = listener;
		TRY(worker_start(&listener->workers[i]));
	}
	return result_ok();
}

void http_workers_stop(HttpListener *listener)
{
	for (unsigned i = 0; i < listener->worker_count; i++)
		if (listener->workers[i].daemon)
			MHD_stop_daemon(listener->workers[i].daemon);
	free(listener->workers);
	listener->workers = NULL;
	listener->worker_count = 0;
}
