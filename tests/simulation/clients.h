/* Clients of the gateway: they send events, reports and commands, repeat themselves, and try again what failed. */
#ifndef TOCSIN_TESTS_CLIENTS_H
#define TOCSIN_TESTS_CLIENTS_H

#include "tests/simulation/world.h"

void client_event(World *world);
void client_again(World *world);
/* A sender that does not know what arrived sends all it ever sent once more, in an order of its own. */
void clients_repeat(World *world);
void client_command(World *world);
void clients_retry(World *world);

/* Service.accepted of the gateway: somebody is answered. */
void client_answered(World *world, const Record *record);

#endif
