#include "shared/io/kafka/member.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdlib.h>

enum { POLL_MS = 200, LEAVE_POLL_MS = 20, REJOIN_MS = 5000, REJOIN_MAX_MS = 320000 };

typedef void (*PositionVisit)(KafkaMember *member, BusPosition at, MemberPosition *position, void *context);

static void positions_commit(KafkaMember *member, rd_kafka_t *handle);
static void positions_each(KafkaMember *member, PositionVisit visit, void *context);

/* ---- assignment */

static void assigned_set(KafkaMember *member, uint64_t assigned)
{
	if (atomic_exchange(&member->assigned, assigned) == assigned)
		return;
	log_line(LOG_INFO, member->connection->options.client, "assigned",
		 L_INTEGER("partitions", __builtin_popcountll(assigned)));
	partitions_wake_readers(member->partitions);
}

static void position_forget(KafkaMember *member, BusPosition at, MemberPosition *position, void *context)
{
	(void)member, (void)at, (void)context;
	*position = (MemberPosition){ .offset = -1 };
}

static void revoked(KafkaMember *member, rd_kafka_t *handle)
{
	if (!rd_kafka_assignment_lost(handle))
		positions_commit(member, handle); /* so that the next owner can read them */
	atomic_store(&member->joined, false);
	positions_each(member, position_forget, NULL); /* from now on the next owner commits positions */
	rd_kafka_assign(handle, NULL);
	assigned_set(member, 0);
}

static void rebalanced(rd_kafka_t *handle, rd_kafka_resp_err_t event, rd_kafka_topic_partition_list_t *list, void *context)
{
	KafkaMember *member = context;
	uint64_t assigned = 0;
	if (event != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		revoked(member, handle);
		return;
	}
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].partition < BUS_PARTITIONS_MAX)
			assigned |= UINT64_C(1) << list->elems[i].partition;
	/* With an empty assignment the handle stays a member of the group and fetches nothing. */
	rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);
	rd_kafka_assign(handle, nothing);
	rd_kafka_topic_partition_list_destroy(nothing);
	atomic_store(&member->joined, true);
	atomic_store(&member->assigned_once, true);
	assigned_set(member, assigned);
}

bool member_assigned(const KafkaMember *member, unsigned partition)
{
	return !member->connection->options.group || (atomic_load(&member->assigned) >> partition & 1) != 0;
}

/* ---- positions */

/*
 * True when this process should commit the position of a partition: normally, when the group assigned the same partition number
 * to this process. Any assignment is enough in two cases: the group's topic has one partition, whose owner reads all partitions of
 * every input; or the input has one partition, which every owner reads.
 */
static bool position_is_ours(const KafkaMember *member, BusPosition at)
{
	const BusKafkaOptions *options = &member->connection->options;
	if (!options->topics[options->group_topic].slotted || !options->topics[at.topic].slotted)
		return atomic_load(&member->assigned) != 0;
	return member_assigned(member, at.partition);
}

Result member_commit(KafkaMember *member, unsigned topic, unsigned partition, int64_t position)
{
	if (!member->connection->options.group)
		return result_ok();
	pthread_mutex_lock(&member->mutex);
	MemberPosition *known = &member->positions[topic * BUS_PARTITIONS_MAX + partition];
	known->due |= known->offset != position;
	known->offset = position;
	pthread_mutex_unlock(&member->mutex);
	return result_ok();
}

/* Calls `visit` for each partition with a position. Holds the mutex during the calls. */
static void positions_each(KafkaMember *member, PositionVisit visit, void *context)
{
	pthread_mutex_lock(&member->mutex);
	for (unsigned topic = 0; topic < member->connection->options.topic_count; topic++)
		for (unsigned partition = 0; partition < kafka_partitions(member->connection, topic); partition++) {
			MemberPosition *position = &member->positions[topic * BUS_PARTITIONS_MAX + partition];
			if (position->offset >= 0)
				visit(member, (BusPosition){ topic, partition, position->offset }, position, context);
		}
	pthread_mutex_unlock(&member->mutex);
}

/*
 * Adds a position to the list if it must still be committed. Forgets the position of a partition that moved to another process:
 * this process reports positions until the new owner supersedes it, but only the new owner may commit positions.
 */
static void position_list(KafkaMember *member, BusPosition at, MemberPosition *position, void *list)
{
	const char *topic = member->connection->options.topics[at.topic].name;
	if (!position_is_ours(member, at)) {
		position_forget(member, at, position, NULL);
		return;
	}
	if (position->due)
		rd_kafka_topic_partition_list_add(list, topic, (int32_t)at.partition)->offset = at.from;
	position->due = false;
}

/* The positions to commit; destroyed by the caller. */
static rd_kafka_topic_partition_list_t *positions_due(KafkaMember *member)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	if (atomic_load(&member->joined))
		positions_each(member, position_list, list);
	return list;
}

static void positions_commit(KafkaMember *member, rd_kafka_t *handle)
{
	rd_kafka_topic_partition_list_t *list = positions_due(member);
	if (list->cnt > 0)
		(void)rd_kafka_commit(handle, list, 1); /* the result comes to commit_finished */
	rd_kafka_topic_partition_list_destroy(list);
}

static void position_set_due(KafkaMember *member, BusPosition at, MemberPosition *position, void *context)
{
	(void)member, (void)at, (void)context;
	position->due = true;
}

/*
 * Commits all positions again, because the last commit may still be in flight, or may have been refused without a report so far.
 * rd_kafka_commit would wait for the broker without a limit; waiting on a queue takes at most wait_ms.
 */
static void positions_commit_last(KafkaMember *member, rd_kafka_t *handle, int wait_ms)
{
	positions_each(member, position_set_due, NULL);
	rd_kafka_topic_partition_list_t *list = positions_due(member);
	rd_kafka_queue_t *answers = rd_kafka_queue_new(handle);
	if (list->cnt > 0 && rd_kafka_commit_queue(handle, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_event_t *answer = rd_kafka_queue_poll(answers, wait_ms);
		if (answer)
			rd_kafka_event_destroy(answer);
	}
	rd_kafka_queue_destroy(answers);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Positions of a refused commit (the group rebalances, the coordinator is away) are committed again with the next commit. */
static void commit_finished(rd_kafka_t *handle, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *context)
{
	(void)handle, (void)list;
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET)
		positions_each(context, position_set_due, NULL);
}

int64_t member_committed(KafkaMember *member, unsigned topic, unsigned partition)
{
	if (!member->connection->options.group)
		return BUS_NONE_COMMITTED;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *asked =
		rd_kafka_topic_partition_list_add(list, member->connection->options.topics[topic].name, (int32_t)partition);
	pthread_rwlock_rdlock(&member->swap);
	rd_kafka_resp_err_t error =
		rd_kafka_committed(member->handle, list, kafka_left_ms(member->connection, KAFKA_CALL_MS));
	pthread_rwlock_unlock(&member->swap);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = asked->err;
	int64_t position = error != RD_KAFKA_RESP_ERR_NO_ERROR ? BUS_COMMITTED_UNKNOWN :
			   asked->offset < 0		       ? BUS_NONE_COMMITTED :
								 asked->offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (position >= 0) /* the group has read up to this offset, so the log reaches it */
		partition_end_raise(partition_of(member->partitions, topic, partition), position);
	return position;
}

/* ---- joining and leaving */

/*
 * True when the member was fenced. Its handle never joins again; handle_replace makes a new one. librdkafka reports fencing as an
 * error or as a message; rd_kafka_fatal_error detects it in both cases.
 */
static bool member_is_fenced(KafkaMember *member)
{
	char reason[256];
	if (rd_kafka_fatal_error(member->handle, reason, sizeof reason) == RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	log_line(LOG_ERROR, member->connection->options.client, "member-fatal", L_STRING("detail", reason),
		 L_STRING("instance", member->connection->options.instance));
	return true;
}

static Result group_join(const BusKafkaOptions *options, rd_kafka_t *handle)
{
	rd_kafka_poll_set_consumer(handle);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, options->topics[options->group_topic].name, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t error = rd_kafka_subscribe(handle, list);
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR ?
		       result_ok() :
		       result_fail(ERROR_AGAIN, "the group %s cannot be joined: %s", options->group, rd_kafka_err2str(error));
}

/* Makes a handle that can read committed positions, and has not joined the group yet. */
static Result handle_make(KafkaMember *member, rd_kafka_t **out)
{
	const KafkaSetting settings[] = {
		{ "session.timeout.ms", "10000" },
		{ "heartbeat.interval.ms", "1000" },
		{ "max.poll.interval.ms", "300000" },
		{ "group.id", member->connection->options.group },
		{ "partition.assignment.strategy", "range" },
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "group.instance.id", member->connection->options.instance },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_handle_conf(member->connection, settings, sizeof settings / sizeof settings[0], &conf));
	rd_kafka_conf_set_opaque(conf, member);
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	rd_kafka_conf_set_offset_commit_cb(conf, commit_finished);
	return kafka_new(RD_KAFKA_CONSUMER, conf, out);
}

/*
 * A member is fenced when another process joins under its instance name, or when the group has forgotten it while the broker was
 * away. The member joins again after a pause, which doubles when it is fenced again soon afterwards, so that two processes with
 * one name fence each other less and less often.
 */
static int rejoin_pause_ms(KafkaMember *member)
{
	int64_t now_us = clock_monotonic_us();
	bool again = member->fenced_us && now_us - member->fenced_us < 2 * REJOIN_MAX_MS * 1000LL;
	member->pause_ms = !again ? REJOIN_MS : member->pause_ms < REJOIN_MAX_MS ? 2 * member->pause_ms : REJOIN_MAX_MS;
	member->fenced_us = now_us;
	return member->pause_ms;
}

static void handle_replace(KafkaMember *member)
{
	atomic_store(&member->joined, false);
	assigned_set(member, 0);
	int pause_ms = rejoin_pause_ms(member);
	for (int waited_ms = 0; waited_ms < pause_ms && !atomic_load(&member->stop); waited_ms += POLL_MS)
		clock_sleep_ms(POLL_MS);
	rd_kafka_t *fresh, *former = member->handle;
	if (atomic_load(&member->stop) || result_failed(handle_make(member, &fresh)))
		return;
	if (result_failed(group_join(&member->connection->options, fresh))) {
		kafka_handle_end(member->connection, fresh);
		return;
	}
	pthread_rwlock_wrlock(&member->swap);
	member->handle = fresh;
	pthread_rwlock_unlock(&member->swap);
	kafka_handle_end(member->connection, former);
}

static void *member_run(void *context)
{
	KafkaMember *member = context;
	int64_t committed_us = clock_monotonic_us();
	while (!atomic_load(&member->stop)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(member->handle, POLL_MS);
		if (message)
			rd_kafka_message_destroy(message); /* an error, which librdkafka has logged and recovers from */
		if (member_is_fenced(member))
			handle_replace(member);
		if (clock_monotonic_us() - committed_us < MEMBER_COMMIT_MS * 1000)
			continue;
		committed_us = clock_monotonic_us();
		positions_commit(member, member->handle);
		partitions_release_idle(member->partitions);
	}
	return NULL;
}

Result member_open(KafkaMember *member, const KafkaConnection *connection, KafkaPartitions *partitions)
{
	size_t count = connection->options.topic_count * BUS_PARTITIONS_MAX;
	member->connection = connection;
	member->partitions = partitions;
	must(pthread_mutex_init(&member->mutex, NULL) == 0 && pthread_rwlock_init(&member->swap, NULL) == 0);
	if (!connection->options.group)
		return result_ok();
	member->positions = calloc(count, sizeof *member->positions);
	must(member->positions);
	for (size_t i = 0; i < count; i++)
		member->positions[i].offset = -1;
	return handle_make(member, &member->handle);
}

Result member_join(KafkaMember *member)
{
	if (!member->connection->options.group)
		return result_ok();
	must(!member->started);
	TRY(group_join(&member->connection->options, member->handle));
	member->started = pthread_create(&member->thread, NULL, member_run, member) == 0;
	return member->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started: raise the limit of threads (ulimit -u, or the pids limit of the container)");
}

Result member_health(const KafkaMember *member)
{
	return !member->started || atomic_load(&member->assigned_once) ?
		       result_ok() :
		       result_fail(ERROR_AGAIN, "the group %s has not answered yet", member->connection->options.group);
}

/*
 * The handle's callbacks run in this function and not later, because kafka_handle_end runs none. For a member that never joined
 * the function returns at once.
 */
static void group_leave(const KafkaConnection *connection, rd_kafka_t *handle)
{
	int64_t until_us = clock_monotonic_us() + (int64_t)kafka_last_ms(connection, KAFKA_CALL_MS) * 1000;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(handle, queue);
	while (!error && !rd_kafka_consumer_closed(handle) && clock_left_ms(until_us) > 0)
		rd_kafka_queue_poll_callback(queue, LEAVE_POLL_MS);
	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_queue_destroy(queue);
}

void member_stop(KafkaMember *member)
{
	atomic_store(&member->stop, true);
	if (member->started)
		pthread_join(member->thread, NULL);
}

void member_close(KafkaMember *member, bool reachable)
{
	if (member->handle) {
		if (reachable)
			positions_commit_last(member, member->handle, kafka_last_ms(member->connection, KAFKA_CALL_MS));
		/* A named instance keeps its partitions over a restart, until the end of its session. */
		if (!member->connection->options.instance)
			group_leave(member->connection, member->handle);
		kafka_handle_end(member->connection, member->handle);
	}
	free(member->positions);
	pthread_rwlock_destroy(&member->swap);
	pthread_mutex_destroy(&member->mutex);
}
