/*
 * A connection to Redis: commands are sent together, and their answers come back in order. The only file that includes hiredis
 * is redis/client.c.
 *
 *     redis_client_send(client, …); redis_client_send(client, …);
 *     redis_client_receive(client, &first); redis_client_receive(client, &second);
 *
 * Used by one thread at a time. Every wait has a limit of `timeout_ms`: connecting, each step of signing in, and all answers to
 * commands that were sent together; only name resolution may take longer. After any failure, including an error answer, the
 * connection must be closed and a new one opened. Commands without an answer may have been executed, or are executed later.
 *
 * Answers are not trusted: their size is bounded, and of an error only a known code is passed on, because some errors quote the
 * command, including the password.
 */
#ifndef TOCSIN_IO_REDIS_CLIENT_H
#define TOCSIN_IO_REDIS_CLIENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

typedef struct RedisClient RedisClient;

enum { REDIS_WORDS_MAX = 2048, REDIS_VALUES_MAX = 1024, REDIS_ANSWER_BYTES_MAX = 1 << 20, REDIS_URL_MAX = 1024 };

typedef struct {
	const char *url;
	const char *name; /* for CLIENT LIST: printable, without spaces; NULL: none */
	int64_t timeout_ms;
} RedisClientOptions;

/*
 * redis://[user:password@]host[:port][/db] or unix://[user:password@]/path; user and password percent-encoded, the user
 * may be empty. NULL: valid; else a text to follow the setting's name, which quotes nothing of the URL.
 */
const char *redis_url_check(const char *url);

/* ERROR_INPUT: an invalid URL; ERROR_AGAIN: not reachable, access denied, still loading: with the reason and no secret. */
Result redis_client_open(const RedisClientOptions *options, RedisClient **out);
void redis_client_close(RedisClient *client); /* takes NULL */

/* Queues a command, which the next redis_client_receive sends; 1 to REDIS_WORDS_MAX words, whose bytes are copied. */
void redis_client_send(RedisClient *client, const Slice *words, size_t count);

typedef struct {
	enum { REDIS_NOTHING, REDIS_INTEGER, REDIS_TEXT } kind;
	int64_t integer;
	Slice text;
} RedisValue;

/* A list of plain values; a single value is a list of one. Borrowed until the next call. */
typedef struct {
	size_t count;
	const RedisValue *values;
} RedisAnswer;

/* Receives the next answer. ERROR_AGAIN: none in time, a broken connection, an error, or an answer of an unexpected form. */
Result redis_client_receive(RedisClient *client, RedisAnswer *out);

/* Reads a number from an integer or a decimal text; false, *out untouched: not a number. */
bool redis_value_integer(const RedisValue *value, int64_t *out);

#endif
