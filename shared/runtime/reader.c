#include "shared/runtime/reader.h"

#include "shared/base/bugs.h"
#include "shared/io/system/log.h"
#include "shared/runtime/bug_answers.h"
#include "shared/runtime/record.h"
#include "shared/runtime/state.h"

#include <string.h>

enum { HANDLE_BYTES = 4 << 20 }; /* bytes of inputs of one partition in a batch: far less than the queue of the bus holds */

Result reader_init(Reader *reader)
{
	reader->assigned = true;
	batch_init(&reader->batch);
	return reader->options->store ? state_prepare(reader->options->store) : result_ok();
}

void reader_release(Reader *reader)
{
	if (reader->in_transaction)
		store_rollback(reader->options->store);
	batch_release(&reader->batch);
}

/* ---- catching up */

static void set_caught_up(Reader *reader, bool caught_up)
{
	const Service *service = reader->options->service;
	reader->caught_up = caught_up;
	if (service->caught_up)
		service->caught_up(reader->handler, caught_up);
}

static int64_t records_left(const InputPartition *input)
{
	int64_t offset = input_offset(input);
	return input->target > offset ? input->target - offset : 0;
}

static void targets_set(Reader *reader)
{
	reader->behind = 0;
	for (size_t i = 0; i < reader->inputs->count; i++) {
		InputPartition *input = &reader->inputs->list[i];
		input->target = bus_high_watermark(reader->options->bus, input->topic, input->partition);
		reader->behind += records_left(input);
	}
}

static bool targets_passed(const Reader *reader)
{
	for (size_t i = 0; i < reader->inputs->count; i++)
		if (records_left(&reader->inputs->list[i]) > 0)
			return false;
	return true;
}

/* Called when all records read so far are committed. */
static void catch_up(Reader *reader)
{
	int64_t before = reader->behind;
	if (reader->caught_up || !targets_passed(reader))
		return;
	targets_set(reader);
	/* A round of at most one batch is too short to show if reading is faster than writing: continue. */
	bool gains = before <= BATCH_INPUTS || reader->behind < before;
	if (reader->behind <= BATCH_INPUTS || !gains)
		set_caught_up(reader, true);
}

/* ---- positions */

/* If retention dropped the record at the position, the position moves to the oldest record kept. */
static void input_begin(const Reader *reader, InputPartition *input)
{
	int64_t first = input_first(reader->inputs, input);
	if (input->next >= first)
		return;
	if (input->next > 0)
		handler_log(reader->handler, LOG_ERROR, "input-lost", topics[input->topic].name);
	input->next = first;
	input->cursor = ledger_begin(first);
}

/* `positioned` stays false until all partitions are set: otherwise, after a failure here, a step could skip a batch in doubt. */
static Result positions_from_group(Reader *reader)
{
	Bus *bus = reader->options->bus;
	reader->positioned = false;
	for (size_t i = 0; i < reader->inputs->count; i++) {
		InputPartition *input = &reader->inputs->list[i];
		int64_t position = bus->operations->committed(bus, reader->options->service->name, input->topic, input->partition);
		if (position == BUS_COMMITTED_UNKNOWN)
			return result_fail(ERROR_AGAIN, "the group's position in %s/%u is not available now",
					   topics[input->topic].name, input->partition);
		input->next = position < 0 ? 0 : position;
		input_begin(reader, input);
	}
	TRY(inputs_enter(reader->inputs));
	targets_set(reader);
	reader->positioned = true;
	return result_ok();
}

/* Drops the view, which is then rebuilt, if it was made from another log or if a ledger was trimmed past its cursor. */
static Result view_load(Reader *reader)
{
	const RuntimeOptions *options = reader->options;
	bool usable;
	TRY(state_cluster_check(options->store, options->bus->cluster, &usable));
	TRY(inputs_load(reader->inputs));
	for (size_t i = 0; i < reader->inputs->count; i++) {
		const InputPartition *input = &reader->inputs->list[i];
		bool fits = true;
		if (topics[input->topic].kind != TOPIC_LEDGER)
			continue;
		TRY(ledger_fits(reader->inputs->reader, input->topic, input->partition, &input->cursor, &fits));
		usable &= fits && (input->next == 0 || input->next >= input_first(reader->inputs, input));
	}
	if (usable)
		return result_ok();
	set_caught_up(reader, false);
	TRY(state_reset(reader->handler, options->bus->cluster));
	return inputs_load(reader->inputs);
}

static Result positions_from_view(Reader *reader)
{
	const RuntimeOptions *options = reader->options;
	if (reader->positioned)
		return result_ok();
	TRY(view_load(reader));
	for (size_t i = 0; i < reader->inputs->count; i++) {
		InputPartition *input = &reader->inputs->list[i];
		input_begin(reader, input);
		if (input->next > options->bus->operations->end(options->bus, input->topic, input->partition))
			return state_newer_than_bus(reader->handler, input->topic);
	}
	if (options->service->restore)
		TRY(options->service->restore(reader->handler));
	targets_set(reader);
	reader->positioned = true;
	return result_ok();
}

/* ---- one batch */

typedef struct {
	Reader *reader;
	InputPartition *input;
	Result result;
	size_t count, bytes;
} HandleVisit;

static void accepted_keep(Reader *reader, const Record *record)
{
	if (reader->options->service->accepted && topics[record->topic].kind == TOPIC_LEDGER &&
	    batch_has_room(&reader->batch, record->headers.size + record->body.size))
		batch_keep(&reader->batch, record);
}

static Result record_handle(Reader *reader, const InputPartition *input, const BusRecord *from)
{
	Record record;
	Outputs *outputs = reader->outputs;
	Result result = record_read(input->topic, input->partition, from, &record);
	if (!result_failed(result) && record_is_bookkeeping(&record))
		return result;
	if (!result_failed(result))
		result = record_check(&record, reader->handler->partitions);
	if (!result_failed(result))
		result = outputs_of(outputs, input->handlers->handle, &record);
	if (result.kind == ERROR_INPUT)
		return outputs_dead_letter(outputs, outputs->wire, (BusPosition){ input->topic, input->partition, from->offset },
					   result.text);
	if (!result_failed(result))
		accepted_keep(reader, &record);
	return result;
}

static bool bug_4_taken(const Reader *reader, const InputPartition *input, const BusRecord *from, bool taken)
{
	if (!reader->options->store || topics[input->topic].kind != TOPIC_LEDGER)
		return taken;
	return header_get(from->headers, "ce_positions").data && bug_unknown(reader->options->store, from);
}

static void bug_8_answer(Reader *reader, const InputPartition *input, const BusRecord *from)
{
	Record record;
	if (!result_failed(record_read(input->topic, input->partition, from, &record)))
		accepted_keep(reader, &record);
}

static bool handle_visit(void *context, const BusRecord *from)
{
	HandleVisit *visit = context;
	InputPartition *input = visit->input;
	bool taken = true;
	LedgerCursor before = input->cursor;
	visit->bytes += from->headers.size + from->body.size;
	visit->result = input_judge(input, from, &taken);
	if (BUG(4))
		taken = bug_4_taken(visit->reader, input, from, taken);
	if (BUG(8) && !taken)
		bug_8_answer(visit->reader, input, from);
	if (!result_failed(visit->result) && taken)
		visit->result = record_handle(visit->reader, input, from);
	if (result_failed(visit->result)) {
		input->cursor = before;
		return false;
	}
	/* Without a store a position is right behind an accepted record (inputs_enter); a dropped record moves only the cursor. */
	if (taken || visit->reader->options->store)
		input->next = from->offset + 1;
	visit->count++;
	return visit->bytes < HANDLE_BYTES;
}

static Result input_handle(Reader *reader, InputPartition *input, size_t *count)
{
	HandleVisit visit = { .reader = reader, .input = input };
	Result result = input_read(reader->inputs, input, BATCH_INPUTS, handle_visit, &visit);
	*count += visit.count;
	reader->figures->inputs += visit.count;
	return result_failed(result) ? result : visit.result;
}

static Result inputs_handle(Reader *reader, size_t *count)
{
	for (size_t i = 0; i < reader->inputs->count; i++)
		TRY(input_handle(reader, &reader->inputs->list[i], count));
	return result_ok();
}

static void accepted_notify(Reader *reader)
{
	for (size_t i = 0; i < reader->batch.count; i++) {
		Record record = batch_record(&reader->batch, i);
		reader->options->service->accepted(reader->handler, &record);
	}
	batch_clear(&reader->batch);
}

static Result positions_commit(const Reader *reader)
{
	Bus *bus = reader->options->bus;
	for (size_t i = 0; i < reader->inputs->count; i++) {
		const InputPartition *input = &reader->inputs->list[i];
		TRY(bus->operations->commit(bus, reader->options->service->name, input->topic, input->partition, input->next));
	}
	return result_ok();
}

/* ---- with a store */

/* After a rollback: the inputs in memory, and those of the service, become what the view holds. */
static Result view_restore(Reader *reader)
{
	Inputs *inputs = reader->inputs;
	const Service *service = reader->options->service;
	memcpy(inputs->list, reader->inputs_before, sizeof(InputPartition) * inputs->count);
	batch_clear(&reader->batch);
	return service->restore ? service->restore(reader->handler) : result_ok();
}

/* Ends the batch: if `result` is OK, commits it; if not, or if that fails, restores the view and what is in memory. */
static Result view_end(Reader *reader, Result result)
{
	Store *store = reader->options->store;
	Inputs *inputs = reader->inputs;
	reader->awaiting = reader->in_transaction = false;
	if (!result_failed(result))
		result = inputs_save(inputs);
	if (!result_failed(result))
		result = store_commit(store);
	else
		store_rollback(store);
	if (result_failed(result)) {
		TRY(view_restore(reader));
		return result;
	}
	accepted_notify(reader);
	return positions_commit(reader); /* advisory: so that retention keeps records that a view has not read */
}

static Result dead_letters_check(Reader *reader)
{
	if (!wire_failed(reader->outputs->wire))
		return result_ok();
	wire_replace(&reader->outputs->wire);
	return result_fail(ERROR_AGAIN, "a dead letter could not be written");
}

static Result with_store(Reader *reader, size_t *count)
{
	Inputs *inputs = reader->inputs;
	Result result = result_ok();
	if (!reader->awaiting) {
		if (!inputs_waiting(inputs))
			return result_ok();
		memcpy(reader->inputs_before, inputs->list, sizeof(InputPartition) * inputs->count);
		batch_clear(&reader->batch);
		TRY(store_begin(reader->options->store));
		reader->in_transaction = true;
		result = inputs_handle(reader, count);
	}
	bool awaited = reader->awaiting;
	/* The transaction stays open until the bus has reported every dead letter as durable or failed. */
	reader->awaiting = !result_failed(result) && wire_pending(reader->outputs->wire) > 0;
	if (reader->awaiting)
		return result_ok();
	*count += awaited; /* a batch that ends is progress: the next one may be waiting already */
	return view_end(reader, result_failed(result) ? result : dead_letters_check(reader));
}

/* ---- without a store */

static Result outputs_await(Reader *reader, size_t *count)
{
	Outputs *outputs = reader->outputs;
	if (wire_pending(outputs->wire) > 0)
		return result_ok();
	bool failed = wire_failed(outputs->wire);
	reader->awaiting = false;
	*count = 1;
	if (!failed)
		return positions_commit(reader);
	wire_replace(&outputs->wire);
	return positions_from_group(reader); /* outputs are in doubt: the batch is read again, its outputs get the same ids */
}

static Result without_store(Reader *reader, size_t *count)
{
	if (reader->awaiting)
		return outputs_await(reader, count);
	Result result = inputs_handle(reader, count);
	reader->awaiting = *count > 0;
	/* The bus is full: positions stay before the first record not handled, and the outputs emitted so far are awaited. */
	if (result.kind == ERROR_AGAIN && *count > 0)
		return result_ok();
	if (result_failed(result)) {
		/* Outputs that were emitted stay; their inputs are read again from the last committed position. */
		wire_replace(&reader->outputs->wire);
		reader->awaiting = false;
		TRY(positions_from_group(reader));
	}
	return result;
}

/*
 * Follows the assignment. A reader that loses the assignment drops its unfinished batch; the replica that is assigned next reads
 * that batch again from the group's positions, and so does this reader when it is assigned again.
 */
static Result positions_follow_group(Reader *reader)
{
	if (reader->positioned && !reader->assigned) {
		wire_replace(&reader->outputs->wire);
		reader->awaiting = reader->positioned = false;
	}
	return reader->assigned && !reader->positioned ? positions_from_group(reader) : result_ok();
}

/* ---- the reader from outside */

static Result step(Reader *reader, size_t *count)
{
	const RuntimeOptions *options = reader->options;
	TRY(options->store ? positions_from_view(reader) : positions_follow_group(reader));
	if (!reader->positioned)
		return result_ok();
	if ((reader->paused && !reader->awaiting) || (options->service->policy && !reader->handler->policy))
		return result_ok();
	return options->store ? with_store(reader, count) : without_store(reader, count);
}

Result reader_step(Reader *reader, bool *progressed)
{
	size_t count = 0;
	Result result = step(reader, &count);
	/* A log was trimmed further than this process knew: the next step takes the positions again and logs input-lost. */
	if (result.kind == ERROR_NOT_FOUND) {
		reader->positioned = false;
		result.kind = ERROR_AGAIN;
	}
	*progressed = count > 0;
	if (!result_failed(result) && reader->positioned && !reader->awaiting)
		catch_up(reader);
	return result;
}

size_t reader_positions(const Reader *reader, BusPosition *out)
{
	const Inputs *inputs = reader->inputs;
	if ((!reader->options->store && !reader->positioned) || reader->awaiting)
		return 0;
	for (size_t i = 0; i < inputs->count; i++)
		out[i] = (BusPosition){ inputs->list[i].topic, inputs->list[i].partition, input_offset(&inputs->list[i]) };
	return inputs->count;
}

/* A reader with neither store nor assignment reads nothing, so it is ready. */
bool reader_is_ready(const Reader *reader)
{
	return (!reader->assigned && !reader->options->store) || reader->caught_up;
}
