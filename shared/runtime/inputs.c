#include "shared/runtime/inputs.h"

#include "shared/base/bugs.h"
#include "shared/io/system/log.h"
#include "shared/runtime/record.h"
#include "shared/runtime/state.h"

#include <inttypes.h>
#include <stdio.h>

enum {
	BODY_MAX = 1 << 20,
	INPUT_NAME = 64,
	OBSERVE_MS = 10000, /* an opening that observes nothing for this long is reported */
};

static Bus *bus_of(const Inputs *inputs)
{
	return inputs->reader->bus;
}

static bool is_ledger(const InputPartition *input)
{
	return topics[input->topic].kind == TOPIC_LEDGER;
}

static const char *topic_name(const InputPartition *input)
{
	return topics[input->topic].name;
}

static BusPosition position_at(const InputPartition *input, int64_t offset)
{
	return (BusPosition){ input->topic, input->partition, offset };
}

static void input_add(Inputs *inputs, const ServiceInput *handlers, unsigned partition)
{
	must(inputs->count < INPUT_PARTITIONS);
	inputs->list[inputs->count++] = (InputPartition){ .handlers = handlers, .topic = handlers->topic, .partition = partition };
}

void inputs_init(Inputs *inputs, Handler *handler, BusReader *reader)
{
	const Service *service = handler->service;
	inputs->handler = handler;
	inputs->reader = reader;
	buffer_init(&inputs->body, BODY_MAX);
	for (size_t i = 0; i < service->input_count; i++) {
		const ServiceInput *handlers = &service->inputs[i];
		unsigned all = topic_partitions(handlers->topic, handler->partitions);
		for (unsigned partition = 0; handlers->all_partitions && partition < all; partition++)
			input_add(inputs, handlers, partition);
		if (!handlers->all_partitions)
			input_add(inputs, handlers, topics[handlers->topic].slotted ? handler->partition : 0);
	}
}

void inputs_release(Inputs *inputs)
{
	if (inputs->body_reader)
		inputs->body_reader->bus->operations->reader_close(inputs->body_reader);
	buffer_release(&inputs->body);
}

/* ---- rows of the state */

static const char *input_name(const InputPartition *input, char out[static INPUT_NAME])
{
	snprintf(out, INPUT_NAME, "%s/%u", topics[input->topic].short_name, input->partition);
	return out;
}

Result inputs_load(Inputs *inputs)
{
	char name[INPUT_NAME];
	for (size_t i = 0; i < inputs->count; i++) {
		InputPartition *input = &inputs->list[i];
		TRY(state_cursor_load(inputs->handler->store, input_name(input, name), &input->cursor));
		input->next = input->observed = input->cursor.next;
	}
	return result_ok();
}

Result inputs_save(const Inputs *inputs)
{
	char name[INPUT_NAME];
	bool owner = inputs->handler->service->ledger != TOPICS;
	for (size_t i = 0; i < inputs->count; i++) {
		const InputPartition *input = &inputs->list[i];
		LedgerCursor cursor = input->cursor;
		cursor.next = owner ? input->observed : input->next;
		TRY(state_cursor_save(inputs->handler->store, input_name(input, name), &cursor));
	}
	return result_ok();
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

/* Reads the mark of the record at the position. visit->seen stays false if no record has arrived there. */
static Result mark_look(BusReader *reader, BusPosition position, MarkVisit *visit)
{
	int64_t next;
	*visit = (MarkVisit){ .result = { 0 } };
	return reader->bus->operations->read(reader, position, 1, false, mark_visit, visit, &next);
}

/*
 * For a log that ends before the cursor. *fits is false if record 0 has another owner than the cursor remembers, because the topic
 * was then created again. Otherwise it is true, also if record 0 cannot be read.
 */
static Result beginning_fits(BusReader *reader, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits)
{
	const BusOperations *bus = reader->bus->operations;
	MarkVisit visit;
	*fits = true;
	if (cursor->genesis_owner == 0 || bus->first(reader->bus, topic, partition) > 0 ||
	    bus->end(reader->bus, topic, partition) == 0)
		return result_ok();
	TRY(mark_look(reader, (BusPosition){ topic, partition, 0 }, &visit));
	*fits = !visit.seen || result_failed(visit.result) || visit.mark.owner == cursor->genesis_owner;
	return result_ok();
}

Result ledger_fits(BusReader *reader, TopicId topic, unsigned partition, const LedgerCursor *cursor, bool *fits)
{
	const BusOperations *bus = reader->bus->operations;
	int64_t offset = cursor->marked - 1;
	MarkVisit visit;
	*fits = cursor->epoch == 0;
	if (*fits || offset < bus->first(reader->bus, topic, partition))
		return result_ok();
	if (offset >= bus->end(reader->bus, topic, partition))
		return beginning_fits(reader, topic, partition, cursor, fits);
	Result result = mark_look(reader, (BusPosition){ topic, partition, offset }, &visit);
	*fits = visit.seen && !result_failed(visit.result) && ledger_cursor_fits(cursor, &visit.mark);
	return result.kind == ERROR_NOT_FOUND ? result_ok() : result; /* the record was trimmed just now */
}

int64_t input_first(const Inputs *inputs, const InputPartition *input)
{
	Bus *bus = bus_of(inputs);
	return bus->operations->first(bus, input->topic, input->partition);
}

static int64_t input_end(const Inputs *inputs, const InputPartition *input)
{
	Bus *bus = bus_of(inputs);
	return bus->operations->end(bus, input->topic, input->partition);
}

static Result input_enter(const Inputs *inputs, InputPartition *input)
{
	input->cursor = (LedgerCursor){ .next = input->next };
	if (!is_ledger(input) || input->next == 0)
		return result_ok();
	if (input->next == input_first(inputs, input)) {
		input->cursor = ledger_begin(input->next);
		return result_ok();
	}
	/* The record before a position is an accepted one (docs/design/ownership.md, "Readers"): its mark sets the cursor. */
	MarkVisit visit;
	TRY(mark_look(inputs->reader, position_at(input, input->next - 1), &visit));
	if (!visit.seen)
		return result_fail(ERROR_AGAIN,
				   "%s/%u: the record before offset %" PRId64
				   " has not arrived: Kafka does not deliver it yet, or the topic has lost records",
				   topic_name(input), input->partition, input->next);
	TRY(result_wrap(visit.result, "%s/%u", topic_name(input), input->partition));
	input->cursor = ledger_enter(&visit.mark, input->next - 1);
	return result_ok();
}

/* Fetches the records before all positions at once, to wait only once: a standby that takes over has not read the input ledgers. */
static void marks_fetch(const Inputs *inputs)
{
	BusPosition marks[INPUT_PARTITIONS];
	size_t count = 0;
	for (size_t i = 0; i < inputs->count; i++) {
		const InputPartition *input = &inputs->list[i];
		if (is_ledger(input) && input->next > input_first(inputs, input))
			marks[count++] = position_at(input, input->next - 1);
	}
	bus_fetch(inputs->reader, marks, count);
}

Result inputs_enter(Inputs *inputs)
{
	marks_fetch(inputs);
	for (size_t i = 0; i < inputs->count; i++)
		TRY(input_enter(inputs, &inputs->list[i]));
	return result_ok();
}

Result input_judge(InputPartition *input, const BusRecord *from, bool *taken)
{
	*taken = true;
	if (!is_ledger(input))
		return result_ok();
	if (from->offset != input->cursor.next)
		return result_fail(ERROR_AGAIN, "%s/%u: offset %" PRId64 " was read where %" PRId64 " was expected", topic_name(input),
				   input->partition, from->offset, input->cursor.next);
	LedgerMark mark;
	*taken = ledger_judge(&input->cursor, from->headers, &mark) == LEDGER_ACCEPT;
	if (*taken && mark.seq == 1)
		return result_wrap(ledger_opening_check(&input->cursor, from->headers), "%s", topic_name(input));
	return result_ok();
}

/* ---- reading */

int64_t input_offset(const InputPartition *input)
{
	return is_ledger(input) ? input->cursor.next : input->next;
}

/* Retention dropped inputs of a stream before they were read: they are lost, and reading continues at the oldest record. */
static Result input_skip_lost(const Inputs *inputs, InputPartition *input)
{
	handler_log(inputs->handler, LOG_ERROR, "input-lost", topic_name(input));
	input->next = input->cursor.next = input_first(inputs, input);
	return result_ok();
}

Result input_read(Inputs *inputs, InputPartition *input, size_t max, BusVisit visit, void *context)
{
	BusPosition position = position_at(input, input_offset(input));
	int64_t next;
	if (position.from >= input_end(inputs, input))
		return result_ok();
	Result result = bus_of(inputs)->operations->read(inputs->reader, position, max, !input->handlers->keys_only, visit, context,
							 &next);
	bool lost = result.kind == ERROR_NOT_FOUND && topics[input->topic].kind == TOPIC_STREAM;
	return lost ? input_skip_lost(inputs, input) : result;
}

bool inputs_waiting(const Inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		if (input_offset(&inputs->list[i]) < input_end(inputs, &inputs->list[i]))
			return true;
	return false;
}

typedef struct {
	Buffer *body;
	bool seen;
} BodyVisit;

static bool body_visit(void *context, const BusRecord *record)
{
	BodyVisit *visit = context;
	buffer_append(visit->body, record->body);
	visit->seen = true;
	return false;
}

Result inputs_body(Inputs *inputs, const Record *input, Slice *body)
{
	Bus *bus = bus_of(inputs);
	if (input->body.size > 0) {
		*body = input->body; /* the body was read with the record */
		return result_ok();
	}
	if (!inputs->body_reader)
		TRY(bus->operations->reader_open(bus, &inputs->body_reader));
	BodyVisit visit = { .body = &inputs->body };
	BusPosition position = { input->topic, input->partition, input->offset };
	int64_t next;
	buffer_clear(&inputs->body);
	TRY(bus->operations->read(inputs->body_reader, position, 1, true, body_visit, &visit, &next));
	*body = buffer_slice(&inputs->body);
	return visit.seen ? result_ok() :
			    result_fail(ERROR_AGAIN, "%s/%u: the body of offset %" PRId64 " did not arrive",
					topics[input->topic].name, input->partition, input->offset);
}

/* ---- positions */

int64_t input_accepted(const Inputs *inputs, const InputPartition *input)
{
	const LedgerPositions *accepted = &inputs->accepted;
	for (size_t i = 0; i < accepted->count; i++)
		if (accepted->list[i].topic == input->topic && accepted->list[i].partition == input->partition)
			return accepted->list[i].position;
	return 0;
}

static void input_start(const Inputs *inputs, InputPartition *input)
{
	Bus *bus = bus_of(inputs);
	input->next = input_accepted(inputs, input);
	if (BUG(3))
		input->next = bus->operations->committed(bus, inputs->handler->service->name, input->topic, input->partition);
	int64_t first = input_first(inputs, input);
	if (input->next < first) {
		handler_log(inputs->handler, LOG_ERROR, "input-lost", topic_name(input));
		input->next = first;
	}
}

Result inputs_start(Inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		input_start(inputs, &inputs->list[i]);
	return inputs_enter(inputs);
}

LedgerPositions inputs_positions(const Inputs *inputs)
{
	const Service *service = inputs->handler->service;
	LedgerPositions positions = { 0 };
	for (size_t i = 0; i < inputs->count && i < LEDGER_POSITIONS_MAX; i++) {
		const InputPartition *input = &inputs->list[i];
		int64_t next = input->next;
		if (service->position)
			next = service->position(inputs->handler, input->topic, input->partition, next);
		positions.list[positions.count].topic = input->topic;
		positions.list[positions.count].partition = input->partition;
		positions.list[positions.count++].position = next;
	}
	return positions;
}

/* ---- observing again */

typedef struct {
	const Inputs *inputs;
	const InputPartition *input;
	InputPartition walk; /* a copy of *input, whose `next` and `cursor` advance with the observed records */
	Result result;
} ObserveVisit;

/* Skips a malformed record: it became a dead letter when it was decided. */
static Result record_observe(ObserveVisit *visit, const BusRecord *from)
{
	const InputPartition *input = visit->input;
	Handler *handler = visit->inputs->handler;
	bool taken;
	Record record;
	TRY(input_judge(&visit->walk, from, &taken));
	if (!taken || result_failed(record_read(input->topic, input->partition, from, &record)) || record_is_bookkeeping(&record) ||
	    result_failed(record_check(&record, handler->partitions)))
		return result_ok();
	Result result = input->handlers->observe(handler, &record);
	return result.kind == ERROR_INPUT ? result_ok() : result;
}

static bool observe_visit(void *context, const BusRecord *from)
{
	ObserveVisit *visit = context;
	if (from->offset >= visit->input->next)
		return false;
	LedgerCursor before = visit->walk.cursor;
	visit->result = record_observe(visit, from);
	if (result_failed(visit->result)) {
		visit->walk.cursor = before; /* the record is judged again in the next step */
		return false;
	}
	visit->walk.next = from->offset + 1;
	return true;
}

static Result observe_begin(const Inputs *inputs, const InputPartition *input, InputPartition *walk)
{
	const Service *service = inputs->handler->service;
	*walk = *input;
	walk->next = input->observed;
	if (service->replay_from)
		walk->next = service->replay_from(inputs->handler, input->topic, input->next);
	int64_t first = input_first(inputs, input);
	walk->next = walk->next < first ? first : walk->next;
	return input_enter(inputs, walk);
}

/* If retention has dropped the record at the walk's offset, the walk of a stream continues at the oldest record kept. */
static Result observe_read(ObserveVisit *visit)
{
	const Inputs *inputs = visit->inputs;
	const InputPartition *input = visit->input;
	int64_t next; /* unused: walk.next counts the records that were observed */
	Result result = bus_of(inputs)->operations->read(inputs->reader, position_at(input, visit->walk.next), BATCH_KEYS,
							 !input->handlers->keys_only, observe_visit, visit, &next);
	if (result.kind == ERROR_NOT_FOUND && topics[input->topic].kind == TOPIC_STREAM) {
		visit->walk.next = input_first(inputs, input);
		return result_ok();
	}
	return result_failed(result) ? result : visit->result;
}

/*
 * Observes the records up to the accepted position, as far as they have arrived. The records before that position exist, because an
 * owner decided them: an empty read means only that they have not arrived in this process yet (bus.h).
 */
static Result input_observe(const Inputs *inputs, InputPartition *input, bool *progressed)
{
	ObserveVisit visit = { .inputs = inputs, .input = input };
	int64_t before = -1;
	if (!input->walk.begun) {
		TRY(observe_begin(inputs, input, &visit.walk));
	} else {
		visit.walk = *input;
		visit.walk.next = input->walk.next;
		visit.walk.cursor = input->walk.cursor;
	}
	Result result = result_ok();
	while (visit.walk.next < input->next && visit.walk.next != before && !result_failed(result)) {
		before = visit.walk.next;
		result = observe_read(&visit);
		*progressed |= visit.walk.next != before;
	}
	input->walk = (InputWalk){ .begun = true, .next = visit.walk.next, .cursor = visit.walk.cursor };
	TRY(result);
	bool complete = visit.walk.next >= input->next || BUG(11);
	if (complete && (input->observed < input->next || inputs->handler->service->replay_from))
		input->observed = input->next;
	return result_ok();
}

bool input_is_observed(const InputPartition *input)
{
	return !input->handlers->observe || (input->walk.begun && (input->walk.next >= input->next || BUG(11)));
}

void inputs_observe_reset(Inputs *inputs)
{
	for (size_t i = 0; i < inputs->count; i++)
		inputs->list[i].walk = (InputWalk){ .begun = false };
}

/* Reported to operators, because this process cannot distinguish late records from lost records, which never arrive. */
static Result observe_overdue(const InputPartition *input)
{
	return result_fail(ERROR_AGAIN,
			   "%s/%u reaches offset %" PRId64 ", but no record arrives from offset %" PRId64
			   " on: Kafka does not deliver it, or the topic has lost records",
			   topic_name(input), input->partition, input->next, input->walk.next);
}

Result inputs_observe(Inputs *inputs, bool *progressed, bool *complete)
{
	Instant now = inputs->handler->now;
	bool moved = false, was_stalled = inputs->observe_stalled;
	const InputPartition *behind = NULL;
	Result result = result_ok();
	for (size_t i = 0; i < inputs->count; i++) {
		InputPartition *input = &inputs->list[i];
		if (input->handlers->observe && !result_failed(result))
			result = input_observe(inputs, input, &moved);
		behind = input_is_observed(input) ? behind : input;
	}
	inputs->observe_stalled = !moved;
	if (moved || !was_stalled || inputs->observed_at == INSTANT_NONE)
		inputs->observed_at = now; /* the delay counts from the first step without a record */
	*progressed |= moved;
	*complete = !behind && !result_failed(result);
	TRY(result);
	return behind && now > inputs->observed_at + OBSERVE_MS ? observe_overdue(behind) : result_ok();
}
