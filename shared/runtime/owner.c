/*
 * A service with a ledger: follow, claim, open, own (docs/design/ownership.md, "Steps of an owner"). Deciding a batch is
 * in batch.c.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/base/bugs.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- appending the owner's own records */

void owner_headers(Runtime *runtime, Buffer *headers, uint64_t seq, bool with_positions)
{
	LedgerMark mark = { .epoch = runtime->epoch, .owner = runtime->options.owner_id, .seq = seq };
	ledger_mark_write(headers, &mark);
	if (!with_positions)
		return;
	LedgerPositions positions = runtime->phase == PHASE_OWNING ? inputs_positions(runtime) : runtime->positions;
	Buffer text;
	buffer_init(&text, LEDGER_POSITIONS_TEXT);
	ledger_positions_write(&text, runtime->options.partition, &positions);
	header_add(headers, "ce_positions", buffer_slice(&text));
	header_add_integer(headers, "ce_derived", runtime->derived);
	buffer_release(&text);
}

/* Claim, opening, advanced: records of the protocol itself. */
Result owner_append(Runtime *runtime, const char *type, const char *id_suffix, uint64_t seq)
{
	const RuntimeOptions *options = &runtime->options;
	char name[96], time[INSTANT_TEXT];
	snprintf(name, sizeof(name), "%" PRIu64 ".%016" PRIx64 ".%s", runtime->epoch, options->owner_id, id_suffix);
	Id id = id_of_pair("led_", slice_of(runtime->timers_owner), slice_of(name));
	instant_format(runtime->handler.now, time);
	Buffer *headers = &runtime->scratch;
	buffer_clear(headers);
	header_add(headers, "ce_id", id_slice(&id));
	header_add(headers, "ce_type", slice_of(type));
	header_add(headers, "ce_time", slice_of(time));
	owner_headers(runtime, headers, seq, seq > 0);
	if (seq == 1) {
		char previous[48];
		snprintf(previous, sizeof(previous), "%" PRIu64 ".%" PRIu64, runtime->cursor.prev_epoch, runtime->cursor.prev_seq);
		header_add(headers, "ce_prev", slice_of(previous));
		header_add_integer(headers, "ce_partitions", options->bus->partitions);
	}
	BusRecord record = { .headers = buffer_slice(headers), .body = SLICE("{}") };
	return wire_append(runtime->wire, options->bus, options->service->ledger, options->partition, &record);
}

static void owner_gauge(const Runtime *runtime, int64_t value)
{
	char partition[16];
	snprintf(partition, sizeof(partition), "%u", runtime->options.partition);
	metric_set(METRIC_LEDGER_OWNER, runtime->options.service->name, partition, value);
}

/* Give up the epoch: nothing decided and not read back survives; follow again from what was committed. */
void owner_doubt(Runtime *runtime, const char *why, int64_t pause_ms)
{
	const Service *service = runtime->options.service;
	if (why) {
		runtime->figures.doubts++;
		metric_add(METRIC_LEDGER_DOUBTS, service->name, NULL, 1);
		runtime_log(runtime, LOG_WARN, "ledger-doubt", why);
		runtime->not_before = runtime->handler.now + pause_ms;
	}
	if (runtime->in_transaction && BUG(6))
		(void)store_commit(runtime->options.store);
	else if (runtime->in_transaction)
		store_rollback(runtime->options.store);
	runtime->in_transaction = false;
	runtime->phase = PHASE_FOLLOWING;
	owner_gauge(runtime, 0);
	batch_forget(runtime);
	wire_replace(&runtime->wire);
	wire_replace(&runtime->outputs);
	runtime->deriving = runtime->timers_contested = false;
	runtime->observed_at = INSTANT_NONE;
	runtime->settle_at = INSTANT_NONE;
	runtime->cursor.next = -1; /* to be loaded */
}

/* ---- following */

typedef enum { FOLLOW_ON, FOLLOW_OWN_CLAIM, FOLLOW_SUPERSEDED, FOLLOW_LOST_RACE, FOLLOW_HOLE } FollowEvent;

typedef struct {
	Runtime *runtime;
	FollowEvent event;
	Result result;
	size_t count;
} FollowVisit;

static Result positions_take(Runtime *runtime, const BusRecord *from)
{
	LedgerPositions positions;
	Slice text = header_get(from->headers, "ce_positions");
	if (!text.data)
		return result_ok();
	TRY(ledger_positions_read(text, runtime->options.partition, &positions));
	for (size_t i = 0; i < runtime->positions.count; i++)
		for (size_t k = 0; k < positions.count; k++)
			if (positions.list[k].topic == runtime->positions.list[i].topic &&
			    positions.list[k].partition == runtime->positions.list[i].partition)
				must(positions.list[k].position >= runtime->positions.list[i].position);
	runtime->positions = positions;
	return result_ok();
}

/* An opening record must know what we know to stand before its claim (docs/design/ownership.md, "Readers", 3). */
static Result opening_check(const Runtime *runtime, Slice headers)
{
	Slice partitions = header_get(headers, "ce_partitions");
	int64_t count;
	if (partitions.data && slice_integer(partitions, &count) && count != runtime->options.bus->partitions)
		return result_fail(ERROR_INTERNAL, "%s was born with %lld partitions, not %u",
				   topics[runtime->options.service->ledger].name, (long long)count,
				   runtime->options.bus->partitions);
	return result_wrap(ledger_opening_check(&runtime->cursor, headers), "%s",
			   topics[runtime->options.service->ledger].name);
}

static Result accepted_take(Runtime *runtime, const BusRecord *from, const LedgerCursor *before)
{
	Record record;
	int64_t derived;
	if (runtime->phase == PHASE_CLAIMING && BUG(2))
		return result_ok();
	TRY(record_read(runtime->options.service->ledger, runtime->options.partition, from, &record));
	if (slice_integer(header_get(from->headers, "ce_derived"), &derived) && derived > runtime->derived) {
		runtime->derived = derived;
		runtime->derive_from = *before;
	}
	TRY(positions_take(runtime, from));
	if (slice_is(record.type, TYPE_LEDGER_OPENED))
		return opening_check(runtime, from->headers);
	if (record_is_bookkeeping(&record))
		return result_ok();
	if (runtime->phase == PHASE_ACCEPTING)
		return result_ok(); /* applied when it was decided */
	TRY(runtime->options.service->apply(&runtime->handler, &record));
	return projection_touch(runtime, &record);
}

static bool mark_is_own(const Runtime *runtime, const LedgerMark *mark)
{
	return (mark->owner == runtime->options.owner_id || BUG(9)) && mark->epoch == runtime->epoch;
}

static FollowEvent claim_event(const Runtime *runtime, const LedgerMark *mark)
{
	bool own = mark_is_own(runtime, mark);
	if (runtime->phase == PHASE_CLAIMING && own)
		return FOLLOW_OWN_CLAIM;
	if ((own && BUG(1)) || BUG(7))
		return FOLLOW_ON;
	return runtime->phase >= PHASE_OPENING ? FOLLOW_SUPERSEDED : FOLLOW_ON;
}

static FollowEvent drop_event(Runtime *runtime, const LedgerMark *mark)
{
	bool own = mark_is_own(runtime, mark);
	runtime->figures.dropped++;
	metric_add(METRIC_LEDGER_DROPPED, runtime->options.service->name, NULL, 1);
	if (mark->epoch == 0)
		runtime_log(runtime, LOG_WARN, "ledger-stranger", "a record that no owner wrote stands in the ledger; it counts for nothing");
	if (!own)
		return FOLLOW_ON;
	if (mark->claim)
		return runtime->phase == PHASE_CLAIMING ? FOLLOW_LOST_RACE : FOLLOW_ON;
	return runtime->phase >= PHASE_OPENING && mark->seq > runtime->cursor.seq + 1 ? FOLLOW_HOLE : FOLLOW_ON;
}

static bool follow_visit(void *context, const BusRecord *from)
{
	FollowVisit *visit = context;
	Runtime *runtime = visit->runtime;
	LedgerMark mark;
	LedgerCursor before = runtime->cursor;
	if (from->offset != runtime->cursor.next) {
		visit->result = result_fail(ERROR_AGAIN, "the ledger skipped to offset %" PRId64, from->offset);
		return false;
	}
	visit->count++;
	switch (ledger_judge(&runtime->cursor, from->headers, &mark)) {
	case LEDGER_CLAIMED:
		visit->event = claim_event(runtime, &mark);
		break;
	case LEDGER_ACCEPT:
		visit->result = accepted_take(runtime, from, &before);
		if (runtime->phase == PHASE_ACCEPTING && !(mark.seq == 1 && BUG(1)))
			runtime->accepted_count++;
		break;
	case LEDGER_DROP:
		visit->event = drop_event(runtime, &mark);
		break;
	}
	bool batch_complete = runtime->phase == PHASE_ACCEPTING && runtime->accepted_count == runtime->drafted_count;
	return !result_failed(visit->result) && visit->event == FOLLOW_ON && !batch_complete;
}

static Result follow(Runtime *runtime, FollowVisit *visit)
{
	const RuntimeOptions *options = &runtime->options;
	*visit = (FollowVisit){ .runtime = runtime };
	if (runtime->cursor.next >= options->bus->operations->end(options->bus, options->service->ledger, options->partition))
		return result_ok();
	bool own_transaction = !runtime->in_transaction;
	if (own_transaction)
		TRY(store_begin(options->store));
	BusPosition place = { options->service->ledger, options->partition, runtime->cursor.next };
	int64_t next;
	Result result = options->bus->operations->read(runtime->reader, place, FOLLOW_RECORDS, true, follow_visit, visit, &next);
	if (!result_failed(result))
		result = visit->result;
	if (!own_transaction)
		return result;
	if (!result_failed(result))
		result = meta_save(runtime);
	if (result_failed(result)) {
		store_rollback(options->store);
		owner_doubt(runtime, NULL, 0);
		return result;
	}
	return store_commit(options->store);
}

/* ---- phases */

/* State that the log cannot bring up to date any more, or that another log made, is thrown away and made again. */
static Result state_check(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	int64_t first = options->bus->operations->first(options->bus, options->service->ledger, options->partition);
	bool usable;
	TRY(meta_cluster_check(runtime, &usable));
	if (usable)
		TRY(ledger_fits(runtime, options->service->ledger, options->partition, &runtime->cursor, &usable));
	if (!usable || (runtime->cursor.next > 0 && runtime->cursor.next < first))
		TRY(meta_reset(runtime));
	if (runtime->cursor.next < first)
		runtime->cursor = runtime->derive_from = ledger_begin(first);
	return result_ok();
}

static Result load_all(Runtime *runtime)
{
	TRY(meta_load(runtime));
	TRY(state_check(runtime));
	TRY(meta_positions_load(runtime));
	inputs_observe_reset(runtime);
	if (runtime->options.service->restore)
		TRY(runtime->options.service->restore(&runtime->handler));
	return result_ok();
}

static Result load(Runtime *runtime)
{
	Result result = load_all(runtime);
	if (result_failed(result))
		runtime->cursor.next = -1; /* half of it was: all again */
	return result;
}

/* Assigned, and not held back by anything that will pass. */
static bool may_claim(const Runtime *runtime)
{
	return !runtime->paused && runtime->assigned && runtime->handler.now >= runtime->not_before &&
	       (!runtime->options.service->policy || runtime->policy);
}

static Result opening_append(Runtime *runtime)
{
	runtime->phase = PHASE_OPENING;
	runtime->batch_began = runtime->handler.now;
	Result result = owner_append(runtime, TYPE_LEDGER_OPENED, "opened", BUG(7) ? runtime->cursor.seq + 1 : 1);
	if (result_failed(result))
		owner_doubt(runtime, "the opening record could not be appended", 0);
	return result;
}

/* Called again until all inputs are observed: their records may come to this process one by one. */
static Result open_partition(Runtime *runtime, bool *progressed)
{
	bool whole;
	runtime->deriving = false; /* until all of it is on its way */
	if (runtime->observed_at == INSTANT_NONE)
		TRY(inputs_start(runtime));
	TRY(inputs_observe(runtime, progressed, &whole));
	if (!whole)
		return result_ok();
	TRY(outputs_derive_again(runtime));
	runtime->swept_at = 0;
	timers_arm(runtime);
	projection_begin(runtime);
	runtime->deriving = true;
	runtime->last_record_at = runtime->handler.now;
	runtime->inputs_since_record = 0;
	runtime->settle_at = runtime->options.service->settle ? runtime->handler.now : INSTANT_NONE;
	owner_gauge(runtime, 1);
	*progressed = true;
	return result_ok();
}

/* BUG(1) */
static Result bug_open_unread(Runtime *runtime, bool *progressed)
{
	runtime->cursor.prev_epoch = runtime->cursor.epoch;
	runtime->cursor.prev_seq = runtime->cursor.seq;
	TRY(opening_append(runtime));
	return open_partition(runtime, progressed);
}

/* BUG(10) */
static Result bug_go_on(Runtime *runtime, bool *progressed)
{
	runtime->phase = PHASE_OPENING;
	return open_partition(runtime, progressed);
}

static Result following(Runtime *runtime, bool *progressed)
{
	const RuntimeOptions *options = &runtime->options;
	FollowVisit visit;
	if (!runtime->assigned && !options->standby)
		return result_ok();
	if (runtime->cursor.next < 0)
		TRY(load(runtime));
	if (runtime->cursor.next > options->bus->operations->end(options->bus, options->service->ledger, options->partition))
		return runtime_bus_older(runtime, options->service->ledger);
	TRY(follow(runtime, &visit));
	*progressed = visit.count > 0;
	runtime->caught_up |= visit.count == 0;
	if (visit.count > 0 || !may_claim(runtime))
		return result_ok();
	/* One that is alone, or never stands by, has nobody to leave it to: it claims, and says what is wrong when it ends. */
	if (options->standby && options->service->may_own)
		TRY(options->service->may_own(&runtime->handler));
	if (BUG(10) && runtime->cursor.epoch == runtime->epoch && runtime->cursor.owner == options->owner_id)
		return bug_go_on(runtime, progressed);
	runtime->epoch = runtime->cursor.epoch + 1;
	TRY(owner_append(runtime, TYPE_LEDGER_CLAIMED, "claim", 0));
	runtime->figures.claims++;
	metric_add(METRIC_LEDGER_CLAIMS, options->service->name, NULL, 1);
	runtime->phase = PHASE_CLAIMING;
	runtime->batch_began = runtime->handler.now;
	*progressed = true;
	return BUG(1) ? bug_open_unread(runtime, progressed) : result_ok();
}

static int64_t superseded_pause_ms(const Runtime *runtime)
{
	return SUPERSEDED_PAUSE_MS + (int64_t)(runtime->options.owner_id % SUPERSEDED_PAUSE_MS);
}

/* True when the epoch was given up. */
static bool given_up(Runtime *runtime, const FollowVisit *visit)
{
	if (visit->event == FOLLOW_SUPERSEDED || visit->event == FOLLOW_LOST_RACE) {
		runtime->figures.deposed++;
		metric_add(METRIC_LEDGER_DEPOSED, runtime->options.service->name, NULL, 1);
		owner_doubt(runtime, "another owner claimed", superseded_pause_ms(runtime));
	} else if (visit->event == FOLLOW_HOLE) {
		owner_doubt(runtime, "an own record came back behind a hole", 0);
	} else if (atomic_load(&runtime->wire->failed)) {
		owner_doubt(runtime, "an append failed", 0);
	} else if (runtime->handler.now > runtime->batch_began + READBACK_MS) {
		owner_doubt(runtime, "an append was not read back", 0);
	} else {
		return false;
	}
	return true;
}

static Result claiming(Runtime *runtime, bool *progressed)
{
	FollowVisit visit;
	TRY(follow(runtime, &visit));
	*progressed = visit.count > 0;
	if (visit.event != FOLLOW_OWN_CLAIM) {
		given_up(runtime, &visit);
		return result_ok();
	}
	/* Whatever the predecessor got in before our claim is accepted and applied by now: start from there. */
	return opening_append(runtime);
}

static Result opening(Runtime *runtime, bool *progressed)
{
	FollowVisit visit = { 0 };
	if (!runtime->deriving) {
		TRY(follow(runtime, &visit));
		*progressed = visit.count > 0;
		if (given_up(runtime, &visit) || runtime->cursor.seq == 0)
			return result_ok();
		runtime->batch_began = runtime->handler.now; /* read back: what fails from here on is tried again */
		return open_partition(runtime, progressed);
	}
	if (atomic_load(&runtime->outputs->pending) > 0)
		return result_ok();
	if (atomic_load(&runtime->outputs->failed))
		return open_partition(runtime, progressed);
	/* All outputs of records before here are out. */
	runtime->derived = runtime->cursor.next;
	runtime->derive_from = runtime->cursor;
	runtime->deriving = false;
	runtime->phase = PHASE_OWNING;
	*progressed = true;
	return result_ok();
}

static Result owning(Runtime *runtime, bool *progressed)
{
	FollowVisit visit;
	runtime->batch_began = runtime->handler.now;
	TRY(follow(runtime, &visit)); /* somebody else's claim, or what a zombie left */
	if (given_up(runtime, &visit) || runtime->paused)
		return result_ok();
	*progressed = visit.count > 0;
	if (visit.count > 0)
		return result_ok();
	TRY(ledger_trim(runtime));
	bool table_moved = false;
	projection_step(runtime, &table_moved);
	Result result = batch_decide(runtime, progressed);
	*progressed |= table_moved;
	return result;
}

/* All drafts came back, and what was refused is written down. */
static bool batch_is_accepted(const Runtime *runtime)
{
	bool letters_out = !runtime->lettered ||
			   (atomic_load(&runtime->wire->pending) == 0 && !atomic_load(&runtime->wire->failed));
	return runtime->accepted_count == runtime->drafted_count && letters_out;
}

static Result accepting(Runtime *runtime, bool *progressed)
{
	if (runtime->deriving) {
		bool done;
		TRY(outputs_derive_batch(runtime, &done));
		if (!done)
			return result_ok();
		runtime->derived = runtime->cursor.next;
		runtime->derive_from = runtime->cursor;
		runtime->deriving = false;
		batch_forget(runtime);
		runtime->phase = PHASE_OWNING;
		*progressed = true;
		return result_ok();
	}
	FollowVisit visit;
	Result result = follow(runtime, &visit);
	if (result_failed(result)) {
		owner_doubt(runtime, result.text, 0);
		return result;
	}
	*progressed = visit.count > 0;
	if (visit.event != FOLLOW_ON || !batch_is_accepted(runtime)) {
		given_up(runtime, &visit);
		return result_ok();
	}
	return batch_accepted(runtime);
}

static Result (*const phases[])(Runtime *runtime, bool *progressed) = {
	[PHASE_FOLLOWING] = following, [PHASE_CLAIMING] = claiming, [PHASE_OPENING] = opening,
	[PHASE_OWNING] = owning,       [PHASE_ACCEPTING] = accepting,
};

Result owner_step(Runtime *runtime, bool *progressed)
{
	Result result = phases[runtime->phase](runtime, progressed);
	if (result.kind != ERROR_NOT_FOUND)
		return result;
	/* The log begins further on than was known: the bus knows it now. */
	owner_doubt(runtime, result.text, 0);
	result.kind = ERROR_AGAIN;
	return result;
}
