#include "shared/service/buses.h"

#include "shared/edge/bus_kafka.h"
#include "shared/edge/bus_sqlite.h"
#include "shared/service/home.h"

#include <stdio.h>

enum { EMBEDDED_PARTITIONS = 1, APPEND_TIMEOUT_MS = 30000, GROUP_SIZE = 64 };

Result bus_open_home(const Settings *settings, Bus **out)
{
	static BusTopic rows[TOPICS]; /* the bus borrows them for its life */
	char path[PATH_SIZE];
	for (TopicId topic = 0; topic < TOPICS; topic++)
		rows[topic] = (BusTopic){ topics[topic].short_name, topics[topic].keep_ms,
					  topics[topic].kind == TOPIC_STREAM };
	home_path(settings, "bus.db", path);
	BusSqliteOptions options = {
		.path = path, .topics = rows, .topic_count = TOPICS, .partitions = EMBEDDED_PARTITIONS
	};
	return bus_sqlite_open(&options, out);
}

Result bus_open_cluster(const Settings *settings, const BusSeat *seat, int64_t wait_ms, bool (*stop)(void *context),
			void *context, Bus **out)
{
	static BusKafkaTopic rows[TOPICS]; /* likewise */
	char group[GROUP_SIZE];
	for (TopicId topic = 0; topic < TOPICS; topic++)
		rows[topic] = (BusKafkaTopic){ topics[topic].name, topics[topic].slotted,
					       topics[topic].kind == TOPIC_STREAM, topics[topic].kind == TOPIC_TABLE };
	if (seat->group)
		snprintf(group, sizeof group, "tocsin-%s", seat->group->name);
	BusKafkaOptions options = {
		.brokers = setting_text(settings, "TOCSIN_KAFKA_BROKERS"),
		.options = setting_text(settings, "TOCSIN_KAFKA_OPTIONS"),
		.client = seat->client,
		.instance = seat->instance,
		.group = seat->group ? group : NULL,
		.group_topic = seat->shared,
		.topics = rows,
		.topic_count = TOPICS,
		.partitions = (unsigned)setting_integer(settings, "TOCSIN_KAFKA_PARTITIONS"),
		.message_timeout_ms = seat->append_timeout_ms > 0 ? seat->append_timeout_ms : APPEND_TIMEOUT_MS,
	};
	return bus_kafka_open(&options, wait_ms, stop, context, out);
}
