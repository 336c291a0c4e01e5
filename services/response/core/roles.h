/*
 * Who may ask for what: one table, a row a role. Whoever acts holds the roles their key or account was given; the services
 * of Tocsin hold `system`, which nobody can be given.
 */
#ifndef TOCSIN_RESPONSE_ROLES_H
#define TOCSIN_RESPONSE_ROLES_H

#include "shared/domain/commands.h"
#include "shared/domain/documents.h"

bool role_allows(const Actor *actor, CommandId command);

#endif
