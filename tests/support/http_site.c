#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/http_site.h"

#include "shared/io/http/listen.h"
#include "shared/io/system/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a server with some routes ----------------------------------------------------------------------------------- */

enum { LATER_MAX = 64 };

/* Requests to /later, which wait for the thread that answers them. */
static struct {
	pthread_mutex_t mutex;
	pthread_cond_t change;
	HttpRequest *list[LATER_MAX];
	unsigned count;
	bool hold, stop;
	pthread_t thread;
} later = { .mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER };

atomic_int admissions, handled;
static int principal;

static void answer_text(HttpRequest *request, unsigned status, const char *text)
{
	HttpResponse response = { .status = status, .content_type = "text/plain", .body = slice_of(text) };

	http_answer(request, &response);
}

static void refuse(HttpRequest *request, unsigned status, const char *detail, void *context)
{
	HttpResponse response = { .status = status,
				  .content_type = "application/problem+json",
				  .body = slice_of(detail) };

	assert_ptr_equal(context, &later);
	http_answer(request, &response);
}

static Result admit(HttpRequest *request, void *context)
{
	const char *key = http_header(request, "authorization");

	(void)context;
	atomic_fetch_add(&admissions, 1);
	if (!key || strcmp(key, "Bearer good") != 0)
		return result_fail(ERROR_DENIED, "no key");
	http_set_principal(request, &principal);
	return result_ok();
}

static void on_hello(HttpRequest *request, void *context)
{
	(void)context;
	atomic_fetch_add(&handled, 1);
	answer_text(request, 200, "hello");
}

/* Answers with the body of the request. */
static void on_echo(HttpRequest *request, void *context)
{
	HttpResponse response = { .status = 202, .content_type = "application/json", .body = http_body(request) };

	(void)context;
	atomic_fetch_add(&handled, 1);
	assert_ptr_equal(http_principal(request), &principal);
	http_answer(request, &response);
}

static bool query_list(void *context, const char *name, const char *value)
{
	buffer_format(context, "[%s=%s]", name, value);
	return true;
}

static void on_item(HttpRequest *request, void *context)
{
	Slice id = http_path_value(request, "id");
	const char *limit = http_query(request, "limit");
	Buffer text;

	(void)context;
	buffer_init(&text, 4096);
	buffer_format(&text, "%s %s id=%.*s limit=%s other=%s ", http_method(request), http_path(request), (int)id.size,
		      id.data, limit ? limit : "none", http_query(request, "other") ? "there" : "none");
	http_query_each(request, query_list, &text);
	HttpResponse response = {
		.status = 200,
		.content_type = "text/plain",
		.body = buffer_slice(&text),
		.headers = { { "ETag", "\"7\"" }, { "X-Bad", "a\r\nX-Injected: 1" }, { "Cache-Control", "private" } },
		.header_count = 3
	};
	http_answer(request, &response);
	buffer_release(&text);
}

static void on_later(HttpRequest *request, void *context)
{
	(void)context;
	http_suspend(request);
	pthread_mutex_lock(&later.mutex);
	assert_true(later.count < LATER_MAX);
	later.list[later.count++] = request;
	pthread_cond_broadcast(&later.change);
	pthread_mutex_unlock(&later.mutex);
}

/* Suspends the request and answers it in the same call, so libmicrohttpd gets the resume before it has processed the suspension. */
static void on_at_once(HttpRequest *request, void *context)
{
	(void)context;
	http_suspend(request);
	answer_text(request, 200, "at once");
}

static void on_abort(HttpRequest *request, void *context)
{
	(void)context;
	http_abort(request);
}

static void on_nothing(HttpRequest *request, void *context)
{
	HttpResponse response = { .status = 204 };

	(void)context;
	http_answer(request, &response);
}

static void on_large(HttpRequest *request, void *context)
{
	char *bytes = malloc(LARGE);
	HttpResponse response = { .status = 200, .content_type = "text/plain", .body = { bytes, LARGE } };

	(void)context;
	memset(bytes, 'x', LARGE);
	http_answer(request, &response);
	free(bytes);
}

static const HttpRoute routes[] = {
	{ "GET", "/livez", on_hello, .open = true, .ops = true, .operation = "live" },
	{ "GET", "/hello", on_hello, .open = true, .operation = "hello" },
	{ "GET", "/closed", on_hello, .operation = "closed" },
	{ "POST", "/echo", on_echo, .body_max = BODY_MAX, .operation = "echo" },
	{ "GET", "/items/{id}", on_item, .open = true, .operation = "item" },
	{ "DELETE", "/items/{id}", on_nothing, .open = true, .operation = "item-delete" },
	{ "POST", "/later", on_later, .open = true, .body_max = BODY_MAX, .operation = "later" },
	{ "GET", "/at-once", on_at_once, .open = true, .operation = "at-once" },
	{ "GET", "/abort", on_abort, .open = true, .operation = "abort" },
	{ "GET", "/large", on_large, .open = true, .operation = "large" },
};

/* Answers the request with its own body; aborts it if the body is "abort". */
static void later_answer(HttpRequest *request)
{
	Slice body = http_body(request);
	HttpResponse response = { .status = 200, .content_type = "text/plain", .body = body };

	if (slice_is(body, "\"abort\""))
		http_abort(request);
	else
		http_answer(request, &response);
}

static void *later_run(void *context)
{
	(void)context;
	pthread_mutex_lock(&later.mutex);
	while (!later.stop || later.count > 0) {
		if (later.count == 0 || later.hold) {
			pthread_cond_wait(&later.change, &later.mutex);
			continue;
		}
		HttpRequest *request = later.list[--later.count];
		pthread_mutex_unlock(&later.mutex);
		later_answer(request);
		pthread_mutex_lock(&later.mutex);
	}
	pthread_mutex_unlock(&later.mutex);
	return NULL;
}

static void later_set(bool hold, bool stop)
{
	pthread_mutex_lock(&later.mutex);
	later.hold = hold;
	later.stop = stop;
	pthread_cond_broadcast(&later.change);
	pthread_mutex_unlock(&later.mutex);
}

void later_hold(bool hold)
{
	later_set(hold, false);
}

HttpRequest *later_take(void)
{
	pthread_mutex_lock(&later.mutex);
	assert_true(later.count > 0);
	HttpRequest *request = later.list[--later.count];
	pthread_mutex_unlock(&later.mutex);
	return request;
}

void later_wait(unsigned count)
{
	pthread_mutex_lock(&later.mutex);
	while (later.count < count)
		pthread_cond_wait(&later.change, &later.mutex);
	pthread_mutex_unlock(&later.mutex);
}

HttpServerOptions options_of(unsigned threads)
{
	return (HttpServerOptions){ .routes = routes,
				    .route_count = sizeof(routes) / sizeof(routes[0]),
				    .listen = "127.0.0.1:0",
				    .threads = threads,
				    .request_deadline_ms = DEADLINE_MS,
				    .context = &later,
				    .admit = admit,
				    .refuse = refuse };
}

HttpServer *server;

int site_start(void **state)
{
	HttpServerOptions options = options_of(2);

	(void)state;
	later.stop = later.hold = false;
	assert_int_equal(http_server_start(&options, &server).kind, ERROR_NONE);
	return pthread_create(&later.thread, NULL, later_run, NULL);
}

int site_end(void **state)
{
	(void)state;
	later_set(false, true);
	pthread_join(later.thread, NULL);
	http_server_stop(server);
	return 0;
}

void idle_wait(void)
{
	for (int i = 0; i < 1000 && http_server_inflight(server) > 0; i++)
		clock_sleep_ms(1);
	assert_int_equal(http_server_inflight(server), 0);
}

/* ---- a client that sends exact bytes ----------------------------------------------------------------------------- */

int client_connect(const char *address)
{
	struct timeval timeout = { .tv_sec = 10 };
	ListenAddress to;

	assert_true(listen_parse(address, &to));
	int client = socket(to.socket.ss_family, SOCK_STREAM, 0);
	setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	assert_int_equal(connect(client, (struct sockaddr *)&to.socket, to.size), 0);
	return client;
}

void skip_without_ipv6(void)
{
	ListenAddress loopback;
	int probe = socket(AF_INET6, SOCK_STREAM, 0);

	assert_true(listen_parse("[::1]:0", &loopback));
	bool present = probe >= 0 && bind(probe, (struct sockaddr *)&loopback.socket, loopback.size) == 0;
	if (probe >= 0)
		close(probe);
	if (present)
		return;
	print_message("this machine has no IPv6 loopback address\n");
	skip();
}

int client_new(void)
{
	return client_connect(http_server_address(server));
}

void client_send(int client, const char *text)
{
	assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool answer_complete(const char *text, const char **rest, bool head)
{
	const char *body = strstr(text, "\r\n\r\n"), *length;

	if (!body)
		return false;
	length = strcasestr(text, "Content-Length: ");
	size_t size = length && length < body && !head ? (size_t)atoi(length + 16) : 0;
	*rest = body + 4 + size;
	return strlen(body + 4) >= size;
}

static bool answers_complete(const char *text, unsigned count, bool head)
{
	for (; count > 0; count--)
		if (!answer_complete(text, &text, head))
			return false;
	return true;
}

void client_receive_of(int client, unsigned count, bool head, Received *out)
{
	*out = (Received){ 0 };
	while (count == 0 || !answers_complete(out->text, count, head)) {
		ssize_t got = recv(client, out->text + out->size, sizeof(out->text) - 1 - out->size, 0);
		if (got <= 0) {
			out->ended = got == 0 || errno == ECONNRESET;
			return;
		}
		out->size += (size_t)got;
		out->text[out->size] = '\0';
	}
}

Received *ask(const char *text)
{
	static Received received;
	int client = client_new();

	client_send(client, text);
	client_receive_of(client, 1, strncmp(text, "HEAD", 4) == 0, &received);
	close(client);
	return &received;
}

void expect(const Received *received, unsigned status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %u ", status);
	if (strncmp(received->text, line, strlen(line)) != 0)
		fail_msg("expected %u, got: %s", status, received->text);
}

void expect_closed(int client)
{
	Received received;

	client_receive_of(client, 0, false, &received);
	assert_int_equal(received.size, 0);
	assert_true(received.ended);
	close(client);
}

void expect_one_problem(const Received *received, unsigned status)
{
	const char *rest;

	expect(received, status);
	assert_true(answer_complete(received->text, &rest, false));
	assert_string_equal(rest, "");
	assert_non_null(strstr(received->text, "Content-Type: application/problem+json\r\n"));
	assert_non_null(strstr(received->text, "Connection: close\r\n"));
	assert_null(strstr(received->text + 1, "HTTP/1.1 "));
	assert_true(received->ended);
}

unsigned status_at(const char *address, const char *path)
{
	char request[128];
	Received received;
	int client = client_connect(address);

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
	client_send(client, request);
	client_receive_of(client, 1, false, &received);
	close(client);
	return (unsigned)atoi(received.text + strlen("HTTP/1.1 "));
}
