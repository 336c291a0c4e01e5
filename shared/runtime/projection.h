/*
 * An owner's table: the document of each key of state, for outside readers without the ledger rule (docs/design/ownership.md,
 * "Derived outputs"). No service decides from it.
 *
 * The table is level-triggered: a key stays dirty until a record with the version that state has was read back from the table, and
 * dirty keys are written again. So the table becomes correct after any disturbance: a write by a former owner, a lost append,
 * compaction that kept the wrong record, a topic that was created again. Failures only delay the table. Failed attempts back off to
 * one a minute, because an attempt may block the owner for a few seconds (BusOperations.read).
 *
 * State holds the dirty keys (in runtime_stale) and the offset up to which the table was read. A rebuilt state starts with every
 * key dirty and reads the table from the start.
 */
#ifndef TOCSIN_RUNTIME_PROJECTION_H
#define TOCSIN_RUNTIME_PROJECTION_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"
#include "shared/runtime/wire.h"

typedef struct {
	Handler *handler;
	BusReader *reader;
	const ServiceProjection *declared; /* NULL: the service has no table, or the bus has no outside readers */
	Wire *wire;
	int64_t next; /* offset up to which the table was read */
	bool dirty;   /* state may hold dirty keys */
	Instant write_at, retry_at; /* no write before write_at; after a failure, no read or write before retry_at */
	int64_t pause_ms;           /* pause after the next failure */
	Buffer headers, document;
} Projection;

void projection_init(Projection *projection, Handler *handler, BusReader *reader);
void projection_release(Projection *projection);

/* Call after state was loaded: loads the offset of the table. */
Result projection_load(Projection *projection);

/* Call when a term of this owner begins. */
void projection_begin(Projection *projection);

/* Call while the record is applied: marks its subject as a dirty key. */
Result projection_touch(Projection *projection, const Record *record);

/* Outside a transaction: reads the table or writes at most 500 dirty keys. Failures are logged, and later steps try again. */
void projection_step(Projection *projection, bool *progressed);

/* The position to wait at; returns the number of positions, 0 or 1. */
size_t projection_position(const Projection *projection, BusPosition *out);

/* When the next write is due. INSTANT_NONE: no key is dirty, or appends are under way (wait at projection_position). */
Instant projection_wake_at(const Projection *projection);

#endif
