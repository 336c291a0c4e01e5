/*
 * Reads one partition of a bus from the oldest record that is kept up to the end that is known, for commands that look at a
 * whole log beside the programs that write it.
 *
 * The records before that end exist, so a read that delivers none is tried again. A bus that delivers none for half a minute
 * is ERROR_AGAIN: a walk ends early only where `visit` ends it, and never without saying so.
 */
#ifndef TOCSIN_RUNTIME_BUS_WALK_H
#define TOCSIN_RUNTIME_BUS_WALK_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"

typedef struct {
	TopicId topic;
	unsigned partition;
	BusVisit visit; /* of records with their bodies */
	void *context;
	/* Called after each read with the topic's name and the offset that was reached; NULL: nobody wants to know. */
	void (*progress)(void *context, const char *what, uint64_t offset);
	void *progress_context;
} BusWalk;

/*
 * Retention may overtake the walk on a stream, which goes on at the oldest record that is kept then: offsets jump. On a
 * ledger that is an error, since its owner cut it.
 */
Result bus_walk(BusReader *reader, const BusWalk *walk);

#endif
