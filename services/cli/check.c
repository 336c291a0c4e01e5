#include "services/cli/cli.h"

#include "services/notification/channels/channel.h"
#include "shared/program/pack.h"

#include <stdio.h>

static const char *setting_of(void *settings, const char *name)
{
	return setting_of_channel(settings, name);
}

/* Prints a note for each channel that cannot be used. It is not a mistake, because a site need not use all channels of a pack. */
static void channels_note(const Policy *policy, Settings *settings)
{
	const NotificationEnvironment environment = { .setting = setting_of, .context = settings };
	EgressRules egress;
	char missing[CHANNEL_MISSING];
	size_t count;
	const ChannelPolicy *channels = policy_channels(policy, &count);
	must(!result_failed(egress_parse(setting_text(settings, "TOCSIN_EGRESS_ALLOW"), &egress))); /* settings_read checks it */
	for (size_t i = 0; i < count; i++) {
		Result allowed = channel_allowed(&channels[i], &environment, &egress);
		if (channel_missing_setting(&channels[i], &environment, missing))
			printf("note: channel %s notifies nobody, its steps are recorded as skipped: %s %s\n", channels[i].id, missing,
			       setting_known(missing) ? "is not set" : "is not a setting of Tocsin");
		else if (result_failed(allowed))
			printf("note: channel %s notifies nobody, its messages are refused: %s\n", channels[i].id, allowed.text);
	}
}

/* Prints a note for each optional file of a pack that is missing and rarely left out on purpose. */
static void gaps_note(const Policy *policy)
{
	if (policy_rule_count(policy) == 0)
		printf("note: the pack has no rules (rules.yaml): events stay events, reports keep the kind that the reporter chose, and the grade follows from the severity\n");
	if (policy_escalation_count(policy) == 0)
		printf("note: the pack has no escalation (escalation.yaml): nobody is notified\n");
}

/* Reads the settings of all programs, because the command checks the settings of both modes. */
ExitCode check_run(char **arguments, int count)
{
	Settings *settings = settings_read_or_report(SETTING_ALL);
	if (settings == NULL)
		return EXIT_CHECK_FAILED;
	Policy *policy = pack_check(settings, count > 0 ? arguments[0] : NULL);
	if (policy != NULL) {
		gaps_note(policy);
		channels_note(policy, settings);
	}
	ExitCode code = policy != NULL ? EXIT_OK : EXIT_CHECK_FAILED;
	policy_free(policy);
	settings_free(settings);
	return code;
}
