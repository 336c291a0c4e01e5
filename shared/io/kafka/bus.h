/*
 * The bus on Apache Kafka (librdkafka), an implementation of shared/io/bus.h. Its parts:
 *
 *   producer   One producer, idempotent, with acks=all. An append is durable when its delivery report has no error. A producer with
 *              a fatal error is replaced; the undelivered appends of the replaced producer are reported as failed.
 *   member     One consumer, if there is a group. It subscribes to one topic, fetches nothing, and commits advisory positions.
 *              bus_assigned is true for the partition numbers that the group assigns to the member. Before bus_join the member
 *              only reads committed positions.
 *   ledgers, inputs   Two consumers that never subscribe: each partition that is read is assigned at an explicit offset. There are
 *              two, because full buffers of inputs must not block reading a ledger back.
 *   probe      Sends a request every three seconds, to detect a Kafka that does not respond.
 *
 * Closing waits for appends in flight, for a last commit of positions, and for handles to end. After bus_set_deadline each new
 * wait ends at the deadline, with at most half a second more for each of: the commit, leaving the group (a member without an
 * instance name), each handle, and the reports of appends that are given up. Only the producer's search for an unreachable cluster
 * ignores the deadline; it takes half a second. Waits that began before bus_set_deadline keep their limits: two seconds for a
 * request of the probe, five for other calls, ten for the reports of a replaced producer. These limits also hold if brokers keep
 * their connections open and do not respond. A handle that does not end within its limit is abandoned.
 *
 * No Kafka transactions are used, and no owner of a ledger starts from a committed offset (docs/design/ownership.md, "Offsets and
 * restore"). No pause, seek, resume or batch call of librdkafka 2.0.2 is used (docs/design/brokers-and-timers.md, "Reading"). The
 * bus never makes Kafka create a topic automatically.
 */
#ifndef TOCSIN_IO_KAFKA_BUS_H
#define TOCSIN_IO_KAFKA_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *name; /* "tocsin.events" */
	bool slotted;     /* true: the topic has P partitions; false: 1 */
	bool stream;      /* true: read through the consumer `inputs`; false: through `ledgers` */
	bool background;  /* true: no caller waits for appends to this topic; the detection of a stalled producer ignores them */
} BusKafkaTopic;

typedef struct {
	const char *brokers;  /* "host:port,host:port" */
	const char *options;  /* "name=value,…" of librdkafka, or NULL; some are refused (kafka/conf.h) */
	const char *client;   /* client.id: "tocsin-intake"; at most KAFKA_CLIENT_MAX bytes (kafka/conf.h) */
	const char *instance; /* group.instance.id, name of this replica; NULL: the member leaves the group when it closes */
	const char *group;    /* group.id; NULL: no group, and every partition number counts as assigned */
	unsigned group_topic; /* the topic whose partition numbers the group distributes */
	const BusKafkaTopic *topics; /* borrowed until the bus is closed; indexes are the topic numbers of bus.h */
	size_t topic_count;
	unsigned partitions;  /* P */
	int64_t message_timeout_ms; /* an append not acknowledged within this time is reported as failed; ledger owners use 30000 */
} BusKafkaOptions;

/*
 * Connects, checks every topic, and learns where each partition begins and ends; joins no group yet (bus_join). Tries at least
 * once, and again after a failed attempt until wait_ms has passed. Calls `stop` (may be NULL) after an attempt that failed with
 * ERROR_AGAIN, and gives up when `stop` returns true. An attempt sends five requests, waits up to two seconds for each, and fails
 * with the first that fails. ERROR_AGAIN: Kafka is not reachable, a partition has no leader, topics are missing (the text names
 * tocsin topics apply), or a thread cannot start. ERROR_INPUT: invalid options (kafka_conf_new), a topic with a wrong number of
 * partitions, or a cluster id of more than 63 bytes. An open bus reconnects as often as necessary.
 */
Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
		      Bus **out);

#endif
