/* Clients of the gateway: they send events, reports and commands, repeat themselves, and retry failures. */
#ifndef TOCSIN_TESTS_CLIENTS_H
#define TOCSIN_TESTS_CLIENTS_H

#include "tests/simulation/world.h"

void client_event(World *world); /* sends a new event or report */
void client_again(World *world); /* repeats one */
/* A sender that does not know which events arrived repeats all of them, in another order. */
void clients_repeat(World *world);
void client_command(World *world); /* sends a new command */
void clients_retry(World *world);  /* repeats everything that failed */

/* Service.accepted of the gateway: the command's client is answered. */
void client_answered(World *world, const Record *record);

#endif
