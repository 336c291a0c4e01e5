/*
 * The runtime alone against an adversary: several instances of one service own the same partition in turn, and sometimes at once.
 * The wire, which carries appends to the bus, delays, loses and repeats them and reports false results. Instances crash with and
 * without their disk, or pause and continue as zombies. At the end, without faults, each input must have had exactly one accepted
 * effect, the last owner's state must be the fold of the ledger, and the output of each accepted record must have been published.
 *
 * The service under test adds up the numbers it gets. It keeps a running sum in memory besides the store, so that a rollback that
 * leaves memory unchanged is found.
 *
 *     ownership_test         plays SEEDS seeds (default 500)
 *     ownership_test SEED    plays one
 */
#include "shared/domain/types.h"
#include "shared/runtime/runtime.h"
#include "tests/support/memory_bus.h"
#include "tests/support/memory_timers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the service under test */

typedef struct {
	int64_t sum, records;
} Memory;

static Result sum_restore(Handler *handler)
{
	Memory *memory = handler->memory ? handler->memory : calloc(1, sizeof(*memory));
	must(memory);
	*memory = (Memory){ 0 };
	handler->memory = memory;
	Statement *row = store_query(handler->store, "SELECT COALESCE(SUM(number), 0), COUNT(*) FROM effect");
	if (statement_next(row)) {
		memory->sum = statement_integer(row, 0);
		memory->records = statement_integer(row, 1);
	}
	return statement_end(row);
}

static void sum_release(Handler *handler)
{
	free(handler->memory);
}

static Result sum_decide(Handler *handler, const Record *input)
{
	int64_t number;
	if (!slice_integer(input->body, &number))
		return result_fail(ERROR_INPUT, "the body is not a number");
	if (number % 7 == 0)
		return result_ok(); /* the service decides that some inputs have no effect */
	Memory *memory = handler->memory;
	char body[64];
	/* The record contains the state that it was decided on, so that sum_apply detects a fork or a missing rollback. */
	int size = snprintf(body, sizeof(body), "%" PRId64 " %" PRId64 " %" PRId64, number, memory->sum, memory->records);
	Draft draft = { .type = SLICE("test.added.v1"), .subject = input->id, .body = { body, (size_t)size },
			.time = input->time };
	return handler_draft(handler, &draft);
}

static Result sum_apply(Handler *handler, const Record *record)
{
	Memory *memory = handler->memory;
	int64_t number, sum, records;
	char body[64];
	must(text_copy(record->body, body, sizeof(body)));
	must(sscanf(body, "%" SCNd64 " %" SCNd64 " %" SCNd64, &number, &sum, &records) == 3);
	must(sum == memory->sum && records == memory->records);
	memory->sum += number;
	memory->records++;
	return store_run(handler->store, "INSERT INTO effect VALUES (?1, ?2)", V_TEXT(record->cause), V_INTEGER(number));
}

static Result sum_derive(Handler *handler, const Record *record)
{
	Draft draft = { .type = SLICE("test.out.v1"), .subject = record->subject, .body = record->body, .time = record->time };
	return handler_emit(handler, TOPIC_EVENTS, 0, &draft);
}

static const char *const schema[] = { "CREATE TABLE effect (cause TEXT PRIMARY KEY, number INTEGER)" };

static const Service sum_service = {
	.name = "sum",
	.sentence = "Adds up",
	.ledger = TOPIC_JOURNAL,
	.inputs = { { .topic = TOPIC_COMMANDS, .decide = sum_decide }, { .topic = TOPIC_ASSESSMENTS, .decide = sum_decide } },
	.input_count = 2,
	.outputs = { TOPIC_EVENTS },
	.output_count = 1,
	.schema = schema,
	.schema_version = 1,
	.restore = sum_restore,
	.release = sum_release,
	.apply = sum_apply,
	.derive = sum_derive,
};

/* ---- the world */

enum { INSTANCES = 3, INPUTS_MAX = 60, STREAM_CLIENT = 20 };

typedef struct {
	Store *store;
	Runtime *runtime;
	int64_t asleep_until; /* the process is paused until this time */
} Instance;

static struct {
	uint64_t random_state;
	Bus *bus;
	Instance instances[INSTANCES];
	Instant now;
	unsigned assigned, inputs, faults;
	uint64_t owners;
	bool quiet;
} world;

static uint32_t random_below(uint32_t limit)
{
	world.random_state = world.random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(world.random_state >> 33) % limit;
}

static void instance_start(Instance *instance)
{
	if (!instance->store) {
		StoreOptions options = runtime_store_options(&sum_service, ":memory:");
		must(!result_failed(store_open(&options, &instance->store, NULL)));
	}
	RuntimeOptions options = { .service = &sum_service, .bus = world.bus, .store = instance->store,
				   .owner_id = ++world.owners };
	must(!result_failed(runtime_new(&options, &instance->runtime)));
}

static void instance_crash(unsigned number, bool disk_lost)
{
	Instance *instance = &world.instances[number];
	size_t pending = memory_bus_stream_pending(world.bus, number);
	runtime_free(instance->runtime);
	memory_bus_drop_stream(world.bus, number, random_below(2) ? 0 : random_below((uint32_t)pending + 1));
	if (disk_lost) {
		store_close(instance->store);
		instance->store = NULL;
	}
	instance_start(instance);
}

static void instance_step(unsigned number)
{
	Instance *instance = &world.instances[number];
	bool progressed;
	if (world.now < instance->asleep_until)
		return;
	memory_bus_set_stream(world.bus, number);
	runtime_pause(instance->runtime, world.assigned != number && !(world.quiet == false && random_below(10) == 0));
	Result result = runtime_step(instance->runtime, world.now, &progressed);
	if (result.kind == ERROR_INTERNAL) {
		fprintf(stderr, "instance %u: %s\n", number, result.text);
		abort();
	}
}

static void client_send(void)
{
	char id[32], number[32], time[INSTANT_TEXT];
	if (world.inputs == INPUTS_MAX)
		return;
	snprintf(id, sizeof(id), "in_%u", world.inputs++);
	int size = snprintf(number, sizeof(number), "%u", random_below(100));
	instant_format(world.now, time);
	Buffer headers;
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", slice_of(id));
	header_add(&headers, "ce_type", SLICE("test.in.v1"));
	header_add(&headers, "ce_time", slice_of(time));
	BusRecord record = { .headers = buffer_slice(&headers), .body = { number, (size_t)size } };
	memory_bus_set_stream(world.bus, STREAM_CLIENT);
	must(!result_failed(bus_append(world.bus, random_below(2) ? TOPIC_COMMANDS : TOPIC_ASSESSMENTS, 0, &record, NULL, NULL)));
	buffer_release(&headers);
}

static void wire_step(void)
{
	static const WireMode faults[] = { WIRE_DELIVER_LATE_ACK, WIRE_LOSE, WIRE_FAIL_BUT_ARRIVE, WIRE_DOUBLE };
	WireMode mode = WIRE_DELIVER;
	if (!world.quiet && random_below(25) == 0) {
		mode = faults[random_below(4)];
		world.faults++;
	}
	/* Appends of the client never fail: faults concern only the instances. */
	if (memory_bus_stream_pending(world.bus, STREAM_CLIENT) > 0 && random_below(3) == 0)
		memory_bus_step_stream(world.bus, STREAM_CLIENT, WIRE_DELIVER);
	else if (memory_bus_stream_pending(world.bus, STREAM_CLIENT) < memory_bus_pending(world.bus))
		for (int tries = 0; tries < 4; tries++) {
			unsigned stream = random_below(INSTANCES + 1);
			if (memory_bus_step_stream(world.bus, stream == INSTANCES ? MEMORY_BUS_STRAGGLERS : stream, mode))
				break;
		}
}

static void chaos_step(void)
{
	uint32_t choice = random_below(1000);
	unsigned number = random_below(INSTANCES);
	if (choice < 500)
		instance_step(number);
	else if (choice < 850)
		wire_step();
	else if (choice < 930)
		client_send();
	else if (choice < 980)
		world.now += random_below(400);
	else if (choice < 988)
		world.assigned = number;
	else if (choice < 994)
		world.instances[number].asleep_until = world.now + random_below(30000);
	else
		instance_crash(number, random_below(2));
}

static void settle(void)
{
	world.quiet = true;
	for (unsigned i = 0; i < INSTANCES; i++)
		world.instances[i].asleep_until = 0;
	for (unsigned round = 0; round < 3000; round++) {
		for (unsigned i = 0; i < INSTANCES; i++)
			instance_step(i);
		memory_bus_deliver_all(world.bus);
		world.now += 50;
	}
}

/* ---- the judge */

typedef struct {
	int64_t sum, count;
} Fold;

static int64_t inputs_sum(int64_t *count)
{
	int64_t sum = 0;
	static const TopicId inputs[] = { TOPIC_COMMANDS, TOPIC_ASSESSMENTS };
	*count = 0;
	for (unsigned t = 0; t < 2; t++) {
		BusRecord record;
		for (int64_t offset = 0; memory_bus_peek(world.bus, inputs[t], 0, offset, &record); offset++) {
			int64_t number = 0;
			must(slice_integer(record.body, &number));
			sum += number % 7 ? number : 0;
			*count += number % 7 ? 1 : 0;
		}
	}
	return sum;
}

static bool output_seen(Slice cause)
{
	BusRecord record;
	for (int64_t offset = 0; memory_bus_peek(world.bus, TOPIC_EVENTS, 0, offset, &record); offset++)
		if (slice_equals(header_get(record.headers, "ce_cause"), cause))
			return true;
	return false;
}

static Fold ledger_fold(uint64_t seed)
{
	Fold fold = { 0 };
	LedgerCursor cursor = { 0 };
	BusRecord record;
	for (int64_t offset = 0; memory_bus_peek(world.bus, TOPIC_JOURNAL, 0, offset, &record); offset++) {
		LedgerMark mark;
		must(!result_failed(ledger_mark_read(record.headers, &mark)));
		if (ledger_take(&cursor, &mark) != LEDGER_ACCEPT || !slice_is(header_get(record.headers, "ce_type"), "test.added.v1"))
			continue;
		fold.sum += strtoll(record.body.data, NULL, 10);
		fold.count++;
		if (!output_seen(header_get(record.headers, "ce_id"))) {
			fprintf(stderr, "seed %" PRIu64 ": the output of ledger offset %" PRId64 " was never published\n", seed, offset);
			abort();
		}
	}
	return fold;
}

static void judge(uint64_t seed)
{
	int64_t count;
	int64_t sum = inputs_sum(&count);
	Fold fold = ledger_fold(seed);
	const Memory *state = runtime_handler(world.instances[world.assigned].runtime)->memory;
	if (fold.sum != sum || fold.count != count || state->sum != sum || state->records != count) {
		fprintf(stderr,
			"seed %" PRIu64 ": inputs %" PRId64 " (%" PRId64 "), accepted %" PRId64 " (%" PRId64 "), state %" PRId64
			" (%" PRId64 "), phase %d\n",
			seed, sum, count, fold.sum, fold.count, state->sum, state->records,
			(int)runtime_phase(world.instances[world.assigned].runtime));
		abort();
	}
}

static void run(uint64_t seed)
{
	memory_bus_reset(world.bus);
	world.random_state = seed * 0x9e3779b97f4a7c15u + 1;
	world.now = 1790000000000;
	world.inputs = world.assigned = 0;
	world.owners = 0;
	world.quiet = false;
	for (unsigned i = 0; i < INSTANCES; i++) {
		world.instances[i] = (Instance){ 0 };
		instance_start(&world.instances[i]);
	}
	for (unsigned step = 0; step < 1500; step++)
		chaos_step();
	settle();
	judge(seed);
	for (unsigned i = 0; i < INSTANCES; i++) {
		runtime_free(world.instances[i].runtime);
		store_close(world.instances[i].store);
	}
}

int main(int argc, char **argv)
{
	const char *seeds = getenv("SEEDS");
	uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 500;
	uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	if (argc > 1)
		count = 1;
	world.bus = memory_bus_new(TOPICS, 1);
	for (uint64_t seed = first; seed < first + count; seed++)
		run(seed);
	printf("ownership: %" PRIu64 " seeds, %u wire faults, every input has exactly one effect\n", count, world.faults);
	printf("%" PRIu64 " passed, 0 failed\n", count);
	return 0;
}
