/*
 * How many records lie between what a runtime has read and the end of each log, published as METRIC_BUS_LAG. A process has one
 * runtime per partition; each adds the change since its last report, so a topic's metric is the sum over the partitions that the
 * process reads.
 */
#ifndef TOCSIN_RUNTIME_LAG_H
#define TOCSIN_RUNTIME_LAG_H

#include "shared/domain/topics.h"
#include "shared/io/bus.h"

/* Both arrays are indexed by TopicId. */
typedef struct {
	bool read[TOPICS];
	int64_t records[TOPICS];
} Lag;

/* Adds the records from this position to the log's end. Records that are no longer kept are not counted. */
void lag_add(Lag *lag, Bus *bus, BusPosition position);

/* Adds the difference between *lag and reported (records by topic) to the metric, and updates reported. */
void lag_publish(const Lag *lag, const char *service, int64_t reported[static TOPICS]);

#endif
