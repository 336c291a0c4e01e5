#include "shared/program/buses.h"

#include "shared/io/kafka/bus.h"
#include "shared/io/sqlite/bus.h"
#include "shared/program/datadir.h"

#include <pthread.h>
#include <stdio.h>

enum { EMBEDDED_PARTITIONS = 1, APPEND_TIMEOUT_MS = 30000, GROUP_SIZE = 64 };

/*
 * Filled once, before the first bus is opened. Every open bus borrows these rows and its threads read them, so they must not
 * be written again when a command opens a second bus.
 */
static BusTopic datadir_rows[TOPICS];
static BusKafkaTopic cluster_rows[TOPICS];

static void rows_make(void)
{
	for (TopicId id = 0; id < TOPICS; id++) {
		const Topic *topic = &topics[id];
		datadir_rows[id] = (BusTopic){ topic->short_name, topic->retention_ms, topic->kind == TOPIC_STREAM };
		cluster_rows[id] = (BusKafkaTopic){ topic->name, topic->slotted, topic->kind == TOPIC_STREAM,
						    topic->kind == TOPIC_TABLE };
	}
}

static void rows_make_once(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	must(pthread_once(&once, rows_make) == 0);
}

Result bus_open_datadir(const Settings *settings, Bus **out)
{
	char path[PATH_SIZE];
	rows_make_once();
	datadir_path(settings, "bus.db", path);
	BusSqliteOptions options = {
		.path = path, .topics = datadir_rows, .topic_count = TOPICS, .partitions = EMBEDDED_PARTITIONS
	};
	return bus_sqlite_open(&options, out);
}

Result bus_open_cluster(const Settings *settings, const BusClient *client, int64_t wait_ms, bool (*stop)(void *context),
			void *context, Bus **out)
{
	char group[GROUP_SIZE];
	rows_make_once();
	if (client->group)
		snprintf(group, sizeof group, "tocsin-%s", client->group->name);
	BusKafkaOptions options = {
		.brokers = setting_text(settings, "TOCSIN_KAFKA_BROKERS"),
		.options = setting_text(settings, "TOCSIN_KAFKA_OPTIONS"),
		.client = client->name,
		.instance = client->instance,
		.group = client->group ? group : NULL,
		.group_topic = client->shared,
		.topics = cluster_rows,
		.topic_count = TOPICS,
		.partitions = (unsigned)setting_integer(settings, "TOCSIN_KAFKA_PARTITIONS"),
		.message_timeout_ms = client->append_timeout_ms > 0 ? client->append_timeout_ms : APPEND_TIMEOUT_MS,
	};
	return bus_kafka_open(&options, wait_ms, stop, context, out);
}
