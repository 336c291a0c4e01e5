#include "services/cli/server.h"

#include "services/gateway/publish.h"
#include "shared/edge/log.h"
#include "shared/edge/metrics.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { START_POLL_MS = 2, LIFE_POLL_MS = 250 };

/* ---- the policy, at the start and on SIGHUP */

typedef void (*MistakeSay)(const char *mistake);

static void mistake_complain(const char *mistake)
{
	complain("%s", mistake);
}

static void mistake_log(const char *mistake)
{
	log_line(LOG_ERROR, "tocsin", "policy-mistake", L_STRING("detail", mistake));
}

/* A new reference to the pack's message, or NULL with every mistake said. */
static json_t *pack_take(const Settings *settings, MistakeSay say)
{
	json_t *message = NULL;
	PolicyMistakes *mistakes = malloc(sizeof *mistakes);
	must(mistakes != NULL);
	bool right = pack_read(settings, NULL, &message, mistakes);
	for (size_t i = 0; !right && i < mistakes->count; i++)
		say(mistakes->list[i]);
	free(mistakes);
	return right ? message : NULL;
}

/* A broken pack is said and left alone: what was in force stays in force. */
static void pack_reload(Server *server)
{
	json_t *message JSON_AUTO = pack_take(server->settings, mistake_log);
	Result result = result_fail(ERROR_INPUT, "the pack is broken; the old one stays in force");
	if (message != NULL)
		result = gateway_publish_policy(server->gateway, message);
	metric_add(METRIC_POLICY_RELOADS, result_failed(result) ? "refused" : "done", NULL, 1);
	if (result_failed(result))
		log_line(LOG_ERROR, "tocsin", "policy-refused", L_STRING("detail", result.text));
	else
		log_line(LOG_INFO, "tocsin", "policy-reloaded",
			 L_STRING("policy_version", json_string_value(json_object_get(message, "policy_version"))));
}

/* ---- signals: taken in turn by the one thread that lives the program's life */

static sigset_t signals_block(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	must(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
	signal(SIGPIPE, SIG_IGN);
	return set;
}

/* The next signal, or 0 after wait_ms. */
static int signal_next(const sigset_t *set, int wait_ms)
{
	struct timespec wait = { wait_ms / 1000, (wait_ms % 1000) * 1000000L };
	int number = sigtimedwait(set, NULL, &wait);
	return number > 0 ? number : 0;
}

/* From here on a signal ends the process at once, as by default. */
static void signals_release(const sigset_t *set)
{
	must(pthread_sigmask(SIG_UNBLOCK, set, NULL) == 0);
}

/* ---- the life of the server */

static void greet(const Server *server)
{
	const char *url = server->url, *key = server->home.key_path;
	char authorization[PATH_SIZE + 64];
	if (key[0] != '\0')
		snprintf(authorization, sizeof authorization, "\"Authorization: Bearer $(cat '%s')\"", key);
	else
		snprintf(authorization, sizeof authorization, "\"Authorization: Bearer $TOCSIN_ADMIN_KEY\"");
	fprintf(stderr,
		"Tocsin %s. State in %s, key in %s.\n\n"
		"Report something:\n"
		"  curl -H %s -H 'Content-Type: application/json' \\\n"
		"    -d '{\"source\":\"hand\",\"title\":\"Ransom note on the file server\",\"severity\":\"critical\"}' "
		"%s/v1/events\n"
		"See what became of it:\n"
		"  curl -H %s '%s/v1/incidents?limit=1'\n\n"
		"tocsin: ready on %s\n",
		TOCSIN_VERSION, setting_text(server->settings, "TOCSIN_HOME"),
		key[0] != '\0' ? key : "TOCSIN_ADMIN_KEY", authorization, url, authorization, url, url);
}

/* Waits for the services, however long their ledgers are: the signal that ended it early, 0 when ready, -1: it failed. */
static int await_ready(Server *server, const sigset_t *set)
{
	bool failed = false;
	Result why;
	while (!server_ready(server, &failed, &why) && !failed) {
		int number = signal_next(set, START_POLL_MS);
		if (number == SIGTERM || number == SIGINT)
			return number;
	}
	if (failed) {
		complain("%s", why.text);
		return -1;
	}
	greet(server);
	return 0;
}

static ExitCode live(Server *server, const sigset_t *set)
{
	bool failed = false;
	Result why;
	int number = await_ready(server, set);
	if (number < 0)
		return EXIT_SURROUNDINGS;
	while (number != SIGTERM && number != SIGINT) {
		number = signal_next(set, LIFE_POLL_MS);
		if (number == SIGHUP)
			pack_reload(server);
		server_ready(server, &failed, &why);
		if (failed) {
			complain("%s", why.text);
			return EXIT_SURROUNDINGS;
		}
	}
	log_line(LOG_INFO, "tocsin", "stopping", L_INTEGER("signal", number));
	signals_release(set);
	server_drain(server);
	return EXIT_DONE;
}

static ExitCode serve_pack(Settings *settings, json_t *pack)
{
	static Server server;
	sigset_t set = signals_block();
	Result result = server_open(&server, settings, pack);
	ExitCode code = EXIT_SURROUNDINGS;
	if (result_failed(result))
		complain("%s", result.text);
	else
		code = live(&server, &set);
	server_close(&server);
	log_line(LOG_INFO, "tocsin", "stopped", L_INTEGER("code", code));
	return code;
}

ExitCode serve_run(char **arguments, int count)
{
	(void)arguments;
	(void)count;
	Settings *settings = settings_or_complain();
	if (settings == NULL)
		return EXIT_WRONG;
	log_set_level((LogLevel)choice_of(log_levels, setting_text(settings, "TOCSIN_LOG_LEVEL")));
	json_t *pack JSON_AUTO = pack_take(settings, mistake_complain);
	ExitCode code = pack == NULL ? EXIT_WRONG : serve_pack(settings, pack);
	settings_free(settings);
	return code;
}
