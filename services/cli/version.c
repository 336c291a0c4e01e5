#include "services/cli/cli.h"

#include <stdio.h>
#include <string.h>

ExitCode version_run(char **arguments, int count)
{
	if (count == 0) {
		printf("tocsin %s\n", TOCSIN_VERSION);
		return EXIT_OK;
	}
	if (strcmp(arguments[0], "--json") != 0) {
		report_error("usage: tocsin version [--json]");
		return EXIT_USAGE;
	}
	printf("{\"name\":\"tocsin\",\"version\":\"%s\",\"compiler\":\"%s\"}\n", TOCSIN_VERSION, __VERSION__);
	return EXIT_OK;
}
