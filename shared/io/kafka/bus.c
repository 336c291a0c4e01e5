#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"

unsigned kafka_partitions(const BusKafka *bus, unsigned topic)
{
	return bus->options.topics[topic].slotted ? bus->options.partitions : 1;
}

KafkaPartition *kafka_partition_of(BusKafka *bus, unsigned topic, unsigned partition)
{
	must(topic < bus->options.topic_count && partition < kafka_partitions(bus, topic));
	return &bus->slots[topic * BUS_PARTITIONS_MAX + partition];
}

void kafka_raise(_Atomic int64_t *value, int64_t to)
{
	int64_t known = atomic_load(value);
	while (known < to && !atomic_compare_exchange_weak(value, &known, to))
		;
}

void partition_end_raise(KafkaPartition *slot, int64_t end)
{
	kafka_raise(&slot->end, end);
}

void partition_first_raise(KafkaPartition *slot, int64_t first)
{
	kafka_raise(&slot->first, first);
	kafka_raise(&slot->end, first);
}

static int64_t kafka_end(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&kafka_partition_of(bus_kafka(bus), topic, partition)->end);
}

static int64_t kafka_first(Bus *bus, unsigned topic, unsigned partition)
{
	return atomic_load(&kafka_partition_of(bus_kafka(bus), topic, partition)->first);
}

/* The high watermark of the last fetch: further on than what was taken, where a reader is behind. */
static int64_t kafka_reach(Bus *base, unsigned topic, unsigned partition)
{
	BusKafka *bus = bus_kafka(base);
	int64_t first, high, end = kafka_end(base, topic, partition);
	rd_kafka_resp_err_t error = rd_kafka_get_watermark_offsets(kafka_consumer(bus, topic), bus->options.topics[topic].name,
								    (int32_t)partition, &first, &high);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR && high > end ? high : end;
}

/* ---- whether it can be worked with */

static Result kafka_health(Bus *base)
{
	TRY(producer_health(base));
	TRY(probe_health(bus_kafka(base), clock_monotonic_us()));
	return member_health(bus_kafka(base));
}

/* ---- how long to wait */

void kafka_set_deadline(Bus *base, int64_t wait_ms)
{
	atomic_store(&bus_kafka(base)->until_us, clock_monotonic_us() + wait_ms * 1000);
}

int kafka_left_ms(const BusKafka *bus, int64_t most_ms)
{
	int64_t left_ms = clock_left_ms(atomic_load(&bus->until_us));
	return (int)(left_ms < most_ms ? left_ms : most_ms);
}

int kafka_last_ms(const BusKafka *bus, int64_t most_ms)
{
	int left_ms = kafka_left_ms(bus, most_ms);
	return left_ms > KAFKA_LAST_MS ? left_ms : KAFKA_LAST_MS;
}

/* ---- where partitions begin and end */

static void list_add(rd_kafka_topic_partition_list_t *list, const BusKafka *bus, unsigned topic, unsigned partition, int64_t which)
{
	rd_kafka_topic_partition_list_add(list, bus->options.topics[topic].name, (int32_t)partition)->offset = which;
}

/* Of several errors one is kept; that a partition is not known, before all others. */
static void answer_take(BusKafka *bus, unsigned topic, unsigned partition, int64_t which,
			const rd_kafka_topic_partition_t *answer, rd_kafka_resp_err_t *error)
{
	if (answer->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		*error = *error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ? *error : answer->err;
	else if (which == RD_KAFKA_OFFSET_END)
		partition_end_raise(kafka_partition_of(bus, topic, partition), answer->offset);
	else
		partition_first_raise(kafka_partition_of(bus, topic, partition), answer->offset);
}

/* A handle that asked while topics were made may keep that answer for minutes: such a partition is not known to it. */
static void topics_learn_anew(const BusKafka *bus, int wait_ms)
{
	const rd_kafka_metadata_t *metadata;
	if (rd_kafka_metadata(bus->inputs, 1, NULL, &metadata, wait_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
}

/* One answer of the cluster for all that is asked: offsets_for_times with the marks that mean beginning and end. */
static Result extents_ask(BusKafka *bus, unsigned topic, unsigned partition, int64_t which, int wait_ms)
{
	bool all = topic == bus->options.topic_count;
	int64_t until_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
	for (unsigned t = all ? 0 : topic; t < (all ? bus->options.topic_count : topic + 1); t++)
		for (unsigned p = all ? 0 : partition; p < (all ? kafka_partitions(bus, t) : partition + 1); p++)
			list_add(list, bus, t, p, which);
	rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(bus->inputs, list, wait_ms);
	bool answered = error == RD_KAFKA_RESP_ERR_NO_ERROR;
	int i = 0;
	for (unsigned t = all ? 0 : topic; answered && t < (all ? bus->options.topic_count : topic + 1); t++)
		for (unsigned p = all ? 0 : partition; p < (all ? kafka_partitions(bus, t) : partition + 1); p++)
			answer_take(bus, t, p, which, &list->elems[i++], &error);
	rd_kafka_topic_partition_list_destroy(list);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		probe_answered(&bus->pulse, clock_monotonic_us());
		return result_ok();
	}
	if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
		topics_learn_anew(bus, kafka_left_ms(bus, clock_left_ms(until_us)));
	return result_fail(ERROR_AGAIN, "Kafka does not say where its logs begin and end: %s", rd_kafka_err2str(error));
}

Result kafka_extents_ask(BusKafka *bus, unsigned topic, unsigned partition, int wait_ms)
{
	TRY(extents_ask(bus, topic, partition, RD_KAFKA_OFFSET_BEGINNING, kafka_left_ms(bus, wait_ms)));
	return extents_ask(bus, topic, partition, RD_KAFKA_OFFSET_END, kafka_left_ms(bus, wait_ms));
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
	return result_wrap(result, "%s/%u cannot be cut", topic, partition);
}

static Result kafka_trim(Bus *base, unsigned topic, unsigned partition, int64_t first)
{
	BusKafka *bus = bus_kafka(base);
	KafkaPartition *slot = kafka_partition_of(bus, topic, partition);
	must(first <= atomic_load(&slot->end));
	if (first <= atomic_load(&slot->first))
		return result_ok();
	rd_kafka_t *handle = producer_handle(bus);
	Result result = trim_ask(handle, bus->options.topics[topic].name, partition, first, kafka_left_ms(bus, KAFKA_CALL_MS));
	producer_handle_return(bus);
	if (!result_failed(result))
		partition_first_raise(slot, first);
	return result;
}

const BusOperations kafka_operations = {
	.append = producer_append,
	.end = kafka_end,
	.first = kafka_first,
	.reach = kafka_reach,
	.commit = member_commit,
	.committed = member_committed,
	.reader_open = kafka_reader_open,
	.reader_close = kafka_reader_close,
	.read = kafka_read,
	.fetch = kafka_fetch,
	.wait = kafka_wait,
	.wake = kafka_wake,
	.join = member_join,
	.assigned = member_assigned,
	.trim = kafka_trim,
	.health = kafka_health,
	.set_deadline = kafka_set_deadline,
	.close = kafka_close,
};
