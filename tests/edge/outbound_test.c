#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/hash.h"
#include "shared/io/system/clock.h"
#include "shared/io/outbound/outbound.h"
#include "shared/io/outbound/webhook.h"
#include "tests/support/succeeds.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* ---- a receiver: serves one connection after the other and records the bytes it gets ----------------------------- */

enum { REPLIES_MAX = 16 };

typedef struct Peer Peer;

struct Peer {
	void (*serve)(Peer *peer, int client);
	/* HTTP: the n-th reply is for the n-th request; SMTP: "COMMAND=REPLY", for example "RCPT=550 no". */
	const char *replies[REPLIES_MAX];
	unsigned reply_next;
	int socket;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t mutex;
	Buffer received;
	atomic_uint connections, requests;
	atomic_bool hold; /* HTTP: do not answer while set */
};

static void *peer_run(void *context)
{
	Peer *peer = context;
	int client;

	while ((client = accept(peer->socket, NULL, NULL)) >= 0) {
		struct timeval timeout = { .tv_sec = 10 };
		setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
		atomic_fetch_add(&peer->connections, 1);
		peer->serve(peer, client);
		close(client);
	}
	return NULL;
}

static void peer_start(Peer *peer, void (*serve)(Peer *peer, int client))
{
	struct sockaddr_in address = { .sin_family = AF_INET }; /* the zero address: listens on every address of this machine */
	socklen_t size = sizeof(address);

	peer->serve = serve;
	buffer_init(&peer->received, 1 << 20);
	pthread_mutex_init(&peer->mutex, NULL);
	peer->socket = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(peer->socket, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->socket, 16), 0);
	assert_int_equal(getsockname(peer->socket, (struct sockaddr *)&address, &size), 0);
	peer->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static void peer_stop(Peer *peer)
{
	atomic_store(&peer->hold, false);
	shutdown(peer->socket, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->socket);
	buffer_release(&peer->received);
	pthread_mutex_destroy(&peer->mutex);
}

static void peer_record(Peer *peer, const char *text, size_t size)
{
	pthread_mutex_lock(&peer->mutex);
	buffer_append(&peer->received, (Slice){ text, size });
	pthread_mutex_unlock(&peer->mutex);
}

static bool peer_received(Peer *peer, const char *text)
{
	pthread_mutex_lock(&peer->mutex);
	bool found = strstr(peer->received.data, text) != NULL;
	pthread_mutex_unlock(&peer->mutex);
	return found;
}

static void peer_send(int client, const char *text)
{
	send(client, text, strlen(text), MSG_NOSIGNAL);
}

/* Receives one webhook and answers it. */
static void serve_http(Peer *peer, int client)
{
	char text[8192] = "";
	size_t size = 0;
	const char *body = NULL, *length;

	while (!body ||
	       strlen(body + 4) < (size_t)((length = strcasestr(text, "Content-Length: ")) ? atoi(length + 16) : 0)) {
		ssize_t got = recv(client, text + size, sizeof(text) - 1 - size, 0);
		if (got <= 0)
			return;
		peer_record(peer, text + size, (size_t)got);
		size += (size_t)got;
		text[size] = '\0';
		body = strstr(text, "\r\n\r\n");
	}
	atomic_fetch_add(&peer->requests, 1);
	while (atomic_load(&peer->hold))
		clock_sleep_ms(2);
	const char *reply = peer->replies[peer->reply_next];
	if (peer->reply_next + 1 < REPLIES_MAX && peer->replies[peer->reply_next + 1])
		peer->reply_next++;
	peer_send(client, "HTTP/1.1 ");
	peer_send(client, reply ? reply : "200 OK\r\n");
	peer_send(client, "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

/* Answers with a body of 16 MiB. */
static void serve_flood(Peer *peer, int client)
{
	char bytes[4096];

	(void)peer;
	recv(client, bytes, sizeof(bytes), 0);
	memset(bytes, 'x', sizeof(bytes));
	peer_send(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 4096 && send(client, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0; i++)
		atomic_fetch_add(&peer->requests, 1);
}

/* The reply to an SMTP command: the test's own if `replies` has one for it, otherwise the usual one. */
static const char *smtp_reply(const Peer *peer, const char *line)
{
	static const char *const usual[] = { "EHLO=250-test\r\n250 8BITMIME",
					     "STARTTLS=454 later",
					     "AUTH=334 ",
					     "AHRv=235 ok",
					     "MAIL=250 ok",
					     "RCPT=250 ok",
					     "DATA=354 go on",
					     ".=250 taken",
					     "QUIT=221 bye" };
	const char *const *lists[] = { peer->replies, usual };
	const size_t sizes[] = { REPLIES_MAX, sizeof(usual) / sizeof(usual[0]) };

	for (size_t list = 0; list < 2; list++)
		for (size_t i = 0; i < sizes[list] && lists[list][i]; i++) {
			size_t size = strcspn(lists[list][i], "=");
			if (strncasecmp(line, lists[list][i], size) == 0)
				return lists[list][i] + size + 1;
		}
	return "500 what";
}

static bool is_code(const char *reply, const char *code)
{
	return strncmp(reply, code, 3) == 0;
}

static void serve_smtp(Peer *peer, int client)
{
	FILE *stream = fdopen(dup(client), "r");
	bool data = false;
	char line[4096], reply[512];
	const char *greeting = smtp_reply(peer, "GREETING");

	snprintf(reply, sizeof(reply), "%s\r\n", is_code(greeting, "500") ? "220 test" : greeting);
	peer_send(client, reply);
	while (fgets(line, sizeof(line), stream)) {
		peer_record(peer, line, strlen(line));
		if (data && strcmp(line, ".\r\n") != 0)
			continue;
		snprintf(reply, sizeof(reply), "%s\r\n", smtp_reply(peer, line));
		data = is_code(reply, "354");
		peer_send(client, reply);
	}
	fclose(stream);
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static Outbound *outbound_new(const char *allow, unsigned workers, unsigned queue_max)
{
	OutboundCurlOptions options = {
		.egress_allow = allow, .mail_host = "tocsin.example", .workers = workers, .queue_max = queue_max
	};
	Outbound *outbound = NULL;

	assert_int_equal(outbound_curl_open(&options, &outbound).kind, ERROR_NONE);
	return outbound;
}

static OutboundRequest webhook(const char *key, const char *url)
{
	return (OutboundRequest){ .kind = OUTBOUND_WEBHOOK,
				 .key = key,
				 .attempt = 1,
				 .url = url,
				 .secret = SECRET,
				 .body = SLICE("{\"type\":\"incident.opened\"}") };
}

static OutboundRequest mail(const char *url)
{
	return (OutboundRequest){ .kind = OUTBOUND_MAIL,
				 .key = "msg_1",
				 .attempt = 3,
				 .url = url,
				 .from = "tocsin@tocsin.example",
				 .to = "li@soc.example",
				 .to_name = "李",
				 .subject = "严重",
				 .language = "zh-CN",
				 .thread = "inc_1",
				 .body = SLICE("你好\n.\n") };
}

static OutboundOutcome outcome_of(Outbound *outbound)
{
	OutboundOutcome outcome;

	for (int i = 0; i < 10000; i++) {
		if (outbound->operations->outcome(outbound, &outcome))
			return outcome;
		clock_sleep_ms(1);
	}
	fail_msg("no outcome within ten seconds");
	return (OutboundOutcome){ 0 };
}

static OutboundOutcome send_and_wait(Outbound *outbound, const OutboundRequest *request)
{
	Result result = outbound->operations->send(outbound, request);

	if (result_failed(result))
		fail_msg("%s", result.text);
	OutboundOutcome outcome = outcome_of(outbound);
	assert_string_equal(outcome.key, request->key);
	assert_int_equal(outcome.attempt, request->attempt);
	return outcome;
}

/* Sends one webhook to the peer and returns the outcome. */
static OutboundOutcome webhook_to(Peer *peer, const char *allow)
{
	Outbound *outbound = outbound_new(allow, 1, 8);
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", peer->port);
	OutboundRequest request = webhook("msg_1", url);
	OutboundOutcome outcome = send_and_wait(outbound, &request);
	outbound->operations->close(outbound);
	return outcome;
}

static OutboundOutcome mail_to(Peer *peer, const char *server)
{
	Outbound *outbound = outbound_new(NULL, 1, 8);
	char url[128];

	snprintf(url, sizeof(url), "%s:%u", server, peer->port);
	OutboundRequest request = mail(url);
	OutboundOutcome outcome = send_and_wait(outbound, &request);
	outbound->operations->close(outbound);
	return outcome;
}

static void header_read(const char *text, const char *name, char *out, size_t out_size)
{
	char start[64];
	snprintf(start, sizeof(start), "\r\n%s: ", name);
	const char *at = strcasestr(text, start);

	assert_non_null(at);
	at += strlen(start);
	assert_true(text_copy((Slice){ at, strcspn(at, "\r") }, out, out_size));
}

/* ---- webhooks ---------------------------------------------------------------------------------------------------- */

static void a_webhook_is_retried_after_503_and_its_signature_verifies(void **state)
{
	Peer peer = { .replies = { "503 Busy\r\nRetry-After: 7\r\n", "204 No Content\r\n" } };
	Outbound *outbound = outbound_new("127.0.0.0/8", 2, 8);
	char url[64], id[64], timestamp[32], signature[128];
	Buffer expected;

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", peer.port);
	OutboundRequest request = webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", url);
	OutboundOutcome outcome = send_and_wait(outbound, &request);
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "HTTP 503");
	assert_int_equal(outcome.retry_after_ms, 7000);
	request.attempt = 2;
	outcome = send_and_wait(outbound, &request);
	assert_int_equal(outcome.outcome, OUTCOME_SENT);
	assert_string_equal(outcome.detail, "HTTP 204");
	outbound->operations->close(outbound);

	assert_true(peer_received(&peer, "POST /hook HTTP/1.1\r\n"));
	assert_true(peer_received(&peer, "Content-Type: application/json\r\n"));
	assert_true(peer_received(&peer, "User-Agent: tocsin/" TOCSIN_VERSION "\r\n"));
	assert_false(peer_received(&peer, "Expect:"));
	header_read(peer.received.data, "webhook-id", id, sizeof(id));
	header_read(peer.received.data, "webhook-timestamp", timestamp, sizeof(timestamp));
	header_read(peer.received.data, "webhook-signature", signature, sizeof(signature));
	assert_string_equal(id, request.key);
	assert_true(llabs(atoll(timestamp) - (long long)time(NULL)) < 30);
	buffer_init(&expected, 256);
	assert_true(webhook_sign(SECRET, id, atoll(timestamp), request.body, &expected));
	assert_string_equal(signature, expected.data);
	assert_non_null(strstr(peer.received.data, "\r\n\r\n{\"type\":\"incident.opened\"}"));
	buffer_release(&expected);
	peer_stop(&peer);
}

static void a_webhook_without_a_secret_is_not_signed(void **state)
{
	Peer peer = { .replies = { NULL } };
	Outbound *outbound = outbound_new("127.0.0.0/8", 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	OutboundRequest request = webhook("msg_1", url);
	request.secret = NULL;
	assert_int_equal(send_and_wait(outbound, &request).outcome, OUTCOME_SENT);
	assert_true(peer_received(&peer, "webhook-id: msg_1\r\n"));
	assert_false(peer_received(&peer, "webhook-signature"));
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

static void retry_after_may_be_a_date(void **state)
{
	char reply[128], date[64];
	time_t later = time(NULL) + 100;
	struct tm parts;
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&later, &parts));
	snprintf(reply, sizeof(reply), "429 Slow\r\nRetry-After: %s\r\n", date);
	Peer peer = { .replies = { reply } };

	(void)state;
	peer_start(&peer, serve_http);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_in_range(outcome.retry_after_ms, 80000, 100000);
	peer_stop(&peer);
}

static void a_redirection_is_not_followed(void **state)
{
	char reply[128];
	Peer target = { .replies = { NULL } }, peer = { .replies = { reply } };

	(void)state;
	peer_start(&target, serve_http);
	snprintf(reply, sizeof(reply), "302 Found\r\nLocation: http://127.0.0.1:%u/\r\n", target.port);
	peer_start(&peer, serve_http);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "HTTP 302");
	assert_int_equal(atomic_load(&target.connections), 0);
	peer_stop(&peer);
	peer_stop(&target);
}

static void status_410_is_not_retried(void **state)
{
	Peer peer = { .replies = { "410 Gone\r\nRetry-After: 5\r\n" } };

	(void)state;
	peer_start(&peer, serve_http);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_REFUSED);
	assert_string_equal(outcome.detail, "HTTP 410");
	assert_int_equal(outcome.retry_after_ms, 0);
	peer_stop(&peer);
}

static void a_response_that_is_too_long_is_cut_and_dropped(void **state)
{
	Peer peer = { .replies = { NULL } };

	(void)state;
	peer_start(&peer, serve_flood);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_SENT);
	assert_string_equal(outcome.detail, "HTTP 200");
	peer_stop(&peer);
	assert_true(atomic_load(&peer.requests) < 4096);
}

static void addresses_that_are_not_public_are_not_connected_to(void **state)
{
	static const char *const hosts[] = { "http://127.0.0.1",  "http://localhost",          "http://2130706433",
					     "http://0x7f.1",     "http://0177.0.0.1",         "http://0",
					     "https://127.0.0.1", "http://[::ffff:127.0.0.1]", "https://[::1]",
					     "https://localhost", "HTTP://127.0.0.1" };
	Peer peer = { .replies = { NULL } };
	Outbound *outbound = outbound_new("10.0.0.0/8", 1, 8);

	(void)state;
	peer_start(&peer, serve_http);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char url[96];
		snprintf(url, sizeof(url), "%s:%u/", hosts[i], peer.port);
		OutboundRequest request = webhook("msg_1", url);
		OutboundOutcome outcome = send_and_wait(outbound, &request);
		if (outcome.outcome != OUTCOME_REFUSED ||
		    strcmp(outcome.detail, "address not allowed: set TOCSIN_EGRESS_ALLOW") != 0)
			fail_msg("%s: %s", url, outcome.detail);
	}
	assert_int_equal(atomic_load(&peer.connections), 0);
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

/* By default public addresses are allowed, but not with plain http. The request is refused before any connection is made. */
static void plain_http_goes_only_to_listed_addresses(void **state)
{
	Outbound *outbound = outbound_new(NULL, 1, 8);
	OutboundRequest request = webhook("msg_1", "http://1.1.1.1/");

	(void)state;
	OutboundOutcome outcome = send_and_wait(outbound, &request);
	assert_int_equal(outcome.outcome, OUTCOME_REFUSED);
	assert_non_null(strstr(outcome.detail, "TOCSIN_EGRESS_ALLOW"));
	outbound->operations->close(outbound);
}

static void other_protocols_are_refused(void **state)
{
	static const char *const urls[] = { "file:///etc/passwd",
					    "gopher://127.0.0.1/",
					    "dict://127.0.0.1/",
					    "ftp://127.0.0.1/",
					    "smtp://127.0.0.1/",
					    "://",
					    "http://" };
	Outbound *outbound = outbound_new("0.0.0.0/0", 1, 8);

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		OutboundRequest request = webhook("msg_1", urls[i]);
		if (send_and_wait(outbound, &request).outcome != OUTCOME_REFUSED)
			fail_msg("%s was not refused", urls[i]);
	}
	outbound->operations->close(outbound);
}

static void http_proxy_is_ignored(void **state)
{
	Peer proxy = { .replies = { NULL } }, peer = { .replies = { NULL } };
	char url[64];

	(void)state;
	peer_start(&proxy, serve_http);
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", proxy.port);
	setenv("http_proxy", url, 1);
	setenv("all_proxy", url, 1);
	assert_int_equal(webhook_to(&peer, "127.0.0.1").outcome, OUTCOME_SENT);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(atomic_load(&proxy.connections), 0);
	assert_int_equal(atomic_load(&peer.connections), 1);
	peer_stop(&proxy);
	peer_stop(&peer);
}

static void a_refused_connection_is_retried(void **state)
{
	Peer peer = { .replies = { NULL } };

	(void)state;
	peer_start(&peer, serve_http);
	peer_stop(&peer);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "Connection refused");
}

static void an_invalid_secret_is_refused(void **state)
{
	Outbound *outbound = outbound_new("127.0.0.1", 1, 8);
	OutboundRequest request = webhook("msg_1", "http://127.0.0.1:1/");

	(void)state;
	request.secret = "hunter2";
	OutboundOutcome outcome = send_and_wait(outbound, &request);
	assert_int_equal(outcome.outcome, OUTCOME_REFUSED);
	assert_null(strstr(outcome.detail, "hunter2"));
	outbound->operations->close(outbound);
}

/* ---- the queue --------------------------------------------------------------------------------------------------- */

static void wait_for_requests(Peer *peer, unsigned count)
{
	for (int i = 0; i < 5000 && atomic_load(&peer->requests) < count; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&peer->requests), count);
}

static void a_key_being_sent_is_not_sent_twice(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outbound = outbound_new("127.0.0.1", 2, 8);
	OutboundOutcome outcome;
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	OutboundRequest request = webhook("msg_1", url);
	assert_int_equal(outbound->operations->send(outbound, &request).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	assert_int_equal(outbound->operations->send(outbound, &request).kind, ERROR_NONE);
	atomic_store(&peer.hold, false);
	outcome_of(outbound);
	/* After the outcome the key is accepted again. If the repeat above had been sent, this would be the third request. */
	send_and_wait(outbound, &request);
	assert_false(outbound->operations->outcome(outbound, &outcome));
	assert_int_equal(atomic_load(&peer.requests), 2);
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

static void a_key_whose_outcome_was_not_taken_is_not_sent_again(void **state)
{
	Peer peer = { .replies = { NULL } };
	Outbound *outbound = outbound_new("127.0.0.1", 1, 8);
	OutboundOutcome outcome;
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	OutboundRequest first = webhook("msg_1", url), marker = webhook("msg_2", url);
	succeeds(outbound->operations->send(outbound, &first));
	succeeds(outbound->operations->send(outbound, &marker)); /* by the same worker, after the first */
	wait_for_requests(&peer, 2);
	succeeds(outbound->operations->send(outbound, &first));
	assert_string_equal(outcome_of(outbound).key, "msg_1");
	assert_string_equal(outcome_of(outbound).key, "msg_2");
	send_and_wait(outbound, &marker); /* if the first had been sent again, this would be the fourth request */
	assert_false(outbound->operations->outcome(outbound, &outcome));
	assert_int_equal(atomic_load(&peer.requests), 3);
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

static Result send_numbered(Outbound *outbound, const char *url, int number)
{
	char key[32];
	snprintf(key, sizeof(key), "msg_%d", number);
	OutboundRequest request = webhook(key, url);

	return outbound->operations->send(outbound, &request);
}

/* The queue is full with one running call and two queued requests. Outcomes that were not taken also count. */
static void a_full_queue_refuses_requests_and_loses_no_outcome(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outbound = outbound_new("127.0.0.1", 1, 2);
	bool seen[16] = { false };
	char url[64];
	int taken = 0;

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	assert_int_equal(send_numbered(outbound, url, taken++).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	assert_int_equal(send_numbered(outbound, url, taken++).kind, ERROR_NONE);
	assert_int_equal(send_numbered(outbound, url, taken++).kind, ERROR_NONE);
	assert_int_equal(send_numbered(outbound, url, 15).kind, ERROR_AGAIN);
	atomic_store(&peer.hold, false);
	wait_for_requests(&peer, 2);
	while (send_numbered(outbound, url, taken).kind == ERROR_NONE)
		assert_true(++taken < 8);
	/* A fixed time in which an unwanted request would arrive. The queue is full, so no later request can be awaited instead. */
	clock_sleep_ms(50);
	assert_int_equal(atomic_load(&peer.requests), 2);
	for (int i = 0; i < taken; i++) {
		OutboundOutcome outcome = outcome_of(outbound);
		assert_int_equal(outcome.outcome, OUTCOME_SENT);
		assert_false(seen[atoi(outcome.key + 4)]);
		seen[atoi(outcome.key + 4)] = true;
	}
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

static void an_invalid_request_is_refused(void **state)
{
	Outbound *outbound = outbound_new(NULL, 1, 2);
	static char body[1024 * 1024 + 1];
	OutboundRequest good = webhook("msg_1", "http://127.0.0.1:1/"), bad[6] = { good, good, good, good, good, good };

	(void)state;
	bad[0].key = "";
	bad[1].key = "msg\r\nX-Evil: 1";
	bad[2].key = "0123456789012345678901234567890123456789012345678901234567890123";
	bad[3].key = NULL;
	bad[4].url = NULL;
	bad[5].body = (Slice){ body, sizeof(body) };
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(outbound->operations->send(outbound, &bad[i]).kind, ERROR_INPUT);
	outbound->operations->close(outbound);
}

static void count_up(void *context)
{
	atomic_fetch_add((atomic_int *)context, 1);
}

static void every_outcome_wakes_the_caller(void **state)
{
	Outbound *outbound = outbound_new(NULL, 2, 8);
	atomic_int woken = 0;

	(void)state;
	outbound->operations->notify(outbound, count_up, &woken);
	OutboundRequest request = webhook("msg_1", "http://127.0.0.1:1/");
	for (int i = 0; i < 5; i++)
		send_and_wait(outbound, &request);
	for (int i = 0; i < 1000 && atomic_load(&woken) < 5; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&woken), 5);
	outbound->operations->notify(outbound, NULL, NULL);
	send_and_wait(outbound, &request);
	outbound->operations->close(outbound); /* joins the threads that call count_up, so `woken` is final */
	assert_int_equal(atomic_load(&woken), 5);
}

static void close_does_not_wait_for_a_receiver_that_hangs(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outbound = outbound_new("127.0.0.1", 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	for (int i = 0; i < 4; i++)
		assert_int_equal(send_numbered(outbound, url, i).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	int64_t from_us = clock_monotonic_us();
	outbound->operations->close(outbound);
	assert_true(clock_monotonic_us() - from_us < 10000000); /* `close` must not wait for the receiver, which never answers */
	peer_stop(&peer);
	assert_int_equal(atomic_load(&peer.requests), 1);
}

static void an_invalid_list_of_networks_is_refused(void **state)
{
	OutboundCurlOptions options = { .egress_allow = "10.0.0.0/99" };
	Outbound *outbound = NULL;

	(void)state;
	assert_int_equal(outbound_curl_open(&options, &outbound).kind, ERROR_INPUT);
	assert_null(outbound);
}

/* ---- mail -------------------------------------------------------------------------------------------------------- */

static void a_mail_is_delivered(void **state)
{
	Peer peer = { .replies = { NULL } };
	Buffer body;

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = mail_to(&peer, "smtp://127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_SENT);
	assert_string_equal(outcome.detail, "SMTP 250");
	assert_true(peer_received(&peer, "EHLO tocsin.example\r\n"));
	assert_true(peer_received(&peer, "MAIL FROM:<tocsin@tocsin.example>"));
	assert_true(peer_received(&peer, "RCPT TO:<li@soc.example>\r\n"));
	assert_true(peer_received(&peer, "\r\nTo: =?UTF-8?B?5p2O?=\r\n <li@soc.example>\r\n"));
	assert_true(peer_received(&peer, "\r\nSubject: =?UTF-8?B?5Lil6YeN?=\r\n"));
	assert_true(peer_received(&peer, "\r\nMessage-ID: <msg_1@tocsin.example>\r\n"));
	assert_true(peer_received(&peer, "\r\nReferences: <inc_1@tocsin.example>\r\n"));
	assert_true(peer_received(&peer, "\r\nContent-Language: zh-CN\r\n"));
	const char *text = strstr(strstr(peer.received.data, "Content-Transfer-Encoding: base64"), "\r\n\r\n") + 4;
	buffer_init(&body, 1024);
	assert_true(base64_decode((Slice){ text, strcspn(text, "\r") }, &body));
	assert_true(slice_is(buffer_slice(&body), "你好\n.\n"));
	buffer_release(&body);
	assert_true(peer_received(&peer, "\r\n.\r\n"));
	peer_stop(&peer);
}

static void replies_of_the_mail_server_decide_the_outcome(void **state)
{
	static const struct {
		const char *reply;
		int outcome;
		const char *detail;
	} cases[] = {
		{ "GREETING=421 busy", OUTCOME_RETRY, "SMTP 421" },
		{ "MAIL=451 later", OUTCOME_RETRY, "SMTP 451" },
		{ "RCPT=450 greylisted", OUTCOME_RETRY, "SMTP 450" },
		{ "RCPT=550 unknown", OUTCOME_REFUSED, "SMTP 550" },
		{ "MAIL=553 not you", OUTCOME_REFUSED, "SMTP 553" },
		{ "DATA=554 no", OUTCOME_REFUSED, "SMTP 554" },
		{ ".=554 spam", OUTCOME_REFUSED, "SMTP 554" },
		{ ".=452 full", OUTCOME_RETRY, "SMTP 452" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Peer peer = { .replies = { cases[i].reply } };
		peer_start(&peer, serve_smtp);
		OutboundOutcome outcome = mail_to(&peer, "smtp://127.0.0.1");
		if ((int)outcome.outcome != cases[i].outcome || strcmp(outcome.detail, cases[i].detail) != 0)
			fail_msg("%s: %d, %s", cases[i].reply, outcome.outcome, outcome.detail);
		peer_stop(&peer);
	}
}

static void a_refused_connection_to_the_mail_server_is_retried(void **state)
{
	Peer peer = { .replies = { NULL } };

	(void)state;
	peer_start(&peer, serve_smtp);
	peer_stop(&peer);
	OutboundOutcome outcome = mail_to(&peer, "smtp://127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "Connection refused");
}

static void encryption_is_used_if_offered(void **state)
{
	Peer peer = { .replies = { "EHLO=250-test\r\n250 STARTTLS" } };

	(void)state;
	peer_start(&peer, serve_smtp);
	assert_int_equal(mail_to(&peer, "smtp://127.0.0.1").outcome, OUTCOME_SENT);
	assert_true(peer_received(&peer, "STARTTLS\r\n"));
	peer_stop(&peer);
}

#define LOGIN_OFFERED "EHLO=250-test\r\n250 AUTH PLAIN"

static void a_password_is_sent_to_this_machine(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED } };

	(void)state;
	peer_start(&peer, serve_smtp);
	assert_int_equal(mail_to(&peer, "smtp://tocsin:hunter2@127.0.0.1").outcome, OUTCOME_SENT);
	assert_true(peer_received(&peer, "AUTH PLAIN"));
	assert_true(peer_received(&peer, "AHRvY3NpbgBodW50ZXIy")); /* base64 of NUL "tocsin" NUL "hunter2" */
	peer_stop(&peer);
}

/* 0.0.0.0 leads to this machine, but the program does not recognise it as a local address. */
static void a_password_is_not_sent_unencrypted(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED } };

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = mail_to(&peer, "smtp://tocsin:hunter2@0.0.0.0");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_int_equal(atomic_load(&peer.connections), 1);
	assert_true(peer_received(&peer, "EHLO"));
	assert_false(peer_received(&peer, "AUTH"));
	assert_false(peer_received(&peer, "MAIL"));
	assert_null(strstr(outcome.detail, "hunter2"));
	peer_stop(&peer);
}

static void a_wrong_password_is_retried_and_not_shown(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED, "AHRv=535 hunter2 is wrong" } };

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = mail_to(&peer, "smtp://tocsin:hunter2@127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "SMTP 535");
	peer_stop(&peer);
}

static void an_address_cannot_inject_commands(void **state)
{
	Peer peer = { .replies = { NULL } };
	Outbound *outbound = outbound_new(NULL, 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_smtp);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", peer.port);
	OutboundRequest request = mail(url);
	request.to = "li@soc.example>\r\nRCPT TO:<eve@evil.example";
	assert_int_equal(send_and_wait(outbound, &request).outcome, OUTCOME_REFUSED);
	request = mail("http://127.0.0.1/");
	assert_int_equal(send_and_wait(outbound, &request).outcome, OUTCOME_REFUSED);
	assert_int_equal(atomic_load(&peer.connections), 0);
	outbound->operations->close(outbound);
	peer_stop(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_webhook_is_retried_after_503_and_its_signature_verifies),
		cmocka_unit_test(a_webhook_without_a_secret_is_not_signed),
		cmocka_unit_test(retry_after_may_be_a_date),
		cmocka_unit_test(a_redirection_is_not_followed),
		cmocka_unit_test(status_410_is_not_retried),
		cmocka_unit_test(a_response_that_is_too_long_is_cut_and_dropped),
		cmocka_unit_test(addresses_that_are_not_public_are_not_connected_to),
		cmocka_unit_test(plain_http_goes_only_to_listed_addresses),
		cmocka_unit_test(other_protocols_are_refused),
		cmocka_unit_test(http_proxy_is_ignored),
		cmocka_unit_test(a_refused_connection_is_retried),
		cmocka_unit_test(an_invalid_secret_is_refused),
		cmocka_unit_test(a_key_being_sent_is_not_sent_twice),
		cmocka_unit_test(a_key_whose_outcome_was_not_taken_is_not_sent_again),
		cmocka_unit_test(a_full_queue_refuses_requests_and_loses_no_outcome),
		cmocka_unit_test(an_invalid_request_is_refused),
		cmocka_unit_test(every_outcome_wakes_the_caller),
		cmocka_unit_test(close_does_not_wait_for_a_receiver_that_hangs),
		cmocka_unit_test(an_invalid_list_of_networks_is_refused),
		cmocka_unit_test(a_mail_is_delivered),
		cmocka_unit_test(replies_of_the_mail_server_decide_the_outcome),
		cmocka_unit_test(a_refused_connection_to_the_mail_server_is_retried),
		cmocka_unit_test(encryption_is_used_if_offered),
		cmocka_unit_test(a_password_is_sent_to_this_machine),
		cmocka_unit_test(a_password_is_not_sent_unencrypted),
		cmocka_unit_test(a_wrong_password_is_retried_and_not_shown),
		cmocka_unit_test(an_address_cannot_inject_commands),
	};
	return cmocka_run_group_tests_name("outbound", tests, NULL, NULL);
}
