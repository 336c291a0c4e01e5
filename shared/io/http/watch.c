/*
 * Connections that would keep others out: slow senders, and, where little room is left, those that are only kept, or whose heads do
 * not come to an end.
 *
 * Senders keep connections open between their requests, and a thousand of them that send one event an hour must not shut out
 * the next; nor must one without a key that begins a thousand heads. So for each connection taken when less than a
 * ROOM_SHAREth of the room is left, the one that has owed a whole head longest is ended, if that is OWING_LEAST_MS at least:
 * HTTP lets either side end an idle connection, and clients open another; a head is sent in one piece.
 */
#include "shared/io/http/internal.h"

#include "shared/io/system/clock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>

enum { ROOM_SHARE = 16, OWING_LEAST_MS = 5000 };

/* Whether the client has sent anything since a connection became idle; true where the kernel cannot say. */
static bool data_came(int socket, int64_t idle_us)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
		return true;
	return (int64_t)info.tcpi_last_data_recv + 20 < idle_us / 1000;
}

/*
 * libmicrohttpd's timeout begins anew at every byte, so a byte now and then holds a connection for ever. Here a request has
 * an absolute deadline. Its line, which libmicrohttpd shows only when it is whole, has one of its own from the moment that
 * bytes of it were seen; a connection that is just idle is left to libmicrohttpd's timeout.
 */
static void request_inspect(HttpRequest *request, int64_t now_us, int64_t deadline_us)
{
	uint64_t watch = atomic_load_explicit(&request->watch, memory_order_acquire);
	int64_t time_us = watch_time_us(watch);

	if (watch_phase(watch) == WATCH_HEAD)
		time_us += deadline_us;
	if ((watch_phase(watch) == WATCH_TIMED || watch_phase(watch) == WATCH_HEAD) && now_us >= time_us)
		shutdown(request->socket, SHUT_RDWR);
	if (watch_phase(watch) == WATCH_IDLE && data_came(request->socket, now_us - time_us))
		atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_HEAD, now_us));
}

static struct timespec time_in_ms(int64_t wait_ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += (time_t)(wait_ms / 1000);
	time.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}

static void *watch_run(void *context)
{
	HttpServer *server = context;
	int64_t deadline_ms = server->options.request_deadline_ms;
	int64_t tick_ms = deadline_ms < 4000 ? deadline_ms / 4 + 1 : 1000;

	pthread_mutex_lock(&server->mutex);
	while (!atomic_load(&server->stopping)) {
		struct timespec wake = time_in_ms(tick_ms);
		pthread_cond_timedwait(&server->stop_watching, &server->mutex, &wake);
		int64_t now_us = clock_monotonic_us();
		for (HttpRequest *request = server->first; request; request = request->next)
			request_inspect(request, now_us, deadline_ms * 1000);
	}
	pthread_mutex_unlock(&server->mutex);
	return NULL;
}

void http_watch_start(HttpServer *server)
{
	must(pthread_create(&server->watcher, NULL, watch_run, server) == 0);
}

void http_watch_stop(HttpServer *server)
{
	pthread_mutex_lock(&server->mutex);
	pthread_cond_signal(&server->stop_watching);
	pthread_mutex_unlock(&server->mutex);
	pthread_join(server->watcher, NULL);
}

/* ---- room ------------------------------------------------------------------------------------------------------ */

/* With the mutex held; NULL: none has owed a head for so long. */
static HttpRequest *longest_owing(const HttpListener *listener, int64_t before_us)
{
	HttpRequest *longest = NULL;

	for (HttpRequest *request = listener->server->first; request; request = request->next) {
		uint64_t watch = atomic_load_explicit(&request->watch, memory_order_acquire);
		bool owes = watch_phase(watch) == WATCH_IDLE || watch_phase(watch) == WATCH_HEAD;
		if (request->listener != listener || !owes || watch_time_us(watch) > before_us)
			continue;
		longest = request;
		before_us = watch_time_us(watch);
	}
	return longest;
}

/*
 * Timed now, so that it is not chosen again before its thread has closed it. One that sent something which the watcher has not
 * seen yet owes a head from now on. False, and it is no candidate any more: another is to be found.
 */
static bool owing_end(HttpRequest *request, int64_t now_us)
{
	uint64_t watch = atomic_load(&request->watch);
	bool idle = watch_phase(watch) == WATCH_IDLE;

	if (!idle && watch_phase(watch) != WATCH_HEAD)
		return false;
	if (idle && data_came(request->socket, now_us - watch_time_us(watch))) {
		atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_HEAD, now_us));
		return false;
	}
	if (!atomic_compare_exchange_strong(&request->watch, &watch, watch_of(WATCH_TIMED, now_us)))
		return false;
	shutdown(request->socket, SHUT_RDWR);
	return true;
}

void http_watch_make_room(HttpListener *listener, unsigned connections)
{
	HttpServer *server = listener->server;
	int64_t now_us = clock_monotonic_us();

	if (listener->connections_max - connections > listener->connections_max / ROOM_SHARE)
		return;
	pthread_mutex_lock(&server->mutex);
	HttpRequest *request;
	do
		request = longest_owing(listener, now_us - OWING_LEAST_MS * 1000);
	while (request && !owing_end(request, now_us));
	pthread_mutex_unlock(&server->mutex);
}
