/*
 * The bus: topics of partitions of records, appended durably and read in order. This interface is all that anything above
 * the edge knows; behind it stand SQLite (sqlite/bus.c), Apache Kafka (kafka/bus.c), and in the tests a seeded in-memory
 * bus that loses, doubles and delays.
 *
 * Invariants every implementation keeps:
 *   1. Offsets of a partition start at 0 and are consecutive. A record never changes.
 *   2. What a reader was shown survives; records of one appender appear in the order they were appended.
 *   3. bus_append calls `done` exactly once, from any thread, after the record is durable (failed false) or when it is in
 *      doubt (failed true: it may be there or not, now or later). Nothing may be taken back after bus_append returned OK.
 *   4. Everything is bounded: a full queue answers ERROR_AGAIN at once, and `done` is not called.
 *
 * A process that is new to a partition
 * ------------------------------------
 * On a bus that others write to, a process learns where a log begins and ends when it opens the bus, and after that only from its
 * own reads, waits and acknowledged appends. `first` and `end` are therefore lower bounds: the log may reach further than `end`,
 * and retention may have passed `first`. From this follows, on every bus:
 *   1. A read at `end` or behind it delivers what has come so far, possibly nothing. An empty read does not say that the log ends
 *      there. A caller that knows a greater offset from elsewhere (an accepted position, another process) reads again until it
 *      has come so far, and never takes what has come for all.
 *   2. Reading or waiting at a place makes its records come: repeated, it delivers every record, in order and without a gap.
 *   3. A read before `end` delivers at least one record or fails; it is never empty.
 *   4. Neither bound ever goes back. A read before the real beginning fails with ERROR_NOT_FOUND, and `first` is right after it.
 * tests/edge/bus_newcomer_test.c asks every bus for these; the simulation's bus is as ignorant as Kafka (memory_bus_handle).
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

/* What became of an append; context is the appender's. Runs on the bus's thread: return quickly, call no bus function. */
typedef void (*BusDone)(void *context, bool failed, int64_t offset);

/* Somewhere to read on from. */
typedef struct {
	unsigned topic, partition;
	int64_t from;
} BusPosition;

/* Called for each record read, in order; the record's bytes are borrowed for the call. Return false to stop after it. */
typedef bool (*BusVisit)(void *context, const BusRecord *record);

typedef struct {
	/* Copies the record before it returns. done may be NULL. */
	Result (*append)(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context);
	/*
	 * Offset the next record will get (end), and offset of the oldest record still kept (first), as far as this process
	 * knows: lower bounds (see above). Cheap: no I/O.
	 */
	int64_t (*end)(Bus *bus, unsigned topic, unsigned partition);
	int64_t (*first)(Bus *bus, unsigned topic, unsigned partition);
	/* Where the log ends as far as the outside has said, end or further: how far readers are behind. Cheap. NULL: end. */
	int64_t (*reach)(Bus *bus, unsigned topic, unsigned partition);
	/* Advisory position of a group (for retention, lag and stateless readers' restart): everything before it was dealt with. */
	Result (*commit)(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position);
	/* One of the two below where there is none to tell: no committed one, or the outside cannot be asked now. */
	int64_t (*committed)(Bus *bus, const char *group, unsigned topic, unsigned partition);
	/* A reader is used by one thread at a time. */
	Result (*reader_open)(Bus *bus, BusReader **out);
	void (*reader_close)(BusReader *reader);
	/*
	 * Visits records at place.from and after, at most `max`. *next is the offset to go on from. Never waits for records
	 * at `end` and behind it; of those before it delivers at least one, or fails with ERROR_AGAIN after at most a few
	 * seconds. An offset older than the oldest kept record is ERROR_NOT_FOUND. Without want_bodies bodies may be empty.
	 */
	Result (*read)(BusReader *reader, BusPosition place, size_t max, bool want_bodies, BusVisit visit, void *context,
		       int64_t *next);
	/*
	 * What will be read soon, so that all of it is on its way before the first is read. Never waits. NULL on a bus that is not
	 * far away.
	 */
	void (*fetch)(BusReader *reader, const BusPosition *places, size_t count);
	/*
	 * Waits until one of the places has something to read, bus_wake was called for this reader, or wait_ms passed.
	 */
	void (*wait)(BusReader *reader, const BusPosition *places, size_t count, int wait_ms);
	/* Ends a wait of that reader, from any thread; remembered if it is not waiting. */
	void (*wake)(BusReader *reader);
	/*
	 * From now on this process takes its share of the partitions; before, it is assigned none: whoever cannot work yet must
	 * not keep from others what they could. It commits no positions before, and may ask for them. Once. NULL on a bus that only
	 * one process can use.
	 */
	Result (*join)(Bus *bus);
	/*
	 * True while this process is meant to own the partitions of that number: a hint, which may be late or wrong, since
	 * ledgers decide. Cheap; readers are woken when it changes. NULL on a bus that only one process can use: always.
	 */
	bool (*assigned)(Bus *bus, unsigned partition);
	/* Drops the records before `first` for good. Where they are gone already: nothing happens. first <= end. */
	Result (*trim)(Bus *bus, unsigned topic, unsigned partition, int64_t first);
	/* Whether the outside can be reached: ERROR_AGAIN with a reason for people where it cannot. Cheap. NULL: always. */
	Result (*health)(Bus *bus);
	/*
	 * The process ends: from now on no call, nor closing, waits for the outside longer than wait_ms from here, and half a
	 * second more for each thing that it lets go of; what was asked before may take as long as the bus says. What is not
	 * durable by then is in doubt. NULL: nothing here waits so long.
	 */
	void (*set_deadline)(Bus *bus, int64_t wait_ms);
	/* Stops taking appends, makes durable what is queued, frees. Readers must be closed before. */
	void (*close)(Bus *bus);
} BusOperations;

struct Bus {
	const BusOperations *operations;
	unsigned partitions; /* P, fixed at birth */
	bool outsiders;      /* others than our programs can read it: tables are kept up for them */
	const char *cluster; /* names the log, for life: state made from another one is of no use; "": not known */
};

struct BusReader {
	Bus *bus;
};

static inline Result bus_append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
				void *context)
{
	return bus->operations->append(bus, topic, partition, record, done, context);
}

static inline int64_t bus_reach(Bus *bus, unsigned topic, unsigned partition)
{
	return (bus->operations->reach ? bus->operations->reach : bus->operations->end)(bus, topic, partition);
}

static inline void bus_fetch(BusReader *reader, const BusPosition *places, size_t count)
{
	if (reader->bus->operations->fetch)
		reader->bus->operations->fetch(reader, places, count);
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
