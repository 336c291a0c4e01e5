/*
 * A real Redis for one test. It listens on a free port of 127.0.0.1 and on a Unix socket in the directory of the test. It is killed
 * when the test program ends, even by a crash. No function of this file is thread-safe.
 */
#ifndef TOCSIN_TESTS_REDIS_SERVER_H
#define TOCSIN_TESTS_REDIS_SERVER_H

#include "shared/io/redis/client.h"

#include <sys/types.h>

typedef struct {
	pid_t pid; /* 0: not running */
	int port;
	char directory[128];
	char url[64];        /* redis://127.0.0.1:PORT/0 */
	char socket_url[192]; /* unix:///… */
} RedisServer;

/* True when redis-server is installed. */
bool redis_server_installed(void);

/* Chooses the port; the directory must exist. */
void redis_server_init(RedisServer *server, const char *directory);

/* Starts the server and waits until it answers; aborts after 20 s. options: more arguments, ended by NULL; or NULL. */
void redis_server_start(RedisServer *server, const char *const *options);

/* Sends the signal and waits for the end of the process. Does nothing if the server is not running. */
void redis_server_end(RedisServer *server, int signal_number);

/* Sends one command, split at spaces, over a new connection. */
Result redis_command(const char *url, const char *words);

/* Sends a command like redis_command. Returns the integer that Redis answered, or the length of the list. Aborts on failure. */
int64_t redis_number(const char *url, const char *words);

/* Unlinks the keys with this prefix, at most REDIS_VALUES_MAX keys. */
void redis_delete_keys(const char *url, const char *prefix);

#endif
