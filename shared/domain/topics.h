/*
 * The topics: the one table of what flows between services. Names, kinds, retention and who writes stand here and
 * nowhere else; proto/asyncapi.yaml is compared with it in a test.
 *
 *   stream  many writers, at least once; the receiver drops what it knows
 *   ledger  one owner a partition writes its truth to it; every reader applies the rule of shared/domain/ledger.h first
 *   table   the last message of a key counts
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
	bool slotted;         /* goes to partition slot mod P; else to partition 0 */
	int64_t keep_ms;      /* streams: dropped when older and passed by all readers; ledgers: cut by their owner; 0: kept */
	const char *sentence;
} Topic;

extern const Topic topics[TOPICS];

/* How many partitions it has where slotted ones have so many. */
unsigned topic_partitions(TopicId topic, unsigned partitions);

/* Index by short name, or TOPICS when there is none. */
TopicId topic_of(Slice short_name);

#endif
