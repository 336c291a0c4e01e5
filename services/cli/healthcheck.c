#include "services/cli/cli.h"

#include "shared/edge/http_client.h"

#include <stdio.h>

enum { TIMEOUT_MS = 3000, ANSWER_MAX = 65536 };

static ExitCode ask(const char *url)
{
	Buffer answer;
	unsigned status = 0;
	buffer_init(&answer, ANSWER_MAX);
	HttpClient *client = http_client_new(url, NULL, TIMEOUT_MS);
	Result result = http_client_call(client, "GET", "/readyz?verbose=1", SLICE_NONE, &answer, &status);
	http_client_free(client);
	if (result_failed(result))
		complain("%s", result.text);
	else
		printf("%.*s", (int)answer.size, answer.data == NULL ? "" : answer.data);
	buffer_release(&answer);
	return !result_failed(result) && status == 200 ? EXIT_DONE : EXIT_NO;
}

ExitCode healthcheck_run(char **arguments, int count)
{
	Settings *settings = settings_or_complain(SETTING_COMMANDS);
	if (settings == NULL)
		return EXIT_WRONG;
	ExitCode code = ask(count > 0 ? arguments[0] : setting_text(settings, "TOCSIN_URL"));
	settings_free(settings);
	return code;
}
