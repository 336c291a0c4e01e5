#include "shared/edge/http_server.h"

#include "shared/edge/clock.h"
#include "shared/edge/http_internal.h"
#include "shared/edge/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Connections are accepted here and handed to libmicrohttpd, for two reasons: its quiescing of a thread pool races with
 * its workers for the listener's place in epoll and aborts when it loses; and it deals connections out evenly.
 *
 * A worker is given at most 126 of them. libmicrohttpd 0.9.75 asks epoll for 128 events at a time, and when it got exactly
 * 128 it asks again, with the full timeout, before it looks at any: with 128 connections that became ready at once the
 * worker slept for up to 30 seconds with all of them waiting (seen at 256 connections on two workers). So there are more
 * workers than cores; measured, 8 on two cores are as fast as 2.
 */

enum {
	BACKLOG = 1024,
	WORKER_CONNECTIONS = 126,
	WORKERS_LEAST = 8,
	WORKERS_A_CORE = 4,
	CONNECTION_MEMORY = 16384, /* of a connection, cleared at every request: measured the best of 8192 to 65536 */
	IDLE_TIMEOUT_SECONDS = 30,
	DEADLINE_MS = 30000,
	STOP_WAIT_MS = 2000, /* for answers on their way out */
	ACCEPT_PAUSE_MS = 50,
};

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static Result address_parse(const char *text, struct sockaddr_in *out)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN];
	int64_t port;

	*out = (struct sockaddr_in){ .sin_family = AF_INET };
	if (!colon || !text_copy((Slice){ text, (size_t)(colon - text) }, host, sizeof(host)) ||
	    inet_pton(AF_INET, host, &out->sin_addr) != 1 || !slice_integer(slice_of(colon + 1), &port) || port < 0 ||
	    port > 65535)
		return result_fail(ERROR_INPUT, "'%s' is no address to listen on: 127.0.0.1:8080 would be one", text);
	out->sin_port = htons((uint16_t)port);
	return result_ok();
}

static Result bind_failed(const char *text)
{
	switch (errno) {
	case EADDRINUSE: return result_fail(ERROR_AGAIN, "%s is in use by another program", text);
	case EACCES:
	case EPERM: return result_fail(ERROR_AGAIN, "listening on %s is not permitted to this user", text);
	case EADDRNOTAVAIL: return result_fail(ERROR_INPUT, "%s is no address of this machine", text);
	default: return result_fail(ERROR_AGAIN, "cannot listen on %s: %s", text, strerror(errno));
	}
}

static Result listener_bind(HttpListener *listener, const char *text)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int on = 1;

	TRY(address_parse(text, &address));
	listener->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->socket < 0)
		return result_fail(ERROR_AGAIN, "no socket for %s: %s", text, strerror(errno));
	setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener->socket, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener->socket, BACKLOG) != 0 ||
	    getsockname(listener->socket, (struct sockaddr *)&address, &size) != 0)
		return bind_failed(text);
	char host[INET_ADDRSTRLEN];
	inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
	snprintf(listener->address, sizeof(listener->address), "%s:%u", host, ntohs(address.sin_port));
	return result_ok();
}

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

/* Closed is told before the socket is closed, so whoever holds the mutex may use the sockets of the list. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode what)
{
	HttpListener *listener = cls;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		HttpRequest *request = http_request_new(listener, connection);
		*context = request;
		list_add(listener->server, request);
		return;
	}
	HttpRequest *request = *context;
	*context = NULL;
	list_remove(listener->server, request);
	if (atomic_load(&request->answer_state) != ANSWER_ORPHANED)
		http_request_free(request);
}

static void *accept_run(void *context)
{
	HttpListener *listener = context;

	for (;;) {
		struct sockaddr_in from;
		socklen_t size = sizeof(from);
		int client = accept4(listener->socket, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client >= 0)
			/* Closes the socket where it cannot take it. */
			MHD_add_connection(listener->daemon, client, (struct sockaddr *)&from, size);
		else if (errno == EINVAL || errno == EBADF)
			return NULL;
		else if (errno != EINTR && errno != ECONNABORTED)
			clock_sleep_ms(ACCEPT_PAUSE_MS);
	}
}

/* ---- slow senders ---------------------------------------------------------------------------------------------- */

/* Whether the client has sent anything since a connection became idle; true where the kernel cannot say. */
static bool data_came(int socket, int64_t idle_us)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return true;
	return (int64_t)info.tcpi_last_data_recv + 20 < idle_us / 1000;
}

/*
 * libmicrohttpd's timeout begins anew at every byte, so a byte now and then holds a connection for ever. Here a request has
 * an absolute deadline. Its line, which libmicrohttpd shows only when it is whole, has one of its own from the moment that
 * bytes of it were seen; a connection that is just idle is left to libmicrohttpd's timeout.
 */
static void request_inspect(HttpRequest *request, int64_t now_us, int64_t deadline_us)
{
	uint64_t watch = atomic_load_explicit(&request->watch, memory_order_acquire);
	int64_t time_us = watch_time_us(watch);

	if (watch_phase(watch) == WATCH_TIMED && now_us >= time_us)
		shutdown(request->socket, SHUT_RDWR);
	if (watch_phase(watch) == WATCH_IDLE && data_came(request->socket, now_us - time_us))
		atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_TIMED, now_us + deadline_us));
}

static struct timespec time_in_ms(int64_t wait_ms)
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
		struct timespec wake = time_in_ms(tick_ms);
		pthread_cond_timedwait(&server->stop_watching, &server->mutex, &wake);
		int64_t now_us = clock_monotonic_us();
		for (HttpRequest *request = server->first; request; request = request->next)
			request_inspect(request, now_us, deadline_ms * 1000);
	}
	pthread_mutex_unlock(&server->mutex);
	return NULL;
}

/* ---- start ----------------------------------------------------------------------------------------------------- */

static void on_message(void *cls, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
static void on_message(void *cls, const char *format, va_list arguments)
{
	char text[256];
	int size;

	(void)cls;
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

static Result listener_serve(HttpListener *listener)
{
	unsigned threads = threads_of(&listener->server->options);
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)on_message, NULL },
		{ MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)http_on_line, listener },
		{ MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, listener },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)http_on_completed, listener },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_CONNECTION_LIMIT, (intptr_t)threads * WORKER_CONNECTIONS, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_SECONDS, NULL },
		{ MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL },
		{ threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};

	listener->daemon = MHD_start_daemon(
		MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_NO_LISTEN_SOCKET,
		0, NULL, NULL, http_on_access, listener, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
	if (!listener->daemon)
		return result_fail(ERROR_AGAIN, "the HTTP server cannot start: %s", strerror(errno));
	must(pthread_create(&listener->acceptor, NULL, accept_run, listener) == 0);
	return result_ok();
}

static Result server_listen(HttpServer *server)
{
	const HttpServerOptions *options = &server->options;

	TRY(listener_bind(&server->main, options->listen));
	if (options->ops_listen)
		TRY(listener_bind(&server->ops, options->ops_listen));
	TRY(listener_serve(&server->main));
	if (options->ops_listen)
		TRY(listener_serve(&server->ops));
	return result_ok();
}

static HttpServer *server_new(const HttpServerOptions *options)
{
	HttpServer *server = calloc(1, sizeof(*server));
	pthread_condattr_t monotonic;

	must(server != NULL);
	server->options = *options;
	if (server->options.request_deadline_ms <= 0)
		server->options.request_deadline_ms = DEADLINE_MS;
	server->main = (HttpListener){ .server = server, .socket = -1, .routes = HTTP_ROUTES_ALL };
	server->ops = (HttpListener){ .server = server, .socket = -1, .routes = HTTP_ROUTES_OPS };
	if (options->ops_listen)
		server->main.routes = HTTP_ROUTES_PUBLIC;
	must(pthread_mutex_init(&server->mutex, NULL) == 0);
	must(pthread_condattr_init(&monotonic) == 0);
	must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&server->stop_watching, &monotonic) == 0);
	pthread_condattr_destroy(&monotonic);
	return server;
}

/* Threads begun here take no signals: those are the program's. */
Result http_server_start(const HttpServerOptions *options, HttpServer **out)
{
	HttpServer *server = server_new(options);
	sigset_t all, before;

	must(options->refuse != NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	must(pthread_create(&server->watcher, NULL, watch_run, server) == 0);
	Result result = server_listen(server);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result_failed(result)) {
		http_server_stop(server);
		return result;
	}
	*out = server;
	return result;
}

const char *http_server_address(const HttpServer *server)
{
	return server->main.address;
}

unsigned http_server_inflight(const HttpServer *server)
{
	return atomic_load(&server->inflight);
}

/* ---- stop ------------------------------------------------------------------------------------------------------ */

static void listener_quiesce(HttpListener *listener)
{
	if (listener->socket < 0)
		return;
	shutdown(listener->socket, SHUT_RDWR); /* makes accept return */
	if (listener->daemon)
		pthread_join(listener->acceptor, NULL);
	close(listener->socket);
	listener->socket = -1;
}

void http_server_quiesce(HttpServer *server)
{
	atomic_store(&server->quiesced, true);
	listener_quiesce(&server->main);
}

static void wait_for_answers(HttpServer *server, int64_t wait_ms)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;

	while (http_server_inflight(server) > 0 && clock_monotonic_us() < until_us)
		clock_sleep_ms(5);
}

/* Takes suspended requests from those who owe an answer, and closes all others: a suspended one at the end would abort. */
static void cut_leftovers(HttpServer *server)
{
	pthread_mutex_lock(&server->mutex);
	for (HttpRequest *request = server->first; request; request = request->next) {
		int open = ANSWER_OPEN;
		shutdown(request->socket, SHUT_RDWR);
		if (atomic_load(&request->suspended) &&
		    atomic_compare_exchange_strong(&request->answer_state, &open, ANSWER_ORPHANED))
			MHD_resume_connection(request->connection);
	}
	pthread_mutex_unlock(&server->mutex);
}

void http_server_stop(HttpServer *server)
{
	if (!server)
		return;
	http_server_quiesce(server);
	listener_quiesce(&server->ops);
	wait_for_answers(server, STOP_WAIT_MS);
	atomic_store(&server->stopping, true);
	while (http_server_inflight(server) > 0) {
		cut_leftovers(server);
		wait_for_answers(server, 10);
	}
	pthread_mutex_lock(&server->mutex);
	pthread_cond_signal(&server->stop_watching);
	pthread_mutex_unlock(&server->mutex);
	pthread_join(server->watcher, NULL);
	if (server->main.daemon)
		MHD_stop_daemon(server->main.daemon);
	if (server->ops.daemon)
		MHD_stop_daemon(server->ops.daemon);
	pthread_cond_destroy(&server->stop_watching);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}
