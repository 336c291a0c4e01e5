/*
 * One batch of an owner: take what has arrived, decide each input, apply and append what was drafted, and after all of it
 * was read back as accepted commit, arm, derive (docs/design/ownership.md, "Steps of an owner", 5 to 7).
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/base/bugs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void batch_forget(Runtime *runtime)
{
	buffer_clear(&runtime->drafted_bytes);
	runtime->drafted_bytes.overflowed = false;
	runtime->drafted_count = runtime->accepted_count = 0;
	runtime->derive_next = 0;
	runtime->timer_change_count = 0;
	runtime->lettered = false;
	runtime->current = NULL;
}

/* ---- drafting */

static Result drafted_append(Runtime *runtime, const Record *record, uint64_t seq)
{
	const RuntimeOptions *options = &runtime->options;
	char time[INSTANT_TEXT];
	instant_format(record->time, time);
	Buffer *headers = &runtime->scratch;
	buffer_clear(headers);
	header_add(headers, "ce_id", record->id);
	header_add(headers, "ce_type", record->type);
	header_add(headers, "ce_time", slice_of(time));
	if (record->subject.size)
		header_add(headers, "ce_subject", record->subject);
	if (record->cause.size)
		header_add(headers, "ce_cause", record->cause);
	owner_headers(runtime, headers, seq, true);
	buffer_append(headers, record->headers);
	BusRecord out = { .key = record->key, .headers = buffer_slice(headers), .body = record->body };
	return wire_append(runtime->wire, options->bus, options->service->ledger, options->partition, &out);
}

Result handler_draft(Handler *handler, const Draft *draft)
{
	Runtime *runtime = handler->runtime;
	must(runtime->phase == PHASE_OWNING && runtime->in_transaction);
	if (runtime->drafted_count == BATCH_RECORDS ||
	    runtime->drafted_bytes.size + draft->body.size + 4096 > runtime->drafted_bytes.max)
		return result_fail(ERROR_AGAIN, "the batch is full");
	uint64_t before = BUG(1) && runtime->cursor.epoch != runtime->epoch ? 1 : runtime->cursor.seq;
	uint64_t seq = before + runtime->drafted_count + 1;
	char name[96];
	snprintf(name, sizeof(name), "%" PRIu64 ".%016" PRIx64 ".%" PRIu64, runtime->epoch, runtime->options.owner_id, seq);
	Id derived = runtime->current ? id_derived("rec_", runtime->current->id, runtime->current_drafts++) :
					id_of_pair("rec_", slice_of(runtime->timers_owner), slice_of(name));
	Slice cause = draft->cause.size ? draft->cause : runtime->current ? runtime->current->id : SLICE_NONE;
	Record record = { .topic = runtime->options.service->ledger, .partition = runtime->options.partition,
			  .id = draft->id.size ? draft->id : id_slice(&derived), .type = draft->type,
			  .subject = draft->subject, .key = draft->key.size ? draft->key : draft->subject, .cause = cause,
			  .headers = draft->headers, .body = draft->body, .time = draft->time };
	record = drafted_record(runtime, drafted_keep(runtime, &record));
	/* Applied first: the positions written into the record count what it reflects (Service.position). */
	Result applied = record_is_bookkeeping(&record) ? result_ok() : runtime->options.service->apply(handler, &record);
	if (!result_failed(applied) && !record_is_bookkeeping(&record))
		applied = projection_touch(runtime, &record);
	if (!result_failed(applied))
		applied = drafted_append(runtime, &record, seq);
	if (applied.kind == ERROR_INPUT)
		applied.kind = ERROR_INTERNAL; /* what was drafted here and does not fit is no sender's mistake */
	TRY(applied);
	runtime->figures.records++;
	return result_ok();
}

Result handler_send(Handler *handler, const OutboundRequest *message)
{
	Outbound *outside = handler->runtime->options.outside;
	return outside ? outside->operations->send(outside, message) : result_fail(ERROR_AGAIN, "nothing can be sent here");
}

typedef struct {
	Buffer *body;
	bool seen;
} BodyVisit;

static bool body_visit(void *context, const BusRecord *record)
{
	BodyVisit *visit = context;
	buffer_append(visit->body, record->body);
	visit->seen = true;
	return false;
}

Result handler_body(Handler *handler, const Record *input, Slice *body)
{
	Runtime *runtime = handler->runtime;
	Bus *bus = runtime->options.bus;
	if (input->body.size > 0) {
		*body = input->body; /* the bus had it at hand */
		return result_ok();
	}
	if (!runtime->body_reader)
		TRY(bus->operations->reader_open(bus, &runtime->body_reader));
	BodyVisit visit = { .body = &runtime->body };
	BusPosition place = { input->topic, input->partition, input->offset };
	int64_t next;
	buffer_clear(&runtime->body);
	TRY(bus->operations->read(runtime->body_reader, place, 1, true, body_visit, &visit, &next));
	*body = buffer_slice(&runtime->body);
	return visit.seen ? result_ok() : result_fail(ERROR_AGAIN, "the record is not there");
}

/* ---- inputs */

typedef struct {
	Runtime *runtime;
	InputPartition *place;
	Result result;
	size_t count;
} DecideVisit;

static Result input_decide(Runtime *runtime, InputPartition *place, const BusRecord *from)
{
	Record record;
	Result result = record_read(place->input->topic, place->partition, from, &record);
	if (!result_failed(result) && record_is_bookkeeping(&record))
		return result;
	if (!result_failed(result))
		result = record_partition_check(runtime, &record);
	runtime->current = &record;
	runtime->current_drafts = 0;
	if (!result_failed(result) && place->input->observe && from->offset >= place->observed)
		result = place->input->observe(&runtime->handler, &record);
	size_t drafted = runtime->drafted_count;
	if (!result_failed(result))
		result = place->input->decide(&runtime->handler, &record);
	runtime->current = NULL;
	if (result.kind != ERROR_INPUT)
		return result;
	must(runtime->drafted_count == drafted); /* an input is refused before anything of it is drafted */
	return runtime_dead_letter(runtime, place->input->topic, place->partition, from->offset, result.text);
}

static bool decide_visit(void *context, const BusRecord *from)
{
	DecideVisit *visit = context;
	InputPartition *place = visit->place;
	bool taken = true;
	visit->result = input_judge(place, from, &taken);
	if (result_failed(visit->result))
		return false;
	if (taken) {
		int64_t before = place->next;
		place->next = from->offset + 1; /* what is drafted now reflects it */
		visit->result = input_decide(visit->runtime, place, from);
		if (result_failed(visit->result)) {
			place->next = before;
			return false;
		}
		place->observed = place->observed > place->next ? place->observed : place->next;
	}
	visit->count++;
	return visit->runtime->drafted_count < BATCH_RECORDS / 2 && visit->runtime->drafted_bytes.size < BATCH_BYTES / 2;
}

static Result place_decide(Runtime *runtime, InputPartition *place, size_t *count)
{
	DecideVisit visit = { .runtime = runtime, .place = place };
	size_t max = place->input->keys_only ? BATCH_KEYS : BATCH_INPUTS;
	Result result = input_read(runtime, place, max, decide_visit, &visit);
	*count += visit.count;
	runtime->figures.inputs += visit.count;
	runtime->inputs_since_record += visit.count;
	return result_failed(result) ? result : visit.result;
}

static Result inputs_decide(Runtime *runtime, size_t *count)
{
	for (size_t i = 0; i < runtime->place_count; i++)
		TRY(place_decide(runtime, &runtime->places[i], count));
	return result_ok();
}

/* ---- answers of the outside: inputs without an offset, like timers (timers.c) */

/* Kept until the batch is committed: after doubt they are decided again. */
static void outcomes_collect(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	if (!options->outside || !options->service->outcome)
		return;
	while (runtime->outcome_count < BATCH_OUTCOMES &&
	       options->outside->operations->outcome(options->outside, &runtime->outcomes[runtime->outcome_count]))
		runtime->outcome_count++;
}

static Result outcomes_decide(Runtime *runtime, size_t *count)
{
	const RuntimeOptions *options = &runtime->options;
	for (size_t i = 0; i < runtime->outcome_count; i++)
		TRY(options->service->outcome(&runtime->handler, &runtime->outcomes[i]));
	*count += runtime->outcome_count;
	return result_ok();
}

/* ---- what is due without an input */

static Result settle(Runtime *runtime, size_t inputs)
{
	const Service *service = runtime->options.service;
	bool due = runtime->settle_at != INSTANT_NONE && runtime->handler.now >= runtime->settle_at;
	if (!service->settle || (inputs == 0 && !due))
		return result_ok();
	Instant wake_at = INSTANT_NONE;
	TRY(service->settle(&runtime->handler, runtime->handler.now, &wake_at));
	runtime->settle_at = wake_at;
	return result_ok();
}

static bool positions_moved(Runtime *runtime)
{
	LedgerPositions now = inputs_positions(runtime);
	for (size_t i = 0; i < now.count; i++) {
		int64_t before = 0;
		for (size_t k = 0; k < runtime->positions.count; k++)
			if (runtime->positions.list[k].topic == now.list[i].topic &&
			    runtime->positions.list[k].partition == now.list[i].partition)
				before = runtime->positions.list[k].position;
		if (now.list[i].position != before)
			return true;
	}
	return false;
}

static bool advance_due(Runtime *runtime)
{
	Instant silent_ms = runtime->handler.now - runtime->last_record_at;
	bool due = silent_ms >= ADVANCE_MS || runtime->inputs_since_record >= ADVANCE_INPUTS;
	return silent_ms >= SILENT_MS || (due && positions_moved(runtime));
}

static Result advance(Runtime *runtime)
{
	if (!runtime->timers_contested && (runtime->drafted_count > 0 || !advance_due(runtime)))
		return result_ok();
	Draft draft = { .type = SLICE(TYPE_LEDGER_ADVANCED), .body = SLICE("{}"), .time = runtime->handler.now };
	return handler_draft(&runtime->handler, &draft);
}

/* ---- the batch */

static Result decide_all(Runtime *runtime, size_t *count)
{
	TRY(inputs_decide(runtime, count));
	TRY(outcomes_decide(runtime, count));
	TRY(timers_decide(runtime, count));
	TRY(settle(runtime, *count));
	return advance(runtime);
}

static bool anything_to_do(Runtime *runtime)
{
	Instant now = runtime->handler.now;
	bool due = runtime->settle_at != INSTANT_NONE && now >= runtime->settle_at;
	return inputs_waiting(runtime) || runtime->outcome_count > 0 || due || timers_waiting(runtime) ||
	       advance_due(runtime);
}

static void group_commit(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	if (runtime->handler.now < runtime->group_committed_at + GROUP_COMMIT_MS && !BUG(3))
		return;
	runtime->group_committed_at = runtime->handler.now;
	LedgerPositions positions = BUG(3) ? inputs_positions(runtime) : runtime->positions;
	for (size_t i = 0; i < positions.count; i++)
		(void)options->bus->operations->commit(options->bus, options->service->name, positions.list[i].topic,
						       positions.list[i].partition, positions.list[i].position);
}

Result batch_decide(Runtime *runtime, bool *progressed)
{
	Store *store = runtime->options.store;
	size_t count = 0;
	outcomes_collect(runtime);
	if (!anything_to_do(runtime))
		return result_ok();
	TRY(store_begin(store));
	runtime->in_transaction = true;
	Result result = decide_all(runtime, &count);
	if (result_failed(result)) {
		bool drafted = runtime->drafted_count > 0;
		owner_doubt(runtime, result.text, 0);
		/* What is on the wire already wants another epoch at once; else the surroundings are given time. */
		return drafted && result.kind != ERROR_INTERNAL ? result_ok() : result;
	}
	*progressed = count > 0 || runtime->drafted_count > 0;
	if (BUG(3))
		group_commit(runtime);
	if (runtime->drafted_count > 0 || runtime->lettered) {
		runtime->phase = PHASE_ACCEPTING;
		return result_ok();
	}
	result = *progressed ? meta_positions_save(runtime) : result_ok();
	if (!result_failed(result))
		result = store_commit(store);
	if (result_failed(result)) {
		owner_doubt(runtime, result.text, 0);
		return result;
	}
	runtime->in_transaction = false;
	runtime->outcome_count = 0;
	timers_sync(runtime);
	batch_forget(runtime);
	return result_ok();
}

Result batch_accepted(Runtime *runtime)
{
	const Service *service = runtime->options.service;
	Result result = meta_save(runtime);
	if (!result_failed(result))
		result = meta_positions_save(runtime);
	if (!result_failed(result))
		result = store_commit(runtime->options.store);
	if (result_failed(result)) {
		owner_doubt(runtime, result.text, 0);
		return result;
	}
	runtime->in_transaction = false;
	runtime->outcome_count = 0;
	runtime->last_record_at = runtime->handler.now;
	runtime->inputs_since_record = 0;
	metric_observe_us(METRIC_LEDGER_READBACK, service->name, NULL, (runtime->handler.now - runtime->batch_began) * 1000);
	timers_take(runtime);
	timers_sync(runtime);
	for (size_t i = 0; service->accepted && i < runtime->drafted_count; i++) {
		Record record = drafted_record(runtime, &runtime->drafted[i]);
		service->accepted(&runtime->handler, &record);
	}
	group_commit(runtime);
	runtime->deriving = true;
	return result_ok();
}
