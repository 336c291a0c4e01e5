#include "services/response/core/roles.h"

#include <string.h>

enum { ACTOR_SYSTEM = 2 }; /* index into actor_words */

static const struct {
	const char *role;
	bool permits[COMMANDS];
} roles[] = {
	{ "administrator",
	  { [COMMAND_ACKNOWLEDGE] = true, [COMMAND_ASSIGN] = true, [COMMAND_NOTE] = true, [COMMAND_CLOSE] = true,
	    [COMMAND_REOPEN] = true, [COMMAND_FALSE_ALARM] = true } },
	{ "system", { [COMMAND_ESCALATED] = true, [COMMAND_LINK] = true, [COMMAND_CAMPAIGN] = true } },
};

static bool has_role(const Actor *actor, const char *role)
{
	if (strcmp(role, "system") == 0)
		return actor->kind == ACTOR_SYSTEM;
	for (size_t i = 0; i < json_array_size(actor->roles); i++)
		if (strcmp(json_string_value(json_array_get(actor->roles, i)), role) == 0)
			return true;
	return false;
}

bool role_allows(const Actor *actor, CommandId command)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].permits[command] && has_role(actor, roles[i].role))
			return true;
	return false;
}
