/*
 * Appends. There is one handle with one polling thread, which calls `done` from delivery reports. A handle with a fatal error
 * (the idempotent producer of librdkafka 2.0.2 has one after some outages) is replaced; its undelivered appends are reported as
 * failed.
 *
 * An append is refused at once (ERROR_AGAIN) while no broker can be reached or nothing was acknowledged for two seconds, so that
 * senders back off instead of filling a queue that does not drain. Appends that are already queued stay queued until they time
 * out.
 */
#ifndef TOCSIN_IO_KAFKA_PRODUCER_H
#define TOCSIN_IO_KAFKA_PRODUCER_H

#include "shared/io/kafka/reader.h"

typedef struct {
	const KafkaConnection *connection;
	KafkaPartitions *partitions; /* acknowledged appends raise their `end` */
	KafkaProbe *probe;
	pthread_rwlock_t swap; /* held for writing while a fatal handle is replaced */
	rd_kafka_t *handle;
	rd_kafka_t *former; /* a replaced handle, which former_thread ends */
	pthread_t thread, former_thread;
	bool started, former_ending;
	atomic_bool stop, fatal, down; /* down: librdkafka reports that all brokers are down */
	_Atomic int64_t down_since_us;
	_Atomic int64_t progress_us;    /* the last acknowledgement, or the first append after a time with none in flight */
	_Atomic int64_t quiet_until_us; /* failed appends are not logged before this time */
	atomic_int inflight;            /* appends with an outstanding delivery report, background topics excluded */
} KafkaProducer;

/*
 * The other arguments are borrowed until producer_close. ERROR_INPUT: options librdkafka refuses; ERROR_AGAIN: no thread can
 * start.
 */
Result producer_open(KafkaProducer *producer, const KafkaConnection *connection, KafkaPartitions *partitions, KafkaProbe *probe);

/*
 * Waits for appends in flight until the message timeout or the deadline, and only 0.1 s if all brokers are down. Appends that are
 * still undelivered are then reported as failed.
 */
void producer_close(KafkaProducer *producer);

/* As bus_append. */
Result producer_append(KafkaProducer *producer, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
		       void *context);

/* ERROR_AGAIN: appends are refused at present; the text has the reason. Any thread. */
Result producer_health(const KafkaProducer *producer);

/* Called when an append begins, and when it ends. acknowledged_us: now, or 0 if the append failed. Any thread. */
void producer_append_begun(KafkaProducer *producer, int64_t now_us);
void producer_append_ended(KafkaProducer *producer, int64_t acknowledged_us);

/* The time since progress_us while appends are in flight; 0 while none is in flight. */
int64_t producer_silence_us(const KafkaProducer *producer, int64_t now_us);

/* Borrows the producer's handle, for requests that any handle can send. It is not replaced until producer_handle_return. */
rd_kafka_t *producer_handle(KafkaProducer *producer);
void producer_handle_return(KafkaProducer *producer);

#endif
