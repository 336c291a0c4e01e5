/*
 * A bus in memory, for simulations. It uses one thread, no clock, and random numbers only from a seed. So the same calls always
 * have the same results.
 *
 * Here "on the wire" means: appended, but not yet processed by the bus. bus_append puts a record on the wire, at the end of the
 * queue of the appender's stream. The record stays there until the driver (the code that runs the simulation) steps the stream. The
 * WireMode of the step decides if the record arrives in the log, and what `done` reports. The driver chooses in which order streams
 * are stepped. Within one stream, the first copies of records arrive in the order of the appends (invariant 2 of shared/io/bus.h).
 *
 * Invariants:
 *   1. `done` of an append is called exactly once: in a step of its stream, never in bus_append. If the stream is dropped before
 *      that step, `done` is called as failed, so that its context can be freed. Closing the bus calls no `done`.
 *   2. Records that have arrived are not removed, except by trimming. Their offsets are consecutive.
 *   3. The handle that memory_bus_new returns is the driver's and knows all records. A handle from memory_bus_handle knows only
 *      what a process on Kafka would: where the logs began and ended when it was opened, and the records that it has read, waited
 *      for or appended since. The first read at a position only starts fetching. A read at the known end of a log delivers a random
 *      number of the records that exist there, possibly none; a first read there delivers none. If the seed is 0, both deliver all
 *      records. A read before the known end delivers at least one record. After `wait`, every given position at which a record
 *      exists is before the known end.
 *   4. memory_bus_reset empties the bus, keeps its memory and trim guard, and leaves open readers of the driver's handle usable.
 *
 * `wait` returns at once, because in one thread nobody else can append meanwhile. A `wake` is remembered until memory_bus_take_wake
 * or `wait`.
 */
#ifndef TOCSIN_TESTS_MEMORY_BUS_H
#define TOCSIN_TESTS_MEMORY_BUS_H

#include "shared/io/bus.h"

typedef enum {
	WIRE_DELIVER,          /* arrives; done(ok) */
	WIRE_DELIVER_LATE_ACK, /* arrives; done follows in the stream's next step: done(failed) if that is WIRE_LOSE */
	WIRE_LOSE,             /* done(failed), never arrives */
	WIRE_FAIL_BUT_ARRIVE,  /* done(failed); arrives in the stream's next step, whatever its mode */
	WIRE_DOUBLE,           /* arrives; done(ok); a second copy is queued in the stream MEMORY_BUS_STRAGGLERS */
	WIRE_MODES,
} WireMode;

enum {
	MEMORY_BUS_STREAMS_MAX = 128,
	MEMORY_BUS_STRAGGLERS = MEMORY_BUS_STREAMS_MAX - 1, /* the stream of second copies; not for appends */
	MEMORY_BUS_WIRE_MAX = 65536,                        /* appends on the wire in all streams; beyond: ERROR_AGAIN */
	MEMORY_BUS_LOG_MAX = 1 << 22,                       /* records of one partition; beyond: an assertion fails */
	MEMORY_BUS_POSITIONS_MAX = 4096,
};

/* Never NULL; freed by bus->operations->close. topics ≤ BUS_TOPICS_MAX, partitions ≤ BUS_PARTITIONS_MAX. */
Bus *memory_bus_new(unsigned topics, unsigned partitions);

/*
 * A handle on the same logs, as another process would have. Close the handle with its operation `close`, after the streams of its
 * appends were dropped and before the bus is closed.
 */
Bus *memory_bus_handle(Bus *bus);

/* Sets the seed that determines how many records have arrived at a handle. 0, the initial value: all records arrive at once. */
void memory_bus_set_chance(Bus *bus, uint64_t seed);

/* How often a `wait` raised the known end of a log, because the log had records beyond it. */
uint64_t memory_bus_learnt(const Bus *bus);

/*
 * Restores the state of a new bus: no records, no appends on the wire, no positions, stream 0, seed 0, the initial bound of the
 * wire. The trim guard and the setting of memory_bus_set_away are kept. Other handles must be closed before. Frees no memory.
 */
void memory_bus_reset(Bus *bus);

/* Appends from now on, through any handle, belong to this stream (< MEMORY_BUS_STRAGGLERS). */
void memory_bus_set_stream(Bus *bus, unsigned stream);

/* Sets the largest number of appends on the wire, at most MEMORY_BUS_WIRE_MAX. Beyond it, bus_append answers ERROR_AGAIN. */
void memory_bus_set_wire_max(Bus *bus, size_t wire_max);

/*
 * While the bus is away (unreachable), appends, reads and trims answer ERROR_AGAIN and committed positions are unknown. Commits are
 * accepted and visible later. Handles keep the bounds that they know. The driver may step streams or not.
 */
void memory_bus_set_away(Bus *bus, bool away);

/* Appends on the wire in all streams, including those that arrived and are not reported yet. */
size_t memory_bus_pending(const Bus *bus);
size_t memory_bus_stream_pending(const Bus *bus, unsigned stream);

/*
 * Steps the oldest append of one stream. The streams that have an append on the wire are numbered from 0 in order of their ids; the
 * one with the number `choice` modulo their count is stepped. False when no append is on the wire.
 */
bool memory_bus_step(Bus *bus, uint32_t choice, WireMode mode);

/* The stream that memory_bus_step would step for this choice; false when no append is on the wire. */
bool memory_bus_choose(const Bus *bus, uint32_t choice, unsigned *stream);

/* Steps the oldest append of the given stream. False when the stream has no append on the wire. */
bool memory_bus_step_stream(Bus *bus, unsigned stream, WireMode mode);

/* Steps all appends on the wire with WIRE_DELIVER, lowest stream first, including appends that the callbacks make. */
void memory_bus_deliver_all(Bus *bus);

/*
 * For the crash of an appender. Of the appends in its stream that have not arrived, the `keep` oldest stay on the wire and the
 * others are lost. `done` is called as failed for each append of the stream that was not reported yet.
 */
void memory_bus_drop_stream(Bus *bus, unsigned stream, size_t keep);

/* Drops records before `first` (at most the end), as retention would. No effect if they are dropped already. */
void memory_bus_trim(Bus *bus, unsigned topic, unsigned partition, int64_t first);

/* Called before the operation `trim`; if it returns false, `trim` answers ERROR_AGAIN. NULL: every trim is allowed. */
typedef bool (*MemoryBusTrimGuard)(void *context, unsigned topic, unsigned partition, int64_t first);
void memory_bus_guard_trim(Bus *bus, MemoryBusTrimGuard guard, void *context);

/* The record at `offset`, borrowed until the reset; false when there is no record. */
bool memory_bus_peek(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* Like memory_bus_peek, but also returns records that were dropped. For checks of the whole history, not for readers. */
bool memory_bus_recall(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* True if the reader was woken since the last call of this function or of `wait`. */
bool memory_bus_take_wake(BusReader *reader);

#endif
