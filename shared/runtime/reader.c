/*
 * A service without a ledger. With a store (gateway's view) its positions stand in the same transaction as what it folded;
 * without one (classification) they are committed to its group after its outputs were acknowledged, and it starts one
 * record earlier to get its cursor.
 *
 * It has caught up when every place has passed the end that its log had when the reader was placed. Waiting for a moment with
 * nothing to read would never end under steady load. The logs grow during a long rebuild, so the ends are then taken again,
 * until no more than a batch is left, or reading no longer gains on writing.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"
#include "shared/base/bugs.h"
#include "shared/runtime/bug_answers.h"

#include <string.h>

/* ---- catching up */

static int64_t records_left(const InputPartition *place)
{
	int64_t at = input_at(place);
	return place->until > at ? place->until - at : 0;
}

static void ends_take(Runtime *runtime)
{
	runtime->behind = 0;
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		place->until = bus_reach(runtime->options.bus, place->input->topic, place->partition);
		runtime->behind += records_left(place);
	}
}

static bool ends_passed(const Runtime *runtime)
{
	for (size_t i = 0; i < runtime->place_count; i++)
		if (records_left(&runtime->places[i]) > 0)
			return false;
	return true;
}

/* Everything read so far is committed. */
static void catch_up(Runtime *runtime)
{
	int64_t before = runtime->behind;
	if (runtime->caught_up || !ends_passed(runtime))
		return;
	ends_take(runtime);
	if (runtime->behind <= BATCH_INPUTS || runtime->behind >= before)
		runtime_caught_up(runtime, true);
}

/* ---- placing */

/* A place whose log begins behind it goes on where the log begins. */
static void place_begin(Runtime *runtime, InputPartition *place)
{
	int64_t first = input_first(runtime, place);
	if (place->next >= first)
		return;
	if (place->next > 0)
		runtime_log(runtime, LOG_ERROR, "input-lost", topics[place->input->topic].name);
	place->next = first;
	place->cursor = ledger_begin(first);
}

static Result places_from_group(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	runtime->placed = false; /* until all places stand there: what was in doubt must not be passed */
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		int64_t position = options->bus->operations->committed(options->bus, options->service->name,
								       place->input->topic, place->partition);
		if (position == BUS_COMMITTED_UNKNOWN)
			return result_fail(ERROR_AGAIN, "the group's position in %s cannot be asked now",
					   topics[place->input->topic].name);
		place->next = position < 0 ? 0 : position;
		place_begin(runtime, place);
	}
	TRY(inputs_enter(runtime));
	ends_take(runtime);
	runtime->placed = true;
	return result_ok();
}

/* A view that a trimmed ledger cannot bring up to date any more, or that another log made, is made again from the first record. */
static Result view_load(Runtime *runtime)
{
	bool usable;
	TRY(meta_cluster_check(runtime, &usable));
	TRY(meta_positions_load(runtime));
	for (size_t i = 0; i < runtime->place_count; i++) {
		const InputPartition *place = &runtime->places[i];
		bool fits = true;
		if (topics[place->input->topic].kind != TOPIC_LEDGER)
			continue;
		TRY(ledger_fits(runtime, place->input->topic, place->partition, &place->cursor, &fits));
		usable &= fits && (place->next == 0 || place->next >= input_first(runtime, place));
	}
	if (usable)
		return result_ok();
	TRY(meta_reset(runtime));
	return meta_positions_load(runtime);
}

static Result view_place(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	if (runtime->placed)
		return result_ok();
	TRY(view_load(runtime));
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		place_begin(runtime, place);
		if (place->next > options->bus->operations->end(options->bus, place->input->topic, place->partition))
			return runtime_bus_older(runtime, place->input->topic);
	}
	if (options->service->restore)
		TRY(options->service->restore(&runtime->handler));
	ends_take(runtime);
	runtime->placed = true;
	return result_ok();
}

/* ---- one batch */

typedef struct {
	Runtime *runtime;
	InputPartition *place;
	Result result;
	size_t count, bytes;
} HandleVisit;

static void accepted_keep(Runtime *runtime, const Record *record)
{
	if (!runtime->options.service->accepted || topics[record->topic].kind != TOPIC_LEDGER ||
	    runtime->drafted_count == BATCH_RECORDS ||
	    runtime->drafted_bytes.size + record->headers.size + record->body.size + 4096 > BATCH_BYTES)
		return;
	drafted_keep(runtime, record);
}

static Result input_handle(Runtime *runtime, InputPartition *place, const BusRecord *from)
{
	Record record;
	Result result = record_read(place->input->topic, place->partition, from, &record);
	if (!result_failed(result) && record_is_bookkeeping(&record))
		return result;
	if (!result_failed(result))
		result = record_partition_check(runtime, &record);
	if (!result_failed(result)) {
		runtime->deriving_from = &record;
		runtime->emitted = 0;
		result = place->input->handle(&runtime->handler, &record);
		runtime->deriving_from = NULL;
	}
	if (result.kind == ERROR_INPUT) {
		return runtime_dead_letter(runtime, place->input->topic, place->partition, from->offset, result.text);
	}
	if (!result_failed(result))
		accepted_keep(runtime, &record);
	return result;
}

static bool bug_judges(const Runtime *runtime, const InputPartition *place)
{
	return runtime->options.store && topics[place->input->topic].kind == TOPIC_LEDGER;
}

static void bug_answer(Runtime *runtime, const InputPartition *place, const BusRecord *from)
{
	Record record;
	if (!result_failed(record_read(place->input->topic, place->partition, from, &record)))
		accepted_keep(runtime, &record);
}

static bool handle_visit(void *context, const BusRecord *from)
{
	HandleVisit *visit = context;
	bool taken = true;
	LedgerCursor before = visit->place->cursor;
	visit->bytes += from->headers.size + from->body.size;
	visit->result = input_judge(visit->place, from, &taken);
	if (BUG(4) && bug_judges(visit->runtime, visit->place))
		taken = header_get(from->headers, "ce_positions").data && bug_unknown(visit->runtime->options.store, from);
	if (BUG(8) && !taken)
		bug_answer(visit->runtime, visit->place, from);
	if (!result_failed(visit->result) && taken)
		visit->result = input_handle(visit->runtime, visit->place, from);
	if (result_failed(visit->result)) {
		visit->place->cursor = before;
		return false;
	}
	/* Without a store a position must stand right behind an accepted record: the cursor walks on, the position waits. */
	if (taken || visit->runtime->options.store)
		visit->place->next = from->offset + 1;
	visit->count++;
	return visit->bytes < HANDLE_BYTES;
}

static Result place_handle(Runtime *runtime, InputPartition *place, size_t *count)
{
	HandleVisit visit = { .runtime = runtime, .place = place };
	Result result = input_read(runtime, place, BATCH_INPUTS, handle_visit, &visit);
	*count += visit.count;
	runtime->figures.inputs += visit.count;
	return result_failed(result) ? result : visit.result;
}

static Result handle_all(Runtime *runtime, size_t *count)
{
	for (size_t i = 0; i < runtime->place_count; i++)
		TRY(place_handle(runtime, &runtime->places[i], count));
	return result_ok();
}

static void accepted_tell(Runtime *runtime)
{
	for (size_t i = 0; i < runtime->drafted_count; i++) {
		Record record = drafted_record(runtime, &runtime->drafted[i]);
		runtime->options.service->accepted(&runtime->handler, &record);
	}
	batch_forget(runtime);
}

static Result commit_positions(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	for (size_t i = 0; i < runtime->place_count; i++)
		TRY(options->bus->operations->commit(options->bus, options->service->name, runtime->places[i].input->topic,
						     runtime->places[i].partition, runtime->places[i].next));
	return result_ok();
}

/* All of the batch or nothing of it, in the view and in memory. */
static Result view_end(Runtime *runtime, Result result)
{
	Store *store = runtime->options.store;
	runtime->deriving = runtime->in_transaction = false;
	if (!result_failed(result))
		result = meta_positions_save(runtime);
	if (!result_failed(result))
		result = store_commit(store);
	else
		store_rollback(store);
	if (result_failed(result)) {
		memcpy(runtime->places, runtime->positions_before_batch, sizeof(InputPartition) * runtime->place_count);
		batch_forget(runtime);
		return result;
	}
	accepted_tell(runtime);
	return commit_positions(runtime); /* advisory: retention must not overtake a view */
}

static Result letters_check(Runtime *runtime)
{
	if (!atomic_load(&runtime->outputs->failed))
		return result_ok();
	wire_replace(&runtime->outputs);
	return result_fail(ERROR_AGAIN, "a dead letter could not be written");
}

static Result with_store(Runtime *runtime, size_t *count)
{
	Result result = result_ok();
	if (!runtime->deriving) {
		if (!inputs_waiting(runtime))
			return result_ok();
		memcpy(runtime->positions_before_batch, runtime->places, sizeof(InputPartition) * runtime->place_count);
		batch_forget(runtime);
		TRY(store_begin(runtime->options.store));
		runtime->in_transaction = true;
		result = handle_all(runtime, count);
	}
	/* Dead letters under way: the transaction waits for them. */
	runtime->deriving = !result_failed(result) && atomic_load(&runtime->outputs->pending) > 0;
	if (runtime->deriving)
		return result_ok();
	return view_end(runtime, result_failed(result) ? result : letters_check(runtime));
}

static Result without_store(Runtime *runtime, size_t *count)
{
	if (runtime->deriving) {
		if (atomic_load(&runtime->outputs->pending) > 0)
			return result_ok();
		bool failed = atomic_load(&runtime->outputs->failed);
		runtime->deriving = false;
		*count = 1;
		if (!failed)
			return commit_positions(runtime);
		wire_replace(&runtime->outputs);
		return places_from_group(runtime); /* outputs in doubt: all of it again, under the same ids */
	}
	Result result = handle_all(runtime, count);
	runtime->deriving = *count > 0;
	/* A full bus: the places stand at what was not taken yet; what went out before it is waited for and committed. */
	if (result.kind == ERROR_AGAIN && *count > 0)
		return result_ok();
	if (result_failed(result)) {
		/* What was emitted stays emitted; the rest comes again from the last committed position. */
		wire_replace(&runtime->outputs);
		runtime->deriving = false;
		TRY(places_from_group(runtime));
	}
	return result;
}

/* What another instance takes now is not waited for; what it left is taken from the group's positions. */
static Result place_or_leave(Runtime *runtime)
{
	if (runtime->placed && !runtime->assigned) {
		wire_replace(&runtime->outputs);
		runtime->deriving = runtime->placed = false;
	}
	return runtime->assigned && !runtime->placed ? places_from_group(runtime) : result_ok();
}

static Result placed_step(Runtime *runtime, size_t *count)
{
	TRY(runtime->options.store ? view_place(runtime) : place_or_leave(runtime));
	if (!runtime->placed)
		return result_ok();
	if ((runtime->paused && !runtime->deriving) || (runtime->options.service->policy && !runtime->policy))
		return result_ok();
	return runtime->options.store ? with_store(runtime, count) : without_store(runtime, count);
}

Result reader_step(Runtime *runtime, bool *progressed)
{
	size_t count = 0;
	Result result = placed_step(runtime, &count);
	/* The log begins further on than was known, and the bus knows it now: placed again, which says what is lost. */
	if (result.kind == ERROR_NOT_FOUND) {
		runtime->placed = false;
		result.kind = ERROR_AGAIN;
	}
	*progressed = count > 0;
	if (!result_failed(result) && runtime->placed && !runtime->deriving)
		catch_up(runtime);
	return result;
}
