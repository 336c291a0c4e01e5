/*
 * Detects a Kafka that has stopped responding. Such a broker (stopped, blocked on its disk, behind a dead link) keeps its
 * connections open, and a process that appends nothing would not detect it for a minute. Therefore each process requests metadata
 * every three seconds. Acknowledged appends, fetched records and answered extent requests also count as answers, so that a Kafka
 * that is busy with them is not reported as silent.
 *
 * The probe uses the `ledgers` handle, which is never replaced and reads partitions in every program. A handle that reads no
 * partition would request the metadata of all topics of the cluster, and always from the same broker.
 */
#ifndef TOCSIN_IO_KAFKA_PROBE_H
#define TOCSIN_IO_KAFKA_PROBE_H

#include "shared/io/kafka/connection.h"

#include <pthread.h>

typedef struct {
	const KafkaConnection *connection;
	rd_kafka_t *handle;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	_Atomic int64_t answered_us; /* the last answer of Kafka, on the monotonic clock */
} KafkaProbe;

/*
 * Starts the thread. The caller has zeroed *probe; connection and handle are borrowed until probe_close. ERROR_AGAIN: the thread
 * cannot start.
 */
Result probe_open(KafkaProbe *probe, const KafkaConnection *connection, rd_kafka_t *handle);
void probe_close(KafkaProbe *probe);

/* Records that Kafka answered at now_us (monotonic clock); a time before the last recorded one has no effect. Any thread. */
void probe_answered(KafkaProbe *probe, int64_t now_us);

/* ERROR_AGAIN: no answer for 15 s. Any thread. */
Result probe_health(const KafkaProbe *probe, int64_t now_us);

#endif
