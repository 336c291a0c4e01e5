#include "services/cli/cli.h"

#include "shared/service/pack.h"

static void mistake_complain(const char *mistake)
{
	complain("%s", mistake);
}

/* All settings, whoever reads them: it is the check of both modes. */
ExitCode check_run(char **arguments, int count)
{
	Settings *settings = settings_or_complain(SETTING_ALL);
	if (settings == NULL)
		return EXIT_NO;
	bool right = pack_check(settings, count > 0 ? arguments[0] : NULL, mistake_complain);
	settings_free(settings);
	return right ? EXIT_DONE : EXIT_NO;
}
