/*
 * Quiescing: runs the services of a bus, without requests and without sending, until the position of every input is at its
 * end and no runtime holds anything back. Then the bus is complete, as an export needs it. The ends are returned, so that a
 * later check can detect records that were appended after them.
 *
 * One thread steps all runtimes in turn. They have no timers and no outbound connections: due timers and queued deliveries
 * stay in the ledgers and continue wherever these are read next. Their claims also detect other running programs: a former
 * owner claims its partition again within seconds, and the quiescing fails with ERROR_CONFLICT.
 */
#ifndef TOCSIN_ARCHIVE_QUIESCE_H
#define TOCSIN_ARCHIVE_QUIESCE_H

#include "shared/archive/file.h"
#include "shared/runtime/runtime.h"

/* A process has one fetch position a partition on Kafka, so there each service needs a bus of its own. */
typedef struct {
	const Service *service;
	void *environment;
	Bus *bus;
} QuiesceService;

typedef struct {
	const char *datadir; /* TOCSIN_HOME, for the state files */
	const QuiesceService *services; /* all that append records; not the gateway */
	size_t service_count;
	int64_t hold_ms; /* how long all services must stay quiescent */
	int64_t limit_ms; /* ERROR_AGAIN: no service has progressed for this long, and not all are quiescent */
	/* Called after each round with the number of inputs taken; may be NULL. */
	void (*progress)(void *context, uint64_t inputs);
	void *context;
} QuiesceOptions;

/*
 * *out: the ends reached; -1 where no service reads. ERROR_CONFLICT, ERROR_AGAIN: see above. ERROR_INTERNAL: a service failed;
 * ERROR_INPUT: a state file of a newer version.
 */
Result quiesce_await(const QuiesceOptions *options, ArchiveEnds *out);

#endif
