/*
 * Partitions as this process reads them, and the readers of shared/io/bus.h.
 *
 * Two consumers that never subscribe fetch records: `inputs` those of streams, `ledgers` all others, because a full buffer of
 * inputs must not block reading a ledger back. A partition has one fetch position in the process: the partition is assigned to
 * its consumer at an explicit offset. Each partition has its own queue, so that a full queue blocks no other partition. A read at
 * another offset moves the fetch position by a new assignment. Two readers at different offsets move the fetch position back and
 * forth, which is slow but correct. Pause, seek and resume are not used, because librdkafka 2.0.2 has bugs in these calls
 * (docs/design/brokers-and-timers.md, "Reading").
 *
 * Every offset is checked: records before the wanted one are dropped, and a gap is accepted only if a second fetch has it too.
 */
#ifndef TOCSIN_IO_KAFKA_READER_H
#define TOCSIN_IO_KAFKA_READER_H

#include "shared/io/kafka/probe.h"

enum {
	KAFKA_WATCHERS_MAX = BUS_PARTITIONS_MAX, /* readers that a partition wakes when its queue fills; it wakes no others */
	KAFKA_READERS_MAX = 256,                 /* readers in a process */
};

typedef struct KafkaPartitions KafkaPartitions;

typedef struct {
	BusReader reader;
	KafkaPartitions *partitions;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool woken;
} KafkaReader;

typedef struct {
	_Atomic int64_t first, end; /* lower bounds, as far as this process knows; they only grow */
	pthread_mutex_t reading;    /* guards the following members up to `watching` */
	bool assigned; /* to its consumer, from `next` on */
	int64_t next; /* offset of the next message from the queue */
	rd_kafka_queue_t *queue;
	rd_kafka_message_t *pending; /* a message that a wait took from the queue and that is not visited yet */
	rd_kafka_message_t *kept;    /* a message that was visited and is likely to be read again */
	int64_t used_us;             /* the last read or wait, on the monotonic clock */
	pthread_mutex_t watching;    /* guards the watchers: readers to wake when the queue fills */
	KafkaReader *watchers[KAFKA_WATCHERS_MAX];
	size_t watcher_count;
} KafkaPartition;

struct KafkaPartitions {
	const KafkaConnection *connection;
	KafkaProbe *probe;
	rd_kafka_t *ledgers, *inputs;
	KafkaPartition *list; /* index: topic * BUS_PARTITIONS_MAX + partition */
	pthread_mutex_t mutex; /* guards readers */
	KafkaReader *readers[KAFKA_READERS_MAX];
};

/* The caller has zeroed *partitions. connection and probe are borrowed until partitions_release. */
void partitions_init(KafkaPartitions *partitions, const KafkaConnection *connection, KafkaProbe *probe);

/* Makes the consumers. ERROR_INPUT: see kafka_conf_new and kafka_new. */
Result partitions_open(KafkaPartitions *partitions);

/* Drops all fetched records and ends the consumers. The caller has closed all readers. */
void partitions_close(KafkaPartitions *partitions);

/* Releases the rest of *partitions. Called after partitions_close and after the last delivery report. */
void partitions_release(KafkaPartitions *partitions);

/* The consumer that reads a topic: `inputs` or `ledgers`. */
rd_kafka_t *partitions_consumer(const KafkaPartitions *partitions, unsigned topic);

/* Aborts if the topic or the partition does not exist. */
KafkaPartition *partition_of(const KafkaPartitions *partitions, unsigned topic, unsigned partition);

/* Raise a bound; never lower it. partition_first_raise also raises `end`, to `first`. Any thread. */
void partition_end_raise(KafkaPartition *partition, int64_t end);
void partition_first_raise(KafkaPartition *partition, int64_t first);

/*
 * Reads from the cluster where partitions begin and end now: one partition, or all partitions if topic == topic_count. Sends two
 * requests, and waits for each at most wait_ms. ERROR_AGAIN: Kafka did not answer for every partition.
 */
Result partitions_extents_ask(KafkaPartitions *partitions, unsigned topic, unsigned partition, int wait_ms);

/* Ends the fetching of partitions that were not read for a minute. Called every MEMBER_COMMIT_MS by the member's thread. */
void partitions_release_idle(KafkaPartitions *partitions);

/* Wakes all readers of the process. */
void partitions_wake_readers(KafkaPartitions *partitions);

/* The reader operations of shared/io/bus.h. kafka_reader_open: ERROR_AGAIN if the bus has KAFKA_READERS_MAX readers already. */
Result kafka_reader_open(KafkaPartitions *partitions, Bus *bus, BusReader **out);
void kafka_reader_close(BusReader *reader);
Result kafka_read(BusReader *reader, BusPosition position, size_t max, bool want_bodies, BusVisit visit, void *context,
		  int64_t *next);
void kafka_fetch(BusReader *reader, const BusPosition *positions, size_t count);
void kafka_wait(BusReader *reader, const BusPosition *positions, size_t count, int wait_ms);
void kafka_wake(BusReader *reader);

#endif
