/*
 * The runtime: one partition of one service as a machine that is stepped. It never waits, reads no clock and draws no random
 * number: threads drive it in programs, a seeded loop in the simulation, with the same code.
 *
 * A service with a ledger (owner.h):
 *
 *     FOLLOWING ──at the ledger's end──▶ CLAIMING ──own claim read back──▶ OPENING ──inputs observed──▶ OWNING ⇄ ACCEPTING
 *         ▲                                 │ another claim came first    │ superseded, or in doubt      │
 *         └─────────────────────────────────┴─────────────────────────────┴──────────────────────────────┘
 *
 * A service without one (reader.h) reads its inputs, applies the ledger rule where they are ledgers, and hands each record to
 * `handle`: the gateway folds them into its view, classification emits assessments.
 *
 * Invariants (asserted here, checked from outside by the simulation):
 *   1. No entry is appended before the own claim was read back.
 *   2. State is committed only when every record folded into it was read back as accepted.
 *   3. Nothing derived is published before its record was accepted.
 *   4. Input positions never go back along accepted records.
 *   5. A ledger's offsets are consecutive, and ce_prev of an opening record matches the last accepted record before its claim.
 */
#ifndef TOCSIN_RUNTIME_RUNTIME_H
#define TOCSIN_RUNTIME_RUNTIME_H

#include "shared/domain/ledger.h"
#include "shared/io/bus.h"
#include "shared/io/timers.h"
#include "shared/runtime/handler.h"

typedef struct Runtime Runtime;

/* Everything is borrowed until runtime_free. */
typedef struct {
	const Service *service;
	unsigned partition;
	Bus *bus;
	Timers *timers;    /* NULL: the service arms none */
	Outbound *outbound; /* NULL: the service sends nothing */
	Store *store;      /* opened with runtime_store_options; NULL: the service keeps no state. It may outlive a crash */
	uint64_t owner_id; /* random, drawn when the process starts */
	void *environment;
	bool standby;          /* follow the ledger while another replica owns it, so that a take-over costs one claim */
	int64_t trim_after_ms; /* 0: the retention_ms of the ledger's topic; tests shorten it */
} RuntimeOptions;

/* The schema of a state file: the service's tables. The runtime adds its own when it is created. path is borrowed. */
StoreOptions runtime_store_options(const Service *service, const char *path);

/* Opens readers on the bus and prepares the state file. On failure *out is untouched. */
Result runtime_new(const RuntimeOptions *options, Runtime **out);

/* Closes readers and frees; accepts NULL. Appends that were not read back stay in doubt, as after a crash. */
void runtime_free(Runtime *runtime);

/*
 * At most one step: reads records that have arrived, decides one batch, or reads it back. *progressed: call again at once.
 * ERROR_AGAIN: an outside system fails, call again later. ERROR_INTERNAL: stop the program (a ledger that lost accepted records, a
 * defect).
 */
Result runtime_step(Runtime *runtime, Instant now, bool *progressed);

/* After a step without progress: waits end with a record at one of these positions, or at *wake_at (INSTANT_NONE: never). */
enum { RUNTIME_POSITIONS_MAX = 1 + 1 + 1 + SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX };
size_t runtime_positions(Runtime *runtime, BusPosition out[static RUNTIME_POSITIONS_MAX], Instant *wake_at);

/* The reader that the runtime reads with, to wait on; borrowed. */
BusReader *runtime_reader(Runtime *runtime);

/* Always PHASE_FOLLOWING where the service has no ledger. */
typedef enum { PHASE_FOLLOWING, PHASE_CLAIMING, PHASE_OPENING, PHASE_OWNING, PHASE_ACCEPTING } RuntimePhase;
RuntimePhase runtime_phase(const Runtime *runtime);

/* True when it takes input, or stands by and has read what there was at its start: the answer of /readyz. */
bool runtime_is_ready(const Runtime *runtime);

/* True between batches: no append is waiting to be read back, no output to be acknowledged. */
bool runtime_is_idle(const Runtime *runtime);

/* true: finishes the batch under way, then decides no other and claims nothing (the process is about to stop). false: continues. */
void runtime_pause(Runtime *runtime, bool paused);

/*
 * true, as at creation: the group assigns the partition to this instance. The assignment decides only who claims: an owner that
 * loses it works on until its successor's claim is accepted (docs/design/ownership.md, "Steps of an owner", 9), so there is no gap.
 * A service without ledger and store (classification) reads only while assigned, and resumes at its group's positions. A view
 * reads everything in any case.
 */
void runtime_assign(Runtime *runtime, bool assigned);

/* The handler that the service's functions get; borrowed. */
Handler *runtime_handler(Runtime *runtime);

/* Counts since creation. */
typedef struct {
	uint64_t inputs, records, claims;
	uint64_t superseded; /* epochs lost to another owner's claim */
	uint64_t dropped; /* ledger records that the rule dropped */
	uint64_t doubts, dead_letters;
} RuntimeFigures;
RuntimeFigures runtime_figures(const Runtime *runtime);

#endif
