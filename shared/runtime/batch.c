#include "shared/runtime/batch.h"

#include <stdlib.h>

enum { ATTRIBUTES_MAX = 4096 }; /* most bytes of a record's id, type, subject, key and cause together: record_check allows fewer */

void batch_init(Batch *batch)
{
	*batch = (Batch){ 0 };
	buffer_init(&batch->bytes, BATCH_BYTES);
}

void batch_release(Batch *batch)
{
	buffer_release(&batch->bytes);
	free(batch->records);
}

void batch_clear(Batch *batch)
{
	buffer_clear(&batch->bytes);
	batch->count = batch->accepted = batch->derived = 0;
	batch->refused = false;
}

bool batch_has_room(const Batch *batch, size_t bytes)
{
	return batch->count < BATCH_RECORDS && batch->bytes.size + bytes + ATTRIBUTES_MAX <= BATCH_BYTES;
}

Record batch_keep(Batch *batch, const Record *record)
{
	if (batch->count == batch->room) {
		batch->room = batch->room ? batch->room * 2 : 64;
		batch->records = realloc(batch->records, batch->room * sizeof(*batch->records));
		must(batch->records);
	}
	batch->records[batch->count] =
		(BatchRecord){ .topic = record->topic, .partition = record->partition, .time = record->time,
			       .begin = batch->bytes.size, .id = record->id.size, .type = record->type.size,
			       .subject = record->subject.size, .key = record->key.size, .cause = record->cause.size,
			       .headers = record->headers.size, .body = record->body.size };
	const Slice parts[] = { record->id, record->type, record->subject, record->key, record->cause, record->headers,
				record->body };
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buffer_append(&batch->bytes, parts[i]);
	must(!batch->bytes.overflowed);
	return batch_record(batch, batch->count++);
}

Record batch_record(const Batch *batch, size_t number)
{
	const BatchRecord *kept = &batch->records[number];
	const char *at = batch->bytes.data + kept->begin;
	Record record = { .topic = kept->topic, .partition = kept->partition, .offset = -1, .time = kept->time };
	Slice *parts[] = { &record.id, &record.type, &record.subject, &record.key, &record.cause, &record.headers, &record.body };
	const size_t sizes[] = { kept->id, kept->type, kept->subject, kept->key, kept->cause, kept->headers, kept->body };
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		*parts[i] = (Slice){ at, sizes[i] };
		at += sizes[i];
	}
	return record;
}
