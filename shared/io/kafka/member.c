/*
 * The consumer group: a member that subscribes to one topic, fetches nothing, and is told which partition numbers are its
 * process's to own. A hint, no more (bus.h). It also commits the advisory positions, of any topic.
 */
#include "shared/io/kafka/bus_internal.h"

#include "shared/io/system/clock.h"
#include "shared/io/system/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POLL_MS = 200, LEAVE_TURN_MS = 20, REBORN_MS = 5000, REBORN_MAX_MS = 320000 };

static void positions_commit(BusKafka *bus, rd_kafka_t *handle);
static void positions_each(BusKafka *bus, void (*visit)(BusKafka *bus, BusPosition place, Position *position, void *context),
			   void *context);

/* ---- what is assigned */

static void assigned_set(BusKafka *bus, uint64_t assigned)
{
	if (atomic_exchange(&bus->member.assigned, assigned) == assigned)
		return;
	log_line(LOG_INFO, bus->options.client, "assigned", L_INTEGER("partitions", __builtin_popcountll(assigned)));
	kafka_wake_all(bus);
}

static void position_forget(BusKafka *bus, BusPosition place, Position *position, void *context)
{
	(void)bus, (void)place, (void)context;
	*position = (Position){ .at = -1 };
}

static void rebalanced(rd_kafka_t *handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *context)
{
	uint64_t assigned = 0;
	if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		if (!rd_kafka_assignment_lost(handle))
			positions_commit(context, handle); /* for whoever comes after */
		atomic_store(&((BusKafka *)context)->member.joined, false);
		positions_each(context, position_forget, NULL); /* whoever owns them next says how far they are */
		rd_kafka_assign(handle, NULL);
		assigned_set(context, 0);
		return;
	}
	for (int i = 0; i < list->cnt; i++)
		if (list->elems[i].partition < BUS_PARTITIONS_MAX)
			assigned |= UINT64_C(1) << list->elems[i].partition;
	/* An empty assignment: a steady member that fetches nothing. */
	rd_kafka_topic_partition_list_t *nothing = rd_kafka_topic_partition_list_new(0);
	rd_kafka_assign(handle, nothing);
	rd_kafka_topic_partition_list_destroy(nothing);
	atomic_store(&((BusKafka *)context)->member.joined, true);
	atomic_store(&((BusKafka *)context)->member.assigned_once, true);
	assigned_set(context, assigned);
}

bool member_assigned(Bus *base, unsigned partition)
{
	BusKafka *bus = bus_kafka(base);
	return !bus->options.group || (atomic_load(&bus->member.assigned) >> partition & 1) != 0;
}

/* ---- positions */

/*
 * Whether this process is meant to be as far as it says in a place. Where the group shares out one partition alone its owner
 * reads all of every input; what has one partition in a group that shares out many is read by each of them.
 */
static bool place_ours(BusKafka *bus, BusPosition place)
{
	const BusKafkaTopic *topics = bus->options.topics;
	if (!topics[bus->options.group_topic].slotted || !topics[place.topic].slotted)
		return atomic_load(&bus->member.assigned) != 0;
	return member_assigned(&bus->bus, place.partition);
}

Result member_commit(Bus *base, const char *group, unsigned topic, unsigned partition, int64_t position)
{
	BusKafka *bus = bus_kafka(base);
	Member *member = &bus->member;
	(void)group; /* the process's service is the group */
	if (!bus->options.group)
		return result_ok();
	pthread_mutex_lock(&member->mutex);
	Position *known = &member->positions[topic * BUS_PARTITIONS_MAX + partition];
	known->due |= known->at != position;
	known->at = position;
	pthread_mutex_unlock(&member->mutex);
	return result_ok();
}

/* Calls `visit` for each partition that the service said it has come to, with the mutex held. */
static void positions_each(BusKafka *bus, void (*visit)(BusKafka *bus, BusPosition place, Position *position, void *context),
			   void *context)
{
	pthread_mutex_lock(&bus->member.mutex);
	for (unsigned topic = 0; topic < bus->options.topic_count; topic++)
		for (unsigned partition = 0; partition < kafka_partitions(bus, topic); partition++) {
			Position *position = &bus->member.positions[topic * BUS_PARTITIONS_MAX + partition];
			if (position->at >= 0)
				visit(bus, (BusPosition){ topic, partition, position->at }, position, context);
		}
	pthread_mutex_unlock(&bus->member.mutex);
}

/* An owner works on, and says how far it is, until it is deposed: but then its heir is further. */
static void position_take(BusKafka *bus, BusPosition place, Position *position, void *list)
{
	const char *topic = bus->options.topics[place.topic].name;
	if (!place_ours(bus, place)) {
		position_forget(bus, place, position, NULL);
		return;
	}
	if (position->due)
		rd_kafka_topic_partition_list_add(list, topic, (int32_t)place.partition)->offset = place.from;
	position->due = false;
}

/* What there is to commit; destroyed by the caller. */
static rd_kafka_topic_partition_list_t *positions_due(BusKafka *bus)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
	if (atomic_load(&bus->member.joined))
		positions_each(bus, position_take, list);
	return list;
}

static void positions_commit(BusKafka *bus, rd_kafka_t *handle)
{
	rd_kafka_topic_partition_list_t *list = positions_due(bus);
	if (list->cnt > 0)
		(void)rd_kafka_commit(handle, list, 1); /* what became of it comes to `committed` */
	rd_kafka_topic_partition_list_destroy(list);
}

static void position_renew(BusKafka *bus, BusPosition place, Position *position, void *context)
{
	(void)bus, (void)place, (void)context;
	position->due = true;
}

/*
 * Of all positions, since what the last turn asked for may be under way still, or refused without anybody hearing of it. A commit
 * that waits by itself does so until the broker answers, whenever that is: here it is asked for and waited for.
 */
static void positions_commit_last(BusKafka *bus, rd_kafka_t *handle, int wait_ms)
{
	positions_each(bus, position_renew, NULL);
	rd_kafka_topic_partition_list_t *list = positions_due(bus);
	rd_kafka_queue_t *answers = rd_kafka_queue_new(handle);
	if (list->cnt > 0 && rd_kafka_commit_queue(handle, list, answers, NULL, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR) {
		rd_kafka_event_t *answer = rd_kafka_queue_poll(answers, wait_ms);
		if (answer)
			rd_kafka_event_destroy(answer);
	}
	rd_kafka_queue_destroy(answers);
	rd_kafka_topic_partition_list_destroy(list);
}

/* A refused commit (the group was rebalancing, the coordinator away) is made again with the next one. */
static void committed(rd_kafka_t *handle, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *context)
{
	(void)handle, (void)list;
	if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET)
		positions_each(context, position_renew, NULL);
}

int64_t member_committed(Bus *base, const char *group, unsigned topic, unsigned partition)
{
	BusKafka *bus = bus_kafka(base);
	(void)group;
	if (!bus->options.group)
		return BUS_NONE_COMMITTED;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_t *asked =
		rd_kafka_topic_partition_list_add(list, bus->options.topics[topic].name, (int32_t)partition);
	pthread_rwlock_rdlock(&bus->member.swap);
	rd_kafka_resp_err_t error = rd_kafka_committed(bus->member.handle, list, kafka_left_ms(bus, KAFKA_CALL_MS));
	pthread_rwlock_unlock(&bus->member.swap);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = asked->err;
	int64_t position = error != RD_KAFKA_RESP_ERR_NO_ERROR ? BUS_COMMITTED_UNKNOWN :
			   asked->offset < 0		       ? BUS_NONE_COMMITTED :
								 asked->offset;
	rd_kafka_topic_partition_list_destroy(list);
	if (position >= 0)
		partition_end_raise(kafka_partition_of(bus, topic, partition), position); /* somebody has read so far */
	return position;
}

/* ---- life */

/* A member that was fenced never joins again. It is asked for: librdkafka reports it now as an error, now as a message. */
static bool member_is_fatal(BusKafka *bus)
{
	char reason[256];
	if (rd_kafka_fatal_error(bus->member.handle, reason, sizeof reason) == RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	log_line(LOG_ERROR, bus->options.client, "member-fatal", L_STRING("detail", reason),
		 L_STRING("instance", bus->options.instance));
	return true;
}

static Result group_join(const BusKafka *bus, rd_kafka_t *handle)
{
	rd_kafka_poll_set_consumer(handle);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, bus->options.topics[bus->options.group_topic].name, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t error = rd_kafka_subscribe(handle, list);
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR ?
		       result_ok() :
		       result_fail(ERROR_AGAIN, "the group %s cannot be joined: %s", bus->options.group, rd_kafka_err2str(error));
}

/* It can be asked what the group has committed, and takes no part in it. */
static Result handle_make(BusKafka *bus, rd_kafka_t **out)
{
	const KafkaSetting settings[] = {
		{ "session.timeout.ms", "10000" },
		{ "heartbeat.interval.ms", "1000" },
		{ "max.poll.interval.ms", "300000" },
		{ "group.id", bus->options.group },
		{ "partition.assignment.strategy", "range" },
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
		{ "group.instance.id", bus->options.instance },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_bus_conf(bus, settings, sizeof settings / sizeof settings[0], &conf));
	rd_kafka_conf_set_opaque(conf, bus);
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	rd_kafka_conf_set_offset_commit_cb(conf, committed);
	return kafka_new(RD_KAFKA_CONSUMER, conf, out);
}

/*
 * Another process took this instance's name, or the group forgot it while the broker was away: come back, but not at once,
 * and later each time it happens again soon, so that two processes of one name move partitions to and fro less and less
 * often instead of fighting without end. Each says so in its log.
 */
static int reborn_pause_ms(Member *member)
{
	int64_t now_us = clock_monotonic_us();
	bool again = member->fatal_us && now_us - member->fatal_us < 2 * REBORN_MAX_MS * 1000LL;
	member->pause_ms = !again ? REBORN_MS : member->pause_ms < REBORN_MAX_MS ? 2 * member->pause_ms : REBORN_MAX_MS;
	member->fatal_us = now_us;
	return member->pause_ms;
}

static void handle_replace(BusKafka *bus)
{
	Member *member = &bus->member;
	atomic_store(&member->joined, false);
	assigned_set(bus, 0);
	int pause_ms = reborn_pause_ms(member);
	for (int waited_ms = 0; waited_ms < pause_ms && !atomic_load(&member->stop); waited_ms += POLL_MS)
		clock_sleep_ms(POLL_MS);
	rd_kafka_t *fresh, *former = member->handle;
	if (atomic_load(&member->stop) || result_failed(handle_make(bus, &fresh)))
		return;
	if (result_failed(group_join(bus, fresh))) {
		kafka_handle_end(bus, fresh);
		return;
	}
	pthread_rwlock_wrlock(&member->swap);
	member->handle = fresh;
	pthread_rwlock_unlock(&member->swap);
	kafka_handle_end(bus, former);
}

static void *member_run(void *context)
{
	BusKafka *bus = context;
	Member *member = &bus->member;
	int64_t turned_us = clock_monotonic_us();
	while (!atomic_load(&member->stop)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(member->handle, POLL_MS);
		if (message)
			rd_kafka_message_destroy(message); /* errors: librdkafka goes on by itself, and has logged them */
		if (member_is_fatal(bus))
			handle_replace(bus);
		if (clock_monotonic_us() - turned_us < MEMBER_TURN_MS * 1000)
			continue;
		turned_us = clock_monotonic_us();
		positions_commit(bus, member->handle);
		partitions_release_idle(bus);
	}
	return NULL;
}

Result member_open(BusKafka *bus)
{
	Member *member = &bus->member;
	size_t count = bus->options.topic_count * BUS_PARTITIONS_MAX;
	must(pthread_mutex_init(&member->mutex, NULL) == 0 && pthread_rwlock_init(&member->swap, NULL) == 0);
	if (!bus->options.group)
		return result_ok();
	member->positions = calloc(count, sizeof *member->positions);
	must(member->positions);
	for (size_t i = 0; i < count; i++)
		member->positions[i].at = -1;
	return handle_make(bus, &member->handle);
}

Result member_join(Bus *base)
{
	BusKafka *bus = bus_kafka(base);
	Member *member = &bus->member;
	if (!bus->options.group)
		return result_ok();
	must(!member->started);
	TRY(group_join(bus, member->handle));
	member->started = pthread_create(&member->thread, NULL, member_run, bus) == 0;
	return member->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started");
}

Result member_health(const BusKafka *bus)
{
	const Member *member = &bus->member;
	return !member->started || atomic_load(&member->assigned_once) ?
		       result_ok() :
		       result_fail(ERROR_AGAIN, "the group %s has not answered yet", bus->options.group);
}

/*
 * Its callbacks run in here, and nowhere later: ending a handle without this, as all others do, makes none. Who never joined has
 * left at once.
 */
static void group_leave(BusKafka *bus, rd_kafka_t *handle)
{
	int64_t until_us = clock_monotonic_us() + (int64_t)kafka_last_ms(bus, KAFKA_CALL_MS) * 1000;
	rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(handle, queue);
	while (!error && !rd_kafka_consumer_closed(handle) && clock_left_ms(until_us) > 0)
		rd_kafka_queue_poll_callback(queue, LEAVE_TURN_MS);
	if (error)
		rd_kafka_error_destroy(error);
	rd_kafka_queue_destroy(queue);
}

void member_close(BusKafka *bus)
{
	Member *member = &bus->member;
	atomic_store(&member->stop, true);
	if (member->started)
		pthread_join(member->thread, NULL);
	if (member->handle) {
		if (!result_failed(producer_health(&bus->bus)))
			positions_commit_last(bus, member->handle, kafka_last_ms(bus, KAFKA_CALL_MS));
		/* A static name keeps the partitions for a restart; a session's end frees them. */
		if (!bus->options.instance)
			group_leave(bus, member->handle);
		kafka_handle_end(bus, member->handle);
	}
	free(member->positions);
	pthread_rwlock_destroy(&member->swap);
	pthread_mutex_destroy(&member->mutex);
}
