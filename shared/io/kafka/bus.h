/*
 * The bus on Apache Kafka (librdkafka). Everything stands in shared/io/bus.h; here is what is Kafka's alone.
 *
 *   producer   one, idempotent, acks=all. An append is durable when its delivery report says so. A fatal producer is replaced
 *              by a new one; what it had not delivered is reported as failed.
 *   member     one where there is a group: it subscribes to one topic and is assigned partition numbers, fetches nothing, and
 *              commits advisory positions. What it is assigned is what bus->assigned says. Before it has joined it only tells
 *              what the group has committed.
 *   pulse      asks now and then whether Kafka answers at all.
 *   ledgers, inputs   two consumers that never subscribe: each partition that is read is assigned at an explicit offset. Two,
 *              because full input buffers must not block the reading back of a ledger.
 *
 * Closing waits for appends under way, for a last commit of positions and for handles to end; where the bus was told to hurry
 * (bus.h) all of it together until then, and half a second longer for the commit, each handle, and the reports of what is
 * given up. A question of the pulse that was asked before the hurry may take two seconds. All that holds where brokers keep
 * their connections and answer nothing, too. A handle that does not end in its time is left behind.
 *
 * No Kafka transactions, and no owner of a ledger starts from a committed offset (docs/design/ownership.md, "Offsets and restore").
 * No pause, seek, resume or batch call of librdkafka 2.0.2 is used (docs/design/brokers-and-timers.md, "Reading"), and no topic is
 * ever created by being named.
 */
#ifndef TOCSIN_IO_KAFKA_BUS_H
#define TOCSIN_IO_KAFKA_BUS_H

#include "shared/io/bus.h"

typedef struct {
	const char *name; /* "tocsin.events" */
	bool slotted;     /* has P partitions; else 1 */
	bool stream;      /* read through `inputs`; else through `ledgers` */
	bool background;     /* nobody waits for what is appended: that it is late says nothing of Kafka to those who do */
} BusKafkaTopic;

typedef struct {
	const char *brokers;  /* "host:port,host:port" */
	const char *options;  /* "name=value,…" of librdkafka, or NULL; they win over ours, but for those correctness needs */
	const char *client;   /* client.id: "tocsin-intake" */
	const char *instance; /* this replica's stable name: group.instance.id; NULL: none, and it leaves the group when it ends */
	const char *group;    /* NULL: takes part in none, and is assigned every partition number */
	unsigned group_topic; /* the topic whose partition numbers the group shares out */
	const BusKafkaTopic *topics; /* borrowed for the bus's life; indexes are the topic numbers of bus.h */
	size_t topic_count;
	unsigned partitions;  /* P */
	int64_t message_timeout_ms; /* an append that is not acknowledged by then failed; 30000 for owners */
} BusKafkaOptions;

/*
 * Connects, looks at every topic, learns where each partition begins and ends, joins no group yet (bus_join); begins no attempt
 * after wait_ms, and calls `stop` (may be NULL) after each: true gives up. An attempt takes about two seconds where nobody answers.
 * ERROR_AGAIN: not reachable, or topics are not there (with what to do: tocsin topics apply); ERROR_INPUT: options that librdkafka
 * refuses, or a topic with another number of partitions than P. Once open it tries for ever.
 */
Result bus_kafka_open(const BusKafkaOptions *options, int64_t wait_ms, bool (*stop)(void *context), void *context,
		      Bus **out);

#endif
