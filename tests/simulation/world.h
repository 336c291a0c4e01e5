/*
 * All six services in one seeded loop, each in one to three replicas, on an in-memory bus with a fake clock.
 * The wire, which carries appends to the bus, delays, loses and repeats them (memory_bus.h). A process learns the contents of logs
 * only by reading, waiting and appending, as on Kafka. The group moves partitions at random;
 * timers are lost or unreachable; the receiver of messages fails; clients send events again; processes crash with and without
 * their disks, or pause and continue as zombies with appends still on the wire; ledgers are trimmed. A seed determines all of this.
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
	WORLD_CALM_MS = 30000, /* time after the last fault in which owners claim their partitions and process waiting input */
	STREAM_CLIENT = 2 * WORLD_UNITS_MAX, /* a unit has two streams, which the incarnations of its process use in turn */
};

/* One partition of one replica of a service: a runtime and its disk. */
typedef struct {
	const Service *service;
	unsigned partition, replica;
	unsigned number;
	unsigned incarnation; /* incremented at each stop of the process */
	void *environment;
	Bus *bus;              /* the handle of the unit's process; NULL: the process is not running */
	Store *store;          /* NULL: the disk is empty */
	Runtime *runtime;      /* NULL: the process is not running */
	bool assigned;         /* the group has assigned the partition to this replica; the runtime is informed later */
	Instant asleep_until;  /* the process is paused until this time */
	unsigned stuck;        /* number of failed steps in a row */
	bool wire_held;        /* appends of the process are not delivered while it is paused */
} Unit;

/* An event or a report of a client. acknowledged: the client knows that the event is durable; failed: the last append failed. */
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

/* A gateway answered a command from a journal record. The record is identified by a digest; its id does not suffice, because it is
 * derived from the id of the command. */
typedef struct {
	char command[ID_SIZE];
	char record[DIGEST_HEX];
} Answer;

/* Writes the digest of a record's id, type and body to `out`. */
void answer_digest(Slice id, Slice type, Slice body, char out[static DIGEST_HEX]);

typedef struct {
	uint64_t events, commands, steps, crashes, disks_lost, moves, zombies, faults, timers_lost, trims, outages;
	uint64_t claims, superseded, doubts, dropped, forged;
	uint64_t levels_timed; /* levels that were due while their owner ran undisturbed */
} WorldFigures;

typedef struct {
	uint64_t seed, random_state;
	Bus *bus; /* the driver's handle, which sees the whole logs */
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
	unsigned repeated[WORLD_SENT_MAX]; /* how often the receiver accepted each of these messages after calm_at */
	size_t received_count;
	Buffer audit_file;
	bool quiet; /* no more faults, except of the timer store */
	Instant calm_at; /* WORLD_CALM_MS after `quiet` was set: owners then run undisturbed. INSTANT_NONE: not set yet */
	bool away;  /* the bus is unreachable */
	bool hostile;    /* a hostile writer takes part (hostile.h) */
	uint64_t forged; /* number of ids that the hostile writer has used */
	WorldFigures figures; /* totals over all worlds so far */
} World;

void world_init(World *world);
void world_release(World *world);

/* Plays one seed: chaos, then steps without faults, except of the timer store, until no step makes progress. If a service
 * stops, prints the seed and aborts. */
void world_play(World *world, uint64_t seed);

/* Steps all units, the wire and the receiver, without advancing the clock, until no step makes progress. Aborts if that takes
 * too many rounds. */
void world_rest(World *world);

/* Restarts the unit's process, which must be running, with an empty disk. */
void world_restart_empty(World *world, Unit *unit);

/* Frees the units, logs, events and commands of a played seed. Call it after the judge. */
void world_end(World *world);

/* The first replica that the group has assigned; NULL if the group has assigned no replica. In a quiet world exactly one replica is assigned. */
Unit *world_owner(World *world, const char *service, unsigned partition);

/* A random number below the limit, which is at least 1. */
uint32_t random_below(World *world, uint32_t limit);

/* Prints the headers of a log's records on stderr, for debugging a seed; '-' marks trimmed records. */
void world_print(const World *world, TopicId topic, unsigned partition);

/* The policy that all services follow; borrowed. */
const Policy *world_policy(void);

#endif
