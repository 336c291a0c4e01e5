/*
 * Decisions about a request before its body is read: its route, and faults in its headers, mainly those that two HTTP parsers
 * could interpret differently. Pure.
 *
 * The path is matched as sent, segment by segment; a {name} matches one non-empty segment, and values are percent-decoded only
 * after the match. Therefore an escaped slash never separates segments. A path with a broken escape or an escaped NUL in a value
 * matches no route.
 */
#ifndef TOCSIN_IO_HTTP_ROUTER_H
#define TOCSIN_IO_HTTP_ROUTER_H

#include "shared/io/http/server.h"

enum { HTTP_PATH_MAX = 512, HTTP_ALLOW_MAX = 64 };

/* The rows of the table that a listener serves. */
typedef enum { HTTP_ROUTES_ALL, HTTP_ROUTES_PUBLIC, HTTP_ROUTES_OPS } HttpRouteSet;

typedef struct {
	const HttpRoute *route; /* NULL: none */
	unsigned value_count;
	struct {
		Slice name, value;
	} values[HTTP_PATH_VALUES];
	char allow[HTTP_ALLOW_MAX]; /* without a route: the methods of this path, "GET, HEAD"; "" for an unknown path */
	char decoded[HTTP_PATH_MAX];
} HttpMatch;

/*
 * A HEAD request matches the GET route. Path values point into `path`, or into out->decoded if they had escapes. path has at
 * most HTTP_PATH_MAX bytes.
 */
void http_match(const HttpRoute *routes, size_t count, HttpRouteSet set, const char *method, Slice path,
		HttpMatch *out);

/*
 * The facts that are checked in the headers of a request: host, length and media type. Starts as zeroes, except host_required,
 * which is true for HTTP/1.1.
 */
typedef struct {
	unsigned hosts, content_lengths, transfer_encodings, content_types; /* number of headers of each name */
	bool host_required, name_invalid, host_is_list;
	Slice content_length, transfer_encoding;                    /* borrowed from the headers, as are the two below */
	const char *content_type, *content_encoding;                /* NULL: none */
} HttpHead;

/* Adds one header of the request; value is NUL-terminated and borrowed. */
void http_head_add(HttpHead *head, Slice name, const char *value, size_t value_size);

/* Describes the first fault of these headers, for people; NULL: there is none. */
const char *http_head_fault(const HttpHead *head);

/* True for one decimal number that fits 63 bits. */
bool http_length_is_valid(Slice length);

/* Bytes of the body as declared; 0: no body; -1: chunked. Only for a head without fault. */
int64_t http_head_length(const HttpHead *head);

/*
 * The reason to refuse a body with these headers, for people; NULL: it is uncompressed application/json. A charset is not needed
 * (RFC 8259, 8.1); utf-8 is accepted.
 */
const char *http_media_fault(const HttpHead *head);

#endif
