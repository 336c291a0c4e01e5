/*
 * The required topics of a Kafka cluster, and how a cluster differs from them. Pure: kafka/admin.h reads a cluster and repairs
 * it.
 *
 * Kafka may drop records by age, by size, or in favour of a newer record with the same key. Only its owner trims a ledger, so Kafka
 * must not drop records of a ledger in any of these ways. A stream drops records by age; a table keeps the last record of each key.
 */
#ifndef TOCSIN_IO_KAFKA_TOPICS_H
#define TOCSIN_IO_KAFKA_TOPICS_H

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/io/bus.h"

/* Keep all records, records for retention_ms, or the last record of each key. */
typedef enum { KAFKA_KEEP_ALL, KAFKA_KEEP_FOR, KAFKA_KEEP_LAST } KafkaKeep;

typedef struct {
	const char *name; /* "tocsin.events" */
	unsigned partitions; /* never changes: slots map to partition numbers */
	KafkaKeep keep;
	int64_t retention_ms; /* for KAFKA_KEEP_FOR only */
} KafkaTopic;

typedef struct {
	const KafkaTopic *list; /* borrowed; at most BUS_TOPICS_MAX */
	size_t count;
	unsigned replicas; /* copies of each partition */
} KafkaTopics;

/*
 * Largest batch in bytes: the largest record, its framing, and the overhead of compressing incompressible bytes. Kafka's default
 * is smaller than the largest record.
 */
enum { KAFKA_BATCH_MAX = BUS_RECORD_MAX + (64 << 10) };

/* ---- the settings of a topic */
enum { KAFKA_SETTINGS = 7, KAFKA_VALUE_SIZE = 64 };
extern const char *const kafka_setting_names[KAFKA_SETTINGS];

/* Writes the required value of a setting (an index of kafka_setting_names); false: any value is allowed. */
bool kafka_setting_wanted(const KafkaTopic *topic, unsigned replicas, unsigned setting,
			  char out[static KAFKA_VALUE_SIZE]);

/* ---- topics of a cluster */
typedef struct {
	bool there;
	/* replicas: the fewest copies that any partition has; leaderless: the number of partitions without a leader */
	unsigned partitions, replicas, leaderless;
	bool settings_known; /* false: `setting` is empty, because the cluster does not show the settings */
	char setting[KAFKA_SETTINGS][KAFKA_VALUE_SIZE];
} KafkaTopicFound;

/* ---- differences from the required topics */
typedef enum {
	KAFKA_MISSING, /* repaired by creating the topic */
	KAFKA_SETTING, /* repaired by changing the setting */
	KAFKA_LEADERLESS, /* temporary: brokers are down or starting */
	KAFKA_REPLICAS, /* only an operator can repair it, by reassigning partitions */
	KAFKA_PARTITIONS, /* cannot be repaired: only a new topic can have another number */
} KafkaDifferenceKind;

typedef struct {
	KafkaDifferenceKind kind;
	unsigned topic; /* index in KafkaTopics.list */
	unsigned setting; /* for KAFKA_SETTING only: index of kafka_setting_names */
	bool fatal; /* records would be lost or misread: no service may run on this topic */
	char found[KAFKA_VALUE_SIZE], wanted[KAFKA_VALUE_SIZE];
} KafkaDifference;

enum { KAFKA_DIFFERENCES_MAX = BUS_TOPICS_MAX * (KAFKA_SETTINGS + 3) };

typedef struct {
	size_t count;
	KafkaDifference list[KAFKA_DIFFERENCES_MAX];
} KafkaDifferences;

/* The caller passes in found one entry for each topic of wanted->list, in the same order. Unknown settings are not compared. */
void kafka_topics_compare(const KafkaTopics *wanted, const KafkaTopicFound *found, KafkaDifferences *out);

/* ERROR_INPUT: missing topics cannot be created, because wanted->replicas exceeds the number of brokers. */
Result kafka_topics_can_create(const KafkaTopics *wanted, const KafkaDifferences *differences, unsigned brokers);

/* Appends a description: "tocsin.events has 3 partitions, not 12: …", one line without a line feed. */
void kafka_difference_describe(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out);

/* Appends what a repair would do: "create tocsin.events with …"; if no repair is possible, appends the description. */
void kafka_difference_plan(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out);

#endif
