/*
 * libmicrohttpd's threads and their connections.
 *
 * Each worker is an MHD daemon of its own. Connections are counted and distributed here, because libmicrohttpd 0.9.75 must never
 * reach its own limit: a worker that receives one connection too many leaves its mutex locked, and then neither runs again nor
 * ends when the daemon is stopped.
 *
 * A worker takes at most 126 connections. libmicrohttpd asks epoll for 128 events at a time. If it gets exactly 128, it asks
 * epoll again, with the full timeout, before it handles any of them: with 128 connections ready at once a worker slept for up to
 * 30 seconds (seen at 256 connections on two workers). Therefore there are more workers than cores. In a measurement on two
 * cores, 8 workers were as fast as 2.
 *
 * Clients keep connections open between requests. A thousand clients that send one event an hour each must not keep new clients
 * out; the same holds for a client without a key that begins a thousand heads and completes none. Therefore, when at most
 * 1/FREE_SHARE of the capacity is free, the server closes one old connection for each connection that it accepts: the connection
 * that has waited longest for a complete head, if it has waited at least HEAD_WAIT_MIN_MS. This is safe: HTTP allows either side to
 * close an idle connection, clients then open another, and an ordinary client sends a head in one piece.
 */
#include "shared/io/http/internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	WORKER_CONNECTIONS = 126,
	WORKER_CONNECTIONS_OF_LIBRARY = 1000, /* never reached, although the library counts closed connections for a moment */
	WORKERS_LEAST = 8,
	WORKERS_A_CORE = 4,
	CONNECTION_MEMORY = 16384, /* bytes, cleared at every request; of 8192 to 65536 the fastest in a measurement */
	IDLE_TIMEOUT_SECONDS = 30,
	DESCRIPTORS_RESERVED = 192, /* for files, databases and brokers */
	CONNECTIONS_LEAST = 16,
	OPS_SHARE = 8, /* one in eight descriptors goes to the operations listener, if there is one */
	FREE_SHARE = 16,
	HEAD_WAIT_MIN_MS = 5000,
};

/* ---- slow senders ------------------------------------------------------------------------------------------------ */

/* True when the client sent bytes more than 20 ms after the connection became idle, or when the kernel cannot answer. */
static bool data_received(int socket, int64_t idle_us)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return true;
	return (int64_t)info.tcpi_last_data_recv + 20 < idle_us / 1000;
}

/*
 * libmicrohttpd's timeout restarts at every byte, so a client could hold a connection for ever by sending a byte now and then.
 * Here a request has an absolute deadline. The first line, which libmicrohttpd reports only when it is complete, has a deadline
 * of its own, which counts from the moment when its first bytes were seen. libmicrohttpd's timeout closes idle connections.
 */
static void request_inspect(HttpRequest *request, int64_t now_us, int64_t deadline_us)
{
	uint64_t watch = atomic_load_explicit(&request->watch, memory_order_acquire);
	int64_t time_us = watch_time_us(watch);

	if (watch_phase(watch) == WATCH_HEAD)
		time_us += deadline_us;
	if ((watch_phase(watch) == WATCH_TIMED || watch_phase(watch) == WATCH_HEAD) && now_us >= time_us)
		shutdown(request->socket, SHUT_RDWR);
	if (watch_phase(watch) == WATCH_IDLE && data_received(request->socket, now_us - time_us))
		atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_HEAD, now_us));
}

static struct timespec monotonic_after_ms(int64_t wait_ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += (time_t)(wait_ms / 1000);
	time.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}

static void *watch_run(void *context)
{
	HttpServer *server = context;
	int64_t deadline_ms = server->options.request_deadline_ms;
	int64_t tick_ms = deadline_ms < 4000 ? deadline_ms / 4 + 1 : 1000;

	pthread_mutex_lock(&server->mutex);
	while (!atomic_load(&server->stopping)) {
		struct timespec wake = monotonic_after_ms(tick_ms);
		pthread_cond_timedwait(&server->stop_watching, &server->mutex, &wake);
		int64_t now_us = clock_monotonic_us();
		for (HttpRequest *request = server->first; request; request = request->next)
			request_inspect(request, now_us, deadline_ms * 1000);
	}
	pthread_mutex_unlock(&server->mutex);
	return NULL;
}

void http_watch_start(HttpServer *server)
{
	must(pthread_create(&server->watcher, NULL, watch_run, server) == 0);
}

void http_watch_stop(HttpServer *server)
{
	pthread_mutex_lock(&server->mutex);
	pthread_cond_signal(&server->stop_watching);
	pthread_mutex_unlock(&server->mutex);
	pthread_join(server->watcher, NULL);
}

/* ---- the list of connections ------------------------------------------------------------------------------------- */

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

/*
 * True when closing the socket would reset the connection: the client may still be sending, or bytes from it are unread. False
 * while the server stops.
 */
static bool connection_lingers(const HttpRequest *request)
{
	int unread = 0;

	if (atomic_load(&request->listener->server->stopping))
		return false;
	return request->linger || (ioctl(request->socket, FIONREAD, &unread) == 0 && unread > 0);
}

/* libmicrohttpd reports a close before it closes the socket, so the sockets of listed requests are open while the mutex is held. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	HttpWorker *worker = cls;
	HttpServer *server = worker->listener->server;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
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
	http_request_release(request);
	atomic_fetch_sub(&worker->connections, 1);
}

/* ---- eviction ---------------------------------------------------------------------------------------------------- */

/*
 * The connection of the listener that has waited longest for a complete head, at least since before_us; NULL: no connection has
 * waited so long. The caller holds the mutex.
 */
static HttpRequest *oldest_without_head(const HttpListener *listener, int64_t before_us)
{
	HttpRequest *oldest = NULL;

	for (HttpRequest *request = listener->server->first; request; request = request->next) {
		uint64_t watch = atomic_load_explicit(&request->watch, memory_order_acquire);
		bool waits = watch_phase(watch) == WATCH_IDLE || watch_phase(watch) == WATCH_HEAD;
		if (request->listener != listener || !waits || watch_time_us(watch) > before_us)
			continue;
		oldest = request;
		before_us = watch_time_us(watch);
	}
	return oldest;
}

/*
 * Shuts the request's socket, and marks the request as timed out, so that it is not chosen again before its thread has closed the
 * connection. If bytes have arrived that the watcher has not seen yet, the socket stays open, and the wait for a head counts from
 * now. False: the socket was not shut; choose another request.
 */
static bool request_evict(HttpRequest *request, int64_t now_us)
{
	uint64_t watch = atomic_load(&request->watch);
	bool idle = watch_phase(watch) == WATCH_IDLE;

	if (!idle && watch_phase(watch) != WATCH_HEAD)
		return false;
	if (idle && data_received(request->socket, now_us - watch_time_us(watch))) {
		atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_HEAD, now_us));
		return false;
	}
	if (!atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_TIMED, now_us)))
		return false;
	shutdown(request->socket, SHUT_RDWR);
	return true;
}

static void oldest_evict(HttpListener *listener, unsigned connections)
{
	HttpServer *server = listener->server;
	int64_t now_us = clock_monotonic_us();

	if (listener->connections_max - connections > listener->connections_max / FREE_SHARE)
		return;
	pthread_mutex_lock(&server->mutex);
	HttpRequest *request;
	do
		request = oldest_without_head(listener, now_us - HEAD_WAIT_MIN_MS * 1000);
	while (request && !request_evict(request, now_us));
	pthread_mutex_unlock(&server->mutex);
}

/* ---- distribution ------------------------------------------------------------------------------------------------ */

/* The worker with the fewest connections; *out: the connections of all workers. */
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

	oldest_evict(listener, connections);
	if (connections >= listener->connections_max || atomic_load(&worker->connections) >= WORKER_CONNECTIONS)
		return false;
	atomic_fetch_add(&worker->connections, 1);
	/* On failure libmicrohttpd closes the socket and reports no connection. */
	if (MHD_add_connection(worker->daemon, socket, from, from_size) != MHD_YES)
		atomic_fetch_sub(&worker->connections, 1);
	return true;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

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

/*
 * The most connections of the listener: a share of the descriptor limit, so that the rest of the process keeps enough descriptors,
 * but at least CONNECTIONS_LEAST.
 */
static unsigned connections_of(const HttpListener *listener)
{
	const HttpServer *server = listener->server;
	unsigned capacity = listener->worker_count * WORKER_CONNECTIONS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
		return capacity;
	rlim_t others = DESCRIPTORS_RESERVED + HTTP_LINGER_MAX;
	rlim_t room = limit.rlim_cur > others ? limit.rlim_cur - others : 0;
	if (server->options.ops_listen)
		room = listener == &server->ops ? room / OPS_SHARE : room - room / OPS_SHARE;
	if (room < CONNECTIONS_LEAST)
		room = CONNECTIONS_LEAST;
	return room < capacity ? (unsigned)room : capacity;
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
		/* 0: http_head_fault makes these checks instead, because libmicrohttpd's own refusals are broken or missing. */
		{ MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	worker->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, http_on_access, worker->listener, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!worker->daemon)
		return result_fail(ERROR_AGAIN, "a thread of the HTTP server cannot start: %s", strerror(errno));
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
