/* The services' environment: a receiver of messages that loses, fails and answers late; settings; audit's disk. */
#ifndef TOCSIN_TESTS_ENVIRONMENT_H
#define TOCSIN_TESTS_ENVIRONMENT_H

#include "tests/simulation/world.h"

/* Resets everything to the start of a world. */
void environment_reset(World *world);

/* The outbound channel of a unit; NULL where its service sends nothing. Borrowed. */
Outbound *outbound_of(const Unit *unit);

/* The unit's process died: queued messages may be lost or still arrive; outcomes not yet collected are lost. */
void outbound_crash(World *world, const Unit *unit);

/* One message of this sender arrives or does not. */
void outbound_step(World *world, unsigned sender);

/* outbound_step for each sender; false: none made progress. */
bool outbound_drain(World *world);

enum { OUTBOUND_SENDERS = WORLD_PARTITIONS_MAX * WORLD_REPLICAS_MAX };

/* handler->environment of a service; NULL: none. Borrowed. */
void *service_environment(World *world, const Service *service);

#endif
