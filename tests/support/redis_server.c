#include "tests/support/redis_server.h"

#include "shared/io/system/clock.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPTIONS_MAX = 32, START_MS = 20000, ASK_MS = 5000, WORDS_MAX = 16, COMMAND_MAX = 512 };

bool redis_server_installed(void)
{
	return access("/usr/bin/redis-server", X_OK) == 0 || access("/usr/local/bin/redis-server", X_OK) == 0;
}

static int port_free(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0);
	must(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
	close(fd);
	return ntohs(address.sin_port);
}

void redis_server_init(RedisServer *server, const char *directory)
{
	*server = (RedisServer){ .port = port_free() };
	snprintf(server->directory, sizeof(server->directory), "%s", directory);
	snprintf(server->url, sizeof(server->url), "redis://127.0.0.1:%d/0", server->port);
	snprintf(server->socket_url, sizeof(server->socket_url), "unix://%s/redis.sock", server->directory);
}

static _Noreturn void server_exec(const RedisServer *server, const char *const *options)
{
	char port[16];
	const char *words[OPTIONS_MAX] = { "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", server->directory,
					   "--unixsocket", "redis.sock", "--save", "", "--logfile", "redis.log",
					   "--enable-debug-command", "yes", "--protected-mode", "no" };
	size_t count = 17;
	snprintf(port, sizeof(port), "%d", server->port);
	while (options != NULL && *options != NULL && count < OPTIONS_MAX - 1)
		words[count++] = *options++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close_range(3, ~0U, 0);
	execvp(words[0], (char *const *)(const void *)words);
	_exit(127);
}

void redis_server_start(RedisServer *server, const char *const *options)
{
	RedisClientOptions client_options = { .url = server->socket_url, .timeout_ms = 1000 };
	RedisClient *client = NULL;
	Instant until = clock_now() + START_MS;
	must(server->pid == 0);
	server->pid = fork();
	must(server->pid >= 0);
	if (server->pid == 0)
		server_exec(server, options);
	for (;;) {
		if (!result_failed(redis_client_open(&client_options, &client))) {
			const Slice ping = SLICE("PING");
			RedisAnswer answer;
			redis_client_send(client, &ping, 1);
			Result result = redis_client_receive(client, &answer);
			redis_client_close(client);
			/* The server also runs if the command was refused because it requires a password. */
			if (!result_failed(result) || strstr(result.text, "password") != NULL)
				return;
		}
		must(clock_now() < until && waitpid(server->pid, NULL, WNOHANG) == 0);
		clock_sleep_ms(10);
	}
}

void redis_server_end(RedisServer *server, int signal_number)
{
	if (server->pid == 0)
		return;
	kill(server->pid, signal_number);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

static size_t words_split(char *text, Slice out[static WORDS_MAX])
{
	size_t count = 0;
	char *rest = NULL;
	char *word = strtok_r(text, " ", &rest);
	for (; word != NULL && count < WORDS_MAX; word = strtok_r(NULL, " ", &rest))
		out[count++] = slice_of(word);
	return count;
}

static Result command_ask(const char *url, const char *words, RedisClient **client, RedisAnswer *answer)
{
	RedisClientOptions options = { .url = url, .timeout_ms = ASK_MS };
	char text[COMMAND_MAX];
	Slice list[WORDS_MAX];
	must(text_copy(slice_of(words), text, sizeof(text)));
	TRY(redis_client_open(&options, client));
	redis_client_send(*client, list, words_split(text, list));
	return redis_client_receive(*client, answer);
}

Result redis_command(const char *url, const char *words)
{
	RedisClient *client = NULL;
	RedisAnswer answer;
	Result result = command_ask(url, words, &client, &answer);
	redis_client_close(client);
	return result;
}

int64_t redis_number(const char *url, const char *words)
{
	RedisClient *client = NULL;
	RedisAnswer answer;
	int64_t number;
	must(!result_failed(command_ask(url, words, &client, &answer)));
	if (answer.count != 1 || !redis_value_integer(&answer.values[0], &number))
		number = (int64_t)answer.count;
	redis_client_close(client);
	return number;
}

void redis_delete_keys(const char *url, const char *prefix)
{
	char words[COMMAND_MAX];
	RedisClient *client = NULL;
	RedisAnswer answer;
	snprintf(words, sizeof(words), "KEYS %s*", prefix);
	must(!result_failed(command_ask(url, words, &client, &answer)));
	for (size_t i = 0; i < answer.count; i++) {
		must(answer.values[i].text.size < sizeof(words) / 2);
		snprintf(words, sizeof(words), "UNLINK %.*s", (int)answer.values[i].text.size, answer.values[i].text.data);
		must(!result_failed(redis_command(url, words)));
	}
	redis_client_close(client);
}
