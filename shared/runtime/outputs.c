#include "shared/runtime/outputs.h"

#include "shared/domain/rows.h"
#include "shared/domain/types.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/runtime/record.h"

#include <inttypes.h>
#include <stdio.h>

enum { HEADERS_MAX = 1 << 20, READ_RECORDS = 1000, DEAD_LETTER_BYTES = 4096 };

void outputs_init(Outputs *outputs, Handler *handler, BusReader *reader, RuntimeFigures *figures)
{
	*outputs = (Outputs){ .handler = handler, .bus = reader->bus, .wire = wire_new(reader), .figures = figures };
	buffer_init(&outputs->headers, HEADERS_MAX);
}

void outputs_release(Outputs *outputs)
{
	wire_release(outputs->wire);
	buffer_release(&outputs->headers);
}

static unsigned partition_of(const Outputs *outputs, TopicId topic, unsigned slot)
{
	return topics[topic].slotted ? slot % outputs->handler->partitions : 0;
}

Result outputs_emit(Outputs *outputs, TopicId topic, unsigned slot, const Draft *draft)
{
	const Record *from = outputs->from;
	must(from);
	Id derived = id_derived(ID_OUTPUT, from->id, outputs->emitted++);
	char time[INSTANT_TEXT];
	instant_format(draft->time, time);
	Buffer *headers = &outputs->headers;
	buffer_clear(headers);
	header_add(headers, "ce_id", draft->id.size ? draft->id : id_slice(&derived));
	header_add(headers, "ce_type", draft->type);
	header_add(headers, "ce_time", slice_of(time));
	if (draft->subject.size)
		header_add(headers, "ce_subject", draft->subject);
	header_add(headers, "ce_cause", draft->cause.size ? draft->cause : from->id);
	buffer_append(headers, draft->headers);
	if (headers->overflowed)
		return result_fail(ERROR_INTERNAL, "the headers of an output are larger than %d bytes", HEADERS_MAX);
	BusRecord record = { .key = draft->key.size ? draft->key : draft->subject, .headers = buffer_slice(headers),
			     .body = draft->body };
	return wire_append(outputs->wire, outputs->bus, topic, partition_of(outputs, topic, slot), &record);
}

Result outputs_of(Outputs *outputs, Result (*function)(Handler *handler, const Record *record), const Record *record)
{
	outputs->from = record;
	outputs->emitted = 0;
	Result result = function(outputs->handler, record);
	outputs->from = NULL;
	return result;
}

/* ---- deriving again */

typedef struct {
	Outputs *outputs;
	LedgerCursor cursor;
	int64_t until;
	Result result;
} DeriveVisit;

static bool derive_visit(void *context, const BusRecord *from)
{
	DeriveVisit *visit = context;
	const Handler *handler = visit->outputs->handler;
	LedgerMark mark;
	Record record;
	if (from->offset >= visit->until)
		return false;
	if (ledger_judge(&visit->cursor, from->headers, &mark) != LEDGER_ACCEPT)
		return true;
	if (!result_failed(record_read(handler->service->ledger, handler->partition, from, &record)) &&
	    !record_is_bookkeeping(&record))
		visit->result = outputs_of(visit->outputs, handler->service->derive, &record);
	return !result_failed(visit->result);
}

Result outputs_derive_again(Outputs *outputs, BusReader *reader, const LedgerCursor *from, int64_t until)
{
	const Handler *handler = outputs->handler;
	const BusOperations *bus = reader->bus->operations;
	wire_replace(&outputs->wire);
	if (!handler->service->derive)
		return result_ok();
	DeriveVisit visit = { .outputs = outputs, .cursor = *from, .until = until };
	BusPosition position = { handler->service->ledger, handler->partition, from->next };
	int64_t first = bus->first(reader->bus, position.topic, position.partition);
	if (position.from < first) {
		visit.cursor = ledger_begin(first); /* outputs of trimmed records were acknowledged before the trim */
		position.from = first;
	}
	while (position.from < until && !result_failed(visit.result)) {
		int64_t next = position.from;
		TRY(bus->read(reader, position, READ_RECORDS, true, derive_visit, &visit, &next));
		if (next == position.from && !result_failed(visit.result))
			return result_fail(ERROR_AGAIN,
					   "%s/%u was read up to offset %" PRId64 " before, but no record arrives from offset %" PRId64
					   " on",
					   topics[position.topic].name, position.partition, until, next);
		position.from = next;
	}
	return visit.result;
}

/* ---- dead letters */

static const Field dead_letter_fields[] = {
	ROW_TEXT(DeadLetter, service, FIELD_REQUIRED, 0, "Service that read the record"),
	ROW_TEXT(DeadLetter, topic, FIELD_REQUIRED, 0, "Topic of the record"),
	ROW_INTEGER(DeadLetter, partition, FIELD_REQUIRED, 0, INT64_MAX, "Its partition"),
	ROW_INTEGER(DeadLetter, offset, FIELD_REQUIRED, 0, INT64_MAX, "Its offset"),
	ROW_TEXT(DeadLetter, reason, FIELD_REQUIRED, 0, "Fault of the record"),
};
const FieldTable dead_letter_table =
	FIELD_DOCUMENT("dead-letter", dead_letter_fields, DeadLetter, TABLE_RECORD, "Dead letter",
		       "Body of the records of tocsin.dead-letters: the place of a record that a service could not process, and the "
		       "reason. The record itself stays in its topic.");

Result outputs_dead_letter(Outputs *outputs, Wire *wire, BusPosition input, const char *reason)
{
	const char *service = outputs->handler->service->name, *topic = topics[input.topic].name;
	char name[128], time[INSTANT_TEXT];
	snprintf(name, sizeof(name), "%s/%u/%" PRId64, topic, input.partition, input.from);
	Id id = id_of_pair(ID_DEAD_LETTER, slice_of(service), slice_of(name));
	instant_format(outputs->handler->now, time);
	Buffer headers, body;
	buffer_init(&headers, DEAD_LETTER_BYTES);
	buffer_init(&body, DEAD_LETTER_BYTES);
	header_add(&headers, "ce_id", id_slice(&id));
	header_add(&headers, "ce_type", SLICE(TYPE_DEAD_LETTER));
	header_add(&headers, "ce_time", slice_of(time));
	buffer_format(&body, "{\"service\":\"%s\",\"topic\":\"%s\",\"partition\":%u,\"offset\":%" PRId64 ",\"reason\":\"", service,
		      topic, input.partition, input.from);
	buffer_json_escape(&body, slice_of(reason));
	buffer_text(&body, "\"}");
	BusRecord record = { .key = id_slice(&id), .headers = buffer_slice(&headers), .body = buffer_slice(&body) };
	Result result = wire_append(wire, outputs->bus, TOPIC_DEAD_LETTERS, 0, &record);
	if (!result_failed(result)) {
		handler_log(outputs->handler, LOG_WARN, "dead-letter", reason);
		outputs->figures->dead_letters++;
		metric_add(METRIC_DEAD_LETTERS, service, NULL, 1);
	}
	buffer_release(&headers);
	buffer_release(&body);
	return result;
}
