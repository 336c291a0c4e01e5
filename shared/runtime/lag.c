/*
 * How far a runtime is behind: the records between where it reads and the end of each log, its own ledger and table and its
 * inputs, told as METRIC_BUS_LAG. A process has a runtime a partition: each adds what changed since it told last, so a series is
 * the sum over the partitions that are read here. Of a policy's topic only the last record counts, which every step reads
 * first: that is no lag, but for a service that has it as an input.
 */
#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/metrics.h"

#include <string.h>

typedef struct {
	bool read[TOPICS];
	int64_t records[TOPICS];
} Lag;

static void lag_add(const Runtime *runtime, Lag *lag, TopicId topic, unsigned partition, int64_t at)
{
	Bus *bus = runtime->options.bus;
	int64_t first = bus->operations->first(bus, topic, partition), end = bus_reach(bus, topic, partition);
	int64_t from = at > first ? at : first; /* what is kept no more is not waiting */
	lag->read[topic] = true;
	lag->records[topic] += end > from ? end - from : 0;
}

static bool is_reader(const Runtime *runtime)
{
	return runtime->options.service->ledger == TOPICS;
}

/* Reads, or will as soon as it can. */
static bool reads_inputs(const Runtime *runtime)
{
	return runtime->assigned || runtime->phase >= PHASE_OWNING || (is_reader(runtime) && runtime->options.store);
}

static bool follows(const Runtime *runtime)
{
	return !is_reader(runtime) && (runtime->assigned || runtime->options.standby || runtime->phase > PHASE_FOLLOWING);
}

/* Who does not own yet goes on where the accepted records say; what waits there waits for it. */
static int64_t place_at(const Runtime *runtime, const InputPartition *place)
{
	return is_reader(runtime) || runtime->phase >= PHASE_OWNING ? input_at(place) : input_accepted(runtime, place);
}

static void lag_measure(const Runtime *runtime, Lag *lag)
{
	const RuntimeOptions *options = &runtime->options;
	if (follows(runtime))
		lag_add(runtime, lag, options->service->ledger, options->partition, runtime->cursor.next);
	BusPosition table;
	if (runtime->phase >= PHASE_OWNING && projection_position(runtime, &table) > 0)
		lag_add(runtime, lag, (TopicId)table.topic, table.partition, table.from);
	for (size_t i = 0; reads_inputs(runtime) && i < runtime->place_count; i++) {
		const InputPartition *place = &runtime->places[i];
		lag_add(runtime, lag, place->input->topic, place->partition, place_at(runtime, place));
	}
}

static void lag_publish(Runtime *runtime, const Lag *lag)
{
	for (size_t topic = 0; topic < TOPICS; topic++)
		if (lag->read[topic] || runtime->lag[topic] != 0)
			metric_add(METRIC_BUS_LAG, runtime->options.service->name, topics[topic].short_name,
				   lag->records[topic] - runtime->lag[topic]);
	memcpy(runtime->lag, lag->records, sizeof runtime->lag);
}

void lag_report(Runtime *runtime)
{
	Instant now = runtime->handler.now;
	bool stands = is_reader(runtime) ? runtime->placed : runtime->cursor.next >= 0;
	if (now >= runtime->lag_at && now < runtime->lag_at + LAG_MS)
		return;
	if (!stands && (follows(runtime) || reads_inputs(runtime)))
		return; /* it is about to find out where: until then what was told stays */
	Lag lag = { 0 };
	lag_measure(runtime, &lag);
	lag_publish(runtime, &lag);
	runtime->lag_at = now;
}

void lag_withdraw(Runtime *runtime)
{
	lag_publish(runtime, &(Lag){ 0 });
}
