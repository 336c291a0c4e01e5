#include "services/cli/cli.h"

#include "services/notification/channels/channel.h"
#include "shared/program/pack.h"

#include <stdio.h>

static const char *setting_of(void *settings, const char *name)
{
	return setting_of_channel(settings, name);
}

/* Not wrong: a pack may have channels that a site does not use. But who expects to be told by one should know. */
static void channels_say(const Policy *policy, Settings *settings)
{
	const NotificationEnvironment environment = { .setting = setting_of, .context = settings };
	EgressRules egress;
	char lack[CHANNEL_MISSING];
	size_t count;
	const ChannelPolicy *channels = policy_channels(policy, &count);
	must(!result_failed(egress_parse(setting_text(settings, "TOCSIN_EGRESS_ALLOW"), &egress))); /* checked when it was read */
	for (size_t i = 0; i < count; i++) {
		Result allowed = channel_allowed(&channels[i], &environment, &egress);
		if (channel_missing_setting(&channels[i], &environment, lack))
			printf("note: channel %s tells nobody, its steps are recorded as skipped: %s %s\n", channels[i].id, lack,
			       setting_known(lack) ? "is not set" : "is no setting of Tocsin");
		else if (result_failed(allowed))
			printf("note: channel %s tells nobody, its messages are refused: %s\n", channels[i].id, allowed.text);
	}
}

/* Files that may be missing from a pack, and hardly ever are on purpose. */
static void gaps_say(const Policy *policy)
{
	if (policy_rule_count(policy) == 0)
		printf("note: the pack has no rules (rules.yaml): events stay events, a report is what its reporter says, and the grade comes of the severity\n");
	if (policy_escalation_count(policy) == 0)
		printf("note: the pack has no escalation (escalation.yaml): nobody is told of anything\n");
}

/* All settings, whoever reads them: it is the check of both modes. */
ExitCode check_run(char **arguments, int count)
{
	Settings *settings = settings_read_or_report(SETTING_ALL);
	if (settings == NULL)
		return EXIT_NO;
	Policy *policy = pack_check(settings, count > 0 ? arguments[0] : NULL);
	if (policy != NULL) {
		gaps_say(policy);
		channels_say(policy, settings);
	}
	ExitCode code = policy != NULL ? EXIT_DONE : EXIT_NO;
	policy_free(policy);
	settings_free(settings);
	return code;
}
