/*
 * One service alone, run by the real runtime over an in-memory bus with a clock the test sets. What stands in its
 * inputs is written by the test, as the owner of those ledgers would write it; what it writes is read back from the
 * bus.
 */
#ifndef TOCSIN_TESTS_LONE_SERVICE_H
#define TOCSIN_TESTS_LONE_SERVICE_H

#include "shared/runtime/runtime.h"

typedef struct {
	const Service *service;
	void *environment;
	Outbound *outside; /* NULL: none */
	Bus *bus;
	Timers *timers;
	Store *store;
	Runtime *runtime;
	Instant now;
	uint64_t owners, seq[TOPICS];
	bool beside_others; /* one replica of several: taken from the next start on */
	Bus *handle; /* the service's own, where it knows less of the logs than the test (lone_newcomer); NULL: bus */
	bool waiting; /* the last step wants to be tried again */
	Result failure; /* what the last step said, when it failed for good */
} LoneService;

/* Begins at now; policy may be NULL. The runtime is started. */
void lone_start(LoneService *lone, const Service *service, void *environment, Outbound *outside, const Policy *policy,
		Instant now);
void lone_stop(LoneService *lone);

/* The process dies and starts again; disk_lost: without its state file. */
void lone_restart(LoneService *lone, bool disk_lost);

/*
 * From the next start on the service runs as a process that opened the bus now, knows as little as one on Kafka of what is
 * appended after this, and gets it bit by bit.
 */
void lone_newcomer(LoneService *lone);

/* Steps until nothing moves any more, or the service gave up (lone->failure). */
void lone_settle(LoneService *lone);

/* Moves the clock, waking the service at each moment it asked for meanwhile. */
void lone_until(LoneService *lone, Instant now);

/* Appends a record to an input (with a ledger's headers where it is one) at lone->now; id, subject: borrowed texts. */
void lone_input(LoneService *lone, TopicId topic, const char *id, const char *type, const char *subject,
		const char *body);

/* The nth record of a type in a topic, from 0; false: there are fewer. Slices are borrowed until the stop. */
bool lone_output(const LoneService *lone, TopicId topic, const char *type, size_t nth, BusRecord *out);
size_t lone_outputs(const LoneService *lone, TopicId topic, const char *type);

#endif
