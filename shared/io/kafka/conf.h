/*
 * Configuration of every librdkafka handle: addresses, security, timeouts and the log.
 *
 * An operator's options are librdkafka's own, written "name=value,name=value". A comma inside a value is written "\,", a
 * backslash "\\"; blanks around a name and after a comma are dropped, blanks in a value are kept. The operator's options override
 * ours. Some options are refused, and the error names them: mainly those that could make records lost, doubled or misread (acks,
 * enable.idempotence, …), and those that the program sets itself. The value of an option may be a password. Therefore this
 * module neither logs values nor quotes them in its errors; kafka_new passes librdkafka's own reason on.
 *
 * librdkafka's log lines go to log_line as event "kafka" of the service that client.id names. Some kinds of lines repeat while
 * brokers are away (failed connections, timed-out requests). Of each such kind at most one line in 10 s is written.
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
 * Makes a configuration for kafka_new, which takes ownership; without kafka_new the caller destroys *out. `ours` are set first,
 * so that the operator's options may override them; those with the value NULL are skipped. ERROR_INPUT: no broker is named, the
 * client's name has more than KAFKA_CLIENT_MAX bytes, or an option is unknown, refused, malformed or has an invalid value.
 */
Result kafka_conf_new(const KafkaAddress *address, const KafkaSetting *ours, size_t count, rd_kafka_conf_t **out);

/* Makes a handle. Takes ownership of conf, also on failure. ERROR_INPUT with librdkafka's reason. */
Result kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **out);

#endif
