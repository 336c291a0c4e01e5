#include "shared/io/redis/timers_internal.h"

#include "shared/io/system/clock.h"

#include <stdlib.h>
#include <string.h>

RedisOwner *owner_find(RedisTimers *timers, const char *name)
{
	for (size_t i = 0; i < timers->owner_count; i++)
		if (strcmp(timers->owners[i]->name, name) == 0)
			return timers->owners[i];
	return NULL;
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

RedisOwner *owner_take(RedisTimers *timers, const char *name, uint64_t term)
{
	RedisOwner *owner = owner_find(timers, name);
	bool added = owner == NULL;
	if (added)
		owner = owner_add(timers, name);
	if (owner != NULL && (added || term > owner->term)) {
		owner->term = term;
		owner_begin(timers, owner, BEGIN_AGAIN);
	}
	return owner;
}

/* What was under way counts for nothing any more; who waits for it looks again. */
static void owner_reset(RedisTimers *timers, RedisOwner *owner, OwnerPhase phase)
{
	free(owner->ask.shown);
	owner->ask.shown = NULL;
	owner->ask.phase = ASK_NONE;
	owner->phase = phase;
	owner->life++;
	owner->begin = BEGIN_NOT;
	owner->told = false;
	owner->seen = 0;
	owner->queue_count = 0;
	owner->queued_next = owner->known_next = INSTANT_NONE;
	pthread_cond_broadcast(&timers->moved);
}

void owner_begin(RedisTimers *timers, RedisOwner *owner, OwnerBegin begin)
{
	owner_reset(timers, owner, OWNER_ARMING);
	owner->begin = begin;
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

void owner_free(RedisOwner *owner)
{
	free(owner->ask.shown);
	free(owner->queue);
	free(owner);
}

void owner_queue(RedisTimers *timers, RedisOwner *owner, Slice id, Instant due_at)
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

/* By the clock of the caller: what it hears from us it compares with that. */
static Instant armed_next(const RedisTimers *timers, const RedisOwner *owner)
{
	Instant next = instant_earlier(owner->known_next, owner->queued_next);
	return next == INSTANT_NONE ? INSTANT_NONE : next - timers->ahead_ms;
}

Instant owner_next(const RedisTimers *timers, const RedisOwner *owner)
{
	if (owner->phase == OWNER_FENCED)
		return owner->told ? INSTANT_NONE : 0;
	Instant next = owner->phase == OWNER_ARMED ? armed_next(timers, owner) : 0;
	if (timers->up || next == INSTANT_NONE)
		return next;
	Instant later = clock_now() + AWAY_MS;
	return next < later ? later : next;
}

bool owner_has_work(const RedisOwner *owner)
{
	return owner->begin != BEGIN_NOT || owner->queue_count > 0 || owner->ask.phase == ASK_WANTED;
}

void timers_work(RedisTimers *timers)
{
	if (!timers->has_work)
		pthread_cond_signal(&timers->work);
	timers->has_work = true;
}
