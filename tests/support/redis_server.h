/*
 * A real Redis for one test. The server listens on a free port of 127.0.0.1 and on a Unix socket in the directory of the test. The
 * kernel kills the server when the thread that started it ends, even by a crash. No function of this file is thread-safe.
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

/* True when redis-server is installed in /usr/bin or /usr/local/bin. */
bool redis_server_installed(void);

/* Chooses the port; the directory must exist. */
void redis_server_init(RedisServer *server, const char *directory);

/*
 * Starts the server and waits until it answers. Aborts after 20 s, and if the server ends. options: at most 14 further arguments,
 * followed by NULL; or NULL for none. The server must not be running.
 */
void redis_server_start(RedisServer *server, const char *const *options);

/* Sends the signal and waits for the end of the process. Does nothing if the server is not running. */
void redis_server_end(RedisServer *server, int signal_number);

/* Sends one command, split at spaces into at most 16 words, over a new connection. */
Result redis_command(const char *url, const char *words);

/* Sends a command like redis_command. Returns the integer that Redis answered, or the length of the list. Aborts on failure. */
int64_t redis_number(const char *url, const char *words);

/* Unlinks the keys with this prefix. Aborts if there are more than REDIS_VALUES_MAX keys, and on other failures. */
void redis_delete_keys(const char *url, const char *prefix);

#endif
