/*
 * The HTTP server: libmicrohttpd, a few epoll threads a core, connections suspended while they wait, so that no thread ever
 * waits for a disk or a command.
 *
 * It stands on libmicrohttpd itself rather than on ulfius, which the first design named: ulfius fixes the status of an
 * answer when its callback returns, so a suspended command could not become 200, 409 or 412 later; it answers 404 to HEAD
 * and to a wrong method, cuts bodies silently and reads them before anyone could refuse them. Below it is the same library.
 *
 * A route is a row: method, path with {names}, handler. A request goes through, in this order: the router (404, 405 with
 * Allow, HEAD where GET is), the `admit` callback (authentication: before a byte of the body is read), the body's bound
 * (413) and type (415), the handler. Every answer of ours that is no success is application/problem+json, made by the
 * `refuse` callback; libmicrohttpd itself answers only what it cannot read as a head or as chunks. Connections that send
 * slowly are cut after request_deadline_ms whatever they trickle. Who is refused while its body is under way may send up to
 * HTTP_DRAIN_MAX bytes of it and still reads the answer. A connection above the limit gets a 503 with Retry-After at once;
 * where little room is left, connections that have owed a head for seconds, idle or half-sent, are ended for those that come.
 */
#ifndef TOCSIN_IO_HTTP_SERVER_H
#define TOCSIN_IO_HTTP_SERVER_H

#include "shared/base/error.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

enum { HTTP_PATH_VALUES = 4, HTTP_HEADERS_MAX = 12 };

/*
 * What goes back. Names are literals; values are copied by http_answer, and one that holds a line end is dropped with its
 * header. X-Content-Type-Options: nosniff and Cache-Control: no-store are added where the answer has none of its own, and
 * WWW-Authenticate and Allow to 401 and 405.
 */
typedef struct {
	unsigned status;
	const char *content_type; /* NULL: no body */
	Slice body;               /* copied */
	struct {
		const char *name;
		const char *value;
	} headers[HTTP_HEADERS_MAX];
	size_t header_count;
} HttpResponse;

/* Every handler ends in exactly one http_answer or http_abort, now or later, from any thread (later: after http_suspend). */
typedef void (*HttpHandler)(HttpRequest *request, void *context);

typedef struct {
	const char *method, *path; /* "GET", "/v1/incidents/{id}" */
	HttpHandler handler;
	bool open;            /* no key needed: admit is not called */
	bool ops;             /* /livez, /readyz, /metrics: on the ops listener where there is one */
	size_t body_max;      /* bytes; 0: a body is not wanted */
	const char *operation; /* operationId in OpenAPI, and the route label of metrics */
	void *context;        /* given to its handler instead of the server's; NULL: that */
} HttpRoute;

typedef struct {
	const HttpRoute *routes;
	size_t route_count;
	const char *listen;     /* "127.0.0.1:8080", port 0: a free one */
	const char *ops_listen; /* or NULL */
	unsigned threads;       /* each takes 126 connections, all together what RLIMIT_NOFILE leaves; 0: four a core, at least eight */
	int64_t request_deadline_ms; /* 0: 30000 */
	void *context;          /* given to handlers and callbacks */
	/* Looks at the headers of a request to a route that is not open; ERROR_DENIED is answered with 401. May keep a value with http_set_principal. */
	Result (*admit)(HttpRequest *request, void *context);
	/* Answers a refusal the server itself decided: status and a detail for people. Must call http_answer. */
	void (*refuse)(HttpRequest *request, unsigned status, const char *detail, void *context);
} HttpServerOptions;

/* ERROR_INPUT: bad address; ERROR_AGAIN: port in use or not permitted. */
Result http_server_start(const HttpServerOptions *options, HttpServer **out);

/* "127.0.0.1:43017", as bound. */
const char *http_server_address(const HttpServer *server);

/* Stops taking connections; those under way go on, each to the end of its request. The ops listener stays. */
void http_server_quiesce(HttpServer *server);

/* Requests whose answer is not out yet. */
unsigned http_server_inflight(const HttpServer *server);

/*
 * Frees. Requests under way get half a second more, then their connections are closed without an answer; whoever still owes
 * one may call http_answer or http_abort afterwards, once, and nothing else.
 */
void http_server_stop(HttpServer *server);

const char *http_method(const HttpRequest *request);
const char *http_path(const HttpRequest *request);          /* as sent, without the query */
const HttpRoute *http_route(const HttpRequest *request);    /* NULL when none matched */
Slice http_path_value(const HttpRequest *request, const char *name);
/* Case-insensitive; NULL when not there. */
const char *http_header(HttpRequest *request, const char *name);
/* Decoded; NULL when not there. */
const char *http_query(HttpRequest *request, const char *name);
typedef bool (*HttpVisit)(void *context, const char *name, const char *value); /* value "" where there is none */
void http_query_each(HttpRequest *request, HttpVisit visit, void *context);
Slice http_body(const HttpRequest *request);
void http_set_principal(HttpRequest *request, const void *principal);
const void *http_principal(const HttpRequest *request);

/* The request will be answered later: must be called in the handler, before the request is handed to another thread. */
void http_suspend(HttpRequest *request);

/* Answers; after it the request must not be touched. */
void http_answer(HttpRequest *request, const HttpResponse *response);

/* Closes the connection without an answer (a durable write is in doubt: neither 2xx nor 5xx would be true). */
void http_abort(HttpRequest *request);

#endif
