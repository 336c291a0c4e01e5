/* /livez, /readyz and /metrics: served by every program, without authentication. */
#include "shared/program/program_internal.h"

#include "shared/domain/problem.h"
#include "shared/io/system/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { METRICS_MAX = 4 << 20, READY_MAX = 64 << 10, PROBLEM_MAX = 8192 };

static const char plain[] = "text/plain; charset=utf-8";

static void answer_text(HttpRequest *request, unsigned status, const char *type, Slice body)
{
	http_answer(request, &(HttpResponse){ .status = status, .content_type = type, .body = body });
}

static void livez(HttpRequest *request, void *context)
{
	(void)context;
	answer_text(request, 200, plain, SLICE("ok\n"));
}

static void metrics(HttpRequest *request, void *context)
{
	Buffer text;
	(void)context;
	buffer_init(&text, METRICS_MAX);
	metrics_write(&text);
	answer_text(request, 200, "text/plain; version=0.0.4; charset=utf-8", buffer_slice(&text));
	buffer_release(&text);
}

/* ---- /readyz?verbose=1: a line for each dependency */

static bool line_put(Buffer *lines, const char *name, Result health)
{
	bool ok = !result_failed(health);
	buffer_format(lines, "[%c]%s %s\n", ok ? '+' : '-', name, ok ? "ok" : health.text);
	return ok;
}

/* A timer store that cannot be reached has its line, but the process stays ready: timers fire from state (timer_set.h). */
static bool systems_ready(const ProgramState *state, Buffer *lines)
{
	bool distributed = state->program->distributed;
	bool ready = line_put(lines, distributed ? "kafka" : "bus", bus_health(state->bus));
	const Timers *timers = state->timers;
	if (timers != NULL)
		(void)line_put(lines, distributed ? "redis" : "timers",
			       timers->operations->health ? timers->operations->health(state->timers) : result_ok());
	return ready;
}

static bool waits_for_policy(const Program *program)
{
	for (size_t i = 0; i < program->service_count; i++)
		if (program->services[i].service->policy)
			return true;
	return false;
}

/* True once a policy has been published, or if no service needs a policy. runtimes_ready checks that the runtimes have read it. */
static bool policy_ready(const ProgramState *state, Buffer *lines)
{
	if (!waits_for_policy(state->program))
		return true;
	bool published = state->bus->operations->end(state->bus, TOPIC_POLICIES, 0) > 0;
	return line_put(lines, "policy",
			published ? result_ok()
				  : result_fail(ERROR_AGAIN, "waiting for a policy: start the gateway"));
}

static bool hooks_ready(const ProgramState *state, Buffer *lines)
{
	bool ready = true;
	for (size_t i = 0; i < state->opened; i++) {
		const ProgramService *service = &state->program->services[i];
		if (service->hooks == NULL || service->hooks->ready == NULL)
			continue;
		Result health = service->hooks->ready(&state->services[i]);
		ready = line_put(lines, service->service->name, health) && ready;
	}
	return ready;
}

/* ---- partitions: the partitions of a service that have the same phase and the same readiness share a line */

enum { PHASES = PHASE_ACCEPTING + 1 };

typedef struct {
	const char *service; /* service whose partitions are in `groups`; NULL: none yet */
	struct {
		bool has[BUS_PARTITIONS_MAX];
		RuntimeFigures figures;
		bool any;
	} groups[2][PHASES]; /* [ready][phase] */
	Buffer *lines;
} Partitions;

/* Appends the numbers of the partitions that `has` marks, as ranges: "0-3,7". */
static void ranges_put(Buffer *lines, const bool has[static BUS_PARTITIONS_MAX])
{
	const char *comma = "";
	for (unsigned first = 0; first < BUS_PARTITIONS_MAX; first++) {
		unsigned last = first;
		if (!has[first])
			continue;
		while (last + 1 < BUS_PARTITIONS_MAX && has[last + 1])
			last++;
		buffer_format(lines, last == first ? "%s%u" : "%s%u-%u", comma, first, last);
		comma = ",";
		first = last;
	}
}

static void partitions_put(Partitions *all)
{
	static const char *const phases[PHASES] = { "following", "claiming", "opening", "owning", "accepting" };
	for (int ready = 0; all->service != NULL && ready < 2; ready++)
		for (int phase = 0; phase < PHASES; phase++) {
			if (!all->groups[ready][phase].any)
				continue;
			buffer_format(all->lines, "[%c]%s/", ready ? '+' : '-', all->service);
			ranges_put(all->lines, all->groups[ready][phase].has);
			buffer_format(all->lines, " %s, %" PRIu64 " inputs, %" PRIu64 " records\n", phases[phase],
				      all->groups[ready][phase].figures.inputs,
				      all->groups[ready][phase].figures.records);
		}
	memset(all->groups, 0, sizeof all->groups);
}

static void partition_visit(void *context, const char *service, unsigned partition, bool ready, RuntimePhase phase,
			    RuntimeFigures figures)
{
	Partitions *all = context;
	if (all->service != service)
		partitions_put(all);
	all->service = service;
	all->groups[ready][phase].any = all->groups[ready][phase].has[partition] = true;
	all->groups[ready][phase].figures.inputs += figures.inputs;
	all->groups[ready][phase].figures.records += figures.records;
}

static bool runtimes_ready(ProgramState *state, Buffer *lines)
{
	Process *process = atomic_load(&state->process);
	if (process == NULL)
		return line_put(lines, "process", result_fail(ERROR_AGAIN, "is starting"));
	Partitions all = { .lines = lines };
	process_each(process, partition_visit, &all);
	partitions_put(&all);
	return process_ready(process, NULL);
}

bool program_ready(ProgramState *state, Buffer *lines)
{
	bool draining = atomic_load(&state->draining);
	line_put(lines, "process", draining ? result_fail(ERROR_AGAIN, "is stopping") : result_ok());
	bool systems = systems_ready(state, lines), policy = policy_ready(state, lines), hooks = hooks_ready(state, lines);
	return runtimes_ready(state, lines) && systems && policy && hooks && !draining;
}

static bool wants_lines(HttpRequest *request)
{
	const char *verbose = http_query(request, "verbose");
	return verbose != NULL && strcmp(verbose, "0") != 0;
}

static void readyz(HttpRequest *request, void *context)
{
	Buffer lines;
	buffer_init(&lines, READY_MAX);
	bool ready = program_ready(context, &lines);
	if (!wants_lines(request))
		buffer_clear(&lines);
	buffer_text(&lines, ready ? "ready\n" : "not ready\n");
	answer_text(request, ready ? 200 : 503, plain, buffer_slice(&lines));
	buffer_release(&lines);
}

/* ---- the routes */

const HttpRoute program_routes[PROGRAM_ROUTES] = {
	{ .method = "GET", .path = "/livez", .handler = livez, .open = true, .ops = true, .operation = "livez" },
	{ .method = "GET", .path = "/readyz", .handler = readyz, .open = true, .ops = true, .operation = "readyz" },
	{ .method = "GET", .path = "/metrics", .handler = metrics, .open = true, .ops = true, .operation = "metrics" },
};

static void refuse(HttpRequest *request, unsigned status, const char *detail, void *context)
{
	Buffer body;
	(void)context;
	buffer_init(&body, PROBLEM_MAX);
	problem_write(&body, &(Problem){ .code = problem_of_status(status),
					 .detail = detail,
					 .instance = slice_of(http_path(request)) });
	answer_text(request, status, "application/problem+json", buffer_slice(&body));
	buffer_release(&body);
}

void program_serve(ProgramState *state, HttpServerOptions *options)
{
	must(options->route_count + PROGRAM_ROUTES <= PROGRAM_ROUTES_MAX);
	if (options->route_count > 0)
		memcpy(state->routes, options->routes, options->route_count * sizeof *state->routes);
	for (size_t i = 0; i < PROGRAM_ROUTES; i++) {
		HttpRoute *route = &state->routes[options->route_count++];
		*route = program_routes[i];
		route->context = state;
	}
	options->routes = state->routes;
	if (options->refuse == NULL)
		options->refuse = refuse;
}
