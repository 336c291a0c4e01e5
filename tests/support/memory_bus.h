/*
 * A bus in memory, for simulations: one thread, no clock, and chance only from a seed, so the same calls always make the same
 * history.
 *
 * An append does not reach the log: it goes onto the wire, at the end of the queue of the appender's stream, and stays
 * there until the driver steps it. Streams interleave as the driver chooses; within one stream, records first arrive in
 * the order they were appended (invariant 2 of shared/io/bus.h). What the driver does with a record is its WireMode.
 *
 * Invariants:
 *   1. `done` of an append is called exactly once, inside a step of its stream, never inside bus_append; or, as failed,
 *      when its stream is dropped: nobody listens any more, but what waits for it can be freed.
 *   2. What arrived stays, at a consecutive offset.
 *   3. memory_bus_new's own handle knows everything at once: it is the driver's. A handle of memory_bus_handle is as ignorant as
 *      a process on Kafka: it knows where the logs began and ended when it was opened, and from then on what it has read,
 *      waited for or appended. A read at its known end delivers some of what is there or nothing, at first always nothing, since
 *      it only starts the fetching; a read before it delivers at least one record; never more than chance lets arrive; `wait` ends with a record to read at every place that has one.
 *   4. memory_bus_reset makes the bus as new, keeps what was allocated, and leaves open readers usable; the trim guard stays.
 *
 * Waiting: `wait` returns at once (there is nobody else who could append meanwhile); `wake` is remembered until
 * memory_bus_take_wake asks.
 */
#ifndef TOCSIN_TESTS_MEMORY_BUS_H
#define TOCSIN_TESTS_MEMORY_BUS_H

#include "shared/io/bus.h"

typedef enum {
	WIRE_DELIVER,          /* arrives, done(ok) */
	WIRE_DELIVER_LATE_ACK, /* arrives; done comes with the stream's next step, whose mode says how: LOSE is done(failed) */
	WIRE_LOSE,             /* done(failed), never arrives */
	WIRE_FAIL_BUT_ARRIVE,  /* done(failed); arrives with the stream's next step, whatever its mode */
	WIRE_DOUBLE,           /* arrives, done(ok), and a copy goes to the stragglers' stream */
	WIRE_MODES,
} WireMode;

enum {
	MEMORY_BUS_STREAMS_MAX = 128,
	MEMORY_BUS_STRAGGLERS = MEMORY_BUS_STREAMS_MAX - 1, /* the stream of second copies; append under no such id */
	MEMORY_BUS_WIRE_MAX = 65536,                        /* appends on the wire, all streams; beyond: ERROR_AGAIN */
	MEMORY_BUS_LOG_MAX = 1 << 22,                       /* records of one partition; beyond is an assertion */
	MEMORY_BUS_POSITIONS_MAX = 4096,
};

/* Never NULL; freed by bus->operations->close. topics ≤ BUS_TOPICS_MAX, partitions ≤ BUS_PARTITIONS_MAX. */
Bus *memory_bus_new(unsigned topics, unsigned partitions);

/* Another process's handle on the same logs; freed by close, after its streams were dropped and before the bus it was made from. */
Bus *memory_bus_handle(Bus *bus);

/* What arrives at handles is drawn from this seed; 0, as at birth: all that is there arrives at once, at every handle. */
void memory_bus_set_chance(Bus *bus, uint64_t seed);

/* How often handles learnt that a log goes further than they knew, by waiting. */
uint64_t memory_bus_learnt(const Bus *bus);

/* As new: no records, nothing on the wire, no positions, stream 0, the wire's bound as at birth. Cheap. */
void memory_bus_reset(Bus *bus);

/* Appends from now on belong to this stream (< MEMORY_BUS_STRAGGLERS). */
void memory_bus_set_stream(Bus *bus, unsigned stream);

/* Bound of appends on the wire, at most MEMORY_BUS_WIRE_MAX: for making bus_append answer ERROR_AGAIN. */
void memory_bus_set_wire_max(Bus *bus, size_t wire_max);

/*
 * Away: appends, reads and trims answer ERROR_AGAIN, positions are not told (commits are taken, to be made later); what was
 * known before is known. The wire is the driver's to step or not.
 */
void memory_bus_set_away(Bus *bus, bool away);

/* Appends on the wire, all streams, acknowledgements owed included. */
size_t memory_bus_pending(const Bus *bus);
size_t memory_bus_stream_pending(const Bus *bus, unsigned stream);

/*
 * Steps the oldest append of one stream; choice picks among the streams that have one, in order of their ids, modulo
 * their number. False when nothing is on the wire.
 */
bool memory_bus_step(Bus *bus, uint32_t choice, WireMode mode);

/* The stream that memory_bus_step would step; false when nothing is on the wire. */
bool memory_bus_choose(const Bus *bus, uint32_t choice, unsigned *stream);

/* The same as memory_bus_step for a named stream. */
bool memory_bus_step_stream(Bus *bus, unsigned stream, WireMode mode);

/* Steps everything with WIRE_DELIVER, lowest stream first, what callbacks append meanwhile included. */
void memory_bus_deliver_all(Bus *bus);

/*
 * The appender crashed: its `keep` oldest appends stay on the wire, the rest is lost; `done` is called as failed for all.
 */
void memory_bus_drop_stream(Bus *bus, unsigned stream, size_t keep);

/* Drops records before `first` (at most the end), as retention would. */
void memory_bus_trim(Bus *bus, unsigned topic, unsigned partition, int64_t first);

/* CommandContext before each call of the operation `trim`; false makes it answer ERROR_AGAIN. NULL: everything is allowed. */
typedef bool (*MemoryBusTrimGuard)(void *context, unsigned topic, unsigned partition, int64_t first);
void memory_bus_guard_trim(Bus *bus, MemoryBusTrimGuard guard, void *context);

/* One record of the log, borrowed until the reset; false when it is not there. */
bool memory_bus_peek(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* The same, also for a record that was dropped: what a judge knows and no reader. */
bool memory_bus_recall(const Bus *bus, unsigned topic, unsigned partition, int64_t offset, BusRecord *out);

/* True once for each time the reader was woken since the last call or wait. */
bool memory_bus_take_wake(BusReader *reader);

#endif
