#include "shared/io/kafka/topics.h"
#include "shared/program/topic_layout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LEDGER, STREAM, TABLE, COUNT };

static const KafkaTopic list[COUNT] = {
	[LEDGER] = { "t.ledger", 12, KAFKA_KEEP_ALL, 0 },
	[STREAM] = { "t.stream", 12, KAFKA_KEEP_FOR, 7000 },
	[TABLE] = { "t.table", 1, KAFKA_KEEP_LAST, 0 },
};
static const KafkaTopics wanted = { list, COUNT, 3 };

static KafkaTopicFound found[COUNT];
static KafkaDifferences differences;

/* The setup of a test: describes a cluster whose topics are as required. */
static int found_make(void **state)
{
	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		found[i] = (KafkaTopicFound){
			.there = true, .partitions = list[i].partitions, .replicas = 3, .settings_known = true
		};
		for (unsigned setting = 0; setting < KAFKA_SETTINGS; setting++)
			if (!kafka_setting_wanted(&list[i], 3, setting, found[i].setting[setting]))
				strcpy(found[i].setting[setting], "anything");
	}
	return 0;
}

static char *setting(unsigned topic, const char *name)
{
	unsigned i = 0;
	while (strcmp(kafka_setting_names[i], name) != 0)
		i++;
	return found[topic].setting[i];
}

static void compare(void)
{
	kafka_topics_compare(&wanted, found, &differences);
}

static void assert_reported(const char *expected)
{
	Buffer text;
	buffer_init(&text, 1024);
	assert_int_equal(differences.count, 1);
	kafka_difference_describe(&wanted, &differences.list[0], &text);
	assert_string_equal(text.data, expected);
	buffer_release(&text);
}

static void assert_planned(const char *expected)
{
	Buffer text;
	buffer_init(&text, 1024);
	assert_int_equal(differences.count, 1);
	kafka_difference_plan(&wanted, &differences.list[0], &text);
	assert_string_equal(text.data, expected);
	buffer_release(&text);
}

static void topics_as_required_have_no_differences(void **state)
{
	(void)state;
	compare();
	assert_int_equal(differences.count, 0);
}

static void kafka_never_drops_records_of_a_ledger(void **state)
{
	(void)state;
	assert_string_equal(setting(LEDGER, "cleanup.policy"), "delete");
	assert_string_equal(setting(LEDGER, "retention.ms"), "-1");
	assert_string_equal(setting(LEDGER, "retention.bytes"), "-1");
}

static void a_stream_is_dropped_by_age_and_a_table_by_key(void **state)
{
	(void)state;
	assert_string_equal(setting(STREAM, "cleanup.policy"), "delete");
	assert_string_equal(setting(STREAM, "retention.ms"), "7000");
	assert_string_equal(setting(STREAM, "retention.bytes"), "-1");
	assert_string_equal(setting(STREAM, "message.timestamp.type"), "LogAppendTime"); /* a writer's clock does not decide */
	assert_string_equal(setting(TABLE, "cleanup.policy"), "compact");
	assert_string_equal(setting(TABLE, "retention.ms"), "anything");
}

static void three_replicas_require_two_in_sync(void **state)
{
	char value[KAFKA_VALUE_SIZE];
	unsigned in_sync = 0;
	(void)state;
	while (strcmp(kafka_setting_names[in_sync], "min.insync.replicas") != 0)
		in_sync++;
	for (unsigned replicas = 1; replicas <= 5; replicas++) {
		assert_true(kafka_setting_wanted(&list[LEDGER], replicas, in_sync, value));
		assert_string_equal(value, replicas >= 3 ? "2" : "1");
	}
}

static void a_missing_topic_is_created_with_all_its_settings(void **state)
{
	(void)state;
	found[STREAM] = (KafkaTopicFound){ .there = false };
	compare();
	assert_reported("t.stream is missing: tocsin topics apply creates it");
	assert_planned("create t.stream with partitions=12 replicas=3 cleanup.policy=delete retention.ms=7000 "
		       "retention.bytes=-1 "
		       "min.insync.replicas=2 unclean.leader.election.enable=false message.timestamp.type=LogAppendTime "
		       "max.message.bytes=1114112");
	assert_false(differences.list[0].fatal);
}

static void another_retention_is_reported_and_changed(void **state)
{
	(void)state;
	strcpy(setting(LEDGER, "retention.ms"), "604800000");
	compare();
	assert_reported("t.ledger has retention.ms=604800000, not -1");
	assert_planned("change retention.ms of t.ledger from 604800000 to -1");
	assert_false(differences.list[0].fatal);
}

static void compaction_of_a_ledger_is_fatal(void **state)
{
	(void)state;
	strcpy(setting(LEDGER, "cleanup.policy"), "compact,delete");
	compare();
	assert_reported("t.ledger has cleanup.policy=compact,delete, not delete: Kafka drops records that count");
	assert_true(differences.list[0].fatal);
}

static void another_number_of_partitions_is_fatal_and_cannot_be_changed(void **state)
{
	static const char sentence[] =
		"t.ledger has 3 partitions, not 12, and that cannot be changed: set TOCSIN_KAFKA_PARTITIONS, "
		"or export, make new topics and import";
	(void)state;
	found[LEDGER].partitions = 3;
	compare();
	assert_reported(sentence);
	assert_planned(sentence);
	assert_true(differences.list[0].fatal);
}

static void missing_replicas_and_leaders_are_reported(void **state)
{
	(void)state;
	found[TABLE].replicas = 1;
	compare();
	assert_reported("t.table has 1 copies of a partition, not 3: set TOCSIN_KAFKA_REPLICAS, or change it with "
		    "kafka-reassign-partitions.sh");
	assert_false(differences.list[0].fatal);
	found_make(NULL);
	found[STREAM].leaderless = 2;
	compare();
	assert_reported("t.stream has 2 partitions without a leader: brokers are down or starting");
}

static void a_larger_batch_is_accepted_and_a_smaller_one_is_not(void **state)
{
	(void)state;
	strcpy(setting(LEDGER, "max.message.bytes"), "10000000");
	compare();
	assert_int_equal(differences.count, 0);
	strcpy(setting(LEDGER, "max.message.bytes"), "1048588");
	compare();
	assert_reported("t.ledger has max.message.bytes=1048588, not 1114112");
}

static void unknown_settings_are_no_difference(void **state)
{
	(void)state;
	found[LEDGER].settings_known = false;
	strcpy(setting(LEDGER, "retention.ms"), "");
	compare();
	assert_int_equal(differences.count, 0);
}

static void creating_needs_as_many_brokers_as_replicas(void **state)
{
	(void)state;
	compare();
	assert_int_equal(kafka_topics_can_create(&wanted, &differences, 1).kind, ERROR_NONE);
	found[TABLE].there = false;
	compare();
	assert_int_equal(kafka_topics_can_create(&wanted, &differences, 3).kind, ERROR_NONE);
	Result result = kafka_topics_can_create(&wanted, &differences, 1);
	assert_int_equal(result.kind, ERROR_INPUT);
	assert_string_equal(result.text, "3 copies of each partition are asked for, and Kafka has 1 broker: set "
					 "TOCSIN_KAFKA_REPLICAS=1, or start more brokers");
}

static void every_topic_of_the_table_has_the_layout_of_its_kind(void **state)
{
	char *environment[] = { "TOCSIN_KAFKA_PARTITIONS=7", "TOCSIN_KAFKA_REPLICAS=2", NULL };
	Settings *settings;
	SettingsReport report;
	KafkaTopic out[TOPICS];
	(void)state;
	assert_true(settings_read(environment, SETTING_COMMANDS, &settings, &report));
	KafkaTopics layout = topic_layout(settings, out);
	assert_int_equal(layout.count, TOPICS);
	assert_int_equal(layout.replicas, 2);
	for (unsigned i = 0; i < TOPICS; i++) {
		assert_string_equal(out[i].name, topics[i].name);
		assert_int_equal(out[i].partitions, topics[i].slotted ? 7 : 1);
		if (topics[i].kind == TOPIC_LEDGER)
			assert_int_equal(out[i].keep, KAFKA_KEEP_ALL);
	}
	assert_int_equal(out[TOPIC_EVENTS].keep, KAFKA_KEEP_FOR);
	assert_int_equal(out[TOPIC_EVENTS].retention_ms, topics[TOPIC_EVENTS].retention_ms);
	assert_int_equal(out[TOPIC_POLICIES].keep, KAFKA_KEEP_LAST);
	settings_free(settings);
}

#define TEST(name) cmocka_unit_test_setup(name, found_make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(topics_as_required_have_no_differences),
		TEST(kafka_never_drops_records_of_a_ledger),
		TEST(a_stream_is_dropped_by_age_and_a_table_by_key),
		TEST(three_replicas_require_two_in_sync),
		TEST(a_missing_topic_is_created_with_all_its_settings),
		TEST(another_retention_is_reported_and_changed),
		TEST(compaction_of_a_ledger_is_fatal),
		TEST(another_number_of_partitions_is_fatal_and_cannot_be_changed),
		TEST(missing_replicas_and_leaders_are_reported),
		TEST(a_larger_batch_is_accepted_and_a_smaller_one_is_not),
		TEST(unknown_settings_are_no_difference),
		TEST(creating_needs_as_many_brokers_as_replicas),
		TEST(every_topic_of_the_table_has_the_layout_of_its_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
