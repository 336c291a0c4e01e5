#include "shared/runtime/runtime_internal.h"

#include "shared/domain/types.h"

#include <stdlib.h>

/* ---- appends under way */

Wire *wire_new(void)
{
	Wire *wire = calloc(1, sizeof(*wire));
	must(wire);
	atomic_init(&wire->references, 1);
	return wire;
}

void wire_release(Wire *wire)
{
	if (wire && atomic_fetch_sub(&wire->references, 1) == 1)
		free(wire);
}

void wire_replace(Wire **wire)
{
	wire_release(*wire);
	*wire = wire_new();
}

static void wire_done(void *context, bool failed, int64_t offset)
{
	Wire *wire = context;
	(void)offset;
	if (failed)
		atomic_store(&wire->failed, true);
	atomic_fetch_sub(&wire->pending, 1);
	wire_release(wire);
}

Result wire_append(Wire *wire, Bus *bus, TopicId topic, unsigned partition, const BusRecord *record)
{
	atomic_fetch_add(&wire->references, 1);
	atomic_fetch_add(&wire->pending, 1);
	Result result = bus_append(bus, topic, partition, record, wire_done, wire);
	if (result_failed(result)) {
		atomic_fetch_sub(&wire->pending, 1);
		wire_release(wire);
	}
	return result;
}

/* ---- what follows from an accepted record */

Result handler_emit(Handler *handler, TopicId topic, unsigned slot, const Draft *draft)
{
	Runtime *runtime = handler->runtime;
	const Record *from = runtime->deriving_from;
	must(from);
	Id derived = id_derived("out_", from->id, runtime->emitted++);
	char time[INSTANT_TEXT];
	instant_format(draft->time, time);
	Buffer *headers = &runtime->scratch;
	buffer_clear(headers);
	header_add(headers, "ce_id", draft->id.size ? draft->id : id_slice(&derived));
	header_add(headers, "ce_type", draft->type);
	header_add(headers, "ce_time", slice_of(time));
	if (draft->subject.size)
		header_add(headers, "ce_subject", draft->subject);
	header_add(headers, "ce_cause", draft->cause.size ? draft->cause : from->id);
	buffer_append(headers, draft->headers);
	BusRecord record = { .key = draft->key.size ? draft->key : draft->subject, .headers = buffer_slice(headers),
			     .body = draft->body };
	return wire_append(runtime->outputs, runtime->options.bus, topic, runtime_partition_of(runtime, topic, slot), &record);
}

static Result derive_record(Runtime *runtime, const Record *record)
{
	runtime->deriving_from = record;
	runtime->emitted = 0;
	Result result = runtime->options.service->derive(&runtime->handler, record);
	runtime->deriving_from = NULL;
	return result;
}

Result outputs_derive_batch(Runtime *runtime, bool *done)
{
	*done = false;
	if (!runtime->options.service->derive) {
		*done = true;
		return result_ok();
	}
	if (atomic_load(&runtime->outputs->failed)) {
		/* Some may be lost: all of the batch again. Their ids are the same, so a repeat changes nothing. */
		wire_replace(&runtime->outputs);
		runtime->derive_next = 0;
	}
	for (; runtime->derive_next < runtime->drafted_count; runtime->derive_next++) {
		Record record = drafted_record(runtime, &runtime->drafted[runtime->derive_next]);
		if (!record_is_bookkeeping(&record))
			TRY(derive_record(runtime, &record));
	}
	*done = atomic_load(&runtime->outputs->pending) == 0 && !atomic_load(&runtime->outputs->failed);
	return result_ok();
}

typedef struct {
	Runtime *runtime;
	LedgerCursor cursor;
	Result result;
} AgainVisit;

static bool again_visit(void *context, const BusRecord *from)
{
	AgainVisit *visit = context;
	Runtime *runtime = visit->runtime;
	LedgerMark mark;
	Record record;
	if (from->offset >= runtime->cursor.next)
		return false;
	if (ledger_judge(&visit->cursor, from->headers, &mark) != LEDGER_ACCEPT)
		return true;
	if (!result_failed(record_read(runtime->options.service->ledger, runtime->options.partition, from, &record)) &&
	    !record_is_bookkeeping(&record))
		visit->result = derive_record(runtime, &record);
	return !result_failed(visit->result);
}

Result outputs_derive_again(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	wire_replace(&runtime->outputs);
	if (!options->service->derive)
		return result_ok();
	AgainVisit visit = { .runtime = runtime, .cursor = runtime->derive_from };
	int64_t first = options->bus->operations->first(options->bus, options->service->ledger, options->partition);
	if (visit.cursor.next < first)
		visit.cursor = ledger_begin(first); /* what was cut had its outputs out, though no record says so yet */
	int64_t at = visit.cursor.next;
	while (at < runtime->cursor.next && !result_failed(visit.result)) {
		BusPosition place = { options->service->ledger, options->partition, at };
		int64_t before = at;
		TRY(options->bus->operations->read(runtime->reader, place, FOLLOW_RECORDS, true, again_visit, &visit, &at));
		if (at == before && !result_failed(visit.result))
			return result_fail(ERROR_AGAIN, "%s/%u was read to %lld before, and nothing behind %lld comes now",
					   topics[place.topic].name, place.partition, (long long)runtime->cursor.next, (long long)at);
	}
	return visit.result;
}
