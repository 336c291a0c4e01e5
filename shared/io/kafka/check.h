/*
 * Checks of the Kafka settings before anything connects, for settings tables. They return NULL if the value is valid; otherwise
 * an error text to follow the setting's name, valid until the next call in the same thread. No value is quoted, because it may be
 * a password.
 */
#ifndef TOCSIN_IO_KAFKA_CHECK_H
#define TOCSIN_IO_KAFKA_CHECK_H

/* "host:port,host:port"; a port may be left out. */
const char *kafka_brokers_check(const char *brokers);

/* "name=value,…": options of librdkafka, without those that kafka/conf.h refuses. */
const char *kafka_options_check(const char *options);

#endif
