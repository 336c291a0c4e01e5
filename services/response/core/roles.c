#include "services/response/core/roles.h"

#include <string.h>

enum { ACTOR_SYSTEM = 2 }; /* index into actor_words */

static const struct {
	const char *role;
	bool permits[PERMISSIONS];
} roles[] = {
	{ "administrator", { [PERMISSION_HANDLE] = true } },
	{ "system", { [PERMISSION_SYSTEM] = true } },
};

static bool has_role(const Actor *actor, const char *role)
{
	if (strcmp(role, "system") == 0)
		return actor->kind == ACTOR_SYSTEM;
	for (size_t i = 0; i < json_array_size(actor->roles); i++)
		if (json_is_string(json_array_get(actor->roles, i)) &&
		    strcmp(json_string_value(json_array_get(actor->roles, i)), role) == 0)
			return true;
	return false;
}

bool role_allows(const Actor *actor, const Command *command)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].permits[command->permission] && has_role(actor, roles[i].role))
			return true;
	return false;
}
