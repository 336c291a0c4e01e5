/*
 * Opens the bus of an installation according to its settings: bus.db in TOCSIN_HOME, or Kafka. Programs and commands share
 * this code because they must agree on topics, partitions and names of consumer groups.
 */
#ifndef TOCSIN_PROGRAM_BUSES_H
#define TOCSIN_PROGRAM_BUSES_H

#include "shared/io/bus.h"
#include "shared/runtime/handler.h"
#include "shared/program/settings.h"

/* How a program identifies itself to Kafka; borrowed for the call. */
typedef struct {
	const char *name;      /* client id: "tocsin-intake" */
	const char *instance;  /* stable name, unique among replicas; NULL: the program leaves its group when the bus is closed */
	const Service *group;  /* bus_join joins this service's consumer group; NULL: no group */
	TopicId shared;        /* if there is a group: the topic whose partition numbers the group assigns to its members */
	int64_t append_timeout_ms; /* an append that is not acknowledged within this time fails; 0: 30,000 */
} BusClient;

/* Opens bus.db in TOCSIN_HOME. The caller closes *out; errors: see bus_sqlite_open. */
Result bus_open_datadir(const Settings *settings, Bus **out);

/* Connects to TOCSIN_KAFKA_BROKERS. The caller closes *out; errors, wait_ms and stop: see bus_kafka_open. */
Result bus_open_cluster(const Settings *settings, const BusClient *client, int64_t wait_ms, bool (*stop)(void *context),
			void *context, Bus **out);

#endif
