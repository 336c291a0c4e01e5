/*
 * Deletes Tocsin's topics and waits until they are gone, so that scenarios can use one Kafka one after another:
 *
 *   clear_kafka BROKERS [PREFIX]      only topics that begin with PREFIX
 *
 * Without PREFIX, the topics that begin with "tocsin." are deleted. The positions that groups committed for the deleted topics are
 * deleted, too. Exit code 1: no broker answers, or the topics still exist after ten seconds.
 */
#include "shared/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOPICS_MAX = 64, ANSWER_MS = 5000, TRIES = 200, PAUSE_MS = 50, TEXT_SIZE = 512 };

static const char *prefix = "tocsin.";

/*
 * Returns the number of topics to delete; -1: no broker answers. Adds the topics to `deletes` (room for TOPICS_MAX), unless it is
 * NULL.
 */
static int topics_find(rd_kafka_t *client, rd_kafka_DeleteTopic_t **deletes)
{
	const struct rd_kafka_metadata *metadata;
	int count = 0;
	if (rd_kafka_metadata(client, 1, NULL, &metadata, ANSWER_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	for (int i = 0; i < metadata->topic_cnt && count < TOPICS_MAX; i++) {
		if (strncmp(metadata->topics[i].topic, prefix, strlen(prefix)) != 0)
			continue;
		if (deletes)
			deletes[count] = rd_kafka_DeleteTopic_new(metadata->topics[i].topic);
		count++;
	}
	rd_kafka_metadata_destroy(metadata);
	return count;
}

static int topics_delete(rd_kafka_t *client)
{
	rd_kafka_DeleteTopic_t *deletes[TOPICS_MAX];
	int count = topics_find(client, deletes);
	if (count <= 0)
		return count;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
	rd_kafka_DeleteTopics(client, deletes, (size_t)count, NULL, queue);
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS);
	rd_kafka_event_destroy(event);
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteTopic_destroy_array(deletes, (size_t)count);
	return count;
}

static int topics_await_end(rd_kafka_t *client)
{
	int left = -1;
	for (int i = 0; i < TRIES && left != 0; i++) {
		left = topics_find(client, NULL);
		if (left != 0)
			rd_kafka_poll(client, PAUSE_MS);
	}
	return left;
}

int main(int count, char **arguments)
{
	char text[TEXT_SIZE];
	must(count == 2 || count == 3);
	prefix = count == 3 ? arguments[2] : prefix;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	must(rd_kafka_conf_set(conf, "bootstrap.servers", arguments[1], text, sizeof(text)) == RD_KAFKA_CONF_OK);
	rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	must(client);
	int left = topics_delete(client) < 0 ? -1 : topics_await_end(client);
	rd_kafka_destroy(client);
	if (left != 0)
		fprintf(stderr, "clear_kafka: %s\n", left < 0 ? "no broker answers" : "topics are still there after ten seconds");
	return left != 0;
}
