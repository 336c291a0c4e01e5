#include "services/cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static ExitCode pack_check(const Settings *settings, const char *directory)
{
	PolicyMistakes *mistakes = malloc(sizeof *mistakes);
	json_t *message JSON_AUTO = NULL;
	Policy *policy = NULL;
	must(mistakes != NULL);
	bool right = pack_read(settings, directory, &message, mistakes);
	for (size_t i = 0; !right && i < mistakes->count; i++)
		complain("%s", mistakes->list[i]);
	if (!right && mistakes->more)
		complain("there are more mistakes than these %zu", mistakes->count);
	free(mistakes);
	if (!right)
		return EXIT_NO;
	Result compiled = policy_compile(message, &policy);
	if (result_failed(compiled)) {
		complain("%s", compiled.text);
		return EXIT_NO;
	}
	printf("settings and policy %s are right\n", policy_version(policy));
	policy_free(policy);
	return EXIT_DONE;
}

ExitCode check_run(char **arguments, int count)
{
	Settings *settings = settings_or_complain();
	if (settings == NULL)
		return EXIT_NO;
	ExitCode code = pack_check(settings, count > 0 ? arguments[0] : NULL);
	settings_free(settings);
	return code;
}
