/*
 * What the HTTP server decides about a request before its body: which route it means, and whether its headers are ones that
 * two readers could understand differently. Pure.
 *
 * The path is matched as it was sent, segment by segment, and a {name} takes one segment that is not empty; only then are
 * the values percent-decoded. So an escaped slash never makes a segment, and an escaped NUL never ends one: a path that
 * holds either a broken escape or a NUL means no route.
 */
#ifndef TOCSIN_IO_HTTP_ROUTER_H
#define TOCSIN_IO_HTTP_ROUTER_H

#include "shared/io/http/server.h"

enum { HTTP_PATH_MAX = 512, HTTP_ALLOW_MAX = 64 };

/* Which rows of the table a listener serves. */
typedef enum { HTTP_ROUTES_ALL, HTTP_ROUTES_PUBLIC, HTTP_ROUTES_OPS } HttpRouteSet;

typedef struct {
	const HttpRoute *route; /* NULL: none */
	unsigned value_count;
	struct {
		Slice name, value;
	} values[HTTP_PATH_VALUES];
	char allow
		[HTTP_ALLOW_MAX]; /* where no route fits: methods this path knows, "GET, HEAD"; "" for an unknown path */
	char decoded[HTTP_PATH_MAX];
} HttpMatch;

/*
 * A HEAD request means the GET route. Path values point into `path`, or into out->decoded where they had escapes. path is
 * at most HTTP_PATH_MAX bytes.
 */
void http_match(const HttpRoute *routes, size_t count, HttpRouteSet set, const char *method, Slice path,
		HttpMatch *out);

/* The headers that decide where a request ends. Start from all zeroes, but host_needed: HTTP/1.1 asks for a Host. */
typedef struct {
	unsigned hosts, lengths, encodings, types;
	bool host_needed, odd_name, list_host;
	Slice length, encoding;
	const char *type, *coding; /* Content-Type and Content-Encoding, borrowed from the headers */
} HttpHead;

void http_head_take(HttpHead *head, Slice name, const char *value, size_t value_size);

/* What is wrong with these headers, for people; NULL when nothing is. */
const char *http_head_fault(const HttpHead *head);

/* Whether a Content-Length says how many bytes come. */
bool http_length_sound(Slice length);

/* Bytes of the body as declared; 0: none; -1: chunked. Only of a head without fault. */
int64_t http_head_length(const HttpHead *head);

/*
 * Why a body with these headers is not taken, for people; NULL when it is: application/json that is not compressed. A charset
 * is not needed (RFC 8259, 8.1) and taken where it says UTF-8.
 */
const char *http_media_fault(const HttpHead *head);

#endif
