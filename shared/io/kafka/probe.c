#include "shared/io/kafka/probe.h"

#include "shared/io/system/clock.h"

enum { INTERVAL_MS = 3000, ANSWER_MS = 2000, SLEEP_MS = 100, SILENT_US = 15000000 };

static void ask(KafkaProbe *probe)
{
	const rd_kafka_metadata_t *metadata;
	if (rd_kafka_metadata(probe->handle, 0, NULL, &metadata, kafka_left_ms(probe->connection, ANSWER_MS)) !=
	    RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_metadata_destroy(metadata);
	probe_answered(probe, clock_monotonic_us());
}

static void *probe_run(void *context)
{
	KafkaProbe *probe = context;
	int64_t due_us = 0;
	while (!atomic_load(&probe->stop)) {
		if (clock_monotonic_us() >= due_us) {
			ask(probe);
			due_us = clock_monotonic_us() + INTERVAL_MS * 1000;
		}
		clock_sleep_ms(SLEEP_MS);
	}
	return NULL;
}

void probe_answered(KafkaProbe *probe, int64_t now_us)
{
	kafka_raise(&probe->answered_us, now_us);
}

Result probe_health(const KafkaProbe *probe, int64_t now_us)
{
	int64_t silent_us = now_us - atomic_load(&probe->answered_us);
	return silent_us < SILENT_US ? result_ok() :
				       result_fail(ERROR_AGAIN, "Kafka at %s has answered nothing for %lld s",
						   probe->connection->options.brokers, (long long)(silent_us / 1000000));
}

Result probe_open(KafkaProbe *probe, const KafkaConnection *connection, rd_kafka_t *handle)
{
	probe->connection = connection;
	probe->handle = handle;
	probe_answered(probe, clock_monotonic_us()); /* the bus has just read the topics */
	probe->started = pthread_create(&probe->thread, NULL, probe_run, probe) == 0;
	return probe->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started: raise the limit of threads (ulimit -u, or the pids limit of the container)");
}

void probe_close(KafkaProbe *probe)
{
	atomic_store(&probe->stop, true);
	if (probe->started)
		pthread_join(probe->thread, NULL);
}
