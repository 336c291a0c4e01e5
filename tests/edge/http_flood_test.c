/* More connections than the limit: some are served, others get 503, and the server still stops. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/system/clock.h"
#include "tests/support/http_site.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FLOOD = 1500, FLOOD_THREADS = 8, FLOOD_ROOM = 1008, FLOOD_DESCRIPTORS = 4000, HANG_SECONDS = 120 };
enum { STOP_MAX_MS = 15000 }; /* long enough for a slow machine; a server that waited for its clients would take 30 s */
/*
 * See shared/io/http/connections.c. The server evicts a connection only after it has been idle for 5 s (minus a tolerance here),
 * and only while at most FLOOD_RESERVE connections are free.
 */
enum { KEPT_AT_LEAST_US = 4500000, FLOOD_RESERVE = FLOOD_ROOM / 16 };

#define COMPLETE "GET /hello HTTP/1.1\r\n" HOST "\r\n"
#define HALF_HEAD "POST /echo HTTP/1.1\r\nAuth"
#define HALF_BODY "POST /echo HTTP/1.1\r\n" HOST KEY JSON "Content-Length: 100\r\n\r\n{"

static struct rlimit descriptors_before;

/* Raises the limit of descriptors, because both ends of every connection are in this process. An alarm kills a test that hangs. */
static int flood_begin(void **state)
{
	struct rlimit more;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &descriptors_before), 0);
	more = descriptors_before;
	if (more.rlim_cur < FLOOD_DESCRIPTORS)
		more.rlim_cur = more.rlim_max < FLOOD_DESCRIPTORS ? more.rlim_max : FLOOD_DESCRIPTORS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
	alarm(HANG_SECONDS);
	return 0;
}

static int flood_end(void **state)
{
	(void)state;
	alarm(0);
	return setrlimit(RLIMIT_NOFILE, &descriptors_before);
}

static HttpServer *flood_server(void)
{
	HttpServerOptions options = options_of(FLOOD_THREADS);
	HttpServer *other;
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < FLOOD_DESCRIPTORS)
		skip();
	options.request_deadline_ms = 30000;
	assert_int_equal(http_server_start(&options, &other).kind, ERROR_NONE);
	return other;
}

static void flood(const HttpServer *other, const char *request, int clients[static FLOOD])
{
	for (int i = 0; i < FLOOD; i++) {
		clients[i] = client_connect(http_server_address(other));
		send(clients[i], request, strlen(request), MSG_NOSIGNAL); /* fails on a connection that was refused already */
	}
}

static void close_all(const int *clients, int count)
{
	for (int i = 0; i < count; i++)
		close(clients[i]);
}

/* The number of 503 answers among the last 100 connections, which arrived above the limit. */
static unsigned flood_refused(int clients[static FLOOD])
{
	static Received received;
	unsigned refused = 0;

	for (int i = FLOOD - 100; i < FLOOD; i++) {
		client_receive_of(clients[i], 0, false, &received);
		if (received.size == 0)
			continue; /* the server did not linger on this connection, so a reset discarded the 503 */
		expect_one_problem(&received, 503);
		assert_non_null(strstr(received.text, "Retry-After: 1\r\n"));
		refused++;
	}
	return refused;
}

static void the_server_answers_after_a_flood_of_connections(void **state)
{
	static const char *const requests[] = { COMPLETE, HALF_HEAD, HALF_BODY };
	HttpServer *other = flood_server();
	int clients[FLOOD];

	(void)state;
	for (int i = 0; i < 9; i++) {
		flood(other, requests[i / 3], clients);
		assert_true(flood_refused(clients) > 0);
		close_all(clients, FLOOD);
		clock_sleep_ms(200);
		assert_int_equal(status_at(http_server_address(other), "/hello"), 200);
	}
	http_server_stop(other);
}

/* Every connection within the limit is answered. */
static void a_full_server_answers_its_connections(void **state)
{
	HttpServer *other = flood_server();
	int clients[FLOOD], answered = 0;
	Received received;

	(void)state;
	int64_t from_us = clock_monotonic_us();
	flood(other, "", clients);
	bool slow = clock_monotonic_us() - from_us > KEPT_AT_LEAST_US;
	for (int i = 0; i < FLOOD; i++) {
		if (send(clients[i], COMPLETE, strlen(COMPLETE), MSG_NOSIGNAL) < 0)
			continue;
		client_receive_of(clients[i], 1, false, &received);
		answered += strncmp(received.text, "HTTP/1.1 200 ", 13) == 0;
	}
	assert_in_range(answered, slow ? FLOOD_ROOM - FLOOD_RESERVE : FLOOD_ROOM, FLOOD_ROOM);
	close_all(clients, FLOOD);
	http_server_stop(other);
}

static bool answered_on(int client)
{
	static Received received;

	if (send(client, COMPLETE, strlen(COMPLETE), MSG_NOSIGNAL) < 0)
		return false;
	client_receive_of(client, 1, false, &received);
	return strncmp(received.text, "HTTP/1.1 200 ", 13) == 0;
}

/*
 * The last BUSY connections are answered shortly before the new connections arrive. So even if connecting is slow, none of the
 * answered connections is idle long enough to be evicted.
 */
static void idle_connections_do_not_shut_out_new_ones(void **state)
{
	enum { BUSY = 10, NEW_CLIENTS = 300, IDLE_MS = 6000, ALLOWANCE = 30 };
	HttpServer *other = flood_server();
	int kept[FLOOD_ROOM], new_clients[NEW_CLIENTS], still = 0;

	(void)state;
	for (int i = 0; i < FLOOD_ROOM; i++) {
		kept[i] = client_connect(http_server_address(other));
		assert_true(answered_on(kept[i]));
	}
	clock_sleep_ms(IDLE_MS);
	for (int i = FLOOD_ROOM - BUSY; i < FLOOD_ROOM; i++)
		assert_true(answered_on(kept[i]));
	int refused = 0;
	for (int i = 0; i < NEW_CLIENTS; i++) {
		new_clients[i] = client_connect(http_server_address(other));
		refused += !answered_on(new_clients[i]);
	}
	assert_in_range(refused, 0, ALLOWANCE); /* new connections are refused until the first evicted ones are closed */
	for (int i = 0; i < FLOOD_ROOM; i++) {
		bool open = answered_on(kept[i]);
		assert_true(open || i < FLOOD_ROOM - BUSY);
		still += open;
		close(kept[i]);
	}
	assert_in_range(still, FLOOD_ROOM - NEW_CLIENTS - FLOOD_RESERVE, FLOOD_ROOM - NEW_CLIENTS + ALLOWANCE);
	close_all(new_clients, NEW_CLIENTS);
	http_server_stop(other);
}

/* Connections that just sent one byte are not idle, so the server must evict other connections. */
static void slow_bytes_do_not_shut_out_new_connections(void **state)
{
	enum { NEW_CLIENTS = 40, IDLE_MS = 6000, ALLOWANCE = 20 };
	HttpServer *other = flood_server();
	int kept[FLOOD_ROOM], new_clients[NEW_CLIENTS], refused = 0;

	(void)state;
	for (int i = 0; i < FLOOD_ROOM; i++) {
		kept[i] = client_connect(http_server_address(other));
		assert_true(answered_on(kept[i]));
	}
	clock_sleep_ms(IDLE_MS);
	for (int i = 0; i < NEW_CLIENTS; i++) {
		client_send(kept[2 * i], "G"); /* the oldest connections */
		client_send(kept[2 * i + 1], "G");
		new_clients[i] = client_connect(http_server_address(other));
		refused += !answered_on(new_clients[i]);
	}
	assert_in_range(refused, 0, ALLOWANCE);
	close_all(kept, FLOOD_ROOM);
	close_all(new_clients, NEW_CLIENTS);
	http_server_stop(other);
}

/* A client needs no key to begin a thousand request heads. */
static void half_sent_heads_do_not_shut_out_new_connections(void **state)
{
	/* One second until the server sees the bytes, five more until it evicts. */
	enum { NEW_CLIENTS = 100, IDLE_MS = 7000, ALLOWANCE = 30 };
	HttpServer *other = flood_server();
	int halves[FLOOD_ROOM], new_clients[NEW_CLIENTS], refused = 0;

	(void)state;
	for (int i = 0; i < FLOOD_ROOM; i++) {
		halves[i] = client_connect(http_server_address(other));
		client_send(halves[i], HALF_HEAD);
	}
	clock_sleep_ms(IDLE_MS);
	for (int i = 0; i < NEW_CLIENTS; i++) {
		new_clients[i] = client_connect(http_server_address(other));
		refused += !answered_on(new_clients[i]);
	}
	assert_in_range(refused, 0, ALLOWANCE);
	close_all(halves, FLOOD_ROOM);
	close_all(new_clients, NEW_CLIENTS);
	http_server_stop(other);
}

static void a_server_stops_with_any_connections(void **state)
{
	static const char *const requests[] = { "", COMPLETE, HALF_HEAD, HALF_BODY };

	(void)state;
	for (int i = 0; i < 4; i++) {
		HttpServer *other = flood_server();
		int clients[FLOOD];
		flood(other, requests[i], clients);
		int64_t from_us = clock_monotonic_us();
		http_server_stop(other);
		int64_t took_ms = (clock_monotonic_us() - from_us) / 1000;
		if (took_ms > STOP_MAX_MS)
			fail_msg("stopping among '%s' took %d ms", requests[i], (int)took_ms);
		close_all(clients, FLOOD);
	}
}

static int64_t cpu_us(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* The client sockets are created before the limit is lowered, so only the server runs out of descriptors. */
static void a_server_without_descriptors_waits_idle_and_stops(void **state)
{
	enum { CLIENTS_WAITING = 60, DESCRIPTORS_LEFT = 20 };
	HttpServer *other = flood_server();
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct rlimit few = { .rlim_max = descriptors_before.rlim_max };
	int clients[CLIENTS_WAITING];
	Received received;

	(void)state;
	to.sin_port = htons((uint16_t)atoi(strchr(http_server_address(other), ':') + 1));
	for (int i = 0; i < CLIENTS_WAITING; i++)
		clients[i] = socket(AF_INET, SOCK_STREAM, 0);
	few.rlim_cur = (rlim_t)clients[CLIENTS_WAITING - 1] + 1 + DESCRIPTORS_LEFT;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < CLIENTS_WAITING; i++)
		assert_int_equal(connect(clients[i], (struct sockaddr *)&to, sizeof(to)), 0);
	int64_t from_us = cpu_us();
	clock_sleep_ms(1000);
	assert_true(cpu_us() - from_us < 200000);
	client_send(clients[0], COMPLETE);
	client_receive_of(clients[0], 1, false, &received);
	expect(&received, 200);
	for (int i = 0; i < CLIENTS_WAITING / 2; i++)
		shutdown(clients[i], SHUT_RDWR); /* the server closes its descriptor; the client's stays in use */
	client_send(clients[CLIENTS_WAITING / 2], COMPLETE); /* the server has free descriptors again and accepts this connection */
	client_receive_of(clients[CLIENTS_WAITING / 2], 1, false, &received);
	expect(&received, 200);
	clock_sleep_ms(200); /* until all descriptors are in use again */
	assert_int_equal(dup(clients[0]), -1);
	from_us = clock_monotonic_us();
	http_server_stop(other);
	assert_true(clock_monotonic_us() - from_us < STOP_MAX_MS * 1000);
	close_all(clients, CLIENTS_WAITING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_server_answers_after_a_flood_of_connections, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(a_full_server_answers_its_connections, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(idle_connections_do_not_shut_out_new_ones, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(slow_bytes_do_not_shut_out_new_connections, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(half_sent_heads_do_not_shut_out_new_connections, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(a_server_stops_with_any_connections, flood_begin, flood_end),
		cmocka_unit_test_setup_teardown(a_server_without_descriptors_waits_idle_and_stops, flood_begin, flood_end),
	};
	return cmocka_run_group_tests_name("http_flood", tests, site_start, site_end);
}
