/* Records kept until a batch ends: an owner's drafts until they are accepted, a view's records until its service is notified. */
#ifndef TOCSIN_RUNTIME_BATCH_H
#define TOCSIN_RUNTIME_BATCH_H

#include "shared/runtime/handler.h"

enum {
	BATCH_RECORDS = 8192,
	BATCH_BYTES = 64 << 20,
	BATCH_OUTCOMES = 64,
};

/* A record's copy: its parts follow one another in Batch.bytes. */
typedef struct {
	TopicId topic;
	unsigned partition;
	Instant time;
	size_t begin, id, type, subject, key, cause, headers, body; /* begin: index in Batch.bytes; the others: size of each part */
} BatchRecord;

typedef struct {
	BatchRecord *records;
	size_t count, room;
	Buffer bytes;
	size_t accepted; /* drafts read back as accepted */
	size_t derived;  /* drafts whose outputs were handed to the bus */
	bool refused;    /* an input became a dead letter: the batch ends only when the dead letter is durable */
	/* Outcomes of messages, kept until the batch that decides them is committed: after doubt they are decided again. */
	OutboundOutcome outcomes[BATCH_OUTCOMES];
	size_t outcome_count;
} Batch;

void batch_init(Batch *batch);
void batch_release(Batch *batch);

/* Removes the records; keeps the outcomes and the allocated memory. */
void batch_clear(Batch *batch);

/* True while a record with this many bytes in its headers and body can be kept. */
bool batch_has_room(const Batch *batch, size_t bytes);

/* Copies the record; call only while batch_has_room. The result is borrowed until the next call; its offset is -1. */
Record batch_keep(Batch *batch, const Record *record);

/* The record with this number, from 0; borrowed until batch_keep or batch_clear. */
Record batch_record(const Batch *batch, size_t number);

#endif
