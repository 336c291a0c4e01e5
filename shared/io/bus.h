/*
 * The bus: topics of partitions of records, appended durably and read in order. The layers above know only this interface. It is
 * implemented on SQLite (sqlite/bus.c), on Apache Kafka (kafka/bus.c), and for tests as a seeded in-memory bus that loses,
 * duplicates and delays records.
 *
 * Invariants of every implementation:
 *   1. Offsets of a partition start at 0 and are consecutive. A record never changes.
 *   2. A record that a reader has seen is durable. The records of one appender are in the order in which they were appended.
 *   3. If bus_append returns OK, the append cannot be withdrawn, and the bus calls `done` exactly once, from any thread: with
 *      failed false when the record is durable, with failed true when the append is in doubt (the record may be in the log, may
 *      appear there later, or may never appear).
 *   4. Everything is bounded: if a queue is full, bus_append returns ERROR_AGAIN at once. After any error `done` is not called.
 *
 * A process that is new to a partition
 * ------------------------------------
 * On a bus that other processes write to, a process learns where a log begins and ends when it opens the bus, and after that only
 * from its own reads, waits and acknowledged appends. `first` and `end` are therefore lower bounds: the log may reach beyond
 * `end`, and retention may have deleted records from `first` on. On every bus:
 *   1. A read at or after `end` delivers the records that have arrived so far, possibly none. An empty read does not mean that the
 *      log ends there. A caller that knows a greater offset from elsewhere (an accepted position, another process) reads on until
 *      it reaches that offset.
 *   2. Reading or waiting at a position makes the bus fetch the records from there on. Repeated reads deliver every record, in
 *      order and without a gap.
 *   3. A read before `end` delivers at least one record or fails; it is never empty.
 *   4. Neither bound ever decreases. A read before the oldest kept record fails with ERROR_NOT_FOUND; `first` is then greater
 *      than the position of that read.
 * tests/edge/bus_newcomer_test.c tests these rules on every bus. In the simulation each process has its own bounds, as incomplete
 * as on Kafka (memory_bus_handle).
 *
 * A record's headers are packed (shared/base/header.h).
 */
#ifndef TOCSIN_IO_BUS_H
#define TOCSIN_IO_BUS_H

#include "shared/base/error.h"
#include "shared/base/header.h"
#include "shared/base/text.h"

#include <stdint.h>

typedef struct Bus Bus;
typedef struct BusReader BusReader;

enum { BUS_NONE_COMMITTED = -1, BUS_COMMITTED_UNKNOWN = -2 };
enum { BUS_TOPICS_MAX = 32, BUS_PARTITIONS_MAX = 64, BUS_RECORD_MAX = 1 << 20 };

typedef struct {
	int64_t offset; /* set by the bus */
	Slice key, headers, body;
} BusRecord;

/*
 * The result of an append; context is the argument of bus_append, offset is -1 if failed. Runs on a thread of the bus: it must
 * return quickly and call no bus function.
 */
typedef void (*BusDone)(void *context, bool failed, int64_t offset);

/* The offset to read from in a partition. */
typedef struct {
	unsigned topic, partition;
	int64_t from;
} BusPosition;

/* Called for each record read, in order; the record's bytes are borrowed for the call. Return false to stop after this record. */
typedef bool (*BusVisit)(void *context, const BusRecord *record);

typedef struct {
	/* Copies the record before it returns. done may be NULL. ERROR_INPUT: the record is larger than BUS_RECORD_MAX. */
	Result (*append)(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context);
	/*
	 * The offset of the next record (end) and of the oldest kept record (first), as far as this process knows: both are lower
	 * bounds (see above). Cheap: no I/O.
	 */
	int64_t (*end)(Bus *bus, unsigned topic, unsigned partition);
	int64_t (*first)(Bus *bus, unsigned topic, unsigned partition);
	/*
	 * The end of the log as the broker last reported it, for measuring lag; at least `end`. Cheap: no I/O. NULL: `end` is
	 * used instead.
	 */
	int64_t (*high_watermark)(Bus *bus, unsigned topic, unsigned partition);
	/*
	 * Stores the advisory position of a group: the group has processed all records before it. Used for retention, for lag and
	 * for the restart of stateless readers.
	 */
	Result (*commit)(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
	/* The stored position. BUS_NONE_COMMITTED: no position is stored; BUS_COMMITTED_UNKNOWN: the broker does not answer now. */
	int64_t (*committed)(Bus *bus, const char *group, unsigned topic, unsigned partition);
	/* A reader is used by one thread at a time. */
	Result (*reader_open)(Bus *bus, BusReader **out);
	void (*reader_close)(BusReader *reader);
	/*
	 * Visits at most `max` records from position.from on. *next is the offset to continue from. Does not wait for records at
	 * or after `end`. If position.from is before `end`, visits at least one record, or fails with ERROR_AGAIN after at most a
	 * few seconds. ERROR_NOT_FOUND: the offset is older than the oldest kept record. If want_bodies is false, bodies may be
	 * empty.
	 */
	Result (*read)(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next);
	/*
	 * Starts to fetch the records at all given positions, which the caller will read soon. Never waits. NULL if the bus is
	 * local.
	 */
	void (*fetch)(BusReader *reader, const BusPosition *positions, size_t count);
	/* Waits until one of the positions has a record, `wake` was called for this reader, or wait_ms passed. */
	void (*wait)(BusReader *reader, const BusPosition *positions, size_t count, int wait_ms);
	/* Ends the wait of the reader; if the reader is not waiting, its next wait ends at once. Any thread. */
	void (*wake)(BusReader *reader);
	/*
	 * Joins the group: from now on this process is assigned its share of the partitions. Before this call it is assigned
	 * none, so that other processes can own them until it is ready; it may read committed positions but commits none. Called
	 * at most once. NULL on a bus that only one process can use.
	 */
	Result (*join)(Bus *bus);
	/*
	 * True while this process should own the partitions with this number. This is a hint, which may be late or wrong; the
	 * ledger decides who is the owner. Cheap; readers are woken when the value changes. NULL on a bus that only one process
	 * can use: always true.
	 */
	bool (*assigned)(Bus *bus, unsigned partition);
	/* Deletes the records before `first`, which must be at most `end`. Does nothing if they are already deleted. */
	Result (*trim)(Bus *bus, unsigned topic, unsigned partition, int64_t first);
	/* ERROR_AGAIN: the broker cannot be reached, with a reason for operators. Cheap. NULL: always OK. */
	Result (*health)(Bus *bus);
	/*
	 * Called when the process ends; the deadline is wait_ms from now. Later calls, including `close`, do not wait for the
	 * broker beyond the deadline, except for half a second for each resource that is given up. A call that is already running
	 * may take longer; the implementation states how much. Records that are not durable at the deadline are in doubt. NULL:
	 * no call waits long.
	 */
	void (*set_deadline)(Bus *bus, int64_t wait_ms);
	/* Refuses further appends, makes queued ones durable, frees. Readers must be closed before. */
	void (*close)(Bus *bus);
} BusOperations;

struct Bus {
	const BusOperations *operations;
	unsigned partitions; /* P, partitions of a topic (on Kafka: of a slotted topic); fixed when the topics are created */
	bool external_readers;      /* programs other than Tocsin's can read this bus: compacted topics are written for them */
	const char *cluster; /* identifies the logs: state built from another cluster is invalid; "": unknown */
};

struct BusReader {
	Bus *bus;
};

static inline Result bus_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
				void *context)
{
	return bus->operations->append(bus, topic, partition, record, done, context);
}

static inline int64_t bus_high_watermark(Bus *bus, unsigned topic, unsigned partition)
{
	return (bus->operations->high_watermark ? bus->operations->high_watermark : bus->operations->end)(bus, topic, partition);
}

static inline void bus_fetch(BusReader *reader, const BusPosition *positions, size_t count)
{
	if (reader->bus->operations->fetch)
		reader->bus->operations->fetch(reader, positions, count);
}

static inline Result bus_join(Bus *bus)
{
	return bus->operations->join ? bus->operations->join(bus) : result_ok();
}

static inline bool bus_assigned(Bus *bus, unsigned partition)
{
	return !bus->operations->assigned || bus->operations->assigned(bus, partition);
}

static inline Result bus_health(Bus *bus)
{
	return bus->operations->health ? bus->operations->health(bus) : result_ok();
}

static inline void bus_set_deadline(Bus *bus, int64_t wait_ms)
{
	if (bus->operations->set_deadline)
		bus->operations->set_deadline(bus, wait_ms);
}

#endif
