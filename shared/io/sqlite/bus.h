/*
 * The embedded bus: one SQLite file. Every write goes through one committer with group commit and synchronous=FULL.
 *
 * Each partition of a topic is a table. The committer numbers its rows, so offsets are consecutive without a gap:
 *   "events.0" (offset INTEGER PRIMARY KEY, at INTEGER, key BLOB, headers BLOB, body BLOB). body is last, so that reading keys
 *   and headers never touches the overflow pages of long bodies.
 *
 * Costs (docs/design/performance.md, "Cost budget"): 1.5 µs for a row, 250 µs for an fsync. Appends fill one of two bounded batch
 * buffers while the committer writes the other. The committer takes a batch at once if the last commit had fewer than 4 waiters
 * (appenders whose `done` must be called). Otherwise it waits until the batch has as many waiters as the last commit or is full, or
 * until 200 µs have passed (docs/design/performance.md, "The embedded bus"). A failed commit fails every record of its batch
 * (`done(failed)`). Appends are then refused with ERROR_AGAIN until a commit succeeds; once a second the bus tries a small write.
 * The committer feeds METRIC_BUS_APPENDED and METRIC_BUS_COMMIT_SECONDS. Changed positions of groups are written once a second.
 *
 * Retention of streams runs in small steps when the bus is idle. It deletes records that are below the lowest position committed
 * by any group and either older than retention_ms or above the byte limit. Records of a partition that no group ever read are
 * limited by time alone. In a partition above its share of bytes, retention also runs under load.
 *
 * A trim returns when the deletion is complete and durable; it delays an append by one small step at most. ERROR_AGAIN: the bus
 * cannot write, is closing, or has not finished the trim within five seconds. An open bus normally deletes the remaining records
 * later, but does not report this.
 */
#ifndef TOCSIN_IO_SQLITE_BUS_H
#define TOCSIN_IO_SQLITE_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *short_name; /* "events" */
	int64_t retention_ms;        /* of streams; 0: records are limited by bytes alone */
	bool stream;            /* true: retention applies */
} BusTopic;

typedef struct {
	const char *path;
	const BusTopic *topics; /* index = topic number; borrowed until close */
	unsigned topic_count;
	unsigned partitions;    /* P, 1 to BUS_PARTITIONS_MAX; fixed when the file is created */
	size_t queue_bytes;     /* size of one batch buffer; 0: 16 MiB */
	int64_t stream_bytes;   /* limit of one stream, divided equally among its partitions; 0: 4 GiB */
} BusSqliteOptions;

/*
 * Opens or creates the file. ERROR_INPUT: P is out of range, or the file is of another program, of a newer Tocsin, or has another
 * P; ERROR_AGAIN: the file cannot be read or written now, or no thread can start; ERROR_INTERNAL: the file is damaged.
 */
Result bus_sqlite_open(const BusSqliteOptions *options, Bus **out);

typedef struct {
	uint64_t appended, commits, failed_commits, bytes; /* bytes: room that the committed records took in the batch buffers */
	int64_t last_commit_us; /* duration of the last successful transaction, including its fsync */
} BusSqliteFigures;

void bus_sqlite_figures(Bus *bus, BusSqliteFigures *out);

#endif
