/*
 * A real Redis of a test's own: on a free port of 127.0.0.1 and on a socket, in a directory of the test's. It ends with
 * the test, however that ends. Nothing here is thread-safe.
 */
#ifndef TOCSIN_TESTS_REDIS_SERVER_H
#define TOCSIN_TESTS_REDIS_SERVER_H

#include "shared/io/redis/client.h"

#include <sys/types.h>

typedef struct {
	pid_t pid; /* 0: does not run */
	int port;
	char directory[128];
	char url[64];        /* redis://127.0.0.1:PORT/0 */
	char socket_url[192]; /* unix:///… */
} RedisServer;

/* Whether redis-server can be found. */
bool redis_server_installed(void);

/* Chooses the port; the directory must be there. */
void redis_server_init(RedisServer *server, const char *directory);

/* Starts it, with further options (a list, NULL at its end; or NULL), and waits until it answers. Aborts if it does not. */
void redis_server_start(RedisServer *server, const char *const *options);

/* Sends the signal and waits for its end; takes one that does not run. */
void redis_server_end(RedisServer *server, int signal_number);

/* One command, by a connection of its own; words split at spaces. */
Result redis_command(const char *url, const char *words);

/* The same, for the integer it answers with, or the number of values in its list. */
int64_t redis_number(const char *url, const char *words);

/* Unlinks every key that begins so; at most REDIS_VALUES_MAX. */
void redis_forget(const char *url, const char *prefix);

#endif
