#include "shared/runtime/runtime_internal.h"

#include "shared/io/system/log.h"
#include "shared/base/bugs.h"

static void place_add(Runtime *runtime, const ServiceInput *input, unsigned partition)
{
	must(runtime->place_count < INPUT_PARTITIONS);
	runtime->places[runtime->place_count++] = (InputPartition){ .input = input, .partition = partition };
}

void inputs_prepare(Runtime *runtime)
{
	const RuntimeOptions *options = &runtime->options;
	for (size_t i = 0; i < options->service->input_count; i++) {
		const ServiceInput *input = &options->service->inputs[i];
		unsigned all = topic_partitions(input->topic, options->bus->partitions);
		for (unsigned partition = 0; input->all_partitions && partition < all; partition++)
			place_add(runtime, input, partition);
		if (!input->all_partitions)
			place_add(runtime, input, topics[input->topic].slotted ? options->partition : 0);
	}
}

/* ---- the ledger rule on inputs that are ledgers */

typedef struct {
	LedgerMark mark;
	Result result;
	bool seen;
} MarkVisit;

static bool mark_visit(void *context, const BusRecord *record)
{
	MarkVisit *visit = context;
	visit->seen = true;
	visit->result = ledger_mark_read(record->headers, &visit->mark);
	return false;
}

/* Nothing is there to see where the log ends before it. */
static Result mark_look(Runtime *runtime, BusPosition place, MarkVisit *visit)
{
	int64_t next;
	*visit = (MarkVisit){ .result = { 0 } };
	return runtime->options.bus->operations->read(runtime->reader, place, 1, false, mark_visit, visit, &next);
}

/* The log ends before the cursor: it has lost records, or it is another one, which shows at its beginning. */
static Result beginning_fits(Runtime *runtime, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits)
{
	const BusOperations *bus = runtime->options.bus->operations;
	MarkVisit visit;
	*fits = true;
	if (cursor->genesis_owner == 0 || bus->first(runtime->options.bus, topic, partition) > 0 ||
	    bus->end(runtime->options.bus, topic, partition) == 0)
		return result_ok();
	TRY(mark_look(runtime, (BusPosition){ topic, partition, 0 }, &visit));
	*fits = !visit.seen || result_failed(visit.result) || visit.mark.owner == cursor->genesis_owner;
	return result_ok();
}

Result ledger_fits(Runtime *runtime, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits)
{
	const BusOperations *bus = runtime->options.bus->operations;
	int64_t offset = cursor->marked - 1;
	MarkVisit visit;
	*fits = cursor->epoch == 0;
	if (*fits || offset < bus->first(runtime->options.bus, topic, partition))
		return result_ok();
	if (offset >= bus->end(runtime->options.bus, topic, partition))
		return beginning_fits(runtime, topic, partition, cursor, fits);
	Result result = mark_look(runtime, (BusPosition){ topic, partition, offset }, &visit);
	*fits = visit.seen && !result_failed(visit.result) && ledger_cursor_fits(cursor, &visit.mark);
	return result.kind == ERROR_NOT_FOUND ? result_ok() : result; /* cut off just now */
}

int64_t input_first(const Runtime *runtime, const InputPartition *place)
{
	Bus *bus = runtime->options.bus;
	return bus->operations->first(bus, place->input->topic, place->partition);
}

static Result input_enter(Runtime *runtime, InputPartition *place)
{
	Bus *bus = runtime->options.bus;
	place->cursor = (LedgerCursor){ .next = place->next };
	if (topics[place->input->topic].kind != TOPIC_LEDGER || place->next == 0)
		return result_ok();
	if (place->next == bus->operations->first(bus, place->input->topic, place->partition)) {
		place->cursor = ledger_begin(place->next);
		return result_ok();
	}
	/* A position stands right behind an accepted record (docs/design/ownership.md, "Readers"): its mark is where the rule goes on. */
	MarkVisit visit;
	TRY(mark_look(runtime, (BusPosition){ place->input->topic, place->partition, place->next - 1 }, &visit));
	if (!visit.seen && place->next > bus->operations->end(bus, place->input->topic, place->partition))
		return result_fail(ERROR_AGAIN, "%s is known to reach %lld and has not come that far yet",
				   topics[place->input->topic].name, (long long)place->next);
	if (!visit.seen)
		return result_fail(ERROR_INTERNAL, "%s ends before a position that was accepted: the bus lost records",
				   topics[place->input->topic].name);
	TRY(result_wrap(visit.result, "%s/%u", topics[place->input->topic].name, place->partition));
	place->cursor = ledger_enter(&visit.mark, place->next - 1);
	return result_ok();
}

/* One after the other each would be waited for, and a standby that takes over in a quiet hour knows of none how far it reaches. */
static void marks_fetch(Runtime *runtime)
{
	Bus *bus = runtime->options.bus;
	BusPosition marks[INPUT_PARTITIONS];
	size_t count = 0;
	for (size_t i = 0; i < runtime->place_count; i++) {
		const InputPartition *place = &runtime->places[i];
		int64_t first = bus->operations->first(bus, place->input->topic, place->partition);
		if (topics[place->input->topic].kind == TOPIC_LEDGER && place->next > first) /* else none is kept, and none is read */
			marks[count++] = (BusPosition){ place->input->topic, place->partition, place->next - 1 };
	}
	bus_fetch(runtime->reader, marks, count);
}

Result inputs_enter(Runtime *runtime)
{
	marks_fetch(runtime);
	for (size_t i = 0; i < runtime->place_count; i++)
		TRY(input_enter(runtime, &runtime->places[i]));
	return result_ok();
}

/* Retention overtook a stream's reader: that is data loss, said aloud; it goes on with what is still there. */
static Result input_lost(Runtime *runtime, InputPartition *place)
{
	Bus *bus = runtime->options.bus;
	runtime_log(runtime, LOG_ERROR, "input-lost", topics[place->input->topic].name);
	place->next = place->cursor.next = bus->operations->first(bus, place->input->topic, place->partition);
	return result_ok();
}

Result input_read(Runtime *runtime, InputPartition *place, size_t max, BusVisit visit, void *context)
{
	Bus *bus = runtime->options.bus;
	BusPosition from = { place->input->topic, place->partition, input_at(place) };
	int64_t next;
	if (from.from >= bus->operations->end(bus, from.topic, from.partition))
		return result_ok();
	Result result = bus->operations->read(runtime->reader, from, max, !place->input->keys_only, visit, context, &next);
	bool lost = result.kind == ERROR_NOT_FOUND && topics[from.topic].kind == TOPIC_STREAM;
	return lost ? input_lost(runtime, place) : result;
}

Result input_judge(InputPartition *place, const BusRecord *from, bool *taken)
{
	*taken = true;
	if (topics[place->input->topic].kind != TOPIC_LEDGER)
		return result_ok();
	if (from->offset != place->cursor.next)
		return result_fail(ERROR_AGAIN, "%s skipped from %lld to %lld", topics[place->input->topic].name,
				   (long long)place->cursor.next, (long long)from->offset);
	LedgerMark mark;
	*taken = ledger_judge(&place->cursor, from->headers, &mark) == LEDGER_ACCEPT;
	if (*taken && mark.seq == 1)
		return result_wrap(ledger_opening_check(&place->cursor, from->headers), "%s", topics[place->input->topic].name);
	return result_ok();
}

/* ---- owners: start at the accepted positions */

int64_t input_accepted(const Runtime *runtime, const InputPartition *place)
{
	const LedgerPositions *positions = &runtime->positions;
	for (size_t i = 0; i < positions->count; i++)
		if (positions->list[i].topic == place->input->topic && positions->list[i].partition == place->partition)
			return positions->list[i].position;
	return 0;
}

static void place_start(Runtime *runtime, InputPartition *place)
{
	Bus *bus = runtime->options.bus;
	place->next = input_accepted(runtime, place);
	if (BUG(3))
		place->next = bus->operations->committed(bus, runtime->options.service->name, place->input->topic,
							  place->partition);
	int64_t first = bus->operations->first(bus, place->input->topic, place->partition);
	if (place->next < first) {
		runtime_log(runtime, LOG_ERROR, "input-lost", topics[place->input->topic].name);
		place->next = first;
	}
}

Result inputs_start(Runtime *runtime)
{
	for (size_t i = 0; i < runtime->place_count; i++)
		place_start(runtime, &runtime->places[i]);
	return inputs_enter(runtime);
}

/* ---- owners: what is observed again */

typedef struct {
	Runtime *runtime;
	const InputPartition *place;
	InputPartition walk; /* a copy: its cursor moves alone */
	Result result;
} ObserveVisit;

static Result record_observe(ObserveVisit *visit, const BusRecord *from)
{
	const InputPartition *place = visit->place;
	bool taken;
	Record record;
	TRY(input_judge(&visit->walk, from, &taken));
	/* As when it is decided: a record that becomes a dead letter is not observed either. */
	if (taken && !result_failed(record_read(place->input->topic, place->partition, from, &record)) &&
	    !record_is_bookkeeping(&record) && !result_failed(record_partition_check(visit->runtime, &record)))
		TRY(place->input->observe(&visit->runtime->handler, &record));
	return result_ok();
}

static bool observe_visit(void *context, const BusRecord *from)
{
	ObserveVisit *visit = context;
	if (from->offset >= visit->place->next)
		return false;
	visit->result = record_observe(visit, from);
	if (result_failed(visit->result))
		return false;
	visit->walk.next = from->offset + 1;
	return true;
}

static Result observe_begin(Runtime *runtime, const InputPartition *place, InputPartition *walk)
{
	const Service *service = runtime->options.service;
	*walk = *place;
	walk->next = place->observed;
	if (service->replay_from)
		walk->next = service->replay_from(&runtime->handler, place->input->topic, place->next);
	int64_t first = input_first(runtime, place);
	walk->next = walk->next < first ? first : walk->next;
	return input_enter(runtime, walk);
}

/* Retention may drop the oldest of these records meanwhile: the walk goes on where the log begins now. */
static Result observe_read(ObserveVisit *visit)
{
	Runtime *runtime = visit->runtime;
	Bus *bus = runtime->options.bus;
	const ServiceInput *input = visit->place->input;
	BusPosition from = { input->topic, visit->place->partition, visit->walk.next };
	int64_t next; /* not used: a record counts once it was shown */
	Result result = bus->operations->read(runtime->reader, from, BATCH_KEYS, !input->keys_only, observe_visit, visit, &next);
	if (result.kind == ERROR_NOT_FOUND && topics[input->topic].kind == TOPIC_STREAM) {
		visit->walk.next = input_first(runtime, visit->place);
		return result_ok();
	}
	return result_failed(result) ? result : visit->result;
}

/*
 * Reads until the accepted position or until nothing more has come. The records before that position exist, since an owner
 * decided them; a read that delivers none of them says only that they have not come to this process yet (bus.h).
 */
static Result place_observe(Runtime *runtime, InputPartition *place, bool *progressed)
{
	ObserveVisit visit = { .runtime = runtime, .place = place };
	int64_t before = -1;
	if (!place->walk.begun) {
		TRY(observe_begin(runtime, place, &visit.walk));
	} else {
		visit.walk = *place;
		visit.walk.next = place->walk.next;
		visit.walk.cursor = place->walk.cursor;
	}
	Result result = result_ok();
	while (visit.walk.next < place->next && visit.walk.next != before && !result_failed(result)) {
		before = visit.walk.next;
		result = observe_read(&visit);
		*progressed |= visit.walk.next != before;
	}
	place->walk = (InputWalk){ .begun = true, .next = visit.walk.next, .cursor = visit.walk.cursor };
	TRY(result);
	bool whole = visit.walk.next >= place->next || BUG(11);
	if (whole && (place->observed < place->next || runtime->options.service->replay_from))
		place->observed = place->next;
	return result_ok();
}

bool input_is_observed(const InputPartition *place)
{
	return !place->input->observe || (place->walk.begun && (place->walk.next >= place->next || BUG(11)));
}

void inputs_observe_reset(Runtime *runtime)
{
	for (size_t i = 0; i < runtime->place_count; i++)
		runtime->places[i].walk = (InputWalk){ .begun = false };
}

/* Nothing has come for too long: said aloud, since a stream that lost these records looks the same. */
static Result observe_overdue(const InputPartition *place)
{
	return result_fail(ERROR_AGAIN,
			   "%s/%u is known to reach offset %lld, and nothing behind %lld comes: Kafka does not deliver it, or "
			   "the topic has lost records",
			   topics[place->input->topic].name, place->partition, (long long)place->next,
			   (long long)place->walk.next);
}

/* Folds of inputs that state needs and that do not stand in the own ledger: read again up to the accepted positions. */
Result inputs_observe(Runtime *runtime, bool *progressed, bool *whole)
{
	bool moved = false;
	const InputPartition *behind = NULL;
	for (size_t i = 0; i < runtime->place_count; i++) {
		InputPartition *place = &runtime->places[i];
		if (place->input->observe)
			TRY(place_observe(runtime, place, &moved));
		behind = input_is_observed(place) ? behind : place;
	}
	if (moved || runtime->observed_at == INSTANT_NONE)
		runtime->observed_at = runtime->handler.now;
	*progressed |= moved;
	*whole = !behind;
	return behind && runtime->handler.now > runtime->observed_at + OBSERVE_MS ? observe_overdue(behind) : result_ok();
}

LedgerPositions inputs_positions(Runtime *runtime)
{
	const Service *service = runtime->options.service;
	LedgerPositions positions = { 0 };
	for (size_t i = 0; i < runtime->place_count && i < LEDGER_POSITIONS_MAX; i++) {
		const InputPartition *place = &runtime->places[i];
		int64_t next = place->next;
		if (service->position)
			next = service->position(&runtime->handler, place->input->topic, place->partition, next);
		positions.list[positions.count].topic = place->input->topic;
		positions.list[positions.count].partition = place->partition;
		positions.list[positions.count++].position = next;
	}
	return positions;
}

int64_t input_at(const InputPartition *place)
{
	return topics[place->input->topic].kind == TOPIC_LEDGER ? place->cursor.next : place->next;
}

bool inputs_waiting(const Runtime *runtime)
{
	Bus *bus = runtime->options.bus;
	for (size_t i = 0; i < runtime->place_count; i++) {
		const InputPartition *place = &runtime->places[i];
		if (input_at(place) < bus->operations->end(bus, place->input->topic, place->partition))
			return true;
	}
	return false;
}
