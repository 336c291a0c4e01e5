/*
 * The topics of shared/domain/topics.h, with the partitions and options that they must have on Kafka. `tocsin topics apply`
 * creates the topics and corrects their options; every distributed program checks both once, at its start.
 */
#ifndef TOCSIN_PROGRAM_TOPIC_LAYOUT_H
#define TOCSIN_PROGRAM_TOPIC_LAYOUT_H

#include "shared/domain/topics.h"
#include "shared/io/kafka/admin.h"
#include "shared/program/settings.h"

/* Writes to out one row for each topic, in the order of TopicId. The result borrows out. */
KafkaTopics topic_layout(const Settings *settings, KafkaTopic out[static TOPICS]);

/*
 * Compares the topics of the cluster with the layout, and logs every difference in the name of `service`. ERROR_INPUT: with these
 * topics, records would be lost or misread, so no program may run; or TOCSIN_KAFKA_OPTIONS is invalid. If Kafka cannot be reached
 * or does not describe its topics, the function logs a warning and succeeds. It may take 25 s.
 */
Result topic_layout_check(const Settings *settings, const char *service);

#endif
