/*
 * Permissions: the commands that each role may give, in one table. An actor has the roles of its key. The services of Tocsin
 * have the role `system`, which no key can have.
 */
#ifndef TOCSIN_RESPONSE_ROLES_H
#define TOCSIN_RESPONSE_ROLES_H

#include "shared/domain/commands.h"
#include "shared/domain/documents.h"

/* True if one of the actor's roles permits the command. */
bool role_allows(const Actor *actor, CommandId command);

#endif
