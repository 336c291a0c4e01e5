/* Against a real Kafka (tools/with-outside.sh); where it must fail, against nobody and a mock cluster. */
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

/* Names of a test's own, since all share a broker. */
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
						 { .partitions = 3, .keep = KAFKA_KEEP_FOR, .keep_ms = 86400000 },
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

/* The test's fixture; without a broker the test is skipped. */
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
	Result result = kafka_admin_look(fixture->admin, &fixture->wanted, WAIT_MS, &fixture->found);
	assert_string_equal(result.text, "");
	kafka_topics_compare(&fixture->wanted, fixture->found.topics, &fixture->differences);
}

static Result mend(Fixture *fixture)
{
	return kafka_admin_repair(fixture->admin, &fixture->wanted, &fixture->found, &fixture->differences, count_done,
				fixture);
}

/* Brokers show what was changed a moment later. */
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
	assert_string_equal(mend(fixture).text, "");
	await_difference_count(fixture, 0);
}

/* ---- somebody else, who uses librdkafka itself */

typedef struct {
	rd_kafka_t *handle;
	rd_kafka_queue_t *queue;
	rd_kafka_ConfigResource_t *topic;
	rd_kafka_event_t *answer;
} Stranger;

static Stranger stranger_come(const char *topic)
{
	char reason[128];
	Stranger stranger = { .topic = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic) };
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", brokers(), reason, sizeof reason),
			 RD_KAFKA_CONF_OK);
	stranger.handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	assert_non_null(stranger.handle);
	stranger.queue = rd_kafka_queue_new(stranger.handle);
	return stranger;
}

static void stranger_await(Stranger *stranger)
{
	stranger->answer = rd_kafka_queue_poll(stranger->queue, WAIT_MS);
	assert_non_null(stranger->answer);
	assert_int_equal(rd_kafka_event_error(stranger->answer), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void stranger_go(Stranger *stranger)
{
	rd_kafka_event_destroy(stranger->answer);
	rd_kafka_ConfigResource_destroy(stranger->topic);
	rd_kafka_queue_destroy(stranger->queue);
	rd_kafka_destroy(stranger->handle);
}

/* Sets this and the size of segments, and by that takes away everything else that was set on the topic. */
static void alter(const char *topic, const char *name, const char *value)
{
	Stranger stranger = stranger_come(topic);
	rd_kafka_ConfigResource_set_config(stranger.topic, name, value);
	rd_kafka_ConfigResource_set_config(stranger.topic, "segment.bytes", "7654321");
	rd_kafka_AlterConfigs(stranger.handle, &stranger.topic, 1, NULL, stranger.queue);
	stranger_await(&stranger);
	stranger_go(&stranger);
}

static void assert_set(const char *topic, const char *name, const char *expected)
{
	const char *value = NULL;
	size_t count;
	Stranger stranger = stranger_come(topic);
	rd_kafka_DescribeConfigs(stranger.handle, &stranger.topic, 1, NULL, stranger.queue);
	stranger_await(&stranger);
	const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(stranger.answer);
	const rd_kafka_ConfigResource_t *resource = rd_kafka_DescribeConfigs_result_resources(result, &count)[0];
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0)
			value = rd_kafka_ConfigEntry_value(entries[i]);
	assert_non_null(value);
	assert_string_equal(value, expected);
	stranger_go(&stranger);
}

/* ---- a real broker */

static void what_is_missing_is_created_and_then_nothing_differs(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	assert_int_equal(fixture->differences.count, COUNT);
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, COUNT);
	await_difference_count(fixture, 0);
	assert_true(fixture->found.brokers >= 1);
	assert_string_equal(fixture->found.unseen, "");
	assert_int_equal(fixture->found.topics[LEDGER].partitions, 3);
	assert_int_equal(fixture->found.topics[TABLE].partitions, 1);
}

static void mending_what_is_whole_does_nothing(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	fixture->done = 0;
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 0);
}

static void another_who_was_quicker_is_no_failure(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, COUNT);
	assert_int_equal(mend(fixture).kind, ERROR_NONE); /* what was looked at says still that they are missing */
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
	rival->result = kafka_admin_look(own->admin, &own->wanted, WAIT_MS, &own->found);
	if (!result_failed(rival->result)) {
		kafka_topics_compare(&own->wanted, own->found.topics, &own->differences);
		rival->result = mend(own);
	}
	kafka_admin_close(own->admin);
	return NULL;
}

static void of_several_at_once_each_topic_is_created_by_one(void **state)
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

static void changed_settings_are_set_back_and_those_of_others_stay(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	alter(fixture->name[STREAM], "retention.ms", "1000");
	/* With all else that was set there gone, too: these have the broker's defaults, which for two are not ours. */
	await_difference_count(fixture, 2);
	fixture->done = 0;
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 2);
	await_difference_count(fixture, 0);
	assert_set(fixture->name[STREAM], "segment.bytes", "7654321");
}

static void a_compacted_ledger_is_fatal_and_is_mended(void **state)
{
	Fixture *fixture = broker_needed(state);
	unsigned fatal = 0;
	make_topics(fixture);
	alter(fixture->name[LEDGER], "cleanup.policy", "compact,delete");
	await_difference_count(fixture, 3); /* with retention and the largest batch, which the same request took away */
	for (size_t i = 0; i < fixture->differences.count; i++)
		fatal += fixture->differences.list[i].fatal;
	assert_int_equal(fatal, 1);
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	await_difference_count(fixture, 0);
}

static void another_number_of_partitions_is_told_and_left_alone(void **state)
{
	Fixture *fixture = broker_needed(state);
	make_topics(fixture);
	fixture->list[STREAM].partitions = 5;
	fixture->done = 0;
	look(fixture);
	assert_int_equal(fixture->differences.count, 1);
	assert_int_equal(fixture->differences.list[0].kind, KAFKA_PARTITIONS);
	assert_int_equal(mend(fixture).kind, ERROR_NONE);
	assert_int_equal(fixture->done, 0);
	look(fixture);
	assert_int_equal(fixture->found.topics[STREAM].partitions, 3);
}

static void more_copies_than_brokers_are_refused_before_anything_is_created(void **state)
{
	Fixture *fixture = broker_needed(state);
	look(fixture);
	fixture->wanted.replicas = fixture->found.brokers + 1;
	Result result = mend(fixture);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_non_null(strstr(result.text, "set TOCSIN_KAFKA_REPLICAS="));
	look(fixture);
	assert_int_equal(fixture->differences.count, COUNT);
}

/* Also what the tests of faults rest upon: a broker that is killed comes back on its port with all it had. */
static void topics_outlive_a_killed_broker(void **state)
{
	Fixture *fixture = broker_needed(state);
	if (getenv("TOCSIN_TEST_OUTSIDE") == NULL)
		skip();
	make_topics(fixture);
	assert_int_equal(system("tools/outside.sh kill kafka \"$TOCSIN_TEST_OUTSIDE\""), 0);
	assert_int_equal(kafka_admin_look(fixture->admin, &fixture->wanted, 0, &fixture->found).kind, ERROR_AGAIN);
	assert_int_equal(system("tools/outside.sh start kafka \"$TOCSIN_TEST_OUTSIDE\" >/dev/null"), 0);
	await_difference_count(fixture, 0);
}

/* ---- none */

static void nobody_there_is_told_with_the_reason(void **state)
{
	Fixture *fixture = *state;
	KafkaAdmin *admin;
	assert_int_equal(kafka_admin_open("127.0.0.1:1", NULL, "tocsin-test", &admin).kind, ERROR_NONE);
	Result result = kafka_admin_look(admin, &fixture->wanted, 0, &fixture->found);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, "Kafka does not answer: "));
	assert_non_null(strstr(result.text, "127.0.0.1:1"));
	assert_non_null(strstr(result.text, "Connection refused"));
	kafka_admin_close(admin);
}

static void an_option_that_librdkafka_refuses_is_a_mistake_of_settings(void **state)
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
	assert_int_equal(kafka_admin_look(admin, &fixture->wanted, WAIT_MS, &fixture->found).kind, ERROR_NONE);
	assert_string_equal(fixture->found.unseen, "this cluster has no administration: a mock?");
	assert_true(fixture->found.topics[LEDGER].there);
	assert_false(fixture->found.topics[LEDGER].settings_known);
	kafka_topics_compare(&fixture->wanted, fixture->found.topics, &fixture->differences);
	assert_int_equal(fixture->differences.count, COUNT - 1); /* looking at topics that are not there created none */
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
		TEST(what_is_missing_is_created_and_then_nothing_differs),
		TEST(mending_what_is_whole_does_nothing),
		TEST(another_who_was_quicker_is_no_failure),
		TEST(of_several_at_once_each_topic_is_created_by_one),
		TEST(changed_settings_are_set_back_and_those_of_others_stay),
		TEST(a_compacted_ledger_is_fatal_and_is_mended),
		TEST(another_number_of_partitions_is_told_and_left_alone),
		TEST(more_copies_than_brokers_are_refused_before_anything_is_created),
		TEST(topics_outlive_a_killed_broker),
		TEST(nobody_there_is_told_with_the_reason),
		TEST(an_option_that_librdkafka_refuses_is_a_mistake_of_settings),
		TEST(a_mock_cluster_has_topics_but_no_administration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
