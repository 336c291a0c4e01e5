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
	bool caught_up;      /* was at the ledger's end once */
	bool in_transaction; /* of the store */
	bool deriving;       /* outputs of accepted records are awaited */
	Instant claim_after; /* no claim before; INSTANT_NONE: at once */

	/* the ledger */
	LedgerCursor cursor;      /* where it is read; next -1: state must be loaded */
	LedgerCursor derive_from; /* outputs of records from here on may not be durable */
	int64_t derived;          /* ce_derived: outputs of records before this offset are durable */
	uint64_t epoch;           /* the one last claimed */
	Wire *wire;               /* appends of this epoch */

	/* the batch under way */
	Batch batch;
	TimerSet timers;
	Projection projection;
	const Record *input; /* being decided; NULL: a timer, an outcome, settle */
	unsigned input_drafts;
	Instant began_at; /* when an append began that must be read back, or the last step without one */
	Buffer headers;

	/* what is due without an input */
	Instant settle_at; /* INSTANT_NONE: not requested */
	Instant last_record_at, group_committed_at, trim_at;
	uint64_t inputs_since_record;
} Owner;

/* Prepares the state file. *owner holds the first six members, which are borrowed until owner_release, and is zeroed otherwise. */
Result owner_init(Owner *owner);
void owner_release(Owner *owner);

Result owner_step(Owner *owner, bool *progressed);

/* Positions to wait at, and when to step again without a record (INSTANT_NONE: never); returns their number. */
size_t owner_positions(const Owner *owner, BusPosition *out, Instant *wake_at);

bool owner_is_ready(const Owner *owner);
bool owner_is_at_rest(const Owner *owner);

/* Adds a record to the batch: applies it and appends it to the ledger (handler_draft). */
Result owner_draft(Owner *owner, const Draft *draft);

/* The batch waits until the dead letter is durable. ERROR_AGAIN: it cannot be appended. */
Result owner_dead_letter(Owner *owner, BusPosition input, const char *reason);

#endif
