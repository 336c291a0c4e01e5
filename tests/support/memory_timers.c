#include "tests/support/memory_timers.h"

#include <stdlib.h>
#include <string.h>

enum { OWNER_SIZE = 64, TIMER_ID_MAX = 128, OWNERS_MAX = 64, REMOVED_MAX = 16 };

typedef struct {
	char owner[OWNER_SIZE];
	char id[TIMER_ID_MAX];
	size_t id_size;
	Instant due_at;
	Instant show_at; /* due_at, or the end of the lease */
} Timer;

/* An owner of timers. `term`: the greatest term of its calls since its last `take`. Calls with a smaller term are ignored. */
typedef struct {
	char name[OWNER_SIZE];
	uint64_t term;
	bool lost; /* the owner's timers were lost, and the owner has not called `armed` since */
} Owner;

typedef struct {
	Timers timers;
	Timer *list;  /* unordered: the last timer replaces a removed one */
	Timer *shown; /* copies of the timers that `due` shows, because its visit may change `list`; same room as `list` */
	size_t count, room;
	Owner owners[OWNERS_MAX];
	size_t owner_count;
	Timer removed[REMOVED_MAX]; /* a ring of the timers removed last */
	size_t removed_count;
	bool away;
} MemoryTimers;

static Owner *owner_find(MemoryTimers *timers, const char *name)
{
	for (size_t i = 0; i < timers->owner_count; i++)
		if (strcmp(timers->owners[i].name, name) == 0)
			return &timers->owners[i];
	must(timers->owner_count < OWNERS_MAX);
	Owner *owner = &timers->owners[timers->owner_count++];
	*owner = (Owner){ .term = 0 };
	must(text_copy(slice_of(name), owner->name, sizeof owner->name));
	return owner;
}

/* Raises the owner's term to `term` if `term` is greater. False: a greater term has superseded `term`. */
static bool term_counts(MemoryTimers *timers, const char *name, uint64_t term)
{
	Owner *owner = owner_find(timers, name);
	if (term > owner->term)
		owner->term = term;
	return term == owner->term;
}

static Result reach(const MemoryTimers *timers)
{
	return timers->away ? result_fail(ERROR_AGAIN, "the timers cannot be reached") : result_ok();
}

static Slice timer_id(const Timer *timer)
{
	return (Slice){ timer->id, timer->id_size };
}

static Timer *timer_find(MemoryTimers *timers, const char *owner, Slice id)
{
	for (size_t i = 0; i < timers->count; i++)
		if (slice_equals(timer_id(&timers->list[i]), id) && strcmp(timers->list[i].owner, owner) == 0)
			return &timers->list[i];
	return NULL;
}

static void timer_remove(MemoryTimers *timers, Timer *timer)
{
	timers->removed[timers->removed_count++ % REMOVED_MAX] = *timer;
	*timer = timers->list[--timers->count];
}

static Timer *timer_add(MemoryTimers *timers)
{
	if (timers->count == timers->room) {
		timers->room = timers->room == 0 ? 64 : timers->room * 2;
		timers->list = realloc(timers->list, timers->room * sizeof *timers->list);
		timers->shown = realloc(timers->shown, timers->room * sizeof *timers->shown);
		must(timers->list != NULL && timers->shown != NULL);
	}
	return &timers->list[timers->count++];
}

static Result memory_arm(Timers *base, const char *owner, uint64_t term, Slice id, Instant due_at)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	if (id.size == 0 || id.size > TIMER_ID_MAX || strlen(owner) >= OWNER_SIZE)
		return result_fail(ERROR_INPUT, "a timer id has 1 to %d bytes, its owner at most %d", TIMER_ID_MAX,
				   OWNER_SIZE - 1);
	TRY(reach(timers));
	if (!term_counts(timers, owner, term))
		return result_ok();
	Timer *timer = timer_find(timers, owner, id);
	if (timer == NULL) {
		if (timers->count == MEMORY_TIMERS_MAX)
			return result_fail(ERROR_AGAIN, "there are too many timers");
		timer = timer_add(timers);
		text_copy(slice_of(owner), timer->owner, sizeof timer->owner);
		memcpy(timer->id, id.data, id.size);
		timer->id_size = id.size;
	}
	timer->due_at = timer->show_at = due_at;
	return result_ok();
}

static Result memory_disarm(Timers *base, const char *owner, uint64_t term, Slice id)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	TRY(reach(timers));
	Timer *timer = term_counts(timers, owner, term) ? timer_find(timers, owner, id) : NULL;
	if (timer != NULL)
		timer_remove(timers, timer);
	return result_ok();
}

static void memory_armed(Timers *base, const char *owner, uint64_t term)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	if (!timers->away && term_counts(timers, owner, term))
		owner_find(timers, owner)->lost = false;
}

static void memory_take(Timers *base, const char *name, uint64_t term)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	if (timers->away)
		return;
	Owner *owner = owner_find(timers, name);
	owner->lost |= owner->term > term;
	owner->term = term;
}

static int slice_order(Slice one, Slice other)
{
	int order = memcmp(one.data, other.data, one.size < other.size ? one.size : other.size);
	return order != 0 ? order : (one.size > other.size) - (one.size < other.size);
}

/* Timers are shown by show_at, then by due_at, then by id. */
static bool timer_before(const Timer *one, const Timer *other)
{
	if (one->show_at != other->show_at)
		return one->show_at < other->show_at;
	if (one->due_at != other->due_at)
		return one->due_at < other->due_at;
	return slice_order(timer_id(one), timer_id(other)) < 0;
}

static Timer *timer_earliest(MemoryTimers *timers, const char *owner)
{
	Timer *earliest = NULL;
	for (size_t i = 0; i < timers->count; i++) {
		Timer *timer = &timers->list[i];
		if (strcmp(timer->owner, owner) == 0 && (earliest == NULL || timer_before(timer, earliest)))
			earliest = timer;
	}
	return earliest;
}

static Result memory_due(Timers *base, const char *owner, uint64_t term, Instant now, int64_t lease_ms, size_t max,
			 TimersVisit visit, void *context)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	size_t count = 0;
	TRY(reach(timers));
	if (!term_counts(timers, owner, term))
		return result_fail(ERROR_CONFLICT, "a later owner is known");
	if (owner_find(timers, owner)->lost)
		return result_fail(ERROR_NOT_FOUND, "the timers were lost");
	for (Timer *timer; count < max && (timer = timer_earliest(timers, owner)) != NULL && timer->show_at <= now;) {
		timers->shown[count++] = *timer;
		/* At least 1 ms, because with a lease of 0 this call would show the same timer again. */
		timer->show_at = now + (lease_ms > 0 ? lease_ms : 1);
	}
	for (size_t i = 0; i < count; i++)
		visit(context, timer_id(&timers->shown[i]), timers->shown[i].due_at);
	return result_ok();
}

static Instant memory_next(Timers *base, const char *owner)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	if (timers->away)
		return INSTANT_NONE;
	if (owner_find(timers, owner)->lost)
		return 0;
	const Timer *timer = timer_earliest(timers, owner);
	return timer == NULL ? INSTANT_NONE : timer->show_at;
}

static Result memory_health(Timers *base)
{
	return reach((const MemoryTimers *)base);
}

static void memory_close(Timers *base)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	free(timers->list);
	free(timers->shown);
	free(timers);
}

static const TimersOperations memory_timers_operations = {
	.arm = memory_arm,
	.disarm = memory_disarm,
	.armed = memory_armed,
	.take = memory_take,
	.due = memory_due,
	.next = memory_next,
	.health = memory_health,
	.close = memory_close,
};

Timers *memory_timers_new(void)
{
	MemoryTimers *timers = calloc(1, sizeof *timers);
	must(timers != NULL);
	timers->timers.operations = &memory_timers_operations;
	return &timers->timers;
}

void memory_timers_reset(Timers *base)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	timers->count = timers->owner_count = timers->removed_count = 0;
	timers->away = false;
}

size_t memory_timers_count(const Timers *timers)
{
	return ((const MemoryTimers *)timers)->count;
}

void memory_timers_lose(Timers *base, size_t nth)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	if (timers->count > 0)
		timer_remove(timers, &timers->list[nth % timers->count]);
}

void memory_timers_revive(Timers *base, size_t nth)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	size_t kept = timers->removed_count < REMOVED_MAX ? timers->removed_count : REMOVED_MAX;
	if (kept == 0)
		return;
	Timer revived = timers->removed[nth % kept];
	if (timer_find(timers, revived.owner, timer_id(&revived)) != NULL)
		return;
	revived.show_at = revived.due_at;
	*timer_add(timers) = revived;
}

void memory_timers_lose_all(Timers *base)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	timers->count = 0;
	for (size_t i = 0; i < timers->owner_count; i++)
		timers->owners[i].lost = true;
}

void memory_timers_outlive(Timers *base)
{
	MemoryTimers *timers = (MemoryTimers *)base;
	for (size_t i = 0; i < timers->owner_count; i++)
		timers->owners[i].term += 1000;
}

void memory_timers_set_away(Timers *timers, bool away)
{
	((MemoryTimers *)timers)->away = away;
}
