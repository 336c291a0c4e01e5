/* When the bus becomes unreachable during a batch, the runtime repeats the batch before it processes any later record. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/domain/types.h"
#include "shared/runtime/runtime.h"
#include "tests/support/memory_bus.h"

#include <stdlib.h>

#define START INT64_C(1795421730000) /* 2026-11-23T08:15:30Z */

/* ---- a bus that can be away (unreachable): appends fail, committed positions are unknown */

static bool away;
static const BusOperations *present;
static BusOperations operations;

static int64_t committed(Bus *bus, const char *group, unsigned topic, unsigned partition)
{
	return away ? BUS_COMMITTED_UNKNOWN : present->committed(bus, group, topic, partition);
}

static Result append(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context)
{
	return away ? result_fail(ERROR_AGAIN, "the bus is away") :
		      present->append(bus, topic, partition, record, done, context);
}

static Bus *bus_make(void)
{
	Bus *bus = memory_bus_new(TOPICS, 1);
	away = false;
	present = bus->operations;
	operations = *present;
	operations.committed = committed;
	operations.append = append;
	bus->operations = &operations;
	return bus;
}

static void put(Bus *bus, const char *id)
{
	char time[INSTANT_TEXT];
	Buffer headers;
	instant_format(START, time);
	buffer_init(&headers, 1024);
	header_add(&headers, "ce_id", slice_of(id));
	header_add(&headers, "ce_type", SLICE("test.sent.v1"));
	header_add(&headers, "ce_time", slice_of(time));
	BusRecord record = { .headers = buffer_slice(&headers), .body = SLICE("1") };
	assert_int_equal(bus_append(bus, TOPIC_COMMANDS, 0, &record, NULL, NULL).kind, ERROR_NONE);
	memory_bus_deliver_all(bus);
	buffer_release(&headers);
}

/* ---- two services: one without state, and the owner of a ledger */

static Result emit(Handler *handler, const Record *input, TopicId topic)
{
	return handler_emit(handler, topic, 0,
			    &(Draft){ .type = SLICE("test.out.v1"), .subject = input->subject, .key = input->key,
				      .body = input->body, .time = input->time });
}

static Result assess(Handler *handler, const Record *input)
{
	return emit(handler, input, TOPIC_ASSESSMENTS);
}

static Result own_decide(Handler *handler, const Record *input)
{
	return handler_draft(handler, &(Draft){ .type = SLICE("test.tallied.v1"), .subject = input->subject,
						.body = input->body, .time = input->time });
}

static Result own_apply(Handler *handler, const Record *record)
{
	(void)handler, (void)record;
	return result_ok();
}

static Result own_derive(Handler *handler, const Record *record)
{
	return emit(handler, record, TOPIC_EVENTS);
}

static const char *const schema[] = { "CREATE TABLE t (x)" };
static const Service reader = { .name = "reader", .sentence = "s", .ledger = TOPICS,
				.inputs = { { .topic = TOPIC_COMMANDS, .handle = assess } }, .input_count = 1,
				.outputs = { TOPIC_ASSESSMENTS }, .output_count = 1 };
static const Service owner = { .name = "owner", .sentence = "s", .ledger = TOPIC_REPORTS,
			       .inputs = { { .topic = TOPIC_COMMANDS, .decide = own_decide } }, .input_count = 1,
			       .outputs = { TOPIC_EVENTS }, .output_count = 1, .schema = schema, .schema_version = 1,
			       .apply = own_apply, .derive = own_derive };

/* ---- services that refuse every record: one without state, a view, and the owner of a ledger */

static Result refuse(Handler *handler, const Record *input)
{
	(void)handler, (void)input;
	return result_fail(ERROR_INPUT, "not understood");
}

static const Service refusing[] = {
	{ .name = "reader", .sentence = "s", .ledger = TOPICS, .inputs = { { .topic = TOPIC_COMMANDS, .handle = refuse } },
	  .input_count = 1 },
	{ .name = "view", .sentence = "s", .ledger = TOPICS, .inputs = { { .topic = TOPIC_COMMANDS, .handle = refuse } },
	  .input_count = 1, .schema = schema, .schema_version = 1 },
	{ .name = "owner", .sentence = "s", .ledger = TOPIC_REPORTS, .inputs = { { .topic = TOPIC_COMMANDS, .decide = refuse } },
	  .input_count = 1, .schema = schema, .schema_version = 1, .apply = own_apply },
};

static Instant now;

static Result step(Runtime *runtime)
{
	bool progressed;
	return runtime_step(runtime, now += 1, &progressed);
}

static void steps(Runtime *runtime, Bus *bus, int count)
{
	for (int i = 0; i < count; i++) {
		step(runtime);
		memory_bus_deliver_all(bus);
	}
}

static void a_batch_in_doubt_is_repeated_although_the_group_position_was_unknown(void **state)
{
	(void)state;
	Bus *bus = bus_make();
	Runtime *runtime;
	RuntimeOptions options = { .service = &reader, .bus = bus, .owner_id = 1 };
	now = START;
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	put(bus, "c1");
	step(runtime);
	assert_int_equal(memory_bus_pending(bus), 1);
	away = true;
	memory_bus_step(bus, 0, WIRE_LOSE);
	assert_int_equal(step(runtime).kind, ERROR_AGAIN);
	away = false;
	steps(runtime, bus, 30);
	put(bus, "c2");
	steps(runtime, bus, 30);
	assert_int_equal(bus->operations->end(bus, TOPIC_ASSESSMENTS, 0), 2);
	assert_int_equal(bus->operations->committed(bus, "reader", TOPIC_COMMANDS, 0), 2);
	runtime_free(runtime);
	bus->operations->close(bus);
}

static void outputs_of_a_ledger_are_published_although_the_bus_is_away_during_the_opening(void **state)
{
	(void)state;
	Bus *bus = bus_make();
	Store *store;
	StoreOptions file = runtime_store_options(&owner, ":memory:");
	Runtime *runtime;
	RuntimeOptions options = { .service = &owner, .bus = bus, .owner_id = 1 };
	now = START;
	assert_int_equal(store_open(&file, &store, NULL).kind, ERROR_NONE);
	options.store = store;
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	steps(runtime, bus, 20);
	put(bus, "c1");
	steps(runtime, bus, 1); /* the record is decided; the service crashes before the output is published */
	runtime_free(runtime);
	options.owner_id = 2;
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	for (int i = 0; i < 50 && runtime_phase(runtime) != PHASE_OPENING; i++)
		steps(runtime, bus, 1);
	for (int i = 0; i < 50 && memory_bus_pending(bus) == 0; i++)
		step(runtime);
	assert_int_equal(memory_bus_pending(bus), 1);
	assert_int_equal(bus->operations->end(bus, TOPIC_EVENTS, 0), 0);
	away = true;
	memory_bus_step(bus, 0, WIRE_LOSE);
	assert_int_equal(step(runtime).kind, ERROR_AGAIN);
	away = false;
	steps(runtime, bus, 50);
	assert_int_equal(runtime_phase(runtime), PHASE_OWNING);
	assert_int_equal(bus->operations->end(bus, TOPIC_EVENTS, 0), 1);
	runtime_free(runtime);
	store_close(store);
	bus->operations->close(bus);
}

static void a_reader_without_an_assignment_waits_at_no_position(void **state)
{
	(void)state;
	Bus *bus = bus_make();
	Runtime *runtime;
	RuntimeOptions options = { .service = &reader, .bus = bus, .owner_id = 1 };
	BusPosition positions[RUNTIME_POSITIONS_MAX];
	Instant wake_at;
	now = START;
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	put(bus, "c1");
	runtime_assign(runtime, false);
	step(runtime);
	assert_int_equal(runtime_positions(runtime, positions, &wake_at), 0);
	runtime_free(runtime);
	bus->operations->close(bus);
}

static void refuse_while_the_dead_letter_is_lost(const Service *service, bool restart)
{
	Bus *bus = bus_make();
	Store *store = NULL;
	StoreOptions file = runtime_store_options(service, ":memory:");
	Runtime *runtime;
	RuntimeOptions options = { .service = service, .bus = bus, .owner_id = 1 };
	now = START;
	if (service->schema)
		assert_int_equal(store_open(&file, &store, NULL).kind, ERROR_NONE);
	options.store = store;
	assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	steps(runtime, bus, 20);
	put(bus, "c1");
	for (int i = 0; i < 20 && memory_bus_pending(bus) == 0; i++)
		step(runtime);
	step(runtime);
	assert_int_equal(memory_bus_pending(bus), 1);
	assert_false(runtime_is_idle(runtime));
	memory_bus_step(bus, 0, WIRE_LOSE);
	if (restart) {
		runtime_free(runtime);
		options.owner_id = 2;
		assert_int_equal(runtime_new(&options, &runtime).kind, ERROR_NONE);
	}
	steps(runtime, bus, 60);
	assert_int_equal(bus->operations->end(bus, TOPIC_DEAD_LETTERS, 0), 1);
	assert_true(runtime_is_idle(runtime));
	steps(runtime, bus, 60);
	assert_int_equal(bus->operations->end(bus, TOPIC_DEAD_LETTERS, 0), 1);
	runtime_free(runtime);
	store_close(store);
	bus->operations->close(bus);
}

static void a_refused_record_is_not_passed_before_its_dead_letter_is_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusing) / sizeof(refusing[0]); i++) {
		refuse_while_the_dead_letter_is_lost(&refusing[i], false);
		refuse_while_the_dead_letter_is_lost(&refusing[i], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_in_doubt_is_repeated_although_the_group_position_was_unknown),
		cmocka_unit_test(outputs_of_a_ledger_are_published_although_the_bus_is_away_during_the_opening),
		cmocka_unit_test(a_reader_without_an_assignment_waits_at_no_position),
		cmocka_unit_test(a_refused_record_is_not_passed_before_its_dead_letter_is_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
