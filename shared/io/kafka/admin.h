/*
 * Administration of a Kafka cluster: reads topics, creates them, changes their settings. Used by one thread at a time.
 *
 * Every operation may be repeated, and run by several processes at once: an existing topic is not an error. Settings of a topic
 * that kafka/topics.h does not list stay as they are. Nothing is ever deleted, and the number of partitions or copies of a topic
 * is never changed.
 */
#ifndef TOCSIN_IO_KAFKA_ADMIN_H
#define TOCSIN_IO_KAFKA_ADMIN_H

#include "shared/base/error.h"
#include "shared/io/kafka/topics.h"

typedef struct KafkaAdmin KafkaAdmin;

/*
 * Does not connect yet. brokers, options and client are those of KafkaAddress (kafka/conf.h). ERROR_INPUT: librdkafka refuses an
 * option.
 */
Result kafka_admin_open(const char *brokers, const char *options, const char *client, KafkaAdmin **out);
void kafka_admin_close(KafkaAdmin *admin);

typedef struct {
	unsigned brokers;
	char unseen[160]; /* why settings could not be read (a mock cluster, a missing permission); "": they were read */
	KafkaTopicFound topics[BUS_TOPICS_MAX];
} KafkaFound;

/* Tries for wait_ms, at least once. ERROR_AGAIN: the cluster cannot be reached, with the reason. */
Result kafka_admin_read(KafkaAdmin *admin, const KafkaTopics *wanted, int64_t wait_ms, KafkaFound *out);

typedef void (*KafkaDone)(void *context, const KafkaDifference *difference);

/*
 * Creates missing topics and changes settings, and calls `done` for each difference that it repaired. Brokers may show the change
 * a moment later. ERROR_AGAIN: try again; ERROR_INPUT: more copies than brokers; ERROR_DENIED: the cluster refuses, with its
 * reason; ERROR_INTERNAL: the cluster does not support such requests.
 */
Result kafka_admin_repair(KafkaAdmin *admin, const KafkaTopics *wanted, const KafkaFound *found,
			  const KafkaDifferences *differences, KafkaDone done, void *context);

#endif
