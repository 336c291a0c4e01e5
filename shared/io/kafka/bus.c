#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"

#include <stdlib.h>
#include <string.h>

enum { ATTEMPT_MS = 2000, PAUSE_MS = 200 };

/* ---- bounds, health, deadline */

static int64_t bus_end(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&partition_of(&bus_kafka(bus)->partitions, topic, partition)->end);
}

static int64_t bus_first(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&partition_of(&bus_kafka(bus)->partitions, topic, partition)->first);
}

/* The high watermark that the last fetch response stated, or `end` if that is greater. They differ while a reader lags. */
static int64_t kafka_high_watermark(Bus *base, unsigned topic, unsigned partition)
{
	BusKafka *bus = bus_kafka(base);
	int64_t first, high, end = bus_end(base, topic, partition);
	rd_kafka_resp_err_t error =
		rd_kafka_get_watermark_offsets(partitions_consumer(&bus->partitions, topic),
					       bus->connection.options.topics[topic].name, (int32_t)partition, &first, &high);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR && high > end ? high : end;
}

static Result bus_health_of_parts(Bus *base)
{
	BusKafka *bus = bus_kafka(base);
	TRY(producer_health(&bus->producer));
	TRY(probe_health(&bus->probe, clock_monotonic_us()));
	return member_health(&bus->member);
}

static void bus_deadline(Bus *bus, int64_t wait_ms)
{
	kafka_set_deadline(&bus_kafka(bus)->connection, wait_ms);
}

/* ---- trimming */

static Result trim_answer(rd_kafka_event_t *event)
{
	if (!event)
		return result_fail(ERROR_AGAIN, "Kafka did not answer in time");
	rd_kafka_resp_err_t error = rd_kafka_event_error(event);
	const rd_kafka_DeleteRecords_result_t *answer = rd_kafka_event_DeleteRecords_result(event);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR && answer)
		error = rd_kafka_DeleteRecords_result_offsets(answer)->elems[0].err;
	Result result = error == RD_KAFKA_RESP_ERR_NO_ERROR ? result_ok() :
							       result_fail(ERROR_AGAIN, "%s", rd_kafka_err2str(error));
	rd_kafka_event_destroy(event);
	return result;
}

static Result trim_ask(rd_kafka_t *handle, const char *topic, unsigned partition, int64_t first, int wait_ms)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, (int32_t)partition)->offset = first;
	rd_kafka_DeleteRecords_t *request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_topic_partition_list_destroy(list);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
	rd_kafka_DeleteRecords(handle, &request, 1, NULL, queue);
	Result result = trim_answer(rd_kafka_queue_poll(queue, wait_ms));
	rd_kafka_queue_destroy(queue);
	rd_kafka_DeleteRecords_destroy(request);
	return result_wrap(result, "%s/%u cannot be trimmed", topic, partition);
}

static Result bus_trim(Bus *base, unsigned topic, unsigned number, int64_t first)
{
	BusKafka *bus = bus_kafka(base);
	KafkaPartition *partition = partition_of(&bus->partitions, topic, number);
	must(first <= atomic_load(&partition->end));
	if (first <= atomic_load(&partition->first))
		return result_ok();
	rd_kafka_t *handle = producer_handle(&bus->producer);
	Result result = trim_ask(handle, bus->connection.options.topics[topic].name, number, first,
				 kafka_left_ms(&bus->connection, KAFKA_CALL_MS));
	producer_handle_return(&bus->producer);
	if (!result_failed(result))
		partition_first_raise(partition, first);
	return result;
}

/* ---- opening: all topics exist, with the expected number of partitions */

static const rd_kafka_metadata_topic_t *topic_find(const rd_kafka_metadata_t *metadata, const char *name)
{
	for (int i = 0; i < metadata->topic_cnt; i++)
		if (strcmp(metadata->topics[i].topic, name) == 0 && metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR)
			return &metadata->topics[i];
	return NULL;
}

static Result topic_check(const KafkaConnection *connection, const rd_kafka_metadata_t *metadata, unsigned topic)
{
	const char *name = connection->options.topics[topic].name;
	const rd_kafka_metadata_topic_t *found = topic_find(metadata, name);
	unsigned wanted = kafka_partitions(connection, topic);
	if (!found)
		return result_fail(ERROR_AGAIN, "Kafka at %s has no topic %s: create it with tocsin topics apply",
				   connection->options.brokers, name);
	if ((unsigned)found->partition_cnt != wanted)
		return result_fail(ERROR_INPUT,
				   "%s has %d partitions, not %u: their number never changes; set TOCSIN_KAFKA_PARTITIONS to the "
				   "number it was created with, or move to new topics with tocsin export and import",
				   name, found->partition_cnt, wanted);
	for (int i = 0; i < found->partition_cnt; i++)
		if (found->partitions[i].leader < 0)
			return result_fail(ERROR_AGAIN, "%s/%d has no leader now", name, i);
	return result_ok();
}

static Result topics_check(const KafkaConnection *connection, rd_kafka_t *handle, int wait_ms)
{
	const rd_kafka_metadata_t *metadata;
	rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 1, NULL, &metadata, wait_ms);
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return result_fail(ERROR_AGAIN, "Kafka at %s cannot be reached: %s", connection->options.brokers,
				   rd_kafka_err2str(error));
	Result result = result_ok();
	for (unsigned topic = 0; topic < connection->options.topic_count && !result_failed(result); topic++)
		result = topic_check(connection, metadata, topic);
	rd_kafka_metadata_destroy(metadata);
	return result;
}

static Result cluster_learn(BusKafka *bus, int wait_ms)
{
	char *cluster = rd_kafka_clusterid(bus->producer.handle, wait_ms);
	if (!cluster)
		return result_fail(ERROR_AGAIN, "Kafka at %s does not return its cluster id", bus->connection.options.brokers);
	bool fits = text_copy(slice_of(cluster), bus->cluster, sizeof bus->cluster);
	rd_kafka_mem_free(bus->producer.handle, cluster);
	return fits ? result_ok() :
		      result_fail(ERROR_INPUT, "the id of the Kafka cluster has more than %zu bytes", sizeof bus->cluster - 1);
}

/*
 * Makes each handle read the metadata of the topics now. Otherwise the first record of a topic that is new to a handle would wait
 * about a second, until librdkafka's next timer. `inputs` reads the metadata when it requests the extents.
 */
static Result cluster_look(BusKafka *bus, int wait_ms)
{
	TRY(topics_check(&bus->connection, bus->producer.handle, wait_ms));
	TRY(topics_check(&bus->connection, bus->partitions.ledgers, wait_ms));
	TRY(cluster_learn(bus, wait_ms));
	return partitions_extents_ask(&bus->partitions, (unsigned)bus->connection.options.topic_count, 0, wait_ms);
}

static Result look_until(BusKafka *bus, int64_t wait_ms, bool (*stop)(void *context), void *context)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	for (;;) {
		Result result = cluster_look(bus, ATTEMPT_MS);
		bool again = result.kind == ERROR_AGAIN && clock_monotonic_us() < until_us;
		if (!again || (stop && stop(context)))
			return result;
		clock_sleep_ms(PAUSE_MS);
	}
}

static Result handles_open(BusKafka *bus, int64_t wait_ms, bool (*stop)(void *context), void *context)
{
	TRY(member_open(&bus->member, &bus->connection, &bus->partitions));
	TRY(producer_open(&bus->producer, &bus->connection, &bus->partitions, &bus->probe));
	TRY(partitions_open(&bus->partitions));
	TRY(look_until(bus, wait_ms, stop, context));
	return probe_open(&bus->probe, &bus->connection, bus->partitions.ledgers);
}

/* ---- closing */

static void bus_close(Bus *base)
{
	BusKafka *bus = bus_kafka(base);
	probe_close(&bus->probe);
	member_stop(&bus->member);
	member_close(&bus->member, !result_failed(producer_health(&bus->producer)));
	partitions_close(&bus->partitions);
	producer_close(&bus->producer);
	partitions_release(&bus->partitions);
	kafka_connection_release(&bus->connection);
	free(bus);
}

/* ---- operations */

static Result bus_append_record(Bus *bus, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context)
{
	return producer_append(&bus_kafka(bus)->producer, topic, partition, record, done, context);
}

/* A process has one group, that of its service; the name is ignored. */
static Result bus_commit(Bus *bus, const char *group, unsigned topic, unsigned partition, int64_t position)
{
	(void)group;
	return member_commit(&bus_kafka(bus)->member, topic, partition, position);
}

static int64_t bus_committed(Bus *bus, const char *group, unsigned topic, unsigned partition)
{
	(void)group;
	return member_committed(&bus_kafka(bus)->member, topic, partition);
}

static Result bus_reader_open(Bus *bus, BusReader **out)
{
	return kafka_reader_open(&bus_kafka(bus)->partitions, bus, out);
}

static Result bus_join_group(Bus *bus)
{
	return member_join(&bus_kafka(bus)->member);
}

static bool bus_is_assigned(Bus *bus, unsigned partition)
{
	return member_assigned(&bus_kafka(bus)->member, partition);
}

static const BusOperations kafka_operations = {
	.append = bus_append_record,
	.end = bus_end,
	.first = bus_first,
	.high_watermark = kafka_high_watermark,
	.commit = bus_commit,
	.committed = bus_committed,
	.reader_open = bus_reader_open,
	.reader_close = kafka_reader_close,
	.read = kafka_read,
	.fetch = kafka_fetch,
	.wait = kafka_wait,
	.wake = kafka_wake,
	.join = bus_join_group,
	.assigned = bus_is_assigned,
	.trim = bus_trim,
	.health = bus_health_of_parts,
	.set_deadline = bus_deadline,
	.close = bus_close,
};

Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context, Bus **out)
{
	BusKafka *bus = calloc(1, sizeof *bus);
	must(bus);
	bus->bus = (Bus){ .operations = &kafka_operations, .partitions = options->partitions, .external_readers = true,
			  .cluster = bus->cluster };
	kafka_connection_init(&bus->connection, options);
	partitions_init(&bus->partitions, &bus->connection, &bus->probe);
	Result result = handles_open(bus, wait_ms, stop, context);
	if (result_failed(result)) {
		bus_deadline(&bus->bus, 0); /* close without waiting: no append is queued yet */
		bus_close(&bus->bus);
		return result;
	}
	*out = &bus->bus;
	return result_ok();
}
