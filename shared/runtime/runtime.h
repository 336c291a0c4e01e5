/*
 * The runtime: one partition of one service as a machine that is stepped. It never waits, reads no clock and draws no
 * random number, so that threads drive it in programs and a seeded loop drives it in the simulation, with the same code.
 *
 * A service with a ledger (owner.c):
 *
 *     FOLLOWING ──at the ledger's end──▶ CLAIMING ──own claim read back──▶ OPENING ──read back──▶ OWNING ⇄ ACCEPTING
 *         ▲                                 │ another's came first             │ deposed, or in doubt      │
 *         └─────────────────────────────────┴──────────────────────────────────┴───────────────────────────┘
 *
 * A service without (reader.c) reads its inputs, applies the ledger rule where they are ledgers, and hands each record to
 * `handle`: the gateway folds them into its view, classification emits assessments. Its positions are stored in the same
 * transaction as the view, or, without a store, committed to its group after its outputs are acknowledged.
 *
 * Invariants (checked by assertions here, by the simulation from outside):
 *   1. No entry is appended before the own claim was read back.
 *   2. State is committed only when every record it came of was read back as accepted.
 *   3. Nothing derived is published before its record was accepted.
 *   4. Input positions never go back along accepted records.
 *   5. A ledger's offsets are consecutive, and ce_prev of an opening record fits what stands before its claim.
 */
#ifndef TOCSIN_RUNTIME_RUNTIME_H
#define TOCSIN_RUNTIME_RUNTIME_H

#include "shared/io/bus.h"
#include "shared/io/timers.h"
#include "shared/runtime/handler.h"
#include "shared/domain/ledger.h"

typedef struct Runtime Runtime;

typedef struct {
	const Service *service;
	unsigned partition;
	Bus *bus;
	Timers *timers;    /* NULL: the service arms none */
	Outbound *outside;  /* NULL: the service sends nothing */
	Store *store;      /* opened with runtime_store_options; NULL: no state. Not owned: it may outlive a crash */
	uint64_t owner_id; /* random, drawn at the process's start */
	void *environment;
	bool standby;          /* follow the ledger while another owns it, so that a takeover costs one claim */
	int64_t trim_after_ms; /* 0: as the ledger's topic says; tests shorten it */
} RuntimeOptions;

/* Schema of a state file: the runtime's tables and the service's. path is borrowed. */
StoreOptions runtime_store_options(const Service *service, const char *path);

Result runtime_new(const RuntimeOptions *options, Runtime **out);

/* Closes readers and frees; what was appended and not read back stays in doubt, like after a crash. */
void runtime_free(Runtime *runtime);

/*
 * One step at most: reads what has arrived, decides one batch, or reads back. *progressed: call again at once.
 * ERROR_AGAIN: the surroundings fail, try later. ERROR_INTERNAL: stop (a ledger that lost accepted records, a defect).
 */
Result runtime_step(Runtime *runtime, Instant now, bool *progressed);

/* What to wait for when a step made no progress: bus places, and a time (INSTANT_NONE: none). */
enum { RUNTIME_POSITIONS_MAX = 1 + 1 + 1 + SERVICE_INPUTS_MAX * BUS_PARTITIONS_MAX };
size_t runtime_positions(Runtime *runtime, BusPosition out[static RUNTIME_POSITIONS_MAX], Instant *wake_at);
BusReader *runtime_reader(Runtime *runtime);

typedef enum { PHASE_FOLLOWING, PHASE_CLAIMING, PHASE_OPENING, PHASE_OWNING, PHASE_ACCEPTING } RuntimePhase;
RuntimePhase runtime_phase(const Runtime *runtime);

/* True when it has read everything there was at its start and takes input: what /readyz asks. */
bool runtime_ready(const Runtime *runtime);

/* True between batches: nothing appended is waiting to be read back, nothing derived to be acknowledged. */
bool runtime_at_rest(const Runtime *runtime);

/* The process is about to stop: decide no further batch (finish the one under way), claim nothing. false goes on. */
void runtime_pause(Runtime *runtime, bool paused);

/*
 * Whether the group wants this instance to own the partition; true at birth. It decides who claims, no more: an owner that is
 * not wanted any longer works on until its successor's claim deposes it (docs/design/ownership.md, "Steps of an owner", 9),
 * so there is no gap. A service without ledger and store takes no input while it is not wanted, and begins at its group's
 * positions when it is again. One with a store is a view of all there is and does not ask.
 */
void runtime_assign(Runtime *runtime, bool assigned);

Handler *runtime_handler(Runtime *runtime);

typedef struct {
	uint64_t inputs, records, claims, deposed, dropped, doubts, dead_letters;
} RuntimeFigures;
RuntimeFigures runtime_figures(const Runtime *runtime);

#endif
