#include "shared/io/http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct HttpClient {
	CURL *curl;
	struct curl_slist *headers;
	char *base_url;
};

/* Paths begin with a slash, so that one at the end of the base URL would be doubled. */
static Slice without_slash(Slice url)
{
	while (url.size > 0 && url.data[url.size - 1] == '/')
		url.size--;
	return url;
}

HttpClient *http_client_new(const char *base_url, const char *key, int timeout_ms)
{
	HttpClient *client = calloc(1, sizeof *client);
	char authorization[256];
	must(client != NULL && (client->curl = curl_easy_init()) != NULL);
	client->base_url = slice_copy(without_slash(slice_of(base_url)));
	client->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (key != NULL &&
	    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", key) < (int)sizeof authorization)
		client->headers = curl_slist_append(client->headers, authorization);
	curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl_easy_setopt(client->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(client->curl, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
	return client;
}

void http_client_free(HttpClient *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	curl_slist_free_all(client->headers);
	free(client->base_url);
	free(client);
}

static size_t on_answer(char *data, size_t size, size_t count, void *context)
{
	Buffer *answer = context;
	buffer_append(answer, (Slice){ data, size * count });
	return answer->overflowed ? 0 : size * count;
}

static void method_set(CURL *curl, const char *method, Slice body)
{
	if (strcmp(method, "POST") != 0) {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data == NULL ? "" : body.data);
}

Result http_client_call(HttpClient *client, const char *method, const char *path, Slice body, Buffer *answer,
			unsigned *status)
{
	char url[2048];
	long code = 0;
	if (snprintf(url, sizeof url, "%s%s", client->base_url, path) >= (int)sizeof url)
		return result_fail(ERROR_INPUT, "the URL is longer than 2047 bytes");
	buffer_clear(answer);
	method_set(client->curl, method, body);
	curl_easy_setopt(client->curl, CURLOPT_URL, url);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, answer);
	CURLcode result = curl_easy_perform(client->curl);
	if (result != CURLE_OK)
		return result_fail(ERROR_AGAIN, "%s: %s", client->base_url, curl_easy_strerror(result));
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
	*status = (unsigned)code;
	return result_ok();
}
