/*
 * The runtime of a service with a ledger: follow, claim, open, own, accept (docs/design/ownership.md, "Steps of an owner"; the
 * phases are drawn in runtime.h).
 */
#ifndef TOCSIN_RUNTIME_OWNER_H
#define TOCSIN_RUNTIME_OWNER_H

#include "shared/runtime/batch.h"
#include "shared/runtime/inputs.h"
#include "shared/runtime/outputs.h"
#include "shared/runtime/projection.h"
#include "shared/runtime/runtime.h"
#include "shared/runtime/timer_set.h"
#include "shared/runtime/wire.h"

typedef struct {
	const RuntimeOptions *options;
	Handler *handler;
	BusReader *reader;
	Inputs *inputs;
	Outputs *outputs;
	RuntimeFigures *figures;
	char name[64]; /* "notification/0": names its timers and is part of derived ids */

	RuntimePhase phase;
	bool paused, assigned;
	bool caught_up;      /* has read the ledger to its end once */
	bool in_transaction; /* of the store */
	bool deriving;       /* outputs of accepted records are not all acknowledged yet */
	Instant claim_after; /* no claim before this time; INSTANT_NONE: no limit */

	/* the ledger */
	LedgerCursor cursor;      /* the ledger is read from here; next -1: state must be loaded first */
	LedgerCursor derive_from; /* outputs of records from here on may not be durable */
	int64_t derived;          /* ce_derived: outputs of records before this offset are durable */
	uint64_t epoch;           /* epoch of this owner's last claim */
	Wire *wire;               /* counts the appends of this epoch */

	/* the batch under way */
	Batch batch;
	TimerSet timers;
	Projection projection;
	const Record *input; /* the input being decided; NULL: none, or a timer, an outcome or settle is being decided */
	unsigned input_drafts;
	Instant began_at; /* when the append began that must be read back; without such an append, the time of the last step */
	Buffer headers;

	/* work that is due without an input */
	Instant settle_at; /* next call of Service.settle without inputs; INSTANT_NONE: none */
	Instant last_record_at, group_committed_at, trim_at;
	uint64_t inputs_since_record;
} Owner;

/* Prepares the state file. The caller has set the first six members, borrowed until owner_release, and zeroed the others. */
Result owner_init(Owner *owner);
void owner_release(Owner *owner);

Result owner_step(Owner *owner, bool *progressed);

/* Positions to wait at, and when to step again without a record (INSTANT_NONE: never); returns their number. */
size_t owner_positions(const Owner *owner, BusPosition *out, Instant *wake_at);

bool owner_is_ready(const Owner *owner);
bool owner_is_at_rest(const Owner *owner);

/* Adds a record to the batch: applies it and appends it to the ledger (handler_draft). */
Result owner_draft(Owner *owner, const Draft *draft);

/* Appends a dead letter for the input. The batch is committed only once it is durable. ERROR_AGAIN: it cannot be appended now. */
Result owner_dead_letter(Owner *owner, BusPosition input, const char *reason);

#endif
