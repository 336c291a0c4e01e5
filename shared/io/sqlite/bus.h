/*
 * The embedded bus: one SQLite file. Every write goes through one committer with group commit and synchronous=FULL.
 *
 * Each partition of a topic is a table, so offsets are consecutive without a gap:
 *   "events.0" (offset INTEGER PRIMARY KEY, at INTEGER, key BLOB, headers BLOB, body BLOB). body is last, so that reading keys
 *   and headers never touches the overflow pages of long bodies.
 *
 * Costs (docs/design/performance.md, "Cost budget"): 1.5 µs for a row, 250 µs for an fsync. Appends fill one of two bounded batch
 * buffers while the committer writes the other. The committer takes a batch at once if the last commit had fewer than 4 waiters
 * (appenders to call). Otherwise it waits until the batch has as many waiters as the last commit, or until 200 µs have passed
 * (docs/design/performance.md, "The embedded bus"). A failed commit fails every record of its batch (`done(failed)`). Appends are
 * then refused with ERROR_AGAIN until a commit succeeds; the bus retries once a second. The committer feeds METRIC_BUS_APPENDED
 * and METRIC_BUS_COMMIT_SECONDS. Positions of groups are written once a second.
 *
 * Retention of streams runs in small steps when the bus is idle. It deletes records that are below the lowest position committed
 * by any group and either older than retention_ms or above the byte limit. Records of a partition that no group ever read are
 * limited by time alone. In a partition above its share of bytes, retention also runs under load.
 *
 * Trimming returns when the deletion is complete and durable; it delays an append by one small step at most. ERROR_AGAIN: the bus
 * cannot write, is closing, or trimming takes longer than five seconds. The remaining records are then deleted later, unless the
 * process ends first.
 */
#ifndef TOCSIN_IO_SQLITE_BUS_H
#define TOCSIN_IO_SQLITE_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *short_name; /* "events" */
	int64_t retention_ms;        /* streams only; 0: limited by bytes alone */
	bool stream;            /* retention applies */
} BusTopic;

typedef struct {
	const char *path;
	const BusTopic *topics; /* index = topic number; borrowed until close */
	unsigned topic_count;
	unsigned partitions;    /* P, 1 to BUS_PARTITIONS_MAX; fixed when the file is created */
	size_t queue_bytes;     /* size of one batch buffer; 0: 16 MiB */
	int64_t stream_bytes;   /* limit for all partitions of one stream; 0: 4 GiB */
} BusSqliteOptions;

/* Opens or creates. ERROR_INPUT: a file of another program, of a newer Tocsin, or with another P; ERROR_AGAIN: no access. */
Result bus_sqlite_open(const BusSqliteOptions *options, Bus **out);

typedef struct {
	uint64_t appended, commits, failed_commits, bytes;
	int64_t last_commit_us; /* duration of the last commit, including its fsync */
} BusSqliteFigures;

void bus_sqlite_figures(Bus *bus, BusSqliteFigures *out);

#endif
