/*
 * Appends. One handle with one polling thread, which calls `done` from delivery reports. A handle that met a fatal error (the
 * idempotent producer of librdkafka 2.0.2 does, after outages) is replaced: what it still held is reported as failed.
 *
 * An append is refused at once while no broker can be reached or nothing was acknowledged for STALL_US: senders are told to
 * come again instead of filling a queue that nobody empties. Whoever was queued before keeps his place until his time is up.
 */
#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 100, STALL_US = 2000000, PROBE_MS = 500, FLUSH_MS = 10000, QUIET_US = 5000000 };

typedef struct {
	KafkaPartition *slot;
	BusDone done;
	void *context;
	int64_t begun_us;
	bool background;
} Append;

/* ---- silence. All sequentially consistent: idleness is never taken for it. */

/* Noted before it is counted in, since who asks looks first whether any is under way. */
void producer_begins(Producer *producer, int64_t now_us)
{
	if (atomic_load(&producer->inflight) == 0)
		kafka_raise(&producer->progress_us, now_us);
	atomic_fetch_add(&producer->inflight, 1);
}

void producer_ends(Producer *producer, int64_t acknowledged_us)
{
	kafka_raise(&producer->progress_us, acknowledged_us);
	atomic_fetch_sub(&producer->inflight, 1);
}

int64_t producer_silence_us(const Producer *producer, int64_t now_us)
{
	return atomic_load(&producer->inflight) == 0 ? 0 : now_us - atomic_load(&producer->progress_us);
}

/* ---- the handle and its reports */

/* One in QUIET_US, whatever its topic and reason: an outage has thousands. */
static void failure_log(BusKafka *bus, const rd_kafka_message_t *message)
{
	if (!log_due(&bus->producer.quiet_until_us, QUIET_US))
		return;
	log_line(LOG_WARN, bus->options.client, "append-failed", L_STRING("topic", rd_kafka_topic_name(message->rkt)),
		 L_INTEGER("partition", message->partition), L_STRING("detail", rd_kafka_err2str(message->err)));
}

static void report_take(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
	(void)handle;
	BusKafka *bus = context;
	Producer *producer = &bus->producer;
	Append *append = message->_private;
	bool failed = message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
	int64_t now_us = clock_monotonic_us();
	if (failed) {
		failure_log(bus, message);
	} else {
		atomic_store(&producer->down, false);
		probe_answered(&bus->pulse, now_us);
		metric_add(METRIC_BUS_APPENDED, NULL, NULL, 1);
		metric_observe_us(METRIC_BUS_COMMIT_SECONDS, NULL, NULL, now_us - append->begun_us);
		if (message->offset >= 0)
			partition_end_raise(append->slot, message->offset + 1);
	}
	if (!append->background)
		producer_ends(producer, failed ? 0 : now_us);
	if (append->done)
		append->done(append->context, failed, failed ? -1 : message->offset);
	free(append);
}

static void error_take(rd_kafka_t *handle, int code, const char *reason, void *context)
{
	(void)handle;
	BusKafka *bus = context;
	Producer *producer = &bus->producer;
	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		log_line(LOG_ERROR, bus->options.client, "producer-fatal", L_STRING("detail", reason));
		atomic_store(&producer->fatal, true);
	}
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !atomic_exchange(&producer->down, true))
		atomic_store(&producer->down_since_us, clock_monotonic_us());
}

static Result handle_make(BusKafka *bus, rd_kafka_t **out)
{
	char timeout_ms[24], size[24];
	snprintf(timeout_ms, sizeof timeout_ms, "%lld", (long long)bus->options.message_timeout_ms);
	snprintf(size, sizeof size, "%d", KAFKA_RECORD_MAX);
	const KafkaSetting settings[] = {
		{ "acks", "all" },
		{ "enable.idempotence", "true" },
		{ "linger.ms", "0.5" }, /* what an event waits for others; 64 senders get a tenth more through than with 1, 256 as much */
		{ "compression.codec", "lz4" },
		{ "message.timeout.ms", timeout_ms },
		{ "message.max.bytes", size },
		{ "queue.buffering.max.messages", "50000" },
		{ "queue.buffering.max.kbytes", "131072" },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_bus_conf(bus, settings, sizeof settings / sizeof settings[0], &conf));
	rd_kafka_conf_set_opaque(conf, bus);
	rd_kafka_conf_set_dr_msg_cb(conf, report_take);
	rd_kafka_conf_set_error_cb(conf, error_take);
	return kafka_new(RD_KAFKA_PRODUCER, conf, out);
}

/* In turns: the bus may be told to hurry meanwhile. */
static void flush(const BusKafka *bus, rd_kafka_t *handle, int64_t wait_ms)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	int turn_ms = kafka_left_ms(bus, POLL_MS);
	while (turn_ms > 0 && rd_kafka_flush(handle, turn_ms) != RD_KAFKA_RESP_ERR_NO_ERROR && clock_monotonic_us() < until_us)
		turn_ms = kafka_left_ms(bus, POLL_MS);
}

/* What it still holds after wait_ms, or when the bus's time is up, fails; all reports come before it goes. */
static void handle_end(const BusKafka *bus, rd_kafka_t *handle, int64_t wait_ms)
{
	flush(bus, handle, wait_ms);
	rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(handle, kafka_last_ms(bus, FLUSH_MS));
	kafka_handle_end(bus, handle);
}

static void *former_end(void *context)
{
	BusKafka *bus = context;
	handle_end(bus, bus->producer.former, FLUSH_MS);
	return NULL;
}

/* Beside the new handle, whose reports do not wait for it; only a second one within its time waits for the first. */
static void former_leave(BusKafka *bus, rd_kafka_t *former)
{
	Producer *producer = &bus->producer;
	if (producer->former_ending)
		pthread_join(producer->former_thread, NULL);
	producer->former = former;
	producer->former_ending = pthread_create(&producer->former_thread, NULL, former_end, bus) == 0;
	if (!producer->former_ending)
		handle_end(bus, former, FLUSH_MS);
}

static void handle_replace(BusKafka *bus)
{
	Producer *producer = &bus->producer;
	rd_kafka_t *fresh;
	if (result_failed(handle_make(bus, &fresh)))
		return; /* tried again at the next turn */
	pthread_rwlock_wrlock(&producer->swap);
	rd_kafka_t *former = producer->handle;
	producer->handle = fresh;
	atomic_store(&producer->fatal, false);
	pthread_rwlock_unlock(&producer->swap);
	log_line(LOG_WARN, bus->options.client, "producer-replaced", L_INTEGER("under_way", rd_kafka_outq_len(former)));
	metric_add(METRIC_BUS_PRODUCERS_REPLACED, NULL, NULL, 1);
	former_leave(bus, former);
}

/* Sees a cluster come back although nothing is appended. */
static void probe(BusKafka *bus)
{
	Producer *producer = &bus->producer;
	const struct rd_kafka_metadata *metadata;
	if (rd_kafka_metadata(producer->handle, 0, NULL, &metadata, PROBE_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_metadata_destroy(metadata);
	atomic_store(&producer->down, false);
}

static void *producer_run(void *context)
{
	BusKafka *bus = context;
	Producer *producer = &bus->producer;
	while (!atomic_load(&producer->stop)) {
		rd_kafka_poll(producer->handle, POLL_MS);
		if (atomic_load(&producer->fatal))
			handle_replace(bus);
		if (atomic_load(&producer->down))
			probe(bus);
	}
	return NULL;
}

Result producer_open(BusKafka *bus)
{
	Producer *producer = &bus->producer;
	must(pthread_rwlock_init(&producer->swap, NULL) == 0);
	TRY(handle_make(bus, &producer->handle));
	producer->started = pthread_create(&producer->thread, NULL, producer_run, bus) == 0;
	return producer->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started");
}

void producer_close(BusKafka *bus)
{
	Producer *producer = &bus->producer;
	atomic_store(&producer->stop, true);
	if (producer->started)
		pthread_join(producer->thread, NULL);
	if (producer->former_ending)
		pthread_join(producer->former_thread, NULL);
	if (producer->handle)
		handle_end(bus, producer->handle, atomic_load(&producer->down) ? POLL_MS : bus->options.message_timeout_ms);
	pthread_rwlock_destroy(&producer->swap);
}

rd_kafka_t *producer_handle(BusKafka *bus)
{
	pthread_rwlock_rdlock(&bus->producer.swap);
	return bus->producer.handle;
}

void producer_handle_return(BusKafka *bus)
{
	pthread_rwlock_unlock(&bus->producer.swap);
}

Result producer_health(Bus *base)
{
	BusKafka *bus = bus_kafka(base);
	Producer *producer = &bus->producer;
	int64_t now_us = clock_monotonic_us();
	if (atomic_load(&producer->down))
		return result_fail(ERROR_AGAIN, "Kafka at %s cannot be reached since %lld s", bus->options.brokers,
				   (long long)((now_us - atomic_load(&producer->down_since_us)) / 1000000));
	int64_t silence_us = producer_silence_us(producer, now_us);
	if (silence_us > STALL_US)
		return result_fail(ERROR_AGAIN, "Kafka at %s has acknowledged nothing for %lld s", bus->options.brokers,
				   (long long)(silence_us / 1000000));
	return result_ok();
}

static Result produce(BusKafka *bus, unsigned topic, unsigned partition, const BusRecord *record, Append *append)
{
	rd_kafka_headers_t *headers = record_headers_make(record->headers);
	rd_kafka_resp_err_t error = rd_kafka_producev(
		bus->producer.handle, RD_KAFKA_V_TOPIC(bus->options.topics[topic].name), RD_KAFKA_V_PARTITION((int32_t)partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record->key.data, record->key.size),
		RD_KAFKA_V_VALUE((void *)(record->body.data ? record->body.data : ""), record->body.size),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(append), RD_KAFKA_V_END);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return result_ok();
	rd_kafka_headers_destroy(headers);
	if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return result_fail(ERROR_INPUT, "the record is larger than %d bytes", KAFKA_RECORD_MAX);
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return result_fail(ERROR_AGAIN, "the queue to Kafka is full");
	return result_fail(ERROR_AGAIN, "Kafka does not take the record: %s", rd_kafka_err2str(error));
}

Result producer_append(Bus *base, unsigned topic, unsigned partition, const BusRecord *record, BusDone done, void *context)
{
	BusKafka *bus = bus_kafka(base);
	Producer *producer = &bus->producer;
	if (record->key.size + record->headers.size + record->body.size > BUS_RECORD_MAX)
		return result_fail(ERROR_INPUT, "the record is larger than %d bytes", BUS_RECORD_MAX);
	TRY(producer_health(base));
	Append *append = malloc(sizeof *append);
	must(append);
	*append = (Append){ .slot = kafka_partition_of(bus, topic, partition), .done = done, .context = context,
			    .begun_us = clock_monotonic_us(), .background = bus->options.topics[topic].background };
	if (!append->background)
		producer_begins(producer, append->begun_us);
	pthread_rwlock_rdlock(&producer->swap);
	Result result = produce(bus, topic, partition, record, append);
	pthread_rwlock_unlock(&producer->swap);
	if (result_failed(result)) {
		if (!append->background)
			producer_ends(producer, 0);
		free(append);
	}
	return result;
}
