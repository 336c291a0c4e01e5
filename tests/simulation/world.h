/*
 * All six services in one seeded loop, each in one to three replicas, on an in-memory bus with a hostile wire and a fake clock.
 * Each process knows of the logs only what it has read, waited for or appended, as on Kafka. The group moves partitions at random;
 * timers are lost or unreachable; the receiver of messages fails; clients repeat themselves; processes crash with and without their
 * disks, or pause and continue as zombies with appends still on the wire; ledgers are trimmed. A seed determines the history.
 *
 * Correctness is checked by judge.h, not here.
 */
#ifndef TOCSIN_TESTS_WORLD_H
#define TOCSIN_TESTS_WORLD_H

#include "shared/base/hash.h"
#include "shared/runtime/runtime.h"

enum {
	WORLD_EVENTS_MAX = 64,
	WORLD_COMMANDS_MAX = 48,
	WORLD_SENT_MAX = 2048,
	WORLD_PARTITIONS_MAX = 3,
	WORLD_REPLICAS_MAX = 3,
	WORLD_UNITS_MAX = 48,
	STREAM_CLIENT = 2 * WORLD_UNITS_MAX, /* a unit has two streams, which the incarnations of its process use in turn */
};

/* One partition of one replica of a service: a runtime and its disk. */
typedef struct {
	const Service *service;
	unsigned partition, replica;
	unsigned number;
	unsigned incarnation; /* grows with each stop of the process */
	void *environment;
	Bus *bus;              /* its process's handle; NULL: it is not running */
	Store *store;          /* NULL: the disk is empty */
	Runtime *runtime;      /* NULL: the process is not running */
	bool assigned;         /* by the group; the runtime learns it late */
	Instant asleep_until;  /* a paused process */
	unsigned stuck;        /* number of failed steps in a row */
	bool wire_held;        /* while it is paused, its appends are not delivered */
} Unit;

/* A client's event; acknowledged: the client knows that it is durable. */
typedef struct {
	Id id;
	unsigned slot;
	char correlation_key[ID_BASE32 + 1];
	bool acknowledged, failed, report;
	Buffer headers, body;
} SentEvent;

typedef struct {
	Id id;
	char incident[ID_SIZE];
	bool acknowledged, failed;
	Buffer headers, body;
} SentCommand;

/* A gateway answered a command from a journal record. The record's digest identifies it: its id follows from the command's. */
typedef struct {
	char command[ID_SIZE];
	char record[DIGEST_HEX];
} Answer;

/* Of a record's id, type and body. */
void answer_digest(Slice id, Slice type, Slice body, char out[static DIGEST_HEX]);

typedef struct {
	uint64_t events, commands, steps, crashes, disks_lost, moves, zombies, faults, timers_lost, trims, outages;
	uint64_t claims, superseded, doubts, dropped, forged;
} WorldFigures;

typedef struct {
	uint64_t seed, random_state;
	Bus *bus; /* the driver's handle, which knows the logs as they are */
	Timers *timers;
	Instant now;
	unsigned partitions;
	bool standby;
	int64_t trim_after_ms;
	Unit units[WORLD_UNITS_MAX];
	size_t unit_count;
	SentEvent events[WORLD_EVENTS_MAX];
	size_t event_count;
	SentCommand commands[WORLD_COMMANDS_MAX];
	size_t command_count;
	Answer *answers;
	size_t answer_count, answer_room;
	char received[WORLD_SENT_MAX][OUTBOUND_KEY]; /* ids of messages the receiver accepted, each once */
	size_t received_count;
	Buffer audit_file;
	bool quiet; /* no more faults */
	bool away;  /* the bus is unreachable */
	bool hostile;    /* a hostile writer takes part (hostile.h) */
	uint64_t forged; /* ids it has used */
	WorldFigures figures; /* of all worlds so far */
} World;

void world_init(World *world);
void world_release(World *world);

/* Plays one seed: chaos, then no more faults until nothing moves. Aborts with the seed where a service stops. */
void world_play(World *world, uint64_t seed);

/* Steps everything at the present time until nothing moves. */
void world_rest(World *world);

/* The process restarts with an empty disk. */
void world_restart_empty(World *world, Unit *unit);

/* Frees everything of the seed, after the judge has looked at it. */
void world_end(World *world);

/* The first replica assigned by the group; exactly one is once the world is quiet. NULL: none. */
Unit *world_owner(World *world, const char *service, unsigned partition);

/* A random number below the limit, which is at least 1. */
uint32_t random_below(World *world, uint32_t limit);

/* Prints the headers of a log's records on stderr, for debugging a seed; '-': trimmed. */
void world_print(const World *world, TopicId topic, unsigned partition);

/* The policy that all services follow; borrowed. */
const Policy *world_policy(void);

#endif
