/*
 * The consumer group: a member that subscribes to one topic and fetches nothing. The group assigns to the member the partition
 * numbers that this process should own, as a hint (`assigned` in shared/io/bus.h). The member also commits the advisory positions
 * of all topics; before it joins the group, it only reads committed positions. Without a group the member does nothing, and every
 * partition counts as assigned.
 */
#ifndef TOCSIN_IO_KAFKA_MEMBER_H
#define TOCSIN_IO_KAFKA_MEMBER_H

#include "shared/io/kafka/reader.h"

enum { MEMBER_COMMIT_MS = 2000 }; /* interval of commits */

/* The position of the service in a partition, as last given to member_commit. */
typedef struct {
	int64_t offset; /* -1: member_commit was not called, or the partition moved to another member */
	bool due;       /* the offset must still be committed */
} MemberPosition;

typedef struct {
	const KafkaConnection *connection;
	KafkaPartitions *partitions; /* their readers are woken when the assignment changes */
	pthread_rwlock_t swap;       /* held for writing while a fenced handle is replaced */
	rd_kafka_t *handle;
	pthread_t thread;
	atomic_bool started;
	atomic_bool stop;
	atomic_bool joined;        /* the handle belongs to the current generation of the group, and may commit */
	atomic_bool assigned_once; /* the first rebalance is over; it may have assigned no partitions */
	_Atomic uint64_t assigned; /* one bit for each partition number */
	pthread_mutex_t mutex;     /* guards positions */
	MemberPosition *positions; /* index: topic * BUS_PARTITIONS_MAX + partition */
	int64_t fenced_us;         /* the last time the handle was fenced, on the monotonic clock; 0: never */
	int pause_ms;              /* the pause after fenced_us, before the member joins again */
} KafkaMember;

/*
 * The caller has zeroed *member. connection and partitions are borrowed until member_close. ERROR_INPUT: see kafka_conf_new and
 * kafka_new.
 */
Result member_open(KafkaMember *member, const KafkaConnection *connection, KafkaPartitions *partitions);

/*
 * Joins the group and starts the thread. Called at most once. ERROR_AGAIN: the group cannot be joined, or the thread cannot
 * start.
 */
Result member_join(KafkaMember *member);

/* ERROR_AGAIN: member_join was called, and the first rebalance is not over. Any thread. */
Result member_health(const KafkaMember *member);

/* Ends the thread if it was started. */
void member_stop(KafkaMember *member);

/*
 * Called after member_stop. If `reachable` (as far as is known, Kafka answers), commits the positions of the partitions that the
 * member may commit. Leaves the group at once if the member has no instance name. Releases everything that *member holds.
 */
void member_close(KafkaMember *member, bool reachable);

/*
 * As `assigned`, `commit` and `committed` of shared/io/bus.h. Without a group, member_commit does nothing and member_committed
 * returns BUS_NONE_COMMITTED. member_committed waits for Kafka, at most KAFKA_CALL_MS. Any thread.
 */
bool member_assigned(const KafkaMember *member, unsigned partition);
Result member_commit(KafkaMember *member, unsigned topic, unsigned partition, int64_t position);
int64_t member_committed(KafkaMember *member, unsigned topic, unsigned partition);

#endif
