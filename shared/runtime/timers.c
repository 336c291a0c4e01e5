/*
 * A partition's timers: rows of its state (meta.c), with the edge as an alarm clock that may be late, forget, or be away.
 *
 * Invariant: an edge that fails delays what is due, and nothing else. No batch is rolled back for it, no input waits; the
 * state knows every timer, and arms all of them again when the edge is back.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"

typedef struct {
	size_t count;
	struct {
		char id[128];
		Instant due_at;
	} list[BATCH_TIMERS];
} DueTimers;

/* Said once each time the edge goes away. */
static void edge_failed(Runtime *runtime, Result result)
{
	if (runtime->timers_at == INSTANT_NONE)
		runtime_log(runtime, LOG_WARN, "timers-unreachable", result.text);
	runtime->timers_at = runtime->handler.now + TIMERS_PAUSE_MS;
	runtime->swept_at = 0; /* what is armed meanwhile does not get there: all of it again */
}

static bool edge_is_away(const Runtime *runtime)
{
	return runtime->timers_at != INSTANT_NONE && runtime->handler.now < runtime->timers_at;
}

/* Every timer of the state, given to the edge anew; at the sweeps in between only what is overdue. */
void timers_arm(Runtime *runtime)
{
	Timers *timers = runtime->options.timers;
	bool all = runtime->swept_at == 0;
	Result result = meta_timers_arm(runtime);
	if (result_failed(result))
		edge_failed(runtime, result);
	else if (timers && timers->operations->armed && all)
		timers->operations->armed(timers, runtime->timers_owner, runtime->epoch);
}

/* A store of timers that was emptied, or that came back empty. */
static void edge_forgot(Runtime *runtime, Result result)
{
	runtime_log(runtime, LOG_INFO, "timers-armed-anew", result.text);
	runtime->swept_at = 0;
	timers_arm(runtime);
}

/*
 * Deposed, or met by the terms of another log: the ledger decides. A record is appended now (advance); if it is read back as
 * accepted, nobody has claimed after us.
 */
static void edge_contested(Runtime *runtime)
{
	runtime->timers_contested = true;
}

void timers_take(Runtime *runtime)
{
	Timers *timers = runtime->options.timers;
	if (!runtime->timers_contested)
		return;
	runtime->timers_contested = false;
	runtime_log(runtime, LOG_WARN, "timers-of-another-log",
		    "a later owner is known there than this ledger has: what it left is put aside, and all is armed anew");
	timers->operations->take(timers, runtime->timers_owner, runtime->epoch);
}

static bool sweep_due(const Runtime *runtime)
{
	return runtime->handler.now >= runtime->swept_at + TIMER_SWEEP_MS;
}

static void due_visit(void *context, Slice id, Instant due_at)
{
	DueTimers *due = context;
	if (due->count < BATCH_TIMERS && text_copy(id, due->list[due->count].id, sizeof(due->list[0].id)))
		due->list[due->count++].due_at = due_at;
}

static Result due_ask(Runtime *runtime, DueTimers *due)
{
	Timers *timers = runtime->options.timers;
	return timers->operations->due(timers, runtime->timers_owner, runtime->epoch, runtime->handler.now, TIMER_LEASE_MS,
				       BATCH_TIMERS, due_visit, due);
}

/* The state decides: it may want the timer at another time, or not know it any more. */
static Result timer_decide(Runtime *runtime, Slice id, Instant due_at)
{
	Timers *timers = runtime->options.timers;
	Instant wanted_at;
	if (!meta_timer_find(runtime, id, &wanted_at))
		return timers->operations->disarm(timers, runtime->timers_owner, runtime->epoch, id);
	if (wanted_at != due_at)
		return timers->operations->arm(timers, runtime->timers_owner, runtime->epoch, id, wanted_at);
	return runtime->options.service->fire(&runtime->handler, id, due_at);
}

Result timers_decide(Runtime *runtime, size_t *count)
{
	DueTimers due = { 0 };
	if (!runtime->options.timers || !runtime->options.service->fire || edge_is_away(runtime))
		return result_ok();
	if (sweep_due(runtime))
		timers_arm(runtime);
	Result asked = edge_is_away(runtime) ? result_ok() : due_ask(runtime, &due);
	if (asked.kind == ERROR_NOT_FOUND) {
		edge_forgot(runtime, asked);
		return result_ok();
	}
	if (asked.kind == ERROR_CONFLICT) {
		edge_contested(runtime);
		return result_ok();
	}
	if (result_failed(asked)) {
		edge_failed(runtime, asked);
		return result_ok();
	}
	if (!edge_is_away(runtime))
		runtime->timers_at = INSTANT_NONE;
	for (size_t i = 0; i < due.count; i++)
		TRY(timer_decide(runtime, slice_of(due.list[i].id), due.list[i].due_at));
	*count += due.count;
	return result_ok();
}

/* What accepted records armed and disarmed; a failure loses a hint, which the next sweep finds. */
void timers_sync(Runtime *runtime)
{
	Timers *timers = runtime->options.timers;
	Result result = result_ok();
	for (size_t i = 0; timers && i < runtime->timer_change_count && !result_failed(result); i++) {
		const TimerChange *change = &runtime->timer_changes[i];
		if (change->armed)
			result = timers->operations->arm(timers, runtime->timers_owner, runtime->epoch,
							 slice_of(change->id), change->due_at);
		else
			result = timers->operations->disarm(timers, runtime->timers_owner, runtime->epoch,
							    slice_of(change->id));
	}
	if (result_failed(result))
		edge_failed(runtime, result);
	runtime->timer_change_count = 0;
}

/* When the partition should be stepped for its timers; INSTANT_NONE: it need not be. */
Instant timers_wake_at(const Runtime *runtime)
{
	Timers *timers = runtime->options.timers;
	if (!timers)
		return INSTANT_NONE;
	if (edge_is_away(runtime))
		return runtime->timers_at;
	Instant next = timers->operations->next(timers, runtime->timers_owner);
	Instant sweep_at = runtime->swept_at + TIMER_SWEEP_MS;
	return next != INSTANT_NONE && next < sweep_at ? next : sweep_at;
}

bool timers_waiting(const Runtime *runtime)
{
	Instant wake_at = timers_wake_at(runtime);
	return wake_at != INSTANT_NONE && wake_at <= runtime->handler.now;
}
