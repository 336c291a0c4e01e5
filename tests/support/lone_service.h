/*
 * One service alone, run by the real runtime on an in-memory bus with a clock that the test sets. The test appends its inputs, as
 * the owner of those ledgers would, and reads its outputs from the bus.
 */
#ifndef TOCSIN_TESTS_LONE_SERVICE_H
#define TOCSIN_TESTS_LONE_SERVICE_H

#include "shared/runtime/runtime.h"

typedef struct {
	const Service *service;
	void *environment;
	Outbound *outbound; /* NULL: none */
	Bus *bus;
	Timers *timers;
	Store *store;
	Runtime *runtime;
	Instant now;
	uint64_t owners, seq[TOPICS];
	bool standby; /* one replica of several (RuntimeOptions.standby), from the next start on */
	Bus *handle;        /* the service's, if it knows less of the logs than the test (lone_use_own_handle); NULL: bus */
	bool waiting;       /* the last step answered ERROR_AGAIN */
	Result failure;     /* ERROR_INTERNAL of the last step, after which it is not stepped again */
} LoneService;

/* Starts the runtime at now; everything is borrowed until lone_stop. policy, environment and outbound may be NULL. */
void lone_start(LoneService *lone, const Service *service, void *environment, Outbound *outbound, const Policy *policy,
		Instant now);
void lone_stop(LoneService *lone);

/* The process crashes and starts again; disk_lost: without its state file. */
void lone_restart(LoneService *lone, bool disk_lost);

/*
 * From the next start on, the service runs as a process that opens the bus now: as on Kafka, records appended later arrive at it
 * gradually.
 */
void lone_use_own_handle(LoneService *lone);

/* Steps until nothing moves any more, or the service failed (lone->failure). */
void lone_settle(LoneService *lone);

/* Moves the clock to now, stepping the service at each time it asked for in between. */
void lone_until(LoneService *lone, Instant now);

/* Appends a record to an input at lone->now, with a ledger's headers where it is one. Texts are copied. */
void lone_input(LoneService *lone, TopicId topic, const char *id, const char *type, const char *subject,
		const char *body);

/* Appends the claim with which the owner of an input ledger begins: epoch 1, owner 77, seq 0. */
void lone_claim(LoneService *lone, TopicId topic);

/* Appends any record, as another program could. ERROR_INPUT: it is larger than the bus takes. */
Result lone_append(LoneService *lone, TopicId topic, const BusRecord *record);

/* The nth record of a type in a topic, from 0, in ledgers the nth accepted one; false: there are fewer. Borrowed until lone_stop. */
bool lone_output(const LoneService *lone, TopicId topic, const char *type, size_t nth, BusRecord *out);
size_t lone_outputs(const LoneService *lone, TopicId topic, const char *type);

#endif
