/* A Wire counts the reports of its appends and wakes its reader (runtime/wire.h). */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/runtime/wire.h"
#include "tests/support/memory_bus.h"

typedef struct {
	Bus *bus;
	BusReader *reader;
	Wire *wire;
} Bench;

static int setup(void **state)
{
	static Bench bench;
	bench.bus = memory_bus_new(TOPICS, 1);
	assert_false(result_failed(bench.bus->operations->reader_open(bench.bus, &bench.reader)));
	bench.wire = wire_new(bench.reader);
	memory_bus_set_stream(bench.bus, 0);
	(void)memory_bus_take_wake(bench.reader);
	*state = &bench;
	return 0;
}

static int teardown(void **state)
{
	Bench *bench = *state;
	wire_release(bench->wire);
	bench->bus->operations->reader_close(bench->reader);
	bench->bus->operations->close(bench->bus);
	return 0;
}

static void append(Bench *bench)
{
	BusRecord record = { .body = SLICE("{}") };
	assert_false(result_failed(wire_append(bench->wire, bench->bus, TOPIC_EVENTS, 0, &record)));
}

static void the_last_report_wakes_the_reader(void **state)
{
	Bench *bench = *state;
	append(bench);
	append(bench);
	memory_bus_step_stream(bench->bus, 0, WIRE_DELIVER);
	assert_int_equal(wire_pending(bench->wire), 1);
	assert_false(memory_bus_take_wake(bench->reader));
	memory_bus_step_stream(bench->bus, 0, WIRE_DELIVER);
	assert_int_equal(wire_pending(bench->wire), 0);
	assert_true(memory_bus_take_wake(bench->reader));
	assert_false(wire_failed(bench->wire));
}

static void a_failure_wakes_the_reader_at_once(void **state)
{
	Bench *bench = *state;
	append(bench);
	append(bench);
	memory_bus_step_stream(bench->bus, 0, WIRE_LOSE);
	assert_true(wire_failed(bench->wire));
	assert_true(memory_bus_take_wake(bench->reader));
	memory_bus_deliver_all(bench->bus);
}

static void reports_of_a_replaced_wire_do_not_count_and_wake_nobody(void **state)
{
	Bench *bench = *state;
	append(bench);
	wire_replace(&bench->wire);
	append(bench);
	memory_bus_step_stream(bench->bus, 0, WIRE_LOSE);
	assert_false(memory_bus_take_wake(bench->reader));
	assert_false(wire_failed(bench->wire));
	memory_bus_step_stream(bench->bus, 0, WIRE_DELIVER);
	assert_true(memory_bus_take_wake(bench->reader));
}

#define X(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		X(the_last_report_wakes_the_reader),
		X(a_failure_wakes_the_reader_at_once),
		X(reports_of_a_replaced_wire_do_not_count_and_wake_nobody),
	};
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
