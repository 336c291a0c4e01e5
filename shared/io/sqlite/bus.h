/*
 * The embedded bus: one SQLite file, every write through one committer with group commit and synchronous=FULL.
 *
 * One table a topic and partition, so that offsets are consecutive without a gap:
 *   "events.0" (offset INTEGER PRIMARY KEY, at INTEGER, key BLOB, headers BLOB, body BLOB), body last, so that reading keys
 *   and headers never touches the overflow pages of long bodies.
 *
 * Costs (docs/design/performance.md, "Cost budget"): 1.5 µs a row, 250 µs an fsync. Two bounded batch buffers; the committer
 * takes one at once when the last commit carried fewer than 4 waiters, else it gathers until as many as last time are in or
 * 200 µs are over (docs/design/performance.md, "The embedded bus"). A failed commit fails every record in it
 * (`done(failed)`), and appends are refused with ERROR_AGAIN until a commit works again; the bus tries by itself once a
 * second. The committer feeds METRIC_BUS_APPENDED and METRIC_BUS_COMMIT_SECONDS. Positions of groups are written once a
 * second, with whatever is written then.
 *
 * Retention of streams: when idle, in small steps, only what is older than its topic's time (or beyond the byte bound) and
 * before the lowest position committed by any group; what no group ever read goes by time alone. A partition beyond its
 * share of the bytes does not wait for idleness.
 *
 * Trimming waits until it is done and durable; appends meanwhile wait for a small step of it at most. ERROR_AGAIN: the bus
 * cannot write, is closing, or it takes longer than five seconds; but for a crash, what remains is then done later.
 */
#ifndef TOCSIN_IO_SQLITE_BUS_H
#define TOCSIN_IO_SQLITE_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *short_name; /* "events" */
	int64_t keep_ms;        /* streams: 0: for ever, as far as the bytes go */
	bool stream;            /* may be dropped by retention */
} BusTopic;

typedef struct {
	const char *path;
	const BusTopic *topics; /* index = topic number; borrowed for the bus's life */
	unsigned topic_count;
	unsigned partitions;    /* P; differs from the file's: ERROR_INPUT with what to do */
	size_t queue_bytes;     /* bound of one batch buffer; 0: 16 MiB */
	int64_t stream_bytes;   /* bound of one stream's kept bytes; 0: 4 GiB */
} BusSqliteOptions;

/* Opens or creates. ERROR_INPUT: made by a newer Tocsin or with another P; ERROR_AGAIN: cannot be opened or written. */
Result bus_sqlite_open(const BusSqliteOptions *options, Bus **out);

typedef struct {
	uint64_t appended, commits, failed_commits, bytes;
	int64_t last_commit_us; /* how long the last fsynced commit took */
} BusSqliteFigures;

void bus_sqlite_figures(Bus *bus, BusSqliteFigures *out);

#endif
