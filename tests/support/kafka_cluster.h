/*
 * Kafka for tests: librdkafka's mock cluster in this process, or the real cluster at TOCSIN_TEST_KAFKA_BROKERS
 * (tools/with-outside.sh). Topic names are random, so that tests can share a broker without reading each other's records.
 */
#ifndef TOCSIN_TESTS_KAFKA_CLUSTER_H
#define TOCSIN_TESTS_KAFKA_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

enum { CLUSTER_NAME = 64 };

typedef struct {
	rd_kafka_t *host;
	rd_kafka_mock_cluster_t *mock; /* NULL: `brokers` are those of the real cluster */
	char brokers[256];
	const char *options; /* options of librdkafka that clients of the mock cluster need; NULL with the real cluster */
} KafkaCluster;

/* Starts a mock cluster of three brokers. Aborts on failure. */
void cluster_mock(KafkaCluster *cluster);
/* Uses the real cluster. False: TOCSIN_TEST_KAFKA_BROKERS is not set. */
bool cluster_real(KafkaCluster *cluster);
void cluster_end(KafkaCluster *cluster);

/* Creates a topic "test-BEGIN-RANDOM" and writes its name to `out`. Aborts on failure. */
void cluster_topic(KafkaCluster *cluster, const char *begin, int partitions, char out[static CLUSTER_NAME]);

#endif
