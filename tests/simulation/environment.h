/* The services' environment: settings, audit's disk, and a receiver of messages, which fails, answers late or loses answers. */
#ifndef TOCSIN_TESTS_ENVIRONMENT_H
#define TOCSIN_TESTS_ENVIRONMENT_H

#include "tests/simulation/world.h"

/* Resets everything to the start of a world. */
void environment_reset(World *world);

/* The outbound channel of a unit; NULL if its service sends no messages. Borrowed. */
Outbound *outbound_of(const Unit *unit);

/* Call when the unit's process crashes: its queued messages are lost or may still arrive, and its uncollected outcomes are lost.
 * Does nothing for a service that sends no messages. */
void outbound_crash(World *world, const Unit *unit);

/* Takes the sender's oldest queued message; the receiver accepts, fails or refuses the message. Does nothing if no message is
 * queued or the queue of outcomes is full. sender: below OUTBOUND_SENDERS. */
void outbound_step(World *world, unsigned sender);

/* Calls outbound_step once for each sender; returns false if no message could be taken. */
bool outbound_drain(World *world);

enum { OUTBOUND_SENDERS = WORLD_PARTITIONS_MAX * WORLD_REPLICAS_MAX };

/* The value for handler->environment of a service; NULL if the service has none. Borrowed. */
void *service_environment(World *world, const Service *service);

#endif
