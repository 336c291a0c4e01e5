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
	Result waiting; /* the last ERROR_AGAIN of a step in this round; else success */
} Quiesce;

/* ---- opening and closing */

static Result unit_open(const Quiesce *quiesce, Unit *unit, const QuiesceService *from, unsigned partition)
{
	char path[PATH_ROOM];
	unit->service = from->service;
	if (unit->service->schema) {
		snprintf(path, sizeof path, "%s/%s", quiesce->options->datadir, unit->service->name);
		TRY(directory_make(path, 0700));
		snprintf(path, sizeof path, "%s/%s/%u.db", quiesce->options->datadir, unit->service->name, partition);
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

static Result units_open(Quiesce *quiesce)
{
	const QuiesceOptions *options = quiesce->options;
	quiesce->units = calloc(options->service_count * BUS_PARTITIONS_MAX, sizeof *quiesce->units);
	must(quiesce->units != NULL);
	for (size_t i = 0; i < options->service_count; i++) {
		const QuiesceService *from = &options->services[i];
		unsigned partitions = from->service->single ? 1 : from->bus->partitions;
		for (unsigned partition = 0; partition < partitions; partition++)
			TRY(unit_open(quiesce, &quiesce->units[quiesce->count++], from, partition));
	}
	return result_ok();
}

static void units_close(Quiesce *quiesce)
{
	for (size_t i = 0; i < quiesce->count; i++) {
		runtime_free(quiesce->units[i].runtime);
		store_close(quiesce->units[i].store);
	}
	free(quiesce->units);
}

/* ---- stepping */

/* True when the unit owns its partition, has no work or timer pending, and has taken all input up to the known ends. */
static bool unit_is_quiescent(Unit *unit)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	Bus *bus = runtime_reader(unit->runtime)->bus;
	if (!runtime_is_ready(unit->runtime) || !runtime_is_idle(unit->runtime))
		return false;
	size_t count = runtime_positions(unit->runtime, positions, &wake_at);
	for (size_t i = 0; i < count; i++)
		if (positions[i].from < bus->operations->end(bus, positions[i].topic, positions[i].partition))
			return false;
	return wake_at == INSTANT_NONE;
}

static Result unit_step(Quiesce *quiesce, Unit *unit, bool *moved)
{
	bool progressed = false;
	Result result = runtime_step(unit->runtime, clock_now(), &progressed);
	*moved |= progressed;
	if (result.kind == ERROR_AGAIN) {
		quiesce->waiting = result_wrap(result, "%s", unit->service->name);
		*moved = true; /* so that the round does not count as quiescent */
		clock_sleep_ms(BACKOFF_MS);
		return result_ok();
	}
	TRY(result_wrap(result, "%s", unit->service->name));
	if (runtime_figures(unit->runtime).superseded > 0)
		return result_fail(
			ERROR_CONFLICT,
			"another program runs the service %s on this bus: stop every program of Tocsin first",
			unit->service->name);
	return result_ok();
}

/* Writes the unit's positions to *out, including those in its ledger and in tocsin.policies; keeps the lowest of all units. */
static void unit_ends(Unit *unit, ArchiveEnds *out)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	size_t count = runtime_positions(unit->runtime, positions, &wake_at);
	for (size_t i = 0; i < count; i++) {
		int64_t *end = &out->of[positions[i].topic][positions[i].partition];
		*end = *end < 0 || positions[i].from < *end ? positions[i].from : *end;
	}
}

/* Waits briefly for records at the unit's positions: a bus finds records of other programs only while a reader waits or reads. */
static void unit_wait(Unit *unit)
{
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	BusReader *reader = runtime_reader(unit->runtime);
	size_t count = runtime_positions(unit->runtime, positions, &wake_at);
	reader->bus->operations->wait(reader, positions, count, WAIT_MS);
}

static Result round_step(Quiesce *quiesce, bool *moved, bool *quiescent)
{
	*moved = false;
	*quiescent = true;
	quiesce->waiting = result_ok();
	for (size_t i = 0; i < quiesce->count; i++)
		TRY(unit_step(quiesce, &quiesce->units[i], moved));
	for (size_t i = 0; i < quiesce->count && !*moved; i++) {
		*quiescent = *quiescent && unit_is_quiescent(&quiesce->units[i]);
		unit_wait(&quiesce->units[i]);
	}
	*quiescent = *quiescent && !*moved;
	return result_ok();
}

static uint64_t inputs_taken(const Quiesce *quiesce)
{
	uint64_t inputs = 0;
	for (size_t i = 0; i < quiesce->count; i++)
		inputs += runtime_figures(quiesce->units[i].runtime).inputs;
	return inputs;
}

static Result limit_result(const Quiesce *quiesce)
{
	if (result_failed(quiesce->waiting))
		return quiesce->waiting;
	for (size_t i = 0; i < quiesce->count; i++)
		if (!unit_is_quiescent(&quiesce->units[i]))
			return result_fail(ERROR_AGAIN, "%s does not finish its input%s", quiesce->units[i].service->name,
					   quiesce->units[i].service->policy && !runtime_is_ready(quiesce->units[i].runtime)
						   ? ": no policy has ever been published here"
						   : "");
	return result_fail(ERROR_AGAIN, "the services do not finish their input");
}

static Result step_until_quiescent(Quiesce *quiesce)
{
	const QuiesceOptions *options = quiesce->options;
	int64_t now_us = clock_monotonic_us(), moved_us = now_us, quiescent_us = now_us;
	bool moved, quiescent = false;
	while (!quiescent || now_us - quiescent_us < options->hold_ms * 1000) {
		TRY(round_step(quiesce, &moved, &quiescent));
		now_us = clock_monotonic_us();
		if (moved && !result_failed(quiesce->waiting))
			moved_us = now_us;
		if (!quiescent)
			quiescent_us = now_us;
		if (now_us - moved_us > options->limit_ms * 1000)
			return limit_result(quiesce);
		if (options->progress)
			options->progress(options->context, inputs_taken(quiesce));
	}
	return result_ok();
}

Result quiesce_await(const QuiesceOptions *options, ArchiveEnds *out)
{
	Quiesce quiesce = { .options = options };
	Result result = units_open(&quiesce);
	if (!result_failed(result))
		result = step_until_quiescent(&quiesce);
	memset(out, -1, sizeof *out);
	for (size_t i = 0; i < quiesce.count && !result_failed(result); i++)
		unit_ends(&quiesce.units[i], out);
	units_close(&quiesce);
	return result;
}
