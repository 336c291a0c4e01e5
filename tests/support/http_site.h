/*
 * For tests of the HTTP server: one with some routes, and clients that send what they are told, byte by byte. The functions
 * assert what they promise, so they may be called from a test's own thread alone.
 *
 *   GET  /livez              open, of operations: "hello"          GET  /large     open: LARGE bytes
 *   GET  /hello              open: "hello"                         POST /later     open: answered with its body by another
 *   GET  /closed             "hello", with the key                                 thread, or aborted if that is "abort"
 *   POST /echo               202 and the body, with the key        GET  /at-once   open: suspended and answered in one go
 *   GET, DELETE /items/{id}  open: what was asked; 204             GET  /abort     open: closed without an answer
 */
#ifndef TOCSIN_TESTS_SUPPORT_HTTP_SITE_H
#define TOCSIN_TESTS_SUPPORT_HTTP_SITE_H

#include "shared/io/http/server.h"

#include <stdatomic.h>

enum { BODY_MAX = 1000, DEADLINE_MS = 600, LARGE = 8000000 };

#define HOST "Host: a\r\n"
#define KEY "Authorization: Bearer good\r\n"
#define JSON "Content-Type: application/json\r\n"

/* ---- servers */

extern HttpServer *server; /* between site_start and site_end, which are for cmocka */
extern atomic_int admissions, handled; /* keys looked at, requests that came to a handler, of all servers */

int site_start(void **state);
int site_end(void **state);

/* For a server of one's own, at a free port. */
HttpServerOptions options_of(unsigned threads);

/* While held, requests to /later wait; later_wait returns when `count` do. */
void later_hold(bool hold);
void later_wait(unsigned count);
HttpRequest *later_take(void); /* the newest that waits, to be answered by the caller */

/* Until each request that was taken has its answer out, which its client may see before. */
void idle_wait(void);

/* ---- clients: sockets, which the caller closes; reading gives up after ten seconds */

int client_connect(const char *address);
int client_new(void); /* to `server` */
void client_send(int client, const char *text);

typedef struct {
	char text[65536]; /* all answers of these tests but one are shorter */
	size_t size;
	bool ended; /* the server closed */
} Received;

/* Until `count` answers are there with their bodies, or the end; 0: until the end. head: they have no bodies. */
void client_receive_of(int client, unsigned count, bool head, Received *out);

/* One request to `server` on a connection of its own; valid until the next. */
Received *ask(const char *text);

unsigned status_at(const char *address, const char *path);

void expect(const Received *received, unsigned status);
void expect_one_problem(const Received *received, unsigned status); /* of the server's `refuse`, nothing behind it, and closed */
void expect_closed(int client); /* without an answer; closes it here too */

#endif
