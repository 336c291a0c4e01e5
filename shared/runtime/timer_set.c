#include "shared/runtime/timer_set.h"

#include "shared/io/system/log.h"

#include <stdlib.h>

enum {
	BATCH_TIMERS = 200,
	TIMER_LEASE_MS = 30000, /* a fired timer that stays armed fires again after this time */
	TIMER_SWEEP_MS = 30000, /* overdue timers are armed again this often, in case the timer store lost them */
	TIMERS_PAUSE_MS = 1000, /* before an unreachable timer store is called again */
};

typedef struct {
	size_t count;
	struct {
		char id[128];
		Instant due_at;
	} list[BATCH_TIMERS];
} DueTimers;

void timer_set_init(TimerSet *set, Handler *handler, Timers *timers, const char *owner)
{
	*set = (TimerSet){ .handler = handler, .timers = timers, .owner = owner, .retry_at = INSTANT_NONE };
}

void timer_set_release(TimerSet *set)
{
	free(set->changes);
}

/* ---- rows of the state */

static void change_record(TimerSet *set, bool armed, Slice id, Instant due_at)
{
	if (set->count == set->room) {
		set->room = set->room ? set->room * 2 : 64;
		set->changes = realloc(set->changes, set->room * sizeof(*set->changes));
		must(set->changes);
	}
	TimerChange *change = &set->changes[set->count++];
	change->armed = armed;
	change->due_at = due_at;
	must(text_copy(id, change->id, sizeof(change->id)));
}

Result timer_set_arm(TimerSet *set, Slice id, Instant due_at, bool record_change)
{
	TRY(store_run(set->handler->store, "INSERT OR REPLACE INTO runtime_timer VALUES (?1, ?2)", V_TEXT(id), V_INTEGER(due_at)));
	if (record_change)
		change_record(set, true, id, due_at);
	return result_ok();
}

Result timer_set_disarm(TimerSet *set, Slice id, bool record_change)
{
	TRY(store_run(set->handler->store, "DELETE FROM runtime_timer WHERE id = ?1", V_TEXT(id)));
	if (record_change)
		change_record(set, false, id, INSTANT_NONE);
	return result_ok();
}

/* False if state has no such timer. */
static bool timer_find(const TimerSet *set, Slice id, Instant *due_at)
{
	Statement *row = store_query(set->handler->store, "SELECT due FROM runtime_timer WHERE id = ?1", V_TEXT(id));
	bool found = statement_next(row);
	*due_at = found ? statement_integer(row, 0) : INSTANT_NONE;
	(void)statement_end(row);
	return found;
}

/* ---- the timer store */

static Result timer_arm(const TimerSet *set, Slice id, Instant due_at)
{
	return set->timers->operations->arm(set->timers, set->owner, set->epoch, id, due_at);
}

static Result timer_disarm(const TimerSet *set, Slice id)
{
	return set->timers->operations->disarm(set->timers, set->owner, set->epoch, id);
}

/* Logs the failure once each time the timer store becomes unreachable. */
static void timers_failed(TimerSet *set, Result result)
{
	if (set->retry_at == INSTANT_NONE)
		handler_log(set->handler, LOG_WARN, "timers-unreachable", result.text);
	set->retry_at = set->handler->now + TIMERS_PAUSE_MS;
	set->swept_at = 0; /* until then no change reaches the timer store, so all timers must be armed again */
}

static bool timers_are_away(const TimerSet *set)
{
	return set->retry_at != INSTANT_NONE && set->handler->now < set->retry_at;
}

/* Arms the timers that are overdue by a lease, or all timers if swept_at is 0. */
static Result rows_arm(TimerSet *set)
{
	Instant horizon = set->swept_at == 0 ? INT64_MAX : set->handler->now - TIMER_LEASE_MS;
	Statement *row = store_query(set->handler->store, "SELECT id, due FROM runtime_timer WHERE due <= ?1 ORDER BY due",
				     V_INTEGER(horizon));
	Result result = result_ok();
	while (!result_failed(result) && statement_next(row))
		result = timer_arm(set, statement_slice(row, 0), statement_integer(row, 1));
	Result ended = statement_end(row);
	set->swept_at = set->handler->now;
	return result_failed(result) ? result : ended;
}

static void sweep(TimerSet *set)
{
	if (!set->timers)
		return;
	bool all = set->swept_at == 0;
	Result result = rows_arm(set);
	if (result_failed(result))
		timers_failed(set, result);
	else if (set->timers->operations->armed && all)
		set->timers->operations->armed(set->timers, set->owner, set->epoch);
}

void timer_set_begin(TimerSet *set, uint64_t epoch)
{
	set->epoch = epoch;
	set->swept_at = 0;
	sweep(set);
}

/* The timer store was emptied: arms all timers again. */
static void timers_were_lost(TimerSet *set, Result result)
{
	handler_log(set->handler, LOG_INFO, "timers-rearmed", result.text);
	set->swept_at = 0;
	sweep(set);
}

void timer_set_forget(TimerSet *set)
{
	set->count = 0;
	set->contested = false;
}

void timer_set_sync(TimerSet *set)
{
	Result result = result_ok();
	for (size_t i = 0; set->timers && i < set->count && !result_failed(result); i++) {
		const TimerChange *change = &set->changes[i];
		Slice id = slice_of(change->id);
		result = change->armed ? timer_arm(set, id, change->due_at) : timer_disarm(set, id);
	}
	if (result_failed(result))
		timers_failed(set, result);
	set->count = 0;
}

void timer_set_confirm(TimerSet *set)
{
	if (!set->contested)
		return;
	set->contested = false;
	handler_log(set->handler, LOG_WARN, "timers-of-another-log",
		    "the timer store knows a later epoch than this ledger: its timers are dropped and armed again from state");
	set->timers->operations->take(set->timers, set->owner, set->epoch);
}

/* ---- due timers */

static void due_visit(void *context, Slice id, Instant due_at)
{
	DueTimers *due = context;
	if (due->count < BATCH_TIMERS && text_copy(id, due->list[due->count].id, sizeof(due->list[0].id)))
		due->list[due->count++].due_at = due_at;
}

static Result due_ask(const TimerSet *set, DueTimers *due)
{
	return set->timers->operations->due(set->timers, set->owner, set->epoch, set->handler->now, TIMER_LEASE_MS,
					    BATCH_TIMERS, due_visit, due);
}

/* Fires the timer only if state has it with this due time: it may have been moved or disarmed since. */
static Result timer_decide(const TimerSet *set, Slice id, Instant due_at)
{
	Instant wanted_at;
	if (!timer_find(set, id, &wanted_at))
		return timer_disarm(set, id);
	if (wanted_at != due_at)
		return timer_arm(set, id, wanted_at);
	return set->handler->service->fire(set->handler, id, due_at);
}

Result timer_set_decide(TimerSet *set, size_t *count)
{
	DueTimers due = { 0 };
	if (!set->timers || !set->handler->service->fire || timers_are_away(set))
		return result_ok();
	if (set->handler->now >= set->swept_at + TIMER_SWEEP_MS)
		sweep(set);
	Result asked = timers_are_away(set) ? result_ok() : due_ask(set, &due);
	switch (asked.kind) {
	case ERROR_NONE:
		break;
	case ERROR_NOT_FOUND:
		timers_were_lost(set, asked);
		return result_ok();
	case ERROR_CONFLICT:
		/* The timer store knows a greater epoch. Either this owner was superseded, or that epoch is of an earlier log.
		 * The next record decides: it is accepted only if this owner was not superseded (timer_set_confirm). */
		set->contested = true;
		return result_ok();
	default:
		timers_failed(set, asked);
		return result_ok();
	}
	if (!timers_are_away(set))
		set->retry_at = INSTANT_NONE;
	for (size_t i = 0; i < due.count; i++)
		TRY(timer_decide(set, slice_of(due.list[i].id), due.list[i].due_at));
	*count += due.count;
	return result_ok();
}

Instant timer_set_wake_at(const TimerSet *set)
{
	if (!set->timers)
		return INSTANT_NONE;
	if (timers_are_away(set))
		return set->retry_at;
	Instant next = set->timers->operations->next(set->timers, set->owner);
	Instant sweep_at = set->swept_at + TIMER_SWEEP_MS;
	return next != INSTANT_NONE && next < sweep_at ? next : sweep_at;
}
