/*
 * The topics of shared/domain/topics.h, with the partitions and options that they must have on Kafka. `tocsin topics apply`
 * creates and corrects them; every distributed program checks them once, at its start.
 */
#ifndef TOCSIN_PROGRAM_TOPIC_LAYOUT_H
#define TOCSIN_PROGRAM_TOPIC_LAYOUT_H

#include "shared/domain/topics.h"
#include "shared/io/kafka/admin.h"
#include "shared/program/settings.h"

/* Fills out with one row for each topic, in the order of TopicId. The result borrows out. */
KafkaTopics topic_layout(const Settings *settings, KafkaTopic out[static TOPICS]);

/*
 * Compares the topics of the cluster, which must be reachable, with the layout, and logs every difference in the name of
 * `service`. ERROR_INPUT: with these topics, records would be lost or misread, so no program may run. If Kafka does not
 * describe a topic, that is only a warning.
 */
Result topic_layout_check(const Settings *settings, const char *service);

#endif
