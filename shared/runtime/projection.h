/*
 * An owner's table: the document of each key of state, for outside readers without the ledger rule (docs/design/ownership.md,
 * "Derived outputs"). No service decides from it.
 *
 * It is level-triggered. A key is dirty until a record with the version of state was read back from the table, and dirty keys are
 * written again. So the table becomes right after any disturbance: a write by a former owner, a lost append, compaction that kept
 * the wrong record, a topic that was created again. Failures only delay it; attempts back off to a minute, because one may hold the
 * owner up for the seconds that a read takes.
 *
 * State holds the dirty keys (runtime_stale) and the offset read so far. A rebuilt state starts with every key dirty and reads the
 * table from the start.
 */
#ifndef TOCSIN_RUNTIME_PROJECTION_H
#define TOCSIN_RUNTIME_PROJECTION_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"
#include "shared/runtime/wire.h"

typedef struct {
	Handler *handler;
	BusReader *reader;
	const ServiceProjection *declared; /* NULL: the service has none, or the bus has no outside readers */
	Wire *wire;
	int64_t next; /* the table was read up to here */
	bool dirty;   /* state may hold dirty keys */
	Instant write_at, retry_at; /* no write, no attempt before */
	int64_t pause_ms;           /* after the next failure */
	Buffer headers, document;
} Projection;

void projection_init(Projection *projection, Handler *handler, BusReader *reader);
void projection_release(Projection *projection);

/* State was loaded. */
Result projection_load(Projection *projection);

/* A term begins. */
void projection_begin(Projection *projection);

/* The record is being applied: its subject is dirty. */
Result projection_touch(Projection *projection, const Record *record);

/* Outside a transaction: reads the table or writes at most 500 dirty keys. Failures are logged and tried again. */
void projection_step(Projection *projection, bool *progressed);

/* The position to wait at; returns the number of positions, 0 or 1. */
size_t projection_position(const Projection *projection, BusPosition *out);

/* INSTANT_NONE: nothing is dirty, or appends are under way, which are awaited at the position. */
Instant projection_wake_at(const Projection *projection);

#endif
