/*
 * Quiescing: runs the services of a bus, without requests and without sending, until every service has read each input to its
 * end and no runtime has a batch or output pending. Then the bus holds everything that the services derive from it, as an
 * export needs it. The ends are returned, so that a later check can detect records that were appended behind them.
 *
 * One thread steps all runtimes in turn. The runtimes have no timers and no outbound connections: due timers and queued
 * deliveries stay in the ledgers, and the next program that reads these continues them. Each runtime claims its partition. So
 * another running program is detected: it claims the partition again within seconds, and quiesce_await fails with
 * ERROR_CONFLICT.
 */
#ifndef TOCSIN_ARCHIVE_QUIESCE_H
#define TOCSIN_ARCHIVE_QUIESCE_H

#include "shared/archive/file.h"
#include "shared/runtime/runtime.h"

/* On Kafka, an open bus has only one fetch position for each partition, so each service needs a bus of its own. */
typedef struct {
	const Service *service;
	void *environment;
	Bus *bus;
} QuiesceService;

typedef struct {
	const char *datadir; /* TOCSIN_HOME, for the state files */
	const QuiesceService *services; /* every service that appends records, except the gateway */
	size_t service_count;
	int64_t hold_ms; /* how long all services must stay quiescent */
	int64_t limit_ms; /* greater than hold_ms; ERROR_AGAIN: for this long no service has progressed, and hold_ms is not over */
	/* Called after each round of steps with the number of input records taken so far; may be NULL. */
	void (*progress)(void *context, uint64_t inputs);
	void *context;
} QuiesceOptions;

/*
 * *out: the offsets that the services reached in their inputs, ledgers and tocsin.policies; -1 for other partitions, and for all
 * after a failure. ERROR_CONFLICT, ERROR_AGAIN: see above. ERROR_INTERNAL: a service failed; ERROR_INPUT: a newer version wrote a
 * state file.
 */
Result quiesce_await(const QuiesceOptions *options, ArchiveEnds *out);

#endif
