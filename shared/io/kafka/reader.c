#include "shared/io/kafka/reader.h"

#include "shared/io/system/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	HEADERS_MAX = 64, /* headers read from a record; records of Tocsin have fewer */
	HEADERS_BYTES = 64 << 10,
	FETCH_MS = 4000, /* records that exist must arrive within this time */
	FETCH_STEP_MS = 200,
	EXTENTS_MS = 2000,
	IDLE_US = 60000000,
};

/* ---- partitions and their bounds */

void partitions_init(KafkaPartitions *partitions, const KafkaConnection *connection, KafkaProbe *probe)
{
	size_t count = connection->options.topic_count * BUS_PARTITIONS_MAX;
	partitions->connection = connection;
	partitions->probe = probe;
	partitions->list = calloc(count, sizeof *partitions->list);
	must(partitions->list);
	pthread_mutex_init(&partitions->mutex, NULL);
	for (size_t i = 0; i < count; i++) {
		pthread_mutex_init(&partitions->list[i].reading, NULL);
		pthread_mutex_init(&partitions->list[i].watching, NULL);
	}
}

void partitions_release(KafkaPartitions *partitions)
{
	for (size_t i = 0; i < partitions->connection->options.topic_count * BUS_PARTITIONS_MAX; i++) {
		pthread_mutex_destroy(&partitions->list[i].reading);
		pthread_mutex_destroy(&partitions->list[i].watching);
	}
	pthread_mutex_destroy(&partitions->mutex);
	free(partitions->list);
}

/* A consumer that never subscribes: partitions are assigned to it one by one. */
static Result consumer_make(const KafkaConnection *connection, rd_kafka_t **out)
{
	char size[24];
	snprintf(size, sizeof size, "%d", KAFKA_RECORD_MAX);
	const KafkaSetting settings[] = {
		{ "group.id", connection->options.client }, /* required by librdkafka; nothing is committed under it */
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "auto.offset.reset", "error" },
		{ "check.crcs", "true" },
		{ "fetch.wait.max.ms", "100" },
		{ "fetch.error.backoff.ms", "100" },
		{ "message.max.bytes", size },
		{ "fetch.message.max.bytes", size },
		{ "queued.min.messages", "10000" }, /* enough for a second, the interval at which librdkafka checks a full queue */
		{ "queued.max.messages.kbytes", "4096" },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_handle_conf(connection, settings, sizeof settings / sizeof settings[0], &conf));
	return kafka_new(RD_KAFKA_CONSUMER, conf, out);
}

Result partitions_open(KafkaPartitions *partitions)
{
	TRY(consumer_make(partitions->connection, &partitions->ledgers));
	return consumer_make(partitions->connection, &partitions->inputs);
}

rd_kafka_t *partitions_consumer(const KafkaPartitions *partitions, unsigned topic)
{
	return partitions->connection->options.topics[topic].stream ? partitions->inputs : partitions->ledgers;
}

KafkaPartition *partition_of(const KafkaPartitions *partitions, unsigned topic, unsigned partition)
{
	must(topic < partitions->connection->options.topic_count &&
	     partition < kafka_partitions(partitions->connection, topic));
	return &partitions->list[topic * BUS_PARTITIONS_MAX + partition];
}

void partition_end_raise(KafkaPartition *partition, int64_t end)
{
	kafka_raise(&partition->end, end);
}

void partition_first_raise(KafkaPartition *partition, int64_t first)
{
	kafka_raise(&partition->first, first);
	kafka_raise(&partition->end, first);
}

/* ---- extents: where partitions begin and end in the cluster */

/* Takes the answer for one partition. Of several errors one is kept, preferably UNKNOWN_PARTITION. */
static void extent_take(const KafkaPartitions *partitions, BusPosition asked, const rd_kafka_topic_partition_t *answer,
			rd_kafka_resp_err_t *error)
{
	KafkaPartition *partition = partition_of(partitions, asked.topic, asked.partition);
	if (answer->err != RD_KAFKA_RESP_ERR_NO_ERROR)
		*error = *error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ? *error : answer->err;
	else if (asked.from == RD_KAFKA_OFFSET_END)
		partition_end_raise(partition, answer->offset);
	else
		partition_first_raise(partition, answer->offset);
}

/*
 * Reads the metadata of all topics again. Without this, a handle that requested metadata while topics were being created may keep
 * the answer "unknown partition" for minutes.
 */
static void metadata_refresh(const KafkaPartitions *partitions, int wait_ms)
{
	const rd_kafka_metadata_t *metadata;
	if (rd_kafka_metadata(partitions->inputs, 1, NULL, &metadata, wait_ms) == RD_KAFKA_RESP_ERR_NO_ERROR)
		rd_kafka_metadata_destroy(metadata);
}

/*
 * Sends one request, for one partition or (topic == topic_count) all; `mark` is RD_KAFKA_OFFSET_BEGINNING or RD_KAFKA_OFFSET_END.
 */
static Result extents_ask(KafkaPartitions *partitions, unsigned topic, unsigned partition, int64_t mark, int wait_ms)
{
	const KafkaConnection *connection = partitions->connection;
	const BusKafkaOptions *options = &connection->options;
	bool all = topic == options->topic_count;
	unsigned topic_end = all ? (unsigned)options->topic_count : topic + 1;
	int64_t until_us = clock_monotonic_us() + (int64_t)wait_ms * 1000;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(64);
	for (unsigned t = all ? 0 : topic; t < topic_end; t++)
		for (unsigned p = all ? 0 : partition; p < (all ? kafka_partitions(connection, t) : partition + 1); p++)
			rd_kafka_topic_partition_list_add(list, options->topics[t].name, (int32_t)p)->offset = mark;
	rd_kafka_resp_err_t error = rd_kafka_offsets_for_times(partitions->inputs, list, wait_ms);
	bool answered = error == RD_KAFKA_RESP_ERR_NO_ERROR;
	int i = 0;
	for (unsigned t = all ? 0 : topic; answered && t < topic_end; t++)
		for (unsigned p = all ? 0 : partition; p < (all ? kafka_partitions(connection, t) : partition + 1); p++)
			extent_take(partitions, (BusPosition){ t, p, mark }, &list->elems[i++], &error);
	rd_kafka_topic_partition_list_destroy(list);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
		probe_answered(partitions->probe, clock_monotonic_us());
		return result_ok();
	}
	if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION)
		metadata_refresh(partitions, kafka_left_ms(connection, clock_left_ms(until_us)));
	return result_fail(ERROR_AGAIN, "Kafka does not return the offsets of its partitions: %s", rd_kafka_err2str(error));
}

Result partitions_extents_ask(KafkaPartitions *partitions, unsigned topic, unsigned partition, int wait_ms)
{
	const KafkaConnection *connection = partitions->connection;
	TRY(extents_ask(partitions, topic, partition, RD_KAFKA_OFFSET_BEGINNING, kafka_left_ms(connection, wait_ms)));
	return extents_ask(partitions, topic, partition, RD_KAFKA_OFFSET_END, kafka_left_ms(connection, wait_ms));
}

/* ---- watchers: the readers to wake when a partition's queue fills */

static void reader_wake(KafkaReader *reader)
{
	pthread_mutex_lock(&reader->mutex);
	reader->woken = true;
	pthread_cond_signal(&reader->changed);
	pthread_mutex_unlock(&reader->mutex);
}

/* Wakes all watchers except `except` (NULL: all). */
static void partition_notify(KafkaPartition *partition, const KafkaReader *except)
{
	pthread_mutex_lock(&partition->watching);
	for (size_t i = 0; i < partition->watcher_count; i++)
		if (partition->watchers[i] != except)
			reader_wake(partition->watchers[i]);
	pthread_mutex_unlock(&partition->watching);
}

static void queue_filled(rd_kafka_t *handle, void *context)
{
	(void)handle;
	partition_notify(context, NULL);
}

static void partition_watch(KafkaPartition *partition, KafkaReader *reader)
{
	pthread_mutex_lock(&partition->watching);
	size_t i = 0;
	while (i < partition->watcher_count && partition->watchers[i] != reader)
		i++;
	if (i == partition->watcher_count && i < KAFKA_WATCHERS_MAX)
		partition->watchers[partition->watcher_count++] = reader;
	pthread_mutex_unlock(&partition->watching);
}

static void partition_unwatch(KafkaPartition *partition, const KafkaReader *reader)
{
	pthread_mutex_lock(&partition->watching);
	for (size_t i = 0; i < partition->watcher_count; i++)
		if (partition->watchers[i] == reader)
			partition->watchers[i--] = partition->watchers[--partition->watcher_count];
	pthread_mutex_unlock(&partition->watching);
}

/* ---- fetching one partition; its `reading` is held */

static Result assign_call(rd_kafka_t *consumer, const char *topic, BusPosition position, bool assign)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, topic, (int32_t)position.partition)->offset = position.from;
	rd_kafka_error_t *error = assign ? rd_kafka_incremental_assign(consumer, list) :
					   rd_kafka_incremental_unassign(consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (!error)
		return result_ok();
	Result result = result_fail(ERROR_AGAIN, "%s/%u cannot be read: %s", topic, position.partition, rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return result;
}

static void message_drop(rd_kafka_message_t **message)
{
	if (*message)
		rd_kafka_message_destroy(*message);
	*message = NULL;
}

static void partition_release(KafkaPartition *partition)
{
	message_drop(&partition->pending);
	message_drop(&partition->kept);
	if (partition->queue) {
		rd_kafka_queue_cb_event_enable(partition->queue, NULL, NULL);
		rd_kafka_queue_destroy(partition->queue);
	}
	partition->queue = NULL;
}

void partitions_close(KafkaPartitions *partitions)
{
	rd_kafka_t *const consumers[] = { partitions->ledgers, partitions->inputs };
	for (size_t i = 0; i < partitions->connection->options.topic_count * BUS_PARTITIONS_MAX; i++)
		partition_release(&partitions->list[i]);
	for (size_t i = 0; i < sizeof consumers / sizeof consumers[0]; i++)
		if (consumers[i])
			kafka_handle_end(partitions->connection, consumers[i]);
}

static const char *topic_name(const KafkaPartitions *partitions, unsigned topic)
{
	return partitions->connection->options.topics[topic].name;
}

static Result partition_move(KafkaPartitions *partitions, KafkaPartition *partition, BusPosition position)
{
	const char *topic = topic_name(partitions, position.topic);
	rd_kafka_t *consumer = partitions_consumer(partitions, position.topic);
	message_drop(&partition->pending);
	if (partition->assigned)
		TRY(assign_call(consumer, topic, position, false));
	partition->assigned = false;
	if (!partition->queue) {
		partition->queue = rd_kafka_queue_get_partition(consumer, topic, (int32_t)position.partition);
		if (!partition->queue)
			return result_fail(ERROR_AGAIN, "%s/%u cannot be read: librdkafka does not know it", topic, position.partition);
		rd_kafka_queue_forward(partition->queue, NULL);
		rd_kafka_queue_cb_event_enable(partition->queue, queue_filled, partition);
	}
	TRY(assign_call(consumer, topic, position, true));
	partition->assigned = true;
	partition->next = position.from;
	return result_ok();
}

/* Makes the partition fetch from position.from on. */
static Result partition_seek(KafkaPartitions *partitions, KafkaPartition *partition, BusPosition position)
{
	partition->used_us = clock_monotonic_us();
	return partition->assigned && partition->next == position.from ? result_ok() :
									  partition_move(partitions, partition, position);
}

/* Frees the buffers of partitions that were not read for IDLE_US, usually because another process owns them by now. */
void partitions_release_idle(KafkaPartitions *partitions)
{
	int64_t before_us = clock_monotonic_us() - IDLE_US;
	for (unsigned topic = 0; topic < partitions->connection->options.topic_count; topic++)
		for (unsigned p = 0; p < kafka_partitions(partitions->connection, topic); p++) {
			KafkaPartition *partition = partition_of(partitions, topic, p);
			if (pthread_mutex_trylock(&partition->reading) != 0)
				continue;
			BusPosition position = { topic, p, partition->next };
			if (partition->assigned && partition->used_us < before_us) {
				message_drop(&partition->pending);
				message_drop(&partition->kept);
				partition->assigned = result_failed(assign_call(partitions_consumer(partitions, topic),
										topic_name(partitions, topic), position, false));
			}
			pthread_mutex_unlock(&partition->reading);
		}
}

static Result not_kept(const KafkaPartitions *partitions, BusPosition position)
{
	return result_fail(ERROR_NOT_FOUND, "offset %lld of %s/%u is not kept any more", (long long)position.from,
			   topic_name(partitions, position.topic), position.partition);
}

/* Handles an error that the broker sent instead of a record: either the offset does not exist, or librdkafka retries by itself. */
static Result fetch_error(KafkaPartitions *partitions, BusPosition position, const rd_kafka_message_t *message)
{
	bool lost = message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
	KafkaPartition *partition = partition_of(partitions, position.topic, position.partition);
	const char *topic = topic_name(partitions, position.topic);
	if (!lost)
		return result_fail(ERROR_AGAIN, "%s/%u cannot be read: %s", topic, position.partition,
				   rd_kafka_err2str(message->err));
	partition->assigned = false;
	/* This call fails only if librdkafka does not have the partition, and then nothing is left to remove. */
	result_ignore(assign_call(partitions_consumer(partitions, position.topic), topic, position, false));
	TRY(partitions_extents_ask(partitions, position.topic, position.partition, EXTENTS_MS));
	return position.from < atomic_load(&partition->first) ?
		       not_kept(partitions, position) :
		       result_fail(ERROR_AGAIN, "%s/%u has no offset %lld yet", topic, position.partition,
				   (long long)position.from);
}

/* The next message of the partition, owned by the caller; NULL: none arrived within wait_ms. */
static rd_kafka_message_t *partition_take(KafkaPartition *partition, int wait_ms)
{
	rd_kafka_message_t *message = partition->pending;
	partition->pending = NULL;
	while (!message && (message = rd_kafka_consume_queue(partition->queue, wait_ms)) != NULL) {
		if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || message->offset >= partition->next)
			break;
		rd_kafka_message_destroy(message); /* a message from an earlier assignment */
		message = NULL;
	}
	return message;
}

/* ---- records */

/* True for a header name of shared/base/header.h. Headers with other names are left out: an export could not hold them. */
static bool is_name(const char *name)
{
	return name[0] && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-.")] == 0;
}

/* Clears `headers`, packs the message's headers into it (none if they do not fit), and borrows the rest from the message. */
static void record_of_message(const rd_kafka_message_t *message, Buffer *headers, BusRecord *out)
{
	rd_kafka_headers_t *list = NULL;
	const char *name;
	const void *value;
	size_t size;
	buffer_clear(headers);
	headers->overflowed = false;
	bool any = rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR;
	for (size_t i = 0; any && i < HEADERS_MAX; i++) {
		if (rd_kafka_header_get_all(list, i, &name, &value, &size) != RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		if (is_name(name))
			header_add(headers, name, (Slice){ value == NULL ? "" : value, value == NULL ? 0 : size });
	}
	*out = (BusRecord){ .offset = message->offset,
			    .key = { message->key, message->key_len },
			    .headers = headers->overflowed ? SLICE_NONE : buffer_slice(headers),
			    .body = { message->payload, message->len } };
}

/* ---- reading */

typedef struct {
	KafkaPartitions *partitions;
	KafkaPartition *partition;
	BusPosition position; /* position.from: the next offset to visit */
	Buffer headers;
	bool gap_tried; /* a gap was fetched a second time */
	size_t count;
	BusVisit visit;
	void *context;
} Read;

/*
 * Visits a record and takes ownership of the message. The caller holds `reading`, which is released during the visit, so that the
 * visit may read the same partition. A record that is likely to be read again is kept: the record at which the visit stopped, and
 * the last record of an unslotted topic, because all readers of the process read such a topic. True: the next message may be
 * visited.
 */
static bool message_visit(Read *read, rd_kafka_message_t *message)
{
	KafkaPartition *partition = read->partition;
	BusRecord record;
	read->position.from = message->offset + 1;
	read->count++;
	partition_end_raise(partition, read->position.from);
	pthread_mutex_unlock(&partition->reading);
	record_of_message(message, &read->headers, &record);
	bool more = read->visit(read->context, &record);
	pthread_mutex_lock(&partition->reading);
	bool keep = !more || !read->partitions->connection->options.topics[read->position.topic].slotted;
	message_drop(&partition->kept);
	partition->kept = keep ? message : NULL;
	if (!keep)
		rd_kafka_message_destroy(message);
	return more && partition->assigned && partition->next == read->position.from;
}

/*
 * If there is a gap before the message, drops the message (*message is NULL then) and fetches from the gap once more. A gap that
 * the second fetch repeats is accepted: its cause is compaction, or a log that lost records, which the log's reader detects.
 */
static Result gap_check(Read *read, rd_kafka_message_t **message)
{
	if ((*message)->offset == read->partition->next || read->gap_tried)
		return result_ok();
	read->gap_tried = true;
	message_drop(message);
	return partition_move(read->partitions, read->partition, read->position);
}

/* Reads one message if one arrives within wait_ms. *more: a record was visited, and the visit wants the next. */
static Result message_read(Read *read, int wait_ms, bool *more)
{
	KafkaPartition *partition = read->partition;
	rd_kafka_message_t *message = partition_take(partition, wait_ms);
	*more = false;
	if (!message)
		return result_ok();
	if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
		Result result = fetch_error(read->partitions, read->position, message);
		rd_kafka_message_destroy(message);
		return result;
	}
	if (read->count == 0) /* one report for each kafka_read is enough */
		probe_answered(read->partitions->probe, clock_monotonic_us());
	TRY(gap_check(read, &message));
	if (!message)
		return result_ok();
	partition->next = message->offset + 1;
	*more = message_visit(read, message);
	return result_ok();
}

/*
 * How long to wait for a record now: until until_us or, if it is earlier, until the deadline of the connection; at most
 * FETCH_STEP_MS, because another thread may set that deadline during the wait. 0: no time is left.
 */
static int fetch_left_ms(const KafkaConnection *connection, int64_t until_us)
{
	int64_t left_ms = clock_left_ms(until_us);
	return kafka_left_ms(connection, left_ms < FETCH_STEP_MS ? left_ms : FETCH_STEP_MS);
}

/* Waits for the first record if it is known to exist; then takes the records that have been fetched already, without waiting. */
static Result partition_read(Read *read, size_t max)
{
	bool more = true, exists = read->position.from < atomic_load(&read->partition->end);
	int64_t until_us = clock_monotonic_us() + FETCH_MS * 1000;
	while (read->count < max && (more || (exists && read->count == 0))) {
		bool waits = read->count == 0 && exists;
		int left_ms = waits ? fetch_left_ms(read->partitions->connection, until_us) : 0;
		if (waits && left_ms == 0)
			return result_fail(ERROR_AGAIN, "%s/%u cannot be read: Kafka delivers no record in time",
					   topic_name(read->partitions, read->position.topic), read->position.partition);
		Result result = message_read(read, left_ms, &more);
		if (result_failed(result))
			return read->count > 0 ? result_ok() : result;
	}
	return result_ok();
}

static Result position_read(Read *read, size_t max)
{
	KafkaPartition *partition = read->partition;
	rd_kafka_message_t *kept = partition->kept;
	if (kept && kept->offset == read->position.from) {
		partition->kept = NULL;
		if (!message_visit(read, kept) || read->count == max)
			return result_ok();
	}
	TRY(partition_seek(read->partitions, partition, read->position));
	return partition_read(read, max);
}

Result kafka_read(BusReader *base, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		  int64_t *next)
{
	(void)want_bodies; /* Kafka sends bodies in any case */
	KafkaReader *reader = (KafkaReader *)base;
	KafkaPartition *partition = partition_of(reader->partitions, position.topic, position.partition);
	*next = position.from;
	if (max == 0)
		return result_ok();
	if (position.from < atomic_load(&partition->first))
		return not_kept(reader->partitions, position);
	Read read = { .partitions = reader->partitions, .partition = partition, .position = position, .visit = visit,
		      .context = context };
	buffer_init(&read.headers, HEADERS_BYTES);
	pthread_mutex_lock(&partition->reading);
	partition_watch(partition, reader);
	Result result = position_read(&read, max);
	pthread_mutex_unlock(&partition->reading);
	*next = read.position.from;
	buffer_release(&read.headers);
	return result;
}

/* Skips partitions that another reader is reading, and positions whose record is kept. */
void kafka_fetch(BusReader *base, const BusPosition *positions, size_t count)
{
	KafkaPartitions *partitions = ((KafkaReader *)base)->partitions;
	for (size_t i = 0; i < count; i++) {
		KafkaPartition *partition = partition_of(partitions, positions[i].topic, positions[i].partition);
		if (pthread_mutex_trylock(&partition->reading) != 0)
			continue;
		if (!partition->kept || partition->kept->offset != positions[i].from)
			result_ignore(partition_seek(partitions, partition, positions[i])); /* kafka_read reports the failure */
		pthread_mutex_unlock(&partition->reading);
	}
}

/* ---- waiting */

/*
 * True when a record at the position is known. False: the partition is being fetched from the position, another reader is reading
 * the partition, or the fetch failed.
 */
static bool position_look(KafkaReader *reader, BusPosition position)
{
	KafkaPartitions *partitions = reader->partitions;
	KafkaPartition *partition = partition_of(partitions, position.topic, position.partition);
	partition_watch(partition, reader);
	if (position.from < atomic_load(&partition->end))
		return true;
	if (pthread_mutex_trylock(&partition->reading) != 0)
		return false; /* the thread that holds `reading` raises `end` */
	if (!result_failed(partition_seek(partitions, partition, position)))
		partition->pending = partition_take(partition, 0);
	if (partition->pending && partition->pending->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		partition_end_raise(partition, partition->pending->offset + 1);
		partition_notify(partition, reader);
	} else if (partition->pending) {
		/*
		 * fetch_error stops the fetching. The caller's next kafka_read fetches again, and reports the failure if it
		 * persists.
		 */
		result_ignore(fetch_error(partitions, position, partition->pending));
		message_drop(&partition->pending);
	}
	pthread_mutex_unlock(&partition->reading);
	return position.from < atomic_load(&partition->end);
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

void kafka_wait(BusReader *base, const BusPosition *positions, size_t count, int wait_ms)
{
	KafkaReader *reader = (KafkaReader *)base;
	bool available = false;
	for (size_t i = 0; i < count; i++)
		available |= position_look(reader, positions[i]);
	sleep_until_woken(reader, available ? 0 : wait_ms);
}

void kafka_wake(BusReader *base)
{
	reader_wake((KafkaReader *)base);
}

/* ---- readers */

Result kafka_reader_open(KafkaPartitions *partitions, Bus *bus, BusReader **out)
{
	KafkaReader *reader = calloc(1, sizeof *reader);
	pthread_condattr_t attributes;
	must(reader);
	reader->reader.bus = bus;
	reader->partitions = partitions;
	pthread_mutex_init(&reader->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&reader->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	size_t i = 0;
	pthread_mutex_lock(&partitions->mutex);
	while (i < KAFKA_READERS_MAX && partitions->readers[i])
		i++;
	if (i < KAFKA_READERS_MAX)
		partitions->readers[i] = reader;
	pthread_mutex_unlock(&partitions->mutex);
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
	KafkaPartitions *partitions = reader->partitions;
	for (size_t i = 0; i < partitions->connection->options.topic_count * BUS_PARTITIONS_MAX; i++)
		partition_unwatch(&partitions->list[i], reader);
	pthread_mutex_lock(&partitions->mutex);
	for (size_t i = 0; i < KAFKA_READERS_MAX; i++)
		if (partitions->readers[i] == reader)
			partitions->readers[i] = NULL;
	pthread_mutex_unlock(&partitions->mutex);
	pthread_cond_destroy(&reader->changed);
	pthread_mutex_destroy(&reader->mutex);
	free(reader);
}

void partitions_wake_readers(KafkaPartitions *partitions)
{
	pthread_mutex_lock(&partitions->mutex);
	for (size_t i = 0; i < KAFKA_READERS_MAX; i++)
		if (partitions->readers[i])
			reader_wake(partitions->readers[i]);
	pthread_mutex_unlock(&partitions->mutex);
}
