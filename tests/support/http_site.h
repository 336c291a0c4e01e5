/*
 * For tests of the HTTP server: a server with some routes, and clients that send exact bytes. The functions use cmocka
 * assertions, so only the thread of the test may call them.
 *
 *   GET  /livez              open, for operations: "hello"         GET  /large     open: LARGE bytes
 *   GET  /hello              open: "hello"                         POST /later     open: answered with its body by another
 *   GET  /closed             "hello", with the key                                 thread; aborted if the body is "abort"
 *   POST /echo               202 and the body, with the key        GET  /at-once   open: suspended, answered in the handler
 *   GET, DELETE /items/{id}  open: the request as text; 204        GET  /abort     open: closed without an answer
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

extern HttpServer *server; /* runs from site_start to site_end, the group setup and teardown for cmocka */
extern atomic_int admissions, handled; /* totals: calls of `admit`; calls of the handlers on_hello and on_echo */

int site_start(void **state);
int site_end(void **state);

/* Options for a further server with the same routes, on a free port. */
HttpServerOptions options_of(unsigned threads);

/*
 * After later_hold(true), a request to /later is not answered until later_hold(false), or until the caller takes it with
 * later_take. later_wait returns when at least `count` requests wait.
 */
void later_hold(bool hold);
void later_wait(unsigned count);
HttpRequest *later_take(void); /* takes the newest waiting request; the caller must answer it */

/*
 * Waits until no request is in flight; fails the test after about a second. A client may have received its answer while the server
 * still counts the request as in flight.
 */
void idle_wait(void);

/* ---- clients: sockets, closed by the caller; a read times out after ten seconds */

int client_connect(const char *address);
void skip_without_ipv6(void); /* skips the test and prints the reason if this machine has no ::1 */
int client_new(void); /* connects to `server` */
void client_send(int client, const char *text);

typedef struct {
	char text[65536]; /* longer than all answers of these tests except that of /large */
	size_t size;
	bool ended; /* the server closed the connection */
} Received;

/*
 * Reads until `count` answers are complete, the server closes the connection, or a read times out. count 0: does not stop after an
 * answer. head: the answers are to HEAD requests and have no bodies.
 */
void client_receive_of(int client, unsigned count, bool head, Received *out);

/* Sends one request to `server` on a new connection; the result is valid until the next call. */
Received *ask(const char *text);

/* The status of the answer to GET `path`, sent to the server at `address` on a new connection. */
unsigned status_at(const char *address, const char *path);

/* Asserts that the received text begins with an answer of this status. */
void expect(const Received *received, unsigned status);
/* Asserts that exactly one problem document was received, and that the server then closed the connection. */
void expect_one_problem(const Received *received, unsigned status);
void expect_closed(int client); /* asserts that the server closes the connection without an answer; closes `client` */

#endif
