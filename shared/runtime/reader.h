/*
 * The runtime of a service without a ledger: it reads its inputs, applies the ledger rule where they are ledgers, and hands each
 * record to `handle`. With a store (the gateway's view) its positions are in the same transaction as the view. Without one
 * (classification) they are committed to its group after its outputs were acknowledged, and it starts one record earlier to
 * restore its cursors.
 *
 * It has caught up when every partition has passed the end that its log had when the reader took its positions: under steady load
 * there may never be a moment with nothing to read. Logs grow during a long rebuild, so the ends are then taken again, until at
 * most a batch is left or reading no longer gains on writing.
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
	bool awaiting;       /* a batch is read: its outputs, or a view's dead letters, are awaited */
	bool in_transaction; /* of the store */
	int64_t behind;      /* records left to read up to the ends to be reached, when those were last taken */
	Batch batch;         /* accepted records that the service is notified of after the commit */
	InputPartition inputs_before[INPUT_PARTITIONS]; /* before a view's batch; restored if the batch fails */
} Reader;

/* Prepares the state file. *reader holds the first five members, which are borrowed until reader_release, and is zeroed otherwise. */
Result reader_init(Reader *reader);
void reader_release(Reader *reader);

Result reader_step(Reader *reader, bool *progressed);

/* Positions to wait at; returns their number. */
size_t reader_positions(const Reader *reader, BusPosition *out);

bool reader_is_ready(const Reader *reader);

#endif
