#include "tests/support/kafka_cluster.h"

#include "shared/base/error.h"
#include "shared/io/system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BROKERS = 3, CALL_MS = 10000 };

static rd_kafka_t *client_new(const char *brokers)
{
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	if (brokers)
		must(rd_kafka_conf_set(conf, "bootstrap.servers", brokers, reason, sizeof reason) == RD_KAFKA_CONF_OK);
	must(rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason) == RD_KAFKA_CONF_OK);
	rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	must(client);
	return client;
}

void cluster_mock(KafkaCluster *cluster)
{
	*cluster = (KafkaCluster){ .host = client_new(NULL), .options = "fetch.wait.max.ms=10,session.timeout.ms=6000" };
	cluster->mock = rd_kafka_mock_cluster_new(cluster->host, BROKERS);
	must(cluster->mock);
	snprintf(cluster->brokers, sizeof cluster->brokers, "%s", rd_kafka_mock_cluster_bootstraps(cluster->mock));
}

bool cluster_real(KafkaCluster *cluster)
{
	const char *brokers = getenv("TOCSIN_TEST_KAFKA_BROKERS");
	if (!brokers || !brokers[0])
		return false;
	*cluster = (KafkaCluster){ .host = client_new(brokers) };
	snprintf(cluster->brokers, sizeof cluster->brokers, "%s", brokers);
	return true;
}

void cluster_end(KafkaCluster *cluster)
{
	if (cluster->mock)
		rd_kafka_mock_cluster_destroy(cluster->mock);
	rd_kafka_destroy(cluster->host);
}

static void topic_create(KafkaCluster *cluster, const char *name, int partitions)
{
	char reason[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, reason, sizeof reason);
	must(topic);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(cluster->host);
	rd_kafka_CreateTopics(cluster->host, &topic, 1, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, CALL_MS);
	must(event && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_NewTopic_destroy(topic);
}

void cluster_topic(KafkaCluster *cluster, const char *begin, int partitions, char out[static CLUSTER_NAME])
{
	unsigned random;
	clock_random(&random, sizeof random);
	snprintf(out, CLUSTER_NAME, "test-%s-%08x", begin, random);
	if (cluster->mock)
		must(rd_kafka_mock_topic_create(cluster->mock, out, partitions, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
	else
		topic_create(cluster, out, partitions);
}
