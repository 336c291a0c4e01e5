/*
 * The consumer group: a member that subscribes to one topic and fetches nothing. The group assigns it the partition numbers that
 * this process should own, as a hint (`assigned` in shared/io/bus.h). The member also commits the advisory positions of all
 * topics; before it joins the group it only reads them. Without a group the member does nothing, and every partition counts as
 * assigned.
 */
#ifndef TOCSIN_IO_KAFKA_MEMBER_H
#define TOCSIN_IO_KAFKA_MEMBER_H

#include "shared/io/kafka/reader.h"

enum { MEMBER_COMMIT_MS = 2000 }; /* interval of commits */

/* The position of the service in a partition, as last given to member_commit. */
typedef struct {
	int64_t offset; /* -1: member_commit was not called, or the partition moved to another member */
	bool due;       /* not committed yet */
} MemberPosition;

typedef struct {
	const KafkaConnection *connection;
	KafkaPartitions *partitions; /* woken when the assignment changes */
	pthread_rwlock_t swap;       /* held for writing while a fenced handle is replaced */
	rd_kafka_t *handle;
	pthread_t thread;
	atomic_bool started;
	atomic_bool stop;
	atomic_bool joined;        /* the handle is a member of the current generation, and may commit */
	atomic_bool assigned_once; /* the first rebalance is over, possibly with no partitions */
	_Atomic uint64_t assigned; /* one bit for each partition number */
	pthread_mutex_t mutex;     /* guards positions */
	MemberPosition *positions; /* index: topic * BUS_PARTITIONS_MAX + partition */
	int64_t fenced_us;         /* the last time the handle was fenced, on the monotonic clock; 0: never */
	int pause_ms;              /* the pause after fenced_us, before the member joins again */
} KafkaMember;

/* connection and partitions are borrowed until member_close. ERROR_INPUT: options that librdkafka refuses. */
Result member_open(KafkaMember *member, const KafkaConnection *connection, KafkaPartitions *partitions);

/*
 * Joins the group and starts the thread. Called at most once. ERROR_AGAIN: the group cannot be joined, or the thread cannot
 * start.
 */
Result member_join(KafkaMember *member);

/* ERROR_AGAIN: member_join was called, and the first rebalance is not over. Any thread. */
Result member_health(const KafkaMember *member);

/* Ends the thread. */
void member_stop(KafkaMember *member);

/*
 * Called after member_stop. Commits all positions if `reachable` (Kafka answers, as far as is known). Leaves the group at once if
 * the member has no instance name. Frees the member.
 */
void member_close(KafkaMember *member, bool reachable);

/* As bus_assigned, `commit` and `committed` of shared/io/bus.h. Any thread. */
bool member_assigned(const KafkaMember *member, unsigned partition);
Result member_commit(KafkaMember *member, unsigned topic, unsigned partition, int64_t position);
int64_t member_committed(KafkaMember *member, unsigned topic, unsigned partition);

#endif
