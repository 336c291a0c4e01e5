/*
 * Posts TOTAL events with unique ids and KEYS correlation keys through keep-alive connections, with one request in progress
 * on each, and prints accepted, refused and seconds. One epoll loop serves all connections; each request is
 * a template into which two numbers are written. Usage: storm_client PORT KEY_FILE TOTAL KEYS CONNECTIONS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, REQUEST_MAX = 1024, ANSWER_MAX = 4096 };

typedef struct {
	int fd;
	char answer[ANSWER_MAX];
	size_t have;
} Connection;

static Connection connections[CONNECTIONS_MAX];
static char bearer[256];
static long total, keys, sent, accepted, refused;

static double now_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void send_next(Connection *connection)
{
	char body[512], request[REQUEST_MAX];
	if (sent == total)
		return;
	int size = snprintf(body, sizeof(body),
			    "{\"source\":\"storm\",\"id\":\"s-%ld\",\"title\":\"Failed password for root from 198.51.100.%ld\","
			    "\"rule\":\"sshd-failed\",\"severity\":\"low\",\"asset\":\"host-%05ld\",\"actor\":\"root\","
			    "\"type\":\"intrusion\",\"observables\":[{\"type\":\"ip\",\"value\":\"198.51.100.%ld\"}],"
			    "\"attributes\":{\"facility\":\"auth\",\"program\":\"sshd\",\"port\":\"22\",\"pid\":\"%ld\"}}",
			    sent, sent % 250, sent % keys, sent % 250, sent);
	size = snprintf(request, sizeof(request),
			"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
			"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			bearer, size, body);
	sent++;
	if (send(connection->fd, request, (size_t)size, MSG_NOSIGNAL) != size) {
		perror("send");
		exit(1);
	}
}

/* Removes one complete response from the buffer. Returns 1 if its status is 202, -1 for another status, 0 if no response is
 * complete. */
static int answer_take(Connection *connection)
{
	connection->answer[connection->have] = 0;
	char *end = strstr(connection->answer, "\r\n\r\n");
	char *length = strcasestr(connection->answer, "content-length:");
	if (!end || !length)
		return 0;
	size_t whole = (size_t)(end - connection->answer) + 4 + strtoul(length + 15, NULL, 10);
	if (connection->have < whole)
		return 0;
	int ok = strncmp(connection->answer, "HTTP/1.1 202", 12) == 0;
	memmove(connection->answer, connection->answer + whole, connection->have - whole);
	connection->have -= whole;
	return ok ? 1 : -1;
}

static int connection_open(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons((unsigned short)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("connect");
		exit(1);
	}
	return fd;
}

static void connection_read(Connection *connection)
{
	ssize_t got = recv(connection->fd, connection->answer + connection->have, ANSWER_MAX - 1 - connection->have, 0);
	if (got <= 0) {
		fprintf(stderr, "the server closed a connection\n");
		exit(1);
	}
	connection->have += (size_t)got;
	for (int took; (took = answer_take(connection)) != 0;) {
		accepted += took > 0;
		refused += took < 0;
		send_next(connection);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	if (argc != 6)
		return 2;
	int count = atoi(argv[5]), poll = epoll_create1(EPOLL_CLOEXEC);
	total = atol(argv[3]);
	keys = atol(argv[4]);
	FILE *file = fopen(argv[2], "re");
	if (!file || !fgets(bearer, sizeof(bearer), file) || count < 1 || count > CONNECTIONS_MAX)
		return 2;
	fclose(file);
	bearer[strcspn(bearer, "\n")] = 0;
	double began = now_seconds();
	for (int i = 0; i < count; i++) {
		connections[i].fd = connection_open(atoi(argv[1]));
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &connections[i] };
		epoll_ctl(poll, EPOLL_CTL_ADD, connections[i].fd, &event);
		send_next(&connections[i]);
	}
	while (accepted + refused < total) {
		int ready = epoll_wait(poll, events, 256, 10000);
		if (ready == 0) {
			fprintf(stderr, "no response for ten seconds\n");
			return 1;
		}
		for (int i = 0; i < ready; i++)
			connection_read(events[i].data.ptr);
	}
	double took = now_seconds() - began;
	printf("%ld %ld %.3f\n", accepted, refused, took);
	return 0;
}
