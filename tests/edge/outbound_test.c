#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/base/hash.h"
#include "shared/io/system/clock.h"
#include "shared/io/outbound/outbound.h"
#include "shared/io/outbound/webhook.h"

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

/* ---- somebody at the other end: serves one connection after the other and writes down what it was told ------------ */

enum { REPLIES_MAX = 16 };

typedef struct Peer Peer;

struct Peer {
	void (*serve)(Peer *peer, int client);
	const char *replies[REPLIES_MAX]; /* HTTP: one a request; SMTP: one a command "RCPT=550 no" */
	unsigned reply_next;
	int socket;
	unsigned port;
	pthread_t thread;
	pthread_mutex_t mutex;
	Buffer said; /* by the client */
	atomic_uint connections, requests;
	atomic_bool hold; /* HTTP: do not answer while set */
};

static void *peer_run(void *context)
{
	Peer *peer = context;
	int client;

	while ((client = accept(peer->socket, NULL, NULL)) >= 0) {
		struct timeval patience = { .tv_sec = 10 };
		setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		atomic_fetch_add(&peer->connections, 1);
		peer->serve(peer, client);
		close(client);
	}
	return NULL;
}

static void peer_start(Peer *peer, void (*serve)(Peer *peer, int client))
{
	struct sockaddr_in address = { .sin_family = AF_INET }; /* on every address, 0.0.0.0 included */
	socklen_t size = sizeof(address);

	peer->serve = serve;
	buffer_init(&peer->said, 1 << 20);
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
	buffer_release(&peer->said);
	pthread_mutex_destroy(&peer->mutex);
}

static void peer_note(Peer *peer, const char *text, size_t size)
{
	pthread_mutex_lock(&peer->mutex);
	buffer_append(&peer->said, (Slice){ text, size });
	pthread_mutex_unlock(&peer->mutex);
}

static bool peer_heard(Peer *peer, const char *text)
{
	pthread_mutex_lock(&peer->mutex);
	bool heard = strstr(peer->said.data, text) != NULL;
	pthread_mutex_unlock(&peer->mutex);
	return heard;
}

static void peer_say(int client, const char *text)
{
	send(client, text, strlen(text), MSG_NOSIGNAL);
}

/* A receiver of webhooks. */
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
		peer_note(peer, text + size, (size_t)got);
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
	peer_say(client, "HTTP/1.1 ");
	peer_say(client, reply ? reply : "200 OK\r\n");
	peer_say(client, "Connection: close\r\nContent-Length: 0\r\n\r\n");
}

/* More than anybody wants to hear. */
static void serve_flood(Peer *peer, int client)
{
	char bytes[4096];

	(void)peer;
	recv(client, bytes, sizeof(bytes), 0);
	memset(bytes, 'x', sizeof(bytes));
	peer_say(client, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (int i = 0; i < 4096 && send(client, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0; i++)
		atomic_fetch_add(&peer->requests, 1);
}

/* The reply to a command: the one the test chose, or the usual one. */
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
	peer_say(client, reply);
	while (fgets(line, sizeof(line), stream)) {
		peer_note(peer, line, strlen(line));
		if (data && strcmp(line, ".\r\n") != 0)
			continue;
		snprintf(reply, sizeof(reply), "%s\r\n", smtp_reply(peer, line));
		data = is_code(reply, "354");
		peer_say(client, reply);
	}
	fclose(stream);
}

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static Outbound *outside_new(const char *allow, unsigned workers, unsigned queue_max)
{
	OutboundCurlOptions options = {
		.egress_allow = allow, .mail_host = "tocsin.example", .workers = workers, .queue_max = queue_max
	};
	Outbound *outside = NULL;

	assert_int_equal(outbound_curl_open(&options, &outside).kind, ERROR_NONE);
	return outside;
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

static OutboundRequest letter(const char *url)
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

static OutboundOutcome outcome_of(Outbound *outside)
{
	OutboundOutcome outcome;

	for (int i = 0; i < 10000; i++) {
		if (outside->operations->outcome(outside, &outcome))
			return outcome;
		clock_sleep_ms(1);
	}
	fail_msg("no outcome came");
	return (OutboundOutcome){ 0 };
}

static OutboundOutcome send_and_wait(Outbound *outside, const OutboundRequest *message)
{
	Result result = outside->operations->send(outside, message);

	if (result_failed(result))
		fail_msg("%s", result.text);
	OutboundOutcome outcome = outcome_of(outside);
	assert_string_equal(outcome.key, message->key);
	assert_int_equal(outcome.attempt, message->attempt);
	return outcome;
}

/* One message to one peer. */
static OutboundOutcome webhook_to(Peer *peer, const char *allow)
{
	Outbound *outside = outside_new(allow, 1, 8);
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", peer->port);
	OutboundRequest message = webhook("msg_1", url);
	OutboundOutcome outcome = send_and_wait(outside, &message);
	outside->operations->close(outside);
	return outcome;
}

static OutboundOutcome letter_to(Peer *peer, const char *server)
{
	Outbound *outside = outside_new(NULL, 1, 8);
	char url[128];

	snprintf(url, sizeof(url), "%s:%u", server, peer->port);
	OutboundRequest message = letter(url);
	OutboundOutcome outcome = send_and_wait(outside, &message);
	outside->operations->close(outside);
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

static void a_webhook_refused_for_a_while_is_sent_again_and_verifies(void **state)
{
	Peer peer = { .replies = { "503 Busy\r\nRetry-After: 7\r\n", "204 No Content\r\n" } };
	Outbound *outside = outside_new("127.0.0.0/8", 2, 8);
	char url[64], id[64], timestamp[32], signature[128];
	Buffer expected;

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/hook", peer.port);
	OutboundRequest message = webhook("msg_p5jXN8AQM9LWM0D4loKWxJek", url);
	OutboundOutcome outcome = send_and_wait(outside, &message);
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "HTTP 503");
	assert_int_equal(outcome.retry_after_ms, 7000);
	message.attempt = 2;
	outcome = send_and_wait(outside, &message);
	assert_int_equal(outcome.outcome, OUTCOME_SENT);
	assert_string_equal(outcome.detail, "HTTP 204");
	outside->operations->close(outside);

	assert_true(peer_heard(&peer, "POST /hook HTTP/1.1\r\n"));
	assert_true(peer_heard(&peer, "Content-Type: application/json\r\n"));
	assert_true(peer_heard(&peer, "User-Agent: tocsin/" TOCSIN_VERSION "\r\n"));
	assert_false(peer_heard(&peer, "Expect:"));
	header_read(peer.said.data, "webhook-id", id, sizeof(id));
	header_read(peer.said.data, "webhook-timestamp", timestamp, sizeof(timestamp));
	header_read(peer.said.data, "webhook-signature", signature, sizeof(signature));
	assert_string_equal(id, message.key);
	assert_true(llabs(atoll(timestamp) - (long long)time(NULL)) < 30);
	buffer_init(&expected, 256);
	assert_true(webhook_sign(SECRET, id, atoll(timestamp), message.body, &expected));
	assert_string_equal(signature, expected.data);
	assert_non_null(strstr(peer.said.data, "\r\n\r\n{\"type\":\"incident.opened\"}"));
	buffer_release(&expected);
	peer_stop(&peer);
}

static void without_a_secret_a_webhook_is_not_signed(void **state)
{
	Peer peer = { .replies = { NULL } };
	Outbound *outside = outside_new("127.0.0.0/8", 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	OutboundRequest message = webhook("msg_1", url);
	message.secret = NULL;
	assert_int_equal(send_and_wait(outside, &message).outcome, OUTCOME_SENT);
	assert_true(peer_heard(&peer, "webhook-id: msg_1\r\n"));
	assert_false(peer_heard(&peer, "webhook-signature"));
	outside->operations->close(outside);
	peer_stop(&peer);
}

static void a_receiver_may_name_a_date_to_come_back(void **state)
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

static void a_receiver_that_is_gone_is_refused(void **state)
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

static void too_long_an_answer_is_cut_and_thrown_away(void **state)
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
	Outbound *outside = outside_new("10.0.0.0/8", 1, 8);

	(void)state;
	peer_start(&peer, serve_http);
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		char url[96];
		snprintf(url, sizeof(url), "%s:%u/", hosts[i], peer.port);
		OutboundRequest message = webhook("msg_1", url);
		OutboundOutcome outcome = send_and_wait(outside, &message);
		if (outcome.outcome != OUTCOME_REFUSED ||
		    strcmp(outcome.detail, "address not allowed: set TOCSIN_EGRESS_ALLOW") != 0)
			fail_msg("%s: %s", url, outcome.detail);
	}
	assert_int_equal(atomic_load(&peer.connections), 0);
	outside->operations->close(outside);
	peer_stop(&peer);
}

/* Nothing is connected to here: a public address would be fine, but not in plain. */
static void plain_http_goes_only_to_listed_addresses(void **state)
{
	Outbound *outside = outside_new(NULL, 1, 8);
	OutboundRequest message = webhook("msg_1", "http://1.1.1.1/");

	(void)state;
	OutboundOutcome outcome = send_and_wait(outside, &message);
	assert_int_equal(outcome.outcome, OUTCOME_REFUSED);
	assert_non_null(strstr(outcome.detail, "TOCSIN_EGRESS_ALLOW"));
	outside->operations->close(outside);
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
	Outbound *outside = outside_new("0.0.0.0/0", 1, 8);

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		OutboundRequest message = webhook("msg_1", urls[i]);
		if (send_and_wait(outside, &message).outcome != OUTCOME_REFUSED)
			fail_msg("%s was tried", urls[i]);
	}
	outside->operations->close(outside);
}

static void a_proxy_of_the_environment_is_not_used(void **state)
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

static void a_port_nobody_listens_on_is_tried_again(void **state)
{
	Peer peer = { .replies = { NULL } };

	(void)state;
	peer_start(&peer, serve_http);
	peer_stop(&peer);
	OutboundOutcome outcome = webhook_to(&peer, "127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "Connection refused");
}

static void a_secret_that_is_none_is_refused(void **state)
{
	Outbound *outside = outside_new("127.0.0.1", 1, 8);
	OutboundRequest message = webhook("msg_1", "http://127.0.0.1:1/");

	(void)state;
	message.secret = "hunter2";
	OutboundOutcome outcome = send_and_wait(outside, &message);
	assert_int_equal(outcome.outcome, OUTCOME_REFUSED);
	assert_null(strstr(outcome.detail, "hunter2"));
	outside->operations->close(outside);
}

/* ---- the queue ---------------------------------------------------------------------------------------------------- */

static void wait_for_requests(Peer *peer, unsigned count)
{
	for (int i = 0; i < 5000 && atomic_load(&peer->requests) < count; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&peer->requests), count);
}

static void a_key_under_way_is_not_sent_twice(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outside = outside_new("127.0.0.1", 2, 8);
	OutboundOutcome outcome;
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	OutboundRequest message = webhook("msg_1", url);
	assert_int_equal(outside->operations->send(outside, &message).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	assert_int_equal(outside->operations->send(outside, &message).kind, ERROR_NONE);
	atomic_store(&peer.hold, false);
	outcome_of(outside);
	send_and_wait(outside, &message); /* accepted again: a second attempt of the first would be a third request */
	assert_false(outside->operations->outcome(outside, &outcome));
	assert_int_equal(atomic_load(&peer.requests), 2);
	outside->operations->close(outside);
	peer_stop(&peer);
}

static Result send_numbered(Outbound *outside, const char *url, int number)
{
	char key[32];
	snprintf(key, sizeof(key), "msg_%d", number);
	OutboundRequest message = webhook(key, url);

	return outside->operations->send(outside, &message);
}

/* One under way and two queued fill it; uncollected outcomes fill it as well, and none is lost. */
static void a_full_queue_says_so_and_loses_nothing(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outside = outside_new("127.0.0.1", 1, 2);
	bool seen[16] = { false };
	char url[64];
	int taken = 0;

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	assert_int_equal(send_numbered(outside, url, taken++).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	assert_int_equal(send_numbered(outside, url, taken++).kind, ERROR_NONE);
	assert_int_equal(send_numbered(outside, url, taken++).kind, ERROR_NONE);
	assert_int_equal(send_numbered(outside, url, 15).kind, ERROR_AGAIN);
	atomic_store(&peer.hold, false);
	wait_for_requests(&peer, 2);
	while (send_numbered(outside, url, taken).kind == ERROR_NONE)
		assert_true(++taken < 8);
	clock_sleep_ms(50); /* time for an unwanted request; nothing can follow it while the outcomes fill the queue */
	assert_int_equal(atomic_load(&peer.requests), 2);
	for (int i = 0; i < taken; i++) {
		OutboundOutcome outcome = outcome_of(outside);
		assert_int_equal(outcome.outcome, OUTCOME_SENT);
		assert_false(seen[atoi(outcome.key + 4)]);
		seen[atoi(outcome.key + 4)] = true;
	}
	outside->operations->close(outside);
	peer_stop(&peer);
}

static void a_message_nobody_can_send_is_not_taken(void **state)
{
	Outbound *outside = outside_new(NULL, 1, 2);
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
		assert_int_equal(outside->operations->send(outside, &bad[i]).kind, ERROR_INPUT);
	outside->operations->close(outside);
}

static void count_up(void *context)
{
	atomic_fetch_add((atomic_int *)context, 1);
}

static void every_outcome_wakes(void **state)
{
	Outbound *outside = outside_new(NULL, 2, 8);
	atomic_int woken = 0;

	(void)state;
	outside->operations->notify(outside, count_up, &woken);
	OutboundRequest message = webhook("msg_1", "http://127.0.0.1:1/");
	for (int i = 0; i < 5; i++)
		send_and_wait(outside, &message);
	for (int i = 0; i < 1000 && atomic_load(&woken) < 5; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&woken), 5);
	outside->operations->notify(outside, NULL, NULL);
	send_and_wait(outside, &message);
	outside->operations->close(outside); /* ends the threads that notify */
	assert_int_equal(atomic_load(&woken), 5);
}

static void closing_does_not_wait_for_a_receiver_that_hangs(void **state)
{
	Peer peer = { .replies = { NULL }, .hold = true };
	Outbound *outside = outside_new("127.0.0.1", 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_http);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", peer.port);
	for (int i = 0; i < 4; i++)
		assert_int_equal(send_numbered(outside, url, i).kind, ERROR_NONE);
	wait_for_requests(&peer, 1);
	int64_t from_us = clock_monotonic_us();
	outside->operations->close(outside);
	assert_true(clock_monotonic_us() - from_us < 10000000); /* it would hang for ever */
	peer_stop(&peer);
	assert_int_equal(atomic_load(&peer.requests), 1);
}

static void a_bad_list_of_networks_is_refused(void **state)
{
	OutboundCurlOptions options = { .egress_allow = "10.0.0.0/99" };
	Outbound *outside = NULL;

	(void)state;
	assert_int_equal(outbound_curl_open(&options, &outside).kind, ERROR_INPUT);
	assert_null(outside);
}

/* ---- mail ----------------------------------------------------------------------------------------------------------- */

static void a_letter_is_delivered(void **state)
{
	Peer peer = { .replies = { NULL } };
	Buffer body;

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = letter_to(&peer, "smtp://127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_SENT);
	assert_string_equal(outcome.detail, "SMTP 250");
	assert_true(peer_heard(&peer, "EHLO tocsin.example\r\n"));
	assert_true(peer_heard(&peer, "MAIL FROM:<tocsin@tocsin.example>"));
	assert_true(peer_heard(&peer, "RCPT TO:<li@soc.example>\r\n"));
	assert_true(peer_heard(&peer, "\r\nTo: =?UTF-8?B?5p2O?=\r\n <li@soc.example>\r\n"));
	assert_true(peer_heard(&peer, "\r\nSubject: =?UTF-8?B?5Lil6YeN?=\r\n"));
	assert_true(peer_heard(&peer, "\r\nMessage-ID: <msg_1@tocsin.example>\r\n"));
	assert_true(peer_heard(&peer, "\r\nReferences: <inc_1@tocsin.example>\r\n"));
	assert_true(peer_heard(&peer, "\r\nContent-Language: zh-CN\r\n"));
	const char *text = strstr(strstr(peer.said.data, "Content-Transfer-Encoding: base64"), "\r\n\r\n") + 4;
	buffer_init(&body, 1024);
	assert_true(base64_decode((Slice){ text, strcspn(text, "\r") }, &body));
	assert_true(slice_is(buffer_slice(&body), "你好\n.\n"));
	buffer_release(&body);
	assert_true(peer_heard(&peer, "\r\n.\r\n"));
	peer_stop(&peer);
}

static void replies_of_the_mail_server_decide(void **state)
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
		OutboundOutcome outcome = letter_to(&peer, "smtp://127.0.0.1");
		if ((int)outcome.outcome != cases[i].outcome || strcmp(outcome.detail, cases[i].detail) != 0)
			fail_msg("%s: %d, %s", cases[i].reply, outcome.outcome, outcome.detail);
		peer_stop(&peer);
	}
}

static void a_mail_server_that_is_not_there_is_tried_again(void **state)
{
	Peer peer = { .replies = { NULL } };

	(void)state;
	peer_start(&peer, serve_smtp);
	peer_stop(&peer);
	OutboundOutcome outcome = letter_to(&peer, "smtp://127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "Connection refused");
}

static void encryption_is_used_where_it_is_offered(void **state)
{
	Peer peer = { .replies = { "EHLO=250-test\r\n250 STARTTLS" } };

	(void)state;
	peer_start(&peer, serve_smtp);
	assert_int_equal(letter_to(&peer, "smtp://127.0.0.1").outcome, OUTCOME_SENT);
	assert_true(peer_heard(&peer, "STARTTLS\r\n"));
	peer_stop(&peer);
}

#define LOGIN_OFFERED "EHLO=250-test\r\n250 AUTH PLAIN"

static void a_password_is_told_to_this_machine(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED } };

	(void)state;
	peer_start(&peer, serve_smtp);
	assert_int_equal(letter_to(&peer, "smtp://tocsin:hunter2@127.0.0.1").outcome, OUTCOME_SENT);
	assert_true(peer_heard(&peer, "AUTH PLAIN"));
	assert_true(peer_heard(&peer, "AHRvY3NpbgBodW50ZXIy")); /* NUL tocsin NUL hunter2 */
	peer_stop(&peer);
}

/* 0.0.0.0 is this machine too, but does not look it. */
static void a_password_is_not_told_in_plain(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED } };

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = letter_to(&peer, "smtp://tocsin:hunter2@0.0.0.0");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_int_equal(atomic_load(&peer.connections), 1);
	assert_true(peer_heard(&peer, "EHLO"));
	assert_false(peer_heard(&peer, "AUTH"));
	assert_false(peer_heard(&peer, "MAIL"));
	assert_null(strstr(outcome.detail, "hunter2"));
	peer_stop(&peer);
}

static void a_wrong_password_is_tried_again_and_not_told(void **state)
{
	Peer peer = { .replies = { LOGIN_OFFERED, "AHRv=535 hunter2 is wrong" } };

	(void)state;
	peer_start(&peer, serve_smtp);
	OutboundOutcome outcome = letter_to(&peer, "smtp://tocsin:hunter2@127.0.0.1");
	assert_int_equal(outcome.outcome, OUTCOME_RETRY);
	assert_string_equal(outcome.detail, "SMTP 535");
	peer_stop(&peer);
}

static void an_address_cannot_carry_commands(void **state)
{
	Peer peer = { .replies = { NULL } };
	Outbound *outside = outside_new(NULL, 1, 8);
	char url[64];

	(void)state;
	peer_start(&peer, serve_smtp);
	snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", peer.port);
	OutboundRequest message = letter(url);
	message.to = "li@soc.example>\r\nRCPT TO:<eve@evil.example";
	assert_int_equal(send_and_wait(outside, &message).outcome, OUTCOME_REFUSED);
	message = letter("http://127.0.0.1/");
	assert_int_equal(send_and_wait(outside, &message).outcome, OUTCOME_REFUSED);
	assert_int_equal(atomic_load(&peer.connections), 0);
	outside->operations->close(outside);
	peer_stop(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_webhook_refused_for_a_while_is_sent_again_and_verifies),
		cmocka_unit_test(without_a_secret_a_webhook_is_not_signed),
		cmocka_unit_test(a_receiver_may_name_a_date_to_come_back),
		cmocka_unit_test(a_redirection_is_not_followed),
		cmocka_unit_test(a_receiver_that_is_gone_is_refused),
		cmocka_unit_test(too_long_an_answer_is_cut_and_thrown_away),
		cmocka_unit_test(addresses_that_are_not_public_are_not_connected_to),
		cmocka_unit_test(plain_http_goes_only_to_listed_addresses),
		cmocka_unit_test(other_protocols_are_refused),
		cmocka_unit_test(a_proxy_of_the_environment_is_not_used),
		cmocka_unit_test(a_port_nobody_listens_on_is_tried_again),
		cmocka_unit_test(a_secret_that_is_none_is_refused),
		cmocka_unit_test(a_key_under_way_is_not_sent_twice),
		cmocka_unit_test(a_full_queue_says_so_and_loses_nothing),
		cmocka_unit_test(a_message_nobody_can_send_is_not_taken),
		cmocka_unit_test(every_outcome_wakes),
		cmocka_unit_test(closing_does_not_wait_for_a_receiver_that_hangs),
		cmocka_unit_test(a_bad_list_of_networks_is_refused),
		cmocka_unit_test(a_letter_is_delivered),
		cmocka_unit_test(replies_of_the_mail_server_decide),
		cmocka_unit_test(a_mail_server_that_is_not_there_is_tried_again),
		cmocka_unit_test(encryption_is_used_where_it_is_offered),
		cmocka_unit_test(a_password_is_told_to_this_machine),
		cmocka_unit_test(a_password_is_not_told_in_plain),
		cmocka_unit_test(a_wrong_password_is_tried_again_and_not_told),
		cmocka_unit_test(an_address_cannot_carry_commands),
	};
	return cmocka_run_group_tests_name("outside", tests, NULL, NULL);
}
