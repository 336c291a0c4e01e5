#include "shared/io/http/server.h"

#include "shared/io/system/clock.h"
#include "shared/io/http/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * This file accepts connections and hands them to libmicrohttpd. If libmicrohttpd accepted them on a thread pool,
 * MHD_quiesce_daemon could abort the process, because it races with the pool's workers over the listener's epoll entry.
 */

enum {
	BACKLOG = 1024,
	DEADLINE_MS = 30000,
	STOP_WAIT_MS = 500, /* time for the requests in progress */
	ACCEPT_PAUSE_MS = 50,
};

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static Result bind_failed(const char *text)
{
	switch (errno) {
	case EADDRINUSE: return result_fail(ERROR_AGAIN, "%s is in use by another program: choose another port", text);
	case EACCES:
	case EPERM: return result_fail(ERROR_AGAIN, "this user may not listen on %s: choose a port above 1023", text);
	case EADDRNOTAVAIL: return result_fail(ERROR_INPUT, "%s is not an address of this machine", text);
	default: return result_fail(ERROR_AGAIN, "cannot listen on %s: %s", text, strerror(errno));
	}
}

/* ERROR_INPUT: the machine does not support the address family; ERROR_AGAIN: any other failure. */
static Result socket_open(HttpListener *listener, const char *text, int family)
{
	int on = 1, off = 0;

	listener->socket = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener->socket < 0 && errno == EAFNOSUPPORT)
		return result_fail(ERROR_INPUT, "%s: this machine has no IPv6: give an IPv4 address", text);
	if (listener->socket < 0)
		return result_fail(ERROR_AGAIN, "cannot create a socket for %s: %s", text, strerror(errno));
	setsockopt(listener->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6 && setsockopt(listener->socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0)
		return result_fail(ERROR_AGAIN, "cannot listen on %s: %s", text, strerror(errno));
	return result_ok();
}

/* ERROR_INPUT: the text is not a listener's address, or the machine does not have the address; ERROR_AGAIN: any other failure. */
static Result listener_bind(HttpListener *listener, const char *text)
{
	ListenAddress address;

	if (!listen_parse(text, &address))
		return result_fail(ERROR_INPUT, "'%s' is not " LISTEN_FORM, text);
	TRY(socket_open(listener, text, address.socket.ss_family));
	if (bind(listener->socket, (struct sockaddr *)&address.socket, address.size) != 0 ||
	    listen(listener->socket, BACKLOG) != 0 ||
	    getsockname(listener->socket, (struct sockaddr *)&address.socket, &address.size) != 0)
		return bind_failed(text);
	listen_format(&address, listener->address);
	return result_ok();
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

/* While the process has no free descriptor, new connections wait in the kernel. */
static void *accept_run(void *context)
{
	HttpListener *listener = context;

	while (!atomic_load(&listener->closing)) {
		struct sockaddr_storage from;
		socklen_t size = sizeof(from);
		int client = accept4(listener->socket, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (client < 0 && errno != EINTR && errno != ECONNABORTED)
			clock_sleep_ms(ACCEPT_PAUSE_MS);
		else if (client >= 0 && !http_workers_take(listener, client, (struct sockaddr *)&from, size))
			http_refuse_connection(listener, client);
	}
	return NULL;
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

static Result listener_serve(HttpListener *listener)
{
	TRY(http_workers_start(listener));
	must(pthread_create(&listener->acceptor, NULL, accept_run, listener) == 0);
	listener->accepting = true;
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
	server->linger = http_linger_new();
	return server;
}

/* Threads started here block all signals, which the main thread handles. */
Result http_server_start(const HttpServerOptions *options, HttpServer **out)
{
	sigset_t all, before;

	must(options->refuse != NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	HttpServer *server = server_new(options);
	http_watch_start(server);
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

/* ---- stop -------------------------------------------------------------------------------------------------------- */

static void listener_quiesce(HttpListener *listener)
{
	if (listener->socket < 0)
		return;
	atomic_store(&listener->closing, true); /* ends the loop even if accept4 finds no free descriptor */
	shutdown(listener->socket, SHUT_RDWR); /* makes accept return */
	if (listener->accepting)
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

/* Shuts all sockets. Orphans and resumes suspended requests: MHD_stop_daemon aborts the process if a connection is suspended. */
static void requests_orphan(HttpServer *server)
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
		requests_orphan(server);
		wait_for_answers(server, 10);
	}
	http_watch_stop(server);
	http_workers_stop(&server->main);
	http_workers_stop(&server->ops);
	http_linger_free(server->linger);
	pthread_cond_destroy(&server->stop_watching);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}
