/*
 * Administration of a Kafka cluster: reads topics, creates them, changes their settings. Used by one thread at a time.
 *
 * Every operation may be repeated, and several processes may run it at once: an existing topic is not an error. A setting that
 * kafka/topics.h does not list keeps its value. Nothing is ever deleted, and the number of partitions or copies of a topic is
 * never changed.
 */
#ifndef TOCSIN_IO_KAFKA_ADMIN_H
#define TOCSIN_IO_KAFKA_ADMIN_H

#include "shared/base/error.h"
#include "shared/io/kafka/topics.h"

typedef struct KafkaAdmin KafkaAdmin;

/*
 * Does not connect yet. brokers, options and client are those of KafkaAddress (kafka/conf.h). ERROR_INPUT: see kafka_conf_new and
 * kafka_new.
 */
Result kafka_admin_open(const char *brokers, const char *options, const char *client, KafkaAdmin **out);
void kafka_admin_close(KafkaAdmin *admin);

typedef struct {
	unsigned brokers;
	char unseen[160]; /* why settings could not be read (a mock cluster, a missing permission); "": they were read */
	KafkaTopicFound topics[BUS_TOPICS_MAX];
} KafkaFound;

/*
 * Reads the topics, then their settings. Requests the topics at least once, and repeatedly until wait_ms has passed; the request
 * for the settings may take 20 s more. ERROR_AGAIN with the reason: the cluster cannot be reached, or does not answer now. If the
 * settings cannot be read for another reason, the call succeeds and out->unseen has that reason.
 */
Result kafka_admin_read(KafkaAdmin *admin, const KafkaTopics *wanted, int64_t wait_ms, KafkaFound *out);

typedef void (*KafkaDone)(void *context, const KafkaDifference *difference);

/*
 * Creates missing topics and changes settings, and calls `done` for each repaired difference. Brokers may show a change a moment
 * later. ERROR_AGAIN: try again; ERROR_INPUT: topics are missing and the cluster has fewer brokers than copies are required;
 * ERROR_DENIED: the cluster refuses, with its reason; ERROR_INTERNAL: the cluster does not support such requests, or topics are
 * missing and found->unseen is not empty.
 */
Result kafka_admin_repair(KafkaAdmin *admin, const KafkaTopics *wanted, const KafkaFound *found,
			  const KafkaDifferences *differences, KafkaDone done, void *context);

#endif
