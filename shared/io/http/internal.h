/*
 * What the parts of the HTTP server share: http/server.c (listeners, stopping), http/workers.c (libmicrohttpd's threads and their
 * connections), http/watch.c (slow senders, and room for new ones), http/request.c (the life of one request), http/response.c (an
 * answer's headers), http/direct.c (answers that go past libmicrohttpd) and http/linger.c (closing without losing an answer).
 * Private to them.
 *
 * There is one HttpRequest a connection, made with it and used for its requests one after the other, so a request costs no
 * allocation of its own. It belongs to the connection's thread, but for three things other threads touch:
 *   answer_state  whoever moves it away from ANSWER_OPEN settles the request, and nobody else may
 *   watch         what http/watch.c needs, in one word, so that it is compared and swapped as one
 *   the list      previous and next, under the server's mutex; a request leaves it before its socket is closed
 */
#ifndef TOCSIN_IO_HTTP_INTERNAL_H
#define TOCSIN_IO_HTTP_INTERNAL_H

#include "shared/io/http/router.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	HTTP_ADDRESS_MAX = 32,
	HTTP_BODY_FIRST = 64 * 1024, /* a longer body grows into its room: a declared length alone takes no memory */
	HTTP_BODY_KEPT = 4096, /* room that stays with an idle connection */
	HTTP_BODY_UNWANTED = 64 * 1024,
	HTTP_DRAIN_MAX = 16 * 1024 * 1024, /* bytes read and dropped behind a refusal before the connection is cut */
	HTTP_LINGER_MAX = 128, /* connections that are closed but still read */
	HTTP_HEADERS_OURS = 7, /* at most added to an answer's own */
};

typedef struct HttpLinger HttpLinger;
typedef struct HttpListener HttpListener;

/* One thread of libmicrohttpd. */
typedef struct {
	HttpListener *listener;
	struct MHD_Daemon *daemon;
	atomic_uint connections; /* given to it and not closed yet */
} HttpWorker;

struct HttpListener {
	HttpServer *server;
	HttpRouteSet routes;
	HttpWorker *workers;
	unsigned worker_count, connections_max;
	pthread_t acceptor;
	bool accepting;
	atomic_bool closing;
	int socket; /* -1: not listening any more */
	char address[HTTP_ADDRESS_MAX];
};

struct HttpServer {
	HttpServerOptions options;
	HttpListener main, ops;
	atomic_uint inflight;
	atomic_bool quiesced, stopping;
	pthread_t watcher;
	pthread_mutex_t mutex; /* the list, and the watcher's sleep */
	pthread_cond_t stop_watching;
	HttpRequest *first;
	HttpLinger *linger;
};

/*
 * ORPHANED: the server stops and takes the request from the one who owes its answer. LEFT: one of the two, the connection or
 * that one, is through with an orphan; the other frees it.
 */
typedef enum { ANSWER_OPEN, ANSWER_SETTLED, ANSWER_ORPHANED, ANSWER_LEFT } AnswerState;

/*
 * WATCH_IDLE since a time: nothing of a next request has come. WATCH_HEAD since a time: some of its head. WATCH_TIMED: cut at a
 * time. WATCH_EXEMPT: ours to answer.
 */
typedef enum { WATCH_IDLE, WATCH_HEAD, WATCH_TIMED, WATCH_EXEMPT } WatchPhase;

struct HttpRequest {
	HttpListener *listener;
	HttpWorker *worker;
	struct MHD_Connection *connection; /* NULL: refused before there was one */
	int socket;
	bool linger; /* the client may still be sending when the connection is closed */
	HttpRequest *previous, *next;
	_Atomic uint64_t watch;
	_Atomic int answer_state;
	atomic_bool suspended;

	/* Of the present request only. */
	const char *method, *line_fault, *media_fault;
	const void *principal;
	int64_t started_us;
	bool lined; /* its first line is in */
	bool begun; /* its headers are in, and it is counted as under way */
	bool dispatched; /* its handler was called */
	bool refused; /* answered before its body was in */
	bool close; /* what follows on this connection cannot be trusted */
	bool direct; /* its answer goes straight to the socket */
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
	unsigned status; /* 0: closed without an answer */
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

/* The callbacks libmicrohttpd gets; cls is the HttpListener. */
void *http_on_line(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result http_on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
			       const char *version, const char *upload, size_t *upload_size, void **context);
void http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
		       enum MHD_RequestTerminationCode why);

/* A connection's request object begins and ends. */
HttpRequest *http_request_new(HttpWorker *worker, struct MHD_Connection *connection);
void http_request_free(HttpRequest *request);

/* Through with a request that may be an orphan: frees it, unless the other one is not through with it yet. */
void http_request_leave(HttpRequest *request);

/* Starts and stops a listener's threads. Starting fails with ERROR_AGAIN, and what was started is stopped as ever. */
Result http_workers_start(HttpListener *listener);
void http_workers_stop(HttpListener *listener);

/* Takes the socket; false, and it is still the caller's, where there is no room for it. Of the acceptor only. */
bool http_workers_take(HttpListener *listener, int socket, const struct sockaddr *from, socklen_t from_size);

/* The watcher for slow senders: one thread a server, which ends once the server is stopping. */
void http_watch_start(HttpServer *server);
void http_watch_stop(HttpServer *server);

/* Where so many connections leave little room, ends the one that has owed a whole head longest, if it has done so for seconds. */
void http_watch_make_room(HttpListener *listener, unsigned connections);

/* For libmicrohttpd, which copies what it needs. */
struct MHD_Response *http_response_make(const HttpRequest *request, const HttpResponse *response);

/* Writes an answer to the request's socket, as far as that takes it at once. */
void http_response_send(const HttpRequest *request, const HttpResponse *response);

/* Refuses what libmicrohttpd cannot answer any more or never saw, and ends the sending side of the connection. */
void http_refuse_directly(HttpRequest *request, unsigned status, const char *detail);

/* Refuses a connection above the limit; the socket is taken. */
void http_refuse_connection(HttpListener *listener, int socket);

/* libmicrohttpd is about to answer a Content-Length of this worker's that is none: ours is sent before it. */
void http_refuse_length(HttpWorker *worker);

/* One thread, and at most HTTP_LINGER_MAX sockets. Freeing closes them all. */
HttpLinger *http_linger_new(void);
void http_linger_free(HttpLinger *linger);

/* Takes a socket whose sending side has ended, and closes it once the client has done so too, or after a bounded while. */
void http_linger_take(HttpLinger *linger, int socket);

#endif
