/* Clients of the gateway: they send events, reports and commands, send some of them again, and retry failed ones. */
#ifndef TOCSIN_TESTS_CLIENTS_H
#define TOCSIN_TESTS_CLIENTS_H

#include "tests/simulation/world.h"

void client_event(World *world); /* sends a new event or report, up to WORLD_EVENTS_MAX in all */
void client_again(World *world); /* sends an earlier event or report again */
/* Sends all events and reports again, beginning at a random one, like a sender that does not know which of them arrived. */
void clients_repeat(World *world);
void client_command(World *world); /* sends a new command, up to WORLD_COMMANDS_MAX in all, if a gateway shows an incident */
void clients_retry(World *world);  /* sends all failed events, reports and commands again */

/* Called by Service.accepted of the gateway: remembers that the gateway answered a command's client from this record. */
void client_answered(World *world, const Record *record);

#endif
