/*
 * Runs one service alone, with the real runtime, on an in-memory bus and with a clock that the test sets. The test appends the
 * service's inputs in the role of the services that own these ledgers, and reads the service's outputs from the bus.
 */
#ifndef TOCSIN_TESTS_LONE_SERVICE_H
#define TOCSIN_TESTS_LONE_SERVICE_H

#include "shared/runtime/runtime.h"

typedef struct {
	const Service *service;
	void *environment;
	Outbound *outbound; /* NULL: the service sends no messages */
	Bus *bus;
	Timers *timers;
	Store *store;
	Runtime *runtime;
	Instant now;
	uint64_t owners, seq[TOPICS];
	bool standby; /* set by a test: from the next start on, the service is one of several replicas (RuntimeOptions.standby) */
	Bus *handle;        /* the service's own handle on the bus (lone_use_own_handle); NULL: it uses `bus` */
	bool waiting;       /* the service's last step answered ERROR_AGAIN */
	Result failure;     /* the ERROR_INTERNAL that a step answered; the service is not stepped any more */
} LoneService;

/* Starts the runtime at `now`. All pointers are borrowed until lone_stop. policy, environment and outbound may be NULL. */
void lone_start(LoneService *lone, const Service *service, void *environment, Outbound *outbound, const Policy *policy,
		Instant now);
void lone_stop(LoneService *lone);

/* Crashes the service and starts it again; disk_lost: without its state file. */
void lone_restart(LoneService *lone, bool disk_lost);

/*
 * Opens a second handle on the bus, which the service uses from the next start on. As on Kafka, records that are appended later
 * arrive at this handle after random delays. May be called once for each lone_start.
 */
void lone_use_own_handle(LoneService *lone);

/* Steps the service until it makes no progress and no append is on the wire, or until a step fails (lone->failure). */
void lone_settle(LoneService *lone);

/*
 * Advances the clock to `now`, and steps the service at each time in between at which a timer is due or the runtime is to be
 * stepped.
 */
void lone_until(LoneService *lone, Instant now);

/*
 * Appends a record with the time lone->now to partition 0 of an input topic. `subject` is also the record's key. If the topic is a
 * ledger, the record has the next ledger mark; before the first record, lone_claim is called. Copies the texts.
 */
void lone_input(LoneService *lone, TopicId topic, const char *id, const char *type, const char *subject,
		const char *body);

/* Appends the claim of the owner of an input ledger: epoch 1, owner 77, seq 0. Call it before lone_input for this ledger. */
void lone_claim(LoneService *lone, TopicId topic);

/* Appends any record to partition 0, as another program could. ERROR_INPUT: the record is larger than BUS_RECORD_MAX. */
Result lone_append(LoneService *lone, TopicId topic, const BusRecord *record);

/*
 * The nth record (from 0) of a type in a topic that was never trimmed. In a ledger only accepted records count. False: there are
 * fewer records. *out is borrowed until lone_stop.
 */
bool lone_output(const LoneService *lone, TopicId topic, const char *type, size_t nth, BusRecord *out);
/* The number of records of a type in a topic, counted like lone_output. */
size_t lone_outputs(const LoneService *lone, TopicId topic, const char *type);

#endif
