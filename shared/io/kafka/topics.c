#include "shared/io/kafka/topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- settings ---------------------------------------------------------------------------------------------------- */

enum { CLEANUP, RETENTION_TIME, RETENTION_SIZE, IN_SYNC, UNCLEAN, TIMESTAMP, BATCH };

const char *const kafka_setting_names[KAFKA_SETTINGS] = {
	[CLEANUP] = "cleanup.policy",
	[RETENTION_TIME] = "retention.ms",
	[RETENTION_SIZE] = "retention.bytes",
	[IN_SYNC] = "min.insync.replicas",
	[UNCLEAN] = "unclean.leader.election.enable",
	[TIMESTAMP] = "message.timestamp.type",
	[BATCH] = "max.message.bytes",
};

typedef bool (*Wanted)(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE]);

static bool number(int64_t value, char out[static KAFKA_VALUE_SIZE])
{
	snprintf(out, KAFKA_VALUE_SIZE, "%" PRId64, value);
	return true;
}

static bool word(const char *value, char out[static KAFKA_VALUE_SIZE])
{
	snprintf(out, KAFKA_VALUE_SIZE, "%s", value);
	return true;
}

static bool cleanup(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)replicas;
	return word(topic->keep == KAFKA_KEEP_LAST ? "compact" : "delete", out);
}

/* Limits of age and size have no effect on a topic that is only compacted, so any value is allowed there. */
static bool retention_time(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)replicas;
	return topic->keep != KAFKA_KEEP_LAST && number(topic->keep == KAFKA_KEEP_FOR ? topic->retention_ms : -1, out);
}

static bool retention_size(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)replicas;
	return topic->keep != KAFKA_KEEP_LAST && number(-1, out);
}

/* With three copies, one broker may be away while every acknowledged record is on at least two brokers. */
static bool in_sync(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)topic;
	return number(replicas >= 3 ? 2 : 1, out);
}

static bool unclean(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)topic, (void)replicas;
	return word("false", out);
}

/* Kafka drops records of a stream by their timestamps, so the broker's clock sets these timestamps, not the writer's clock. */
static bool timestamp(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)replicas;
	return word(topic->keep == KAFKA_KEEP_FOR ? "LogAppendTime" : "CreateTime", out);
}

static bool batch(const KafkaTopic *topic, unsigned replicas, char out[static KAFKA_VALUE_SIZE])
{
	(void)topic, (void)replicas;
	return number(KAFKA_BATCH_MAX, out);
}

static const Wanted wanted_of[KAFKA_SETTINGS] = {
	[CLEANUP] = cleanup,
	[RETENTION_TIME] = retention_time,
	[RETENTION_SIZE] = retention_size,
	[IN_SYNC] = in_sync,
	[UNCLEAN] = unclean,
	[TIMESTAMP] = timestamp,
	[BATCH] = batch,
};

bool kafka_setting_wanted(const KafkaTopic *topic, unsigned replicas, unsigned setting,
			  char out[static KAFKA_VALUE_SIZE])
{
	must(setting < KAFKA_SETTINGS);
	return wanted_of[setting](topic, replicas, out);
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static KafkaDifference *difference_add(KafkaDifferences *out, KafkaDifferenceKind kind, unsigned topic)
{
	must(out->count < KAFKA_DIFFERENCES_MAX);
	KafkaDifference *difference = &out->list[out->count++];
	*difference = (KafkaDifference){ .kind = kind, .topic = topic };
	return difference;
}

static void compare_number(KafkaDifferences *out, KafkaDifferenceKind kind, unsigned topic, unsigned found,
			   unsigned wanted)
{
	if (found == wanted)
		return;
	KafkaDifference *difference = difference_add(out, kind, topic);
	difference->fatal = kind == KAFKA_PARTITIONS;
	number(found, difference->found);
	number(wanted, difference->wanted);
}

/*
 * True when the setting makes Kafka drop records that must be kept: compaction, in a topic that keeps all records or keeps them
 * by age.
 */
static bool drops_records(const KafkaTopic *topic, unsigned setting, const char *found)
{
	return setting == CLEANUP && topic->keep != KAFKA_KEEP_LAST && strstr(found, "compact") != NULL;
}

/* True when the value found is acceptable: the required one, or for the largest batch also a larger one. */
static bool fits(unsigned setting, const char *found, const char *wanted)
{
	int64_t have, need;
	if (setting == BATCH && slice_integer(slice_of(found), &have) && slice_integer(slice_of(wanted), &need))
		return have >= need;
	return strcmp(found, wanted) == 0;
}

static void compare_settings(const KafkaTopics *wanted, unsigned topic, const KafkaTopicFound *found,
			     KafkaDifferences *out)
{
	char value[KAFKA_VALUE_SIZE];
	for (unsigned setting = 0; found->settings_known && setting < KAFKA_SETTINGS; setting++) {
		if (!kafka_setting_wanted(&wanted->list[topic], wanted->replicas, setting, value) ||
		    fits(setting, found->setting[setting], value))
			continue;
		KafkaDifference *difference = difference_add(out, KAFKA_SETTING, topic);
		difference->setting = setting;
		difference->fatal = drops_records(&wanted->list[topic], setting, found->setting[setting]);
		word(found->setting[setting], difference->found);
		word(value, difference->wanted);
	}
}

static void compare_topic(const KafkaTopics *wanted, unsigned topic, const KafkaTopicFound *found,
			  KafkaDifferences *out)
{
	if (!found->there) {
		difference_add(out, KAFKA_MISSING, topic);
		return;
	}
	compare_number(out, KAFKA_PARTITIONS, topic, found->partitions, wanted->list[topic].partitions);
	compare_number(out, KAFKA_REPLICAS, topic, found->replicas, wanted->replicas);
	compare_number(out, KAFKA_LEADERLESS, topic, found->leaderless, 0);
	compare_settings(wanted, topic, found, out);
}

void kafka_topics_compare(const KafkaTopics *wanted, const KafkaTopicFound *found, KafkaDifferences *out)
{
	must(wanted->count <= BUS_TOPICS_MAX);
	out->count = 0;
	for (unsigned topic = 0; topic < wanted->count; topic++)
		compare_topic(wanted, topic, &found[topic], out);
}

Result kafka_topics_can_create(const KafkaTopics *wanted, const KafkaDifferences *differences, unsigned brokers)
{
	bool missing = false;
	for (size_t i = 0; i < differences->count; i++)
		missing = missing || differences->list[i].kind == KAFKA_MISSING;
	if (!missing || brokers >= wanted->replicas)
		return result_ok();
	return result_fail(
		ERROR_INPUT,
		"%u copies of each partition are asked for, and Kafka has %u broker%s: set TOCSIN_KAFKA_REPLICAS=%u, "
		"or start more brokers",
		wanted->replicas, brokers, brokers == 1 ? "" : "s", brokers);
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

void kafka_difference_describe(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out)
{
	const char *topic = wanted->list[difference->topic].name;
	switch (difference->kind) {
	case KAFKA_MISSING: buffer_format(out, "%s is missing: tocsin topics apply creates it", topic); break;
	case KAFKA_SETTING:
		buffer_format(out, "%s has %s=%s, not %s", topic, kafka_setting_names[difference->setting],
			      difference->found, difference->wanted);
		buffer_text(out, difference->fatal ? ": Kafka drops records that count" : "");
		break;
	case KAFKA_LEADERLESS:
		buffer_format(out, "%s has %s partitions without a leader: brokers are down or starting", topic,
			      difference->found);
		break;
	case KAFKA_REPLICAS:
		buffer_format(out,
			      "%s has %s copies of a partition, not %s: set TOCSIN_KAFKA_REPLICAS, or change it with "
			      "kafka-reassign-partitions.sh",
			      topic, difference->found, difference->wanted);
		break;
	case KAFKA_PARTITIONS:
		buffer_format(out,
			      "%s has %s partitions, not %s, and that cannot be changed: set TOCSIN_KAFKA_PARTITIONS, "
			      "or export, "
			      "make new topics and import",
			      topic, difference->found, difference->wanted);
		break;
	}
}

static void plan_creation(const KafkaTopics *wanted, const KafkaTopic *topic, Buffer *out)
{
	char value[KAFKA_VALUE_SIZE];
	buffer_format(out, "create %s with partitions=%u replicas=%u", topic->name, topic->partitions,
		      wanted->replicas);
	for (unsigned setting = 0; setting < KAFKA_SETTINGS; setting++)
		if (kafka_setting_wanted(topic, wanted->replicas, setting, value))
			buffer_format(out, " %s=%s", kafka_setting_names[setting], value);
}

void kafka_difference_plan(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out)
{
	const KafkaTopic *topic = &wanted->list[difference->topic];
	if (difference->kind == KAFKA_MISSING)
		plan_creation(wanted, topic, out);
	else if (difference->kind == KAFKA_SETTING)
		buffer_format(out, "change %s of %s from %s to %s", kafka_setting_names[difference->setting],
			      topic->name, difference->found, difference->wanted);
	else
		kafka_difference_describe(wanted, difference, out);
}
