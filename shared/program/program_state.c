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
	LIFE_POLL_MS = 250,
	ANSWERS_POLL_MS = 5,
	PUBLISH_PAUSE_MS = 200,
	WAITING_LINE_MS = 5000, /* how often it is said what is waited for */
	GREETING_MAX = 16384,
	QUIET_ARENAS = 2,       /* a program of dozens of threads that hardly allocate needs no arena for each */
};

#define EACH_HOOKS(life, i, hooks)                                                     \
	for (size_t i = 0; i < (life)->opened; i++)                                    \
		for (const ServiceHooks *hooks = (life)->program->services[i].hooks; hooks != NULL; hooks = NULL)

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

/* The first process of a container has no default actions: the kernel keeps from it what it does not handle. */
static void end_at_once(int number)
{
	_exit(128 + number);
}

/* From here on a signal ends the process at once, as by default. */
static void signals_release(const sigset_t *set)
{
	if (getpid() == 1) {
		signal(SIGTERM, end_at_once);
		signal(SIGINT, end_at_once);
	}
	must(pthread_sigmask(SIG_UNBLOCK, set, NULL) == 0);
}

bool program_ended(ProgramState *life, int wait_ms)
{
	int number = signal_next(&life->signals, wait_ms);
	if (number == SIGTERM || number == SIGINT)
		life->ended_by = number;
	return life->ended_by != 0;
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
	const ProgramState *life = context;
	log_line(LOG_ERROR, life->program->name, "policy-mistake", L_STRING("detail", mistake));
}

static Result pack_publish(ProgramState *life, json_t *pack, bool always)
{
	EACH_HOOKS (life, i, hooks)
		if (hooks->publish != NULL)
			TRY(hooks->publish(&life->services[i], pack, always));
	return result_ok();
}

/* A broken pack is said and left alone: what was in force stays in force. */
static void pack_reload(ProgramState *life)
{
	json_t *pack JSON_AUTO = pack_take(life->settings, NULL, mistake_log, life);
	Result result = result_fail(ERROR_INPUT, "the pack is broken; the old one stays in force");
	if (pack != NULL)
		result = pack_publish(life, pack, true);
	metric_add(METRIC_POLICY_RELOADS, result_failed(result) ? "refused" : "done", NULL, 1);
	if (result_failed(result))
		log_line(LOG_ERROR, life->program->name, "policy-refused", L_STRING("detail", result.text));
	else
		log_line(LOG_INFO, life->program->name, "policy-reloaded",
			 L_STRING("policy_version", json_string_value(json_object_get(pack, "policy_version"))));
}

/*
 * At the start. Embedded, the directory is the truth, whatever is in force. Distributed, a replica that is restarted
 * with an older pack than the others have published meanwhile must not take theirs back.
 */
static Result pack_begin(ProgramState *life, json_t *pack, int64_t until_us)
{
	for (;;) {
		Result result = pack_publish(life, pack, !life->program->distributed);
		if (result.kind != ERROR_AGAIN || clock_monotonic_us() >= until_us)
			return result;
		if (program_ended(life, PUBLISH_PAUSE_MS))
			return result;
	}
}

/* ---- opening */

static Result locks_take(ProgramState *life)
{
	const Program *program = life->program;
	TRY(datadir_make(life->settings));
	if (!program->distributed)
		TRY(datadir_lock(life->settings, &life->home));
	for (size_t i = 0; i < program->service_count; i++)
		TRY(datadir_lock_service(life->settings, program->services[i].service->name, &life->home));
	return result_ok();
}

static Result services_open(ProgramState *life)
{
	life->edges = (ProgramEdges){ .settings = life->settings, .bus = life->bus, .url = life->url };
	for (size_t i = 0; i < life->program->service_count; i++) {
		const ProgramService *service = &life->program->services[i];
		life->services[i] = (ProcessService){ .service = service->service,
						      .timers = service->timers ? life->timers : NULL };
		life->opened = i + 1;
		if (service->hooks != NULL && service->hooks->open != NULL)
			TRY(service->hooks->open(&life->edges, &life->services[i]));
	}
	return result_ok();
}

static Result http_open(ProgramState *life)
{
	HttpServerOptions options = { .listen = setting_text(life->settings, "TOCSIN_LISTEN"),
				      .ops_listen = setting_text(life->settings, "TOCSIN_OPS_LISTEN"),
				      .threads = 1 };
	EACH_HOOKS (life, i, hooks)
		if (hooks->serve != NULL) {
			options.threads = 0;
			hooks->serve(&life->services[i], &options);
		}
	program_serve(life, &options);
	TRY(http_server_start(&options, &life->http));
	snprintf(life->url, sizeof life->url, "http://%s", http_server_address(life->http));
	return result_ok();
}

static bool stands_by(const ProgramState *life)
{
	const Program *program = life->program;
	return program->distributed && program->services[0].service->ledger != TOPICS &&
	       strcmp(setting_text(life->settings, "TOCSIN_STANDBY"), "all") == 0;
}

static Result runtimes_start(ProgramState *life)
{
	ProcessOptions options = { .home = setting_text(life->settings, "TOCSIN_HOME"),
				   .bus = life->bus,
				   .services = life->services,
				   .service_count = life->program->service_count,
				   .standby = stands_by(life) };
	Process *process;
	TRY(process_start(&options, &process));
	atomic_store(&life->process, process);
	return result_ok();
}

static Result life_open(ProgramState *life, json_t *pack)
{
	int64_t until_us = clock_monotonic_us();
	if (life->program->distributed)
		until_us += setting_integer(life->settings, "TOCSIN_START_TIMEOUT_MS") * 1000;
	TRY(locks_take(life));
	if (life->program->prepare != NULL)
		TRY(life->program->prepare(life->settings));
	TRY(edges_open(life, until_us));
	TRY(services_open(life));
	/* Before the runtimes, which want to know its address; it says 503 until they are there. */
	TRY(http_open(life));
	TRY(bus_join(life->bus));
	TRY(runtimes_start(life));
	return pack == NULL ? result_ok() : pack_begin(life, pack, until_us);
}

/* ---- living */

static void greet(ProgramState *life)
{
	Buffer text;
	buffer_init(&text, GREETING_MAX);
	buffer_format(&text, "Tocsin %s, %s. State in %s.\n", TOCSIN_VERSION, life->program->name,
		      setting_text(life->settings, "TOCSIN_HOME"));
	EACH_HOOKS (life, i, hooks)
		if (hooks->greet != NULL)
			hooks->greet(&life->edges, &text);
	buffer_format(&text, "tocsin: ready on %s\n", life->url);
	fwrite(text.data, 1, text.size, stderr);
	buffer_release(&text);
}

/* The first thing that is not ready, on stderr. */
static void waiting_say(const char *lines)
{
	const char *line = strstr(lines, "[-]");
	if (line != NULL)
		report_error("not ready yet: %.*s", (int)strcspn(line + 3, "\n"), line + 3);
}

/* As program_ready; where it is not, says why now and then. */
static bool ready_or_say(ProgramState *life, int64_t *say_us)
{
	Buffer lines;
	buffer_init(&lines, GREETING_MAX);
	bool ready = program_ready(life, &lines);
	if (!ready && clock_monotonic_us() > *say_us) {
		waiting_say(lines.data);
		*say_us += WAITING_LINE_MS * 1000;
	}
	buffer_release(&lines);
	return ready;
}

static bool life_failed(ProgramState *life)
{
	Result why;
	bool failed = process_failed(life->process, &why);
	if (failed)
		report_error("%s", why.text);
	return failed;
}

/* Waits for the services, however long their ledgers are. False: one failed, or a signal ended it. */
static bool await_ready(ProgramState *life)
{
	int64_t say_us = clock_monotonic_us() + WAITING_LINE_MS * 1000;
	while (!ready_or_say(life, &say_us))
		if (life_failed(life) || program_ended(life, START_POLL_MS))
			return false;
	greet(life);
	return true;
}

static ExitCode live(ProgramState *life)
{
	bool failed = !await_ready(life) && life->ended_by == 0;
	while (life->ended_by == 0 && !failed) {
		int number = signal_next(&life->signals, LIFE_POLL_MS);
		if (number == SIGHUP && publishes(life->program))
			pack_reload(life);
		else if (number == SIGTERM || number == SIGINT)
			life->ended_by = number;
		failed = life_failed(life);
	}
	return failed ? EXIT_ENVIRONMENT : EXIT_DONE;
}

/* ---- ending */

/* Says no to /readyz, and after a while takes no more connections and lets those there are be answered. */
static void requests_drain(ProgramState *life, int64_t until_us)
{
	http_server_quiesce(life->http);
	while (http_server_inflight(life->http) > 0 && clock_left_ms(until_us) > 0)
		clock_sleep_ms(ANSWERS_POLL_MS);
}

/* Whatever was opened, in the other order. */
static void life_close(ProgramState *life, int64_t until_us)
{
	atomic_store(&life->draining, true);
	edges_set_deadline(life, clock_left_ms(until_us));
	if (life->http != NULL)
		requests_drain(life, until_us);
	EACH_HOOKS (life, i, hooks)
		if (hooks->drain != NULL)
			hooks->drain(&life->services[i]);
	http_server_stop(life->http);
	process_stop(life->process, clock_left_ms(until_us));
	edges_close(life);
	EACH_HOOKS (life, i, hooks)
		if (hooks->close != NULL)
			hooks->close(&life->services[i]);
	datadir_release(&life->home);
}

static void life_end(ProgramState *life)
{
	int64_t timeout_ms = setting_integer(life->settings, "TOCSIN_DRAIN_TIMEOUT_MS");
	if (life->ended_by != 0 && life->http != NULL) {
		log_line(LOG_INFO, life->program->name, "stopping", L_INTEGER("signal", life->ended_by));
		signals_release(&life->signals);
		atomic_store(&life->draining, true);
		clock_sleep_ms(setting_integer(life->settings, "TOCSIN_DRAIN_DELAY_MS"));
	}
	life_close(life, clock_monotonic_us() + timeout_ms * 1000);
}

/* ---- a life */

/* What the operator wrote is wrong, or the surroundings fail. */
static ExitCode code_of(const ProgramState *life, Result result)
{
	if (life->ended_by != 0)
		return EXIT_DONE;
	report_error("%s", result.text);
	return life->program->distributed && result.kind == ERROR_INPUT ? EXIT_USAGE : EXIT_ENVIRONMENT;
}

static ExitCode life_run(const Program *program, Settings *settings, json_t *pack)
{
	ProgramState *life = calloc(1, sizeof *life);
	must(life != NULL);
	life->program = program;
	life->settings = settings;
	life->signals = signals_block();
	Result result = life_open(life, pack);
	ExitCode code = result_failed(result) ? code_of(life, result) : live(life);
	life_end(life);
	free(life);
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
	json_t *pack JSON_AUTO = publishes(program) ? pack_take(settings, NULL, NULL, NULL) : NULL;
	bool wrong = publishes(program) && pack == NULL;
	ExitCode code = wrong ? EXIT_USAGE : life_run(program, settings, pack);
	settings_free(settings);
	return code;
}
