#include "services/notification/core/skip.h"

static const char *const keys[SKIPS] = {
	[SKIP_NONE] = "skip.none",
	[SKIP_NO_TARGETS] = "skip.no-targets",
	[SKIP_POLICY_CHANGED] = "skip.policy-changed",
	[SKIP_UNKNOWN_TARGET] = "skip.unknown-target",
	[SKIP_NOBODY_ON_DUTY] = "skip.nobody-on-duty",
	[SKIP_NO_MAIL_CHANNEL] = "skip.no-mail-channel",
	[SKIP_NO_ADDRESS] = "skip.no-address",
	[SKIP_NEEDS_PERSON] = "skip.needs-person",
	[SKIP_NOT_CONFIGURED] = "skip.not-configured",
	[SKIP_DRILL] = "skip.drill",
	[SKIP_TAKEN_ON] = "skip.taken-on",
	[SKIP_NO_INCIDENT] = "skip.no-incident",
	[SKIP_TOO_MANY] = "skip.too-many",
	[SKIP_NOTIFIED] = "skip.told",
};

const char *skip_key(Skip skip)
{
	return keys[skip];
}

void skip_write(const Policy *policy, Skip skip, const char *name, const char *setting, Buffer *out)
{
	policy_words(policy, policy_languages(policy)[0], keys[skip], out, "name", name ? name : "", "setting",
		     setting ? setting : "", NULL);
}
