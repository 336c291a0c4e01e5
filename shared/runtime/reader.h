/*
 * The runtime of a service without a ledger: it reads its inputs, applies the ledger rule where they are ledgers, and hands each
 * record to `handle`. With a store (the gateway's view), positions are stored in the same transaction as the view. Without a
 * store (classification), positions are committed to the group after the outputs were acknowledged, and a restart reads the record
 * before each position to restore the ledger cursors.
 *
 * A reader has caught up when it has passed, in every partition, the end that the log had when the reader took its positions. It
 * does not wait until there is nothing left to read, which under steady load may never happen. Logs grow during a long rebuild, so
 * the reader then takes the ends again, until at most a batch is left or reading is not faster than writing.
 */
#ifndef TOCSIN_RUNTIME_READER_H
#define TOCSIN_RUNTIME_READER_H

#include "shared/runtime/batch.h"
#include "shared/runtime/inputs.h"
#include "shared/runtime/outputs.h"
#include "shared/runtime/runtime.h"

typedef struct {
	const RuntimeOptions *options;
	Handler *handler;
	Inputs *inputs;
	Outputs *outputs;
	RuntimeFigures *figures;

	bool paused, assigned;
	bool caught_up;
	bool positioned;     /* its inputs are at the positions of its view or, without a store, of its group */
	bool awaiting;       /* a batch was read; its outputs (of a view: its dead letters) are not all acknowledged yet */
	bool in_transaction; /* of the store */
	int64_t behind;      /* records left up to the ends to be reached (InputPartition.target), when these were taken */
	Batch batch;         /* accepted records that the service is notified of after the commit */
	InputPartition inputs_before[INPUT_PARTITIONS]; /* copy from before a view's batch; restored if the batch fails */
} Reader;

/* Prepares the state file. The caller has set the first five members, borrowed until reader_release, and zeroed the others. */
Result reader_init(Reader *reader);
void reader_release(Reader *reader);

Result reader_step(Reader *reader, bool *progressed);

/* Positions to wait at; returns their number. */
size_t reader_positions(const Reader *reader, BusPosition *out);

bool reader_is_ready(const Reader *reader);

#endif
