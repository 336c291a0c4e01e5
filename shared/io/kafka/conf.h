/*
 * What every handle of librdkafka is made with: one place for addresses, security, patience and the log.
 *
 * An operator's options are librdkafka's own, written "name=value,name=value". A comma inside a value is written "\,", a
 * backslash "\\"; blanks around a name and after a comma are taken away, those of a value stay. They win over ours, but
 * for those without which records could be lost, doubled or read wrongly (acks, enable.idempotence, …): these are refused
 * by name. No value is ever logged or named in a failure: it may be a password.
 *
 * librdkafka's lines go to log_line as event "kafka" of the service that client.id names. Of a kind of line that repeats
 * while brokers are away (connections that fail, requests that time out) one in 10 s is written.
 */
#ifndef TOCSIN_IO_KAFKA_CONF_H
#define TOCSIN_IO_KAFKA_CONF_H

#include "shared/base/error.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>

enum { KAFKA_CLIENT_MAX = 60 }; /* a longer client.id crashes librdkafka 2.0.2 */

typedef struct {
	const char *name, *value;
} KafkaSetting;

typedef struct {
	const char *brokers; /* "host:port,host:port" */
	const char *options; /* "name=value,…" or NULL */
	const char *client;  /* client.id: "tocsin-intake" */
} KafkaAddress;

/*
 * A configuration for rd_kafka_new, which takes it over; else the caller destroys it. `ours` come before the operator's
 * options, which may change them. ERROR_INPUT: an option that is unknown, refused or of no possible value.
 */
Result kafka_conf_new(const KafkaAddress *address, const KafkaSetting *ours, size_t count, rd_kafka_conf_t **out);

/* A handle of a configuration, which is taken over in any case. ERROR_INPUT with librdkafka's reason. */
Result kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **out);

#endif
