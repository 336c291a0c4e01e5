/* The thread that answers commands whose time is over: 202 where they are durable, else 503. */
#include "services/gateway/gateway_internal.h"

#include "shared/io/system/clock.h"

#include <time.h>

enum { LONGEST_SLEEP_MS = 60000 };

/* Answers what is due; the time of the next one. Draining, every command that is durable is due. */
static int64_t expire(Gateway *gateway)
{
	bool draining = atomic_load(&gateway->draining);
	HttpRequest *request;
	Expired expired;

	while ((request = waiting_expire(gateway->waiting, clock_monotonic_us() / 1000, draining, &expired)) != NULL) {
		if (expired.durable)
			answer_pending(request, id_slice(&expired.command));
		else
			answer_doubt(request);
	}
	return expired.next_ms;
}

static struct timespec until(int64_t next_ms)
{
	int64_t latest_ms = clock_monotonic_us() / 1000 + LONGEST_SLEEP_MS;
	int64_t at_ms = next_ms < latest_ms ? next_ms : latest_ms;

	return (struct timespec){ .tv_sec = at_ms / 1000, .tv_nsec = at_ms % 1000 * 1000000 };
}

/* The mutex is held from looking for the next deadline to the wait, so that no change goes by unseen. */
static void *deadlines_run(void *context)
{
	Gateway *gateway = context;

	pthread_mutex_lock(&gateway->deadline_mutex);
	while (!gateway->stopping) {
		int64_t next_ms = expire(gateway);
		struct timespec at = until(next_ms);
		pthread_cond_timedwait(&gateway->deadline_changed, &gateway->deadline_mutex, &at);
	}
	pthread_mutex_unlock(&gateway->deadline_mutex);
	return NULL;
}

void deadlines_start(Gateway *gateway)
{
	pthread_condattr_t attributes;

	must(pthread_condattr_init(&attributes) == 0);
	must(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&gateway->deadline_changed, &attributes) == 0);
	pthread_condattr_destroy(&attributes);
	must(pthread_mutex_init(&gateway->deadline_mutex, NULL) == 0);
	must(pthread_create(&gateway->deadlines, NULL, deadlines_run, gateway) == 0);
}

void deadlines_changed(Gateway *gateway)
{
	pthread_mutex_lock(&gateway->deadline_mutex);
	pthread_cond_signal(&gateway->deadline_changed);
	pthread_mutex_unlock(&gateway->deadline_mutex);
}

void deadlines_stop(Gateway *gateway)
{
	pthread_mutex_lock(&gateway->deadline_mutex);
	gateway->stopping = true;
	pthread_cond_signal(&gateway->deadline_changed);
	pthread_mutex_unlock(&gateway->deadline_mutex);
	pthread_join(gateway->deadlines, NULL);
	pthread_cond_destroy(&gateway->deadline_changed);
	pthread_mutex_destroy(&gateway->deadline_mutex);
}
