/*
 * The bus on Kafka and its parts, for kafka/bus.c and its test. Each part has its own struct:
 *
 *   kafka/bus.c          opening, checking topics, trimming, closing; the operations of shared/io/bus.h
 *   kafka/connection.c   settings and deadline of all handles
 *   kafka/producer.c     appends and their reports
 *   kafka/reader.c       partitions, extents (begin and end in the cluster), reading, waiting
 *   kafka/member.c       the consumer group: assignment, advisory positions
 *   kafka/probe.c        detects a Kafka that does not respond
 *
 * Lock order: a partition's `reading`, then its `watching`; then the `mutex` of KafkaPartitions; then a reader's `mutex`. The
 * member's `mutex` is taken alone. librdkafka's callbacks never take `reading`. queue_filled takes a partition's `watching` and a
 * reader's `mutex`; rebalanced takes the `mutex` of the member, of KafkaPartitions and of readers; commit_finished takes the
 * member's `mutex`. A thread that holds one of these locks may call librdkafka only to add to a list and to read a partition's
 * cached watermarks: all other calls may wait, or run a callback that takes the same lock.
 */
#ifndef TOCSIN_IO_KAFKA_BUS_INTERNAL_H
#define TOCSIN_IO_KAFKA_BUS_INTERNAL_H

#include "shared/io/kafka/member.h"
#include "shared/io/kafka/producer.h"

typedef struct {
	Bus bus;
	char cluster[64]; /* Bus.cluster */
	KafkaConnection connection;
	KafkaProbe probe;
	KafkaPartitions partitions;
	KafkaProducer producer;
	KafkaMember member;
} BusKafka;

static inline BusKafka *bus_kafka(Bus *bus)
{
	return (BusKafka *)bus;
}

#endif
