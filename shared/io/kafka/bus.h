/*
 * The bus on Apache Kafka (librdkafka), an implementation of shared/io/bus.h. Its parts:
 *
 *   producer   One, idempotent, acks=all. An append is durable when its delivery report has no error. A producer with a fatal error
 *              is replaced; its undelivered appends are reported as failed.
 *   member     One, if there is a group. It subscribes to one topic, fetches nothing, and commits advisory positions. bus_assigned
 *              is true for the partition numbers that the group assigns to it. Before bus_join it only reads committed positions.
 *   ledgers, inputs   Two consumers that never subscribe: each partition that is read is assigned at an explicit offset. There are
 *              two, because full buffers of inputs must not block reading a ledger back.
 *   probe      Sends a request every three seconds, to detect a Kafka that does not respond.
 *
 * Closing waits for appends in flight, for a last commit of positions, and for handles to end. After bus_set_deadline all of
 * these waits end at the deadline, with at most half a second more for each of: the commit, each handle, and the reports of
 * appends that are given up. A request of the probe that was sent before bus_set_deadline may take two seconds. These limits also
 * hold if brokers keep their connections open and do not respond. A handle that does not end within its limit is abandoned.
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
	bool slotted;     /* has P partitions; else 1 */
	bool stream;      /* read through `inputs`; else through `ledgers` */
	bool background;  /* excluded from the detection of a stalled producer: no caller waits for its appends */
} BusKafkaTopic;

typedef struct {
	const char *brokers;  /* "host:port,host:port" */
	const char *options;  /* "name=value,…" of librdkafka, or NULL; some are refused (kafka/conf.h) */
	const char *client;   /* client.id: "tocsin-intake" */
	const char *instance; /* group.instance.id, name of this replica; NULL: the member leaves the group when it closes */
	const char *group;    /* group.id; NULL: no group, and every partition number counts as assigned */
	unsigned group_topic; /* the topic whose partition numbers the group distributes */
	const BusKafkaTopic *topics; /* borrowed until the bus is closed; indexes are the topic numbers of bus.h */
	size_t topic_count;
	unsigned partitions;  /* P */
	int64_t message_timeout_ms; /* an append not acknowledged within this time is reported as failed; 30000 for owners */
} BusKafkaOptions;

/*
 * Connects, checks every topic, and learns where each partition begins and ends; joins no group yet (bus_join). Starts no attempt
 * after wait_ms. Calls `stop` (may be NULL) after each failed attempt, and gives up when it returns true. Without an answer an
 * attempt takes about two seconds. ERROR_AGAIN: Kafka is not reachable, or topics are missing (the text names tocsin topics
 * apply); ERROR_INPUT: options that librdkafka refuses, or a topic with a wrong number of partitions. An open bus reconnects as
 * often as necessary.
 */
Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
		      Bus **out);

#endif
