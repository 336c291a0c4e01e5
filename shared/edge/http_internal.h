/*
 * What http_server.c (listeners, threads, slow senders) and http_request.c (the life of one request) share. Private to
 * both.
 *
 * There is one HttpRequest a connection, made with it and used for its requests one after the other, so a request costs no
 * allocation of its own. It belongs to the connection's thread, but for three things other threads touch:
 *   answer_state  whoever moves it away from ANSWER_OPEN settles the request, and nobody else may
 *   watch         what the watcher for slow senders needs, in one word, so that it is compared and swapped as one
 *   the list      previous and next, under the server's mutex; a request leaves it before its socket is closed
 */
#ifndef TOCSIN_EDGE_HTTP_INTERNAL_H
#define TOCSIN_EDGE_HTTP_INTERNAL_H

#include "shared/edge/http_router.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
	HTTP_ADDRESS_MAX = 32,
	HTTP_BODY_FIRST = 64 * 1024, /* a longer body grows into its room: a declared length alone takes no memory */
	HTTP_BODY_KEPT = 4096, /* room that stays with an idle connection */
	HTTP_BODY_UNWANTED = 64 * 1024,
	HTTP_DRAIN_MAX = 16 * 1024 * 1024, /* chunked bytes beyond the bound read before the connection is cut */
};

typedef struct {
	HttpServer *server;
	HttpRouteSet routes;
	struct MHD_Daemon *daemon;
	pthread_t acceptor;
	int socket; /* -1: not listening any more */
	char address[HTTP_ADDRESS_MAX];
} HttpListener;

struct HttpServer {
	HttpServerOptions options;
	HttpListener main, ops;
	atomic_uint inflight;
	atomic_bool quiesced, stopping;
	pthread_t watcher;
	pthread_mutex_t mutex; /* the list, and the watcher's sleep */
	pthread_cond_t stop_watching;
	HttpRequest *first;
};

typedef enum { ANSWER_OPEN, ANSWER_SETTLED, ANSWER_ORPHANED } AnswerState;

/* WATCH_IDLE since a time: nothing of a next request has come. WATCH_TIMED: cut at a time. WATCH_EXEMPT: ours to answer. */
typedef enum { WATCH_IDLE, WATCH_TIMED, WATCH_EXEMPT } WatchPhase;

struct HttpRequest {
	HttpListener *listener;
	struct MHD_Connection *connection;
	int socket;
	HttpRequest *previous, *next;
	_Atomic uint64_t watch;
	_Atomic int answer_state;
	atomic_bool suspended;

	/* Of the present request only. */
	const char *method, *media_fault;
	const void *principal;
	int64_t started_us;
	bool begun; /* its headers are in, and it is counted as under way */
	bool dispatched; /* its handler was called */
	bool refused; /* answered before its body was in */
	bool close; /* what follows on this connection cannot be trusted */
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
HttpRequest *http_request_new(HttpListener *listener, struct MHD_Connection *connection);
void http_request_free(HttpRequest *request);

#endif
