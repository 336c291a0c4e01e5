/*
 * The bus: topics of partitions of records, appended durably and read in order. The layers above know only this interface. It is
 * implemented on SQLite (sqlite/bus.c), on Apache Kafka (kafka/bus.c), and for tests as a seeded in-memory bus that loses,
 * duplicates and delays.
 *
 * Invariants of every implementation:
 *   1. Offsets of a partition start at 0 and are consecutive. A record never changes.
 *   2. A record that a reader has seen survives; records of one appender are in the order in which they were appended.
 *   3. bus_append calls `done` exactly once, from any thread, when the record is durable (failed false) or in doubt (failed true:
 *      it may be in the log or not, now or later). An append cannot be withdrawn after bus_append returned OK.
 *   4. Everything is bounded: a full queue answers ERROR_AGAIN at once, and `done` is not called.
 *
 * A process that is new to a partition
 * ------------------------------------
 * On a bus that other processes write to, a process learns where a log begins and ends when it opens the bus, and after that only
 * from its own reads, waits and acknowledged appends. `first` and `end` are therefore lower bounds: the log may reach beyond `end`,
 * and retention may have passed `first`. On every bus:
 *   1. A read at or after `end` delivers the records that have arrived so far, possibly none. An empty read is not the end of the
 *      log. A caller that knows a greater offset from elsewhere (an accepted position, another process) reads until it gets there.
 *   2. Reading or waiting at a position makes the bus fetch the records from there on. Repeated reads deliver every record, in
 *      order and without a gap.
 *   3. A read before `end` delivers at least one record or fails; it is never empty.
 *   4. Neither bound ever decreases. A read before the real beginning fails with ERROR_NOT_FOUND; then `first` is exact.
 * tests/edge/bus_newcomer_test.c tests this on every bus; the simulation's bus knows as little as Kafka (memory_bus_handle).
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

/* The result of an append; context is the appender's. Runs on a thread of the bus: return quickly, call no bus function. */
typedef void (*BusDone)(void *context, bool failed, int64_t offset);

/* The offset to read from in a partition. */
typedef struct {
	unsigned topic, partition;
	int64_t from;
} BusPosition;

/* Called for each record read, in order; the record's bytes are borrowed for the call. Return false to stop after this one. */
typedef bool (*BusVisit)(void *context, const BusRecord *record);

typedef struct {
	/* Copies the record before it returns. done may be NULL. */
	Result (*append)(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context);
	/*
	 * Offset of the next record (end), and of the oldest record still kept (first), as far as this process knows: lower
	 * bounds (see above). Cheap: no I/O.
	 */
	int64_t (*end)(Bus *bus, unsigned topic, unsigned partition);
	int64_t (*first)(Bus *bus, unsigned topic, unsigned partition);
	/* The end of the log as the broker last reported it, at least `end`: measures lag. Cheap. NULL: the same as end. */
	int64_t (*high_watermark)(Bus *bus, unsigned topic, unsigned partition);
	/*
	 * Stores the advisory position of a group (for retention, lag and the restart of stateless readers): all records before it
	 * were processed.
	 */
	Result (*commit)(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
	/* The stored position; BUS_NONE_COMMITTED: none; BUS_COMMITTED_UNKNOWN: the broker does not answer now. */
	int64_t (*committed)(Bus *bus, const char *group, unsigned topic, unsigned partition);
	/* A reader is used by one thread at a time. */
	Result (*reader_open)(Bus *bus, BusReader **out);
	void (*reader_close)(BusReader *reader);
	/*
	 * Visits at most `max` records from position.from on. *next is the offset to continue from. Never waits for records
	 * at or after `end`; of those before it delivers at least one, or fails with ERROR_AGAIN after at most a few seconds.
	 * ERROR_NOT_FOUND: the offset is older than the oldest kept record. Without want_bodies bodies may be empty.
	 */
	Result (*read)(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next);
	/*
	 * Starts to fetch, all at once, the records at positions that will be read soon. Never waits. NULL on a local bus.
	 */
	void (*fetch)(BusReader *reader, const BusPosition *positions, size_t count);
	/* Waits until one of the positions has a record, `wake` was called for this reader, or wait_ms passed. */
	void (*wait)(BusReader *reader, const BusPosition *positions, size_t count, int wait_ms);
	/* Ends the wait of the reader; if the reader is not waiting, its next wait ends at once. Any thread. */
	void (*wake)(BusReader *reader);
	/*
	 * Joins the group: from now on this process is assigned its share of the partitions. Until then it is assigned none, so
	 * that a process that is not ready keeps no partition from others, and it may read positions but commits none. Called
	 * at most once. NULL on a bus that only one process can use.
	 */
	Result (*join)(Bus *bus);
	/*
	 * True while this process should own the partitions with this number: a hint, which may be late or wrong; ledgers
	 * decide. Cheap; readers are woken when it changes. NULL on a bus that only one process can use: always true.
	 */
	bool (*assigned)(Bus *bus, unsigned partition);
	/* Drops the records before `first` permanently; nothing happens where they are gone already. first <= end. */
	Result (*trim)(Bus *bus, unsigned topic, unsigned partition, int64_t first);
	/* ERROR_AGAIN: the broker cannot be reached, with a reason for operators. Cheap. NULL: always OK. */
	Result (*health)(Bus *bus);
	/*
	 * Called when the process ends. The deadline is wait_ms from now: no later call, including `close`, waits for the
	 * broker beyond the deadline, except half a second more for each resource that is given up. A call that began before
	 * may take longer, as the implementation states. Records that are not durable at the deadline are in doubt. NULL: no
	 * call waits long.
	 */
	void (*set_deadline)(Bus *bus, int64_t wait_ms);
	/* Refuses further appends, makes queued ones durable, frees. Readers must be closed before. */
	void (*close)(Bus *bus);
} BusOperations;

struct Bus {
	const BusOperations *operations;
	unsigned partitions; /* P, fixed when the topics are created */
	bool external_readers;      /* programs other than ours can read this bus: tables are written for them */
	const char *cluster; /* identifies the logs: state built from another cluster is invalid; "": not known */
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
