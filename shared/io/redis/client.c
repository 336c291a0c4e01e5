#include "shared/io/redis/client.h"

#include "shared/io/system/clock.h"

#include <hiredis/hiredis.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PORT = 6379, DB_MAX = 9999, PART_ROOM = 256, CODE_ROOM = 24 };

typedef struct {
	bool unix_socket;
	char host[PART_ROOM]; /* or the socket's path */
	int port, db;
	char user[PART_ROOM], password[PART_ROOM];
} Address;

struct RedisClient {
	redisContext *context;
	redisReply *reply; /* owns the bytes of the answer that the caller borrows */
	int64_t timeout_ms, until_us;
	size_t waiting; /* number of answers outstanding */
	char server[PART_ROOM + 16]; /* host:port or path, for error texts */
	RedisValue values[REDIS_VALUES_MAX];
	const char *words[REDIS_WORDS_MAX];
	size_t sizes[REDIS_WORDS_MAX];
};

/* ---- the URL ----------------------------------------------------------------------------------------------------- */

/* Percent-decodes `from`. False: an escape is invalid, a byte is a space or a control character, or the part is too long. */
static bool part_decode(Slice from, char out[static PART_ROOM])
{
	size_t size = 0;
	for (size_t i = 0; i < from.size; i++) {
		int byte = (unsigned char)from.data[i];
		if (byte == '%') {
			int high = i + 2 < from.size ? hex_digit(from.data[i + 1]) : -1;
			int low = high < 0 ? -1 : hex_digit(from.data[i + 2]);
			byte = low < 0 ? 0 : high * 16 + low;
			i += 2;
		}
		if (byte <= ' ' || byte == 127 || size == PART_ROOM - 1)
			return false;
		out[size++] = (char)byte;
	}
	out[size] = '\0';
	return true;
}

/* Removes "user:password@", if present, from the front of the authority. False: these credentials are invalid. */
static bool credentials_read(Slice *authority, Address *out)
{
	const char *at = authority->size == 0 ? NULL : memrchr(authority->data, '@', authority->size);
	if (at == NULL)
		return true;
	Slice both = { authority->data, (size_t)(at - authority->data) };
	const char *colon = both.size == 0 ? NULL : memchr(both.data, ':', both.size);
	*authority = (Slice){ at + 1, authority->size - both.size - 1 };
	if (colon == NULL)
		return false;
	Slice user = { both.data, (size_t)(colon - both.data) };
	return part_decode(user, out->user) &&
	       part_decode((Slice){ colon + 1, both.size - user.size - 1 }, out->password) && out->password[0] != '\0';
}

static bool number_read(Slice text, int64_t min, int64_t max, int *out)
{
	int64_t number;
	if (text.size == 0 || text.size > 6 || text.data[0] == '-' || !slice_integer(text, &number) || number < min ||
	    number > max)
		return false;
	*out = (int)number;
	return true;
}

/* Parses host, host:port, [v6] or [v6]:port. */
static bool host_read(Slice authority, Address *out)
{
	bool bracketed = slice_starts_with(authority, SLICE("["));
	const char *end = authority.size == 0 ? NULL : memchr(authority.data, bracketed ? ']' : ':', authority.size);
	size_t first = bracketed ? 1 : 0, size = end == NULL ? authority.size : (size_t)(end - authority.data);
	if ((bracketed && end == NULL) || size <= first ||
	    !part_decode((Slice){ authority.data + first, size - first }, out->host))
		return false;
	Slice rest = { authority.data + size + first, authority.size - size - first };
	if (rest.size == 0)
		return true;
	return rest.data[0] == ':' && number_read((Slice){ rest.data + 1, rest.size - 1 }, 1, 65535, &out->port);
}

static bool path_read(Slice path, Address *out)
{
	if (out->unix_socket)
		return path.size > 1 && text_copy(path, out->host, sizeof(out->host)) && strlen(out->host) == path.size;
	return path.size <= 1 || number_read((Slice){ path.data + 1, path.size - 1 }, 0, DB_MAX, &out->db);
}

static bool address_read(const char *url, Address *out)
{
	Slice rest = slice_of(url), tcp = SLICE("redis://"), local = SLICE("unix://");
	*out = (Address){ .port = DEFAULT_PORT, .unix_socket = slice_starts_with(rest, local) };
	if (rest.size > REDIS_URL_MAX || (!out->unix_socket && !slice_starts_with(rest, tcp)))
		return false;
	size_t scheme = out->unix_socket ? local.size : tcp.size;
	rest = (Slice){ rest.data + scheme, rest.size - scheme };
	const char *slash = rest.size == 0 ? NULL : memchr(rest.data, '/', rest.size);
	Slice authority = { rest.data, slash == NULL ? rest.size : (size_t)(slash - rest.data) };
	Slice path = { rest.data + authority.size, rest.size - authority.size };
	if (!credentials_read(&authority, out) || !path_read(path, out))
		return false;
	return out->unix_socket ? authority.size == 0 : host_read(authority, out);
}

const char *redis_url_check(const char *url)
{
	Address address;
	if (slice_starts_with(slice_of(url), SLICE("rediss://")))
		return "must be redis:// to a TLS proxy on this machine, or unix:///path: TLS is not supported";
	bool right = address_read(url, &address);
	explicit_bzero(&address, sizeof(address));
	return right ? NULL
		     : "must look like redis://[user:password@]host:port/0 or unix:///path; a / in a password is %2F";
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

/* Error codes of Redis, and texts for operators. All are reported as ERROR_AGAIN: they end with time or by an operator's action. */
static const struct {
	const char *code, *meaning;
} errors[] = {
	{ "LOADING", "is still loading its data" },
	{ "READONLY", "is a replica, which accepts no writes: set the URL of the master" },
	{ "MASTERDOWN", "is a replica that has lost its master" },
	{ "BUSY", "is busy with a script" },
	{ "OOM", "has no memory left (maxmemory)" },
	{ "MISCONF", "accepts no writes because it cannot save: see its log" },
	{ "NOREPLICAS", "accepts no writes because it has too few replicas (min-replicas-to-write)" },
	{ "NOSCRIPT", "has lost the scripts" },
	{ "NOAUTH", "requires a password: redis://user:password@…" },
	{ "WRONGPASS", "refuses the user or the password" },
	{ "NOPERM", "forbids this user a command or key: allow scripts and ~{tocsin}:*" },
	{ "WRONGTYPE", "has other data under the keys {tocsin}:…" },
	{ "MOVED", "has the keys {tocsin}:… on another node of its cluster: set the URL of that node" },
	{ "CROSSSLOT", "is a cluster that cannot run our scripts" },
};

/* Copies the code of an error: its first word, if that word consists of capital letters. The rest of the error is not passed on. */
static void code_copy(const redisReply *reply, char out[static CODE_ROOM])
{
	size_t size = 0;
	while (size < reply->len && size < CODE_ROOM - 1 && reply->str[size] >= 'A' && reply->str[size] <= 'Z')
		size++;
	bool whole = size == reply->len || reply->str[size] == ' ';
	text_copy((Slice){ reply->str, whole ? size : 0 }, out, CODE_ROOM);
}

static Result client_refused(const RedisClient *client, const redisReply *reply)
{
	char code[CODE_ROOM];
	code_copy(reply, code);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (strcmp(code, errors[i].code) == 0)
			return result_fail(ERROR_AGAIN, "Redis at %s %s", client->server, errors[i].meaning);
	return result_fail(ERROR_AGAIN, "Redis at %s answers with an error: %s", client->server,
			   strcmp(code, "ERR") == 0 || code[0] == '\0' ? "see its log and version" : code);
}

static Result client_broken(const RedisClient *client)
{
	const redisContext *context = client->context;
	const char *why = context == NULL || context->err == 0	? "no memory"
			  : context->err == REDIS_ERR_EOF	? "the server closed the connection"
			  : context->err == REDIS_ERR_PROTOCOL ? "the server does not use the protocol of Redis"
								: context->errstr;
	return result_fail(ERROR_AGAIN, "Redis at %s cannot be reached: %s", client->server, why);
}

/* ---- commands and answers ---------------------------------------------------------------------------------------- */

void redis_client_send(RedisClient *client, const Slice *words, size_t count)
{
	must(count > 0 && count <= REDIS_WORDS_MAX);
	for (size_t i = 0; i < count; i++) {
		client->words[i] = words[i].data == NULL ? "" : words[i].data;
		client->sizes[i] = words[i].size;
	}
	/* Fails only if memory is exhausted; redis_client_receive then reports a broken connection. */
	(void)redisAppendCommandArgv(client->context, (int)count, client->words, client->sizes);
	if (client->waiting++ == 0)
		client->until_us = clock_monotonic_us() + client->timeout_ms * 1000;
}

static Result client_wait(RedisClient *client, short event)
{
	for (;;) {
		int64_t left_us = client->until_us - clock_monotonic_us();
		struct pollfd one = { .fd = client->context->fd, .events = event };
		int ready = left_us <= 0 ? 0 : poll(&one, 1, (int)((left_us + 999) / 1000));
		if (ready > 0)
			return result_ok();
		if (ready == 0)
			return result_fail(ERROR_AGAIN, "Redis at %s does not answer within %lld ms", client->server,
					   (long long)client->timeout_ms);
		if (errno != EINTR)
			return client_broken(client);
	}
}

static Result client_send(RedisClient *client)
{
	for (int done = 0; !done;) {
		if (client->context->err != 0 || redisBufferWrite(client->context, &done) != REDIS_OK)
			return client_broken(client);
		if (!done)
			TRY(client_wait(client, POLLOUT));
	}
	return result_ok();
}

static Result client_receive(RedisClient *client)
{
	void *reply = NULL;
	for (;;) {
		if (redisGetReplyFromReader(client->context, &reply) != REDIS_OK)
			return client_broken(client);
		if (reply != NULL)
			break;
		TRY(client_wait(client, POLLIN));
		if (redisBufferRead(client->context) != REDIS_OK)
			return client_broken(client);
		if (client->context->reader->len > REDIS_ANSWER_BYTES_MAX)
			return result_fail(ERROR_AGAIN, "Redis at %s sent an answer of more than %d bytes", client->server,
					   REDIS_ANSWER_BYTES_MAX);
	}
	client->reply = reply;
	return result_ok();
}

static bool value_read(const redisReply *reply, RedisValue *out)
{
	*out = (RedisValue){ .kind = REDIS_NOTHING };
	if (reply->type == REDIS_REPLY_INTEGER)
		*out = (RedisValue){ .kind = REDIS_INTEGER, .integer = reply->integer };
	else if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
		*out = (RedisValue){ .kind = REDIS_TEXT, .text = { reply->str, reply->len } };
	else
		return reply->type == REDIS_REPLY_NIL;
	return true;
}

static bool answer_read(RedisClient *client, RedisAnswer *out)
{
	const redisReply *reply = client->reply;
	*out = (RedisAnswer){ .count = 1, .values = client->values };
	if (reply->type != REDIS_REPLY_ARRAY)
		return value_read(reply, &client->values[0]);
	if (reply->elements > REDIS_VALUES_MAX)
		return false;
	out->count = reply->elements;
	for (size_t i = 0; i < out->count; i++)
		if (!value_read(reply->element[i], &client->values[i]))
			return false;
	return true;
}

Result redis_client_receive(RedisClient *client, RedisAnswer *out)
{
	must(client->waiting > 0);
	if (client->reply != NULL)
		freeReplyObject(client->reply);
	client->reply = NULL;
	TRY(client_send(client));
	TRY(client_receive(client));
	client->waiting--;
	if (client->reply->type == REDIS_REPLY_ERROR)
		return client_refused(client, client->reply);
	if (!answer_read(client, out))
		return result_fail(ERROR_AGAIN, "Redis at %s sent an answer of an unexpected form", client->server);
	return result_ok();
}

bool redis_value_integer(const RedisValue *value, int64_t *out)
{
	if (value->kind == REDIS_INTEGER)
		*out = value->integer;
	return value->kind == REDIS_INTEGER || (value->kind == REDIS_TEXT && slice_integer(value->text, out));
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

static Result client_connect(RedisClient *client, const Address *address)
{
	struct timeval timeout = { .tv_sec = client->timeout_ms / 1000, .tv_usec = client->timeout_ms % 1000 * 1000 };
	client->context = address->unix_socket ? redisConnectUnixWithTimeout(address->host, timeout)
					       : redisConnectWithTimeout(address->host, address->port, timeout);
	if (client->context == NULL || client->context->err != 0)
		return client_broken(client);
	int fd = client->context->fd;
	if (!address->unix_socket)
		(void)redisEnableKeepAlive(client->context);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	/*
	 * From here on the socket does not block, and client_wait limits the waiting: hiredis' timeout applies to each read, and
	 * one answer may take many reads.
	 */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	client->context->flags &= ~REDIS_BLOCK;
	return result_ok();
}

static Result client_call(RedisClient *client, const Slice *words, size_t count)
{
	RedisAnswer answer;
	redis_client_send(client, words, count);
	return redis_client_receive(client, &answer);
}
#define CALL(client, ...) \
	client_call((client), (const Slice[]){ __VA_ARGS__ }, sizeof((const Slice[]){ __VA_ARGS__ }) / sizeof(Slice))

static Result client_sign_in(RedisClient *client, const Address *address, const char *name)
{
	Slice auth = SLICE("AUTH"), user = slice_of(address->user), password = slice_of(address->password);
	char db[16];
	snprintf(db, sizeof(db), "%d", address->db);
	if (user.size > 0)
		TRY(result_wrap(CALL(client, auth, user, password), "signing in"));
	else if (password.size > 0)
		TRY(result_wrap(CALL(client, auth, password), "signing in"));
	if (address->db > 0)
		TRY(result_wrap(CALL(client, SLICE("SELECT"), slice_of(db)), "database %s", db));
	if (name != NULL && name[0] != '\0')
		TRY(CALL(client, SLICE("CLIENT"), SLICE("SETNAME"), slice_of(name)));
	return result_ok();
}

Result redis_client_open(const RedisClientOptions *options, RedisClient **out)
{
	Address address;
	if (!address_read(options->url, &address))
		return result_fail(ERROR_INPUT, "the URL of Redis %s", redis_url_check(options->url));
	RedisClient *client = calloc(1, sizeof(*client));
	must(client != NULL);
	client->timeout_ms = options->timeout_ms;
	if (address.unix_socket)
		snprintf(client->server, sizeof(client->server), "%s", address.host);
	else
		snprintf(client->server, sizeof(client->server), "%s:%d", address.host, address.port);
	Result result = client_connect(client, &address);
	if (!result_failed(result))
		result = client_sign_in(client, &address, options->name);
	explicit_bzero(&address, sizeof(address));
	if (result_failed(result)) {
		redis_client_close(client);
		return result;
	}
	*out = client;
	return result;
}

void redis_client_close(RedisClient *client)
{
	if (client == NULL)
		return;
	if (client->reply != NULL)
		freeReplyObject(client->reply);
	if (client->context != NULL)
		redisFree(client->context);
	free(client);
}
