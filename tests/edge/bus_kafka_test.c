/*
 * Cases that concern only the bus on Kafka: a producer with a fatal error, a full queue, headers of other clients, group members
 * that share the partitions, trimmed logs. Members and trimming are tested on a real Kafka, because librdkafka's mock cluster has
 * no DeleteRecords; the other cases run on the mock cluster.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "shared/io/kafka/bus_internal.h"
#include "shared/io/system/clock.h"
#include "tests/support/caught.h"
#include "tests/support/kafka_cluster.h"
#include "tests/support/metric_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTITIONS = 4, APPENDS_MAX = 60000, WAIT_MS = 20000, SESSION_MS = 6000, JOIN_MS = 1500 };
enum { STALL_MS = 5000 }; /* tolerance for a slow machine; closing a bus without a deadline would take 30 s */

/* How often `done` was called for one append, and how often as failed. */
typedef struct {
	atomic_int answers, failures;
} AppendOutcome;

typedef struct {
	KafkaCluster cluster;
	char name[CLUSTER_NAME];
	BusKafkaTopic topic;
	Bus *bus;
	AppendOutcome *outcomes;
	size_t count;
} Edge;

static BusKafkaOptions options_of(Edge *edge, const char *group, const char *instance)
{
	return (BusKafkaOptions){ .brokers = edge->cluster.brokers,
				  .options = edge->cluster.mock ? edge->cluster.options : "session.timeout.ms=6000",
				  .client = "tocsin-test",
				  .instance = instance,
				  .group = group,
				  .topics = &edge->topic,
				  .topic_count = 1,
				  .partitions = PARTITIONS,
				  .message_timeout_ms = 30000 };
}

static Result bus_make(Edge *edge, const char *group, const char *instance, Bus **out)
{
	BusKafkaOptions options = options_of(edge, group, instance);
	TRY(bus_kafka_open(&options, 10000, NULL, NULL, out));
	return bus_join(*out);
}

static void edge_make(Edge *edge)
{
	cluster_topic(&edge->cluster, "events", PARTITIONS, edge->name);
	edge->topic = (BusKafkaTopic){ .name = edge->name, .slotted = true, .stream = true };
	edge->outcomes = calloc(APPENDS_MAX, sizeof *edge->outcomes);
	must(edge->outcomes);
}

static int mock_setup(void **state)
{
	Edge *edge = *state = calloc(1, sizeof *edge);
	cluster_mock(&edge->cluster);
	edge_make(edge);
	return result_failed(bus_make(edge, NULL, "one", &edge->bus));
}

static int real_setup(void **state)
{
	Edge *edge = *state = calloc(1, sizeof *edge);
	if (cluster_real(&edge->cluster))
		edge_make(edge);
	else
		print_message("no real Kafka (tools/with-outside.sh)\n");
	return 0;
}

static int teardown(void **state)
{
	Edge *edge = *state;
	if (edge->bus)
		edge->bus->operations->close(edge->bus);
	if (edge->cluster.host)
		cluster_end(&edge->cluster);
	free(edge->outcomes);
	free(edge);
	return 0;
}

static void answered(void *context, bool failed, int64_t offset)
{
	AppendOutcome *outcome = context;
	(void)offset;
	outcome->failures += failed;
	outcome->answers++;
}

/* The body of the n-th accepted append is "n". */
static Result append(Edge *edge)
{
	char body[24];
	assert_true(edge->count < APPENDS_MAX);
	snprintf(body, sizeof body, "%zu", edge->count);
	BusRecord record = { .key = SLICE("key"), .body = slice_of(body) };
	Result result = bus_append(edge->bus, 0, 0, &record, answered, &edge->outcomes[edge->count]);
	if (!result_failed(result))
		edge->count++;
	return result;
}

static bool all_answered(Edge *edge)
{
	for (size_t i = 0; i < edge->count; i++)
		if (edge->outcomes[i].answers == 0)
			return false;
	return true;
}

static void settle(Edge *edge)
{
	for (int waited_ms = 0; waited_ms < WAIT_MS && !all_answered(edge); waited_ms += 10)
		clock_sleep_ms(10);
	for (size_t i = 0; i < edge->count; i++)
		assert_int_equal(edge->outcomes[i].answers, 1);
}

/* ---- records in partition 0 */

typedef struct {
	unsigned char times[APPENDS_MAX];
} Found;

static bool count_one(void *context, const BusRecord *record)
{
	Found *found = context;
	char body[24] = "";
	memcpy(body, record->body.data, record->body.size < sizeof body - 1 ? record->body.size : sizeof body - 1);
	found->times[strtoul(body, NULL, 10) % APPENDS_MAX]++;
	return true;
}

static void read_all(Edge *edge, BusVisit visit, void *context)
{
	BusReader *reader;
	int64_t end = 0;
	assert_false(result_failed(edge->bus->operations->reader_open(edge->bus, &reader)));
	assert_false(result_failed(partitions_extents_ask(&bus_kafka(edge->bus)->partitions, 0, 0, 5000)));
	end = edge->bus->operations->end(edge->bus, 0, 0);
	for (int64_t at = 0; at < end;) {
		Result result = edge->bus->operations->read(reader, (BusPosition){ 0, 0, at }, 1000, true, visit, context, &at);
		assert_int_equal(result.kind, ERROR_NONE);
	}
	edge->bus->operations->reader_close(reader);
}

static void assert_kept(Edge *edge)
{
	Found *found = calloc(1, sizeof *found);
	must(found);
	read_all(edge, count_one, found);
	for (size_t i = 0; i < edge->count; i++) {
		assert_true(found->times[i] <= 1);
		assert_true(found->times[i] == 1 || edge->outcomes[i].failures == 1);
	}
	free(found);
}

/* ---- the cases */

static void a_fatal_producer_is_replaced_and_every_append_is_answered_once(void **state)
{
	Edge *edge = *state;
	for (int i = 0; i < 500; i++)
		assert_int_equal(append(edge).kind, ERROR_NONE);
	rd_kafka_t *handle = producer_handle(&bus_kafka(edge->bus)->producer);
	rd_kafka_test_fatal_error(handle, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "injected by a test");
	producer_handle_return(&bus_kafka(edge->bus)->producer);
	int refused = 0;
	for (int i = 0; i < 500; i++)
		for (Result result = append(edge); result_failed(result); result = append(edge)) {
			assert_int_equal(result.kind, ERROR_AGAIN);
			assert_true(++refused < WAIT_MS);
			clock_sleep_ms(1);
		}
	settle(edge);
	assert_ptr_not_equal(bus_kafka(edge->bus)->producer.handle, handle);
	assert_int_equal(metric_value("tocsin_bus_producers_replaced_total"), 1);
	for (size_t i = edge->count - 100; i < edge->count; i++)
		assert_int_equal(edge->outcomes[i].failures, 0);
	assert_kept(edge);
}

static void brokers_answer_after(Edge *edge, int ms)
{
	for (int32_t broker = 1; broker <= 3; broker++)
		rd_kafka_mock_broker_set_rtt(edge->cluster.mock, broker, ms);
}

static void a_full_queue_refuses_and_loses_nothing(void **state)
{
	Edge *edge = *state;
	Result result = append(edge);
	settle(edge);
	brokers_answer_after(edge, 1000);
	while (!result_failed(result))
		result = append(edge);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_non_null(strstr(result.text, "full"));
	brokers_answer_after(edge, 0);
	settle(edge);
	assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	for (size_t i = 0; i < edge->count; i++)
		assert_int_equal(edge->outcomes[i].failures, 0);
	assert_kept(edge);
}

static void closing_with_a_deadline_answers_every_append_though_brokers_do_not(void **state)
{
	enum { LEFT_MS = 700, HANDLES = 4 };
	Edge *edge = *state;
	assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	brokers_answer_after(edge, 60000);
	for (int i = 0; i < 100; i++)
		assert_int_equal(append(edge).kind, ERROR_NONE);
	int64_t begun_us = clock_monotonic_us();
	catch_begin();
	bus_set_deadline(edge->bus, LEFT_MS);
	edge->bus->operations->close(edge->bus);
	edge->bus = NULL;
	const char *line = strstr(catch_end(), "\"event\":\"append-failed\"");
	int64_t took_ms = (clock_monotonic_us() - begun_us) / 1000;
	assert_true(took_ms >= LEFT_MS); /* until the deadline, closing waits for appends that can still become durable */
	assert_true(took_ms < LEFT_MS + HANDLES * KAFKA_LAST_MS + STALL_MS);
	for (size_t i = 0; i < edge->count; i++) {
		assert_int_equal(edge->outcomes[i].answers, 1);
		assert_int_equal(edge->outcomes[i].failures, i > 0);
	}
	assert_non_null(line); /* one line for all failed appends together */
	assert_null(strstr(strchr(line, '\n'), "append-failed"));
	assert_non_null(strstr(line, "\"detail\":\"Local: Purged"));
}

/* The data of a thread that calls producer_silence_us without a pause while `asks` is true, as threads of other senders do. */
typedef struct {
	KafkaProducer producer;
	atomic_bool asks, paused, ends;
	atomic_int false_alarms;
} Asker;

static void *ask_on(void *context)
{
	Asker *asker = context;
	while (!asker->ends) {
		asker->paused = !asker->asks;
		asker->false_alarms += asker->asks && producer_silence_us(&asker->producer, clock_monotonic_us()) > 1000000;
	}
	return NULL;
}

/* Pauses the thread and sets the time of the last acknowledgement to a minute ago. */
static void idle_long(Asker *asker)
{
	asker->asks = asker->paused = false;
	while (!asker->paused)
		;
	asker->producer.progress_us = clock_monotonic_us() - 60000000;
	asker->asks = true;
}

static void the_first_append_after_idleness_is_not_taken_for_silence(void **state)
{
	(void)state;
	Asker asker = { 0 };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, ask_on, &asker), 0);
	for (int64_t until_us = clock_monotonic_us() + 2000000; clock_left_ms(until_us) > 0;) {
		idle_long(&asker);
		producer_append_begun(&asker.producer, clock_monotonic_us());
		producer_append_ended(&asker.producer, clock_monotonic_us());
	}
	asker.ends = true;
	pthread_join(thread, NULL);
	assert_int_equal(asker.false_alarms, 0);
}

static void silence_is_measured_from_the_first_append_in_flight_or_the_last_acknowledgement(void **state)
{
	(void)state;
	KafkaProducer producer = { 0 };
	assert_int_equal(producer_silence_us(&producer, 5000), 0);
	producer_append_begun(&producer, 5000);
	producer_append_begun(&producer, 6000);
	assert_int_equal(producer_silence_us(&producer, 8000), 3000);
	producer_append_ended(&producer, 9000);
	assert_int_equal(producer_silence_us(&producer, 9500), 500);
	producer_append_ended(&producer, 0); /* the time 0 states that the append failed, so nothing was acknowledged */
	assert_int_equal(producer_silence_us(&producer, 20000), 0);
	producer_append_begun(&producer, 30000);
	assert_int_equal(producer_silence_us(&producer, 31000), 1000);
}

/* A call of probe_answered with an earlier time does not move the time of the last answer back. */
static void a_kafka_that_answers_nothing_is_reported_after_15_seconds(void **state)
{
	(void)state;
	KafkaConnection connection = { .options.brokers = "127.0.0.1:9" };
	KafkaProbe probe = { .connection = &connection };
	probe_answered(&probe, 20000000);
	probe_answered(&probe, 10000000);
	assert_int_equal(probe_health(&probe, 34999999).kind, ERROR_NONE);
	Result result = probe_health(&probe, 35000000);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_string_equal(result.text, "Kafka at 127.0.0.1:9 has answered nothing for 15 s");
	probe_answered(&probe, 36000000);
	assert_int_equal(probe_health(&probe, 50000000).kind, ERROR_NONE);
}

static bool count_and_stop(void *context, const BusRecord *record)
{
	(void)record;
	++*(size_t *)context;
	return false;
}

/* Like the gateway's view, the reader is in no group. Its lag is computed from the high watermark of the last fetch. */
static void a_reader_that_lags_knows_how_far(void **state)
{
	Edge *edge = *state;
	enum { RECORDS = 50 };
	Bus *other;
	BusReader *reader;
	BusPosition position = { 0, 0, 0 };
	size_t count = 0;
	assert_int_equal(bus_make(edge, NULL, "two", &other).kind, ERROR_NONE);
	assert_int_equal(other->operations->reader_open(other, &reader).kind, ERROR_NONE);
	assert_int_equal(bus_high_watermark(other, 0, 0), 0);
	for (int i = 0; i < RECORDS; i++)
		assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	for (int waited_ms = 0; waited_ms < WAIT_MS && bus_high_watermark(other, 0, 0) < RECORDS; waited_ms += 50)
		other->operations->wait(reader, &position, 1, 50);
	Result result = other->operations->read(reader, position, RECORDS, true, count_and_stop, &count, &position.from);
	assert_int_equal(result.kind, ERROR_NONE);
	assert_int_equal(count, 1);
	assert_in_range(other->operations->end(other, 0, 0), 1, RECORDS - 1); /* `other` knows the end only as far as it has read */
	assert_int_equal(bus_high_watermark(other, 0, 0), RECORDS);
	assert_int_equal(bus_high_watermark(other, 0, 1), 0);
	other->operations->reader_close(reader);
	other->operations->close(other);
}

/* Writes a record as any client can; takes ownership of the headers. */
static void other_client_write(Edge *edge, rd_kafka_headers_t *headers, const char *body)
{
	char reason[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers", edge->cluster.brokers, reason, sizeof reason),
			 RD_KAFKA_CONF_OK);
	rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
	assert_non_null(client);
	rd_kafka_resp_err_t error = rd_kafka_producev(client, RD_KAFKA_V_TOPIC(edge->name), RD_KAFKA_V_PARTITION(0),
						      RD_KAFKA_V_VALUE((void *)body, strlen(body)),
						      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
						      RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	assert_int_equal(error, RD_KAFKA_RESP_ERR_NO_ERROR);
	assert_int_equal(rd_kafka_flush(client, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_destroy(client);
}

static rd_kafka_headers_t *headers_of(size_t count, const char *name, size_t size)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(count);
	char *value = calloc(1, size + 1);
	memset(value, 'v', size);
	for (size_t i = 0; i < count; i++)
		rd_kafka_header_add(headers, name, -1, value, (ssize_t)size);
	free(value);
	return headers;
}

/* Appends "BODY=VALUE;" to the context; VALUE is that of the header ce_id, or empty. */
static bool show(void *context, const BusRecord *record)
{
	Slice id = header_get(record->headers, "ce_id");
	Slice headers = record->headers, name, value;
	while (header_next(&headers, &name, &value))
		for (size_t i = 0; i < name.size; i++)
			assert_true(name.data[i] > ' ' && name.data[i] <= '~');
	buffer_format(context, "%.*s=%.*s;", (int)record->body.size, record->body.data, (int)id.size, id.data ? id.data : "");
	return true;
}

static void headers_of_other_clients_break_nothing(void **state)
{
	Edge *edge = *state;
	Buffer text;
	buffer_init(&text, 4096);
	rd_kafka_headers_t *headers = headers_of(1, "", 3);
	rd_kafka_header_add(headers, "none", -1, NULL, 0);
	rd_kafka_header_add(headers, "\xff\xfe", -1, "no UTF-8", 8);
	rd_kafka_header_add(headers, "line\nfeed", -1, "x", 1);
	rd_kafka_header_add(headers, "ce_id", -1, "one\0two", 7);
	other_client_write(edge, headers, "odd");
	other_client_write(edge, headers_of(1000, "many", 8), "many");
	other_client_write(edge, headers_of(1, "large", 600 << 10), "large");
	other_client_write(edge, headers_of(1, "ce_id", 2), "ours");
	read_all(edge, show, &text);
	assert_string_equal(text.data, "odd=one;many=;large=;ours=vv;");
	buffer_release(&text);
}

static Result commit(Bus *bus, unsigned topic, unsigned partition, int64_t position)
{
	return bus->operations->commit(bus, "tocsin-test", topic, partition, position);
}

static int64_t committed(Bus *bus, unsigned topic, unsigned partition)
{
	return bus->operations->committed(bus, "tocsin-test", topic, partition);
}

static uint64_t assigned_to(Bus *bus)
{
	uint64_t assigned = 0;
	for (unsigned partition = 0; partition < PARTITIONS; partition++)
		assigned |= (uint64_t)bus_assigned(bus, partition) << partition;
	return assigned;
}

/* Waits until each of two members is assigned some partitions and both together all; b NULL: until a is assigned all. */
static void await_shared(Bus *a, Bus *b, int within_ms)
{
	const uint64_t all = (1U << PARTITIONS) - 1;
	uint64_t of_a = 0, of_b = 0;
	for (int waited_ms = 0; waited_ms < within_ms; waited_ms += 20) {
		of_a = assigned_to(a);
		of_b = b ? assigned_to(b) : 0;
		if ((of_a | of_b) == all && (of_a & of_b) == 0 && (!b || (of_a && of_b)))
			return;
		clock_sleep_ms(20);
	}
	fail_msg("assigned: %llx and %llx", (unsigned long long)of_a, (unsigned long long)of_b);
}

static void members_share_the_partitions_and_inherit_positions(void **state)
{
	Edge *edge = *state;
	Bus *former, *successor;
	if (!edge->cluster.host)
		skip();
	assert_false(result_failed(bus_make(edge, edge->name, "one", &former)));
	await_shared(former, NULL, WAIT_MS);
	assert_false(result_failed(bus_make(edge, edge->name, "two", &successor)));
	await_shared(former, successor, WAIT_MS);
	uint64_t inherited = assigned_to(former);
	for (unsigned partition = 0; partition < PARTITIONS; partition++)
		assert_false(result_failed(commit(former, 0, partition, 7 + partition)));
	former->operations->close(former);
	await_shared(successor, NULL, SESSION_MS + 5000);
	for (unsigned partition = 0; partition < PARTITIONS; partition++)
		assert_int_equal(committed(successor, 0, partition),
				 inherited >> partition & 1 ? 7 + (int)partition : BUS_NONE_COMMITTED);
	successor->operations->close(successor);
}

static void a_member_without_an_instance_name_gives_up_its_share_at_once(void **state)
{
	Edge *edge = *state;
	Bus *stays, *leaves;
	if (!edge->cluster.host)
		skip();
	assert_false(result_failed(bus_make(edge, edge->name, "one", &stays)));
	await_shared(stays, NULL, WAIT_MS);
	assert_false(result_failed(bus_make(edge, edge->name, NULL, &leaves)));
	await_shared(stays, leaves, WAIT_MS);
	int64_t from_us = clock_monotonic_us();
	leaves->operations->close(leaves);
	await_shared(stays, NULL, WAIT_MS);
	assert_true(clock_monotonic_us() - from_us < SESSION_MS * 1000 / 2);
	stays->operations->close(stays);
}

static void a_group_that_has_not_answered_yet_is_reported(void **state)
{
	(void)state;
	KafkaConnection connection = { .options.group = "tocsin-test" };
	KafkaMember member = { .connection = &connection };
	assert_int_equal(member_health(&member).kind, ERROR_NONE); /* a member that has not joined expects no answer */
	member.started = true;
	Result result = member_health(&member);
	assert_int_equal(result.kind, ERROR_AGAIN);
	assert_string_equal(result.text, "the group tocsin-test has not answered yet");
	member.assigned_once = true;
	assert_int_equal(member_health(&member).kind, ERROR_NONE);
}

/* When the process ends, its group member has sent the commit but has not received the result. */
static void a_commit_in_flight_when_a_process_ends_is_committed(void **state)
{
	Edge *edge = *state;
	Bus *ends, *asks;
	if (!edge->cluster.host)
		skip();
	BusKafkaOptions options = options_of(edge, edge->name, "two");
	assert_false(result_failed(bus_kafka_open(&options, 10000, NULL, NULL, &asks)));
	assert_false(result_failed(bus_make(edge, edge->name, "one", &ends)));
	await_shared(ends, NULL, WAIT_MS);
	assert_false(result_failed(commit(ends, 0, 1, 7)));
	KafkaMember *member = &bus_kafka(ends)->member;
	for (bool due = true; due;) {
		pthread_mutex_lock(&member->mutex);
		due = member->positions[1].due;
		pthread_mutex_unlock(&member->mutex);
	}
	ends->operations->close(ends);
	assert_int_equal(committed(asks, 0, 1), 7);
	asks->operations->close(asks);
}

static void await_committed(Bus *bus, BusPosition position)
{
	int64_t found = BUS_NONE_COMMITTED;
	for (int waited_ms = 0; waited_ms < WAIT_MS && found != position.from; waited_ms += 50) {
		clock_sleep_ms(50);
		found = committed(bus, position.topic, position.partition);
	}
	assert_int_equal(found, position.from);
}

static void the_owner_of_an_unslotted_ledger_commits_all_of_its_inputs(void **state)
{
	enum { SHARED, INPUT };
	Edge *edge = *state;
	char name[CLUSTER_NAME];
	if (!edge->cluster.host)
		skip();
	cluster_topic(&edge->cluster, "ledger", 1, name);
	const BusKafkaTopic topics[] = { [SHARED] = { .name = name }, [INPUT] = edge->topic };
	BusKafkaOptions options = options_of(edge, name, "one");
	options.topics = topics;
	options.topic_count = 2;
	options.group_topic = SHARED;
	assert_false(result_failed(bus_kafka_open(&options, 10000, NULL, NULL, &edge->bus)));
	clock_sleep_ms(JOIN_MS); /* a fixed time, because no event shows that a member does not join */
	assert_false(bus_assigned(edge->bus, 0));
	assert_false(result_failed(bus_join(edge->bus)));
	for (int waited_ms = 0; waited_ms < WAIT_MS && !bus_assigned(edge->bus, 0); waited_ms += 20)
		clock_sleep_ms(20);
	for (unsigned partition = 0; partition < PARTITIONS; partition++)
		assert_false(result_failed(commit(edge->bus, INPUT, partition, 5 + partition)));
	for (unsigned partition = 0; partition < PARTITIONS; partition++)
		await_committed(edge->bus, (BusPosition){ INPUT, partition, 5 + partition });
	edge->bus->operations->close(edge->bus); /* before `topics`, which the bus borrows, goes out of scope */
	edge->bus = NULL;
}

/*
 * A former owner works until it reads a claim with a higher epoch. The positions that it commits until then, for a partition that
 * is no longer assigned to it, must not be stored.
 */
static void a_lost_partitions_position_is_not_overwritten(void **state)
{
	Edge *edge = *state;
	Bus *former, *successor;
	unsigned moved = 0, kept = 0;
	if (!edge->cluster.host)
		skip();
	assert_false(result_failed(bus_make(edge, edge->name, "one", &former)));
	await_shared(former, NULL, WAIT_MS);
	assert_false(result_failed(bus_make(edge, edge->name, "two", &successor)));
	await_shared(former, successor, WAIT_MS);
	while (!bus_assigned(successor, moved))
		moved++;
	assert_false(result_failed(commit(successor, 0, moved, 9)));
	await_committed(successor, (BusPosition){ 0, moved, 9 });
	while (!bus_assigned(former, kept))
		kept++;
	assert_false(result_failed(commit(former, 0, moved, 3)));
	assert_false(result_failed(commit(former, 0, kept, 4))); /* not sent before the commit for `moved` */
	await_committed(successor, (BusPosition){ 0, kept, 4 });
	assert_int_equal(committed(successor, 0, moved), 9);
	former->operations->close(former);
	assert_int_equal(committed(successor, 0, moved), 9);
	successor->operations->close(successor);
}

/* ---- trimming, which librdkafka's mock does not support */

static void assert_not_kept(Bus *bus, int64_t from)
{
	BusReader *reader;
	int64_t next;
	assert_false(result_failed(bus->operations->reader_open(bus, &reader)));
	Result result = bus->operations->read(reader, (BusPosition){ 0, 0, from }, 10, true, count_one, NULL, &next);
	assert_int_equal(result.kind, ERROR_NOT_FOUND);
	assert_non_null(strstr(result.text, "is not kept any more"));
	assert_int_equal(next, from);
	bus->operations->reader_close(reader);
}

static void assert_extents(Bus *bus, int64_t first, int64_t end)
{
	assert_false(result_failed(partitions_extents_ask(&bus_kafka(bus)->partitions, 0, 0, 5000)));
	assert_int_equal(bus->operations->first(bus, 0, 0), first);
	assert_int_equal(bus->operations->end(bus, 0, 0), end);
}

/* Asserts that the body of the record is its offset. */
static bool in_place(void *context, const BusRecord *record)
{
	(void)context;
	assert_int_equal(strtol(record->body.data, NULL, 10), record->offset);
	return true;
}

static void assert_reads(Bus *bus, int64_t from, int64_t end)
{
	BusReader *reader;
	assert_false(result_failed(bus->operations->reader_open(bus, &reader)));
	for (int64_t next = from, at; next < end; next = at) {
		Result result = bus->operations->read(reader, (BusPosition){ 0, 0, next }, 10, true, in_place, NULL, &at);
		assert_int_equal(result.kind, ERROR_NONE);
	}
	bus->operations->reader_close(reader);
}

static void a_log_is_trimmed_and_a_read_before_its_beginning_fails(void **state)
{
	Edge *edge = *state;
	Bus *other;
	if (!edge->cluster.host)
		skip();
	assert_false(result_failed(bus_make(edge, NULL, "one", &edge->bus)));
	for (int i = 0; i < 10; i++)
		assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	assert_false(result_failed(bus_make(edge, NULL, "two", &other)));
	assert_int_equal(edge->bus->operations->trim(edge->bus, 0, 0, 6).kind, ERROR_NONE);
	assert_extents(edge->bus, 6, 10);
	assert_int_equal(edge->bus->operations->trim(edge->bus, 0, 0, 4).kind, ERROR_NONE);
	/* `other` does not know of the trim to 6 and will ask Kafka to trim to 4. */
	assert_int_equal(other->operations->first(other, 0, 0), 0);
	assert_int_equal(other->operations->trim(other, 0, 0, 4).kind, ERROR_NONE);
	assert_extents(edge->bus, 6, 10);
	assert_not_kept(edge->bus, 5);
	assert_int_equal(other->operations->first(other, 0, 0), 4);
	assert_not_kept(other, 5); /* `other` does not know that offset 5 was trimmed, but the broker does */
	assert_int_equal(other->operations->first(other, 0, 0), 6);
	assert_reads(other, 6, 10);
	other->operations->close(other);
}

static void a_log_that_is_trimmed_to_its_end_continues_from_there(void **state)
{
	Edge *edge = *state;
	Bus *later;
	if (!edge->cluster.host)
		skip();
	assert_false(result_failed(bus_make(edge, NULL, "one", &edge->bus)));
	for (int i = 0; i < 10; i++)
		assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	assert_int_equal(edge->bus->operations->trim(edge->bus, 0, 0, 10).kind, ERROR_NONE);
	assert_int_equal(append(edge).kind, ERROR_NONE);
	settle(edge);
	assert_false(result_failed(bus_make(edge, NULL, "two", &later)));
	assert_int_equal(later->operations->first(later, 0, 0), 10);
	assert_reads(later, 10, 11);
	later->operations->close(later);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_fatal_producer_is_replaced_and_every_append_is_answered_once, mock_setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_refuses_and_loses_nothing, mock_setup, teardown),
		cmocka_unit_test_setup_teardown(
			closing_with_a_deadline_answers_every_append_though_brokers_do_not, mock_setup,
			teardown),
		cmocka_unit_test(the_first_append_after_idleness_is_not_taken_for_silence),
		cmocka_unit_test(silence_is_measured_from_the_first_append_in_flight_or_the_last_acknowledgement),
		cmocka_unit_test(a_kafka_that_answers_nothing_is_reported_after_15_seconds),
		cmocka_unit_test_setup_teardown(a_reader_that_lags_knows_how_far, mock_setup, teardown),
		cmocka_unit_test_setup_teardown(headers_of_other_clients_break_nothing, mock_setup, teardown),
		cmocka_unit_test_setup_teardown(members_share_the_partitions_and_inherit_positions, real_setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_owner_of_an_unslotted_ledger_commits_all_of_its_inputs, real_setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_lost_partitions_position_is_not_overwritten, real_setup, teardown),
		cmocka_unit_test_setup_teardown(a_member_without_an_instance_name_gives_up_its_share_at_once, real_setup, teardown),
		cmocka_unit_test_setup_teardown(a_commit_in_flight_when_a_process_ends_is_committed, real_setup, teardown),
		cmocka_unit_test(a_group_that_has_not_answered_yet_is_reported),
		cmocka_unit_test_setup_teardown(a_log_is_trimmed_and_a_read_before_its_beginning_fails, real_setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_log_that_is_trimmed_to_its_end_continues_from_there, real_setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
