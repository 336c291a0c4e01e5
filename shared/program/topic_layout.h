/*
 * The topics of shared/domain/topics.h as Kafka must have them. `tocsin topics apply` creates and corrects them; every
 * program checks them once, at its start.
 */
#ifndef TOCSIN_PROGRAM_TOPIC_LAYOUT_H
#define TOCSIN_PROGRAM_TOPIC_LAYOUT_H

#include "shared/domain/topics.h"
#include "shared/io/kafka/admin.h"
#include "shared/program/settings.h"

/* Fills out, one row a topic in the order of the table. The result borrows out. */
KafkaTopics topic_layout(const Settings *settings, KafkaTopic out[static TOPICS]);

/*
 * Compares the cluster, which must be reachable, with the table, and logs every difference as `service`. ERROR_INPUT: on
 * these topics records would be lost or misread, so nothing may run. A topic that cannot be described is only a warning.
 */
Result topic_layout_check(const Settings *settings, const char *service);

#endif
