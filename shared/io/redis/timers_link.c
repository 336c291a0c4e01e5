#include "shared/io/redis/timers_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { PAUSE_MIN_MS = 50, PAUSE_MAX_MS = 2000, STEADY_MS = 5000 };

/* A call that was sent for an owner in the current round. Calls are kept in the order of their answers. */
typedef struct {
	RedisOwner *owner;
	uint64_t generation, call;
	bool asks; /* the call carries the request of a `due` */
} SentCall;

typedef struct RedisLink {
	RedisClient *client; /* NULL: not connected */
	Script script;
	uint64_t call;       /* number of the last call */
	int64_t pause_ms, connected_at_us, peek_at_us;
	SentCall steps[OWNERS_MAX], peeks[OWNERS_MAX];
	ScriptPeek peek_calls[OWNERS_MAX];
	size_t step_count, peek_count, answer_count;
	bool peeking;
	Instant sent_at;
} RedisLink;

bool link_wait(RedisTimers *timers, pthread_cond_t *condition, int64_t until_us)
{
	struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };
	return pthread_cond_timedwait(condition, &timers->mutex, &until) != ETIMEDOUT;
}

/* ---- up and down ----------------------------------------------------------------------------------------------- */

static void link_up(RedisTimers *timers)
{
	pthread_mutex_lock(&timers->mutex);
	bool returned = !timers->up && timers->was_up;
	bool changed = !timers->up;
	timers->up = timers->was_up = timers->tried = true;
	if (changed)
		pthread_cond_broadcast(&timers->changed);
	pthread_mutex_unlock(&timers->mutex);
	metric_set(METRIC_REDIS_UP, NULL, NULL, 1);
	if (returned)
		log_line(LOG_INFO, timers->name, "redis-reachable", L_STRING("detail", "timers are read and written again"));
	/* The pause is reset only after STEADY_MS, because Redis may still refuse the first write on a new connection. */
	if (clock_monotonic_us() > timers->link->connected_at_us + STEADY_MS * INT64_C(1000))
		timers->link->pause_ms = 0;
}

/* Closes the connection. The effect of calls without an answer is unknown, so their owners count as lost. */
static void link_down(RedisTimers *timers, Result reason)
{
	RedisLink *link = timers->link;
	redis_client_close(link->client);
	link->client = NULL;
	pthread_mutex_lock(&timers->mutex);
	for (size_t i = link->answer_count; i < link->step_count; i++)
		if (link->steps[i].owner->generation == link->steps[i].generation)
			owner_lose(timers, link->steps[i].owner);
	bool was_up = timers->up;
	timers->up = false;
	timers->tried = true;
	timers->reason = reason;
	pthread_cond_broadcast(&timers->changed);
	pthread_mutex_unlock(&timers->mutex);
	link->step_count = link->answer_count = 0;
	metric_set(METRIC_REDIS_UP, NULL, NULL, 0);
	if (was_up)
		log_line(LOG_WARN, timers->name, "redis-unreachable", L_STRING("detail", reason.text));
}

static int64_t pause_next(RedisLink *link)
{
	uint32_t jitter;
	clock_random(&jitter, sizeof(jitter));
	link->pause_ms = link->pause_ms == 0 ? PAUSE_MIN_MS : link->pause_ms * 2;
	link->pause_ms = link->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : link->pause_ms;
	return link->pause_ms / 2 + jitter % (uint32_t)(link->pause_ms / 2);
}

static void link_connect(RedisTimers *timers)
{
	RedisLink *link = timers->link;
	RedisClientOptions options = { .url = timers->url, .name = timers->name, .timeout_ms = ANSWER_MS };
	Result result = redis_client_open(&options, &link->client);
	if (!result_failed(result))
		result = script_load(&link->script, link->client);
	link->connected_at_us = clock_monotonic_us();
	link->peek_at_us = 0;
	if (result_failed(result))
		link_down(timers, result);
}

/* ---- a round: one call for each owner with work, sent together ---------------------------------------------------- */

static void owner_ask(RedisTimers *timers, RedisOwner *owner)
{
	RedisLink *link = timers->link;
	bool asks = owner->request.phase == REQUEST_WANTED;
	link->steps[link->step_count++] = (SentCall){ owner, owner->generation, ++link->call, asks };
	script_step(&link->script, link->client,
		    &(ScriptStep){ .owner = owner->name, .term = owner->term, .call = link->call, .answered = owner->answered,
				   .reset = owner->reset, .changes = owner->queue, .change_count = owner->queue_count,
				   .max = asks ? owner->request.max : 0, .lease_ms = asks ? owner->request.lease_ms : 0 });
	owner->reset = RESET_NONE;
	owner->queue_count = 0;
	if (owner->known_next == INSTANT_NONE ||
	    (owner->queued_next != INSTANT_NONE && owner->queued_next < owner->known_next))
		owner->known_next = owner->queued_next;
	owner->queued_next = INSTANT_NONE;
	if (asks)
		owner->request.phase = REQUEST_SENT;
}

static void peek_ask(RedisTimers *timers)
{
	RedisLink *link = timers->link;
	link->peek_count = 0;
	for (size_t i = 0; i < timers->owner_count; i++) {
		RedisOwner *owner = timers->owners[i];
		if (owner->answered == 0)
			continue;
		link->peek_calls[link->peek_count] = (ScriptPeek){ owner->name, owner->term, owner->answered };
		link->peeks[link->peek_count++] = (SentCall){ .owner = owner, .generation = owner->generation };
	}
	script_peek(&link->script, link->client, link->peek_calls, link->peek_count);
	link->peek_at_us = clock_monotonic_us() + PEEK_MS * 1000;
}

static void round_ask(RedisTimers *timers)
{
	RedisLink *link = timers->link;
	link->step_count = link->answer_count = 0;
	link->peeking = clock_monotonic_us() >= link->peek_at_us;
	link->sent_at = clock_now();
	pthread_mutex_lock(&timers->mutex);
	timers->has_work = false;
	for (size_t i = 0; i < timers->owner_count; i++)
		if (owner_has_work(timers->owners[i]))
			owner_ask(timers, timers->owners[i]);
	if (link->peeking)
		peek_ask(timers);
	pthread_cond_broadcast(&timers->changed); /* the queues have room */
	pthread_mutex_unlock(&timers->mutex);
}

/* Redis read its clock between our sending and receiving. If its time lies in that interval (±1 ms), the clocks count as equal. */
static void clock_compare(RedisTimers *timers, Instant redis_now)
{
	Instant sent_at = timers->link->sent_at, received_at = clock_now();
	bool agree = redis_now >= sent_at - 1 && redis_now <= received_at + 1;
	timers->ahead_ms = agree ? 0 : redis_now - (sent_at + received_at) / 2;
}

static void owner_update(RedisTimers *timers, RedisOwner *owner, ScriptStatus status, Instant next)
{
	if (status == STATUS_FENCED)
		owner_fence(timers, owner);
	else if (status != STATUS_OK)
		owner_lose(timers, owner);
	else
		owner->known_next = next;
}

static bool step_take(RedisTimers *timers, const SentCall *sent, const RedisAnswer *answer)
{
	ScriptStatus status;
	Instant now, next;
	RedisOwner *owner = sent->owner;
	if (!step_read(answer, &status, &now, &next))
		return false;
	clock_compare(timers, now);
	if (owner->generation != sent->generation)
		return true;
	if (status == STATUS_OK && sent->asks) {
		if (!step_shown(answer, &owner->request.shown, &owner->request.count))
			return false;
		owner->request.phase = REQUEST_ANSWERED;
		pthread_cond_broadcast(&timers->changed);
	}
	owner->answered = sent->call;
	owner_update(timers, owner, status, next);
	return true;
}

static bool peek_take(RedisTimers *timers, const RedisAnswer *answer)
{
	RedisLink *link = timers->link;
	ScriptStatus status;
	Instant now, next;
	if (!peek_now(answer, link->peek_count, &now))
		return false;
	clock_compare(timers, now);
	for (size_t i = 0; i < link->peek_count; i++) {
		RedisOwner *owner = link->peeks[i].owner;
		if (!peek_read(answer, i, &status, &next))
			return false;
		if (owner->generation == link->peeks[i].generation)
			owner_update(timers, owner, status, next);
	}
	return true;
}

static Result round_next(RedisTimers *timers, const SentCall *sent)
{
	RedisAnswer answer;
	TRY(redis_client_receive(timers->link->client, &answer));
	pthread_mutex_lock(&timers->mutex);
	bool right = sent == NULL ? peek_take(timers, &answer) : step_take(timers, sent, &answer);
	pthread_mutex_unlock(&timers->mutex);
	return right ? result_ok() : result_fail(ERROR_AGAIN, "Redis sent an answer of an unexpected form");
}

static Result round_answers(RedisTimers *timers)
{
	RedisLink *link = timers->link;
	for (; link->answer_count < link->step_count; link->answer_count++)
		TRY(round_next(timers, &link->steps[link->answer_count]));
	return link->peeking ? round_next(timers, NULL) : result_ok();
}

static void link_round(RedisTimers *timers)
{
	round_ask(timers);
	Result result = timers->link->step_count == 0 && !timers->link->peeking ? result_ok() : round_answers(timers);
	if (result_failed(result))
		link_down(timers, result);
	else
		link_up(timers);
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

/* Sleeps until there is work or a peek is due, or for the pause when not connected. False: the thread must end. */
static bool link_sleep(RedisTimers *timers)
{
	RedisLink *link = timers->link;
	bool connected = link->client != NULL;
	int64_t until_us = connected ? link->peek_at_us : clock_monotonic_us() + pause_next(link) * 1000;
	pthread_mutex_lock(&timers->mutex);
	while (!timers->closing && !(connected && timers->has_work) && clock_monotonic_us() < until_us)
		(void)link_wait(timers, &timers->work, until_us);
	bool goes_on = !timers->closing;
	pthread_mutex_unlock(&timers->mutex);
	return goes_on;
}

static void *link_run(void *context)
{
	RedisTimers *timers = context;
	link_connect(timers);
	while (link_sleep(timers)) {
		if (timers->link->client == NULL)
			link_connect(timers);
		else
			link_round(timers);
	}
	return NULL;
}

Result link_start(RedisTimers *timers)
{
	sigset_t all, before;
	RedisLink *link = calloc(1, sizeof(*link));
	must(link != NULL);
	script_init(&link->script, timers->prefix, timers->process);
	timers->link = link;
	/*
	 * The thread blocks all signals: the main thread handles them, and a write to a closed connection must not end the
	 * process with SIGPIPE.
	 */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&timers->thread, NULL, link_run, timers) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (started)
		return result_ok();
	script_release(&link->script);
	free(link);
	timers->link = NULL;
	return result_fail(ERROR_AGAIN, "no thread can be started: raise the limit of threads (ulimit -u, or the pids limit of the container)");
}

void link_end(RedisTimers *timers)
{
	if (timers->link == NULL)
		return;
	pthread_mutex_lock(&timers->mutex);
	timers->closing = true;
	pthread_cond_signal(&timers->work);
	pthread_mutex_unlock(&timers->mutex);
	pthread_join(timers->thread, NULL);
	redis_client_close(timers->link->client);
	script_release(&timers->link->script);
	free(timers->link);
}
