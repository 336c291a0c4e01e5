/*
 * The log of an installation, opened as its settings say: bus.db in TOCSIN_HOME, or Kafka. One place for both, since the
 * programs and the commands that look at their logs must agree on topics, partitions and the names of groups.
 */
#ifndef TOCSIN_PROGRAM_BUSES_H
#define TOCSIN_PROGRAM_BUSES_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"
#include "shared/program/settings.h"

/* Who opens it on Kafka. */
typedef struct {
	const char *client;    /* "tocsin-intake" */
	const char *instance;  /* stable and different from every other replica's; NULL: it does not come back */
	const Service *group;  /* once it joins, of this service's consumer group, as its replicas are; NULL: of none */
	TopicId shared;        /* with a group: whose partition numbers its members share out */
	int64_t append_timeout_ms; /* 0: as owners need it */
} BusSeat;

Result bus_open_home(const Settings *settings, Bus **out);

/* Failures, wait_ms and stop: see bus_kafka_open. */
Result bus_open_cluster(const Settings *settings, const BusSeat *seat, int64_t wait_ms, bool (*stop)(void *context),
			void *context, Bus **out);

#endif
