/*
 * Reading. A partition that is read has one slot in the process: assigned to a consumer at an explicit offset, with the
 * partition's own queue, so that a full one blocks no other. Reading from elsewhere assigns it anew; nothing is ever paused,
 * sought or resumed, which librdkafka 2.0.2 does badly (docs/design/brokers-and-timers.md, "Reading").
 *
 * Every offset is checked: what lies before the one wanted is dropped, and a gap is fetched again once before it is believed.
 */
#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HEADERS_BYTES = 64 << 10, ASK_MS = 2000, TURN_MS = 200, REST_AFTER_US = 60000000 };

/* ---- watching: who is to be woken when a partition's queue fills */

static void reader_wake(KafkaReader *reader)
{
	pthread_mutex_lock(&reader->mutex);
	reader->woken = true;
	pthread_cond_signal(&reader->changed);
	pthread_mutex_unlock(&reader->mutex);
}

/* All who watch it, but for one (NULL: none). */
static void partition_notify(KafkaPartition *slot, const KafkaReader *but)
{
	pthread_mutex_lock(&slot->watching);
	for (size_t i = 0; i < slot->watcher_count; i++)
		if (slot->watchers[i] != but)
			reader_wake(slot->watchers[i]);
	pthread_mutex_unlock(&slot->watching);
}

static void queue_filled(rd_kafka_t *handle, void *context)
{
	(void)handle;
	partition_notify(context, NULL);
}

static void partition_watch(KafkaPartition *slot, KafkaReader *reader)
{
	pthread_mutex_lock(&slot->watching);
	size_t i = 0;
	while (i < slot->watcher_count && slot->watchers[i] != reader)
		i++;
	if (i == slot->watcher_count && i < KAFKA_WATCHERS_MAX)
		slot->watchers[slot->watcher_count++] = reader;
	pthread_mutex_unlock(&slot->watching);
}

static void partition_unwatch(KafkaPartition *slot, const KafkaReader *reader)
{
	pthread_mutex_lock(&slot->watching);
	for (size_t i = 0; i < slot->watcher_count; i++)
		if (slot->watchers[i] == reader)
			slot->watchers[i--] = slot->watchers[--slot->watcher_count];
	pthread_mutex_unlock(&slot->watching);
}

/* ---- a slot, its `reading` held */

rd_kafka_t *kafka_consumer(const BusKafka *bus, unsigned topic)
{
	return bus->options.topics[topic].stream ? bus->inputs : bus->ledgers;
}

static Result assign_call(rd_kafka_t *consumer, const char *topic, BusPosition place, bool assign)
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

static void message_drop(rd_kafka_message_t **message)
{
	if (*message)
		rd_kafka_message_destroy(*message);
	*message = NULL;
}

void partition_release(KafkaPartition *slot)
{
	message_drop(&slot->pending);
	message_drop(&slot->kept);
	if (slot->queue) {
		rd_kafka_queue_cb_event_enable(slot->queue, NULL, NULL);
		rd_kafka_queue_destroy(slot->queue);
	}
	slot->queue = NULL;
}

static Result partition_move(BusKafka *bus, KafkaPartition *slot, BusPosition place)
{
	const char *topic = bus->options.topics[place.topic].name;
	rd_kafka_t *consumer = kafka_consumer(bus, place.topic);
	message_drop(&slot->pending);
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

/* Makes the slot give what lies at place.from and after it. */
static Result partition_seek(BusKafka *bus, KafkaPartition *slot, BusPosition place)
{
	slot->used_us = clock_monotonic_us();
	return slot->assigned && slot->at == place.from ? result_ok() : partition_move(bus, slot, place);
}

/* A partition that nobody asks for any more keeps no buffers: its owner is elsewhere now. */
void partitions_release_idle(BusKafka *bus)
{
	int64_t before_us = clock_monotonic_us() - REST_AFTER_US;
	for (unsigned topic = 0; topic < bus->options.topic_count; topic++)
		for (unsigned partition = 0; partition < kafka_partitions(bus, topic); partition++) {
			KafkaPartition *slot = kafka_partition_of(bus, topic, partition);
			if (pthread_mutex_trylock(&slot->reading) != 0)
				continue;
			BusPosition place = { topic, partition, slot->at };
			if (slot->assigned && slot->used_us < before_us) {
				message_drop(&slot->pending);
				message_drop(&slot->kept);
				slot->assigned = result_failed(
					assign_call(kafka_consumer(bus, topic), bus->options.topics[topic].name, place, false));
			}
			pthread_mutex_unlock(&slot->reading);
		}
}

/* What the broker says instead of a record. The offset is gone, or nothing: it will be tried again by itself. */
static Result trouble(BusKafka *bus, BusPosition place, const rd_kafka_message_t *message)
{
	bool lost = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
	KafkaPartition *slot = kafka_partition_of(bus, place.topic, place.partition);
	if (!lost)
		return result_fail(ERROR_AGAIN, "%s/%u cannot be read: %s", bus->options.topics[place.topic].name,
				   place.partition, rd_kafka_err2str(message->err));
	slot->assigned = false;
	(void)assign_call(kafka_consumer(bus, place.topic), bus->options.topics[place.topic].name, place, false);
	TRY(kafka_extents_ask(bus, place.topic, place.partition, ASK_MS));
	return place.from < atomic_load(&slot->first) ?
		       result_fail(ERROR_NOT_FOUND, "offset %lld of %s/%u is not kept any more", (long long)place.from,
				   bus->options.topics[place.topic].name, place.partition) :
		       result_fail(ERROR_AGAIN, "%s/%u has no offset %lld yet", bus->options.topics[place.topic].name,
				   place.partition, (long long)place.from);
}

/* The next message of the slot, owned by the caller; NULL: none within wait_ms. */
static rd_kafka_message_t *partition_take(KafkaPartition *slot, int wait_ms)
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
	KafkaPartition *slot;
	BusPosition place; /* from: the offset wanted next */
	Buffer headers;
	bool gap_tried;
	size_t count;
	BusVisit visit;
	void *context;
} Reading;

/*
 * With nobody shut out meanwhile: the visit may read here itself. What may be asked for once more is kept: a record that was
 * stopped at, and the last one of a log that all readers of the process share. True: go on.
 */
static bool message_visit(Reading *reading, rd_kafka_message_t *message)
{
	KafkaPartition *slot = reading->slot;
	BusRecord record;
	reading->place.from = message->offset + 1;
	reading->count++;
	partition_end_raise(slot, reading->place.from);
	pthread_mutex_unlock(&slot->reading);
	record_of_message(message, &reading->headers, &record);
	bool more = reading->visit(reading->context, &record);
	pthread_mutex_lock(&slot->reading);
	bool keep = !more || !reading->bus->options.topics[reading->place.topic].slotted;
	message_drop(&slot->kept);
	slot->kept = keep ? message : NULL;
	if (!keep)
		rd_kafka_message_destroy(message);
	return more && slot->assigned && slot->at == reading->place.from;
}

/* A gap that is there again after another fetch is one: compaction, or a log that lost records, which its reader will say. */
static Result gap_check(Reading *reading, rd_kafka_message_t **message)
{
	if ((*message)->offset == reading->slot->at || reading->gap_tried)
		return result_ok();
	reading->gap_tried = true;
	message_drop(message);
	return partition_move(reading->bus, reading->slot, reading->place);
}

/* One message, if there is one within wait_ms. *more: a record was visited, and another is wanted. */
static Result message_read(Reading *reading, int wait_ms, bool *more)
{
	KafkaPartition *slot = reading->slot;
	rd_kafka_message_t *message = partition_take(slot, wait_ms);
	*more = false;
	if (!message)
		return result_ok();
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		Result result = trouble(reading->bus, reading->place, message);
		rd_kafka_message_destroy(message);
		return result;
	}
	if (reading->count == 0) /* once a call is enough */
		probe_answered(&reading->bus->pulse, clock_monotonic_us());
	TRY(gap_check(reading, &message));
	if (!message)
		return result_ok();
	slot->at = message->offset + 1;
	*more = message_visit(reading, message);
	return result_ok();
}

/* What is left of the time that records may take, in turns: the bus may be told to hurry meanwhile. 0: it is up. */
static int fetch_left_ms(const BusKafka *bus, int64_t until_us)
{
	int64_t left_ms = clock_left_ms(until_us);
	return kafka_left_ms(bus, left_ms < TURN_MS ? left_ms : TURN_MS);
}

/* The first of those that are known to be there is waited for, the others are taken as far as they have come. */
static Result partition_read(Reading *reading, size_t max)
{
	bool more = true, there = reading->place.from < atomic_load(&reading->slot->end);
	int64_t until_us = clock_monotonic_us() + KAFKA_FETCH_MS * 1000;
	while (reading->count < max && (more || (there && reading->count == 0))) {
		bool waits = reading->count == 0 && there;
		int left_ms = waits ? fetch_left_ms(reading->bus, until_us) : 0;
		if (waits && left_ms == 0)
			return result_fail(ERROR_AGAIN, "%s/%u does not come from Kafka",
					   reading->bus->options.topics[reading->place.topic].name, reading->place.partition);
		Result result = message_read(reading, left_ms, &more);
		if (result_failed(result))
			return reading->count > 0 ? result_ok() : result;
	}
	return result_ok();
}

static Result place_read(Reading *reading, size_t max)
{
	KafkaPartition *slot = reading->slot;
	rd_kafka_message_t *kept = slot->kept;
	if (kept && kept->offset == reading->place.from) {
		slot->kept = NULL;
		if (!message_visit(reading, kept) || reading->count == max)
			return result_ok();
	}
	TRY(partition_seek(reading->bus, slot, reading->place));
	return partition_read(reading, max);
}

Result kafka_read(BusReader *base, BusPosition place, size_t max, bool want_bodies, BusVisit visit, void *context, int64_t *next)
{
	(void)want_bodies; /* they are there anyway */
	BusKafka *bus = bus_kafka(base->bus);
	KafkaPartition *slot = kafka_partition_of(bus, place.topic, place.partition);
	*next = place.from;
	if (max == 0)
		return result_ok();
	if (place.from < atomic_load(&slot->first))
		return result_fail(ERROR_NOT_FOUND, "offset %lld of %s/%u is not kept any more", (long long)place.from,
				   bus->options.topics[place.topic].name, place.partition);
	Reading reading = { .bus = bus, .slot = slot, .place = place, .visit = visit, .context = context };
	buffer_init(&reading.headers, HEADERS_BYTES);
	pthread_mutex_lock(&slot->reading);
	partition_watch(slot, (KafkaReader *)base);
	Result result = place_read(&reading, max);
	pthread_mutex_unlock(&slot->reading);
	*next = reading.place.from;
	buffer_release(&reading.headers);
	return result;
}

/* What another reads just now, or what was kept, is not fetched anew. */
void kafka_fetch(BusReader *base, const BusPosition *places, size_t count)
{
	BusKafka *bus = bus_kafka(base->bus);
	for (size_t i = 0; i < count; i++) {
		KafkaPartition *slot = kafka_partition_of(bus, places[i].topic, places[i].partition);
		if (pthread_mutex_trylock(&slot->reading) != 0)
			continue;
		if (!slot->kept || slot->kept->offset != places[i].from)
			(void)partition_seek(bus, slot, places[i]); /* where it fails, reading says why */
		pthread_mutex_unlock(&slot->reading);
	}
}

/* ---- waiting */

/* True when there is something to read at the place; else it is being fetched. */
static bool place_look(BusKafka *bus, KafkaReader *reader, BusPosition place)
{
	KafkaPartition *slot = kafka_partition_of(bus, place.topic, place.partition);
	partition_watch(slot, reader);
	if (place.from < atomic_load(&slot->end))
		return true;
	if (pthread_mutex_trylock(&slot->reading) != 0)
		return false; /* another looks just now, raises its end and tells */
	if (!result_failed(partition_seek(bus, slot, place)))
		slot->pending = partition_take(slot, 0);
	if (slot->pending && slot->pending->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		partition_end_raise(slot, slot->pending->offset + 1);
		partition_notify(slot, reader);
	} else if (slot->pending) {
		(void)trouble(bus, place, slot->pending);
		message_drop(&slot->pending);
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

void kafka_wait(BusReader *base, const BusPosition *places, size_t count, int wait_ms)
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
	if (i < KAFKA_READERS_MAX) {
		*out = &reader->reader;
		return result_ok();
	}
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->mutex);
	free(reader);
	return result_fail(ERROR_AGAIN, "a process has at most %d readers", KAFKA_READERS_MAX);
}

void kafka_reader_close(BusReader *base)
{
	KafkaReader *reader = (KafkaReader *)base;
	BusKafka *bus = bus_kafka(base->bus);
	for (size_t i = 0; i < bus->options.topic_count * BUS_PARTITIONS_MAX; i++)
		partition_unwatch(&bus->slots[i], reader);
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
