/*
 * Whether what an operator wrote for Kafka can be right, before anything is connected to. For settings tables: NULL when it
 * can, else what it must be, until the next call in the same thread. No value is repeated: it may be a password.
 */
#ifndef TOCSIN_IO_KAFKA_CHECK_H
#define TOCSIN_IO_KAFKA_CHECK_H

/* "host:port,host:port"; a port may be left out. */
const char *kafka_brokers_check(const char *brokers);

/* "name=value,…" as librdkafka takes it, without what may not be set (kafka/conf.h). */
const char *kafka_options_check(const char *options);

#endif
