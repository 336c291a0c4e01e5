#include "shared/program/process.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"
#include "shared/io/system/log.h"
#include "shared/io/outbound/shares.h"
#include "shared/archive/import.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SERVICES_MAX = 16,
	STACK_BYTES = 512 << 10, /* small, because a process has dozens of these threads */
	IDLE_WAIT_MS = 1000,    /* longest wait between steps: each step also looks for due timers that other processes armed */
	SETTLE_MARGIN_MS = 1,
	BACKOFF_MIN_MS = 20,
	BACKOFF_MAX_MS = 2000,
	IMPORT_WAIT_MS = 30000,
	PATH_ROOM = 1024,
};

/*
 * A runtime and its thread. Other threads read only the atomics and, under lock, figures and failure; they may also wake the reader
 * of the runtime.
 */
typedef struct {
	Process *process;
	const ProcessService *service;
	unsigned partition;
	Store *store;
	Outbound *outbound; /* this runtime's share of ProcessService.outbound; NULL: the service sends nothing */
	Runtime *runtime;
	pthread_t thread;
	bool started;
	atomic_bool ready, failed, idle;
	atomic_int phase;
	pthread_mutex_t lock; /* guards figures and failure */
	RuntimeFigures figures;
	Result failure;
} Unit;

struct Process {
	ProcessOptions options;
	ProcessService services[SERVICES_MAX]; /* a copy of options.services; units point into it */
	OutboundShares *outbound[SERVICES_MAX]; /* of the service with the same index; NULL: the service sends nothing */
	Unit *units;
	size_t unit_count;
	atomic_bool stopping; /* runtimes finish their batch and begin no other */
	atomic_bool stopped;  /* threads leave the loop of unit_run */
};

/* ---- the thread */

static void unit_publish(Unit *unit)
{
	atomic_store(&unit->phase, (int)runtime_phase(unit->runtime));
	atomic_store(&unit->ready, runtime_is_ready(unit->runtime));
	atomic_store(&unit->idle, runtime_is_idle(unit->runtime));
	pthread_mutex_lock(&unit->lock);
	unit->figures = runtime_figures(unit->runtime);
	pthread_mutex_unlock(&unit->lock);
}

static void unit_wait(Unit *unit)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	Bus *bus = unit->process->options.bus;
	size_t count = runtime_positions(unit->runtime, positions, &wake_at);
	int64_t wait_ms = wake_at == INSTANT_NONE ? IDLE_WAIT_MS : wake_at - clock_now() + SETTLE_MARGIN_MS;
	wait_ms = wait_ms < 0 ? 0 : wait_ms > IDLE_WAIT_MS ? IDLE_WAIT_MS : wait_ms;
	bus->operations->wait(runtime_reader(unit->runtime), positions, count, (int)wait_ms);
}

static void unit_fail(Unit *unit, Result result)
{
	pthread_mutex_lock(&unit->lock);
	unit->failure = result;
	pthread_mutex_unlock(&unit->lock);
	atomic_store(&unit->ready, false);
	atomic_store(&unit->failed, true);
	log_line(LOG_ERROR, unit->service->service->name, "service-stopped", L_STRING("detail", result.text));
}

static void *unit_run(void *context)
{
	Unit *unit = context;
	int64_t backoff_ms = 0;
	while (!atomic_load(&unit->process->stopped)) {
		bool progressed = false;
		runtime_pause(unit->runtime, atomic_load(&unit->process->stopping));
		runtime_assign(unit->runtime, bus_assigned(unit->process->options.bus, unit->partition));
		Result result = runtime_step(unit->runtime, clock_now(), &progressed);
		unit_publish(unit);
		if (result.kind == ERROR_AGAIN) {
			if (backoff_ms == 0)
				log_line(LOG_WARN, unit->service->service->name, "waiting", L_STRING("detail", result.text));
			backoff_ms = backoff_ms == 0 ? BACKOFF_MIN_MS : backoff_ms * 2;
			backoff_ms = backoff_ms > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff_ms;
			atomic_store(&unit->ready, false);
			clock_sleep_ms(backoff_ms);
		} else if (result_failed(result)) {
			unit_fail(unit, result);
			break;
		} else {
			backoff_ms = 0;
			if (!progressed)
				unit_wait(unit);
		}
	}
	return NULL;
}

/* ---- starting */

static Result unit_open(Unit *unit)
{
	const ProcessOptions *options = &unit->process->options;
	const Service *service = unit->service->service;
	char path[PATH_ROOM];
	if (service->schema) {
		snprintf(path, sizeof(path), "%s/%s", options->datadir, service->name);
		TRY(directory_make(path, 0700));
		snprintf(path, sizeof(path), "%s/%s/%u.db", options->datadir, service->name, unit->partition);
		StoreOptions store = runtime_store_options(service, path);
		bool rebuilt = false;
		TRY(store_open(&store, &unit->store, &rebuilt));
		if (rebuilt)
			log_line(LOG_WARN, service->name, "state-rebuilt", L_INTEGER("partition", unit->partition));
	}
	RuntimeOptions runtime = { .service = service, .partition = unit->partition, .bus = options->bus,
				   .timers = unit->service->timers, .outbound = unit->outbound,
				   .store = unit->store, .environment = unit->service->environment,
				   .standby = options->standby };
	clock_random(&runtime.owner_id, sizeof(runtime.owner_id));
	return runtime_new(&runtime, &unit->runtime);
}

static void unit_wake(void *context)
{
	Unit *unit = context;
	unit->process->options.bus->operations->wake(runtime_reader(unit->runtime));
}

static Result unit_start(Unit *unit)
{
	TRY(unit_open(unit));
	if (unit->outbound)
		unit->outbound->operations->notify(unit->outbound, unit_wake, unit);
	pthread_attr_t attributes;
	must(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
	unit->started = pthread_create(&unit->thread, &attributes, unit_run, unit) == 0;
	pthread_attr_destroy(&attributes);
	return unit->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started: raise the limit of threads (ulimit -u, or the container's pids limit)");
}

static unsigned service_partitions(const ProcessOptions *options, const Service *service)
{
	return service->single ? 1 : options->bus->partitions;
}

static void units_make(Process *process)
{
	size_t count = 0;
	for (size_t i = 0; i < process->options.service_count; i++)
		count += service_partitions(&process->options, process->services[i].service);
	process->units = calloc(count, sizeof *process->units);
	must(process->units);
}

/* Calls import_check; while a bus that was just opened cannot be read yet, repeats the call for up to IMPORT_WAIT_MS. */
static Result import_await(Bus *bus)
{
	int64_t until_us = clock_monotonic_us() + IMPORT_WAIT_MS * 1000LL;
	Result result = import_check(bus);
	while (result.kind == ERROR_AGAIN && clock_monotonic_us() < until_us) {
		clock_sleep_ms(BACKOFF_MIN_MS);
		result = import_check(bus);
	}
	return result;
}

Result process_start(const ProcessOptions *options, Process **out)
{
	TRY(import_await(options->bus));
	Process *process = calloc(1, sizeof(*process));
	must(process);
	must(options->service_count <= SERVICES_MAX);
	process->options = *options;
	memcpy(process->services, options->services, options->service_count * sizeof(*options->services));
	units_make(process);
	Result result = result_ok();
	for (size_t i = 0; i < options->service_count && !result_failed(result); i++) {
		const ProcessService *service = &process->services[i];
		unsigned partitions = service_partitions(options, service->service);
		if (service->outbound)
			process->outbound[i] = outbound_shares_new(service->outbound, partitions);
		for (unsigned partition = 0; partition < partitions && !result_failed(result); partition++) {
			Unit *unit = &process->units[process->unit_count++];
			*unit = (Unit){ .process = process, .service = service, .partition = partition,
					.outbound = outbound_share(process->outbound[i], partition) };
			pthread_mutex_init(&unit->lock, NULL);
			result = unit_start(unit);
		}
	}
	if (result_failed(result)) {
		process_stop(process, 0);
		return result;
	}
	*out = process;
	return result;
}

/* ---- state */

bool process_ready(Process *process, const char **who)
{
	for (size_t i = 0; i < process->unit_count; i++)
		if (!atomic_load(&process->units[i].ready)) {
			if (who)
				*who = process->units[i].service->service->name;
			return false;
		}
	return true;
}

bool process_failed(Process *process, Result *why)
{
	for (size_t i = 0; i < process->unit_count; i++) {
		Unit *unit = &process->units[i];
		if (!atomic_load(&unit->failed))
			continue;
		pthread_mutex_lock(&unit->lock);
		*why = result_wrap(unit->failure, "%s", unit->service->service->name);
		pthread_mutex_unlock(&unit->lock);
		return true;
	}
	return false;
}

void process_each(Process *process, void (*visit)(void *context, const char *service, unsigned partition, bool ready,
						  RuntimePhase phase, RuntimeFigures figures), void *context)
{
	for (size_t i = 0; i < process->unit_count; i++) {
		Unit *unit = &process->units[i];
		pthread_mutex_lock(&unit->lock);
		RuntimeFigures figures = unit->figures;
		pthread_mutex_unlock(&unit->lock);
		visit(context, unit->service->service->name, unit->partition, atomic_load(&unit->ready),
		      (RuntimePhase)atomic_load(&unit->phase), figures);
	}
}

/* ---- stopping */

static bool process_is_idle(Process *process)
{
	for (size_t i = 0; i < process->unit_count; i++)
		if (process->units[i].started && !atomic_load(&process->units[i].failed) &&
		    !atomic_load(&process->units[i].idle))
			return false;
	return true;
}

static void process_wake(Process *process)
{
	for (size_t i = 0; i < process->unit_count; i++)
		if (process->units[i].runtime)
			unit_wake(&process->units[i]);
}

void process_stop(Process *process, int64_t drain_ms)
{
	if (!process)
		return;
	atomic_store(&process->stopping, true);
	process_wake(process);
	int64_t until_us = clock_monotonic_us() + drain_ms * 1000;
	while (!process_is_idle(process) && clock_monotonic_us() < until_us)
		clock_sleep_ms(2);
	atomic_store(&process->stopped, true);
	process_wake(process);
	for (size_t i = 0; i < process->unit_count; i++)
		if (process->units[i].started)
			pthread_join(process->units[i].thread, NULL);
	for (size_t i = 0; i < process->unit_count; i++) {
		Unit *unit = &process->units[i];
		if (unit->outbound)
			unit->outbound->operations->notify(unit->outbound, NULL, NULL);
		runtime_free(unit->runtime);
		store_close(unit->store);
		pthread_mutex_destroy(&unit->lock);
	}
	for (size_t i = 0; i < process->options.service_count; i++)
		outbound_shares_free(process->outbound[i]);
	free(process->units);
	free(process);
}
