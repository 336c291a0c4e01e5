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
	const HttpRoute *route; /* NULL: no route matched */
	unsigned value_count;
	struct {
		Slice name, value;
	} values[HTTP_PATH_VALUES];
	char allow[HTTP_ALLOW_MAX]; /* if route is NULL: the methods of the routes that have this path, "GET, HEAD"; else "" */
	char decoded[HTTP_PATH_MAX];
} HttpMatch;

/*
 * A HEAD request matches the GET route. Path values point into `path`, or into out->decoded if they had escapes. The process aborts
 * if path has more than HTTP_PATH_MAX bytes.
 */
void http_match(const HttpRoute *routes, size_t count, HttpRouteSet set, const char *method, Slice path,
		HttpMatch *out);

/*
 * The facts that are checked in the headers of a request: names, host, length and media type. The caller initialises the struct
 * with zeroes and sets host_required, which is false for HTTP/1.0 only.
 */
typedef struct {
	unsigned hosts, content_lengths, transfer_encodings, content_types; /* number of headers of each name */
	bool host_required, name_invalid, host_is_list;
	Slice content_length, transfer_encoding;                    /* all four are borrowed */
	const char *content_type, *content_encoding;                /* NULL: no such header */
} HttpHead;

/* Adds one header of the request. value is NUL-terminated, and borrowed while the head is used. */
void http_head_add(HttpHead *head, Slice name, const char *value, size_t value_size);

/* Returns a literal that describes the first fault of the headers to people; NULL: the headers have no fault. */
const char *http_head_fault(const HttpHead *head);

/* True for decimal digits without a sign, if the number is at most INT64_MAX. */
bool http_length_is_valid(Slice length);

/* Bytes of the body as declared; 0: no body; -1: chunked. http_head_fault must have returned NULL for the head. */
int64_t http_head_length(const HttpHead *head);

/*
 * Returns a literal with the reason to refuse a body that has these headers; NULL: the headers declare uncompressed
 * application/json. The charset may be missing or empty (RFC 8259, 8.1), or be utf-8 or utf8.
 */
const char *http_media_fault(const HttpHead *head);

#endif
