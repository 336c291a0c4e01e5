#include "shared/archive/quiesce.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 1024, WAIT_MS = 1, BACKOFF_MS = 20 };

typedef struct {
	const Service *service;
	Store *store;
	Runtime *runtime;
} Unit;

typedef struct {
	const QuiesceOptions *options;
	Unit *units;
	size_t count;
	Result waiting; /* why a unit could not be stepped in this round */
} Rest;

/* ---- opening and closing */

static Result unit_open(const Rest *rest, Unit *unit, const QuiesceService *from, unsigned partition)
{
	char path[PATH_ROOM];
	unit->service = from->service;
	if (unit->service->schema) {
		snprintf(path, sizeof path, "%s/%s", rest->options->home, unit->service->name);
		TRY(directory_make(path, 0700));
		snprintf(path, sizeof path, "%s/%s/%u.db", rest->options->home, unit->service->name, partition);
		StoreOptions store = runtime_store_options(unit->service, path);
		TRY(store_open(&store, &unit->store, NULL));
	}
	RuntimeOptions runtime = { .service = unit->service,
				   .partition = partition,
				   .bus = from->bus,
				   .store = unit->store,
				   .environment = from->environment };
	clock_random(&runtime.owner_id, sizeof runtime.owner_id);
	return runtime_new(&runtime, &unit->runtime);
}

static Result units_open(Rest *rest)
{
	const QuiesceOptions *options = rest->options;
	rest->units = calloc(options->service_count * BUS_PARTITIONS_MAX, sizeof *rest->units);
	must(rest->units != NULL);
	for (size_t i = 0; i < options->service_count; i++) {
		const QuiesceService *from = &options->services[i];
		unsigned partitions = from->service->single ? 1 : from->bus->partitions;
		for (unsigned partition = 0; partition < partitions; partition++)
			TRY(unit_open(rest, &rest->units[rest->count++], from, partition));
	}
	return result_ok();
}

static void units_close(Rest *rest)
{
	for (size_t i = 0; i < rest->count; i++) {
		runtime_free(rest->units[i].runtime);
		store_close(rest->units[i].store);
	}
	free(rest->units);
}

/* ---- stepping */

/* Owns what it should, waits for nothing, and has taken everything it knows of. */
static bool unit_rests(Unit *unit)
{
	BusPosition places[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	Bus *bus = runtime_reader(unit->runtime)->bus;
	if (!runtime_ready(unit->runtime) || !runtime_at_rest(unit->runtime))
		return false;
	size_t count = runtime_positions(unit->runtime, places, &wake_at);
	for (size_t i = 0; i < count; i++)
		if (places[i].from < bus->operations->end(bus, places[i].topic, places[i].partition))
			return false;
	return wake_at == INSTANT_NONE;
}

static Result unit_step(Rest *rest, Unit *unit, bool *moved)
{
	bool progressed = false;
	Result result = runtime_step(unit->runtime, clock_now(), &progressed);
	*moved |= progressed;
	if (result.kind == ERROR_AGAIN) {
		rest->waiting = result_wrap(result, "%s", unit->service->name);
		*moved = true; /* it is not at rest */
		clock_sleep_ms(BACKOFF_MS);
		return result_ok();
	}
	TRY(result_wrap(result, "%s", unit->service->name));
	if (runtime_figures(unit->runtime).deposed > 0)
		return result_fail(
			ERROR_CONFLICT,
			"another program runs the service %s on this bus: stop every program of Tocsin first",
			unit->service->name);
	return result_ok();
}

/* How far it has read: for ledgers and policies too. */
static void unit_ends(Unit *unit, ArchiveEnds *out)
{
	BusPosition places[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	size_t count = runtime_positions(unit->runtime, places, &wake_at);
	for (size_t i = 0; i < count; i++) {
		int64_t *end = &out->of[places[i].topic][places[i].partition];
		*end = *end < 0 || places[i].from < *end ? places[i].from : *end;
	}
}

/* What others wrote arrives while somebody waits for it. */
static void unit_wait(Unit *unit)
{
	BusPosition places[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	BusReader *reader = runtime_reader(unit->runtime);
	size_t count = runtime_positions(unit->runtime, places, &wake_at);
	reader->bus->operations->wait(reader, places, count, WAIT_MS);
}

static Result round_step(Rest *rest, bool *moved, bool *rests)
{
	*moved = false;
	*rests = true;
	rest->waiting = result_ok();
	for (size_t i = 0; i < rest->count; i++)
		TRY(unit_step(rest, &rest->units[i], moved));
	for (size_t i = 0; i < rest->count && !*moved; i++) {
		*rests = *rests && unit_rests(&rest->units[i]);
		unit_wait(&rest->units[i]);
	}
	*rests = *rests && !*moved;
	return result_ok();
}

static uint64_t inputs_taken(const Rest *rest)
{
	uint64_t inputs = 0;
	for (size_t i = 0; i < rest->count; i++)
		inputs += runtime_figures(rest->units[i].runtime).inputs;
	return inputs;
}

static Result limit_result(const Rest *rest)
{
	if (result_failed(rest->waiting))
		return rest->waiting;
	for (size_t i = 0; i < rest->count; i++)
		if (!unit_rests(&rest->units[i]))
			return result_fail(ERROR_AGAIN, "%s does not come to rest%s", rest->units[i].service->name,
					   rest->units[i].service->policy && !runtime_ready(rest->units[i].runtime)
						   ? ": no policy was ever in force here"
						   : "");
	return result_fail(ERROR_AGAIN, "the services do not come to rest");
}

static Result step_until_rest(Rest *rest)
{
	const QuiesceOptions *options = rest->options;
	int64_t now_us = clock_monotonic_us(), moved_us = now_us, rest_us = now_us;
	bool moved, rests = false;
	while (!rests || now_us - rest_us < options->hold_ms * 1000) {
		TRY(round_step(rest, &moved, &rests));
		now_us = clock_monotonic_us();
		if (moved && !result_failed(rest->waiting))
			moved_us = now_us;
		if (!rests)
			rest_us = now_us;
		if (now_us - moved_us > options->limit_ms * 1000)
			return limit_result(rest);
		if (options->progress)
			options->progress(options->context, inputs_taken(rest));
	}
	return result_ok();
}

Result quiesce_await(const QuiesceOptions *options, ArchiveEnds *out)
{
	Rest rest = { .options = options };
	Result result = units_open(&rest);
	if (!result_failed(result))
		result = step_until_rest(&rest);
	memset(out, -1, sizeof *out);
	for (size_t i = 0; i < rest.count && !result_failed(result); i++)
		unit_ends(&rest.units[i], out);
	units_close(&rest);
	return result;
}
