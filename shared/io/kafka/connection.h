/*
 * The settings that all handles of one bus on Kafka are made with, and the deadline of their blocking calls.
 */
#ifndef TOCSIN_IO_KAFKA_CONNECTION_H
#define TOCSIN_IO_KAFKA_CONNECTION_H

#include "shared/io/kafka/bus.h"
#include "shared/io/kafka/conf.h"

#include <stdatomic.h>

enum {
	KAFKA_RECORD_MAX = BUS_RECORD_MAX + (64 << 10), /* largest message in bytes: a record and its framing */
	KAFKA_CALL_MS = 5000,                           /* limit for a blocking call to the cluster */
	KAFKA_LAST_MS = 500, /* allowed after the deadline for each of: last commit, leaving the group, last reports, handle end */
};

typedef struct {
	BusKafkaOptions options; /* its texts are copies; topics is borrowed */
	char *texts[5]; /* the copies, owned */
	_Atomic int64_t deadline_us; /* no call waits beyond this time, on the monotonic clock; INT64_MAX: no deadline */
} KafkaConnection;

void kafka_connection_init(KafkaConnection *connection, const BusKafkaOptions *options);
void kafka_connection_release(KafkaConnection *connection);

/* The number of partitions of a topic: P, or 1 if the topic is not slotted. */
unsigned kafka_partitions(const KafkaConnection *connection, unsigned topic);

/* Sets the deadline to wait_ms from now. Any thread. */
void kafka_set_deadline(KafkaConnection *connection, int64_t wait_ms);

/* The time that a call may wait: most_ms, or the time left before the deadline if that is shorter; 0: the deadline has passed. */
int kafka_left_ms(const KafkaConnection *connection, int64_t most_ms);

/* As kafka_left_ms, but at least KAFKA_LAST_MS: for the last calls of a handle. */
int kafka_last_ms(const KafkaConnection *connection, int64_t most_ms);

/* Makes a configuration for a handle; errors and ownership as for kafka_conf_new. */
Result kafka_handle_conf(const KafkaConnection *connection, const KafkaSetting *settings, size_t count, rd_kafka_conf_t **out);

/*
 * Destroys a handle in a thread, because rd_kafka_destroy of librdkafka 2.0.2 can hang. A handle that does not end within
 * KAFKA_CALL_MS or the time left (at least KAFKA_LAST_MS) is abandoned with a log line. If no thread can be started, the handle is
 * destroyed in this call, without a time limit.
 */
void kafka_handle_end(const KafkaConnection *connection, rd_kafka_t *handle);

/* Raises *value to `to`; never lowers it. Any thread. */
void kafka_raise(_Atomic int64_t *value, int64_t to);

#endif
