#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "tests/support/http_site.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- routes ------------------------------------------------------------------------------------------------------ */

static void a_route_answers(void **state)
{
	Received *received = ask("GET /hello HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 200);
	assert_non_null(strstr(received->text, "\r\n\r\nhello"));
	assert_non_null(strstr(received->text, "X-Content-Type-Options: nosniff\r\n"));
	assert_non_null(strstr(received->text, "Cache-Control: no-store\r\n"));
	assert_non_null(strstr(received->text, "Content-Type: text/plain\r\n"));
}

static void a_handler_gets_path_and_query(void **state)
{
	Received *received = ask("GET /items/a%2Fb?limit=1%200&other&x=%3D+y HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 200);
	assert_non_null(strstr(received->text,
			       "\r\n\r\nGET /items/a%2Fb id=a/b limit=1 0 other=there [limit=1 0][other=][x==\x20y]"));
	assert_non_null(strstr(received->text, "ETag: \"7\"\r\n"));
}

static void the_absolute_form_of_a_target_is_accepted(void **state)
{
	(void)state;
	expect(ask("GET http://a:80/hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

static void a_header_value_with_a_line_end_is_dropped(void **state)
{
	Received *received = ask("GET /items/1 HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_null(strstr(received->text, "X-Injected"));
	assert_null(strstr(received->text, "X-Bad"));
	assert_null(strstr(received->text, "no-store"));
	assert_non_null(strstr(received->text, "Cache-Control: private\r\n"));
}

static void an_unknown_path_is_not_found(void **state)
{
	Received *received = ask("GET /nothing HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 404);
	assert_non_null(strstr(received->text, "application/problem+json"));
}

static void a_wrong_method_gets_the_allowed_ones(void **state)
{
	Received *received = ask("PUT /items/1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");

	(void)state;
	expect(received, 405);
	assert_non_null(strstr(received->text, "\r\n\r\nthis path takes GET, HEAD, DELETE only"));
	assert_non_null(strstr(received->text, "Allow: GET, HEAD, DELETE\r\n"));
}

static void a_head_request_gets_the_headers_of_get(void **state)
{
	Received *received = ask("HEAD /hello HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 200);
	assert_non_null(strstr(received->text, "Content-Length: 5\r\n"));
	assert_string_equal(strstr(received->text, "\r\n\r\n"), "\r\n\r\n");
}

static void an_answer_without_a_type_has_no_body(void **state)
{
	Received *received = ask("DELETE /items/1 HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 204);
	assert_null(strstr(received->text, "Content-Type:"));
}

static void a_path_longer_than_any_route_is_refused(void **state)
{
	char request[1024];

	(void)state;
	snprintf(request, sizeof(request), "GET /items/%0700d HTTP/1.1\r\n" HOST "\r\n", 1);
	expect(ask(request), 414);
}

static void a_refused_request_leaves_the_connection_open(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	client_send(client, "GET /nothing HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_receive_of(client, 2, false, &received);
	expect(&received, 404);
	assert_non_null(strstr(received.text, "\r\n\r\nhello"));
	close(client);
}

/* ---- before the body --------------------------------------------------------------------------------------------- */

static void a_request_without_a_key_is_refused(void **state)
{
	Received *received = ask("GET /closed HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	expect(received, 401);
	assert_non_null(strstr(received->text, "WWW-Authenticate: Bearer\r\n"));
	expect(ask("GET /closed HTTP/1.1\r\n" HOST KEY "\r\n"), 200);
}

static void an_open_route_needs_no_key(void **state)
{
	int before = atomic_load(&admissions);

	(void)state;
	expect(ask("GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
	assert_int_equal(atomic_load(&admissions), before);
}

static void a_key_is_checked_before_the_body(void **state)
{
	Received *received = ask("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 500\r\n\r\n");

	(void)state;
	expect(received, 401);
	assert_non_null(strstr(received->text, "Connection: close\r\n"));
}

static void a_declared_body_above_the_limit_is_refused_at_once(void **state)
{
	(void)state;
	expect(ask("POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 1001\r\n\r\n"), 413);
	expect(ask("POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
	       413);
	expect(ask("DELETE /items/1 HTTP/1.1\r\n" HOST "Content-Length: 65537\r\n\r\n"), 413);
}

static void a_chunked_body_above_the_limit_is_refused(void **state)
{
	char request[2048];

	(void)state;
	snprintf(request, sizeof(request),
		 "POST /echo HTTP/1.1\r\n" HOST KEY JSON
		 "Transfer-Encoding: chunked\r\n\r\n1f4\r\n%0500d\r\n1f5\r\n%0501d\r\n0\r\n\r\n",
		 1, 2);
	expect(ask(request), 413);
}

static void a_body_of_another_type_is_refused(void **state)
{
	(void)state;
	expect(ask("POST /echo HTTP/1.1\r\n" HOST KEY "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"), 415);
	expect(ask("POST /echo HTTP/1.1\r\n" HOST KEY "Content-Length: 2\r\n\r\n{}"), 415);
	expect(ask("POST /echo HTTP/1.1\r\n" HOST KEY
		   "Content-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"),
	       202);
}

static void bodies_at_the_limit_arrive_whole(void **state)
{
	char request[2048], body[BODY_MAX + 1];

	(void)state;
	snprintf(body, sizeof(body), "%0*d", BODY_MAX, 7);
	snprintf(request, sizeof(request), "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: %d\r\n\r\n%s",
		 BODY_MAX, body);
	Received *received = ask(request);
	expect(received, 202);
	assert_string_equal(strstr(received->text, "\r\n\r\n") + 4, body);
	snprintf(request, sizeof(request),
		 "POST /echo HTTP/1.1\r\n" HOST KEY JSON
		 "Transfer-Encoding: chunked\r\n\r\n2\r\n00\r\n3e6\r\n%s\r\n0\r\n\r\n",
		 body + 2);
	received = ask(request);
	expect(received, 202);
	assert_string_equal(strstr(received->text, "\r\n\r\n") + 4, body);
}

static void a_post_without_a_body_reaches_its_handler(void **state)
{
	Received *received = ask("POST /echo HTTP/1.1\r\n" HOST KEY "Content-Length: 0\r\n\r\n");

	(void)state;
	expect(received, 202);
	assert_string_equal(strstr(received->text, "\r\n\r\n"), "\r\n\r\n");
}

static void an_unused_body_is_read_and_dropped(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	client_send(client, "DELETE /items/1 HTTP/1.1\r\n" HOST
			    "Content-Length: 5\r\n\r\nabcdeGET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_receive_of(client, 2, false, &received);
	expect(&received, 204);
	assert_non_null(strstr(received.text, "\r\n\r\nhello"));
	close(client);
}

/* Each case is followed by a second, smuggled request, which must not be answered. */
static void requests_with_an_ambiguous_end_are_refused_and_closed(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
		"Content-Length: 2\r\nContent-Length: 7\r\n",
		"Content-Length: 2,7\r\n",
		"Content-Length : 2\r\n",
		"Transfer-Encoding: xchunked\r\n",
		"Transfer-Encoding: identity, chunked\r\n",
		"Host: b\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		Received received;
		char request[512];
		int client = client_new();
		snprintf(request, sizeof(request),
			 "POST /echo HTTP/1.1\r\n" HOST KEY JSON "%s\r\n0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n",
			 heads[i]);
		client_send(client, request);
		client_receive_of(client, 0, false, &received);
		expect(&received, 400);
		assert_null(strstr(received.text, "hello"));
		assert_true(received.ended);
		close(client);
	}
}

static void a_nul_in_the_target_is_refused(void **state)
{
	(void)state;
	expect(ask("GET /items/1?limit=a%00b HTTP/1.1\r\n" HOST "\r\n"), 400);
}

/* ---- suspended requests ------------------------------------------------------------------------------------------ */

static size_t collect(char *data, size_t size, size_t count, void *context)
{
	buffer_append(context, (Slice){ data, size * count });
	return size * count;
}

enum { CLIENTS = 16, ROUNDS = 125 };

static void *client_run(void *context)
{
	atomic_int *right = context;
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char url[64], body[64];
	Buffer answer;

	buffer_init(&answer, 4096);
	snprintf(url, sizeof(url), "http://%s/later", http_server_address(server));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(body, sizeof(body), "{\"round\":%d,\"of\":\"%p\"}", i, (void *)curl);
		buffer_clear(&answer);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
		if (curl_easy_perform(curl) == CURLE_OK && slice_is(buffer_slice(&answer), body))
			atomic_fetch_add(right, 1);
	}
	long connections;
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connections);
	if (connections > 0)
		atomic_store(right, -1000000); /* the last request opened a new connection instead of reusing the previous one */
	buffer_release(&answer);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return NULL;
}

static void suspended_requests_get_their_own_answers(void **state)
{
	pthread_t clients[CLIENTS];
	atomic_int right = 0;

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&clients[i], NULL, client_run, &right), 0);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	assert_int_equal(atomic_load(&right), CLIENTS * ROUNDS);
	idle_wait();
}

static void an_answer_may_come_before_the_handler_returns(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	for (int i = 0; i < 200; i++) {
		client_send(client, "GET /at-once HTTP/1.1\r\n" HOST "\r\n");
		client_receive_of(client, 1, false, &received);
		expect(&received, 200);
	}
	close(client);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\""
			    "GET /hello HTTP/1.1\r\n" HOST "\r\n"
			    "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"3\"");
	client_receive_of(client, 3, false, &received);
	const char *first = strstr(received.text, "\r\n\r\n\"1\""), *second = strstr(received.text, "\r\n\r\nhello");
	const char *third = strstr(received.text, "\r\n\r\n\"3\"");
	assert_non_null(first);
	assert_true(first < second && second < third);
	close(client);
}

static void an_aborted_request_is_closed_without_an_answer(void **state)
{
	int client = client_new();

	(void)state;
	client_send(client, "GET /abort HTTP/1.1\r\n" HOST "\r\n");
	expect_closed(client);
	client = client_new();
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 7\r\n\r\n\"abort\"");
	expect_closed(client);
}

static void a_client_that_disconnects_does_no_harm(void **state)
{
	int client = client_new();

	(void)state;
	later_hold(true);
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\"");
	later_wait(1);
	assert_int_equal(http_server_inflight(server), 1);
	close(client);
	later_hold(false);
	idle_wait();
	expect(ask("GET /hello HTTP/1.1\r\n" HOST "\r\n"), 200);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

/* Sends a byte every 50 ms. Returns the ms until the server closes the connection; -1: still open after three request deadlines. */
static int64_t trickle(const char *start)
{
	int client = client_new();
	int64_t from_us = clock_monotonic_us(), cut_ms = -1;
	char byte;

	client_send(client, start);
	for (int i = 0; i < 3 * DEADLINE_MS / 50 && cut_ms < 0; i++) {
		struct pollfd ready = { .fd = client, .events = POLLIN };
		send(client, "a", 1, MSG_NOSIGNAL);
		if (poll(&ready, 1, 50) > 0 && recv(client, &byte, 1, 0) <= 0)
			cut_ms = (clock_monotonic_us() - from_us) / 1000;
	}
	close(client);
	return cut_ms;
}

static void slow_senders_are_disconnected(void **state)
{
	static const char *const starts[] = {
		"GET /hel", /* in the request line */
		"GET /hello HTTP/1.1\r\n" HOST "X-Slow: ", /* in the headers */
		"POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 900\r\n\r\n", /* in the body */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		int64_t cut_ms = trickle(starts[i]);
		if (cut_ms < DEADLINE_MS)
			fail_msg("case %zu was cut after %d ms", i, (int)cut_ms);
	}
}

static void an_idle_connection_is_kept(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	clock_sleep_ms(2 * DEADLINE_MS);
	client_send(client, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_receive_of(client, 1, false, &received);
	expect(&received, 200);
	clock_sleep_ms(2 * DEADLINE_MS);
	client_send(client, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	client_receive_of(client, 1, false, &received);
	expect(&received, 200);
	close(client);
}

static void a_suspended_request_has_no_deadline(void **state)
{
	Received received;
	int client = client_new();

	(void)state;
	later_hold(true);
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\"");
	later_wait(1);
	clock_sleep_ms(2 * DEADLINE_MS);
	later_hold(false);
	client_receive_of(client, 1, false, &received);
	expect(&received, 200);
	close(client);
}

static void a_reader_gets_time_for_a_large_answer(void **state)
{
	static char bytes[100000];
	size_t size = 0;
	ssize_t got;
	int client = client_new(), small = 65536;

	(void)state;
	setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	client_send(client, "GET /large HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
	while ((got = recv(client, bytes, sizeof(bytes), 0)) > 0) {
		size += (size_t)got;
		clock_sleep_ms(20);
	}
	assert_int_equal(got, 0);
	assert_true(size > LARGE);
	close(client);
}

/* ---- starting and stopping --------------------------------------------------------------------------------------- */

static void the_error_says_that_a_port_is_in_use(void **state)
{
	HttpServerOptions options = options_of(1);
	HttpServer *other = NULL;

	(void)state;
	options.listen = http_server_address(server);
	Result result = http_server_start(&options, &other);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, "in use"));
	assert_null(other);
}

static void an_invalid_address_is_refused(void **state)
{
	static const char *const addresses[] = {
		"",           "8080",       "localhost:8080", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
		"::1:8080",   "[::1]",      "[::1]:65536",    "[fe80::1%lo]:0", "192.0.2.1:0"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		HttpServerOptions options = options_of(1);
		HttpServer *other = NULL;
		options.listen = addresses[i];
		assert_int_equal(http_server_start(&options, &other).kind, ERROR_INPUT);
	}
}

static bool listening(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int client = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	bool connected = connect(client, (struct sockaddr *)&to, sizeof(to)) == 0;
	close(client);
	return connected;
}

static void an_ipv6_listener_serves_ipv6_and_only_the_unspecified_address_serves_ipv4_too(void **state)
{
	static const struct {
		const char *listen;
		bool ipv4;
	} cases[] = { { "[::1]:0", false }, { "[::]:0", true } };

	(void)state;
	skip_without_ipv6();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		HttpServerOptions options = options_of(1);
		HttpServer *other;
		char ipv4[32], ipv6[32];
		options.listen = cases[i].listen;
		assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
		const char *bound = http_server_address(other), *port = strrchr(bound, ':');
		assert_int_equal(strncmp(bound, cases[i].listen, strlen(cases[i].listen) - 1), 0);
		assert_int_not_equal(atoi(port + 1), 0);
		snprintf(ipv6, sizeof(ipv6), "[::1]%s", port);
		snprintf(ipv4, sizeof(ipv4), "127.0.0.1%s", port);
		assert_int_equal(status_at(ipv6, "/hello"), 200);
		if (cases[i].ipv4)
			assert_int_equal(status_at(ipv4, "/hello"), 200);
		else
			assert_false(listening(ipv4));
		http_server_stop(other);
	}
}

/* A free address: a server was bound to it and has been stopped. */
static void free_address(char out[static 32])
{
	HttpServerOptions options = options_of(1);
	HttpServer *other;

	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	snprintf(out, 32, "%s", http_server_address(other));
	http_server_stop(other);
}

static void operations_have_a_listener_of_their_own(void **state)
{
	HttpServerOptions options = options_of(1);
	HttpServer *other;
	char ops[32];

	(void)state;
	free_address(ops);
	options.ops_listen = ops;
	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	assert_int_equal(status_at(ops, "/livez"), 200);
	assert_int_equal(status_at(ops, "/hello"), 404);
	assert_int_equal(status_at(http_server_address(other), "/livez"), 404);
	assert_int_equal(status_at(http_server_address(other), "/hello"), 200);
	http_server_quiesce(other);
	assert_int_equal(status_at(ops, "/livez"), 200);
	http_server_stop(other);
}

static void a_quiesced_server_finishes_its_requests(void **state)
{
	HttpServerOptions options = options_of(2);
	HttpServer *other;
	Received received;

	(void)state;
	later_hold(true);
	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	int client = client_connect(http_server_address(other));
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\"");
	later_wait(1);
	http_server_quiesce(other);
	assert_false(listening(http_server_address(other)));
	later_hold(false);
	client_receive_of(client, 0, false, &received);
	expect(&received, 200);
	assert_non_null(strstr(received.text, "Connection: close\r\n"));
	assert_true(received.ended);
	close(client);
	http_server_stop(other);
}

/* The test takes the request and answers it only after the server was freed. */
static void a_server_stops_with_an_unanswered_request(void **state)
{
	HttpServerOptions options = options_of(2);
	HttpServer *other;

	(void)state;
	later_hold(true);
	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	int client = client_connect(http_server_address(other));
	int half = client_connect(http_server_address(other));
	client_send(client, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\"");
	client_send(half, "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"");
	later_wait(1);
	http_server_stop(other);
	expect_closed(client);
	expect_closed(half);
	HttpResponse response = { .status = 204 };
	http_answer(later_take(), &response);
	later_hold(false);
}

/* Load for a server that stops while connections are in any state. */
static void *load_run(void *context)
{
	const char *address = context;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char bytes[1024];

	to.sin_port = htons((uint16_t)atoi(strchr(address, ':') + 1));
	for (;;) {
		int client = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(client, (struct sockaddr *)&to, sizeof(to)) != 0)
			return close(client), NULL;
		static const char request[] = "POST /later HTTP/1.1\r\n" HOST JSON "Content-Length: 3\r\n\r\n\"1\"";
		for (int i = 0; i < 5; i++)
			if (send(client, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
			    recv(client, bytes, sizeof(bytes), 0) <= 0)
				break;
		close(client);
	}
}

static void a_server_stops_under_load(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		HttpServerOptions options = options_of(1 + (unsigned)round % 3);
		HttpServer *other;
		pthread_t loaders[4];
		char address[32];
		assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
		snprintf(address, sizeof(address), "%s", http_server_address(other));
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&loaders[i], NULL, load_run, address), 0);
		clock_sleep_ms(15);
		http_server_quiesce(other);
		http_server_stop(other);
		for (int i = 0; i < 4; i++)
			pthread_join(loaders[i], NULL);
	}
}

/* ---- invalid heads that libmicrohttpd would answer itself -------------------------------------------------------- */

static void an_invalid_head_gets_one_problem_document(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
		{ "GET /hello HTTP/1.1\r\n\r\n", 400 },
		{ "GET /hello HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n", 400 },
		{ "GET /hello HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400 },
		{ "GET /hello HTTP/1.1\r\n" HOST "Content-Length: 5 6\r\n\r\nabcde", 400 },
		{ "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: -1\r\n\r\n{}", 400 },
		{ "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 99999999999999999999999\r\n\r\n{}", 413 },
		{ "GET /hel lo HTTP/1.1\r\n" HOST "\r\n", 400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Received received;
		int client = client_new();
		client_send(client, cases[i].request);
		client_receive_of(client, 0, false, &received);
		expect_one_problem(&received, cases[i].status);
		close(client);
	}
	expect(ask("GET /hello HTTP/1.0\r\n\r\n"), 200);
}

/*
 * The server has received part of both heads when libmicrohttpd finds the invalid length in one of them. libmicrohttpd's message
 * does not name the connection.
 */
static void an_invalid_length_does_not_affect_other_connections(void **state)
{
	HttpServerOptions options = options_of(1);
	HttpServer *other;
	Received received;

	(void)state;
	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	int sound = client_connect(http_server_address(other)), broken = client_connect(http_server_address(other));
	client_send(sound, "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 2\r\nX-More: ");
	client_send(broken, "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 2x\r\nX-More: ");
	clock_sleep_ms(50);
	client_send(broken, "1\r\n\r\n{}");
	client_receive_of(broken, 0, false, &received);
	expect_one_problem(&received, 400);
	client_send(sound, "1\r\n\r\n{}");
	client_receive_of(sound, 1, false, &received);
	expect(&received, 202);
	close(sound);
	close(broken);
	http_server_stop(other);
}

/* ---- senders that write before they read ------------------------------------------------------------------------- */

static void client_send_bytes(int client, size_t size)
{
	static char bytes[65536];

	while (size > 0) {
		size_t part = size < sizeof(bytes) ? size : sizeof(bytes);
		ssize_t sent = send(client, bytes, part, MSG_NOSIGNAL);
		assert_true(sent > 0);
		size -= (size_t)sent;
	}
}

static void a_client_that_sends_the_whole_body_reads_its_refusal(void **state)
{
	static const struct {
		const char *headers;
		unsigned status;
	} cases[] = { { KEY JSON, 413 }, { JSON, 401 } };
	static const size_t sizes[] = { 600000, 16000000 };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		Received received;
		char head[256];
		int client = client_new();
		snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST "%sContent-Length: %zu\r\n\r\n",
			 cases[i % 2].headers, sizes[i / 2]);
		client_send(client, head);
		clock_sleep_ms(i % 2 ? 50 : 0); /* with the pause, the refusal is sent before the body begins */
		client_send_bytes(client, sizes[i / 2]);
		client_receive_of(client, 0, false, &received);
		expect_one_problem(&received, cases[i % 2].status);
		close(client);
	}
}

static void a_chunked_body_above_the_drain_limit_is_refused(void **state)
{
	enum { CHUNK = 1 << 20, CHUNKS = 17 };
	Received received;
	int client = client_new();

	(void)state;
	client_send(client, "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < CHUNKS; i++) {
		client_send(client, "100000\r\n");
		client_send_bytes(client, CHUNK);
		client_send(client, "\r\n");
	}
	client_receive_of(client, 0, false, &received);
	expect_one_problem(&received, 413);
	close(client);
	idle_wait();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_answers),
		cmocka_unit_test(a_handler_gets_path_and_query),
		cmocka_unit_test(the_absolute_form_of_a_target_is_accepted),
		cmocka_unit_test(a_header_value_with_a_line_end_is_dropped),
		cmocka_unit_test(an_unknown_path_is_not_found),
		cmocka_unit_test(a_wrong_method_gets_the_allowed_ones),
		cmocka_unit_test(a_head_request_gets_the_headers_of_get),
		cmocka_unit_test(an_answer_without_a_type_has_no_body),
		cmocka_unit_test(a_path_longer_than_any_route_is_refused),
		cmocka_unit_test(a_refused_request_leaves_the_connection_open),
		cmocka_unit_test(a_request_without_a_key_is_refused),
		cmocka_unit_test(an_open_route_needs_no_key),
		cmocka_unit_test(a_key_is_checked_before_the_body),
		cmocka_unit_test(a_declared_body_above_the_limit_is_refused_at_once),
		cmocka_unit_test(a_chunked_body_above_the_limit_is_refused),
		cmocka_unit_test(a_body_of_another_type_is_refused),
		cmocka_unit_test(bodies_at_the_limit_arrive_whole),
		cmocka_unit_test(a_post_without_a_body_reaches_its_handler),
		cmocka_unit_test(an_unused_body_is_read_and_dropped),
		cmocka_unit_test(requests_with_an_ambiguous_end_are_refused_and_closed),
		cmocka_unit_test(a_nul_in_the_target_is_refused),
		cmocka_unit_test(suspended_requests_get_their_own_answers),
		cmocka_unit_test(an_answer_may_come_before_the_handler_returns),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(an_aborted_request_is_closed_without_an_answer),
		cmocka_unit_test(a_client_that_disconnects_does_no_harm),
		cmocka_unit_test(slow_senders_are_disconnected),
		cmocka_unit_test(an_idle_connection_is_kept),
		cmocka_unit_test(a_suspended_request_has_no_deadline),
		cmocka_unit_test(a_reader_gets_time_for_a_large_answer),
		cmocka_unit_test(the_error_says_that_a_port_is_in_use),
		cmocka_unit_test(an_invalid_address_is_refused),
		cmocka_unit_test(an_ipv6_listener_serves_ipv6_and_only_the_unspecified_address_serves_ipv4_too),
		cmocka_unit_test(operations_have_a_listener_of_their_own),
		cmocka_unit_test(a_quiesced_server_finishes_its_requests),
		cmocka_unit_test(a_server_stops_with_an_unanswered_request),
		cmocka_unit_test(a_server_stops_under_load),
		cmocka_unit_test(an_invalid_head_gets_one_problem_document),
		cmocka_unit_test(an_invalid_length_does_not_affect_other_connections),
		cmocka_unit_test(a_client_that_sends_the_whole_body_reads_its_refusal),
		cmocka_unit_test(a_chunked_body_above_the_drain_limit_is_refused),
	};
	return cmocka_run_group_tests_name("http_server", tests, site_start, site_end);
}
