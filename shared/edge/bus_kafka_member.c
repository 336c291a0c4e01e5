/*
 * The consumer group: a member that subscribes to one topic, fetches nothing, and is told which partition numbers are its
 * process's to own. A hint, no more (bus.h). It also commits the advisory positions, of any topic.
 */
#include "shared/edge/bus_kafka_internal.h"

#include "shared/edge/clock.h"
#include "shared/edge/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { POLL_MS = 200, COMMIT_EVERY_MS = 2000, REBORN_MS = 5000 };

/* ---- what is assigned */

static void assigned_set(BusKafka *bus, uint64_t assigned)
{
	if (atomic_exchange(&bus->member.assigned, assigned) == assigned)
		return;
	log_line(LOG_INFO, bus->options.client, "assigned", L_INTEGER("partitions", __builtin_popcountll(assigned)));
	kafka_wake_all(bus);
}

static void rebalanced(rd_kafka_t *handle, rd_kafka_resp_err_t what, rd_kafka_topic_partition_list_t *list, void *context)
{
	uint64_t assigned = 0;
	if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
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
	assigned_set(context, assigned);
}

bool member_assigned(Bus *base, unsigned partition)
{
	BusKafka *bus = bus_kafka(base);
	return !bus->options.group || (atomic_load(&bus->member.assigned) >> partition & 1) != 0;
}

/* ---- positions */

Result member_commit(Bus *base, const char *group, unsigned topic, unsigned partition, int64_t position)
{
	BusKafka *bus = bus_kafka(base);
	Member *member = &bus->member;
	(void)group; /* the process's service is the group */
	if (!bus->options.group)
		return result_ok();
	pthread_mutex_lock(&member->mutex);
	member->positions[topic * BUS_PARTITIONS_MAX + partition] = position;
	member->changed = true;
	pthread_mutex_unlock(&member->mutex);
	return result_ok();
}

static rd_kafka_topic_partition_list_t *positions_take(BusKafka *bus)
{
	Member *member = &bus->member;
	rd_kafka_topic_partition_list_t *list = NULL;
	pthread_mutex_lock(&member->mutex);
	size_t count = member->changed ? bus->options.topic_count * BUS_PARTITIONS_MAX : 0;
	for (size_t i = 0; i < count; i++) {
		if (member->positions[i] < 0)
			continue;
		list = list ? list : rd_kafka_topic_partition_list_new(16);
		rd_kafka_topic_partition_list_add(list, bus->options.topics[i / BUS_PARTITIONS_MAX].name,
						  (int32_t)(i % BUS_PARTITIONS_MAX))
			->offset = member->positions[i];
		member->positions[i] = -1;
	}
	member->changed = false;
	pthread_mutex_unlock(&member->mutex);
	return list;
}

static void positions_commit(BusKafka *bus, bool wait)
{
	rd_kafka_topic_partition_list_t *list = positions_take(bus);
	if (!list)
		return;
	/* Advisory: what is lost here is committed with the next position. */
	(void)rd_kafka_commit(bus->member.handle, list, wait ? 0 : 1);
	rd_kafka_topic_partition_list_destroy(list);
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
	rd_kafka_resp_err_t error = rd_kafka_committed(bus->member.handle, list, KAFKA_CALL_MS);
	if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
		error = asked->err;
	int64_t position = error != RD_KAFKA_RESP_ERR_NO_ERROR ? BUS_COMMITTED_UNKNOWN :
			   asked->offset < 0		       ? BUS_NONE_COMMITTED :
								 asked->offset;
	rd_kafka_topic_partition_list_destroy(list);
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

static Result handle_make(BusKafka *bus)
{
	const KafkaSetting settings[] = {
		{ "session.timeout.ms", "10000" },
		{ "heartbeat.interval.ms", "1000" },
		{ "max.poll.interval.ms", "300000" },
		{ "group.id", bus->options.group },
		{ "group.instance.id", bus->options.instance },
		{ "partition.assignment.strategy", "range" },
		{ "enable.auto.commit", "false" },
		{ "enable.auto.offset.store", "false" },
	};
	rd_kafka_conf_t *conf;
	TRY(kafka_bus_conf(bus, settings, sizeof settings / sizeof settings[0], &conf));
	rd_kafka_conf_set_opaque(conf, bus);
	rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
	TRY(kafka_new(RD_KAFKA_CONSUMER, conf, &bus->member.handle));
	rd_kafka_poll_set_consumer(bus->member.handle);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(list, bus->options.topics[bus->options.group_topic].name, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t error = rd_kafka_subscribe(bus->member.handle, list);
	rd_kafka_topic_partition_list_destroy(list);
	return error == RD_KAFKA_RESP_ERR_NO_ERROR ?
		       result_ok() :
		       result_fail(ERROR_AGAIN, "the group %s cannot be joined: %s", bus->options.group, rd_kafka_err2str(error));
}

/*
 * Another process took this instance's name, or the group forgot it while the broker was away: come back, but not at once, so
 * that two processes of one name do not fight.
 */
static void handle_replace(BusKafka *bus)
{
	Member *member = &bus->member;
	assigned_set(bus, 0);
	for (int waited_ms = 0; waited_ms < REBORN_MS && !atomic_load(&member->stop); waited_ms += POLL_MS)
		clock_sleep_ms(POLL_MS);
	rd_kafka_t *former = member->handle;
	if (atomic_load(&member->stop) || result_failed(handle_make(bus)))
		return;
	rd_kafka_destroy_flags(former, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void *member_run(void *context)
{
	BusKafka *bus = context;
	Member *member = &bus->member;
	int64_t committed_us = clock_monotonic_us();
	while (!atomic_load(&member->stop)) {
		rd_kafka_message_t *message = rd_kafka_consumer_poll(member->handle, POLL_MS);
		if (message)
			rd_kafka_message_destroy(message); /* errors: librdkafka goes on by itself, and has logged them */
		if (member_is_fatal(bus))
			handle_replace(bus);
		if (clock_monotonic_us() - committed_us < COMMIT_EVERY_MS * 1000)
			continue;
		committed_us = clock_monotonic_us();
		positions_commit(bus, false);
	}
	return NULL;
}

Result member_open(BusKafka *bus)
{
	Member *member = &bus->member;
	size_t count = bus->options.topic_count * BUS_PARTITIONS_MAX;
	must(pthread_mutex_init(&member->mutex, NULL) == 0);
	if (!bus->options.group)
		return result_ok();
	member->positions = malloc(count * sizeof *member->positions);
	must(member->positions);
	for (size_t i = 0; i < count; i++)
		member->positions[i] = -1;
	TRY(handle_make(bus));
	member->started = pthread_create(&member->thread, NULL, member_run, bus) == 0;
	return member->started ? result_ok() : result_fail(ERROR_AGAIN, "no thread can be started");
}

void member_close(BusKafka *bus)
{
	Member *member = &bus->member;
	atomic_store(&member->stop, true);
	if (member->started)
		pthread_join(member->thread, NULL);
	if (member->handle) {
		if (!result_failed(producer_health(&bus->bus)))
			positions_commit(bus, true);
		/* Not closed as a member: its static name keeps the partitions for a restart; a session's end frees them. */
		rd_kafka_destroy_flags(member->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	}
	free(member->positions);
	pthread_mutex_destroy(&member->mutex);
}
