/*
 * Reading. A partition that is read has one slot in the process: assigned to a consumer at an explicit offset, with the
 * partition's own queue, so that a full one blocks no other. Reading from elsewhere assigns it anew; nothing is ever paused,
 * sought or resumed, which librdkafka 2.0.2 does badly (reliability.md §1.9).
 *
 * Every offset is checked: what lies before the one wanted is dropped, and a gap is fetched again once before it is believed.
 */
#include "shared/edge/bus_kafka_internal.h"

#include "shared/edge/clock.h"
#include "shared/edge/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADERS_BYTES = 64 << 10, ASK_MS = 2000 };

/* ---- watching: who is to be woken when a partition's queue fills */

static void reader_wake(KafkaReader *reader)
{
	pthread_mutex_lock(&reader->mutex);
	reader->woken = true;
	pthread_cond_signal(&reader->changed);
	pthread_mutex_unlock(&reader->mutex);
}

static void queue_filled(rd_kafka_t *handle, void *context)
{
	Slot *slot = context;
	(void)handle;
	pthread_mutex_lock(&slot->watching);
	for (size_t i = 0; i < slot->watcher_count; i++)
		reader_wake(slot->watchers[i]);
	pthread_mutex_unlock(&slot->watching);
}

static void slot_watch(Slot *slot, KafkaReader *reader)
{
	pthread_mutex_lock(&slot->watching);
	size_t i = 0;
	while (i < slot->watcher_count && slot->watchers[i] != reader)
		i++;
	if (i == slot->watcher_count && i < KAFKA_WATCHERS_MAX)
		slot->watchers[slot->watcher_count++] = reader;
	pthread_mutex_unlock(&slot->watching);
}

static void slot_unwatch(Slot *slot, const KafkaReader *reader)
{
	pthread_mutex_lock(&slot->watching);
	for (size_t i = 0; i < slot->watcher_count; i++)
		if (slot->watchers[i] == reader)
			slot->watchers[i--] = slot->watchers[--slot->watcher_count];
	pthread_mutex_unlock(&slot->watching);
}

/* ---- a slot, its `reading` held */

static rd_kafka_t *consumer_of(const BusKafka *bus, unsigned topic)
{
	return bus->options.topics[topic].stream ? bus->inputs : bus->ledgers;
}

static Result assign_call(rd_kafka_t *consumer, const char *topic, BusPlace place, bool assign)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, (int32_t)place.partition)->offset = place.from;
	rd_kafka_error_t *error = assign ? rd_kafka_incremental_assign(consumer, list) :
					   rd_kafka_incremental_unassign(consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (!error)
		return result_ok();
	Result result = result_fail(ERROR_AGAIN, "%s/%u cannot be read: %s", topic, place.partition, rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return result;
}

void slot_release(Slot *slot)
{
	if (slot->pending)
		rd_kafka_message_destroy(slot->pending);
	slot->pending = NULL;
	if (slot->queue) {
		rd_kafka_queue_cb_event_enable(slot->queue, NULL, NULL);
		rd_kafka_queue_destroy(slot->queue);
	}
	slot->queue = NULL;
}

static Result slot_move(BusKafka *bus, Slot *slot, BusPlace place)
{
	const char *topic = bus->options.topics[place.topic].name;
	rd_kafka_t *consumer = consumer_of(bus, place.topic);
	if (slot->pending)
		rd_kafka_message_destroy(slot->pending);
	slot->pending = NULL;
	if (slot->assigned)
		TRY(assign_call(consumer, topic, place, false));
	slot->assigned = false;
	if (!slot->queue) {
		slot->queue = rd_kafka_queue_get_partition(consumer, topic, (int32_t)place.partition);
		if (!slot->queue)
			return result_fail(ERROR_AGAIN, "%s/%u cannot be read: it is not known", topic, place.partition);
		rd_kafka_queue_forward(slot->queue, NULL);
		rd_kafka_queue_cb_event_enable(slot->queue, queue_filled, slot);
	}
	TRY(assign_call(consumer, topic, place, true));
	slot->assigned = true;
	slot->at = place.from;
	return result_ok();
}

/* What the broker says instead of a record. The offset is gone, or nothing: it will be tried again by itself. */
static Result trouble(BusKafka *bus, BusPlace place, const rd_kafka_message_t *message)
{
	bool lost = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
	Slot *slot = kafka_slot(bus, place.topic, place.partition);
	if (!lost)
		return result_fail(ERROR_AGAIN, "%s/%u cannot be read: %s", bus->options.topics[place.topic].name,
				   place.partition, rd_kafka_err2str(message->err));
	slot->assigned = false;
	(void)assign_call(consumer_of(bus, place.topic), bus->options.topics[place.topic].name, place, false);
	TRY(kafka_extents_ask(bus, place.topic, place.partition, ASK_MS));
	return place.from < atomic_load(&slot->first) ?
		       result_fail(ERROR_NOT_FOUND, "offset %lld of %s/%u is not kept any more", (long long)place.from,
				   bus->options.topics[place.topic].name, place.partition) :
		       result_fail(ERROR_AGAIN, "%s/%u has no offset %lld yet", bus->options.topics[place.topic].name,
				   place.partition, (long long)place.from);
}

/* The next message of the slot, owned by the caller; NULL: none within wait_ms. */
static rd_kafka_message_t *slot_take(Slot *slot, int wait_ms)
{
	rd_kafka_message_t *message = slot->pending;
	slot->pending = NULL;
	while (!message && (message = rd_kafka_consume_queue(slot->queue, wait_ms)) != NULL) {
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset >= slot->at)
			break;
		rd_kafka_message_destroy(message); /* of an assignment before this one */
		message = NULL;
	}
	return message;
}

/* ---- reading */

typedef struct {
	BusKafka *bus;
	Slot *slot;
	BusPlace place;
	Buffer headers;
	bool gap_tried;
	BusVisit visit;
	void *context;
} Reading;

/* A gap that is there again after another fetch is one: compaction, or a log that lost records, which its reader will say. */
static Result gap_check(Reading *reading, rd_kafka_message_t **message)
{
	if ((*message)->offset == reading->slot->at || reading->gap_tried)
		return result_ok();
	reading->gap_tried = true;
	rd_kafka_message_destroy(*message);
	*message = NULL;
	reading->place.from = reading->slot->at;
	return slot_move(reading->bus, reading->slot, reading->place);
}

/* *more: one was visited, and another is wanted. */
static Result message_visit(Reading *reading, int wait_ms, size_t *count, bool *more)
{
	Slot *slot = reading->slot;
	rd_kafka_message_t *message = slot_take(slot, wait_ms);
	*more = message != NULL;
	if (!message)
		return result_ok();
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		Result result = trouble(reading->bus, reading->place, message);
		rd_kafka_message_destroy(message);
		return result;
	}
	TRY(gap_check(reading, &message));
	if (!message)
		return result_ok();
	BusRecord record;
	record_of_message(message, &reading->headers, &record);
	slot_end_raise(slot, message->offset + 1);
	slot->at = message->offset + 1;
	++*count;
	*more = reading->visit(reading->context, &record);
	rd_kafka_message_destroy(message);
	return result_ok();
}

/* The first of those that are known to be there is waited for, the others are taken as far as they have come. */
static Result slot_read(Reading *reading, size_t max)
{
	Slot *slot = reading->slot;
	size_t count = 0;
	bool more = true;
	int64_t until_us = clock_monotonic_us() + KAFKA_FETCH_MS * 1000;
	bool there = reading->place.from < atomic_load(&slot->end);
	while (count < max && (more || (there && count == 0))) {
		int64_t left_ms = count == 0 && there ? (until_us - clock_monotonic_us()) / 1000 : 0;
		if (left_ms < 0)
			break;
		Result result = message_visit(reading, (int)left_ms, &count, &more);
		if (result_failed(result))
			return count > 0 ? result_ok() : result;
	}
	if (count == 0 && there && max > 0)
		return result_fail(ERROR_AGAIN, "%s/%u does not come from Kafka", reading->bus->options.topics[reading->place.topic].name,
				   reading->place.partition);
	return result_ok();
}

Result kafka_read(BusReader *base, BusPlace place, size_t max, bool want_bodies, BusVisit visit, void *context, int64_t *next)
{
	(void)want_bodies; /* they are there anyway */
	BusKafka *bus = bus_kafka(base->bus);
	Slot *slot = kafka_slot(bus, place.topic, place.partition);
	*next = place.from;
	if (place.from < atomic_load(&slot->first))
		return result_fail(ERROR_NOT_FOUND, "offset %lld of %s/%u is not kept any more", (long long)place.from,
				   bus->options.topics[place.topic].name, place.partition);
	Reading reading = { .bus = bus, .slot = slot, .place = place, .visit = visit, .context = context };
	buffer_init(&reading.headers, HEADERS_BYTES);
	pthread_mutex_lock(&slot->reading);
	slot_watch(slot, (KafkaReader *)base);
	Result result = result_ok();
	if (!slot->assigned || slot->at != place.from)
		result = slot_move(bus, slot, place);
	if (!result_failed(result))
		result = slot_read(&reading, max);
	*next = slot->assigned && slot->at > place.from ? slot->at : place.from;
	pthread_mutex_unlock(&slot->reading);
	buffer_release(&reading.headers);
	return result;
}

/* ---- waiting */

/* True when there is something to read at the place; else it is being fetched. */
static bool place_look(BusKafka *bus, KafkaReader *reader, BusPlace place)
{
	Slot *slot = kafka_slot(bus, place.topic, place.partition);
	slot_watch(slot, reader);
	if (place.from < atomic_load(&slot->end))
		return true;
	if (pthread_mutex_trylock(&slot->reading) != 0)
		return false; /* another reads it just now, and will raise its end */
	if (!slot->assigned || slot->at != place.from)
		(void)slot_move(bus, slot, place);
	if (slot->assigned && !slot->pending)
		slot->pending = slot_take(slot, 0);
	if (slot->pending && slot->pending->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		slot_end_raise(slot, slot->pending->offset + 1);
	if (slot->pending && slot->pending->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		(void)trouble(bus, place, slot->pending);
		rd_kafka_message_destroy(slot->pending);
		slot->pending = NULL;
	}
	pthread_mutex_unlock(&slot->reading);
	return place.from < atomic_load(&slot->end);
}

static void sleep_until_woken(KafkaReader *reader, int wait_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += (wait_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&reader->mutex);
	while (!reader->woken && pthread_cond_timedwait(&reader->changed, &reader->mutex, &until) == 0)
		;
	reader->woken = false;
	pthread_mutex_unlock(&reader->mutex);
}

void kafka_wait(BusReader *base, const BusPlace *places, size_t count, int wait_ms)
{
	KafkaReader *reader = (KafkaReader *)base;
	bool there = false;
	for (size_t i = 0; i < count; i++)
		there |= place_look(bus_kafka(base->bus), reader, places[i]);
	sleep_until_woken(reader, there ? 0 : wait_ms);
}

void kafka_wake(BusReader *base)
{
	reader_wake((KafkaReader *)base);
}

/* ---- life */

Result kafka_reader_open(Bus *base, BusReader **out)
{
	BusKafka *bus = bus_kafka(base);
	KafkaReader *reader = calloc(1, sizeof *reader);
	pthread_condattr_t attributes;
	must(reader);
	reader->reader.bus = base;
	pthread_mutex_init(&reader->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&reader->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	size_t i = 0;
	pthread_mutex_lock(&bus->mutex);
	while (i < KAFKA_READERS_MAX && bus->readers[i])
		i++;
	if (i < KAFKA_READERS_MAX)
		bus->readers[i] = reader;
	pthread_mutex_unlock(&bus->mutex);
	*out = &reader->reader;
	if (i < KAFKA_READERS_MAX)
		return result_ok();
	free(reader);
	return result_fail(ERROR_AGAIN, "a process has at most %d readers", KAFKA_READERS_MAX);
}

void kafka_reader_close(BusReader *base)
{
	KafkaReader *reader = (KafkaReader *)base;
	BusKafka *bus = bus_kafka(base->bus);
	for (size_t i = 0; i < bus->options.topic_count * BUS_PARTITIONS_MAX; i++)
		slot_unwatch(&bus->slots[i], reader);
	pthread_mutex_lock(&bus->mutex);
	for (size_t i = 0; i < KAFKA_READERS_MAX; i++)
		if (bus->readers[i] == reader)
			bus->readers[i] = NULL;
	pthread_mutex_unlock(&bus->mutex);
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->mutex);
	free(reader);
}

void kafka_wake_all(BusKafka *bus)
{
	pthread_mutex_lock(&bus->mutex);
	for (size_t i = 0; i < KAFKA_READERS_MAX; i++)
		if (bus->readers[i])
			reader_wake(bus->readers[i]);
	pthread_mutex_unlock(&bus->mutex);
}
