/*
 * How topics must stand in Kafka, and what is not so: pure. kafka/admin.h asks a cluster and mends it; this says what
 * is to be mended.
 *
 * What Kafka may do by itself is to drop records: by age, by size or for a newer one of the same key. A ledger is cut by
 * its owner alone, so all three are forbidden there; a stream is dropped by age; of a table the last record of a key
 * stays.
 */
#ifndef TOCSIN_IO_KAFKA_TOPICS_H
#define TOCSIN_IO_KAFKA_TOPICS_H

#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/io/bus.h"

typedef enum { KAFKA_KEEP_ALL, KAFKA_KEEP_FOR, KAFKA_KEEP_LAST } KafkaKeep;

typedef struct {
	const char *name; /* "tocsin.events" */
	unsigned partitions; /* for life: slots are partition numbers */
	KafkaKeep keep;
	int64_t keep_ms; /* KAFKA_KEEP_FOR */
} KafkaTopic;

typedef struct {
	const KafkaTopic *list; /* borrowed; at most BUS_TOPICS_MAX */
	size_t count;
	unsigned replicas;
} KafkaTopics;

/*
 * A batch may take a record, what stands around it, and what compression adds where it does not help. Kafka's own
 * default is smaller than the largest record.
 */
enum { KAFKA_BATCH_MAX = BUS_RECORD_MAX + (64 << 10) };

/* ---- the settings of a topic */
enum { KAFKA_SETTINGS = 7, KAFKA_VALUE_SIZE = 64 };
extern const char *const kafka_setting_names[KAFKA_SETTINGS];

/* What a setting must be; false: it may be anything. */
bool kafka_setting_wanted(const KafkaTopic *topic, unsigned replicas, unsigned setting,
			  char out[static KAFKA_VALUE_SIZE]);

/* ---- what there is */
typedef struct {
	bool there;
	unsigned partitions, replicas, leaderless; /* replicas: the fewest a partition has */
	bool settings_known; /* false: the cluster does not tell */
	char setting[KAFKA_SETTINGS][KAFKA_VALUE_SIZE];
} KafkaTopicFound;

/* ---- what is not as it must be */
typedef enum {
	KAFKA_MISSING, /* can be created */
	KAFKA_SETTING, /* can be changed */
	KAFKA_LEADERLESS, /* passes by itself */
	KAFKA_REPLICAS, /* an operator's work */
	KAFKA_PARTITIONS, /* only a new topic has another number */
} KafkaDifferenceKind;

typedef struct {
	KafkaDifferenceKind kind;
	unsigned topic; /* index in the list */
	unsigned setting; /* KAFKA_SETTING */
	bool fatal; /* records would be lost or misread: nothing may run on it */
	char found[KAFKA_VALUE_SIZE], wanted[KAFKA_VALUE_SIZE];
} KafkaDifference;

enum { KAFKA_DIFFERENCES_MAX = BUS_TOPICS_MAX * (KAFKA_SETTINGS + 3) };

typedef struct {
	size_t count;
	KafkaDifference list[KAFKA_DIFFERENCES_MAX];
} KafkaDifferences;

/* found: one for each of the list. */
void kafka_topics_compare(const KafkaTopics *wanted, const KafkaTopicFound *found, KafkaDifferences *out);

/* ERROR_INPUT: what is missing cannot be created, since there are fewer brokers than copies asked for. */
Result kafka_topics_possible(const KafkaTopics *wanted, const KafkaDifferences *differences, unsigned brokers);

/* "tocsin.events has 3 partitions, not 12: …", one line without an end. */
void kafka_difference_say(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out);

/* "create tocsin.events with …": what mending it would do; the same as above where nothing mends it. */
void kafka_difference_plan(const KafkaTopics *wanted, const KafkaDifference *difference, Buffer *out);

#endif
