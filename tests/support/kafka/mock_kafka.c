/*
 * Kafka in memory, for machines without Java: a process that runs librdkafka's mock cluster with Tocsin's topics. Run as
 *
 *   mock_kafka FILE [BROKERS]
 *
 * The process writes the cluster's address to FILE atomically. It ends at the end of its stdin, or by SIGTERM. It reads commands
 * from stdin and answers each on stdout with "ok" or an error. N is the number of a broker, from 1 on; 0 means all brokers:
 *
 *   down N              broker N refuses connections
 *   up N                broker N accepts connections again
 *   rtt N MS            answers of broker N are delayed by MS
 *   error KEY CODE COUNT   the next COUNT (1 to 1000) requests of kind KEY (0 Produce, 1 Fetch, …) get error CODE
 */
#include "shared/base/error.h"
#include "shared/domain/topics.h"
#include "shared/io/system/files.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BROKERS_MAX = 9, ERRORS_MAX = 1000, LINE_SIZE = 128 };

typedef rd_kafka_mock_cluster_t Cluster;

/* ---- commands. Each returns false if an argument is out of range */

static int32_t broker_of(int number)
{
	return number == 0 ? -1 : number;
}

static bool down(Cluster *cluster, const int *number)
{
	return rd_kafka_mock_broker_set_down(cluster, broker_of(number[0])) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool up(Cluster *cluster, const int *number)
{
	return rd_kafka_mock_broker_set_up(cluster, broker_of(number[0])) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool slow(Cluster *cluster, const int *number)
{
	return rd_kafka_mock_broker_set_rtt(cluster, broker_of(number[0]), number[1]) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool fail(Cluster *cluster, const int *number)
{
	rd_kafka_resp_err_t errors[ERRORS_MAX];
	if (number[2] < 1 || number[2] > ERRORS_MAX)
		return false;
	for (int i = 0; i < number[2]; i++)
		errors[i] = (rd_kafka_resp_err_t)number[1];
	rd_kafka_mock_push_request_errors_array(cluster, (int16_t)number[0], (size_t)number[2], errors);
	return true;
}

static const struct {
	const char *word;
	int numbers;
	bool (*run)(Cluster *cluster, const int *number);
} commands[] = { { "down", 1, down }, { "up", 1, up }, { "rtt", 2, slow }, { "error", 3, fail } };

static int numbers_take(const char *text, int number[static 3])
{
	return sscanf(text, "%d %d %d", &number[0], &number[1], &number[2]);
}

static const char *command_run(Cluster *cluster, const char *line)
{
	size_t size = strcspn(line, " \n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		int number[3];
		if (strlen(commands[i].word) != size || memcmp(commands[i].word, line, size) != 0)
			continue;
		if (numbers_take(line + size, number) != commands[i].numbers)
			return "wrong: this command needs another number of arguments";
		return commands[i].run(cluster, number) ? "ok" : "wrong: the broker or a number does not exist";
	}
	return "wrong: the commands are down N, up N, rtt N MS and error KEY CODE COUNT";
}

/* ---- process ----------------------------------------------------------------------------------------------------- */

static Cluster *cluster_make(int brokers)
{
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, NULL);
	rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	must(handle != NULL);
	Cluster *cluster = rd_kafka_mock_cluster_new(handle, brokers);
	must(cluster != NULL);
	return cluster;
}

static int partitions_wanted(void)
{
	const char *text = getenv("TOCSIN_KAFKA_PARTITIONS");
	int64_t count = 12;
	return text == NULL || slice_integer(slice_of(text), &count) ? (int)count : 0;
}

static void topics_make(Cluster *cluster, int partitions, int brokers)
{
	for (unsigned i = 0; i < TOPICS; i++)
		must(rd_kafka_mock_topic_create(cluster, topics[i].name, topics[i].slotted ? partitions : 1,
						brokers < 3 ? brokers : 3) == RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void end(int number)
{
	(void)number;
	_exit(0);
}

static void serve(Cluster *cluster)
{
	char line[LINE_SIZE];
	while (fgets(line, sizeof line, stdin) != NULL) {
		puts(command_run(cluster, line));
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int brokers = argc > 2 ? atoi(argv[2]) : 1, partitions = partitions_wanted();
	if (argc < 2 || brokers < 1 || brokers > BROKERS_MAX || partitions < 1) {
		fprintf(stderr, "usage: mock_kafka FILE [BROKERS], with TOCSIN_KAFKA_PARTITIONS of at least 1\n");
		return 2;
	}
	signal(SIGTERM, end);
	Cluster *cluster = cluster_make(brokers);
	topics_make(cluster, partitions, brokers);
	Result written = file_write(argv[1], slice_of(rd_kafka_mock_cluster_bootstraps(cluster)), 0644);
	if (result_failed(written)) {
		fprintf(stderr, "mock_kafka: %s\n", written.text);
		return 3;
	}
	fprintf(stderr,
		"mock_kafka: at %s, in memory: keeps nothing past its end and at most 5 MiB a partition; has no retention, "
		"trimming, fencing or administration\n",
		rd_kafka_mock_cluster_bootstraps(cluster));
	serve(cluster);
	return 0;
}
