#include "shared/runtime/bus_walk.h"

#include "shared/io/system/clock.h"

#include <inttypes.h>

enum {
	READ_RECORDS = 1000,
	STALLED_MS = 30000,
	PAUSE_MS = 100,
};

typedef struct {
	const BusWalk *walk;
	bool stopped;
	Result last; /* of the last read */
} Visiting;

static bool record_visit(void *context, const BusRecord *record)
{
	Visiting *visiting = context;
	visiting->stopped = !visiting->walk->visit(visiting->walk->context, record);
	return !visiting->stopped;
}

/* Success too where there was nothing to read yet: place->from says how far it came. */
static Result place_read(BusReader *reader, BusPosition *place, Visiting *visiting)
{
	const BusOperations *operations = reader->bus->operations;
	Result result = operations->read(reader, *place, READ_RECORDS, true, record_visit, visiting, &place->from);
	if (result.kind == ERROR_NOT_FOUND && topics[place->topic].kind == TOPIC_STREAM) {
		place->from = operations->first(reader->bus, place->topic, place->partition);
		return result_ok();
	}
	visiting->last = result;
	return result.kind == ERROR_AGAIN ? result_ok() : result_wrap(result, "check it again");
}

static Result stall_check(const BusPosition *place, int64_t end, int64_t moved_us, Result last)
{
	if (clock_monotonic_us() - moved_us > STALLED_MS * INT64_C(1000))
		return result_fail(ERROR_AGAIN,
				   "%s/%u ends at offset %" PRId64 ", but no record came from offset %" PRId64
				   " on for %d seconds: it was not read to its end, run this again%s%.80s",
				   topics[place->topic].name, place->partition, end, place->from, STALLED_MS / 1000,
				   result_failed(last) ? "; " : "", result_failed(last) ? last.text : "");
	clock_sleep_ms(PAUSE_MS);
	return result_ok();
}

Result bus_walk(BusReader *reader, const BusWalk *walk)
{
	const BusOperations *operations = reader->bus->operations;
	BusPosition place = { walk->topic, walk->partition, operations->first(reader->bus, walk->topic, walk->partition) };
	int64_t end = operations->end(reader->bus, walk->topic, walk->partition), moved_us = clock_monotonic_us();
	Visiting visiting = { .walk = walk };
	while (place.from < end && !visiting.stopped) {
		int64_t before = place.from;
		TRY(place_read(reader, &place, &visiting));
		if (walk->progress)
			walk->progress(walk->progress_context, topics[walk->topic].name, (uint64_t)place.from);
		if (place.from == before)
			TRY(stall_check(&place, end, moved_us, visiting.last));
		else
			moved_us = clock_monotonic_us();
	}
	return result_ok();
}
