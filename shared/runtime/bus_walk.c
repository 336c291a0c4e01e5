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
} WalkVisit;

static bool record_visit(void *context, const BusRecord *record)
{
	WalkVisit *visit = context;
	visit->stopped = !visit->walk->visit(visit->walk->context, record);
	return !visit->stopped;
}

/* Sets position->from to the next offset to read. OK also if no record has arrived yet. */
static Result walk_read(BusReader *reader, BusPosition *position, WalkVisit *visit)
{
	const BusOperations *operations = reader->bus->operations;
	Result result = operations->read(reader, *position, READ_RECORDS, true, record_visit, visit, &position->from);
	if (result.kind == ERROR_NOT_FOUND && topics[position->topic].kind == TOPIC_STREAM) {
		position->from = operations->first(reader->bus, position->topic, position->partition);
		return result_ok();
	}
	visit->last = result;
	return result.kind == ERROR_AGAIN ? result_ok() : result_wrap(result, "run this again");
}

static Result stall_check(const BusPosition *position, int64_t end, int64_t moved_us, Result last)
{
	if (clock_monotonic_us() - moved_us > STALLED_MS * INT64_C(1000))
		return result_fail(ERROR_AGAIN,
				   "%s/%u ends at offset %" PRId64 ", but no record arrived from offset %" PRId64
				   " on for %d seconds: it was not read to its end; run this again%s%.80s",
				   topics[position->topic].name, position->partition, end, position->from, STALLED_MS / 1000,
				   result_failed(last) ? "; " : "", result_failed(last) ? last.text : "");
	clock_sleep_ms(PAUSE_MS);
	return result_ok();
}

Result bus_walk(BusReader *reader, const BusWalk *walk)
{
	const BusOperations *operations = reader->bus->operations;
	BusPosition position = { walk->topic, walk->partition, operations->first(reader->bus, walk->topic, walk->partition) };
	int64_t end = operations->end(reader->bus, walk->topic, walk->partition), moved_us = clock_monotonic_us();
	WalkVisit visit = { .walk = walk };
	while (position.from < end && !visit.stopped) {
		int64_t before = position.from;
		TRY(walk_read(reader, &position, &visit));
		if (walk->progress)
			walk->progress(walk->progress_context, topics[walk->topic].name, (uint64_t)position.from);
		if (position.from == before)
			TRY(stall_check(&position, end, moved_us, visit.last));
		else
			moved_us = clock_monotonic_us();
	}
	return result_ok();
}
