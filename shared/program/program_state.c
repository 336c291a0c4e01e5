#include "shared/program/program_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"
#include "shared/program/pack.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	START_POLL_MS = 2,
	SERVE_POLL_MS = 250,
	ANSWERS_POLL_MS = 5,
	PUBLISH_PAUSE_MS = 200,
	WAITING_LINE_MS = 5000, /* between two lines on stderr while a dependency is not ready */
	GREETING_MAX = 16384,
	QUIET_ARENAS = 2,       /* malloc arenas of a program without the API: its dozens of threads rarely allocate */
};

#define EACH_HOOKS(state, i, hooks)                                                     \
	for (size_t i = 0; i < (state)->opened; i++)                                    \
		for (const ServiceHooks *hooks = (state)->program->services[i].hooks; hooks != NULL; hooks = NULL)

/* ---- signals: blocked in all threads; the first thread waits for them with signal_next */

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

/* The next signal of the set, or 0 if none arrives within wait_ms. */
static int signal_next(const sigset_t *set, int wait_ms)
{
	struct timespec wait = { wait_ms / 1000, (wait_ms % 1000) * 1000000L };
	int number = sigtimedwait(set, NULL, &wait);
	return number > 0 ? number : 0;
}

/* A signal handler, needed if the program is PID 1 of a container: the kernel drops signals to PID 1 that have no handler. */
static void end_at_once(int number)
{
	_exit(128 + number);
}

/* From now on a signal ends the process at once. */
static void signals_release(const sigset_t *set)
{
	if (getpid() == 1) {
		signal(SIGTERM, end_at_once);
		signal(SIGINT, end_at_once);
	}
	must(pthread_sigmask(SIG_UNBLOCK, set, NULL) == 0);
}

bool program_ended(ProgramState *state, int wait_ms)
{
	int number = signal_next(&state->signals, wait_ms);
	if (number == SIGTERM || number == SIGINT)
		state->ended_by = number;
	return state->ended_by != 0;
}

/* ---- the policy: published by the program that reads the pack */

static bool publishes(const Program *program)
{
	for (size_t i = 0; i < program->service_count; i++)
		if (program->services[i].hooks != NULL && program->services[i].hooks->publish != NULL)
			return true;
	return false;
}

static void mistake_log(void *context, const char *mistake)
{
	const ProgramState *state = context;
	log_line(LOG_ERROR, state->program->name, "policy-mistake", L_STRING("detail", mistake));
}

static Result pack_publish(ProgramState *state, json_t *pack, bool always)
{
	EACH_HOOKS (state, i, hooks)
		if (hooks->publish != NULL)
			TRY(hooks->publish(&state->services[i], pack, always));
	return result_ok();
}

/* Called on SIGHUP: reads and publishes the pack. An invalid pack is logged, and the policy in force stays. */
static void pack_reload(ProgramState *state)
{
	json_t *pack JSON_AUTO = pack_read_or_report(state->settings, NULL, mistake_log, state);
	Result result = result_fail(ERROR_INPUT, "the pack is invalid; the former one stays in force: correct the pack and send SIGHUP again");
	if (pack != NULL)
		result = pack_publish(state, pack, true);
	metric_add(METRIC_POLICY_RELOADS, result_failed(result) ? "refused" : "done", NULL, 1);
	if (result_failed(result))
		log_line(LOG_ERROR, state->program->name, "policy-refused", L_STRING("detail", result.text));
	else
		log_line(LOG_INFO, state->program->name, "policy-reloaded",
			 L_STRING("policy_version", json_string_value(json_object_get(pack, "policy_version"))));
}

/*
 * Publishes the pack at the start; retries until until_us. In embedded mode, the pack in the directory always replaces the
 * policy in force. In distributed mode, a policy of a higher version stays in force: a replica that restarts with an
 * old pack must not replace a newer pack that another replica has published.
 */
static Result pack_publish_first(ProgramState *state, json_t *pack, int64_t until_us)
{
	for (;;) {
		Result result = pack_publish(state, pack, !state->program->distributed);
		if (result.kind != ERROR_AGAIN || clock_monotonic_us() >= until_us)
			return result;
		if (program_ended(state, PUBLISH_PAUSE_MS))
			return result;
	}
}

/* ---- starting */

static Result locks_take(ProgramState *state)
{
	const Program *program = state->program;
	TRY(datadir_make(state->settings));
	if (!program->distributed)
		TRY(datadir_lock(state->settings, &state->datadir));
	for (size_t i = 0; i < program->service_count; i++)
		TRY(datadir_lock_service(state->settings, program->services[i].service->name, &state->datadir));
	return result_ok();
}

static Result services_open(ProgramState *state)
{
	state->systems = (ProgramSystems){ .settings = state->settings, .bus = state->bus, .url = state->url };
	for (size_t i = 0; i < state->program->service_count; i++) {
		const ProgramService *service = &state->program->services[i];
		state->services[i] = (ProcessService){ .service = service->service,
						      .timers = service->timers ? state->timers : NULL };
		state->opened = i + 1;
		if (service->hooks != NULL && service->hooks->open != NULL)
			TRY(service->hooks->open(&state->systems, &state->services[i]));
	}
	return result_ok();
}

static Result http_open(ProgramState *state)
{
	HttpServerOptions options = { .listen = setting_text(state->settings, "TOCSIN_LISTEN"),
				      .ops_listen = setting_text(state->settings, "TOCSIN_OPS_LISTEN"),
				      .threads = 1 };
	EACH_HOOKS (state, i, hooks)
		if (hooks->serve != NULL) {
			options.threads = 0;
			hooks->serve(&state->services[i], &options);
		}
	program_serve(state, &options);
	TRY(http_server_start(&options, &state->http));
	snprintf(state->url, sizeof state->url, "http://%s", http_server_address(state->http));
	return result_ok();
}

static bool is_standby(const ProgramState *state)
{
	const Program *program = state->program;
	return program->distributed && program->services[0].service->ledger != TOPICS &&
	       strcmp(setting_text(state->settings, "TOCSIN_STANDBY"), "all") == 0;
}

static Result runtimes_start(ProgramState *state)
{
	ProcessOptions options = { .datadir = setting_text(state->settings, "TOCSIN_HOME"),
				   .bus = state->bus,
				   .services = state->services,
				   .service_count = state->program->service_count,
				   .standby = is_standby(state) };
	Process *process;
	TRY(process_start(&options, &process));
	atomic_store(&state->process, process);
	return result_ok();
}

static Result program_start(ProgramState *state, json_t *pack)
{
	int64_t until_us = clock_monotonic_us();
	if (state->program->distributed)
		until_us += setting_integer(state->settings, "TOCSIN_START_TIMEOUT_MS") * 1000;
	TRY(locks_take(state));
	if (state->program->prepare != NULL)
		TRY(state->program->prepare(state->settings));
	TRY(systems_open(state, until_us));
	TRY(services_open(state));
	/* HTTP starts before the runtimes, which need its address; requests get 503 until the runtimes are ready. */
	TRY(http_open(state));
	TRY(bus_join(state->bus));
	TRY(runtimes_start(state));
	return pack == NULL ? result_ok() : pack_publish_first(state, pack, until_us);
}

/* ---- serving */

static void greet(ProgramState *state)
{
	Buffer text;
	buffer_init(&text, GREETING_MAX);
	buffer_format(&text, "Tocsin %s, %s. State in %s.\n", TOCSIN_VERSION, state->program->name,
		      setting_text(state->settings, "TOCSIN_HOME"));
	EACH_HOOKS (state, i, hooks)
		if (hooks->greet != NULL)
			hooks->greet(&state->systems, &text);
	buffer_format(&text, "tocsin: ready on %s\n", state->url);
	fwrite(text.data, 1, text.size, stderr);
	buffer_release(&text);
}

/* Reports the first dependency that is not ready. */
static void waiting_report(const char *lines)
{
	const char *line = strstr(lines, "[-]");
	if (line != NULL)
		report_error("not ready yet: %.*s", (int)strcspn(line + 3, "\n"), line + 3);
}

/* Returns program_ready. If it is false, reports the reason, at most once in WAITING_LINE_MS. */
static bool ready_or_report(ProgramState *state, int64_t *report_us)
{
	Buffer lines;
	buffer_init(&lines, GREETING_MAX);
	bool ready = program_ready(state, &lines);
	if (!ready && clock_monotonic_us() > *report_us) {
		waiting_report(lines.data);
		*report_us += WAITING_LINE_MS * 1000;
	}
	buffer_release(&lines);
	return ready;
}

static bool runtime_failed(ProgramState *state)
{
	Result why;
	bool failed = process_failed(state->process, &why);
	if (failed)
		report_error("%s", why.text);
	return failed;
}

/* Waits until the program is ready; no time limit, because ledgers may be long. False: a runtime failed, or a signal arrived. */
static bool await_ready(ProgramState *state)
{
	int64_t report_us = clock_monotonic_us() + WAITING_LINE_MS * 1000;
	while (!ready_or_report(state, &report_us))
		if (runtime_failed(state) || program_ended(state, START_POLL_MS))
			return false;
	greet(state);
	return true;
}

static ExitCode serve(ProgramState *state)
{
	bool failed = !await_ready(state) && state->ended_by == 0;
	while (state->ended_by == 0 && !failed) {
		int number = signal_next(&state->signals, SERVE_POLL_MS);
		if (number == SIGHUP && publishes(state->program))
			pack_reload(state);
		else if (number == SIGTERM || number == SIGINT)
			state->ended_by = number;
		failed = runtime_failed(state);
	}
	return failed ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* ---- stopping */

/* Refuses new connections and waits until until_us for requests in progress. */
static void requests_drain(ProgramState *state, int64_t until_us)
{
	http_server_quiesce(state->http);
	while (http_server_inflight(state->http) > 0 && clock_left_ms(until_us) > 0)
		clock_sleep_ms(ANSWERS_POLL_MS);
}

/* Closes everything that was opened; called also after a failed start. */
static void program_close(ProgramState *state, int64_t until_us)
{
	atomic_store(&state->draining, true);
	systems_set_deadline(state, clock_left_ms(until_us));
	if (state->http != NULL)
		requests_drain(state, until_us);
	EACH_HOOKS (state, i, hooks)
		if (hooks->drain != NULL)
			hooks->drain(&state->services[i]);
	http_server_stop(state->http);
	process_stop(state->process, clock_left_ms(until_us));
	systems_close(state);
	EACH_HOOKS (state, i, hooks)
		if (hooks->close != NULL)
			hooks->close(&state->services[i]);
	datadir_release(&state->datadir);
}

static void program_stop(ProgramState *state)
{
	int64_t timeout_ms = setting_integer(state->settings, "TOCSIN_DRAIN_TIMEOUT_MS");
	if (state->ended_by != 0 && state->http != NULL) {
		log_line(LOG_INFO, state->program->name, "stopping", L_INTEGER("signal", state->ended_by));
		signals_release(&state->signals);
		atomic_store(&state->draining, true);
		clock_sleep_ms(setting_integer(state->settings, "TOCSIN_DRAIN_DELAY_MS"));
	}
	program_close(state, clock_monotonic_us() + timeout_ms * 1000);
}

/* ---- the whole program */

/*
 * The exit code of a failed start; 0 if a signal ended it. ERROR_INPUT of a distributed program means that settings or topics
 * must be corrected: EXIT_USAGE.
 */
static ExitCode code_of(const ProgramState *state, Result result)
{
	if (state->ended_by != 0)
		return EXIT_OK;
	report_error("%s", result.text);
	return state->program->distributed && result.kind == ERROR_INPUT ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static ExitCode program_run_with(const Program *program, Settings *settings, json_t *pack)
{
	ProgramState *state = calloc(1, sizeof *state);
	must(state != NULL);
	state->program = program;
	state->settings = settings;
	state->signals = signals_block();
	Result result = program_start(state, pack);
	ExitCode code = result_failed(result) ? code_of(state, result) : serve(state);
	program_stop(state);
	free(state);
	log_line(LOG_INFO, program->name, "stopped", L_INTEGER("code", code));
	return code;
}

ExitCode program_run(const Program *program)
{
	Settings *settings = program_settings(program);
	if (settings == NULL)
		return EXIT_USAGE;
	if (program->distributed && !publishes(program))
		mallopt(M_ARENA_MAX, QUIET_ARENAS);
	log_set_level((LogLevel)choice_of(log_levels, setting_text(settings, "TOCSIN_LOG_LEVEL")));
	json_t *pack JSON_AUTO = publishes(program) ? pack_read_or_report(settings, NULL, NULL, NULL) : NULL;
	bool invalid = publishes(program) && pack == NULL;
	ExitCode code = invalid ? EXIT_USAGE : program_run_with(program, settings, pack);
	settings_free(settings);
	return code;
}
