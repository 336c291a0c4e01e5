/*
 * The runtime runs one partition of one service, step by step. It never waits, reads no clock and draws no random number. So the
 * same code is stepped by threads in the programs and by a seeded loop in the simulation.
 *
 * A service with a ledger (owner.h):
 *
 *     FOLLOWING ──at the ledger's end──▶ CLAIMING ──own claim read back──▶ OPENING ──inputs observed──▶ OWNING ⇄ ACCEPTING
 *         ▲                                 │ another claim came first    │ superseded, or in doubt      │
 *         └─────────────────────────────────┴─────────────────────────────┴──────────────────────────────┘
 *
 * A service without a ledger (reader.h) reads its inputs, applies the ledger rule to inputs that are ledgers, and passes each
 * record to `handle`: the gateway folds them into its view, classification emits assessments.
 *
 * Invariants (asserted here, checked from outside by the simulation):
 *   1. An owner appends no entry before it has read its own claim back.
 *   2. State is committed only when every record folded into it was read back as accepted.
 *   3. Nothing derived is published before its record was accepted.
 *   4. From one accepted record to the next, no input position decreases.
 *   5. A ledger's offsets are consecutive, and ce_prev of an opening record names the last record accepted before its claim.
 */
#ifndef TOCSIN_RUNTIME_RUNTIME_H
#define TOCSIN_RUNTIME_RUNTIME_H

#include "shared/domain/ledger.h"
#include "shared/io/bus.h"
#include "shared/io/timers.h"
#include "shared/runtime/handler.h"

typedef struct Runtime Runtime;

/* All pointers are borrowed until runtime_free. */
typedef struct {
	const Service *service;
	unsigned partition;
	Bus *bus;
	Timers *timers;    /* NULL: the service arms no timers */
	Outbound *outbound; /* NULL: the service sends nothing */
	Store *store;      /* opened with runtime_store_options; may hold earlier state. NULL: the service keeps no state */
	uint64_t owner_id; /* random, drawn when the process starts */
	void *environment;
	bool standby;          /* follow the ledger while another replica owns it: a take-over then needs a claim, but no replay */
	int64_t trim_after_ms; /* age at which ledger records are trimmed; 0: retention_ms of the ledger's topic. Tests set it */
} RuntimeOptions;

/* Options to open the service's state file, with the service's tables; runtime_new adds those of the runtime. path is borrowed. */
StoreOptions runtime_store_options(const Service *service, const char *path);

/* Opens readers on the bus and prepares the state file. On failure *out is untouched. */
Result runtime_new(const RuntimeOptions *options, Runtime **out);

/* Closes readers and frees; accepts NULL. Appends that were not read back stay in doubt: they may or may not be in the log. */
void runtime_free(Runtime *runtime);

/*
 * Makes at most one step: reads records that have arrived, decides one batch, or reads it back. *progressed: call again at once.
 * ERROR_AGAIN: an outside system fails; call again later. ERROR_INTERNAL: a ledger has lost accepted records, or the program has a
 * defect; stop the program.
 */
Result runtime_step(Runtime *runtime, Instant now, bool *progressed);

/*
 * After a step without progress: step again when a record arrives at one of these positions, or at *wake_at (INSTANT_NONE: there is
 * no such time). Returns the number of positions.
 */
enum { RUNTIME_POSITIONS_MAX = 1 + 1 + 1 + SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX };
size_t runtime_positions(Runtime *runtime, BusPosition out[static RUNTIME_POSITIONS_MAX], Instant *wake_at);

/* The runtime's bus reader, to wait with at the positions of runtime_positions; borrowed. */
BusReader *runtime_reader(Runtime *runtime);

/* Always PHASE_FOLLOWING if the service has no ledger. */
typedef enum { PHASE_FOLLOWING, PHASE_CLAIMING, PHASE_OPENING, PHASE_OWNING, PHASE_ACCEPTING } RuntimePhase;
RuntimePhase runtime_phase(const Runtime *runtime);

/*
 * The answer of /readyz. A service with a ledger is ready when it owns the partition, or when the partition is not assigned to it
 * and it has read the ledger to its end (without `standby`: at once). A service without a ledger is ready when it has caught up;
 * without a store, also when the partition is not assigned to it. A service that needs a policy is not ready before it has read a
 * valid one.
 */
bool runtime_is_ready(const Runtime *runtime);

/* True between batches: no append waits to be read back, and no output waits to be acknowledged. */
bool runtime_is_idle(const Runtime *runtime);

/*
 * paused true, before the process stops: the runtime finishes the batch under way, then decides no further batch and appends no
 * claim. false: it continues.
 */
void runtime_pause(Runtime *runtime, bool paused);

/*
 * assigned true, as at creation: the group assigns the partition to this instance. With a ledger, the assignment decides only which
 * instance claims: an owner that loses the assignment works on until its successor's claim is accepted (docs/design/ownership.md,
 * "Steps of an owner", 9), so the partition always has an owner. A service with neither ledger nor store (classification) reads
 * only while assigned, and resumes at its group's positions. A view (store, no ledger) ignores the assignment.
 */
void runtime_assign(Runtime *runtime, bool assigned);

/* The handler that is passed to the service's functions; borrowed. */
Handler *runtime_handler(Runtime *runtime);

/* Counts since creation. */
typedef struct {
	uint64_t inputs, records, claims;
	uint64_t superseded; /* claims and epochs lost to another owner's claim */
	uint64_t dropped; /* ledger records that the rule dropped */
	uint64_t doubts, dead_letters;
} RuntimeFigures;
RuntimeFigures runtime_figures(const Runtime *runtime);

#endif
