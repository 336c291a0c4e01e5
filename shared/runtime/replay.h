/*
 * Replays one partition of a ledger by the rule (ledger.h) and checks what ownership promises of it:
 *
 *   1. every accepted record was decided on exactly the accepted records before it: offsets without a hole, ce_prev of an
 *      opening record fits what stands before its claim, versions of an incident run 1, 2, 3 … in the journal
 *   2. an input has at most one accepted effect: no ce_id is accepted twice
 *   6. positions of inputs never go back along accepted records
 *
 * Pure: records in, findings out. Its memory grows with the ledger: 16 bytes an accepted record and as much an incident.
 */
#ifndef TOCSIN_RUNTIME_REPLAY_H
#define TOCSIN_RUNTIME_REPLAY_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"
#include "shared/domain/ledger.h"

typedef struct Replay Replay;

/* Something a promise does not allow, in one plain sentence, and where. */
typedef void (*ReplayFinding)(void *context, int64_t offset, const char *text);

typedef struct {
	uint64_t records, accepted; /* accepted: claims not counted */
	uint64_t claims, takeovers; /* takeovers: claims after which another owner writes than before */
	uint64_t dropped;           /* by the rule: of a deposed owner, late, doubled, or a stranger's; no mistake */
	uint64_t strangers;         /* of those: no owner wrote them, so somebody else may write to the topic */
	uint64_t holes, findings;
} ReplayFigures;

Replay *replay_new(TopicId ledger, unsigned partition, ReplayFinding finding, void *context);
void replay_free(Replay *replay);

/* Called with every record that is accepted, claims not counted, in their order. */
typedef void (*ReplayAccepted)(void *context, const BusRecord *record);
void replay_on_accepted(Replay *replay, ReplayAccepted accepted, void *context);

/* The records in the order they stand, from the first one kept. Bodies are needed of the journal only. */
void replay_take(Replay *replay, const BusRecord *record);

ReplayFigures replay_figures(const Replay *replay);

/* Of the last accepted record that carried any. */
const LedgerPositions *replay_positions(const Replay *replay);

#endif
