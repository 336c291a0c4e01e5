/*
 * Reads one partition of a bus from the oldest record kept to the end known at the start, for commands that read a whole log while
 * programs write to it.
 *
 * The records before that end exist, so an empty read is repeated. A walk ends early only where `visit` ends it; a bus that
 * delivers nothing for 30 seconds is ERROR_AGAIN.
 */
#ifndef TOCSIN_RUNTIME_BUS_WALK_H
#define TOCSIN_RUNTIME_BUS_WALK_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"

typedef struct {
	TopicId topic;
	unsigned partition;
	BusVisit visit; /* records have their bodies; false ends the walk */
	void *context;
	/* Called after each read with the topic's name and the next offset; may be NULL. */
	void (*progress)(void *context, const char *topic, uint64_t offset);
	void *progress_context;
} BusWalk;

/*
 * Sleeps between empty reads. If records are dropped before the walk reads them, a walk of a stream continues at the oldest
 * record, so offsets jump; a walk of a ledger, which its owner trims, fails with ERROR_NOT_FOUND.
 */
Result bus_walk(BusReader *reader, const BusWalk *walk);

#endif
