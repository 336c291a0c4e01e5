/*
 * A Kafka to test against: librdkafka's mock cluster in this process, or the real one that TOCSIN_TEST_KAFKA_BROKERS names
 * (tools/with-outside.sh). Topic names are drawn anew each time, so that tests share a broker and not their records.
 */
#ifndef TOCSIN_TESTS_KAFKA_CLUSTER_H
#define TOCSIN_TESTS_KAFKA_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

enum { CLUSTER_NAME = 64 };

typedef struct {
	rd_kafka_t *host;
	rd_kafka_mock_cluster_t *mock; /* NULL: the real one */
	char brokers[256];
	const char *options; /* what clients of the mock must be given; NULL with the real one */
} KafkaCluster;

void cluster_mock(KafkaCluster *cluster);
/* False: no real one is named. */
bool cluster_real(KafkaCluster *cluster);
void cluster_end(KafkaCluster *cluster);

/* Makes a topic whose name begins so; its whole name goes to out. */
void cluster_topic(KafkaCluster *cluster, const char *begin, int partitions, char out[static CLUSTER_NAME]);

#endif
