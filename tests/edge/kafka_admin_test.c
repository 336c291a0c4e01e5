/* The Kafka admin client, on a real Kafka (tools/with-outside.sh). Failures are tested on a closed port and on a mock cluster. */
#include "shared/io/kafka/admin.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { LEDGER, STREAM, TABLE, COUNT, WAIT_MS = 20000, NAME_SIZE = 64 };

/* Each test has its own topic names, because all tests share a broker. */
typedef struct {
	char name[COUNT][NAME_SIZE];
	KafkaTopic list[COUNT];
	KafkaTopics wanted;
	KafkaFound found;
	KafkaDifferences differences;
	unsigned done;
	KafkaAdmin *admin;
} Fixture;

static const char *brokers(void)
{
	const char *address = getenv("TOCSIN_TEST_KAFKA_BROKERS");
	return address != NULL && address[0] != '\0' ? address : NULL;
}

static void topics_name(Fixture *fixture)
{
	static const char *const last[COUNT] = { "ledger", "stream", "table" };
	static const KafkaTopic shape[COUNT] = { { .partitions = 3, .keep = KAFKA_KEEP_ALL },
						 { .partitions = 3, .keep = KAFKA_KEEP_FOR, .retention_ms = 86400000 },
						 { .partitions = 1, .keep = KAFKA_KEEP_LAST } };
	static unsigned number;
	number++;
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(fixture->name[i], NAME_SIZE, "admin-%ld-%ld-%u.%s", (long)time(NULL), (long)getpid(), number,
			 last[i]);
		fixture->list[i] = shape[i];
		fixture->list[i].name = fixture->name[i];
	}
	fixture->wanted = (KafkaTopics){ fixture->list, COUNT, 1 };
}

static int setup(void **state)
{
	Fixture *fixture = calloc(1, sizeof *fixture);
	assert_non_null(fixture);
	topics_name(fixture);
	if (brokers() != NULL)
		assert_int_equal(kafka_admin_open(brokers(), NULL, "tocsin-test", &fixture->admin).kind, ERROR_NONE);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	Fixture *fixture = *state;
	if (fixture->admin != NULL)
		kafka_admin_close(fixture->admin);
	free(fixture);
	return 0;
}

/* The fixture of the test; skips the test if there is no broker. */
static Fixture *broker_needed(void **state)
{
	if (brokers() == NULL)
		skip();
	return *state;
}

static void count_done(void *context, const KafkaDifference *difference)
{
	(void)difference;
	((Fixture *)context)->done++;
}

static void look(Fixture *fixture)
{
	Result result = kafka_admin_read(fixture->admin, &fixture->wanted, WAIT_MS, &fixture->found);
	assert_string_equal(result.text, "");
	kafka_topics_compare(&fixture->wanted, fixture->found.topics, &fixture->differences);
}

static Result repair(Fixture *fixture)
{
	return kafka_admin_repair(fixture->admin, &fixture->wanted, &fixture->found, &fixture->differences, count_done,
				  fixture);
}

/* Waits until `count` settings differ, because brokers show changes after a short delay. */
static void await_difference_count(Fixture *fixture, size_t count)
{
	time_t until = time(NULL) + WAIT_MS / 1000;
	do
		look(fixture);
	while (fixture->differences.count != count && time(NULL) < until);
	assert_int_equal(fixture->differences.count, count);
}

static void make_topics(Fixture *fixture)
{
	look(fixture);
	assert_string_equal(repair(fixture).text, "");
	await_difference_count(fixture, 0);
}

/* ---- another client, which uses librdkafka directly */

typedef struct {
	rd_kafka_t *handle;
	rd_kafka_queue_t *queue;
	rd_kafka_ConfigResource_t *topic;
	rd_kafka_event_t *answer;
} OtherClient;

static OtherClient client_open(const char *topic)
{
	char reason[128];
	OtherClient client = { .topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic) };
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers(), reason, sizeof reason),
			 RD_KAFKA_CONF_OK);
	client.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	assert_non_null(client.handle);
	client.queue = rd_kafka_queue_new(client.handle);
	return client;
}

static void client_await(OtherClient *client)
{
	client->answer = rd_kafka_queue_poll(client->queue, WAIT_MS);
	assert_non_null(client->answer);
	assert_int_equal(rd_kafka_event_error(client->answer), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void client_close(OtherClient *client)
{
	rd_kafka_event_destroy(client->answer);
	rd_kafka_ConfigResource_destroy(client->topic);
	rd_kafka_queue_destroy(client->queue);
	rd_kafka_destroy(client->handle);
}

/* Sets `name` and segment.bytes. AlterConfigs replaces all settings, so the topic's other settings get the broker's defaults. */
static void alter(const char *topic, const char *name, const char *value)
{
	OtherClient client = client_open(topic);
	rd_kafka_ConfigResource_set_config(client.topic, name, value);
	rd_kafka_ConfigResource_set_config(client.topic, "segment.bytes", "7654321");
	rd_kafka_AlterConfigs(client.handle, &client.topic, 1, NULL, client.queue);
	client_await(&client);
	client_close(&client);
}

static void assert_set(const char *topic, const char *name, const char *expected)
{
	const char *value = NULL;
	size_t count;
	OtherClient client = client_open(topic);
	rd_kafka_DescribeConfigs(client.handle, &client.topic, 1, NULL, client.queue);
	client_await(&client);
	const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(client.answer);
	const rd_kafka_ConfigResource_t *resource = rd_kafka_DescribeConfigs_result_resources(result, &count)[0];
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			value = rd_kafka_ConfigEntry_value(entries[i]);
	assert_non_null(value);
	assert_string_equal(value, expected);
	client_close(&client);
}

/* ---- a real broker */

static void missing_topics_are_created_and_then_nothing_differs(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	assert_int_equal(fixture->differences.count, COUNT);
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, COUNT);
	await_difference_count(fixture, 0);
	assert_true(fixture->found.brokers >= 1);
	assert_string_equal(fixture->found.unseen, "");
	assert_int_equal(fixture->found.topics[LEDGER].partitions, 3);
	assert_int_equal(fixture->found.topics[TABLE].partitions, 1);
}

static void repairing_without_differences_does_nothing(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	fixture->done = 0;
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 0);
}

static void a_topic_that_another_process_created_first_is_not_an_error(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, COUNT);
	/* According to the differences, which were read before, the topics are still missing. */
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, COUNT);
}

typedef struct {
	const Fixture *shared;
	Fixture own;
	Result result;
} Rival;

static void *rival_run(void *context)
{
	Rival *rival = context;
	Fixture *own = &rival->own;
	own->wanted = rival->shared->wanted;
	rival->result = kafka_admin_open(brokers(), NULL, "tocsin-rival", &own->admin);
	if (result_failed(rival->result))
		return NULL;
	rival->result = kafka_admin_read(own->admin, &own->wanted, WAIT_MS, &own->found);
	if (!result_failed(rival->result)) {
		kafka_topics_compare(&own->wanted, own->found.topics, &own->differences);
		rival->result = repair(own);
	}
	kafka_admin_close(own->admin);
	return NULL;
}

static void of_concurrent_repairs_one_creates_each_topic(void **state)
{
	enum { RIVALS = 4 };
	Fixture *fixture = broker_needed(state);
	static Rival rivals[RIVALS];
	pthread_t threads[RIVALS];
	unsigned done = 0;
	for (unsigned i = 0; i < RIVALS; i++) {
		rivals[i] = (Rival){ .shared = fixture };
		assert_int_equal(pthread_create(&threads[i], NULL, rival_run, &rivals[i]), 0);
	}
	for (unsigned i = 0; i < RIVALS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_string_equal(rivals[i].result.text, "");
		done += rivals[i].own.done;
	}
	assert_int_equal(done, COUNT);
	await_difference_count(fixture, 0);
}

static void changed_settings_are_restored_and_those_of_others_stay(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	alter(fixture->name[STREAM], "retention.ms", "1000");
	/* The retention; timestamps and largest batch, which alter reset to the defaults. */
	await_difference_count(fixture, 3);
	fixture->done = 0;
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 3);
	await_difference_count(fixture, 0);
	assert_set(fixture->name[STREAM], "segment.bytes", "7654321");
}

static void a_compacted_ledger_is_fatal_and_is_repaired(void **state)
{
	Fixture *fixture = broker_needed(state);
	unsigned fatal = 0;
	make_topics(fixture);
	alter(fixture->name[LEDGER], "cleanup.policy", "compact,delete");
	await_difference_count(fixture, 3); /* the cleanup policy; retention and largest batch, which alter reset to the defaults */
	for (size_t i = 0; i < fixture->differences.count; i++)
		fatal += fixture->differences.list[i].fatal;
	assert_int_equal(fatal, 1);
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	await_difference_count(fixture, 0);
}

static void another_number_of_partitions_is_reported_and_left_alone(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	fixture->list[STREAM].partitions = 5;
	fixture->done = 0;
	look(fixture);
	assert_int_equal(fixture->differences.count, 1);
	assert_int_equal(fixture->differences.list[0].kind, KAFKA_PARTITIONS);
	assert_int_equal(repair(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 0);
	look(fixture);
	assert_int_equal(fixture->found.topics[STREAM].partitions, 3);
}

static void more_copies_than_brokers_are_refused_before_anything_is_created(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	fixture->wanted.replicas = fixture->found.brokers + 1;
	Result result = repair(fixture);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "set TOCSIN_KAFKA_REPLICAS="));
	look(fixture);
	assert_int_equal(fixture->differences.count, COUNT);
}

/* Other fault tests rely on a killed broker that restarts on its port with all its data. */
static void topics_survive_a_killed_broker(void **state)
{
	Fixture *fixture = broker_needed(state);
	if (getenv("TOCSIN_TEST_OUTSIDE") == NULL)
		skip();
	make_topics(fixture);
	assert_int_equal(system("tools/outside.sh kill kafka \"$TOCSIN_TEST_OUTSIDE\""), 0);
	assert_int_equal(kafka_admin_read(fixture->admin, &fixture->wanted, 0, &fixture->found).kind, ERROR_AGAIN);
	assert_int_equal(system("tools/outside.sh start kafka \"$TOCSIN_TEST_OUTSIDE\" >/dev/null"), 0);
	await_difference_count(fixture, 0);
}

/* ---- without a broker */

static void an_unreachable_broker_is_reported_with_the_reason(void **state)
{
	Fixture *fixture = *state;
	KafkaAdmin *admin;
	assert_int_equal(kafka_admin_open("127.0.0.1:1", NULL, "tocsin-test", &admin).kind, ERROR_NONE);
	Result result = kafka_admin_read(admin, &fixture->wanted, 0, &fixture->found);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, "Kafka does not answer: "));
	assert_non_null(strstr(result.text, "127.0.0.1:1"));
	assert_non_null(strstr(result.text, "Connection refused"));
	kafka_admin_close(admin);
}

static void an_option_that_librdkafka_refuses_is_an_input_error(void **state)
{
	KafkaAdmin *admin;
	(void)state;
	assert_int_equal(kafka_admin_open("127.0.0.1:1", "no.such.option=1", "tocsin-test", &admin).kind, ERROR_INPUT);
}

static void a_mock_cluster_has_topics_but_no_administration(void **state)
{
	Fixture *fixture = *state;
	char reason[128];
	rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
	rd_kafka_mock_cluster_t *mock = rd_kafka_mock_cluster_new(host, 1);
	KafkaAdmin *admin;
	rd_kafka_mock_topic_create(mock, fixture->name[LEDGER], 3, 1);
	assert_int_equal(kafka_admin_open(rd_kafka_mock_cluster_bootstraps(mock), NULL, "tocsin-test", &admin).kind,
			 ERROR_NONE);
	assert_int_equal(kafka_admin_read(admin, &fixture->wanted, WAIT_MS, &fixture->found).kind, ERROR_NONE);
	assert_string_equal(fixture->found.unseen, "this cluster does not support administration: is it a mock?");
	assert_true(fixture->found.topics[LEDGER].there);
	assert_false(fixture->found.topics[LEDGER].settings_known);
	kafka_topics_compare(&fixture->wanted, fixture->found.topics, &fixture->differences);
	/* The topics that were missing when they were read are still missing: reading created none. */
	assert_int_equal(fixture->differences.count, COUNT - 1);
	Result result =
		kafka_admin_repair(admin, &fixture->wanted, &fixture->found, &fixture->differences, count_done, fixture);
	assert_int_equal(result.kind, ERROR_INTERNAL);
	kafka_admin_close(admin);
	rd_kafka_mock_cluster_destroy(mock);
	rd_kafka_destroy(host);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_topics_are_created_and_then_nothing_differs),
		TEST(repairing_without_differences_does_nothing),
		TEST(a_topic_that_another_process_created_first_is_not_an_error),
		TEST(of_concurrent_repairs_one_creates_each_topic),
		TEST(changed_settings_are_restored_and_those_of_others_stay),
		TEST(a_compacted_ledger_is_fatal_and_is_repaired),
		TEST(another_number_of_partitions_is_reported_and_left_alone),
		TEST(more_copies_than_brokers_are_refused_before_anything_is_created),
		TEST(topics_survive_a_killed_broker),
		TEST(an_unreachable_broker_is_reported_with_the_reason),
		TEST(an_option_that_librdkafka_refuses_is_an_input_error),
		TEST(a_mock_cluster_has_topics_but_no_administration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
