/*
 * Roles: the permissions of each role, in one table; a command names the permission that it needs (shared/domain/commands.h). An
 * actor has the roles of its key. The services of Tocsin have the role `system`, which no key can have.
 */
#ifndef TOCSIN_RESPONSE_ROLES_H
#define TOCSIN_RESPONSE_ROLES_H

#include "shared/domain/commands.h"

/* True if one of the actor's roles permits the command. */
bool role_allows(const Actor *actor, const Command *command);

#endif
