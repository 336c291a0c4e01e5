#include "shared/io/redis/timers_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static RedisTimers *redis_timers(Timers *timers)
{
	return (RedisTimers *)timers;
}

/* ---- arming ---------------------------------------------------------------------------------------------------- */

/* Still the owner it was: not lost, not deposed, not begun anew by another thread. */
static bool owner_lives(const RedisOwner *owner, uint64_t life)
{
	return owner->life == life && (owner->phase == OWNER_ARMING || owner->phase == OWNER_ARMED);
}

/* Waits for room while Redis takes something off; else the owner is lost, and what was queued is of no use. */
static bool room_await(RedisTimers *timers, RedisOwner *owner)
{
	uint64_t life = owner->life;
	int64_t until_us = clock_monotonic_us() + CALLER_MS * 1000;
	while (owner_lives(owner, life) && owner->queue_count == CHANGES_MAX)
		if (!timers->up || !link_wait(timers, &timers->moved, until_us))
			owner_lose(timers, owner);
	return owner_lives(owner, life);
}

static Result redis_change(Timers *base, const char *name, uint64_t term, Slice id, Instant due_at)
{
	RedisTimers *timers = redis_timers(base);
	if (id.size == 0 || id.size > TIMER_ID_MAX || strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "a timer's id has 1 to %d bytes, its owner at most %d", TIMER_ID_MAX,
				   OWNER_TEXT - 1);
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_take(timers, name, term);
	if (owner != NULL && owner->term == term && room_await(timers, owner))
		owner_queue(timers, owner, id, due_at);
	pthread_mutex_unlock(&timers->mutex);
	return owner == NULL ? result_fail(ERROR_AGAIN, "there are too many owners of timers") : result_ok();
}

static Result redis_arm(Timers *base, const char *name, uint64_t term, Slice id, Instant due_at)
{
	if (due_at <= -REDIS_NUMBER_MAX || due_at >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "a timer's due time is no time");
	return redis_change(base, name, term, id, due_at);
}

static Result redis_disarm(Timers *base, const char *name, uint64_t term, Slice id)
{
	return redis_change(base, name, term, id, INSTANT_NONE);
}

static void redis_armed(Timers *base, const char *name, uint64_t term)
{
	RedisTimers *timers = redis_timers(base);
	if (strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return;
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_take(timers, name, term);
	if (owner != NULL && owner->term == term && owner->phase == OWNER_ARMING)
		owner->phase = OWNER_ARMED;
	pthread_mutex_unlock(&timers->mutex);
}

static void redis_take(Timers *base, const char *name, uint64_t term)
{
	RedisTimers *timers = redis_timers(base);
	if (strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return;
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_take(timers, name, term);
	if (owner != NULL && owner->term == term && owner->phase == OWNER_FENCED)
		owner_begin(timers, owner, BEGIN_OVER);
	pthread_mutex_unlock(&timers->mutex);
}

/* ---- firing ---------------------------------------------------------------------------------------------------- */

/* By what Redis said last. */
static bool owner_overdue(const RedisTimers *timers, const RedisOwner *owner, Instant now)
{
	return owner->phase != OWNER_ARMED ||
	       (owner->known_next != INSTANT_NONE && owner->known_next - timers->ahead_ms <= now);
}

/* What can be said without asking. OK with *ask: Redis is to be asked. */
static Result due_look(RedisTimers *timers, RedisOwner *owner, uint64_t term, bool *ask)
{
	Instant now = clock_now();
	*ask = false;
	if (owner->term != term)
		return result_ok();
	if (owner->phase == OWNER_FENCED) {
		owner->told = true;
		return result_fail(ERROR_CONFLICT, "Redis knows a later owner of the timers of %s", owner->name);
	}
	if (!timers->up && owner_overdue(timers, owner, now))
		return timers->why;
	if (owner->phase == OWNER_LOST)
		owner_begin(timers, owner, BEGIN_AGAIN);
	if (owner->phase == OWNER_ARMING)
		return result_fail(ERROR_NOT_FOUND, "Redis does not have the timers of %s: they must be armed",
				   owner->name);
	Instant next = owner_next(timers, owner);
	*ask = timers->up && next != INSTANT_NONE && next <= now;
	return result_ok();
}

/* Waits for the turn, then for the answer. True: it is there, to be taken. */
static bool due_await(RedisTimers *timers, RedisOwner *owner, int64_t lease_ms, size_t max)
{
	uint64_t life = owner->life;
	int64_t until_us = clock_monotonic_us() + CALLER_MS * 1000;
	bool in_time = true;
	while (owner_lives(owner, life) && timers->up && owner->ask.phase != ASK_NONE && in_time)
		in_time = link_wait(timers, &timers->moved, until_us);
	if (!owner_lives(owner, life) || owner->ask.phase != ASK_NONE)
		return false;
	owner->ask.phase = ASK_WANTED;
	owner->ask.max = max < SHOWN_MAX ? max : SHOWN_MAX;
	owner->ask.lease_ms = lease_ms < 1 ? 1 : lease_ms;
	timers_work(timers);
	while (owner_lives(owner, life) && timers->up && owner->ask.phase != ASK_ANSWERED && in_time)
		in_time = link_wait(timers, &timers->moved, until_us);
	if (!owner_lives(owner, life) || owner->ask.phase == ASK_ANSWERED)
		return owner_lives(owner, life);
	if (owner->ask.phase == ASK_SENT)
		owner_lose(timers, owner); /* what it leased nobody will see */
	owner->ask.phase = ASK_NONE;
	pthread_cond_broadcast(&timers->moved);
	return false;
}

static Result due_fail(RedisTimers *timers, RedisOwner *owner, uint64_t term)
{
	bool ask;
	Result result = due_look(timers, owner, term, &ask);
	return ask ? result_fail(ERROR_AGAIN, "Redis did not answer in time") : result;
}

static RedisTimer *due_take(RedisTimers *timers, RedisOwner *owner, size_t *count)
{
	RedisTimer *shown = owner->ask.shown;
	*count = owner->ask.count;
	owner->ask.shown = NULL;
	owner->ask.phase = ASK_NONE;
	pthread_cond_broadcast(&timers->moved);
	return shown;
}

static Result redis_due(Timers *base, const char *name, uint64_t term, Instant now, int64_t lease_ms, size_t max,
			TimersVisit visit, void *context)
{
	(void)now; /* Redis' clock decides */
	RedisTimers *timers = redis_timers(base);
	RedisTimer *shown = NULL;
	size_t count = 0;
	bool ask = false;
	if (strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "an owner of timers has at most %d bytes", OWNER_TEXT - 1);
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_take(timers, name, term);
	Result result = owner == NULL ? result_fail(ERROR_AGAIN, "there are too many owners of timers")
				      : due_look(timers, owner, term, &ask);
	if (ask && max > 0) {
		if (due_await(timers, owner, lease_ms, max))
			shown = due_take(timers, owner, &count);
		else
			result = due_fail(timers, owner, term);
	}
	pthread_mutex_unlock(&timers->mutex);
	for (size_t i = 0; i < count; i++)
		visit(context, (Slice){ shown[i].id, shown[i].id_size }, shown[i].due_at);
	free(shown);
	return result;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

static Instant redis_next(Timers *base, const char *name)
{
	RedisTimers *timers = redis_timers(base);
	pthread_mutex_lock(&timers->mutex);
	const RedisOwner *owner = owner_find(timers, name);
	Instant next = owner == NULL ? INSTANT_NONE : owner_next(timers, owner);
	pthread_mutex_unlock(&timers->mutex);
	return next;
}

static Result redis_health(Timers *base)
{
	RedisTimers *timers = redis_timers(base);
	pthread_mutex_lock(&timers->mutex);
	Result result = timers->up ? result_ok() : timers->why;
	pthread_mutex_unlock(&timers->mutex);
	return result;
}

/* ---- opening and closing --------------------------------------------------------------------------------------- */

static void secret_free(char *secret)
{
	explicit_bzero(secret, strlen(secret));
	free(secret);
}

static void redis_close(Timers *base)
{
	RedisTimers *timers = redis_timers(base);
	link_end(timers);
	for (size_t i = 0; i < timers->owner_count; i++)
		owner_free(timers->owners[i]);
	secret_free(timers->url);
	free(timers->name);
	pthread_cond_destroy(&timers->work);
	pthread_cond_destroy(&timers->moved);
	pthread_mutex_destroy(&timers->mutex);
	free(timers);
}

static const TimersOperations redis_operations = {
	.arm = redis_arm,
	.disarm = redis_disarm,
	.armed = redis_armed,
	.take = redis_take,
	.due = redis_due,
	.next = redis_next,
	.health = redis_health,
	.close = redis_close,
};

static RedisTimers *timers_new(const TimersRedisOptions *options)
{
	uint64_t process;
	pthread_condattr_t monotonic;
	bool named = options->cluster != NULL && options->cluster[0] != '\0';
	RedisTimers *timers = calloc(1, sizeof(*timers));
	must(timers != NULL);
	timers->timers.operations = &redis_operations;
	timers->url = slice_copy(slice_of(options->url));
	timers->name = slice_copy(slice_of(options->name == NULL ? "tocsin" : options->name));
	snprintf(timers->prefix, sizeof(timers->prefix), "{tocsin}:%s%s", named ? options->cluster : "",
		 named ? ":" : "");
	clock_random(&process, sizeof(process));
	snprintf(timers->process, sizeof(timers->process), "%016" PRIx64, process);
	timers->why = result_fail(ERROR_AGAIN, "Redis is not connected to yet");
	pthread_mutex_init(&timers->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&timers->work, &monotonic);
	pthread_cond_init(&timers->moved, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return timers;
}

static Result up_await(RedisTimers *timers, int64_t wait_ms, bool (*stop)(void *context), void *context)
{
	enum { LOOK_MS = 50 };
	int64_t now_us = clock_monotonic_us(), until_us = now_us + wait_ms * 1000;
	bool stopped = false;
	pthread_mutex_lock(&timers->mutex);
	while (!timers->up && !stopped && (now_us < until_us || !timers->tried)) {
		(void)link_wait(timers, &timers->moved, now_us + LOOK_MS * 1000);
		pthread_mutex_unlock(&timers->mutex);
		stopped = stop != NULL && stop(context);
		now_us = clock_monotonic_us();
		pthread_mutex_lock(&timers->mutex);
	}
	Result result = timers->up ? result_ok() : timers->why;
	pthread_mutex_unlock(&timers->mutex);
	return result;
}

Result timers_redis_open(const TimersRedisOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
			 Timers **out)
{
	const char *wrong = redis_url_check(options->url);
	if (wrong != NULL)
		return result_fail(ERROR_INPUT, "the URL of Redis %s", wrong);
	if (options->cluster != NULL && strlen(options->cluster) > CLUSTER_MAX)
		return result_fail(ERROR_INPUT, "a log's name has at most %d bytes", CLUSTER_MAX);
	RedisTimers *timers = timers_new(options);
	Result result = link_start(timers);
	if (!result_failed(result))
		result = up_await(timers, wait_ms, stop, context);
	if (result_failed(result)) {
		redis_close(&timers->timers);
		return result;
	}
	*out = &timers->timers;
	return result;
}
