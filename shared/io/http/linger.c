/*
 * If a socket is closed while its client still sends, the kernel resets the connection, and the client loses an answer that it
 * has not read yet. Therefore incoming bytes are read and dropped until the client closes its side. The limits are ten seconds,
 * HTTP_DRAIN_MAX bytes, and two seconds without a byte.
 */
#include "shared/io/http/linger.h"

#include "shared/base/error.h"
#include "shared/io/system/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOTAL_MS = 10000, SILENCE_MS = 2000, TICK_MS = 20, READ_SIZE = 64 * 1024, READS_MAX = 16 };

typedef struct {
	int socket;
	int64_t until_us, silent_until_us, bytes_left;
} Lingering;

struct HttpLinger {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t change;
	bool stop;
	Lingering list[HTTP_LINGER_MAX]; /* other threads append; only `thread` changes or removes entries */
	unsigned count;
	char dropped[READ_SIZE];
};

/* False: the client closed its side, the socket failed, or the limit of bytes is reached. */
static bool lingering_read(Lingering *one, int64_t now_us, char *dropped)
{
	for (int i = 0; i < READS_MAX; i++) {
		ssize_t got = recv(one->socket, dropped, READ_SIZE, MSG_DONTWAIT);
		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		one->bytes_left -= got;
		if (got == 0 || one->bytes_left <= 0)
			return false;
		one->silent_until_us = now_us + SILENCE_MS * 1000;
	}
	return true;
}

static bool lingering_continues(Lingering *one, bool ready, int64_t now_us, char *dropped)
{
	if (ready && !lingering_read(one, now_us, dropped))
		return false;
	return now_us < one->until_us && now_us < one->silent_until_us;
}

static void lingering_remove(HttpLinger *linger, unsigned index)
{
	close(linger->list[index].socket);
	linger->list[index] = linger->list[--linger->count];
}

/* With the mutex held; it is released during poll(). */
static void linger_poll(HttpLinger *linger)
{
	struct pollfd polls[HTTP_LINGER_MAX];
	unsigned count = linger->count;

	for (unsigned i = 0; i < count; i++)
		polls[i] = (struct pollfd){ .fd = linger->list[i].socket, .events = POLLIN };
	pthread_mutex_unlock(&linger->mutex);
	poll(polls, count, TICK_MS);
	pthread_mutex_lock(&linger->mutex);
	int64_t now_us = clock_monotonic_us();
	for (unsigned i = count; i-- > 0;)
		if (!lingering_continues(&linger->list[i], polls[i].revents != 0, now_us, linger->dropped))
			lingering_remove(linger, i);
}

static void *linger_run(void *context)
{
	HttpLinger *linger = context;

	pthread_mutex_lock(&linger->mutex);
	while (!linger->stop) {
		if (linger->count == 0)
			pthread_cond_wait(&linger->change, &linger->mutex);
		else
			linger_poll(linger);
	}
	while (linger->count > 0)
		lingering_remove(linger, linger->count - 1);
	pthread_mutex_unlock(&linger->mutex);
	return NULL;
}

HttpLinger *http_linger_new(void)
{
	HttpLinger *linger = calloc(1, sizeof(*linger));

	must(linger != NULL);
	must(pthread_mutex_init(&linger->mutex, NULL) == 0);
	must(pthread_cond_init(&linger->change, NULL) == 0);
	must(pthread_create(&linger->thread, NULL, linger_run, linger) == 0);
	return linger;
}

void http_linger_free(HttpLinger *linger)
{
	if (!linger)
		return;
	pthread_mutex_lock(&linger->mutex);
	linger->stop = true;
	pthread_cond_signal(&linger->change);
	pthread_mutex_unlock(&linger->mutex);
	pthread_join(linger->thread, NULL);
	pthread_cond_destroy(&linger->change);
	pthread_mutex_destroy(&linger->mutex);
	free(linger);
}

/* If the list is full, at most 4096 bytes are read before the socket is closed: most clients have sent no more. */
void http_linger_take(HttpLinger *linger, int socket)
{
	int64_t now_us = clock_monotonic_us();
	char dropped[4096];

	if (socket < 0)
		return;
	pthread_mutex_lock(&linger->mutex);
	bool taken = linger->count < HTTP_LINGER_MAX && !linger->stop;
	if (taken)
		linger->list[linger->count++] = (Lingering){ .socket = socket,
							    .until_us = now_us + TOTAL_MS * 1000,
							    .silent_until_us = now_us + SILENCE_MS * 1000,
							    .bytes_left = HTTP_DRAIN_MAX };
	pthread_cond_signal(&linger->change);
	pthread_mutex_unlock(&linger->mutex);
	if (taken)
		return;
	recv(socket, dropped, sizeof(dropped), MSG_DONTWAIT);
	close(socket);
}
