#include "shared/runtime/timer_set.h"

#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/runtime/state.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BATCH_TIMERS = 200,     /* timers reported or fired in one step */
	ARM_BATCH = 200,        /* timers armed again in one step; fewer than the changes that the timer store queues */
	TIMER_LEASE_MS = 30000, /* a fired timer that stays armed fires again after this time */
	STATE_GRACE_MS = 500,   /* a reachable timer store has this time to report a due timer */
	PAUSE_MIN_MS = 1000,    /* before an unreachable timer store is called again */
	PAUSE_MAX_MS = 8000,
};

typedef struct DueTimers {
	size_t count;
	struct {
		char id[128];
		Instant due_at;
	} list[BATCH_TIMERS];
} DueTimers;

/* A timer's row. */
typedef struct {
	Instant due_at;
	Instant show_at; /* due_at, or the end of the lease */
} TimerRow;

void timer_set_init(TimerSet *set, Handler *handler, Timers *timers, const char *owner)
{
	*set = (TimerSet){ .handler = handler, .timers = timers, .owner = owner, .retry_at = INSTANT_NONE };
	if (timers) {
		set->due = calloc(1, sizeof(*set->due));
		must(set->due);
	}
}

void timer_set_release(TimerSet *set)
{
	free(set->due);
	free(set->changes);
}

static bool fires_timers(const TimerSet *set)
{
	return set->timers && set->handler->service->fire;
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
	if (id.size == 0 || id.size >= sizeof(set->armed_to))
		return result_fail(ERROR_INTERNAL, "the id of a timer has %zu bytes, not 1 to %zu", id.size, sizeof(set->armed_to) - 1);
	TRY(store_run(set->handler->store, "INSERT OR REPLACE INTO runtime_timer (id, due, show) VALUES (?1, ?2, ?2)",
		      V_TEXT(id), V_INTEGER(due_at)));
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

/* out->due_at is INSTANT_NONE if state has no such timer. */
static Result row_find(const TimerSet *set, Slice id, TimerRow *out)
{
	Statement *row = store_query(set->handler->store, "SELECT due, show FROM runtime_timer WHERE id = ?1", V_TEXT(id));
	*out = (TimerRow){ .due_at = INSTANT_NONE, .show_at = INSTANT_NONE };
	if (statement_next(row))
		*out = (TimerRow){ .due_at = statement_integer(row, 0), .show_at = statement_integer(row, 1) };
	return statement_end(row);
}

/* The earliest show time of all rows; INSTANT_NONE: there are no rows. */
static Instant rows_next(const TimerSet *set)
{
	Statement *row = store_query(set->handler->store, "SELECT show FROM runtime_timer ORDER BY show LIMIT 1");
	Instant next = statement_next(row) ? statement_integer(row, 0) : INSTANT_NONE;
	result_ignore(statement_end(row)); /* the next step reads the rows again, and reports the failure */
	return next;
}

/* A lease that ends later than a new one would began before the clock was set back, and counts as over. */
static bool row_is_leased(const TimerSet *set, const TimerRow *row)
{
	Instant now = set->handler->now;
	return row->show_at != row->due_at && row->show_at > now && row->show_at <= now + TIMER_LEASE_MS;
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

static void arming_start(TimerSet *set)
{
	set->arming = true;
	set->armed_to[0] = '\0';
}

/* Logs the failure once each time the timer store becomes unreachable. */
static void timers_failed(TimerSet *set, Result result)
{
	if (set->retry_at == INSTANT_NONE) {
		handler_log(set->handler, LOG_WARN, "timers-unreachable", result.text);
		set->pause_ms = 0;
		set->state_fired = 0;
	}
	set->pause_ms = set->pause_ms == 0 ? PAUSE_MIN_MS : set->pause_ms * 2;
	set->pause_ms = set->pause_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : set->pause_ms;
	set->retry_at = set->handler->now + set->pause_ms;
	arming_start(set); /* until then no change reaches the timer store, so all timers must be armed again */
}

static void timers_answered(TimerSet *set)
{
	char detail[64];
	if (set->retry_at == INSTANT_NONE)
		return;
	set->retry_at = INSTANT_NONE;
	snprintf(detail, sizeof(detail), "%" PRId64 " timers were fired from state meanwhile", set->state_fired);
	handler_log(set->handler, LOG_INFO, "timers-reachable", detail);
}

static bool timers_are_away(const TimerSet *set)
{
	return set->retry_at != INSTANT_NONE && set->handler->now < set->retry_at;
}

static Result timers_health(const TimerSet *set)
{
	const TimersOperations *operations = set->timers->operations;
	return operations->health ? operations->health(set->timers) : result_ok();
}

/* Arms the next ARM_BATCH timers of the state again. */
static Result arming_step(TimerSet *set)
{
	const TimersOperations *operations = set->timers->operations;
	char last[sizeof(set->armed_to)] = "";
	size_t count = 0;
	Statement *row = store_query(set->handler->store, "SELECT id, due FROM runtime_timer WHERE id > ?1 ORDER BY id LIMIT ?2",
				     V_TEXT(slice_of(set->armed_to)), V_INTEGER(ARM_BATCH));
	Result result = result_ok();
	for (; !result_failed(result) && statement_next(row); count++) {
		result = timer_arm(set, statement_slice(row, 0), statement_integer(row, 1));
		must(text_copy(statement_slice(row, 0), last, sizeof(last))); /* timer_set_begin has checked the ids */
	}
	Result ended = statement_end(row);
	TRY(result_failed(result) ? result : ended);
	set->arming = count == ARM_BATCH;
	memcpy(set->armed_to, last, sizeof(last));
	if (!set->arming && operations->armed)
		operations->armed(set->timers, set->owner, set->epoch);
	return result_ok();
}

/* Only a damaged file has an id that timer_set_arm refuses. */
static Result ids_check(const TimerSet *set)
{
	Statement *row = store_query(set->handler->store,
				     "SELECT 1 FROM runtime_timer WHERE length(CAST(id AS BLOB)) NOT BETWEEN 1 AND ?1 LIMIT 1",
				     V_INTEGER((int64_t)sizeof(set->armed_to) - 1));
	bool damaged = statement_next(row);
	TRY(statement_end(row));
	return damaged ? state_broken(set->handler) : result_ok();
}

Result timer_set_begin(TimerSet *set, uint64_t epoch)
{
	TRY(ids_check(set));
	set->epoch = epoch;
	arming_start(set);
	return store_run(set->handler->store, "UPDATE runtime_timer SET show = due WHERE show <> due");
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

static Result due_ask(const TimerSet *set)
{
	return set->timers->operations->due(set->timers, set->owner, set->epoch, set->handler->now, TIMER_LEASE_MS,
					    BATCH_TIMERS, due_visit, set->due);
}

/* Adds the timers that fire from state to set->due (rule 3). */
static Result due_add_rows(const TimerSet *set)
{
	bool incomplete = set->arming || set->retry_at != INSTANT_NONE;
	Instant horizon = set->handler->now - (incomplete ? 0 : STATE_GRACE_MS);
	size_t room = BATCH_TIMERS - set->due->count;
	Statement *row = store_query(set->handler->store,
				     "SELECT id, due FROM runtime_timer WHERE show <= ?1 ORDER BY show LIMIT ?2",
				     V_INTEGER(horizon), V_INTEGER((int64_t)room));
	while (statement_next(row))
		due_visit(set->due, statement_slice(row, 0), statement_integer(row, 1));
	return statement_end(row);
}

static Result timer_fire(const TimerSet *set, Slice id, Instant due_at, const char *source)
{
	TRY(store_run(set->handler->store, "UPDATE runtime_timer SET show = ?2 WHERE id = ?1", V_TEXT(id),
		      V_INTEGER(set->handler->now + TIMER_LEASE_MS)));
	metric_add(METRIC_TIMERS_FIRED, source, NULL, 1);
	return set->handler->service->fire(set->handler, id, due_at);
}

/* Fires a timer that the timer store reported, or corrects the store (rule 2). */
static Result report_decide(TimerSet *set, Slice id, Instant due_at)
{
	TimerRow row;
	TRY(row_find(set, id, &row));
	if (row.due_at == due_at)
		return row_is_leased(set, &row) ? result_ok() : timer_fire(set, id, due_at, "store");
	Result corrected = row.due_at != INSTANT_NONE ? timer_arm(set, id, row.due_at) : timer_disarm(set, id);
	if (result_failed(corrected))
		timers_failed(set, corrected);
	return result_ok();
}

/* Fires at most BATCH_TIMERS - set->due->count timers from state. */
static Result rows_fire(TimerSet *set)
{
	size_t i = set->due->count;
	TRY(due_add_rows(set));
	for (; i < set->due->count; i++) {
		Slice id = slice_of(set->due->list[i].id);
		TimerRow row;
		/* An earlier timer of this step may have moved or removed the row. */
		TRY(row_find(set, id, &row));
		if (row.due_at != set->due->list[i].due_at)
			continue;
		TRY(timer_fire(set, id, row.due_at, "state"));
		set->state_fired++;
	}
	return result_ok();
}

/* Asks the timer store for due timers; arms timers again first if it does not have all of them. */
static void store_ask(TimerSet *set)
{
	Result result = timers_health(set);
	if (!result_failed(result) && set->arming)
		result = arming_step(set);
	if (!result_failed(result) && set->arming)
		return;
	if (!result_failed(result))
		result = due_ask(set);
	switch (result.kind) {
	case ERROR_NONE: timers_answered(set); break;
	case ERROR_NOT_FOUND: /* the timer store was emptied */
		handler_log(set->handler, LOG_INFO, "timers-rearmed", result.text);
		arming_start(set);
		break;
	case ERROR_CONFLICT:
		/* The timer store knows a greater epoch. Either this owner was superseded, or that epoch is of an earlier log.
		 * The next record decides: it is accepted only if this owner was not superseded (timer_set_confirm). */
		set->contested = true;
		break;
	default: timers_failed(set, result);
	}
}

Result timer_set_decide(TimerSet *set, size_t *count)
{
	if (!fires_timers(set))
		return result_ok();
	set->due->count = 0;
	if (!timers_are_away(set))
		store_ask(set);
	if (set->contested)
		return result_ok();
	for (size_t i = 0; i < set->due->count; i++)
		TRY(report_decide(set, slice_of(set->due->list[i].id), set->due->list[i].due_at));
	TRY(rows_fire(set));
	*count += set->due->count;
	return result_ok();
}

Instant timer_set_wake_at(const TimerSet *set)
{
	if (!fires_timers(set))
		return INSTANT_NONE;
	Instant next = rows_next(set);
	if (timers_are_away(set))
		return instant_earlier(next, set->retry_at);
	if (set->arming || set->retry_at != INSTANT_NONE)
		return set->handler->now;
	if (next != INSTANT_NONE)
		next += STATE_GRACE_MS;
	return instant_earlier(next, set->timers->operations->next(set->timers, set->owner));
}
