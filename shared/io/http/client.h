/*
 * A plain HTTP client over libcurl for commands that talk to a server of ours: one request at a time, no redirects, no
 * proxies, answers bounded. (What notification sends to the outside goes through outbound/outbound.h, with its own guards.)
 */
#ifndef TOCSIN_IO_HTTP_CLIENT_H
#define TOCSIN_IO_HTTP_CLIENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

typedef struct HttpClient HttpClient;

/* base_url: "http://127.0.0.1:8080", without a slash at the end; key may be NULL. Keeps its connection between requests. */
HttpClient *http_client_new(const char *base_url, const char *key, int timeout_ms);
void http_client_free(HttpClient *client);

/*
 * method is "GET" or "POST"; body is sent as application/json. The answer's body replaces what is in answer, *status is
 * its status. ERROR_AGAIN when no answer came.
 */
Result http_client_call(HttpClient *client, const char *method, const char *path, Slice body, Buffer *answer, unsigned *status);

#endif
