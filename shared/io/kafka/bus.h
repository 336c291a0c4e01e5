/*
 * The bus on Apache Kafka (librdkafka), an implementation of shared/io/bus.h. Its parts:
 *
 *   producer   one, idempotent, acks=all. An append is durable when its delivery report has no error. A producer with a
 *              fatal error is replaced; its undelivered appends are reported as failed.
 *   member     one where there is a group: it subscribes to one topic, fetches nothing, and commits advisory positions. The
 *              partition numbers that it is assigned are those of bus_assigned. Before bus_join it only reads committed positions.
 *   ledgers, inputs   two consumers that never subscribe: each partition that is read is assigned at an explicit offset. They are
 *              two, because full input buffers must not block reading a ledger back.
 *   probe      asks every three seconds whether Kafka responds.
 *
 * Closing waits for appends in flight, for a last commit of positions, and for handles to end. After bus_set_deadline all of
 * this ends at the deadline, with at most half a second more for each of: the commit, each handle, and the reports of appends that
 * are given up. A request of the probe that was sent before bus_set_deadline may take two seconds. These limits hold also when
 * brokers keep their connections open and do not respond. A handle that does not end within its limit is abandoned.
 *
 * No Kafka transactions are used, and no owner of a ledger starts from a committed offset (docs/design/ownership.md, "Offsets and
 * restore"). No pause, seek, resume or batch call of librdkafka 2.0.2 is used (docs/design/brokers-and-timers.md, "Reading").
 * Kafka never creates a topic only because this bus uses its name.
 */
#ifndef TOCSIN_IO_KAFKA_BUS_H
#define TOCSIN_IO_KAFKA_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *name; /* "tocsin.events" */
	bool slotted;     /* has P partitions; else 1 */
	bool stream;      /* read through `inputs`; else through `ledgers` */
	bool background;  /* excluded from stall detection: no caller waits for its appends */
} BusKafkaTopic;

typedef struct {
	const char *brokers;  /* "host:port,host:port" */
	const char *options;  /* "name=value,…" of librdkafka, or NULL; some are refused (kafka/conf.h) */
	const char *client;   /* client.id: "tocsin-intake" */
	const char *instance; /* group.instance.id, name of this replica; NULL: the member leaves the group when it closes */
	const char *group;    /* group.id; NULL: none, and every partition number counts as assigned */
	unsigned group_topic; /* the topic whose partition numbers the group shares out */
	const BusKafkaTopic *topics; /* borrowed for the bus's life; indexes are the topic numbers of bus.h */
	size_t topic_count;
	unsigned partitions;  /* P */
	int64_t message_timeout_ms; /* an append not acknowledged within it is reported as failed; 30000 for owners */
} BusKafkaOptions;

/*
 * Connects, checks every topic, and learns where each partition begins and ends; joins no group yet (bus_join). Starts no
 * attempt after wait_ms, and calls `stop` (may be NULL) after each: true gives up. Without an answer an attempt takes about two
 * seconds.
 * ERROR_AGAIN: not reachable, or topics are missing (the text names tocsin topics apply); ERROR_INPUT: options that librdkafka
 * refuses, or a topic whose number of partitions is not P. Once open, it reconnects without end.
 */
Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
		      Bus **out);

#endif
