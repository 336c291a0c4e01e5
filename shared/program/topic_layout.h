/*
 * The topics of the one table (shared/domain/topics.h) as Kafka must have them. `tocsin topics` makes them so; every
 * program looks once, at its start.
 */
#ifndef TOCSIN_PROGRAM_TOPIC_LAYOUT_H
#define TOCSIN_PROGRAM_TOPIC_LAYOUT_H

#include "shared/domain/topics.h"
#include "shared/io/kafka/admin.h"
#include "shared/program/settings.h"

/* out: one for each topic, in the order of the table; for the program's life. */
KafkaTopics topic_layout(const Settings *settings, KafkaTopic out[static TOPICS]);

/*
 * Looks at a cluster that can be reached, and logs as `service` what is not as it must be. ERROR_INPUT: on these topics
 * nothing may run, since records would be lost or misread. What merely cannot be seen is a warning.
 */
Result topic_layout_check(const Settings *settings, const char *service);

#endif
