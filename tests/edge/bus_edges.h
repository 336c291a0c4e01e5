/* The buses under test: SQLite, in memory, and Kafka with librdkafka's mock cluster and with a real one. */
#ifndef TOCSIN_TESTS_BUS_EDGES_H
#define TOCSIN_TESTS_BUS_EDGES_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/kafka/bus.h"
#include "shared/io/sqlite/bus.h"
#include "shared/io/system/clock.h"
#include "tests/support/kafka_cluster.h"
#include "tests/support/memory_bus.h"
#include "tests/support/scratch.h"

#include <stdatomic.h>

enum { EVENTS, LEDGER, TOPIC_COUNT, PARTITIONS = 3 };

typedef struct {
	Bus *bus;
	BusReader *reader;
	Scratch scratch;
	bool memory, sqlite, kafka;
	KafkaCluster cluster;
	char names[TOPIC_COUNT][CLUSTER_NAME];
	BusKafkaTopic kafka_topics[TOPIC_COUNT];
	_Atomic int done, failed;
	_Atomic int64_t last_offset;
	int asked;
} Edge;

int edge_sqlite_setup(void **state);
int edge_memory_setup(void **state);
int edge_mock_setup(void **state);
int edge_real_setup(void **state);
int edge_teardown(void **state);
Result edge_open_sqlite(Edge *edge);

/*
 * Opens the bus as a second process would. On Kafka and in memory, *bus is a second handle; in memory, appended records arrive at
 * this handle after random delays. On SQLite, which only one process uses, *bus is the edge's own bus. Close with
 * edge_newcomer_end.
 */
void edge_newcomer(Edge *edge, Bus **bus, BusReader **reader);
void edge_newcomer_end(const Edge *edge, Bus *bus, BusReader *reader);

Result edge_append(Edge *edge, unsigned topic, unsigned partition, const char *key, Slice headers, Slice body);
void edge_append_text(Edge *edge, unsigned topic, unsigned partition, const char *body);

/* The BusDone callback to pass with appends that edge_settle shall wait for. */
void edge_count_done(void *context, bool failed, int64_t offset);

/* Waits until `done` was called for every append of edge_append; fails the test after 10 s. */
void edge_settle(Edge *edge);

/* The edge of the running test. Skips the test if the edge's bus is not available. */
Edge *edge_of(void **state);

#endif
