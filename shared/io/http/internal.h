/*
 * Shared by the parts of the HTTP server and private to them: http/server.c (listeners, start and stop), http/connections.c
 * (libmicrohttpd's threads, their connections, slow senders), http/request.c (one request from its first line to its end) and
 * http/response.c (headers of an answer; answers that bypass libmicrohttpd).
 *
 * Each connection has one HttpRequest, which is reused for all requests of the connection. One thread uses the HttpRequest at a
 * time: the connection's thread, or the thread that answers after http_suspend. The watcher, the acceptor and http_server_stop also
 * read `listener`, `socket` and `connection`, which never change, and `suspended`. Any of these threads may use:
 *   answer_state     a thread must change it from ANSWER_OPEN, atomically, before it answers or orphans the request; for all other
 *                    threads this change then fails
 *   watch            phase and time in one word, so that both are compared and swapped together
 *   previous, next   links of the server's list, guarded by its mutex; a request leaves the list before its socket is closed
 */
#ifndef TOCSIN_IO_HTTP_INTERNAL_H
#define TOCSIN_IO_HTTP_INTERNAL_H

#include "shared/io/http/linger.h"
#include "shared/io/http/listen.h"
#include "shared/io/http/router.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	HTTP_BODY_FIRST = 64 * 1024, /* largest first allocation for a body, however large its declared length */
	HTTP_BODY_KEPT = 4096, /* the most bytes of body memory that an idle connection keeps */
	HTTP_BODY_UNWANTED = 64 * 1024, /* bytes of a body that are read and dropped on a route that takes no body */
	HTTP_HEADERS_ADDED = 7, /* room for the headers that the server adds to those of a handler */
};

typedef struct HttpListener HttpListener;

/* One thread of libmicrohttpd. */
typedef struct {
	HttpListener *listener;
	struct MHD_Daemon *daemon;
	atomic_uint connections; /* connections that were handed to this worker and are not closed yet */
} HttpWorker;

struct HttpListener {
	HttpServer *server;
	HttpRouteSet routes;
	HttpWorker *workers;
	unsigned worker_count, connections_max;
	pthread_t acceptor;
	bool accepting;
	atomic_bool closing;
	int socket; /* -1: not listening */
	char address[LISTEN_TEXT];
};

struct HttpServer {
	HttpServerOptions options;
	HttpListener main, ops;
	atomic_uint inflight;
	atomic_bool quiesced, stopping;
	pthread_t watcher;
	pthread_mutex_t mutex; /* guards the list that begins at `first`, and stop_watching */
	pthread_cond_t stop_watching;
	HttpRequest *first;
	HttpLinger *linger;
};

/*
 * OPEN: the request is not answered. SETTLED: one thread answers it or aborts it. ORPHANED: the server stopped before the request
 * was answered; the connection and the answering thread both still use the request. RELEASED: either the connection or the
 * answering thread has released the orphan; the other of the two must free it.
 */
typedef enum { ANSWER_OPEN, ANSWER_SETTLED, ANSWER_ORPHANED, ANSWER_RELEASED } AnswerState;

/*
 * A watch has a phase and a time on the monotonic clock. IDLE: the connection has waited for its next request since that time.
 * HEAD: a part of a request's head was received, and the deadline counts from that time. TIMED: the connection is closed at that
 * time. EXEMPT: a handler has the request, and no deadline applies.
 */
typedef enum { WATCH_IDLE, WATCH_HEAD, WATCH_TIMED, WATCH_EXEMPT } WatchPhase;

struct HttpRequest {
	HttpListener *listener;
	HttpWorker *worker;
	struct MHD_Connection *connection; /* NULL: the socket is refused and was never given to libmicrohttpd */
	int socket;
	bool linger; /* the client may still be sending when the connection closes */
	HttpRequest *previous, *next;
	_Atomic uint64_t watch;
	_Atomic int answer_state;
	atomic_bool suspended;

	/* The members below describe the current request of the connection. */
	const char *method, *line_fault, *media_fault;
	const void *principal;
	int64_t started_us;
	bool line_received;
	bool headers_received; /* the request counts in server->inflight */
	bool dispatched; /* the handler was called, or a body that is too large was refused in its place */
	bool refused; /* the server refused the request; its handler is not called */
	bool close; /* close after the answer: it is uncertain where the next request begins */
	bool direct; /* the answer bypasses libmicrohttpd */
	bool too_large;
	bool path_too_long;
	size_t path_size;
	char path[HTTP_PATH_MAX + 1];
	HttpMatch match;
	char *body;
	size_t body_size, body_capacity;
	uint64_t body_seen;
	int64_t body_declared; /* -1: chunked */
	struct MHD_Response *response;
	size_t answer_size;
	unsigned status; /* of the answer; 0: not answered yet, or closed without an answer */
};

static inline uint64_t watch_of(WatchPhase phase, int64_t time_us)
{
	return (uint64_t)time_us << 2 | phase;
}

static inline WatchPhase watch_phase(uint64_t watch)
{
	return (WatchPhase)(watch & 3);
}

static inline int64_t watch_time_us(uint64_t watch)
{
	return (int64_t)(watch >> 2);
}

/* ---- request.c: callbacks of libmicrohttpd; cls is the HttpListener */

void *http_on_line(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *upload, size_t *upload_size, void **context);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode why);

/* The request object of a new connection; never NULL. */
HttpRequest *http_request_new(HttpWorker *worker, struct MHD_Connection *connection);

/* Frees the request. An orphan has two users, each of which calls this function: the second call frees it. */
void http_request_release(HttpRequest *request);

/* ---- connections.c */

/* Start and stop a listener's threads. ERROR_AGAIN: not all threads started; http_workers_stop stops those that did. */
Result http_workers_start(HttpListener *listener);
void http_workers_stop(HttpListener *listener);

/* Takes ownership of the socket. False: there is no room, and the caller still owns the socket. Only the acceptor calls it. */
bool http_workers_take(HttpListener *listener, int socket, const struct sockaddr *from, socklen_t from_size);

/* Start and stop the thread that closes slow connections. server->stopping must be set before http_watch_stop. */
void http_watch_start(HttpServer *server);
void http_watch_stop(HttpServer *server);

/* ---- response.c */

/* Returns the answer for libmicrohttpd, with all headers; body and values are copied. Never NULL. */
struct MHD_Response *http_response_make(const HttpRequest *request, const HttpResponse *response);

/* Writes an answer to the socket. Bytes that the socket cannot take at once are dropped; more than 128 KiB are not sent at all. */
void http_response_send(const HttpRequest *request, const HttpResponse *response);

/* Writes a refusal to the socket without libmicrohttpd (response.c has the reasons), and shuts the socket's sending side. */
void http_refuse_directly(HttpRequest *request, unsigned status, const char *detail);

/* Refuses a connection above the limit with 503; takes ownership of the socket. */
void http_refuse_connection(HttpListener *listener, int socket);

/* Sends the refusal of an invalid Content-Length on one of this worker's connections before libmicrohttpd sends its own. */
void http_refuse_length(HttpWorker *worker);

#endif
