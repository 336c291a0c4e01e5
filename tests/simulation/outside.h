/* What the services have outside: a receiver of messages that loses, fails and answers late, settings, audit's disk. */
#ifndef TOCSIN_TESTS_OUTSIDE_H
#define TOCSIN_TESTS_OUTSIDE_H

#include "tests/simulation/world.h"

/* As at the beginning of a world. */
void outside_reset(World *world);

/* Of a unit; NULL where its service sends nothing. */
Outbound *outside_of(const Unit *unit);

/* The unit's process died: what was under way may or may not arrive, what was answered is not heard. */
void outside_crash(World *world, const Unit *unit);

/* One message of one of the senders arrives or does not. */
void outside_step(World *world, unsigned sender);

/* All senders; false when there was nothing to do. */
bool outside_drain(World *world);

enum { OUTBOUND_SENDERS = WORLD_PARTITIONS_MAX * WORLD_REPLICAS_MAX };

/* handler->environment of a service; NULL: none. */
void *outside_environment(World *world, const Service *service);

#endif
