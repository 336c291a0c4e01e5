#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ATTEMPT_MS = 2000, PAUSE_MS = 200 };

Result kafka_bus_conf(const BusKafka *bus, const KafkaSetting *settings, size_t count, rd_kafka_conf_t **out)
{
	const KafkaAddress address = { .brokers = bus->options.brokers, .options = bus->options.options,
				       .client = bus->options.client };
	return kafka_conf_new(&address, settings, count, out);
}

/* One that never subscribes: partitions are assigned to it one by one. */
static Result consumer_make(const BusKafka *bus, rd_kafka_t **out)
{
	char size[24];
	snprintf(size, sizeof size, "%d", KAFKA_RECORD_MAX);
	const KafkaSetting settings[] = {
		{ "group.id", bus->options.client }, /* asked for by the library; nothing is ever committed under it */
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "auto.offset.reset", "error" },
		{ "check.crcs", "true" },
		{ "fetch.wait.max.ms", "100" },
		{ "fetch.error.backoff.ms", "100" },
		{ "message.max.bytes", size },
		{ "fetch.message.max.bytes", size },
		{ "queued.min.messages", "10000" }, /* a full queue is looked at again once a second: let that be enough */
		{ "queued.max.messages.kbytes", "4096" },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_bus_conf(bus, settings, sizeof settings / sizeof settings[0], &conf));
	return kafka_new(RD_KAFKA_CONSUMER, conf, out);
}

/* ---- the topics are there, and as many partitions as were agreed on */

static const rd_kafka_metadata_topic_t *topic_find(const rd_kafka_metadata_t *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0 && metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return &metadata->topics[i];
	return NULL;
}

static Result topic_check(const BusKafka *bus, const rd_kafka_metadata_t *metadata, unsigned topic)
{
	const char *name = bus->options.topics[topic].name;
	const rd_kafka_metadata_topic_t *found = topic_find(metadata, name);
	unsigned wanted = kafka_partitions(bus, topic);
	if (!found)
		return result_fail(ERROR_AGAIN, "Kafka at %s has no topic %s: create them with tocsin topics apply",
				   bus->options.brokers, name);
	if ((unsigned)found->partition_cnt != wanted)
		return result_fail(ERROR_INPUT,
				   "%s has %d partitions, not %u: their number never changes; set TOCSIN_KAFKA_PARTITIONS to what "
				   "it was made with, or move to new topics with tocsin export and import",
				   name, found->partition_cnt, wanted);
	for (int i = 0; i < found->partition_cnt; i++)
		if (found->partitions[i].leader < 0)
			return result_fail(ERROR_AGAIN, "%s/%d has no leader now", name, i);
	return result_ok();
}

static Result topics_check(BusKafka *bus, rd_kafka_t *handle, int wait_ms)
{
	const rd_kafka_metadata_t *metadata;
	rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 1, NULL, &metadata, wait_ms);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return result_fail(ERROR_AGAIN, "Kafka at %s cannot be reached: %s", bus->options.brokers, rd_kafka_err2str(error));
	Result result = result_ok();
	for (unsigned topic = 0; topic < bus->options.topic_count && !result_failed(result); topic++)
		result = topic_check(bus, metadata, topic);
	rd_kafka_metadata_destroy(metadata);
	return result;
}

static Result cluster_learn(BusKafka *bus, int wait_ms)
{
	char *cluster = rd_kafka_clusterid(bus->producer.handle, wait_ms);
	if (!cluster)
		return result_fail(ERROR_AGAIN, "Kafka at %s does not say which cluster it is", bus->options.brokers);
	bool fits = text_copy(slice_of(cluster), bus->cluster, sizeof bus->cluster);
	rd_kafka_mem_free(bus->producer.handle, cluster);
	return fits ? result_ok() : result_fail(ERROR_INPUT, "the Kafka cluster's id is too long");
}

/*
 * Each handle looks at the topics itself: one that first hears of a topic when it is read or written has its first record about a
 * second later, at the next turn of librdkafka's timer. The inputs' hears of them with the extents.
 */
static Result look(BusKafka *bus, int wait_ms)
{
	TRY(topics_check(bus, bus->producer.handle, wait_ms));
	TRY(topics_check(bus, bus->ledgers, wait_ms));
	TRY(cluster_learn(bus, wait_ms));
	return kafka_extents_ask(bus, (unsigned)bus->options.topic_count, 0, wait_ms);
}

static Result look_until(BusKafka *bus, int64_t wait_ms, bool (*stop)(void *context), void *context)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	for (;;) {
		Result result = look(bus, ATTEMPT_MS);
		bool again = result.kind == ERROR_AGAIN && clock_monotonic_us() < until_us;
		if (!again || (stop && stop(context)))
			return result;
		clock_sleep_ms(PAUSE_MS);
	}
}

/* ---- life */

static const char *text_keep(BusKafka *bus, size_t place, const char *text)
{
	return text ? (bus->texts[place] = slice_copy(slice_of(text))) : NULL;
}

static BusKafka *bus_new(const BusKafkaOptions *options)
{
	BusKafka *bus = calloc(1, sizeof *bus);
	must(bus && options->topic_count <= BUS_TOPICS_MAX && options->partitions <= BUS_PARTITIONS_MAX);
	bus->options = *options;
	bus->options.brokers = text_keep(bus, 0, options->brokers);
	bus->options.options = text_keep(bus, 1, options->options);
	bus->options.client = text_keep(bus, 2, options->client);
	bus->options.instance = text_keep(bus, 3, options->instance);
	bus->options.group = text_keep(bus, 4, options->group);
	bus->bus = (Bus){ .operations = &kafka_operations, .partitions = options->partitions, .outsiders = true,
			   .cluster = bus->cluster };
	atomic_init(&bus->until_us, INT64_MAX);
	bus->slots = calloc(options->topic_count * BUS_PARTITIONS_MAX, sizeof *bus->slots);
	must(bus->slots);
	pthread_mutex_init(&bus->mutex, NULL);
	for (size_t i = 0; i < options->topic_count * BUS_PARTITIONS_MAX; i++) {
		pthread_mutex_init(&bus->slots[i].reading, NULL);
		pthread_mutex_init(&bus->slots[i].watching, NULL);
	}
	return bus;
}

static Result handles_open(BusKafka *bus, int64_t wait_ms, bool (*stop)(void *context), void *context)
{
	TRY(member_open(bus));
	TRY(producer_open(bus));
	TRY(consumer_make(bus, &bus->ledgers));
	TRY(consumer_make(bus, &bus->inputs));
	TRY(look_until(bus, wait_ms, stop, context));
	return probe_open(bus);
}

Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context, Bus **out)
{
	BusKafka *bus = bus_new(options);
	Result result = handles_open(bus, wait_ms, stop, context);
	if (result_failed(result)) {
		kafka_set_deadline(&bus->bus, 0); /* nothing is queued yet */
		kafka_close(&bus->bus);
		return result;
	}
	*out = &bus->bus;
	return result_ok();
}

static void *handle_destroy(void *handle)
{
	rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

void kafka_handle_end(const BusKafka *bus, rd_kafka_t *handle)
{
	int wait_ms = kafka_last_ms(bus, KAFKA_CALL_MS);
	pthread_t thread;
	struct timespec until;
	char name[KAFKA_CLIENT_MAX + 32];
	snprintf(name, sizeof name, "%s", rd_kafka_name(handle));
	if (pthread_create(&thread, NULL, handle_destroy, handle) != 0) {
		handle_destroy(handle);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (until.tv_nsec / 1000000 + wait_ms) / 1000;
	until.tv_nsec = (until.tv_nsec / 1000000 + wait_ms) % 1000 * 1000000L;
	if (pthread_timedjoin_np(thread, NULL, &until) == 0)
		return;
	pthread_detach(thread);
	log_line(LOG_WARN, "kafka", "handle-does-not-end", L_STRING("handle", name));
}

void kafka_close(Bus *base)
{
	BusKafka *bus = bus_kafka(base);
	rd_kafka_t *const consumers[] = { bus->ledgers, bus->inputs };
	probe_close(bus);
	member_close(bus);
	for (size_t i = 0; i < bus->options.topic_count * BUS_PARTITIONS_MAX; i++)
		partition_release(&bus->slots[i]);
	for (size_t i = 0; i < 2; i++)
		if (consumers[i])
			kafka_handle_end(bus, consumers[i]);
	producer_close(bus);
	for (size_t i = 0; i < bus->options.topic_count * BUS_PARTITIONS_MAX; i++) {
		pthread_mutex_destroy(&bus->slots[i].reading);
		pthread_mutex_destroy(&bus->slots[i].watching);
	}
	pthread_mutex_destroy(&bus->mutex);
	for (size_t i = 0; i < sizeof bus->texts / sizeof bus->texts[0]; i++)
		free(bus->texts[i]);
	free(bus->slots);
	free(bus);
}
