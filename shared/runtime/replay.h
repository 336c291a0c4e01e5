/*
 * Replays one partition of a ledger by the rule (ledger.h) and checks invariants 1, 2 and 6 of docs/design/ownership.md,
 * "Invariants":
 *
 *   1. Each accepted record was decided on exactly the accepted records before it: offsets have no gap, ce_prev of an opening
 *      record matches the last accepted record before its claim, versions of an incident run 1, 2, 3 … in the journal.
 *   2. An input has at most one accepted effect: no ce_id is accepted twice.
 *   6. Positions of inputs never go back along accepted records.
 *
 * Pure: records in, findings out. Memory grows with the ledger: 21 to 43 bytes for each accepted record and each incident.
 */
#ifndef TOCSIN_RUNTIME_REPLAY_H
#define TOCSIN_RUNTIME_REPLAY_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"
#include "shared/domain/ledger.h"

typedef struct Replay Replay;

/* A broken invariant in one sentence, and the offset of the record that breaks it; text is borrowed for the call. */
typedef void (*ReplayFinding)(void *context, int64_t offset, const char *text);

typedef struct {
	uint64_t records, accepted; /* accepted: without claims */
	uint64_t claims, takeovers; /* takeovers: claims, except the first, that changed the owner */
	uint64_t dropped;           /* by the rule, which is no error: late, repeated, of a former owner, of an unknown writer */
	uint64_t unknown_writers;         /* the part of `dropped` from unknown writers: other programs may write to the topic */
	uint64_t holes, findings;
} ReplayFigures;

/* Never returns NULL. context is passed to `finding`. */
Replay *replay_new(TopicId ledger, unsigned partition, ReplayFinding finding, void *context);
void replay_free(Replay *replay); /* accepts NULL */

/* Called with each accepted record except claims, in order. */
typedef void (*ReplayAccepted)(void *context, const BusRecord *record);
void replay_on_accepted(Replay *replay, ReplayAccepted accepted, void *context);

/* Takes the next record. Call it in the order of offsets, from the oldest record kept. Only records of the journal need bodies. */
void replay_take(Replay *replay, const BusRecord *record);

ReplayFigures replay_figures(const Replay *replay);

/* Positions of the last accepted record that states any; borrowed. */
const LedgerPositions *replay_positions(const Replay *replay);

#endif
