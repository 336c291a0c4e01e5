#include "shared/io/kafka/producer.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"
#include "shared/io/system/metrics.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 100, STALL_US = 2000000, METADATA_MS = 500, FLUSH_MS = 10000, QUIET_US = 5000000 };

typedef struct {
	KafkaPartition *partition;
	BusDone done;
	void *context;
	int64_t begun_us;
	bool background;
} Append;

/* ---- silence. All accesses are sequentially consistent, so that an idle producer is never reported as silent. */

/*
 * progress_us is stored before inflight is raised. producer_silence_us reads inflight first, so it never combines a new append with
 * an old time.
 */
void producer_append_begun(KafkaProducer *producer, int64_t now_us)
{
	if (atomic_load(&producer->inflight) == 0)
		kafka_raise(&producer->progress_us, now_us);
	atomic_fetch_add(&producer->inflight, 1);
}

void producer_append_ended(KafkaProducer *producer, int64_t acknowledged_us)
{
	kafka_raise(&producer->progress_us, acknowledged_us);
	atomic_fetch_sub(&producer->inflight, 1);
}

int64_t producer_silence_us(const KafkaProducer *producer, int64_t now_us)
{
	return atomic_load(&producer->inflight) == 0 ? 0 : now_us - atomic_load(&producer->progress_us);
}

/* ---- the handle and its reports */

/* Logs at most one line in QUIET_US for all topics and reasons together: an outage fails thousands of appends. */
static void failure_log(KafkaProducer *producer, const rd_kafka_message_t *message)
{
	if (!log_due(&producer->quiet_until_us, QUIET_US))
		return;
	log_line(LOG_WARN, producer->connection->options.client, "append-failed",
		 L_STRING("topic", rd_kafka_topic_name(message->rkt)), L_INTEGER("partition", message->partition),
		 L_STRING("detail", rd_kafka_err2str(message->err)));
}

static void delivery_reported(rd_kafka_t *handle, const rd_kafka_message_t *message, void *context)
{
	(void)handle;
	KafkaProducer *producer = context;
	Append *append = message->_private;
	bool failed = message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
	int64_t now_us = clock_monotonic_us();
	if (failed) {
		failure_log(producer, message);
	} else {
		atomic_store(&producer->down, false);
		probe_answered(producer->probe, now_us);
		metric_add(METRIC_BUS_APPENDED, NULL, NULL, 1);
		metric_observe_us(METRIC_BUS_COMMIT_SECONDS, NULL, NULL, now_us - append->begun_us);
		if (message->offset >= 0)
			partition_end_raise(append->partition, message->offset + 1);
	}
	if (!append->background)
		producer_append_ended(producer, failed ? 0 : now_us);
	if (append->done)
		append->done(append->context, failed, failed ? -1 : message->offset);
	free(append);
}

static void error_reported(rd_kafka_t *handle, int code, const char *reason, void *context)
{
	(void)handle;
	KafkaProducer *producer = context;
	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		log_line(LOG_ERROR, producer->connection->options.client, "producer-fatal", L_STRING("detail", reason));
		atomic_store(&producer->fatal, true);
	}
	if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !atomic_exchange(&producer->down, true))
		atomic_store(&producer->down_since_us, clock_monotonic_us());
}

static Result handle_make(KafkaProducer *producer, rd_kafka_t **out)
{
	char timeout_ms[24], size[24];
	snprintf(timeout_ms, sizeof timeout_ms, "%lld", (long long)producer->connection->options.message_timeout_ms);
	snprintf(size, sizeof size, "%d", KAFKA_RECORD_MAX);
	const KafkaSetting settings[] = {
		{ "acks", "all" },
		{ "enable.idempotence", "true" },
		{ "linger.ms", "0.5" }, /* measured: 10 % more throughput than with 1 ms for 64 senders, the same for 256 */
		{ "compression.codec", "lz4" },
		{ "message.timeout.ms", timeout_ms },
		{ "message.max.bytes", size },
		{ "queue.buffering.max.messages", "50000" },
		{ "queue.buffering.max.kbytes", "131072" },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_handle_conf(producer->connection, settings, sizeof settings / sizeof settings[0], &conf));
	rd_kafka_conf_set_opaque(conf, producer);
	rd_kafka_conf_set_dr_msg_cb(conf, delivery_reported);
	rd_kafka_conf_set_error_cb(conf, error_reported);
	return kafka_new(RD_KAFKA_PRODUCER, conf, out);
}

/* Flushes in short steps, because the deadline may be set meanwhile. */
static void flush(const KafkaConnection *connection, rd_kafka_t *handle, int64_t wait_ms)
{
	int64_t until_us = clock_monotonic_us() + wait_ms * 1000;
	int step_ms = kafka_left_ms(connection, POLL_MS);
	while (step_ms > 0 && rd_kafka_flush(handle, step_ms) != RD_KAFKA_RESP_ERR_NO_ERROR && clock_monotonic_us() < until_us)
		step_ms = kafka_left_ms(connection, POLL_MS);
}

/* Ends a handle. Appends that are undelivered after wait_ms or at the deadline fail, and are reported before the handle ends. */
static void handle_end(const KafkaConnection *connection, rd_kafka_t *handle, int64_t wait_ms)
{
	flush(connection, handle, wait_ms);
	rd_kafka_purge(handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_flush(handle, kafka_last_ms(connection, FLUSH_MS));
	kafka_handle_end(connection, handle);
}

static void *former_end(void *context)
{
	KafkaProducer *producer = context;
	handle_end(producer->connection, producer->former, FLUSH_MS);
	return NULL;
}

/*
 * Ends a replaced handle in a separate thread, so that delivery reports of the new handle do not wait. First joins the thread that
 * ended the previous handle.
 */
static void former_leave(KafkaProducer *producer, rd_kafka_t *former)
{
	if (producer->former_ending)
		pthread_join(producer->former_thread, NULL);
	producer->former = former;
	producer->former_ending = pthread_create(&producer->former_thread, NULL, former_end, producer) == 0;
	if (!producer->former_ending)
		handle_end(producer->connection, former, FLUSH_MS);
}

static void handle_replace(KafkaProducer *producer)
{
	rd_kafka_t *fresh;
	if (result_failed(handle_make(producer, &fresh)))
		return; /* retried after the next poll */
	pthread_rwlock_wrlock(&producer->swap);
	rd_kafka_t *former = producer->handle;
	producer->handle = fresh;
	atomic_store(&producer->fatal, false);
	pthread_rwlock_unlock(&producer->swap);
	log_line(LOG_WARN, producer->connection->options.client, "producer-replaced",
		 L_INTEGER("under_way", rd_kafka_outq_len(former)));
	metric_add(METRIC_BUS_PRODUCERS_REPLACED, NULL, NULL, 1);
	former_leave(producer, former);
}

/* Detects that the cluster can be reached again, even if nothing is appended. */
static void down_check(KafkaProducer *producer)
{
	const struct rd_kafka_metadata *metadata;
	if (rd_kafka_metadata(producer->handle, 0, NULL, &metadata, METADATA_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_metadata_destroy(metadata);
	atomic_store(&producer->down, false);
}

static void *producer_run(void *context)
{
	KafkaProducer *producer = context;
	while (!atomic_load(&producer->stop)) {
		rd_kafka_poll(producer->handle, POLL_MS);
		if (atomic_load(&producer->fatal))
			handle_replace(producer);
		if (atomic_load(&producer->down))
			down_check(producer);
	}
	return NULL;
}

Result producer_open(KafkaProducer *producer, const KafkaConnection *connection, KafkaPartitions *partitions, KafkaProbe *probe)
{
	producer->connection = connection;
	producer->partitions = partitions;
	producer->probe = probe;
	must(pthread_rwlock_init(&producer->swap, NULL) == 0);
	TRY(handle_make(producer, &producer->handle));
	producer->started = pthread_create(&producer->thread, NULL, producer_run, producer) == 0;
	return producer->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started: raise the limit of threads (ulimit -u, or the pids limit of the container)");
}

void producer_close(KafkaProducer *producer)
{
	atomic_store(&producer->stop, true);
	if (producer->started)
		pthread_join(producer->thread, NULL);
	if (producer->former_ending)
		pthread_join(producer->former_thread, NULL);
	if (producer->handle)
		handle_end(producer->connection, producer->handle,
			   atomic_load(&producer->down) ? POLL_MS : producer->connection->options.message_timeout_ms);
	pthread_rwlock_destroy(&producer->swap);
}

rd_kafka_t *producer_handle(KafkaProducer *producer)
{
	pthread_rwlock_rdlock(&producer->swap);
	return producer->handle;
}

void producer_handle_return(KafkaProducer *producer)
{
	pthread_rwlock_unlock(&producer->swap);
}

Result producer_health(const KafkaProducer *producer)
{
	int64_t now_us = clock_monotonic_us();
	if (atomic_load(&producer->down))
		return result_fail(ERROR_AGAIN, "Kafka at %s has been unreachable for %lld s", producer->connection->options.brokers,
				   (long long)((now_us - atomic_load(&producer->down_since_us)) / 1000000));
	int64_t silence_us = producer_silence_us(producer, now_us);
	if (silence_us > STALL_US)
		return result_fail(ERROR_AGAIN, "Kafka at %s has acknowledged nothing for %lld s",
				   producer->connection->options.brokers, (long long)(silence_us / 1000000));
	return result_ok();
}

/* ---- appending */

static rd_kafka_headers_t *headers_make(Slice packed)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(16);
	Slice name, value;
	while (header_next(&packed, &name, &value))
		must(rd_kafka_header_add(headers, name.data, (ssize_t)name.size, value.data, (ssize_t)value.size) ==
		     RD_KAFKA_RESP_ERR_NO_ERROR);
	return headers;
}

static Result produce(KafkaProducer *producer, unsigned topic, unsigned partition, const BusRecord *record, Append *append)
{
	rd_kafka_headers_t *headers = headers_make(record->headers);
	rd_kafka_resp_err_t error = rd_kafka_producev(
		producer->handle, RD_KAFKA_V_TOPIC(producer->connection->options.topics[topic].name),
		RD_KAFKA_V_PARTITION((int32_t)partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
		RD_KAFKA_V_KEY(record->key.data, record->key.size),
		RD_KAFKA_V_VALUE((void *)(record->body.data ? record->body.data : ""), record->body.size),
		RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(append), RD_KAFKA_V_END);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		return result_ok();
	rd_kafka_headers_destroy(headers);
	if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return result_fail(ERROR_INPUT, "the record is larger than %d bytes", KAFKA_RECORD_MAX);
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return result_fail(ERROR_AGAIN, "the queue to Kafka is full");
	return result_fail(ERROR_AGAIN, "Kafka does not accept the record: %s", rd_kafka_err2str(error));
}

Result producer_append(KafkaProducer *producer, unsigned topic, unsigned partition, const BusRecord *record, BusDone done,
		       void *context)
{
	if (record->key.size + record->headers.size + record->body.size > BUS_RECORD_MAX)
		return result_fail(ERROR_INPUT, "the record is larger than %d bytes", BUS_RECORD_MAX);
	TRY(producer_health(producer));
	Append *append = malloc(sizeof *append);
	must(append);
	*append = (Append){ .partition = partition_of(producer->partitions, topic, partition), .done = done, .context = context,
			    .begun_us = clock_monotonic_us(),
			    .background = producer->connection->options.topics[topic].background };
	if (!append->background)
		producer_append_begun(producer, append->begun_us);
	pthread_rwlock_rdlock(&producer->swap);
	Result result = produce(producer, topic, partition, record, append);
	pthread_rwlock_unlock(&producer->swap);
	if (result_failed(result)) {
		if (!append->background)
			producer_append_ended(producer, 0);
		free(append);
	}
	return result;
}
