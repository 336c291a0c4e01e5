/*
 * The HTTP server: libmicrohttpd with a few epoll threads per core. A connection is suspended while its request waits, so no thread
 * waits for a disk or a command.
 *
 * It uses libmicrohttpd directly rather than ulfius, which is built on the same library. ulfius fixes the status of an answer
 * when its callback returns, so a suspended command could not become 200, 409 or 412 later. It also answers 404 to HEAD and to a
 * wrong method, truncates bodies silently, and reads a body before a callback could refuse it.
 *
 * A route is a row: method, path with {names}, handler. A request passes, in this order: the checks of its head (400, 414), the
 * router (404, 405 with Allow, HEAD for each GET route), the `admit` callback (authentication, before a byte of the body is read),
 * the limit (413) and type (415) of the body, the handler. The `refuse` callback writes every refusal of the server; libmicrohttpd
 * itself answers only heads and chunks that it cannot parse.
 *
 * Limits: a connection that sends slowly is closed after request_deadline_ms, however many bytes it sends. A client that is refused
 * while it sends a body may send up to HTTP_DRAIN_MAX bytes more and can still read the answer. A connection above the limit gets
 * 503 with Retry-After at once. When little capacity is left, each new connection makes the server close the connection that has
 * waited longest for a complete request head, if it has waited at least five seconds.
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
 * An answer. Header names are literals. http_answer copies the values, and drops a header whose value is NULL or holds a line end.
 * Unless the answer has these headers itself, http_answer adds X-Content-Type-Options: nosniff and Cache-Control: no-store, and
 * WWW-Authenticate to a 401. It adds Allow to a 405, so a handler must not set Allow.
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

/* A handler calls http_answer or http_abort exactly once. After http_suspend, the call may come later and from any thread. */
typedef void (*HttpHandler)(HttpRequest *request, void *context);

typedef struct {
	const char *method, *path; /* "GET", "/v1/incidents/{id}" */
	HttpHandler handler;
	bool open;            /* no key needed: admit is not called */
	bool ops;             /* /livez, /readyz, /metrics: if there is an ops listener, only it serves them */
	size_t body_max;      /* bytes; 0: the route takes no body */
	const char *operation; /* operationId in OpenAPI, and the route label of metrics */
	void *context;        /* passed to the handler; NULL: HttpServerOptions.context */
} HttpRoute;

typedef struct {
	const HttpRoute *routes; /* borrowed until http_server_stop */
	size_t route_count;
	const char *listen;     /* "127.0.0.1:8080" or "[::1]:8080" (listen.h); port 0: a free port */
	const char *ops_listen; /* or NULL */
	unsigned threads;       /* of each listener; 126 connections each, if RLIMIT_NOFILE allows; 0: 4 per core, at least 8 */
	int64_t request_deadline_ms; /* 0: 30000 */
	void *context;          /* passed to callbacks, and to handlers whose route has no context */
	/* Authenticates a request to a route that is not open; ERROR_DENIED refuses it with 401. May call http_set_principal. */
	Result (*admit)(HttpRequest *request, void *context);
	/*
	 * Writes the answer when the server refuses a request: status, and a detail for people. Must call http_answer before it
	 * returns.
	 */
	void (*refuse)(HttpRequest *request, unsigned status, const char *detail, void *context);
} HttpServerOptions;

/*
 * ERROR_INPUT: an address is invalid or not of this machine. ERROR_AGAIN: a port is in use or not permitted, or a socket or thread
 * cannot be created.
 */
Result http_server_start(const HttpServerOptions *options, HttpServer **out);

/* The bound address of the main listener, "127.0.0.1:43017" or "[::1]:43017"; borrowed from the server. */
const char *http_server_address(const HttpServer *server);

/*
 * The main listener stops accepting connections, and from now on every answer closes its connection. Does not wait for requests in
 * progress, which still get their answers. The ops listener stays open.
 */
void http_server_quiesce(HttpServer *server);

/* Number of requests whose head was received and whose answer is not sent completely. */
unsigned http_server_inflight(const HttpServer *server);

/*
 * Stops and frees; accepts NULL. Requests in progress get half a second, then their connections are closed without an answer. A
 * thread that will answer a suspended request may still call http_answer or http_abort afterwards, once, and no other function.
 */
void http_server_stop(HttpServer *server);

/* The values below are borrowed until the request is answered. */
const char *http_method(const HttpRequest *request);
const char *http_path(const HttpRequest *request);          /* as sent, without the query; at most 512 bytes */
const HttpRoute *http_route(const HttpRequest *request);    /* NULL: no route matched */
Slice http_path_value(const HttpRequest *request, const char *name); /* decoded; SLICE_NONE: the route has no such name */
/* The name is case-insensitive. NULL: the request has no such header, or the server stopped while it was suspended. */
const char *http_header(HttpRequest *request, const char *name);
/* Decoded; "" for a parameter without a value. NULL: the query has no such parameter. */
const char *http_query(HttpRequest *request, const char *name);
typedef bool (*HttpVisit)(void *context, const char *name, const char *value); /* false: stop */
void http_query_each(HttpRequest *request, HttpVisit visit, void *context);
Slice http_body(const HttpRequest *request);
void http_set_principal(HttpRequest *request, const void *principal);
const void *http_principal(const HttpRequest *request);

/* Announces that the answer comes later. Must be called in the handler, before the request is handed to another thread. */
void http_suspend(HttpRequest *request);

/* Answers with a status of 200 to 599. The request must not be touched afterwards. */
void http_answer(HttpRequest *request, const HttpResponse *response);

/* Closes the connection without an answer. For an append in doubt: neither a 2xx nor a 5xx status would be correct. */
void http_abort(HttpRequest *request);

#endif
