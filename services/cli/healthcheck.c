#include "services/cli/cli.h"

#include "shared/io/http/client.h"
#include "shared/io/http/listen.h"

#include <stdio.h>

enum { TIMEOUT_MS = 3000, ANSWER_MAX = 65536 };

static bool ends_line(const Buffer *text)
{
	return text->size == 0 || text->data[text->size - 1] == '\n';
}

static ExitCode ask(const char *url)
{
	Buffer answer;
	unsigned status = 0;
	buffer_init(&answer, ANSWER_MAX);
	HttpClient *client = http_client_new(url, NULL, TIMEOUT_MS);
	Result result = http_client_call(client, "GET", "/readyz?verbose=1", SLICE_NONE, &answer, &status);
	http_client_free(client);
	if (result_failed(result))
		report_error("%s", result.text);
	else
		printf("%.*s%s", (int)answer.size, answer.data == NULL ? "" : answer.data, ends_line(&answer) ? "" : "\n");
	buffer_release(&answer);
	return !result_failed(result) && status == 200 ? EXIT_OK : EXIT_CHECK_FAILED;
}

/*
 * The URL of the server: TOCSIN_URL if it is given. Otherwise the address TOCSIN_OPS_LISTEN, if set, because then only that
 * listener serves /readyz. Otherwise the default of TOCSIN_URL.
 */
static const char *url_of(const Settings *settings, char space[static LISTEN_URL])
{
	const char *listen = setting_text(settings, "TOCSIN_OPS_LISTEN");
	if (setting_given(settings, "TOCSIN_URL") || listen == NULL)
		return setting_text(settings, "TOCSIN_URL");
	listen_url(listen, space);
	return space;
}

ExitCode healthcheck_run(char **arguments, int count)
{
	Settings *settings = settings_read_or_report(SETTING_COMMANDS);
	if (settings == NULL)
		return EXIT_USAGE;
	char space[LISTEN_URL];
	ExitCode code = ask(count > 0 ? arguments[0] : url_of(settings, space));
	settings_free(settings);
	return code;
}
