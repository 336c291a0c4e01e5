/*
 * Appends. There is one handle with one polling thread. A handle with a fatal error (the idempotent producer of librdkafka 2.0.2
 * gets one after some outages) is replaced; the undelivered appends of the replaced handle are reported as failed. A delivery
 * report calls `done` of its append: in the polling thread, in the thread that ends a replaced handle, or in producer_close.
 *
 * An append is refused at once (ERROR_AGAIN) while no broker can be reached, or if appends are in flight and Kafka has acknowledged
 * none of them for two seconds. So senders back off instead of filling a queue that does not drain. Appends that are already queued
 * stay queued until they time out.
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
	bool started, former_ending; /* true: `thread`, or `former_thread`, was started and must be joined */
	atomic_bool stop, fatal, down; /* down: librdkafka reports that all brokers are down */
	_Atomic int64_t down_since_us;
	_Atomic int64_t progress_us;    /* the later of: last acknowledgement, last append that began while none was in flight */
	_Atomic int64_t quiet_until_us; /* failed appends are not logged before this time */
	atomic_int inflight;            /* appends with an outstanding delivery report, background topics excluded */
} KafkaProducer;

/*
 * The caller has zeroed *producer. The other arguments are borrowed until producer_close. ERROR_INPUT: see kafka_conf_new and
 * kafka_new; ERROR_AGAIN: no thread can start.
 */
Result producer_open(KafkaProducer *producer, const KafkaConnection *connection, KafkaPartitions *partitions, KafkaProbe *probe);

/*
 * Waits for the end of a replaced handle, then for appends in flight until the message timeout or the deadline, and only 0.1 s if
 * all brokers are down. Appends that are still undelivered are then reported as failed.
 */
void producer_close(KafkaProducer *producer);

/* As bus_append. */
Result producer_append(KafkaProducer *producer, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
		       void *context);

/* ERROR_AGAIN: appends are refused at present; the text has the reason. Any thread. */
Result producer_health(const KafkaProducer *producer);

/* Called when an append begins, and when the append ends. acknowledged_us: now, or 0 if the append failed. Any thread. */
void producer_append_begun(KafkaProducer *producer, int64_t now_us);
void producer_append_ended(KafkaProducer *producer, int64_t acknowledged_us);

/* The time since progress_us while appends are in flight; 0 while none is in flight. */
int64_t producer_silence_us(const KafkaProducer *producer, int64_t now_us);

/* Borrows the handle for requests that any handle can send. The handle is not replaced before producer_handle_return. */
rd_kafka_t *producer_handle(KafkaProducer *producer);
void producer_handle_return(KafkaProducer *producer);

#endif
