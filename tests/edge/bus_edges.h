/*
 * The buses under test, each with what brings it to rest: the one in SQLite, the one in memory, and the one on Kafka, with
 * librdkafka's mock cluster and with a real one.
 */
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

/* A bus under test, and how to bring it to rest. */
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
 * What another process would have: a handle of its own on Kafka and in memory, with chance in what arrives there. In SQLite a
 * process is alone: its own bus. Closed by edge_newcomer_end.
 */
void edge_newcomer(Edge *edge, Bus **bus, BusReader **reader);
void edge_newcomer_end(const Edge *edge, Bus *bus, BusReader *reader);

Result edge_append(Edge *edge, unsigned topic, unsigned partition, const char *key, Slice headers, Slice body);
void edge_append_text(Edge *edge, unsigned topic, unsigned partition, const char *body);

/* BusDone of the appends that edge_settle waits for. */
void edge_count_done(void *context, bool failed, int64_t offset);

/* Until every append asked for was answered. */
void edge_settle(Edge *edge);

/* The edge, or the end of the test where there is none of its kind. */
Edge *edge_of(void **state);

#endif
