/*
 * Administration of a Kafka cluster: looking at topics, creating them, changing their settings. One thread at a time.
 *
 * Everything may be done again, and by several at once: a topic that is there already is none the worse for it. Settings
 * of a topic that are none of ours (kafka/topics.h) stay as others set them. Nothing is ever deleted, and no number of
 * partitions or copies changed.
 */
#ifndef TOCSIN_IO_KAFKA_ADMIN_H
#define TOCSIN_IO_KAFKA_ADMIN_H

#include "shared/base/error.h"
#include "shared/io/kafka/topics.h"

typedef struct KafkaAdmin KafkaAdmin;

/* Connects to nobody yet. brokers and options as for kafka/conf.h. ERROR_INPUT: options that librdkafka refuses. */
Result kafka_admin_open(const char *brokers, const char *options, const char *client, KafkaAdmin **out);
void kafka_admin_close(KafkaAdmin *admin);

typedef struct {
	unsigned brokers;
	char unseen[160]; /* why settings could not be looked at: a mock cluster, a missing right; "": they could */
	KafkaTopicFound topics[BUS_TOPICS_MAX];
} KafkaFound;

/* Tries for wait_ms. ERROR_AGAIN: the cluster cannot be reached, with the reason. */
Result kafka_admin_look(KafkaAdmin *admin, const KafkaTopics *wanted, int64_t wait_ms, KafkaFound *out);

typedef void (*KafkaDone)(void *context, const KafkaDifference *difference);

/*
 * Creates what is missing and changes settings, and calls `done` for each difference that it did away with. Brokers may
 * take a moment until all of them show it. ERROR_AGAIN: try again; ERROR_INPUT: more copies than brokers;
 * ERROR_DENIED: the cluster says no, with its reason; ERROR_INTERNAL: it cannot do that at all.
 */
Result kafka_admin_repair(KafkaAdmin *admin, const KafkaTopics *wanted, const KafkaFound *found,
			const KafkaDifferences *differences, KafkaDone done, void *context);

#endif
