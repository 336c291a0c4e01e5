/*
 * The topics between the services: names, kinds and retention. tests/contract compares proto/asyncapi.yaml with the table.
 *
 *   stream  many writers; records are delivered at least once, and readers drop duplicates
 *   ledger  each partition has one owner; every reader first applies the rule of shared/domain/ledger.h
 *   table   compacted topic: the last record of a key is the value of that key
 */
#ifndef TOCSIN_DOMAIN_TOPICS_H
#define TOCSIN_DOMAIN_TOPICS_H

#include "shared/base/text.h"

#include <stdint.h>

typedef enum {
	TOPIC_EVENTS,
	TOPIC_REPORTS,
	TOPIC_ASSESSMENTS,
	TOPIC_COMMANDS,
	TOPIC_JOURNAL,
	TOPIC_DELIVERIES,
	TOPIC_POLICIES,
	TOPIC_CHECKPOINTS,
	TOPIC_DEAD_LETTERS,
	TOPIC_JOINS,
	TOPIC_INCIDENTS,
	TOPICS,
} TopicId;

typedef enum { TOPIC_STREAM, TOPIC_LEDGER, TOPIC_TABLE } TopicKind;

typedef struct {
	const char *name;     /* "tocsin.events" */
	const char *short_name; /* "events": in ce_positions, state files and metrics */
	TopicKind kind;
	bool slotted;         /* true: records go to partition slot mod P of P partitions; false: to the only partition, 0 */
	int64_t retention_ms; /* older records are dropped: of streams by the bus, of ledgers by their owner; 0: never */
	const char *sentence;
} Topic;

extern const Topic topics[TOPICS];

/*
 * The topic keeps a command for this time. Response keeps the ids of commands for the same time, to recognize a repeat, and so
 * does the view of the gateway, to show their status: once the topic has dropped a command, nobody can read the command again.
 */
enum { COMMANDS_KEPT_DAYS = 30 };
#define COMMANDS_KEPT_MS ((int64_t)COMMANDS_KEPT_DAYS * 86400000)

/* The number of partitions of a topic, if slotted topics have `partitions`. */
unsigned topic_partitions(TopicId topic, unsigned partitions);

/* The topic with that short name; TOPICS for an unknown name. */
TopicId topic_of(Slice short_name);

#endif
