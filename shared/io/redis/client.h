/*
 * A connection to Redis: commands are sent together, their answers come back in order (hiredis, which nothing else
 * includes).
 *
 *     redis_client_ask(client, …); redis_client_ask(client, …);
 *     redis_client_answer(client, &first); redis_client_answer(client, &second);
 *
 * Used by one thread at a time. Nothing waits without an end: connecting, each step of signing in, and all answers to
 * what was asked together have `timeout_ms` each; only a name server may take longer to answer. After any failure, an
 * answer that is an error too, the connection is of no further use: close it and open another one. What was asked and
 * not answered may have been done, or may be done later.
 *
 * What Redis answers is not trusted: its size is bounded, and nothing of its errors' words is passed on but a code that
 * is known, since some of them quote what they were asked, the password too.
 */
#ifndef TOCSIN_IO_REDIS_CLIENT_H
#define TOCSIN_IO_REDIS_CLIENT_H

#include "shared/base/error.h"
#include "shared/base/text.h"

typedef struct RedisClient RedisClient;

enum { REDIS_WORDS_MAX = 2048, REDIS_VALUES_MAX = 1024, REDIS_ANSWER_BYTES_MAX = 1 << 20, REDIS_URL_MAX = 1024 };

typedef struct {
	const char *url;
	const char *name; /* what CLIENT LIST shows: printable, without spaces; NULL: none */
	int64_t timeout_ms;
} RedisClientOptions;

/*
 * redis://[user:password@]host[:port][/db] or unix://[user:password@]/path; user and password percent-encoded, the user
 * may be empty. NULL when it is one, else what would be right; quotes nothing of it.
 */
const char *redis_url_check(const char *url);

/* ERROR_INPUT: no such URL; ERROR_AGAIN: not reachable, not let in, still loading: with the reason and no secret. */
Result redis_client_open(const RedisClientOptions *options, RedisClient **out);
void redis_client_close(RedisClient *client); /* takes NULL */

/* Adds a command to what is sent with the next answer that is waited for; its bytes are copied. */
void redis_client_ask(RedisClient *client, const Slice *words, size_t count);

typedef struct {
	enum { REDIS_NOTHING, REDIS_INTEGER, REDIS_TEXT } kind;
	int64_t integer;
	Slice text;
} RedisValue;

/* A list of plain values; an answer that is no list is a list of one. Borrowed until the next call. */
typedef struct {
	size_t count;
	const RedisValue *values;
} RedisAnswer;

/* The next answer. ERROR_AGAIN: none in time, the connection broke, it is an error, or nothing that could be meant. */
Result redis_client_answer(RedisClient *client, RedisAnswer *out);

/* The number a value holds, as integer or as decimal text; false, *out untouched, where it is none. */
bool redis_value_integer(const RedisValue *value, int64_t *out);

#endif
