/*
 * Measures the bus on a real Kafka (TOCSIN_TEST_KAFKA_BROKERS): latency and rate of appends, rate of reading, and CPU and
 * memory of an idle process. Uses a stream and a ledger of twelve partitions each, and records of 500 bytes with eight headers.
 */
#include "shared/io/kafka/bus.h"
#include "shared/io/system/clock.h"
#include "tests/support/kafka_cluster.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STREAM, LEDGER, TOPIC_COUNT, PARTITIONS = 12, IN_FLIGHT = 64, LATENCY_COUNT = 100000, FILL_COUNT = 600000, IDLE_MS = 5000,
       BODY_BYTES = 500 };

static Bus *bus;
static char names[TOPIC_COUNT][CLUSTER_NAME];
static BusRecord sample; /* its body is a part of `bodies` */
static char bodies[1 << 20];

/* ---- appends ----------------------------------------------------------------------------------------------------- */

typedef struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t under_way, count;
	int64_t *took_us;
} Load;

typedef struct {
	Load *load;
	int64_t begun_us;
} Sent;

static void load_done(void *context, bool failed, int64_t offset)
{
	Sent *sent = context;
	Load *load = sent->load;
	(void)offset;
	must(!failed);
	pthread_mutex_lock(&load->mutex);
	load->took_us[load->count++] = clock_monotonic_us() - sent->begun_us;
	load->under_way--;
	pthread_cond_signal(&load->changed);
	pthread_mutex_unlock(&load->mutex);
	free(sent);
}

static void load_await(Load *load, size_t under_way)
{
	pthread_mutex_lock(&load->mutex);
	while (load->under_way > under_way)
		pthread_cond_wait(&load->changed, &load->mutex);
	load->under_way++;
	pthread_mutex_unlock(&load->mutex);
}

static int ascending(const void *one, const void *other)
{
	int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
	return (a > b) - (a < b);
}

/* Appends `count` records to the first `partitions` partitions of a topic in turn, with at most `in_flight` appends in progress. */
static void appends(const char *what, unsigned topic, unsigned partitions, size_t count, size_t in_flight)
{
	Load load = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, calloc(count, sizeof(int64_t)) };
	int64_t begun_us = clock_monotonic_us();
	for (size_t i = 0; i < count; i++) {
		load_await(&load, in_flight - 1);
		Sent *sent = malloc(sizeof *sent);
		*sent = (Sent){ &load, clock_monotonic_us() };
		sample.body.data = bodies + i * 1021 % (sizeof bodies - sample.body.size);
		while (result_failed(bus_append(bus, topic, (unsigned)i % partitions, &sample, load_done, sent)))
			clock_sleep_ms(1);
	}
	load_await(&load, 0);
	double seconds = (double)(clock_monotonic_us() - begun_us) / 1e6;
	qsort(load.took_us, count, sizeof *load.took_us, ascending);
	printf("%-34s %8.0f /s   p50 %6.2f ms   p99 %6.2f ms   max %6.1f ms\n", what, (double)count / seconds,
	       (double)load.took_us[count / 2] / 1000, (double)load.took_us[count * 99 / 100] / 1000,
	       (double)load.took_us[count - 1] / 1000);
	free(load.took_us);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool count_one(void *context, const BusRecord *record)
{
	must(record->body.size == sample.body.size);
	++*(size_t *)context;
	return true;
}

static void *partition_read(void *context)
{
	BusPosition place = { STREAM, *(unsigned *)context, 0 };
	BusReader *reader;
	size_t count = 0;
	must(!result_failed(bus->operations->reader_open(bus, &reader)));
	while (place.from < bus->operations->end(bus, place.topic, place.partition)) {
		Result result = bus->operations->read(reader, place, 1000, true, count_one, &count, &place.from);
		must(!result_failed(result));
	}
	bus->operations->reader_close(reader);
	must((int64_t)count == place.from);
	return NULL;
}

static void reading(const char *what, unsigned from, unsigned partitions)
{
	pthread_t threads[PARTITIONS];
	unsigned numbers[PARTITIONS];
	int64_t begun_us = clock_monotonic_us(), count = 0;
	for (unsigned i = 0; i < partitions; i++) {
		numbers[i] = from + i;
		count += bus->operations->end(bus, STREAM, from + i);
		must(pthread_create(&threads[i], NULL, partition_read, &numbers[i]) == 0);
	}
	for (unsigned i = 0; i < partitions; i++)
		pthread_join(threads[i], NULL);
	printf("%-34s %8.0f /s\n", what, (double)count * 1e6 / (double)(clock_monotonic_us() - begun_us));
}

/* ---- idling ----------------------------------------------------------------------------------------------------- */

static void *wait_thread(void *context)
{
	unsigned partition = *(unsigned *)context;
	BusPosition places[TOPIC_COUNT];
	BusReader *reader;
	int64_t until_us = clock_monotonic_us() + IDLE_MS * 1000;
	must(!result_failed(bus->operations->reader_open(bus, &reader)));
	for (unsigned topic = 0; topic < TOPIC_COUNT; topic++)
		places[topic] = (BusPosition){ topic, partition, bus->operations->end(bus, topic, partition) };
	while (clock_monotonic_us() < until_us)
		bus->operations->wait(reader, places, TOPIC_COUNT, 1000);
	bus->operations->reader_close(reader);
	return NULL;
}

static double cpu_seconds(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	must(file && fscanf(file, "%ld %ld", &pages, &resident) == 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void idling(const char *what)
{
	pthread_t threads[PARTITIONS];
	unsigned numbers[PARTITIONS];
	double begun = cpu_seconds();
	for (unsigned i = 0; i < PARTITIONS; i++) {
		numbers[i] = i;
		must(pthread_create(&threads[i], NULL, wait_thread, &numbers[i]) == 0);
	}
	for (unsigned i = 0; i < PARTITIONS; i++)
		pthread_join(threads[i], NULL);
	printf("%-34s %8.2f %% of a core   %ld KiB resident\n", what, (cpu_seconds() - begun) * 1e5 / IDLE_MS, resident_kib());
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void sample_make(void)
{
	static Buffer headers;
	/* Random hexadecimal digits compress as well as ids do. */
	clock_random(bodies, sizeof bodies);
	for (size_t i = 0; i < sizeof bodies; i++)
		bodies[i] = "0123456789abcdef"[bodies[i] & 15];
	buffer_init(&headers, 4096);
	const char *const header_names[] = { "ce_id", "ce_type", "ce_time", "ce_subject", "ce_cause", "ce_epoch", "ce_owner", "ce_seq" };
	for (size_t i = 0; i < sizeof header_names / sizeof header_names[0]; i++)
		header_add(&headers, header_names[i], SLICE("evt_0123456789abcdef"));
	sample = (BusRecord){ .key = SLICE("host-0815"), .headers = buffer_slice(&headers), .body = { bodies, BODY_BYTES } };
}

static void bus_start(const KafkaCluster *cluster)
{
	static BusKafkaTopic topics[TOPIC_COUNT];
	for (unsigned i = 0; i < TOPIC_COUNT; i++)
		topics[i] = (BusKafkaTopic){ .name = names[i], .slotted = true, .stream = i == STREAM };
	BusKafkaOptions options = { .brokers = cluster->brokers, .options = getenv("BENCH_KAFKA_OPTIONS"), .client = "tocsin-bench",
				    .instance = "one", .topics = topics, .topic_count = TOPIC_COUNT, .partitions = PARTITIONS,
				    .message_timeout_ms = 30000 };
	int64_t begun_us = clock_monotonic_us();
	Result result = bus_kafka_open(&options, 10000, NULL, NULL, &bus);
	if (result_failed(result))
		fprintf(stderr, "%s\n", result.text);
	must(!result_failed(result));
	printf("%-34s %8.0f ms\n", "open", (double)(clock_monotonic_us() - begun_us) / 1000);
}

int main(void)
{
	KafkaCluster cluster;
	if (!cluster_real(&cluster)) {
		fputs("set TOCSIN_TEST_KAFKA_BROKERS, or run make bench-kafka\n", stderr);
		return 2;
	}
	sample_make();
	cluster_topic(&cluster, "stream", PARTITIONS, names[STREAM]);
	cluster_topic(&cluster, "ledger", PARTITIONS, names[LEDGER]);
	bus_start(&cluster);
	idling("idle, before the appends");
	appends("first append", LEDGER, 1, 1, 1);
	appends("one after another", LEDGER, PARTITIONS, 1000, 1);
	appends("64 in flight", LEDGER, PARTITIONS, LATENCY_COUNT, IN_FLIGHT);
	appends("20,000 in flight", STREAM, PARTITIONS, FILL_COUNT, 20000);
	bus->operations->close(bus);
	bus_start(&cluster);
	reading("one partition of twelve", 0, 1);
	reading("the other eleven at once", 1, PARTITIONS - 1);
	idling("idle, after reading");
	bus->operations->close(bus);
	cluster_end(&cluster);
	return 0;
}
