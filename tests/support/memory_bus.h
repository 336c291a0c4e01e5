/*
 * A bus in memory, for simulations: one thread, no clock, and randomness only from a seed, so the same calls always make the same
 * history.
 *
 * bus_append puts a record on the wire, at the end of the queue of the appender's stream, where it stays until the driver steps
 * that stream. Streams interleave as the driver chooses; within one stream, records first arrive in the order in which they were
 * appended (invariant 2 of shared/io/bus.h). The step's WireMode decides the record's fate.
 *
 * Invariants:
 *   1. `done` of an append is called exactly once: in a step of its stream, never in bus_append, or as failed when its stream is
 *      dropped, so that its context can be freed.
 *   2. Records that have arrived stay, at consecutive offsets.
 *   3. The handle of memory_bus_new is the driver's and knows the logs as they are. A handle of memory_bus_handle knows as much as
 *      a process on Kafka: where the logs began and ended when it was opened, and since then what it has read, waited for or
 *      appended. A read at its known end delivers some of the records or none; the first one always none, because it only starts
 *      the fetching. A read before that end delivers at least one record, and never more than have arrived by chance. `wait` ends
 *      with a record to read at every position that has one.
 *   4. memory_bus_reset empties the bus, keeps its memory and trim guard, and leaves open readers usable.
 *
 * `wait` returns at once, because nobody else can append meanwhile; `wake` is remembered until memory_bus_take_wake.
 */
#ifndef TOCSIN_TESTS_MEMORY_BUS_H
#define TOCSIN_TESTS_MEMORY_BUS_H

#include "shared/io/bus.h"

typedef enum {
	WIRE_DELIVER,          /* arrives, done(ok) */
	WIRE_DELIVER_LATE_ACK, /* arrives; done follows in the stream's next step: done(failed) if that is WIRE_LOSE */
	WIRE_LOSE,             /* done(failed), never arrives */
	WIRE_FAIL_BUT_ARRIVE,  /* done(failed); arrives in the stream's next step, whatever its mode */
	WIRE_DOUBLE,           /* arrives, done(ok); a copy goes to MEMORY_BUS_STRAGGLERS */
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

/* Another process's handle on the same logs; freed by close, after its streams were dropped and before the bus is closed. */
Bus *memory_bus_handle(Bus *bus);

/* Seed of the number of records that have arrived at a handle; 0, as at creation: all arrive at once. */
void memory_bus_set_chance(Bus *bus, uint64_t seed);

/* The number of waits by which a handle learned of records beyond its known end. */
uint64_t memory_bus_learnt(const Bus *bus);

/* As new: no records, nothing on the wire, no positions, stream 0, the wire's initial bound. Cheap. */
void memory_bus_reset(Bus *bus);

/* Appends from now on belong to this stream (< MEMORY_BUS_STRAGGLERS). */
void memory_bus_set_stream(Bus *bus, unsigned stream);

/* Bound of appends on the wire, at most MEMORY_BUS_WIRE_MAX; above it bus_append answers ERROR_AGAIN. */
void memory_bus_set_wire_max(Bus *bus, size_t wire_max);

/*
 * While the bus is away, appends, reads and trims answer ERROR_AGAIN and committed positions are unknown; commits are accepted and
 * visible later. Known bounds stay known. The driver decides whether it steps the wire.
 */
void memory_bus_set_away(Bus *bus, bool away);

/* Appends on the wire in all streams, including those that arrived and are not reported yet. */
size_t memory_bus_pending(const Bus *bus);
size_t memory_bus_stream_pending(const Bus *bus, unsigned stream);

/*
 * Steps the oldest append of one stream; the stream is the one with number `choice` modulo their count among
 * those that have one, in order of their ids. False when nothing is on the wire.
 */
bool memory_bus_step(Bus *bus, uint32_t choice, WireMode mode);

/* The stream that memory_bus_step would step; false when nothing is on the wire. */
bool memory_bus_choose(const Bus *bus, uint32_t choice, unsigned *stream);

/* The same as memory_bus_step for a named stream. */
bool memory_bus_step_stream(Bus *bus, unsigned stream, WireMode mode);

/* Steps everything with WIRE_DELIVER, lowest stream first, including appends made by callbacks. */
void memory_bus_deliver_all(Bus *bus);

/*
 * The appender crashed: its `keep` oldest appends stay on the wire, the others are lost; `done` is called as failed for all.
 */
void memory_bus_drop_stream(Bus *bus, unsigned stream, size_t keep);

/* Drops records before `first` (at most the end), as retention would. */
void memory_bus_trim(Bus *bus, unsigned topic, unsigned partition, int64_t first);

/* Called before the operation `trim`; false: it answers ERROR_AGAIN. NULL: everything is allowed. */
typedef bool (*MemoryBusTrimGuard)(void *context, unsigned topic, unsigned partition, int64_t first);
void memory_bus_guard_trim(Bus *bus, MemoryBusTrimGuard guard, void *context);

/* One record of the log, borrowed until the reset; false when there is none. */
bool memory_bus_peek(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* The same, including records that were dropped: for judges, not readers. */
bool memory_bus_recall(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* True once for each time the reader was woken since the last call or wait. */
bool memory_bus_take_wake(BusReader *reader);

#endif
