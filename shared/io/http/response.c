/* An answer's headers, for libmicrohttpd and for a socket. */
#include "shared/io/http/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

typedef struct {
	const char *name, *value;
} Header;

/* Those of the handler, and those every answer has. */
typedef struct {
	Header list[1 + HTTP_HEADERS_MAX + HTTP_HEADERS_OURS];
	size_t count;
} HeaderList;

enum { ANSWER_MAX = 128 * 1024, DATE_LINE = 64 };

static bool header_given(const HttpResponse *response, const char *name)
{
	for (size_t i = 0; i < response->header_count; i++)
		if (strcasecmp(response->headers[i].name, name) == 0)
			return true;
	return false;
}

/* A value that could end the line is dropped, header and all. */
static void header_put(HeaderList *headers, const char *name, const char *value)
{
	if (!value || strpbrk(value, "\r\n") != NULL)
		return;
	must(headers->count < sizeof(headers->list) / sizeof(headers->list[0]));
	headers->list[headers->count++] = (Header){ name, value };
}

static void header_default(HeaderList *headers, const HttpResponse *response, const char *name, const char *value)
{
	if (!header_given(response, name))
		header_put(headers, name, value);
}

static void headers_list(const HttpRequest *request, const HttpResponse *response, HeaderList *out)
{
	out->count = 0;
	must(response->header_count <= HTTP_HEADERS_MAX);
	header_put(out, "Content-Type", response->content_type);
	for (size_t i = 0; i < response->header_count; i++)
		header_put(out, response->headers[i].name, response->headers[i].value);
	header_default(out, response, "X-Content-Type-Options", "nosniff");
	header_default(out, response, "Cache-Control", "no-store");
	if (response->status == 401)
		header_default(out, response, "WWW-Authenticate", "Bearer");
	if (response->status == 405)
		header_put(out, "Allow", request->match.allow);
	if (response->status == 503 && !request->connection)
		header_default(out, response, "Retry-After", "1");
	if (request->close || atomic_load_explicit(&request->listener->server->quiesced, memory_order_relaxed))
		header_put(out, "Connection", "close");
}

static Slice body_of(const HttpResponse *response)
{
	return response->content_type && response->body.size > 0 ? response->body : SLICE("");
}

struct MHD_Response *http_response_make(const HttpRequest *request, const HttpResponse *response)
{
	Slice body = body_of(response);
	HeaderList headers;
	struct MHD_Response *made =
		MHD_create_response_from_buffer(body.size, (void *)(uintptr_t)body.data,
						body.size > 0 ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT);

	must(made != NULL);
	headers_list(request, response, &headers);
	for (size_t i = 0; i < headers.count; i++)
		MHD_add_response_header(made, headers.list[i].name, headers.list[i].value);
	return made;
}

static void date_write(Buffer *out)
{
	char text[DATE_LINE];
	time_t now = time(NULL);
	struct tm parts;

	if (gmtime_r(&now, &parts) && strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts) > 0)
		buffer_text(out, text);
}

void http_response_send(const HttpRequest *request, const HttpResponse *response)
{
	Slice body = body_of(response);
	HeaderList headers;
	Buffer out;

	buffer_init(&out, ANSWER_MAX);
	buffer_format(&out, "HTTP/1.1 %u %s\r\n", response->status, MHD_get_reason_phrase_for(response->status));
	date_write(&out);
	headers_list(request, response, &headers);
	for (size_t i = 0; i < headers.count; i++)
		buffer_format(&out, "%s: %s\r\n", headers.list[i].name, headers.list[i].value);
	buffer_format(&out, "Content-Length: %zu\r\n\r\n", body.size);
	buffer_append(&out, body);
	if (!out.overflowed)
		send(request->socket, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_release(&out);
}
