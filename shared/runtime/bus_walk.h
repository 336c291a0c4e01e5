/*
 * Reads one partition of a bus from the oldest record kept to the end known at the start, for commands that read a whole log while
 * programs write to it.
 *
 * The records before that end exist, so an empty read is repeated. A walk ends early only if `visit` returns false. If the bus
 * delivers nothing for 30 seconds, the walk fails with ERROR_AGAIN.
 */
#ifndef TOCSIN_RUNTIME_BUS_WALK_H
#define TOCSIN_RUNTIME_BUS_WALK_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"

typedef struct {
	TopicId topic;
	unsigned partition;
	BusVisit visit; /* gets records with their bodies; returns false to end the walk */
	void *context;
	/* Called after each read with the topic's name and the next offset; may be NULL. */
	void (*progress)(void *context, const char *topic, uint64_t offset);
	void *progress_context;
} BusWalk;

/*
 * Sleeps between empty reads. If retention drops records before the walk reads them, a walk of a stream continues at the oldest
 * record, so offsets jump; a walk of a ledger, which its owner trims, fails with ERROR_NOT_FOUND.
 */
Result bus_walk(BusReader *reader, const BusWalk *walk);

#endif
