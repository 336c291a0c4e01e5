#include "tests/edge/bus_edges.h"

#include <stdio.h>
#include <stdlib.h>

static const BusTopic bus_topics[TOPIC_COUNT] = {
	[EVENTS] = { .short_name = "events", .stream = true },
	[LEDGER] = { .short_name = "journal" },
};

Result edge_open_sqlite(Edge *edge)
{
	char path[SCRATCH_PATH];
	BusSqliteOptions options = { .path = scratch_path(&edge->scratch, "bus.db", path), .topics = bus_topics,
				     .topic_count = TOPIC_COUNT, .partitions = PARTITIONS };
	return bus_sqlite_open(&options, &edge->bus);
}

int edge_sqlite_setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	edge->sqlite = true;
	scratch_make(&edge->scratch);
	Result result = edge_open_sqlite(edge);
	if (!result_failed(result))
		result = edge->bus->operations->reader_open(edge->bus, &edge->reader);
	*state = edge;
	return result_failed(result);
}

int edge_memory_setup(void **state)
{
	Edge *edge = calloc(1, sizeof *edge);
	edge->memory = true;
	edge->bus = memory_bus_new(TOPIC_COUNT, PARTITIONS);
	*state = edge;
	return result_failed(edge->bus->operations->reader_open(edge->bus, &edge->reader));
}

static Result open_kafka(const Edge *edge, const char *instance, Bus **out)
{
	BusKafkaOptions options = { .brokers = edge->cluster.brokers, .options = edge->cluster.options, .client = "tocsin-test",
				    .instance = instance, .topics = edge->kafka_topics, .topic_count = TOPIC_COUNT,
				    .partitions = PARTITIONS, .message_timeout_ms = 5000 };
	return bus_kafka_open(&options, 10000, NULL, NULL, out);
}

static int kafka_setup(Edge *edge)
{
	edge->kafka = true;
	for (unsigned i = 0; i < TOPIC_COUNT; i++) {
		cluster_topic(&edge->cluster, bus_topics[i].short_name, PARTITIONS, edge->names[i]);
		edge->kafka_topics[i] = (BusKafkaTopic){ .name = edge->names[i], .slotted = true, .stream = bus_topics[i].stream };
	}
	Result result = open_kafka(edge, "one", &edge->bus);
	if (result_failed(result))
		print_error("%s\n", result.text);
	else
		result = edge->bus->operations->reader_open(edge->bus, &edge->reader);
	return result_failed(result);
}

int edge_mock_setup(void **state)
{
	Edge *edge = *state = calloc(1, sizeof *edge);
	cluster_mock(&edge->cluster);
	return kafka_setup(edge);
}

int edge_real_setup(void **state)
{
	Edge *edge = *state = calloc(1, sizeof *edge);
	return cluster_real(&edge->cluster) ? kafka_setup(edge) : 0;
}

int edge_teardown(void **state)
{
	Edge *edge = *state;
	if (edge->bus) {
		edge->bus->operations->reader_close(edge->reader);
		edge->bus->operations->close(edge->bus);
	}
	if (edge->sqlite)
		scratch_remove(&edge->scratch);
	if (edge->kafka)
		cluster_end(&edge->cluster);
	free(edge);
	return 0;
}

void edge_count_done(void *context, bool failed, int64_t offset)
{
	Edge *edge = context;
	if (failed)
		edge->failed++;
	else
		edge->last_offset = offset;
	edge->done++;
}

Result edge_append(Edge *edge, unsigned topic, unsigned partition, const char *key, Slice headers, Slice body)
{
	BusRecord record = { .key = slice_of(key), .headers = headers, .body = body };
	Result result = bus_append(edge->bus, topic, partition, &record, edge_count_done, edge);
	if (!result_failed(result))
		edge->asked++;
	return result;
}

void edge_append_text(Edge *edge, unsigned topic, unsigned partition, const char *body)
{
	assert_int_equal(edge_append(edge, topic, partition, "key", SLICE_NONE, slice_of(body)).kind, ERROR_NONE);
}

void edge_settle(Edge *edge)
{
	if (edge->memory)
		memory_bus_deliver_all(edge->bus);
	int64_t until_us = clock_monotonic_us() + 10000000;
	while (edge->done < edge->asked && clock_monotonic_us() < until_us)
		clock_sleep_ms(1);
	assert_int_equal(edge->done, edge->asked);
}

Edge *edge_of(void **state)
{
	Edge *edge = *state;
	if (!edge->bus)
		skip();
	return edge;
}

/* ---- another process ----------------------------------------------------------------------------------------------- */

void edge_newcomer(Edge *edge, Bus **bus, BusReader **reader)
{
	*bus = edge->bus;
	if (edge->kafka)
		assert_int_equal(open_kafka(edge, "two", bus).kind, ERROR_NONE);
	if (edge->memory)
		*bus = memory_bus_handle(edge->bus);
	if (edge->memory)
		memory_bus_set_chance(edge->bus, 20261201);
	assert_int_equal((*bus)->operations->reader_open(*bus, reader).kind, ERROR_NONE);
}

void edge_newcomer_end(const Edge *edge, Bus *bus, BusReader *reader)
{
	bus->operations->reader_close(reader);
	if (bus != edge->bus)
		bus->operations->close(bus);
}
