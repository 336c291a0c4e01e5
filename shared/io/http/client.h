/*
 * An HTTP client over libcurl for commands that call a Tocsin server: one request at a time, no redirects, no proxy, bounded
 * answers. Notifications are sent through outbound/outbound.h, which also checks the address.
 */
#ifndef TOCSIN_IO_HTTP_CLIENT_H
#define TOCSIN_IO_HTTP_CLIENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

typedef struct HttpClient HttpClient;

/*
 * base_url: "http://127.0.0.1:8080", without a slash at the end. key: NULL, or at most 233 bytes (a longer key is not sent).
 * timeout_ms limits each whole request. The connection is kept between requests. http_client_new never returns NULL;
 * http_client_free accepts NULL.
 */
HttpClient *http_client_new(const char *base_url, const char *key, int timeout_ms);
void http_client_free(HttpClient *client);

/*
 * method is "GET" or "POST"; the body of a POST is sent as application/json. *status is the answer's status, and its body replaces
 * the contents of `answer`. ERROR_INPUT: base_url and path together exceed 2047 bytes. ERROR_AGAIN: no complete answer came, or its
 * body does not fit into `answer`; the contents of `answer` are then undefined.
 */
Result http_client_call(HttpClient *client, const char *method, const char *path, Slice body, Buffer *answer, unsigned *status);

#endif
