#include "shared/io/redis/timers_internal.h"

#include "shared/io/system/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static RedisTimers *redis_timers(Timers *timers)
{
	return (RedisTimers *)timers;
}

/* ---- owners; the caller holds the mutex --------------------------------------------------------------------------- */

/* Wakes the link. */
static void timers_work(RedisTimers *timers)
{
	if (!timers->has_work)
		pthread_cond_signal(&timers->work);
	timers->has_work = true;
}

static RedisOwner *owner_find(RedisTimers *timers, const char *name)
{
	for (size_t i = 0; i < timers->owner_count; i++)
		if (strcmp(timers->owners[i]->name, name) == 0)
			return timers->owners[i];
	return NULL;
}

static Result too_many_owners(void)
{
	return result_fail(ERROR_AGAIN, "a process has at most %d owners of timers", OWNERS_MAX);
}

static RedisOwner *owner_add(RedisTimers *timers, const char *name)
{
	if (timers->owner_count == OWNERS_MAX)
		return NULL;
	RedisOwner *owner = calloc(1, sizeof(*owner));
	must(owner != NULL && text_copy(slice_of(name), owner->name, sizeof(owner->name)));
	timers->owners[timers->owner_count++] = owner;
	return owner;
}

/*
 * Drops the queue and the request. Answers to earlier calls are then ignored, and waiting callers wake up and check the owner
 * again.
 */
static void owner_reset(RedisTimers *timers, RedisOwner *owner, OwnerPhase phase)
{
	free(owner->request.shown);
	owner->request.shown = NULL;
	owner->request.phase = REQUEST_NONE;
	owner->phase = phase;
	owner->generation++;
	owner->reset = RESET_NONE;
	owner->conflict_reported = false;
	owner->answered = 0;
	owner->queue_count = 0;
	owner->queued_next = owner->known_next = INSTANT_NONE;
	pthread_cond_broadcast(&timers->changed);
}

/* Makes the next call drop all timers of the owner in Redis; the owner must arm them again. */
static void owner_restart(RedisTimers *timers, RedisOwner *owner, StepReset reset)
{
	owner_reset(timers, owner, OWNER_ARMING);
	owner->reset = reset;
	timers_work(timers);
}

void owner_lose(RedisTimers *timers, RedisOwner *owner)
{
	owner_reset(timers, owner, OWNER_LOST);
}

void owner_fence(RedisTimers *timers, RedisOwner *owner)
{
	owner_reset(timers, owner, OWNER_FENCED);
}

/* Finds the owner, or adds it; restarts it if it is new or the term is greater. NULL: there are OWNERS_MAX owners already. */
static RedisOwner *owner_of_term(RedisTimers *timers, const char *name, uint64_t term)
{
	RedisOwner *owner = owner_find(timers, name);
	bool added = owner == NULL;
	if (added)
		owner = owner_add(timers, name);
	if (owner != NULL && (added || term > owner->term)) {
		owner->term = term;
		owner_restart(timers, owner, RESET_TERM);
	}
	return owner;
}

static void owner_free(RedisOwner *owner)
{
	free(owner->request.shown);
	free(owner->queue);
	free(owner);
}

/* The queue must have room. due_at INSTANT_NONE disarms. */
static void owner_queue(RedisTimers *timers, RedisOwner *owner, Slice id, Instant due_at)
{
	must(owner->queue_count < CHANGES_MAX && id.size <= TIMER_ID_MAX);
	if (owner->queue_count == owner->queue_room) {
		owner->queue_room = owner->queue_room == 0 ? 16 : owner->queue_room * 2;
		owner->queue = realloc(owner->queue, owner->queue_room * sizeof(*owner->queue));
		must(owner->queue != NULL);
	}
	RedisTimer *change = &owner->queue[owner->queue_count++];
	change->due_at = due_at;
	change->id_size = id.size;
	memcpy(change->id, id.data, id.size);
	owner->queued_next = instant_earlier(owner->queued_next, due_at);
	timers_work(timers);
}

/* The time of the next due timer or end of a lease, by the caller's clock. */
static Instant armed_next(const RedisTimers *timers, const RedisOwner *owner)
{
	Instant next = instant_earlier(owner->known_next, owner->queued_next);
	return next == INSTANT_NONE ? INSTANT_NONE : next - timers->ahead_ms;
}

/* When `due` should be called, by our clock; INSTANT_NONE: not at all. */
static Instant owner_next(const RedisTimers *timers, const RedisOwner *owner)
{
	if (owner->phase == OWNER_FENCED)
		return owner->conflict_reported ? INSTANT_NONE : 0;
	Instant next = owner->phase == OWNER_ARMED ? armed_next(timers, owner) : 0;
	if (timers->up || next == INSTANT_NONE)
		return next;
	Instant later = clock_now() + AWAY_MS;
	return next < later ? later : next;
}

bool owner_has_work(const RedisOwner *owner)
{
	return owner->reset != RESET_NONE || owner->queue_count > 0 || owner->request.phase == REQUEST_WANTED;
}

/* ---- arming ---------------------------------------------------------------------------------------------------- */

/* True while the owner has this generation and is neither lost nor fenced. */
static bool owner_is_current(const RedisOwner *owner, uint64_t generation)
{
	return owner->generation == generation && (owner->phase == OWNER_ARMING || owner->phase == OWNER_ARMED);
}

/*
 * Waits for room in the queue. If Redis cannot be reached or CALLER_MS passes, the owner counts as lost and its queue is dropped.
 * True: there is room.
 */
static bool room_await(RedisTimers *timers, RedisOwner *owner)
{
	uint64_t generation = owner->generation;
	int64_t until_us = clock_monotonic_us() + CALLER_MS * 1000;
	while (owner_is_current(owner, generation) && owner->queue_count == CHANGES_MAX)
		if (!timers->up || !link_wait(timers, &timers->changed, until_us))
			owner_lose(timers, owner);
	return owner_is_current(owner, generation);
}

static Result redis_change(Timers *base, const char *name, uint64_t term, Slice id, Instant due_at)
{
	RedisTimers *timers = redis_timers(base);
	if (id.size == 0 || id.size > TIMER_ID_MAX || strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "a timer's id must have 1 to %d bytes, its owner at most %d, and its term must be below 2^53", TIMER_ID_MAX,
				   OWNER_TEXT - 1);
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_of_term(timers, name, term);
	if (owner != NULL && owner->term == term && room_await(timers, owner))
		owner_queue(timers, owner, id, due_at);
	pthread_mutex_unlock(&timers->mutex);
	return owner == NULL ? too_many_owners() : result_ok();
}

static Result redis_arm(Timers *base, const char *name, uint64_t term, Slice id, Instant due_at)
{
	if (due_at <= -REDIS_NUMBER_MAX || due_at >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "the due time of a timer is out of range");
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
	RedisOwner *owner = owner_of_term(timers, name, term);
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
	RedisOwner *owner = owner_of_term(timers, name, term);
	if (owner != NULL && owner->term == term && owner->phase == OWNER_FENCED)
		owner_restart(timers, owner, RESET_OVERRIDE);
	pthread_mutex_unlock(&timers->mutex);
}

/* ---- firing ---------------------------------------------------------------------------------------------------- */

/* True when the owner is not ARMED, or a timer is due according to the last answer of Redis. */
static bool owner_overdue(const RedisTimers *timers, const RedisOwner *owner, Instant now)
{
	return owner->phase != OWNER_ARMED ||
	       (owner->known_next != INSTANT_NONE && owner->known_next - timers->ahead_ms <= now);
}

/* The result of a `due` as far as it is known without a call. If *ask is set, the result is OK and Redis must be asked. */
static Result due_look(RedisTimers *timers, RedisOwner *owner, uint64_t term, bool *ask)
{
	Instant now = clock_now();
	*ask = false;
	if (owner->term != term)
		return result_ok();
	if (owner->phase == OWNER_FENCED) {
		owner->conflict_reported = true;
		return result_fail(ERROR_CONFLICT, "Redis has a later owner for the timers of %s", owner->name);
	}
	if (!timers->up && owner_overdue(timers, owner, now))
		return timers->reason;
	if (owner->phase == OWNER_LOST)
		owner_restart(timers, owner, RESET_TERM);
	if (owner->phase == OWNER_ARMING)
		return result_fail(ERROR_NOT_FOUND, "Redis has lost the timers of %s, or has none yet: they must be armed",
				   owner->name);
	Instant next = owner_next(timers, owner);
	*ask = timers->up && next != INSTANT_NONE && next <= now;
	return result_ok();
}

/*
 * Waits until no other request is in progress, then makes one and waits for its answer. True: owner->request has the answer.
 * *late: CALLER_MS have passed.
 */
static bool due_await(RedisTimers *timers, RedisOwner *owner, int64_t lease_ms, size_t max, bool *late)
{
	uint64_t generation = owner->generation;
	int64_t until_us = clock_monotonic_us() + CALLER_MS * 1000;
	bool in_time = true;
	while (owner_is_current(owner, generation) && timers->up && owner->request.phase != REQUEST_NONE && in_time)
		in_time = link_wait(timers, &timers->changed, until_us);
	*late = !in_time;
	if (!owner_is_current(owner, generation) || owner->request.phase != REQUEST_NONE)
		return false;
	owner->request.phase = REQUEST_WANTED;
	owner->request.max = max < SHOWN_MAX ? max : SHOWN_MAX;
	owner->request.lease_ms = lease_ms < 1 ? 1 : lease_ms;
	timers_work(timers);
	while (owner_is_current(owner, generation) && timers->up && owner->request.phase != REQUEST_ANSWERED && in_time)
		in_time = link_wait(timers, &timers->changed, until_us);
	*late = !in_time;
	if (!owner_is_current(owner, generation) || owner->request.phase == REQUEST_ANSWERED)
		return owner_is_current(owner, generation);
	if (owner->request.phase == REQUEST_SENT)
		owner_lose(timers, owner); /* the call may have leased timers that no caller has seen */
	owner->request.phase = REQUEST_NONE;
	pthread_cond_broadcast(&timers->changed);
	return false;
}

/*
 * The result of a `due` without an answer. After CALLER_MS the result is ERROR_AGAIN, so that the caller pauses; if due_await has
 * marked the owner as lost, the caller's next `due` answers ERROR_NOT_FOUND.
 */
static Result due_fail(RedisTimers *timers, RedisOwner *owner, uint64_t term, bool late)
{
	bool ask;
	if (late && timers->up && owner->term == term && owner->phase != OWNER_FENCED)
		return result_fail(ERROR_AGAIN, "Redis did not answer within %d ms", CALLER_MS);
	Result result = due_look(timers, owner, term, &ask);
	return ask ? result_fail(ERROR_AGAIN, "Redis did not answer in time") : result;
}

static RedisTimer *due_take(RedisTimers *timers, RedisOwner *owner, size_t *count)
{
	RedisTimer *shown = owner->request.shown;
	*count = owner->request.count;
	owner->request.shown = NULL;
	owner->request.phase = REQUEST_NONE;
	pthread_cond_broadcast(&timers->changed);
	return shown;
}

static Result redis_due(Timers *base, const char *name, uint64_t term, Instant now, int64_t lease_ms, size_t max,
			TimersVisit visit, void *context)
{
	(void)now; /* Redis' clock decides */
	RedisTimers *timers = redis_timers(base);
	RedisTimer *shown = NULL;
	size_t count = 0;
	bool ask = false, late = false;
	if (strlen(name) >= OWNER_TEXT || term >= REDIS_NUMBER_MAX)
		return result_fail(ERROR_INPUT, "the owner of a timer has at most %d bytes", OWNER_TEXT - 1);
	pthread_mutex_lock(&timers->mutex);
	RedisOwner *owner = owner_of_term(timers, name, term);
	Result result = owner == NULL ? too_many_owners()
				      : due_look(timers, owner, term, &ask);
	if (ask && max > 0) {
		if (due_await(timers, owner, lease_ms, max, &late))
			shown = due_take(timers, owner, &count);
		else
			result = due_fail(timers, owner, term, late);
	}
	pthread_mutex_unlock(&timers->mutex);
	for (size_t i = 0; i < count; i++)
		visit(context, (Slice){ shown[i].id, shown[i].id_size }, shown[i].due_at);
	free(shown);
	return result;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

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
	Result result = timers->up ? result_ok() : timers->reason;
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
	pthread_cond_destroy(&timers->changed);
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
	timers->reason = result_fail(ERROR_AGAIN, "Redis is not connected yet");
	pthread_mutex_init(&timers->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&timers->work, &monotonic);
	pthread_cond_init(&timers->changed, &monotonic);
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
		(void)link_wait(timers, &timers->changed, now_us + LOOK_MS * 1000);
		pthread_mutex_unlock(&timers->mutex);
		stopped = stop != NULL && stop(context);
		now_us = clock_monotonic_us();
		pthread_mutex_lock(&timers->mutex);
	}
	Result result = timers->up ? result_ok() : timers->reason;
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
		return result_fail(ERROR_INPUT, "the id of the Kafka cluster has more than %d bytes, too many for the keys in Redis", CLUSTER_MAX);
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
