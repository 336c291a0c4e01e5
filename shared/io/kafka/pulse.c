/*
 * Whether Kafka answers at all. A broker that stands still (stopped, stuck on its disk, behind a dead link) keeps its connections,
 * and whoever has nothing to append would not notice for a minute. So each process asks for metadata every few seconds. An
 * acknowledged append, records that come and extents that are told say as much, so that a Kafka that is busy with them is not
 * called silent.
 *
 * It is asked by the handle of the ledgers: that one is never replaced, and reads something in every program. One that reads
 * nothing would ask for all topics of the cluster, and always the same broker.
 */
#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"

enum { BEAT_MS = 3000, ANSWER_MS = 2000, TURN_MS = 100, SILENT_US = 15000000 };

static void ask(BusKafka *bus)
{
	const rd_kafka_metadata_t *metadata;
	if (rd_kafka_metadata(bus->ledgers, 0, NULL, &metadata, kafka_left_ms(bus, ANSWER_MS)) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	rd_kafka_metadata_destroy(metadata);
	probe_answered(&bus->pulse, clock_monotonic_us());
}

static void *pulse_run(void *context)
{
	BusKafka *bus = context;
	int64_t due_us = 0;
	while (!atomic_load(&bus->pulse.stop)) {
		if (clock_monotonic_us() >= due_us) {
			ask(bus);
			due_us = clock_monotonic_us() + BEAT_MS * 1000;
		}
		clock_sleep_ms(TURN_MS);
	}
	return NULL;
}

void probe_answered(KafkaProbe *pulse, int64_t now_us)
{
	kafka_raise(&pulse->answered_us, now_us);
}

Result probe_health(const BusKafka *bus, int64_t now_us)
{
	int64_t silent_us = now_us - atomic_load(&bus->pulse.answered_us);
	return silent_us < SILENT_US ? result_ok() :
				       result_fail(ERROR_AGAIN, "Kafka at %s has answered nothing for %lld s", bus->options.brokers,
						   (long long)(silent_us / 1000000));
}

Result probe_open(BusKafka *bus)
{
	probe_answered(&bus->pulse, clock_monotonic_us()); /* it was just asked for its topics */
	bus->pulse.started = pthread_create(&bus->pulse.thread, NULL, pulse_run, bus) == 0;
	return bus->pulse.started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started");
}

void probe_close(BusKafka *bus)
{
	atomic_store(&bus->pulse.stop, true);
	if (bus->pulse.started)
		pthread_join(bus->pulse.thread, NULL);
}
