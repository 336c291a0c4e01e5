/*
 * A connection to Redis: commands are sent together, and their answers come back in order. The only file that includes hiredis is
 * redis/client.c.
 *
 *     redis_client_send(client, …); redis_client_send(client, …);
 *     redis_client_receive(client, &first); redis_client_receive(client, &second);
 *
 * Used by one thread at a time. timeout_ms limits each wait: connecting, each step of signing in, and all answers to commands
 * that were sent together. Only name resolution may take longer. After any failure, including an error answer, the connection
 * must be closed and a new one opened. A command without an answer may have been executed, or may be executed later.
 *
 * Answers are not trusted: an answer of more than REDIS_VALUES_MAX values is refused, and so is one with more than
 * REDIS_ANSWER_BYTES_MAX bytes not parsed yet. Of an error only the code (its first word), or a text for this code, is passed on,
 * because some errors quote the command, including the password.
 */
#ifndef TOCSIN_IO_REDIS_CLIENT_H
#define TOCSIN_IO_REDIS_CLIENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

typedef struct RedisClient RedisClient;

enum { REDIS_WORDS_MAX = 2048, REDIS_VALUES_MAX = 1024, REDIS_ANSWER_BYTES_MAX = 1 << 20, REDIS_URL_MAX = 1024 };

typedef struct {
	const char *url;
	const char *name; /* the name shown by CLIENT LIST: printable, without spaces; NULL: no name */
	int64_t timeout_ms;
} RedisClientOptions;

/*
 * url is redis://[user:password@]host[:port][/db] or unix://[user:password@]/path; user and password are percent-encoded, the user
 * may be empty. Returns NULL if the URL is valid. Otherwise returns a literal that continues a sentence after the setting's name
 * ("must look like …") and quotes no part of the URL.
 */
const char *redis_url_check(const char *url);

/*
 * ERROR_INPUT: an invalid URL; ERROR_AGAIN, with the reason but no secret: for example the server is not reachable, denies access
 * or is still loading.
 */
Result redis_client_open(const RedisClientOptions *options, RedisClient **out);
void redis_client_close(RedisClient *client); /* takes NULL */

/* Queues a command, which the next redis_client_receive sends; 1 to REDIS_WORDS_MAX words, whose bytes are copied. */
void redis_client_send(RedisClient *client, const Slice *words, size_t count);

typedef struct {
	enum { REDIS_NOTHING, REDIS_INTEGER, REDIS_TEXT } kind;
	int64_t integer;
	Slice text;
} RedisValue;

/* A list of plain values; a single value is returned as a list of one. Borrowed until the next redis_client_receive. */
typedef struct {
	size_t count;
	const RedisValue *values;
} RedisAnswer;

/*
 * Receives the answer to the oldest unanswered command; there must be one. ERROR_AGAIN: no answer came in time, the connection
 * broke, or the answer is an error or has an unexpected form.
 */
Result redis_client_receive(RedisClient *client, RedisAnswer *out);

/* Reads a number from an integer or a decimal text. False: the value is not a number; *out is unchanged. */
bool redis_value_integer(const RedisValue *value, int64_t *out);

#endif
