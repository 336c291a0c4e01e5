#include "shared/io/kafka/check.h"

#include "shared/base/text.h"
#include "shared/io/kafka/conf.h"

#include <stdio.h>
#include <string.h>

enum { PORT_MAX = 65535 };

/* The port follows the last colon; an IPv6 address is in brackets. */
static bool broker_is_valid(Slice broker)
{
	int64_t port = 1;
	const char *colon = broker.size == 0 ? NULL : memrchr(broker.data, ':', broker.size);
	Slice host = broker;
	if (colon && !memchr(colon, ']', broker.size - (size_t)(colon - broker.data))) {
		host.size = (size_t)(colon - broker.data);
		if (!slice_integer((Slice){ colon + 1, broker.size - host.size - 1 }, &port))
			return false;
	}
	return host.size > 0 && !memchr(host.data, ' ', host.size) && port > 0 && port <= PORT_MAX;
}

const char *kafka_brokers_check(const char *brokers)
{
	for (const char *at = brokers;; at++) {
		at += strspn(at, " ");
		size_t size = strcspn(at, ",");
		if (!broker_is_valid((Slice){ at, size }))
			return "must be host:port,host:port";
		at += size;
		if (*at == '\0')
			return NULL;
	}
}

const char *kafka_options_check(const char *options)
{
	static _Thread_local char why[RESULT_TEXT + 32];
	const KafkaAddress address = { .brokers = "127.0.0.1:9092", .options = options, .client = "tocsin" };
	rd_kafka_conf_t *conf;
	Result result = kafka_conf_new(&address, NULL, 0, &conf);
	if (!result_failed(result)) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	snprintf(why, sizeof why, "is invalid: %s", result.text);
	return why;
}
