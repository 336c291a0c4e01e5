#include "shared/io/kafka/connection.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *text_keep(KafkaConnection *connection, size_t index, const char *text)
{
	return text ? (connection->texts[index] = slice_copy(slice_of(text))) : NULL;
}

void kafka_connection_init(KafkaConnection *connection, const BusKafkaOptions *options)
{
	must(options->topic_count <= BUS_TOPICS_MAX && options->partitions <= BUS_PARTITIONS_MAX);
	*connection = (KafkaConnection){ .options = *options };
	connection->options.brokers = text_keep(connection, 0, options->brokers);
	connection->options.options = text_keep(connection, 1, options->options);
	connection->options.client = text_keep(connection, 2, options->client);
	connection->options.instance = text_keep(connection, 3, options->instance);
	connection->options.group = text_keep(connection, 4, options->group);
	atomic_init(&connection->deadline_us, INT64_MAX);
}

void kafka_connection_release(KafkaConnection *connection)
{
	for (size_t i = 0; i < sizeof connection->texts / sizeof connection->texts[0]; i++)
		free(connection->texts[i]);
}

unsigned kafka_partitions(const KafkaConnection *connection, unsigned topic)
{
	return connection->options.topics[topic].slotted ? connection->options.partitions : 1;
}

void kafka_set_deadline(KafkaConnection *connection, int64_t wait_ms)
{
	atomic_store(&connection->deadline_us, clock_monotonic_us() + wait_ms * 1000);
}

int kafka_left_ms(const KafkaConnection *connection, int64_t most_ms)
{
	int64_t left_ms = clock_left_ms(atomic_load(&connection->deadline_us));
	return (int)(left_ms < most_ms ? left_ms : most_ms);
}

int kafka_last_ms(const KafkaConnection *connection, int64_t most_ms)
{
	int left_ms = kafka_left_ms(connection, most_ms);
	return left_ms > KAFKA_LAST_MS ? left_ms : KAFKA_LAST_MS;
}

Result kafka_handle_conf(const KafkaConnection *connection, const KafkaSetting *settings, size_t count, rd_kafka_conf_t **out)
{
	const KafkaAddress address = { .brokers = connection->options.brokers, .options = connection->options.options,
				       .client = connection->options.client };
	return kafka_conf_new(&address, settings, count, out);
}

static void *handle_destroy(void *handle)
{
	rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

void kafka_handle_end(const KafkaConnection *connection, rd_kafka_t *handle)
{
	int wait_ms = kafka_last_ms(connection, KAFKA_CALL_MS);
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

void kafka_raise(_Atomic int64_t *value, int64_t to)
{
	int64_t known = atomic_load(value);
	while (known < to && !atomic_compare_exchange_weak(value, &known, to))
		;
}
